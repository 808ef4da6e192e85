/* A removal becomes edits: constants cut, numbers in nodes rewritten, declared dims made smaller.
 *
 * Before: a graph and the spaces found in it. After: the removed channels are nowhere in it, and nothing else has changed. */
#include "passes/apply.h"

#include <inttypes.h>

#include "ir/cut.h"
#include "ir/edit.h"

static status apply_check_data(const struct graph *graph, const struct demands *demands, struct diag *diag) {
    for (uint32_t i = 0; i < demands->count; i++) {
        const value_id id = demands->items[i].bound->constant;
        const struct tensor *tensor = graph_tensor(graph, graph_value(graph, id)->constant);
        if (!tensor->has_bytes && !tensor->cut)
            return diag_fail(diag, STATUS_UNSUPPORTED, "tensor '%s': its data are missing, they are needed to prune it",
                             graph_value(graph, id)->name);
    }
    return STATUS_OK;
}

static bool apply_is_same_use(const struct bound *a, const struct bound *b) {
    return a->constant.at == b->constant.at && a->reader.at == b->reader.at && a->input == b->input;
}

/* What the values between the constant and its reader declare. */
static void apply_declare_steps(struct graph *graph, const struct demands *demands) {
    for (uint32_t i = 0; i < demands->count; i++) {
        const struct bound *bound = demands->items[i].bound;
        node_id node = bound->reader;
        uint32_t input = bound->input;
        for (uint32_t k = 0; k < bound->step_count && !bound->is_scale; k++) {
            const value_id value = graph_node(graph, node)->inputs[input];
            edit_set_declared_dim(graph, value, bound->steps[k].axis, (int64_t)bound->label->count - demands->items[i].remove_count);
            node = graph_value(graph, value)->producer;
            input = bound->steps[k].input;
        }
    }
}

/* All demands of one reader on one constant, from `first` on. */
static status apply_cut(struct graph *graph, struct demands *demands, uint32_t first, value_id constant, bool *done, struct diag *diag) {
    const struct bound *bound = demands->items[first].bound;
    const tensor_id id = graph_value(graph, constant)->constant;
    struct cut *cut = cut_new(graph->arena, graph_tensor(graph, id));
    for (uint32_t i = first; i < demands->count; i++) {
        const struct demand *demand = &demands->items[i];
        if (done[i] || !apply_is_same_use(demand->bound, bound)) continue;
        cut_remove(graph->arena, cut, demand->bound->axis, demand->remove, demand->remove_count, demand->bound->rows_from,
                   demand->bound->rows_to);
        done[i] = true;
    }
    if (!cut_is_even(cut))
        return diag_fail(diag, STATUS_BUG, "tensor '%s': its rows lose different numbers of columns", graph_value(graph, constant)->name);
    edit_cut_tensor(graph, id, cut);
    for (uint32_t axis = 0; axis < cut->rank; axis++) edit_set_declared_dim(graph, constant, axis, cut_dim(cut, axis));
    return STATUS_OK;
}

/* Other readers that want the same cut of the same constant have it now. */
static void apply_mark_alike(const struct demands *demands, uint32_t first, bool *done) {
    for (uint32_t i = first; i < demands->count; i++)
        if (demands->items[i].bound->constant.at == demands->items[first].bound->constant.at) done[i] = true;
}

static status apply_constants(struct graph *graph, struct arena *scratch, struct demands *demands, struct diag *diag) {
    bool *done = ARENA_ARRAY(scratch, bool, demands->count);
    for (uint32_t i = 0; i < demands->count; i++) {
        if (done[i]) continue;
        const struct bound *bound = demands->items[i].bound;
        value_id constant = bound->constant;
        if (demands->items[i].is_parted) constant = apply_make_private(graph, bound->reader, bound->input, bound->steps, bound->step_count);
        const status result = apply_cut(graph, demands, i, constant, done, diag);
        if (result != STATUS_OK) return result;
        if (!demands->items[i].is_parted) apply_mark_alike(demands, i, done);
    }
    return STATUS_OK;
}

static void apply_declared(struct graph *graph, const struct spaces *spaces, const struct removal *removal) {
    for (uint32_t i = 0; i < spaces->axes.count; i++) {
        const struct labelled_axis *axis = &spaces->axes.items[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < axis->channel_count; k++) kept += !removal_has(removal, axis->channels[k]);
        if (kept < axis->channel_count) edit_set_declared_dim(graph, axis->value, axis->axis, kept);
    }
}

status spaces_apply(struct arena *arena, struct graph *graph, const struct spaces *spaces, const struct removal *removal,
                    struct diag *diag) {
    status result = removal_check(graph, spaces, removal, diag);
    if (result != STATUS_OK) return result;
    struct demands demands = demands_of(arena, graph, spaces, removal);
    result = apply_check_data(graph, &demands, diag);
    if (result != STATUS_OK) return result;
    result = apply_constants(graph, arena, &demands, diag);
    if (result != STATUS_OK) return result;
    apply_declare_steps(graph, &demands);
    apply_fixups(graph, spaces, removal);
    apply_declared(graph, spaces, removal);
    return STATUS_OK;
}
