#include "passes/record_fused.h"

#include <string.h>

/* ---- windows ---- */

struct fused_range {
    int64_t from, to;
};

/* Inputs that outputs of a range touch, as a hull, clipped to the plane. */
static struct fused_range fused_touched(const struct group_window *window, struct fused_range made, int64_t plane) {
    const int64_t extent = (window->kernel - 1) * window->dilation + 1;
    struct fused_range touched = {made.from * window->stride - window->pad, (made.to - 1) * window->stride - window->pad + extent};
    if (window->is_transposed) {
        touched.from = (made.from + window->pad - extent + window->stride) / window->stride;
        touched.to = (made.to - 1 + window->pad) / window->stride + 1;
    }
    if (touched.from < 0) touched.from = 0;
    if (touched.to > plane) touched.to = plane;
    return touched;
}

static void fused_widen(struct fused_range *range, struct fused_range by) {
    if (by.to <= by.from) return;
    const bool is_empty = range->to <= range->from;
    if (is_empty || by.from < range->from) range->from = by.from;
    if (is_empty || by.to > range->to) range->to = by.to;
}

/* What each tensor is wanted of along an axis for one tile. */
static void fused_want(const struct group *group, int axis, struct fused_range tile, struct fused_range *ranges) {
    const int64_t *plane = group->tensors[group->members[group->member_count - 1].output].plane;
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *tensor = &group->tensors[t];
        const bool is_end = !tensor->use_count && tensor->plane[0] == plane[0] && tensor->plane[1] == plane[1];
        ranges[t] = is_end ? tile : (struct fused_range){0, 0};
    }
    for (uint32_t m = group->member_count; m-- > 0;) {
        const struct group_member *member = &group->members[m];
        const struct fused_range made = ranges[member->output];
        for (uint32_t i = 0; i < member->input_count && made.to > made.from; i++) {
            const uint32_t tensor = member->input[i].tensor;
            fused_widen(&ranges[tensor], fused_touched(&member->input[i].window[axis], made, group->tensors[tensor].plane[axis]));
        }
    }
}

static void fused_find_windows(struct arena *arena, const struct group *group, const int64_t *tile, struct record_tensor *tensors) {
    struct fused_range *ranges = ARENA_ARRAY(arena, struct fused_range, group->tensor_count);
    for (int axis = 0; axis < GROUP_AXES; axis++) {
        const int64_t plane = group->tensors[group->members[group->member_count - 1].output].plane[axis];
        for (int64_t from = 0; from < plane; from += tile[axis]) {
            const int64_t to = from + tile[axis] < plane ? from + tile[axis] : plane;
            fused_want(group, axis, (struct fused_range){from, to}, ranges);
            for (uint32_t t = 0; t < group->tensor_count; t++)
                if (ranges[t].to - ranges[t].from > tensors[t].window[axis]) tensors[t].window[axis] = ranges[t].to - ranges[t].from;
        }
    }
}

/* ---- parts of the record ---- */

static void fused_add_nodes(struct arena *arena, const struct record_source *sources, const struct record_layer *layers, uint32_t count,
                            struct record_group *group) {
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < count; i++) nodes += 1 + layers[i].epilogue_count;
    const char **names = arena_alloc_array(arena, nodes, sizeof *names);
    node_id *ids = ARENA_ARRAY(arena, node_id, nodes);
    for (uint32_t i = 0; i < count; i++) {
        names[group->node_count] = layers[i].name;
        ids[group->node_count++] = sources[i].node;
        for (uint32_t k = 0; k < layers[i].epilogue_count; k++) {
            names[group->node_count] = layers[i].epilogue[k];
            ids[group->node_count++] = sources[i].epilogue[k];
        }
    }
    group->nodes = names;
    group->node_ids = ids;
}

