#include "passes/widths_fused.h"

#include <string.h>

#include "cost/fusion_members.h"
#include "cost/group_cache.h"

/* A part of the last cut, and where its layers are among the members of the network. */
struct widths_part {
    const struct fusion_part *part;
    uint32_t *items; /* of the layers, that it is made of */
    uint32_t item_count;
    uint32_t run, first, spilled, stays; /* of a fused one: group_slice_make's */
    int64_t bytes;
    int64_t *layer_bytes; /* by layer of the part */
};

struct widths_fused {
    struct arena *arena;
    const struct layers *layers;
    const struct shapes *shapes;
    const struct target *target;
    struct cost_cache *cache;
    struct group_cache *groups;
    uint32_t *item_of_alternative;
    bool *is_touched;   /* by item; all false between calls */
    struct arena *look; /* of what follows */
    struct widths_part *parts;
    uint32_t part_count;
    int64_t bytes;
};

/* ---- a look ---- */

static struct fusion *widths_cut(const struct widths_fused *fused, struct arena *arena) {
    const struct fusion_options options = {.boundaries_stay = true, .cache = fused->groups};
    struct fusion_singles singles;
    struct fusion *cut;
    costs_singles(arena, fused->cache, fused->layers, fused->shapes, fused->target, &singles);
    fusion_find(arena, fused->layers, &singles, fused->shapes, fused->target, &options, &cut);
    return cut;
}

/* What does not fit counts as it does layer by layer: more than any network moves. */
static int64_t widths_cut_bytes(const struct fusion *cut) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < cut->parts.count; i++) bytes += cut->parts.items[i].bytes;
    return bytes;
}

int64_t widths_fused_least(struct widths_fused *fused) {
    struct arena *scratch = arena_new(arena_heap(fused->arena));
    const int64_t bytes = widths_cut_bytes(widths_cut(fused, scratch));
    arena_free(scratch);
    return bytes;
}

/* ---- parts ---- */

static uint32_t widths_item_of(const struct widths_fused *fused, const struct layer *layer) {
    const struct layers *layers = fused->layers;
    if (layer >= layers->items.items && layer < layers->items.items + layers->items.count) return (uint32_t)(layer - layers->items.items);
    return fused->item_of_alternative[layer - layers->alternatives.items];
}

static bool widths_has_operands(const struct fusion_part *part, const struct fusion_run *run, const struct group_slice *slice) {
    if (slice->operands.count != part->operand_count) return false;
    for (uint32_t i = 0; i < part->operand_count; i++)
        if (slice->operands.items[i].member != part->operands[i].member ||
            run->values[slice->operands.items[i].tensor].at != part->operands[i].value.at)
            return false;
    return true;
}

static uint32_t widths_staying_input(const struct fusion_part *part, const struct fusion_run *run) {
    for (uint32_t t = 0; t < part->group.tensor_count; t++) {
        if (!part->group.tensors[t].stays || part->group.tensors[t].producer != GROUP_OFF_CHIP) continue;
        for (uint32_t k = 0; k < run->network.tensor_count; k++)
            if (run->values[k].at == part->values[t].at) return k;
    }
    return UINT32_MAX;
}

/* Which members the part is made of, and which of its joins come from off the chip. */
static void widths_place_part(struct widths_fused *fused, const struct fusion_runs *runs, struct widths_part *at) {
    const struct fusion_run *run = runs->items.items;
    uint32_t ways = 1;
    struct group_slice slice;
    for (bool is_found = false; !is_found; run += !is_found)
        for (at->first = 0; at->first < run->network.member_count && !is_found; at->first += !is_found)
            is_found = run->members[at->first].layer == at->part->layers[0];
    at->run = (uint32_t)(run - runs->items.items);
    at->stays = widths_staying_input(at->part, run);
    for (at->spilled = 0; at->spilled < ways; at->spilled++) {
        group_slice_make(fused->look, &run->network, at->first, at->first + at->part->layer_count, at->spilled, at->stays, &slice);
        if (widths_has_operands(at->part, run, &slice)) return;
        ways = 1U << slice.join_count;
    }
}

static void widths_list_items(struct widths_fused *fused, struct widths_part *at) {
    at->items = ARENA_ARRAY(fused->look, uint32_t, at->part->layer_count);
    for (uint32_t i = 0; i < at->part->layer_count; i++) {
        const uint32_t item = widths_item_of(fused, at->part->layers[i]);
        if (!at->item_count || at->items[at->item_count - 1] != item) at->items[at->item_count++] = item;
    }
}

/* ---- a part again ---- */

/* Bytes of a fused part with its schedule as it is; -1 where that is not legal any more, or does not fit. */
static int64_t widths_recost_fused(const struct widths_fused *fused, struct arena *scratch, const struct fusion_runs *runs,
                                   const struct widths_part *at, struct traffic *shares) {
    const struct fusion_run *run = &runs->items.items[at->run];
    const uint32_t end = at->first + at->part->layer_count;
    struct group_slice slice;
    struct group_cost cost;
    if (end > run->network.member_count || run->members[at->first].layer != at->part->layers[0]) return -1;
    if (!group_slice_make(scratch, &run->network, at->first, end, at->spilled, at->stays, &slice)) return -1;
    for (uint32_t t = 0; t < slice.group.tensor_count; t++) slice.group.tensors[t].stays = at->part->group.tensors[t].stays;
    group_cost_shares(scratch, &slice.group, fused->target, &at->part->found.schedule, &cost, shares);
    return cost.is_legal && cost.fits ? traffic_total(&cost.traffic) : -1;
}

enum { WIDTHS_WANTED = -1, WIDTHS_ILLEGAL = -2 };

