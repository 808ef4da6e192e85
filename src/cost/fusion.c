/* Runs of layers that may be fused, each cut at its best. */
#include "cost/fusion.h"

#include <string.h>

#include "cost/fusion_members.h"
#include "cost/group_order.h"
#include "cost/partition.h"
#include "cost/search.h"

struct fusion_job {
    struct arena *arena;
    const struct layers *layers;
    const struct fusion_singles *singles;
    const struct target *target;
    const struct fusion_options *options;
    struct group_cache *cache;
    struct fusion *fusion;
};

/* ---- layers alone ---- */

static int64_t fusion_layer_bytes(const struct fusion_job *job, const struct layer *layer) {
    const struct layers *layers = job->layers;
    const bool is_item = layer >= layers->items.items && layer < layers->items.items + layers->items.count;
    const int64_t bytes = is_item ? job->singles->item_bytes[layer - layers->items.items]
                                  : job->singles->alternative_bytes[layer - layers->alternatives.items];
    return bytes < FUSION_INFEASIBLE ? bytes : FUSION_INFEASIBLE;
}

static void fusion_add(struct fusion_job *job, const struct fusion_part *part) {
    struct fusion *fusion = job->fusion;
    array_push(job->arena, &fusion->parts, *part);
    fusion->fused_count += part->is_fused;
    if (part->bytes < FUSION_INFEASIBLE) fusion->offchip_bytes += part->bytes;
    else fusion->infeasible_count++;
}

static void fusion_add_alone(struct fusion_job *job, const struct layer *layer) {
    const struct layer *const *layers = arena_copy(job->arena, &layer, sizeof layer);
    const struct fusion_part part = {.layers = layers, .layer_count = 1, .bytes = fusion_layer_bytes(job, layer)};
    fusion_add(job, &part);
}

/* With its pool, or in its parts. */
static void fusion_add_item_alone(struct fusion_job *job, uint32_t item) {
    const struct layer *layer = &job->layers->items.items[item];
    const struct layer *parts = job->layers->alternatives.items + layer->alternative;
    int64_t bytes = 0;
    for (uint32_t i = 0; i < layer->alternative_count; i++) bytes += fusion_layer_bytes(job, &parts[i]);
    const bool is_whole = !layer->alternative_count || fusion_layer_bytes(job, layer) <= bytes;
    if (is_whole) fusion_add_alone(job, layer);
    for (uint32_t i = 0; !is_whole && i < layer->alternative_count; i++) fusion_add_alone(job, &parts[i]);
}

/* ---- runs ---- */

static const struct partition_single *fusion_run_singles(const struct fusion_job *job, const struct fusion_run *run) {
    struct partition_single *singles = ARENA_ARRAY(job->arena, struct partition_single, run->network.member_count);
    for (uint32_t m = 0; m < run->network.member_count; m++) {
        const struct fusion_member *member = &run->members[m];
        singles[m] = (struct partition_single){fusion_layer_bytes(job, member->layer), INT64_MAX, member->whole_count};
        if (member->whole) singles[m].pooled_bytes = fusion_layer_bytes(job, member->whole);
    }
    return singles;
}

static const struct layer *const *fusion_part_layers(const struct fusion_job *job, const struct fusion_run *run,
                                                     const struct partition_part *from) {
    const struct layer **layers = ARENA_ARRAY(job->arena, const struct layer *, from->end - from->first);
    for (uint32_t m = from->first; m < from->end; m++) layers[m - from->first] = run->members[m].layer;
    return layers;
}

static void fusion_add_group(struct fusion_job *job, const struct fusion_run *run, const struct partition_part *from) {
    const struct group_slice *slice = &from->slice;
    struct fusion_operand *operands = ARENA_ARRAY(job->arena, struct fusion_operand, slice->operands.count);
    value_id *values = ARENA_ARRAY(job->arena, value_id, slice->group.tensor_count);
    for (uint32_t t = 0; t < slice->group.tensor_count; t++) values[t] = run->values[slice->tensors[t]];
    for (uint32_t i = 0; i < slice->operands.count; i++) {
        const struct group_operand *operand = &slice->operands.items[i];
        operands[i] = (struct fusion_operand){operand->member, run->values[operand->tensor]};
    }
    const struct fusion_part part = {.is_fused = true,
                                     .layers = fusion_part_layers(job, run, from),
                                     .layer_count = from->end - from->first,
                                     .bytes = from->bytes,
                                     .input_stays = from->input_stays,
                                     .output_stays = from->output_stays,
                                     .group = slice->group,
                                     .values = values,
                                     .operands = operands,
                                     .operand_count = slice->operands.count,
                                     .found = from->found};
    fusion_add(job, &part);
}

static void fusion_partition(struct fusion_job *job, const struct fusion_run *run, struct partition *partition) {
    partition_find(job->arena, &run->network, job->target, fusion_run_singles(job, run), job->options->boundaries_stay, job->cache,
                   partition);
    job->fusion->is_cut |= partition->is_cut;
    job->fusion->groups_searched += partition->groups_searched;
}

/* The run in another order. False where there is no other of that kind. */
static bool fusion_reorder(struct fusion_job *job, const struct fusion_run *run, enum group_order kind, struct fusion_run *other) {
    const uint32_t members = run->network.member_count;
    uint32_t *units = ARENA_ARRAY(job->arena, uint32_t, members), *order = ARENA_ARRAY(job->arena, uint32_t, members);
    for (uint32_t m = 0; m < members; m++) units[m] = run->members[m].whole_count;
    if (!group_order_find(job->arena, &run->network, units, kind, order)) return false;
    *other = *run;
    group_order_apply(job->arena, &run->network, order, &other->network);
    other->members = ARENA_ARRAY(job->arena, struct fusion_member, members);
    for (uint32_t m = 0; m < members; m++) other->members[m] = run->members[order[m]];
    return true;
}

/* In the layers' order, or in one that keeps branches together where that moves fewer bytes. */
static void fusion_add_run(struct fusion_job *job, const struct fusion_run *given) {
    struct partition partition;
    struct fusion_run best = *given;
    const struct fusion_run *run = &best;
    fusion_partition(job, run, &partition);
    for (int kind = 0; kind < GROUP_ORDER_COUNT; kind++) {
        struct fusion_run other;
        struct partition here;
        if (!fusion_reorder(job, given, (enum group_order)kind, &other)) continue;
        fusion_partition(job, &other, &here);
        if (here.bytes >= partition.bytes) continue;
        partition = here;
        best = other;
    }
    for (uint32_t i = 0; i < partition.parts.count; i++) {
        const struct partition_part *part = &partition.parts.items[i];
        if (part->is_fused) fusion_add_group(job, run, part);
        else fusion_add_alone(job, part->end - part->first > 1 ? run->members[part->first].whole : run->members[part->first].layer);
    }
}

void fusion_find(struct arena *arena, const struct layers *layers, const struct fusion_singles *singles, const struct shapes *shapes,
                 const struct target *target, const struct fusion_options *options, struct fusion **fusion) {
    struct fusion_job job = {arena, layers, singles, target, options, options->cache, ARENA_NEW(arena, struct fusion)};
    struct fusion_runs runs;
    if (!job.cache) job.cache = group_cache_new(arena, target);
    fusion_runs_find(arena, layers, shapes, target, &runs);
    for (uint32_t i = 0; i < runs.items.count; i++) {
        const struct fusion_run *run = &runs.items.items[i];
        if (run->network.member_count) fusion_add_run(&job, run);
        for (uint32_t item = run->first; !run->network.member_count && item < run->end; item++) fusion_add_item_alone(&job, item);
    }
    *fusion = job.fusion;
}
