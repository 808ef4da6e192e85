#include "passes/given_fusion.h"

#include <inttypes.h>
#include <string.h>

#include "cost/fusion_members.h"
#include "report/schedule.h"

/* One group at work. */
struct given {
    const struct job *job;
    const struct layers *layers;
    const struct cost_given *part;
    const struct schedule_fused *said;
    const struct fusion_run *run;
    uint32_t first; /* member of the run */
    struct group_slice slice;
    struct fusion_part *fused;
    struct diag *diag;
};

static const char *given_value_name(const struct given *given, uint32_t network_tensor) {
    return graph_value(given->job->graph, given->run->values[network_tensor])->name;
}

static const char *given_node_name(const struct given *given, uint32_t member) {
    return graph_node_label(given->job->graph, given->layers->items.items[given->part->first + member].node);
}

/* "schedule: group 3 ('conv1')" */
static const char *given_where(const struct given *given) {
    return arena_print(given->job->arena, "schedule: group %" PRIu32 " ('%s')", given->part->id, given_node_name(given, 0));
}

static const struct schedule_tensor *given_tensor(const struct given *given, const char *name) {
    for (uint32_t i = 0; i < given->said->tensors.count; i++)
        if (strcmp(given->said->tensors.items[i].name, name) == 0) return &given->said->tensors.items[i];
    return NULL;
}

static const struct schedule_weights *given_weights(const struct given *given, const char *node) {
    for (uint32_t i = 0; i < given->said->weights.count; i++)
        if (strcmp(given->said->weights.items[i].node, node) == 0) return &given->said->weights.items[i];
    return NULL;
}

static bool given_rereads(const struct given *given, const char *node, const char *tensor) {
    for (uint32_t i = 0; i < given->said->rereads.count; i++) {
        const struct schedule_reread *reread = &given->said->rereads.items[i];
        if (strcmp(reread->node, node) == 0 && strcmp(reread->tensor, tensor) == 0) return true;
    }
    return false;
}

/* ---- the layers as a group ---- */

/* The run of members that all layers of the part are in. */
static status given_find_run(struct given *given, const struct fusion_runs *runs) {
    const uint32_t first = given->part->first, end = first + given->part->count;
    const struct fusion_run *run = runs->items.items;
    while (first >= run->end) run++;
    given->run = run;
    given->first = first - run->first;
    if (end <= run->end && run->network.member_count) return STATUS_OK;
    const uint32_t at = run->network.member_count ? run->end : first;
    return diag_fail(given->diag, STATUS_USAGE, "%s: %s cannot be in a fused group%s", given_where(given),
                     graph_describe_node(given->job->graph, given->layers->items.items[at].node),
                     at > first ? " with those before it" : "");
}

/* A pool is a member of its own (README.md 20 of src/cost): what it takes is a tensor. */
static status given_check_pools(const struct given *given) {
    const struct graph *graph = given->job->graph;
    for (uint32_t i = 0; i < given->part->count; i++) {
        const struct layer *layer = &given->layers->items.items[given->part->first + i];
        if (layer->pool_at == layer->epilogue_count) continue;
        const struct node *pool = graph_node(graph, layer->epilogue[layer->pool_at]);
        return diag_fail(given->diag, STATUS_USAGE, "%s: '%s', which a pool takes, is not among its tensors", given_where(given),
                         graph_value(graph, pool->inputs[0])->name);
    }
    return STATUS_OK;
}

/* The tensor that is there from the group before; UINT32_MAX = none. */
static uint32_t given_staying_input(const struct given *given) {
    const struct group *network = &given->run->network;
    for (uint32_t t = 0; t < network->tensor_count; t++) {
        const struct schedule_tensor *said = given_tensor(given, given_value_name(given, t));
        if (said && said->stays && network->tensors[t].producer < (int32_t)given->first) return t;
    }
    return UINT32_MAX;
}

