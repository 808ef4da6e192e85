#include "cost/search.h"

#include <assert.h>

#include "cost/bound.h"
#include "cost/search_spot.h"

/* ---- infeasible ---- */

static void smallest_tiling(const struct nest *nest, struct tiling *tiling) {
    for (int d = 0; d < DIM_COUNT; d++) space_cut(nest, (enum nest_dim)d, space_smallest(nest, (enum nest_dim)d), &tiling->cut[d]);
}

void infeasible_make(const struct footprint *demand, const struct target *target, struct infeasible *infeasible) {
    *infeasible = (struct infeasible){.demand = *demand, .demand_bytes = footprint_total(demand), .capacity_bytes = target->capacity_bytes};
    for (int x = OPERAND_COUNT - 1; x >= 0 && target->is_split; x--) {
        if (demand->bytes[x] <= target->partition_bytes[x]) continue;
        infeasible->short_operand = (enum operand)x;
        infeasible->demand_bytes = demand->bytes[x];
        infeasible->capacity_bytes = target->partition_bytes[x];
    }
    infeasible->short_bytes = infeasible->demand_bytes - infeasible->capacity_bytes;
    infeasible->smallest_capacity_bytes = infeasible->demand_bytes;
}

/* The smallest tile asks least of every operand: what does not hold it holds none. */
static bool is_feasible(const struct nest *nest, const struct target *target, struct infeasible *infeasible) {
    struct tiling tiling;
    struct footprint demand;
    smallest_tiling(nest, &tiling);
    tiling_footprint(nest, target, &tiling, &demand);
    *infeasible = (struct infeasible){0};
    if (footprint_fits(&demand, target)) return true;
    infeasible_make(&demand, target, infeasible);
    return false;
}

/* ---- the order ---- */

struct ordering {
    const struct nest *nest;
    bool halo_reuse;
    const struct tiling *tiling;
    int64_t bytes;
    struct order order;
    struct traffic traffic;
};

/* The first order, by dims from outer to inner, that moves as little as the search found. */
static bool complete_order(struct ordering *ordering, uint32_t loops, unsigned used) {
    struct order *order = &ordering->order;
    if (order->count == loops) {
        tiling_traffic(ordering->nest, ordering->halo_reuse, ordering->tiling, order, &ordering->traffic);
        return traffic_total(&ordering->traffic) == ordering->bytes;
    }
    for (unsigned d = 0; d < DIM_COUNT; d++) {
        if (used & 1u << d || ordering->tiling->cut[d].trips == 1) continue;
        order->dims[order->count++] = (enum nest_dim)d;
        if (complete_order(ordering, loops, used | 1u << d)) return true;
        order->count--;
    }
    return false;
}

static void describe(const struct nest *nest, const struct target *target, const struct best *best, struct found *found) {
    struct tiling tiling;
    struct ordering ordering = {.nest = nest, .halo_reuse = target->halo_reuse, .tiling = &tiling, .bytes = best->bytes};
    uint32_t loops = 0;
    for (int d = 0; d < DIM_COUNT; d++) {
        space_cut(nest, (enum nest_dim)d, best->tile[d], &tiling.cut[d]);
        loops += tiling.cut[d].trips > 1;
    }
    const bool is_there = complete_order(&ordering, loops, 0);
    assert(is_there);
    (void)is_there;
    found->mapping = (struct mapping){.loop_count = loops, .depth = {loops, loops, loops}};
    for (uint32_t i = 0; i < loops; i++) {
        const enum nest_dim dim = ordering.order.dims[i];
        found->mapping.loops[i] = (struct mapping_loop){.dim = dim, .step = tiling.cut[dim].tile};
    }
    found->traffic = ordering.traffic;
    tiling_footprint(nest, target, &tiling, &found->footprint);
}

void search_plain(const struct nest *nest, const struct target *target, struct found *found) {
    *found = (struct found){.compulsory_bytes = nest_compulsory_bytes(nest)};
    bound_plain(nest, target, &found->bound_bytes, &found->bound_name);
    found->is_feasible = is_feasible(nest, target, &found->infeasible);
    if (!found->is_feasible) return;
    struct layer_units layer;
    struct best best = {0};
    layer_units_init(&layer, nest, target);
    if (nest_whole_bytes(nest)) search_whole_bytes(&layer, &best);
    else search_parts_of_bytes(&layer, &best);
    describe(nest, target, &best, found);
}
