#include "passes/refit_twin.h"

#include <string.h>

#include "op/resolve.h"

/* ---- slicing by zeroing ---- */

static bool refit_loses(const struct binding *binding, const struct removal *removal) {
    for (uint32_t i = 0; i < binding->channel_count; i++)
        if (removal_has(removal, binding->channels[i])) return true;
    return false;
}

/* Zeroes what a reader takes of removed channels. The reader's operand, where it stands as the constant does (behind DequantizeLinear);
 * else the constant. */
static status refit_zero(struct refit_twin *twin, const struct binding *binding, struct diag *diag) {
    value_id id = node_input(graph_node(twin->graph, binding->reader), binding->input);
    const struct eval_tensor *operand = eval_get(twin->pruned, id), *constant = eval_get(twin->pruned, binding->constant);
    if (!operand || !constant || operand->shape.rank != constant->shape.rank ||
        memcmp(operand->shape.dims, constant->shape.dims, operand->shape.rank * sizeof(int64_t)) != 0)
        id = binding->constant, operand = constant;
    if (!operand || !operand->floats)
        return diag_fail(diag, STATUS_UNSUPPORTED, "%s: recovery cannot read what it takes from '%s'",
                         graph_describe_node(twin->graph, binding->reader), graph_value(twin->graph, binding->constant)->name);
    struct arena *scratch = arena_new(arena_heap(twin->arena));
    struct eval_tensor zeroed = *operand;
    int64_t inner = 1, row = 1;
    for (uint32_t i = binding->axis + 1; i < operand->shape.rank; i++) inner *= operand->shape.dims[i];
    for (uint32_t i = 1; i < operand->shape.rank; i++) row *= operand->shape.dims[i];
    zeroed.floats = arena_copy(scratch, operand->floats, (size_t)operand->elements * sizeof *operand->floats);
    for (int64_t at = 0; at < operand->elements; at++) {
        const bool is_in = !binding->rows_to || (at / row >= binding->rows_from && at / row < binding->rows_to);
        if (is_in && removal_has(twin->removal, binding->channels[at / inner % binding->channel_count])) zeroed.floats[at] = 0;
    }
    const status result = eval_set(twin->pruned, id, &zeroed, diag);
    arena_free(scratch);
    return result;
}

/* Marks what a zeroed reader changes, and what follows from it. */
static void refit_mark_changed(struct refit_twin *twin) {
    bool *reads = ARENA_ARRAY(twin->arena, bool, twin->graph->nodes.count);
    for (uint32_t i = 0; i < twin->spaces->bindings.count; i++) {
        const struct binding *binding = &twin->spaces->bindings.items[i];
        if (binding->role == PLAN_READS && refit_loses(binding, twin->removal)) reads[binding->reader.at] = true;
    }
    twin->is_changed = ARENA_ARRAY(twin->arena, bool, twin->graph->values.count);
    for (uint32_t at = 0; at < twin->graph->order.count; at++) {
        const node_id id = twin->graph->order.items[at];
        const struct node *node = graph_node(twin->graph, id);
        bool changed = reads[id.at];
        for (uint32_t i = 0; i < node->input_count; i++) changed |= twin->is_changed[node->inputs[i].at];
        for (uint32_t i = 0; i < node->output_count && changed; i++) twin->is_changed[node->outputs[i].at] = node->outputs[i].at != 0;
    }
}

static status refit_slice(struct refit_twin *twin, struct diag *diag) {
    status result = STATUS_OK;
    for (uint32_t i = 0; i < twin->spaces->bindings.count && result == STATUS_OK; i++) {
        const struct binding *binding = &twin->spaces->bindings.items[i];
        if (binding->role == PLAN_READS && refit_loses(binding, twin->removal)) result = refit_zero(twin, binding, diag);
    }
    return result;
}

/* ---- running ---- */