static void fused_add_tensors(struct arena *arena, const struct graph *graph, const struct fusion_part *part, uint32_t first_layer,
                              struct record_group *group) {
    struct record_tensor *tensors = ARENA_ARRAY(arena, struct record_tensor, part->group.tensor_count);
    for (uint32_t t = 0; t < part->group.tensor_count; t++) {
        const struct group_tensor *tensor = &part->group.tensors[t];
        const int64_t block = part->found.schedule.block[t];
        const bool is_made = tensor->producer != GROUP_OFF_CHIP;
        tensors[t] = (struct record_tensor){.name = graph_value(graph, part->values[t])->name,
                                            .block = block < tensor->channels ? block : tensor->channels,
                                            .stays = tensor->stays,
                                            .channels = tensor->channels,
                                            .layer = first_layer + (is_made ? (uint32_t)tensor->producer : tensor->first_use),
                                            .is_made = is_made,
                                            .moves = !tensor->stays && (!is_made || tensor->is_output)};
    }
    fused_find_windows(arena, &part->group, part->found.schedule.tile, tensors);
    group->tensors = tensors;
    group->tensor_count = part->group.tensor_count;
}

static void fused_add_weights(struct arena *arena, const struct fusion_part *part, const struct record_layer *layers,
                              struct record_group *group) {
    struct record_weights *weights = ARENA_ARRAY(arena, struct record_weights, part->layer_count);
    for (uint32_t m = 0; m < part->layer_count; m++) {
        const struct group_member *member = &part->group.members[m];
        if (!member->kernel_elems && !member->slope_elems) continue;
        weights[group->weight_count++] = (struct record_weights){layers[m].name, part->found.schedule.piece[m]};
    }
    group->weights = weights;
}

static bool fused_is_tensor(const struct fusion_part *part, value_id value) {
    for (uint32_t t = 0; t < part->group.tensor_count; t++)
        if (part->values[t].at == value.at) return true;
    return false;
}

static void fused_add_rereads(struct arena *arena, const struct graph *graph, const struct fusion_part *part,
                              const struct record_layer *layers, struct record_group *group) {
    struct record_reread *rereads = ARENA_ARRAY(arena, struct record_reread, part->operand_count);
    for (uint32_t i = 0; i < part->operand_count; i++) {
        const struct fusion_operand *operand = &part->operands[i];
        if (!fused_is_tensor(part, operand->value)) continue;
        rereads[group->reread_count++] = (struct record_reread){layers[operand->member].name, graph_value(graph, operand->value)->name};
    }
    if (group->reread_count) group->rereads = rereads;
}

/* MACs of a run that makes every element once. */
static int64_t fused_macs_once(struct arena *arena, const struct target *target, const struct fusion_part *part) {
    struct arena *scratch = arena_new(arena_heap(arena));
    const struct group *group = &part->group;
    struct group_schedule schedule = part->found.schedule;
    struct group_cost cost;
    schedule.overlap = OVERLAP_FULL;
    schedule.out_blocks = 1;
    schedule.piece = ARENA_ARRAY(scratch, int64_t, group->member_count);
    schedule.block = ARENA_ARRAY(scratch, int64_t, group->tensor_count);
    group_cost(scratch, group, target, &schedule, &cost);
    arena_free(scratch);
    return cost.macs;
}

void record_fused_make(struct arena *arena, const struct graph *graph, const struct target *target, const struct record_source *sources,
                       const struct fusion_part *part, const struct record_layer *layers, struct record_group *group) {
    static const char *const overlaps[] = {[OVERLAP_RECOMPUTE] = "recompute", [OVERLAP_ROWS] = "rows", [OVERLAP_FULL] = "full"};
    const struct group_schedule *schedule = &part->found.schedule;
    const struct group_cost *cost = &part->found.cost;
    const struct group_tensor *last = &part->group.tensors[part->group.members[part->group.member_count - 1].output];
    *group = (struct record_group){.id = layers[0].group,
                                   .tile = schedule->tile,
                                   .walk = schedule->down_first ? "down" : "right",
                                   .overlap = overlaps[schedule->overlap],
                                   .out_blocks = schedule->out_blocks,
                                   .plane = {last->plane[0], last->plane[1]},
                                   .footprint_bytes = cost->footprint_bytes,
                                   .offchip_bytes = traffic_total(&cost->traffic),
                                   .input_bytes = cost->traffic.input_bytes,
                                   .weight_bytes = cost->traffic.weight_bytes,
                                   .output_bytes = cost->traffic.output_bytes,
                                   .macs = cost->macs,
                                   .recomputed_macs = cost->macs - fused_macs_once(arena, target, part)};
    fused_add_nodes(arena, sources, layers, part->layer_count, group);
    fused_add_tensors(arena, graph, part, layers[0].index, group);
    fused_add_rereads(arena, graph, part, layers, group);
    fused_add_weights(arena, part, layers, group);
}
