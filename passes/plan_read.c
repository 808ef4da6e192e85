/* A plan as a removal: it must be of this model, and legal. */
#include <inttypes.h>
#include <string.h>

#include "passes/labels.h"
#include "passes/plan_slices.h"

/* ---- slices: is it this model's plan? ---- */

static status plan_check_slice(const struct graph *graph, const struct plan_slice *slice, struct diag *diag) {
    const value_id id = graph_find_value(graph, slice->tensor);
    const tensor_id constant = id.at ? graph_value(graph, id)->constant : TENSOR_NONE;
    if (!constant.at)
        return diag_fail(diag, STATUS_USAGE, "the plan is for another model: it cuts tensor '%s', which this one does not have",
                         slice->tensor);
    const struct tensor *tensor = graph_tensor(graph, constant);
    if (slice->axis >= tensor->rank || tensor->dims[slice->axis] != slice->size)
        return diag_fail(diag, STATUS_USAGE,
                         "the plan is for another model: axis %u of tensor '%s' has %" PRId64 " indices in the plan, %" PRId64 " here",
                         slice->axis, slice->tensor, slice->size, slice->axis < tensor->rank ? tensor->dims[slice->axis] : 0);
    return STATUS_OK;
}

static bool plan_has_slice(const struct plan *plan, const struct plan_slice *slice) {
    for (uint32_t i = 0; i < plan->slices.count; i++)
        if (plan_slices_equal(&plan->slices.items[i], slice)) return true;
    return false;
}

/* Both ways; the first tensor that differs is named. */
static status plan_compare_slices(const struct plan *given, const struct plan *made, struct diag *diag) {
    for (uint32_t i = 0; i < made->slices.count; i++)
        if (!plan_has_slice(given, &made->slices.items[i]))
            return diag_fail(
                diag, STATUS_USAGE,
                "the plan does not fit this model: its spaces cut axis %u of tensor '%s' (%u of %" PRId64 "), its slices do not say so",
                made->slices.items[i].axis, made->slices.items[i].tensor, made->slices.items[i].remove_count, made->slices.items[i].size);
    for (uint32_t i = 0; i < given->slices.count; i++)
        if (!plan_has_slice(made, &given->slices.items[i]))
            return diag_fail(diag, STATUS_USAGE, "the plan does not fit this model: it cuts axis %u of tensor '%s', its spaces do not",
                             given->slices.items[i].axis, given->slices.items[i].tensor);
    if (given->fingerprint && strcmp(given->fingerprint, made->fingerprint) != 0)
        return diag_fail(diag, STATUS_USAGE, "the plan is for another model: fingerprint %s, this one has %s (first tensor '%s')",
                         given->fingerprint, made->fingerprint, made->slices.count ? made->slices.items[0].tensor : "");
    return STATUS_OK;
}

/* ---- spaces ---- */

static status plan_take_space(const struct spaces *spaces, const struct plan_space *given, struct removal *removal, struct diag *diag) {
    uint32_t s = 0;
    while (s < spaces->items.count && strcmp(spaces->items.items[s].id, given->id) != 0) s++;
    if (s == spaces->items.count)
        return diag_fail(diag, STATUS_USAGE, "the plan is for another model: this one has no space '%s'", given->id);
    const struct space *space = &spaces->items.items[s];
    if (space->size != given->size)
        return diag_fail(diag, STATUS_USAGE, "the plan is for another model: space '%s' has %u channels in the plan, %u here", given->id,
                         given->size, space->size);
    for (uint32_t i = 0; i < given->remove_count; i++) {
        if (given->remove[i] >= space->size || removal->removed[s][given->remove[i]])
            return diag_fail(diag, STATUS_USAGE, "space '%s': channel %u is %s", given->id, given->remove[i],
                             given->remove[i] >= space->size ? "beyond its end" : "named twice");
        removal->removed[s][given->remove[i]] = true;
        removal->counts[s]++;
    }
    return STATUS_OK;
}

/* ---- "keep": {"NODE": 48} ---- */

/* The least important channel that is left of a cell, CHANNEL_NONE where it is the last. */
static uint32_t plan_least(const struct space *space, uint32_t cell, const double *importance, const bool *removed) {
    uint32_t least = CHANNEL_NONE, left = 0;
    for (uint32_t i = 0; i < space->cell_size; i++) {
        const uint32_t channel = space->cells ? space->cells[cell][i] : i;
        if (removed[channel]) continue;
        left++;
        if (least == CHANNEL_NONE || importance[channel] < importance[least]) least = channel;
    }
    return left > 1 ? least : CHANNEL_NONE;
}

/* The next step in a space: one channel of each cell. False where a cell would be left empty. */
static bool plan_next_step(const struct space *space, const double *importance, const bool *removed, uint32_t *step, double *weight) {
    *weight = 0;
    for (uint32_t cell = 0; cell < space->cell_count; cell++) {
        step[cell] = plan_least(space, cell, importance, removed);
        if (step[cell] == CHANNEL_NONE) return false;
        *weight += importance[step[cell]];
    }
    *weight /= space->cell_count;
    return true;
}