static status refit_feed(const struct refit_twin *twin, struct eval *eval, struct diag *diag) {
    eval_next(eval);
    return samples_give(twin->samples, eval, twin->graph, 0, twin->images, diag);
}

bool refit_twin_touches(const struct refit_twin *twin, const struct refit_layer *layer) { return twin->is_changed[layer->output.at]; }

static void refit_want(struct refit_twin *twin, value_id value) {
    if (!twin->wanted[value.at]++) eval_keep(twin->original, value, true);
}

static void refit_want_no_more(struct refit_twin *twin, value_id value) {
    if (!--twin->wanted[value.at]) eval_keep(twin->original, value, false);
}

status refit_twin_rewind(struct refit_twin *twin, struct diag *diag) {
    status result = refit_feed(twin, twin->original, diag);
    if (result == STATUS_OK) result = refit_feed(twin, twin->pruned, diag);
    twin->original_at = twin->pruned_at = 0;
    return result;
}

status refit_twin_open(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct spaces *spaces,
                       const struct removal *removal, struct samples *samples, int64_t memory_bytes, struct parallel *threads,
                       struct refit_twin *twin, struct diag *diag) {
    const struct eval_settings settings = {threads, memory_bytes / 2};
    *twin = (struct refit_twin){.arena = arena,
                                .graph = graph,
                                .spaces = spaces,
                                .removal = removal,
                                .samples = samples,
                                .images = samples_count(samples),
                                .threads = threads};
    twin->original = eval_new(arena, graph, &settings);
    twin->pruned = eval_new(arena, graph, &settings);
    twin->wanted = ARENA_ARRAY(arena, uint32_t, graph->values.count);
    refit_layers_find(arena, graph, shapes, twin->original, &twin->layers);
    refit_mark_changed(twin);
    const status result = refit_slice(twin, diag);
    for (uint32_t i = 0; i < twin->layers.count; i++) {
        const struct refit_layer *layer = &twin->layers.items[i];
        if (!refit_twin_touches(twin, layer)) continue;
        refit_want(twin, layer->input);
        refit_want(twin, layer->target);
    }
    return result == STATUS_OK ? refit_twin_rewind(twin, diag) : result;
}

static status refit_run_to(struct eval *eval, uint32_t *at, uint32_t to, struct diag *diag) {
    const status result = to > *at ? eval_run(eval, *at, to, diag) : STATUS_OK;
    if (result == STATUS_OK && to > *at) *at = to;
    return result;
}

status refit_twin_reach(struct refit_twin *twin, const struct refit_layer *layer, struct diag *diag) {
    const node_id producer = graph_value(twin->graph, layer->target)->producer;
    const status result = refit_run_to(twin->original, &twin->original_at, eval_position(twin->original, producer) + 1, diag);
    return result == STATUS_OK ? refit_run_to(twin->pruned, &twin->pruned_at, layer->position, diag) : result;
}

void refit_twin_leave(struct refit_twin *twin, const struct refit_layer *layer) {
    refit_want_no_more(twin, layer->input);
    refit_want_no_more(twin, layer->target);
}

status refit_twin_finish(struct refit_twin *twin, struct diag *diag) {
    const status result = refit_run_to(twin->original, &twin->original_at, eval_node_count(twin->original), diag);
    return result == STATUS_OK ? refit_run_to(twin->pruned, &twin->pruned_at, eval_node_count(twin->pruned), diag) : result;
}

bool *refit_removed(struct arena *arena, const struct refit_twin *twin, value_id value, uint32_t axis, uint32_t count) {
    bool *removed = ARENA_ARRAY(arena, bool, count);
    const uint32_t labelled = spaces_axis_of(twin->spaces, value, axis);
    if (labelled == CHANNEL_NONE) return removed;
    const struct labelled_axis *shown = &twin->spaces->axes.items[labelled];
    for (uint32_t i = 0; i < count && i < shown->channel_count; i++) removed[i] = removal_has(twin->removal, shown->channels[i]);
    return removed;
}
