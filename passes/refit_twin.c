#include "passes/refit_twin.h"

#include <string.h>

#include "op/resolve.h"

/* ---- slicing by zeroing ---- */

static bool refit_loses(const struct binding *binding, const struct removal *removal) {
    for (uint32_t i = 0; i < binding->channel_count; i++)
        if (removal_has(removal, binding->channels[i])) return true;
    return false;
}

/* Where the reader's columns are zeroed: its operand, where that stands as the constant does (behind DequantizeLinear); else the constant.
 */
static value_id refit_zeroed(const struct refit_twin *twin, const struct binding *binding) {
    const value_id id = node_input(graph_node(twin->graph, binding->reader), binding->input);
    const struct eval_tensor *operand = eval_get(twin->pruned, id), *constant = eval_get(twin->pruned, binding->constant);
    const bool is_alike = operand && constant && operand->shape.rank == constant->shape.rank &&
                          memcmp(operand->shape.dims, constant->shape.dims, operand->shape.rank * sizeof(int64_t)) == 0;
    return is_alike ? id : binding->constant;
}

static status refit_zero(struct refit_twin *twin, const struct binding *binding, struct diag *diag) {
    const value_id id = refit_zeroed(twin, binding);
    const struct eval_tensor *operand = eval_get(twin->pruned, id);
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
    const struct graph *graph = twin->graph;
    memset(twin->is_changed, 0, graph->values.count * sizeof *twin->is_changed);
    memset(twin->runs, 0, graph->order.count * sizeof *twin->runs);
    for (uint32_t i = 0; i < twin->spaces->bindings.count; i++) {
        const struct binding *binding = &twin->spaces->bindings.items[i];
        if (binding->role == PLAN_READS && refit_loses(binding, twin->removal))
            twin->runs[eval_position(twin->pruned, binding->reader)] = true;
    }
    for (uint32_t at = 0; at < graph->order.count; at++) {
        const struct node *node = graph_node(graph, graph->order.items[at]);
        for (uint32_t i = 0; i < node->input_count; i++) twin->runs[at] |= twin->is_changed[node->inputs[i].at];
        for (uint32_t i = 0; i < node->output_count && twin->runs[at]; i++)
            twin->is_changed[node->outputs[i].at] = node->outputs[i].at != 0;
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

bool refit_twin_touches(const struct refit_twin *twin, const struct refit_layer *layer) { return twin->is_changed[layer->output.at]; }

const struct eval_tensor *refit_twin_pruned(const struct refit_twin *twin, value_id value) {
    return eval_get(twin->keeps_original && !twin->is_changed[value.at] ? twin->original : twin->pruned, value);
}

const struct eval_tensor *refit_twin_ahead(const struct refit_twin *twin, value_id value) {
    const struct eval_tensor *tensor = refit_twin_pruned(twin, value);
    return tensor || twin->is_changed[value.at] ? tensor : eval_get(twin->original, value);
}

const struct refit_layer *refit_twin_other(const struct refit_twin *twin, const struct refit_layer *layer) {
    if (layer->other == REFIT_ALONE) return NULL;
    const struct refit_layer *other = &twin->layers.items[layer->other];
    return refit_twin_touches(twin, layer) && refit_twin_touches(twin, other) ? other : NULL;
}

bool refit_twin_is_earlier(const struct refit_twin *twin, const struct refit_layer *layer) {
    const struct refit_layer *other = refit_twin_other(twin, layer);
    return other && layer->position < other->position;
}

static void refit_want(struct refit_twin *twin, value_id value) {
    if (!twin->wanted[value.at]++) eval_keep(twin->original, value, true);
}

static void refit_want_no_more(struct refit_twin *twin, value_id value) {
    if (!--twin->wanted[value.at]) eval_keep(twin->original, value, false);
}

/* What the layers that will be solved need of the original; or everything. */
static void refit_want_all(struct refit_twin *twin) {
    for (uint32_t v = 1; v < twin->graph->values.count && twin->keeps_original; v++) eval_keep(twin->original, (value_id){v}, true);
    for (uint32_t i = 0; i < twin->layers.count && !twin->keeps_original; i++) {
        const struct refit_layer *layer = &twin->layers.items[i];
        if (!refit_twin_touches(twin, layer)) continue;
        refit_want(twin, layer->input);
        refit_want(twin, layer->target);
        if (layer->other != REFIT_ALONE) refit_want(twin, layer->skip);
    }
}

status refit_twin_rewind(struct refit_twin *twin, struct diag *diag) {
    status result = refit_batch_give(twin->batch, twin->original, diag);
    if (result == STATUS_OK) result = refit_batch_give(twin->batch, twin->pruned, diag);
    twin->original_at = twin->pruned_at = 0;
    return result;
}

status refit_twin_open(struct arena *arena, const struct refit_twin_request *request, struct refit_twin *twin, struct diag *diag) {
    const struct eval_settings settings = {request->threads, request->memory_bytes / 2};
    const struct graph *graph = request->graph;
    *twin = (struct refit_twin){.arena = arena,
                                .graph = graph,
                                .spaces = request->spaces,
                                .removal = request->removal,
                                .batch = request->batch,
                                .keeps_original = request->keeps_original,
                                .threads = request->threads};
    twin->original = eval_new(arena, graph, &settings);
    twin->pruned = eval_new(arena, graph, &settings);
    twin->wanted = ARENA_ARRAY(arena, uint32_t, graph->values.count);
    twin->is_changed = ARENA_ARRAY(arena, bool, graph->values.count);
    twin->runs = ARENA_ARRAY(arena, bool, graph->order.count);
    twin->held = ARENA_ARRAY(arena, uint32_t, graph->values.count);
    refit_layers_find(arena, graph, request->shapes, twin->original, &twin->layers);
    refit_mark_changed(twin);
    refit_want_all(twin);
    const status result = refit_slice(twin, diag);
    return result == STATUS_OK ? refit_twin_rewind(twin, diag) : result;
}

/* ---- another removal ---- */

static status refit_restore(struct refit_twin *twin, value_id id, struct diag *diag) {
    return id.at ? eval_set(twin->pruned, id, eval_get(twin->original, id), diag) : STATUS_OK;
}

static status refit_restore_all(struct refit_twin *twin, struct diag *diag) {
    status result = STATUS_OK;
    for (uint32_t i = 0; i < twin->spaces->bindings.count && result == STATUS_OK; i++) {
        const struct binding *binding = &twin->spaces->bindings.items[i];
        if (binding->role == PLAN_READS && refit_loses(binding, twin->removal))
            result = refit_restore(twin, refit_zeroed(twin, binding), diag);
    }
    for (uint32_t i = 0; i < twin->layers.count && result == STATUS_OK; i++) {
        const struct refit_layer *layer = &twin->layers.items[i];
        if (!refit_twin_touches(twin, layer)) continue;
        result = refit_restore(twin, layer->weight, diag);
        if (result == STATUS_OK) result = refit_restore(twin, layer->bias, diag);
    }
    return result;
}

status refit_twin_renew(struct refit_twin *twin, const struct removal *removal, struct diag *diag) {
    status result = refit_restore_all(twin, diag);
    twin->removal = removal;
    twin->pruned_at = 0;
    refit_mark_changed(twin);
    eval_next(twin->pruned);
    return result == STATUS_OK ? refit_slice(twin, diag) : result;
}

/* ---- going on ---- */

static status refit_run_to(struct eval *eval, uint32_t *at, uint32_t to, struct diag *diag) {
    const status result = to > *at ? eval_run(eval, *at, to, diag) : STATUS_OK;
    if (result == STATUS_OK && to > *at) *at = to;
    return result;
}

/* A node of the pruned network; what it reads as it is in the original is taken from there. */
static status refit_run_node(struct refit_twin *twin, uint32_t position, struct diag *diag) {
    const struct node *node = graph_node(twin->graph, twin->graph->order.items[position]);
    status result = STATUS_OK;
    for (uint32_t i = 0; i < node->input_count && result == STATUS_OK && twin->keeps_original; i++)
        if (node->inputs[i].at && !eval_get(twin->pruned, node->inputs[i]))
            result = eval_set(twin->pruned, node->inputs[i], eval_get(twin->original, node->inputs[i]), diag);
    return result == STATUS_OK ? eval_run(twin->pruned, position, position + 1, diag) : result;
}

/* Only what is not as in the original runs. */
static status refit_run_changed(struct refit_twin *twin, uint32_t to, struct diag *diag) {
    status result = STATUS_OK;
    for (; twin->pruned_at < to && result == STATUS_OK; twin->pruned_at++)
        if (twin->runs[twin->pruned_at]) result = refit_run_node(twin, twin->pruned_at, diag);
    return result;
}

/* Nodes with one reader each, by the definition of z. */
status refit_twin_repeat(struct refit_twin *twin, const struct refit_layer *layer, struct diag *diag) {
    const value_id z = twin->layers.items[layer->other].skip;
    node_id node = layer->node;
    for (;;) {
        const status result = refit_run_node(twin, eval_position(twin->pruned, node), diag);
        const value_id made = node_output(graph_node(twin->graph, node), 0);
        if (result != STATUS_OK || made.at == z.at) return result;
        node = graph_value(twin->graph, made)->uses.items[0].node;
    }
}

static status refit_run_pruned(struct refit_twin *twin, uint32_t to, struct diag *diag) {
    return twin->keeps_original ? refit_run_changed(twin, to, diag) : refit_run_to(twin->pruned, &twin->pruned_at, to, diag);
}

status refit_twin_reach(struct refit_twin *twin, const struct refit_layer *layer, struct diag *diag) {
    const node_id producer = graph_value(twin->graph, layer->target)->producer;
    const status result = refit_run_to(twin->original, &twin->original_at, eval_position(twin->original, producer) + 1, diag);
    return result == STATUS_OK ? refit_run_pruned(twin, layer->position, diag) : result;
}

static void refit_leave(struct refit_twin *twin, const struct refit_layer *layer) {
    if (twin->keeps_original) return;
    refit_want_no_more(twin, layer->input);
    refit_want_no_more(twin, layer->target);
    if (layer->other != REFIT_ALONE) refit_want_no_more(twin, layer->skip);
}

void refit_twin_leave(struct refit_twin *twin, const struct refit_layer *layer) {
    const struct refit_layer *other = refit_twin_other(twin, layer);
    refit_leave(twin, layer);
    if (!other) return;
    refit_leave(twin, other);
    if (--twin->held[other->input.at]) return;
    eval_keep(twin->pruned, other->input, false);
    if (eval_last_use(twin->pruned, other->input) < twin->pruned_at) eval_drop(twin->pruned, other->input);
}

void refit_twin_hold(struct refit_twin *twin, const struct refit_layer *layer) {
    twin->held[layer->input.at]++;
    eval_keep(twin->pruned, layer->input, true);
}

status refit_twin_finish(struct refit_twin *twin, struct diag *diag) {
    const status result = refit_run_to(twin->original, &twin->original_at, eval_node_count(twin->original), diag);
    return result == STATUS_OK ? refit_run_pruned(twin, eval_node_count(twin->pruned), diag) : result;
}

void refit_twin_measure(const struct refit_twin *twin, int64_t from, int64_t to, const int64_t *labels, struct accuracy *sum) {
    for (uint32_t k = 0; k < twin->graph->outputs.count; k++) {
        const struct eval_tensor *original = eval_get(twin->original, twin->graph->outputs.items[k]);
        const struct eval_tensor *pruned = refit_twin_pruned(twin, twin->graph->outputs.items[k]);
        if (!original->floats || !original->shape.rank || original->shape.dims[0] != twin->batch->images) continue;
        for (int64_t image = from; image < to; image++)
            accuracy_add(sum, original, pruned, image, k == 0, labels ? &labels[twin->batch->numbers[image]] : NULL);
    }
}

bool *refit_removed(struct arena *arena, const struct refit_twin *twin, value_id value, uint32_t axis, uint32_t count) {
    bool *removed = ARENA_ARRAY(arena, bool, count);
    const uint32_t labelled = spaces_axis_of(twin->spaces, value, axis);
    if (labelled == CHANNEL_NONE) return removed;
    const struct labelled_axis *shown = &twin->spaces->axes.items[labelled];
    for (uint32_t i = 0; i < count && i < shown->channel_count; i++) removed[i] = removal_has(twin->removal, shown->channels[i]);
    return removed;
}