/* The axis of the node's output that shows channels which may go; CHANNEL_NONE where there is none. */
static uint32_t plan_axis_of_node(const struct graph *graph, const struct spaces *spaces, node_id id) {
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
        const uint32_t at = spaces_axis_of(spaces, node_output(graph_node(graph, id), 0), axis);
        for (uint32_t i = 0; at != CHANNEL_NONE && i < spaces->axes.items[at].channel_count; i++)
            if (spaces->axes.items[at].channels[i].space != CHANNEL_NONE) return at;
    }
    return CHANNEL_NONE;
}

/* ": graph output 'logits'"; "" where nothing of the node's output shows channels. */
static const char *plan_why_not(const struct spaces *spaces, const struct node *node) {
    struct labels *labels = spaces->private_->labels;
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
        const struct label *label = labels->of_value[node_output(node, 0).at][axis];
        const char *reason = label && label->count ? labels_reason(labels, label->atoms[0]) : NULL;
        if (reason) return arena_print(labels->arena, ": %s", reason);
    }
    return "";
}

static uint32_t plan_kept(const struct labelled_axis *axis, const struct removal *removal) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < axis->channel_count; i++) kept += !removal_has(removal, axis->channels[i]);
    return kept;
}

/* Takes the cheapest step among the spaces that the axis shows. False where none is left. */
static bool plan_take_step(struct arena *arena, const struct spaces *spaces, const struct labelled_axis *axis, double *const *importance,
                           struct removal *removal) {
    bool *seen = ARENA_ARRAY(arena, bool, spaces->items.count);
    uint32_t best = CHANNEL_NONE, *best_step = NULL;
    double best_weight = 0;
    for (uint32_t i = 0; i < axis->channel_count; i++) {
        const uint32_t s = axis->channels[i].space;
        if (s == CHANNEL_NONE || seen[s]) continue;
        seen[s] = true;
        double weight;
        uint32_t *step = ARENA_ARRAY(arena, uint32_t, spaces->items.items[s].cell_count);
        if (!plan_next_step(&spaces->items.items[s], importance[s], removal->removed[s], step, &weight)) continue;
        if (best != CHANNEL_NONE && best_weight <= weight) continue;
        best = s, best_step = step, best_weight = weight;
    }
    if (best == CHANNEL_NONE) return false;
    for (uint32_t cell = 0; cell < spaces->items.items[best].cell_count; cell++) removal->removed[best][best_step[cell]] = true;
    removal->counts[best] += spaces->items.items[best].cell_count;
    return true;
}

static status plan_take_keep(struct arena *arena, const struct graph *graph, const struct spaces *spaces, const struct plan_keep *keep,
                             double *const *importance, struct removal *removal, struct diag *diag) {
    const node_id id = graph_find_node(graph, keep->node);
    if (!id.at) return diag_fail(diag, STATUS_USAGE, "keep: the model has no node '%s'", keep->node);
    const uint32_t at = plan_axis_of_node(graph, spaces, id);
    if (at == CHANNEL_NONE || !importance)
        return diag_fail(diag, STATUS_USAGE, "keep: node '%s' has no channels that can be pruned%s", keep->node,
                         plan_why_not(spaces, graph_node(graph, id)));
    const struct labelled_axis *axis = &spaces->axes.items[at];
    uint32_t kept = plan_kept(axis, removal);
    struct arena *scratch = arena_new(arena_heap(arena));
    while (kept > keep->keep && plan_take_step(scratch, spaces, axis, importance, removal)) kept = plan_kept(axis, removal);
    arena_free(scratch);
    if (kept == keep->keep) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "keep: node '%s' has %u channels, %u cannot be reached (%u can)", keep->node, axis->channel_count,
                     keep->keep, kept);
}

status plan_to_removal(struct arena *arena, const struct graph *graph, const struct spaces *spaces, const struct plan *plan,
                       double *const *importance, struct removal *removal, struct diag *diag) {
    status result = STATUS_OK;
    removal_init(arena, spaces, removal);
    for (uint32_t i = 0; i < plan->slices.count && result == STATUS_OK; i++) result = plan_check_slice(graph, &plan->slices.items[i], diag);
    for (uint32_t i = 0; i < plan->spaces.count && result == STATUS_OK; i++)
        result = plan_take_space(spaces, &plan->spaces.items[i], removal, diag);
    for (uint32_t i = 0; i < plan->keeps.count && result == STATUS_OK; i++)
        result = plan_take_keep(arena, graph, spaces, &plan->keeps.items[i], importance, removal, diag);
    for (uint32_t i = 0; i < plan->keeps.count && result == STATUS_OK; i++) /* those before may have lost more since */
        result = plan_take_keep(arena, graph, spaces, &plan->keeps.items[i], importance, removal, diag);
    if (result == STATUS_OK) result = removal_check(graph, spaces, removal, diag);
    if (result != STATUS_OK || !plan->slices.count) return result;
    struct plan made;
    result = plan_make(arena, graph, spaces, removal, &made, diag);
    return result == STATUS_OK ? plan_compare_slices(plan, &made, diag) : result;
}