/* What streams in is what the schedule does not have on the chip, or has read again. */
static bool given_is_slice(const struct given *given) {
    uint32_t again = 0;
    for (uint32_t i = 0; i < given->slice.operands.count; i++) {
        const struct group_operand *operand = &given->slice.operands.items[i];
        const char *name = given_value_name(given, operand->tensor);
        const bool rereads = given_rereads(given, given_node_name(given, operand->member), name);
        if (given_tensor(given, name) && !rereads) return false;
        again += rereads;
    }
    for (uint32_t t = 0; t < given->slice.group.tensor_count; t++)
        if (!given_tensor(given, given_value_name(given, given->slice.tensors[t]))) return false;
    return again == given->said->rereads.count;
}

static status given_no_slice(const struct given *given) {
    for (uint32_t t = 0; t < given->slice.group.tensor_count; t++) {
        const char *name = given_value_name(given, given->slice.tensors[t]);
        if (!given_tensor(given, name))
            return diag_fail(given->diag, STATUS_USAGE, "%s: '%s' is not among its tensors", given_where(given), name);
    }
    return diag_fail(given->diag, STATUS_USAGE, "%s: which of its inputs are on the chip and which are read as they are used is not clear",
                     given_where(given));
}

/* Of the ways to take second inputs, the schedule's. */
static status given_make_slice(struct given *given) {
    const uint32_t stays = given_staying_input(given), end = given->first + given->part->count;
    uint32_t ways = 1;
    for (uint32_t spilled = 0; spilled < ways; spilled++) {
        if (!group_slice_make(given->job->arena, &given->run->network, given->first, end, spilled, stays, &given->slice))
            return diag_fail(given->diag, STATUS_USAGE, "%s: its layers are no group: what they make has planes that differ",
                             given_where(given));
        ways = 1u << given->slice.join_count;
        if (given_is_slice(given)) return STATUS_OK;
    }
    group_slice_make(given->job->arena, &given->run->network, given->first, end, 0, stays, &given->slice);
    return given_no_slice(given);
}

/* ---- its schedule ---- */

static bool given_slice_has(const struct given *given, const char *name) {
    for (uint32_t t = 0; t < given->slice.group.tensor_count; t++)
        if (strcmp(given_value_name(given, given->slice.tensors[t]), name) == 0) return true;
    return false;
}

static status given_read_tensors(struct given *given, struct group_schedule *schedule) {
    struct group *group = &given->slice.group;
    schedule->block = ARENA_ARRAY(given->job->arena, int64_t, group->tensor_count);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct schedule_tensor *said = given_tensor(given, given_value_name(given, given->slice.tensors[t]));
        const bool is_inside = group->tensors[t].producer != GROUP_OFF_CHIP && t != group->members[group->member_count - 1].output;
        if (said->block > group->tensors[t].channels)
            return diag_fail(given->diag, STATUS_USAGE, "%s: '%s' passes %" PRId64 " channels at a time, and has %" PRId64,
                             given_where(given), said->name, said->block, group->tensors[t].channels);
        if (said->stays && is_inside)
            return diag_fail(given->diag, STATUS_USAGE, "%s: '%s' stays, and is made and used inside", given_where(given), said->name);
        schedule->block[t] = said->block;
        group->tensors[t].stays = said->stays;
    }
    for (uint32_t i = 0; i < given->said->tensors.count; i++)
        if (!given_slice_has(given, given->said->tensors.items[i].name))
            return diag_fail(given->diag, STATUS_USAGE, "%s: '%s' is none of its tensors", given_where(given),
                             given->said->tensors.items[i].name);
    return STATUS_OK;
}