static int64_t widths_recost(const struct widths_fused *fused, struct arena *scratch, struct fusion_runs *runs,
                             const struct widths_part *at, int64_t *layer_bytes) {
    if (!at->part->is_fused) {
        layer_bytes[0] = costs_of_one(fused->cache, fused->layers, at->part->layers[0], fused->shapes, fused->target);
        return layer_bytes[0] < 0 ? WIDTHS_WANTED : layer_bytes[0];
    }
    struct traffic *shares = ARENA_ARRAY(scratch, struct traffic, at->part->layer_count);
    if (!runs->items.count) fusion_runs_find(scratch, fused->layers, fused->shapes, fused->target, runs);
    const int64_t bytes = widths_recost_fused(fused, scratch, runs, at, shares);
    for (uint32_t i = 0; i < at->part->layer_count; i++) layer_bytes[i] = traffic_total(&shares[i]);
    return bytes < 0 ? WIDTHS_ILLEGAL : bytes;
}

static bool widths_part_changed(const struct widths_fused *fused, const struct widths_part *at) {
    for (uint32_t i = 0; i < at->item_count; i++)
        if (fused->is_touched[at->items[i]]) return true;
    return false;
}

/* The total with the parts that changed costed again; negative as above. takes: what is found is kept. */
static int64_t widths_recost_changed(struct widths_fused *fused, bool takes) {
    struct arena *scratch = arena_new(arena_heap(fused->arena));
    struct fusion_runs runs = {0};
    int64_t total = fused->bytes, worst = 0;
    for (uint32_t i = 0; i < fused->part_count; i++) {
        struct widths_part *at = &fused->parts[i];
        if (!widths_part_changed(fused, at)) continue;
        int64_t *layer_bytes = takes ? at->layer_bytes : ARENA_ARRAY(scratch, int64_t, at->part->layer_count);
        const int64_t bytes = widths_recost(fused, scratch, &runs, at, layer_bytes);
        if (bytes < worst) worst = bytes;
        total += bytes - at->bytes;
        if (takes) at->bytes = bytes;
    }
    arena_free(scratch);
    return worst < 0 ? worst : total;
}

static int64_t widths_with_touched(struct widths_fused *fused, const uint32_t *items, uint32_t count, bool takes) {
    for (uint32_t i = 0; i < count; i++) fused->is_touched[items[i]] = true;
    const int64_t bytes = widths_recost_changed(fused, takes);
    for (uint32_t i = 0; i < count; i++) fused->is_touched[items[i]] = false;
    return bytes;
}

/* ---- from outside ---- */

void widths_fused_look(struct widths_fused *fused) {
    struct fusion_runs runs;
    if (fused->look) arena_free(fused->look);
    fused->look = arena_new(arena_heap(fused->arena));
    const struct fusion *cut = widths_cut(fused, fused->look);
    fusion_runs_find(fused->look, fused->layers, fused->shapes, fused->target, &runs);
    fused->parts = ARENA_ARRAY(fused->look, struct widths_part, cut->parts.count);
    fused->part_count = cut->parts.count;
    fused->bytes = 0;
    for (uint32_t i = 0; i < cut->parts.count; i++) {
        struct widths_part *at = &fused->parts[i];
        at->part = &cut->parts.items[i];
        at->layer_bytes = ARENA_ARRAY(fused->look, int64_t, at->part->layer_count);
        widths_list_items(fused, at);
        if (at->part->is_fused) widths_place_part(fused, &runs, at);
        at->bytes = widths_recost(fused, fused->look, &runs, at, at->layer_bytes);
        fused->bytes += at->bytes;
    }
}

struct widths_fused *widths_fused_new(struct arena *arena, const struct layers *layers, const struct shapes *shapes,
                                      const struct target *target, struct cost_cache *cache) {
    struct widths_fused *fused = ARENA_NEW(arena, struct widths_fused);
    *fused = (struct widths_fused){.arena = arena, .layers = layers, .shapes = shapes, .target = target, .cache = cache};
    fused->groups = group_cache_new(arena, target);
    fused->is_touched = ARENA_ARRAY(arena, bool, layers->items.count);
    fused->item_of_alternative = ARENA_ARRAY(arena, uint32_t, layers->alternatives.count);
    for (uint32_t item = 0; item < layers->items.count; item++)
        for (uint32_t i = 0; i < layers->items.items[item].alternative_count; i++)
            fused->item_of_alternative[layers->items.items[item].alternative + i] = item;
    widths_fused_look(fused);
    return fused;
}

int64_t widths_fused_read(const struct widths_fused *fused, int64_t *item_bytes) {
    memset(item_bytes, 0, fused->layers->items.count * sizeof *item_bytes);
    for (uint32_t i = 0; i < fused->part_count; i++)
        for (uint32_t k = 0; k < fused->parts[i].part->layer_count; k++)
            item_bytes[widths_item_of(fused, fused->parts[i].part->layers[k])] += fused->parts[i].layer_bytes[k];
    return fused->bytes;
}

int64_t widths_fused_try(struct widths_fused *fused, const uint32_t *items, uint32_t count) {
    const int64_t bytes = widths_with_touched(fused, items, count, false);
    return bytes == WIDTHS_ILLEGAL ? widths_fused_least(fused) : bytes;
}

void widths_fused_take(struct widths_fused *fused, const uint32_t *items, uint32_t count) {
    if (widths_with_touched(fused, items, count, false) == WIDTHS_ILLEGAL) {
        widths_fused_look(fused);
        return;
    }
    fused->bytes = widths_with_touched(fused, items, count, true);
}