static status given_read_weights(const struct given *given, struct group_schedule *schedule) {
    const struct group *group = &given->slice.group;
    uint32_t count = 0;
    schedule->piece = ARENA_ARRAY(given->job->arena, int64_t, group->member_count);
    for (uint32_t m = 0; m < group->member_count; m++) {
        const char *name = given_node_name(given, m);
        const struct schedule_weights *said = given_weights(given, name);
        const bool has_weights = group->members[m].kernel_elems || group->members[m].slope_elems;
        if (has_weights != (said != NULL))
            return diag_fail(given->diag, STATUS_USAGE, "%s: '%s' %s", given_where(given), name,
                             said ? "has no weights" : "has weights that are not said to stay or to stream");
        if (!said) continue;
        schedule->piece[m] = said->piece;
        count++;
    }
    for (uint32_t i = 0; i < given->said->weights.count && count < given->said->weights.count; i++) {
        uint32_t m = 0;
        while (m < group->member_count && strcmp(given_node_name(given, m), given->said->weights.items[i].node) != 0) m++;
        if (m == group->member_count)
            return diag_fail(given->diag, STATUS_USAGE, "%s: '%s' is none of its layers", given_where(given),
                             given->said->weights.items[i].node);
    }
    return STATUS_OK;
}

static status given_check_tile(const struct given *given) {
    const struct group *group = &given->slice.group;
    const int64_t *tile = given->said->tile, *plane = group->tensors[group->members[group->member_count - 1].output].plane;
    if (tile[0] <= plane[0] && tile[1] <= plane[1]) return STATUS_OK;
    return diag_fail(given->diag, STATUS_USAGE, "%s: a tile of %" PRId64 "x%" PRId64 " on a plane of %" PRId64 "x%" PRId64,
                     given_where(given), tile[0], tile[1], plane[0], plane[1]);
}

static status given_check_fit(const struct given *given, const struct group_cost *cost) {
    static const char *const operands[OPERAND_COUNT] = {"inputs", "weights", "outputs"};
    const struct target *target = &given->job->target;
    int at = 0;
    if (cost->fits) return STATUS_OK;
    while (target->is_split && cost->part_bytes[at] <= target->partition_bytes[at]) at++;
    const int64_t needs = target->is_split ? cost->part_bytes[at] : cost->footprint_bytes;
    const int64_t has = target->is_split ? target->partition_bytes[at] : target->capacity_bytes;
    return diag_fail(given->diag, STATUS_USAGE, "%s: needs %" PRId64 " B%s%s, on chip %" PRId64 " B, %" PRId64 " B short",
                     given_where(given), needs, target->is_split ? " for " : "", target->is_split ? operands[at] : "", has, needs - has);
}

static status given_read_schedule(struct given *given) {
    struct group_schedule *schedule = &given->fused->found.schedule;
    struct group_cost *cost = &given->fused->found.cost;
    *schedule = (struct group_schedule){.tile = {given->said->tile[0], given->said->tile[1]},
                                        .down_first = given->said->down_first,
                                        .overlap = given->said->overlap,
                                        .out_blocks = given->said->out_blocks};
    status result = given_check_tile(given);
    if (result == STATUS_OK) result = given_read_tensors(given, schedule);
    if (result == STATUS_OK) result = given_read_weights(given, schedule);
    if (result != STATUS_OK) return result;
    struct arena *scratch = arena_new(arena_heap(given->job->arena));
    group_cost(scratch, &given->slice.group, &given->job->target, schedule, cost);
    arena_free(scratch);
    if (!cost->is_legal)
        return diag_fail(given->diag, STATUS_USAGE,
                         "%s: tile, overlap, blocks, and what passes, streams and stays contradict each other (cost-model.md 8)",
                         given_where(given));
    return given_check_fit(given, cost);
}

/* ---- the part ---- */

static void given_fill_part(const struct given *given) {
    const struct group_slice *slice = &given->slice;
    struct arena *arena = given->job->arena;
    const struct layer **layers = ARENA_ARRAY(arena, const struct layer *, given->part->count);
    value_id *values = ARENA_ARRAY(arena, value_id, slice->group.tensor_count);
    struct fusion_operand *operands = ARENA_ARRAY(arena, struct fusion_operand, slice->operands.count);
    for (uint32_t i = 0; i < given->part->count; i++) layers[i] = &given->layers->items.items[given->part->first + i];
    for (uint32_t t = 0; t < slice->group.tensor_count; t++) values[t] = given->run->values[slice->tensors[t]];
    for (uint32_t i = 0; i < slice->operands.count; i++)
        operands[i] = (struct fusion_operand){slice->operands.items[i].member, given->run->values[slice->operands.items[i].tensor]};
    struct fusion_part *fused = given->fused;
    fused->is_fused = fused->found.is_found = true;
    fused->layers = layers;
    fused->layer_count = given->part->count;
    fused->group = slice->group;
    fused->values = values;
    fused->operands = operands;
    fused->operand_count = slice->operands.count;
    fused->bytes = fused->found.bytes = traffic_total(&fused->found.cost.traffic);
}

static status given_read_part(struct given *given, const struct fusion_runs *runs) {
    status result = given_check_pools(given);
    if (result == STATUS_OK) result = given_find_run(given, runs);
    if (result == STATUS_OK) result = given_make_slice(given);
    if (result == STATUS_OK) result = given_read_schedule(given);
    if (result == STATUS_OK) given_fill_part(given);
    return result;
}

/* ---- tensors that stay ---- */

static value_id given_staying(const struct fusion_part *part, bool is_made) {
    for (uint32_t t = 0; part && t < part->group.tensor_count; t++)
        if (part->group.tensors[t].stays && (part->group.tensors[t].producer != GROUP_OFF_CHIP) == is_made) return part->values[t];
    return VALUE_NONE;
}

/* Nobody but the layers of one part, and nodes that move nothing, may read it: uses of the network are within [first, end). */
static bool given_is_used_up(const struct given *given, value_id value) {
    const struct group *network = &given->run->network;
    for (uint32_t t = 0; t < network->tensor_count; t++) {
        const struct group_tensor *tensor = &network->tensors[t];
        if (given->run->values[t].at != value.at) continue;
        return !tensor->is_output && tensor->last_use < given->first + given->part->count;
    }
    return false;
}

/* What stays is made by the group before, and taken whole by this one. */
static status given_check_staying(const struct given *given, const struct fusion_part *before) {
    const struct graph *graph = given->job->graph;
    const value_id made = given_staying(before, true), taken = given_staying(given->fused, false);
    const value_id odd = made.at ? made : taken;
    if (made.at == taken.at && (!made.at || given_is_used_up(given, made))) return STATUS_OK;
    return diag_fail(given->diag, STATUS_USAGE, "%s: '%s' stays on the chip %s", given_where(given), graph_value(graph, odd)->name,
                     made.at == taken.at ? "and is used after this group"
                     : made.at           ? "from the group before, and is not taken"
                                         : "from no group");
}

status given_fusion(const struct job *job, const struct layers *given, struct cost_given *parts, struct diag *diag) {
    const uint32_t count = job->schedule->groups.count;
    const struct fusion_part *before = NULL;
    struct fusion_runs runs;
    fusion_runs_find(job->arena, given, job->shapes, &job->target, &runs);
    for (uint32_t i = 0; i < count; i++) {
        struct given at = {.job = job, .layers = given, .part = &parts[i], .said = job->schedule->groups.items[i].fused, .diag = diag};
        status result = STATUS_OK;
        at.fused = at.said ? ARENA_NEW(job->arena, struct fusion_part) : NULL;
        if (at.said) result = given_read_part(&at, &runs);
        if (result == STATUS_OK) result = given_check_staying(&at, before);
        if (result != STATUS_OK) return result;
        parts[i].fused = before = at.fused;
    }
    if (!given_staying(before, true).at) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "schedule: '%s' stays on the chip at the end",
                     graph_value(job->graph, given_staying(before, true))->name);
}
