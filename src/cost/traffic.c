#include "cost/traffic.h"

#include "base/checked.h"
#include "cost/traffic_walk.h"

static bool indexes_input(enum nest_dim dim) { return dim != DIM_M; }
static bool indexes_weight(enum nest_dim dim) { return dim == DIM_G || dim == DIM_M || dim == DIM_C; }

/* ---- tiles one by one, as far as they differ ---- */

/* What a step means for a dim: any of its tiles may be there; it is the dim that steps on; or it has turned back to its first tile. */
enum part { PART_ANY, PART_STEP, PART_FIRST };

/* Equal tiles of one dim in a row: how much of it each holds, how much of that the tile before it held, how many there are. */
struct run {
    int64_t held, shared, count;
};

static void plain_run(const struct cut *cut, int64_t size, int64_t index, int64_t end, struct run *run) {
    const bool is_last = index == cut->trips - 1;
    run->held = run->shared = is_last ? size - index * cut->tile : cut->tile;
    run->count = is_last ? 1 : least(end, cut->trips - 1) - index;
}

static bool is_inside(const struct nest_axis *axis, int64_t from, int64_t to) {
    return from >= nest_whole_from(axis) && to <= nest_whole_to(axis);
}

/* How many tiles from `index` on are alike: neither they nor those before them clipped, none the last. */
static int64_t alike(const struct nest_axis *axis, const struct cut *cut, int64_t index, int64_t end) {
    if (index == 0 || nest_period(axis, cut->tile) > 1 || !is_inside(axis, (index - 1) * cut->tile, index * cut->tile)) return 1;
    return greatest(1, least(least(end, cut->trips - 1), nest_whole_to(axis) / cut->tile) - index);
}

static void axis_run(const struct nest_axis *axis, const struct cut *cut, int64_t size, enum part part, int64_t index, int64_t end,
                     struct run *run) {
    const int64_t from = index * cut->tile, to = least(size, from + cut->tile);
    run->held = run->shared = nest_rows(axis, from, to);
    run->count = alike(axis, cut, index, end);
    if (part == PART_FIRST && cut->trips > 1) run->shared = cut->rows_wrap;
    if (part != PART_STEP) return;
    run->shared = 0;
    if (!nest_is_disjoint(axis)) run->shared = greatest(0, nest_end_row(axis, from) - nest_first_row(axis, from));
    run->shared = least(run->shared, run->held);
}

struct counting {
    const struct nest *nest;
    const struct tiling *tiling;
    uint32_t bits;
    bool shares; /* what the tile before held is not fetched */
    enum part part[DIM_COUNT];
    bool counts[DIM_COUNT]; /* the dims that index the operand */
    bool in_rows;           /* spatial dims count rows of I, not outputs */
};

static void next_run(const struct counting *counting, enum nest_dim dim, int64_t index, int64_t end, struct run *run) {
    const struct cut *cut = &counting->tiling->cut[dim];
    const int64_t size = counting->nest->size[dim];
    if (dim_is_spatial(dim) && counting->in_rows)
        axis_run(&counting->nest->axis[dim - DIM_OD], cut, size, counting->part[dim], index, end, run);
    else plain_run(cut, size, index, end, run);
}

/* Sum over the tiles of `dim` and the dims behind it of the bytes of each transfer, rounded up one by one. */
static int64_t count_bytes(const struct counting *counting, int dim, int64_t held, int64_t shared) {
    while (dim < DIM_COUNT && !counting->counts[dim]) dim++;
    if (dim == DIM_COUNT) return nest_bytes(held - (counting->shares ? shared : 0), counting->bits);
    const int64_t trips = counting->tiling->cut[dim].trips;
    const int64_t from = counting->part[dim] == PART_STEP, end = counting->part[dim] == PART_FIRST ? 1 : trips;
    int64_t bytes = 0;
    struct run run;
    for (int64_t i = from; i < end; i += run.count) {
        next_run(counting, (enum nest_dim)dim, i, end, &run);
        bytes += run.count * count_bytes(counting, dim + 1, held * run.held, shared * run.shared);
    }
    return bytes;
}

/* ---- input ---- */

/* How many loops of the order there are down to the innermost that indexes I. */
static uint32_t input_loops(const struct order *order) {
    uint32_t count = order->count;
    while (count > 0 && !indexes_input(order->dims[count - 1])) count--;
    return count;
}

/* Bytes fetched where loop `at` steps: all loops inside it have turned back to their first tile. */
static int64_t bytes_of_step(struct counting *counting, const struct order *order, uint32_t at, uint32_t loops, bool halo_reuse) {
    const enum nest_dim dim = order->dims[at];
    int64_t times = 1;
    counting->shares = halo_reuse && (dim_is_spatial(dim) || dim == DIM_M);
    for (int d = 0; d < DIM_COUNT; d++) counting->part[d] = PART_ANY;
    counting->part[dim] = PART_STEP;
    for (uint32_t i = 0; i < at; i++)
        if (order->dims[i] == DIM_M) times = counting->tiling->cut[DIM_M].trips;
    if (dim == DIM_M) times = counting->tiling->cut[DIM_M].trips - 1;
    for (uint32_t i = at + 1; i < loops; i++) {
        counting->part[order->dims[i]] = PART_FIRST;
        if (indexes_input(order->dims[i]) && !dim_is_spatial(order->dims[i])) counting->shares = false;
    }
    return times * count_bytes(counting, 0, 1, 1);
}

static int64_t input_in_parts(const struct nest *nest, bool halo_reuse, const struct tiling *tiling, const struct order *order) {
    struct counting counting = {.nest = nest, .tiling = tiling, .bits = nest->bits[OPERAND_I], .in_rows = true};
    for (int d = 0; d < DIM_COUNT; d++) {
        counting.counts[d] = indexes_input((enum nest_dim)d);
        counting.part[d] = PART_FIRST;
    }
    int64_t bytes = count_bytes(&counting, 0, 1, 1);
    const uint32_t loops = input_loops(order);
    for (uint32_t i = 0; i < loops; i++) bytes += bytes_of_step(&counting, order, i, loops, halo_reuse);
    return bytes;
}

/* Elements that a step of loop `at` finds on chip, over all such steps: the loops inside it are spatial (or m), so their windows turn from
 * the last tile to the first. */
static int64_t saved_by_step(const struct nest *nest, const struct tiling *tiling, const struct order *order, uint32_t at,
                             const bool *is_within) {
    const enum nest_dim dim = order->dims[at];
    int64_t elems = nest->size[DIM_N] * nest->size[DIM_G] * nest->size[DIM_C];
    for (int d = DIM_OD; d < DIM_COUNT; d++) {
        const struct cut *cut = &tiling->cut[d];
        if (is_within[d]) elems *= cut->rows_wrap;
        else if (d == (int)dim) elems *= cut->rows_sum - cut->rows_touched;
        else elems *= cut->rows_sum;
    }
    if (dim == DIM_M) return elems * (tiling->cut[DIM_M].trips - 1);
    for (uint32_t i = 0; i < at; i++)
        if (order->dims[i] == DIM_M) return elems * tiling->cut[DIM_M].trips;
    return elems;
}

/* Sweeps x sum of the windows, less what the sliding window keeps (cost-model.md 3). */
static int64_t input_elems(const struct nest *nest, bool halo_reuse, const struct tiling *tiling, const struct order *order) {
    int64_t elems = nest->size[DIM_N] * nest->size[DIM_G] * nest->size[DIM_C];
    for (int d = DIM_OD; d < DIM_COUNT; d++) elems *= tiling->cut[d].rows_sum;
    const uint32_t loops = input_loops(order);
    for (uint32_t i = 0; i < loops; i++)
        if (order->dims[i] == DIM_M) elems *= tiling->cut[DIM_M].trips;
    if (!halo_reuse) return elems;
    bool is_within[DIM_COUNT] = {false};
    for (uint32_t i = loops; i-- > 0;) {
        const enum nest_dim dim = order->dims[i];
        if (!dim_is_spatial(dim) && dim != DIM_M) break;
        elems -= saved_by_step(nest, tiling, order, i, is_within);
        is_within[dim] = true;
    }
    return elems;
}

static int64_t input_bytes(const struct nest *nest, bool halo_reuse, const struct tiling *tiling, const struct order *order) {
    if (nest->bits[OPERAND_I] % 8 != 0) return input_in_parts(nest, halo_reuse, tiling, order);
    return input_elems(nest, halo_reuse, tiling, order) * (nest->bits[OPERAND_I] / 8);
}

/* ---- weight and output ---- */

static int64_t weight_bytes(const struct nest *nest, const struct tiling *tiling, const struct order *order) {
    if (!nest->bits[OPERAND_W]) return 0;
    uint32_t loops = order->count;
    while (loops > 0 && !indexes_weight(order->dims[loops - 1])) loops--;
    int64_t sweeps = 1;
    for (uint32_t i = 0; i < loops; i++)
        if (!indexes_weight(order->dims[i])) sweeps *= tiling->cut[order->dims[i]].trips;
    struct counting counting = {.nest = nest, .tiling = tiling, .bits = nest->bits[OPERAND_W]};
    counting.counts[DIM_G] = counting.counts[DIM_M] = counting.counts[DIM_C] = true;
    int64_t bytes = count_bytes(&counting, 0, nest_kernel_elems(nest), 0);
    if (!nest->has_bias) return sweeps * bytes;
    counting.counts[DIM_C] = false; /* a bias comes once per sweep, with the first c */
    counting.bits = nest->partial_bits;
    return sweeps * (bytes + count_bytes(&counting, 0, 1, 0));
}

/* Sum over the O tiles of their bytes once finished, pooled where a pool is merged. */
static int64_t written_bytes(const struct nest *nest, const struct tiling *tiling, const struct counting *unpooled, int dim,
                             int64_t elems) {
    while (dim < DIM_COUNT && !unpooled->counts[dim]) dim++;
    if (dim == DIM_COUNT) return nest_bytes(elems, nest->bits[OPERAND_O]);
    const struct cut *cut = &tiling->cut[dim];
    const int64_t last = (cut->trips - 1) * cut->tile, size = nest->size[dim];
    int64_t of_first = cut->tile, of_last = size - last;
    if (dim_is_spatial((enum nest_dim)dim)) {
        of_first = nest_written(&nest->axis[dim - DIM_OD], 0, least(cut->tile, size));
        of_last = nest_written(&nest->axis[dim - DIM_OD], last, size);
    }
    int64_t bytes = written_bytes(nest, tiling, unpooled, dim + 1, elems * of_last);
    if (cut->trips > 1) bytes += (cut->trips - 1) * written_bytes(nest, tiling, unpooled, dim + 1, elems * of_first);
    return bytes;
}

static void output_traffic(const struct nest *nest, const struct tiling *tiling, const struct order *order, struct traffic *traffic) {
    struct counting counting = {.nest = nest, .tiling = tiling, .bits = nest->partial_bits};
    for (int d = 0; d < DIM_COUNT; d++) counting.counts[d] = d != DIM_C;
    if (nest->bits[OPERAND_O] % 8 == 0) traffic->output_bytes = nest_output_elems(nest) * (nest->bits[OPERAND_O] / 8);
    else traffic->output_bytes = written_bytes(nest, tiling, &counting, 0, 1);
    traffic->partial_sum_bytes = 0;
    const int64_t trips = tiling->cut[DIM_C].trips;
    if (trips == 1 || order->dims[order->count - 1] == DIM_C) return;
    traffic->partial_sum_bytes = 2 * (trips - 1) * count_bytes(&counting, 0, 1, 0);
}

void tiling_traffic(const struct nest *nest, bool halo_reuse, const struct tiling *tiling, const struct order *order,
                    struct traffic *traffic) {
    traffic->input_bytes = input_bytes(nest, halo_reuse, tiling, order);
    traffic->weight_bytes = weight_bytes(nest, tiling, order);
    output_traffic(nest, tiling, order, traffic);
}

int64_t traffic_total(const struct traffic *traffic) {
    return traffic->input_bytes + traffic->weight_bytes + traffic->output_bytes + traffic->partial_sum_bytes;
}

/* The tiles and loops that an operand sees: those outside its depth. */
static void operand_view(const struct nest *nest, const struct mapping *mapping, uint32_t depth, struct tiling *tiling,
                         struct order *order) {
    int64_t tile[DIM_COUNT];
    for (int d = 0; d < DIM_COUNT; d++) tile[d] = nest->size[d];
    for (uint32_t i = 0; i < depth; i++) tile[mapping->loops[i].dim] = mapping->loops[i].step;
    for (int d = 0; d < DIM_COUNT; d++) space_cut(nest, (enum nest_dim)d, tile[d], &tiling->cut[d]);
    order->count = 0;
    for (uint32_t i = 0; i < depth; i++)
        if (tiling->cut[mapping->loops[i].dim].trips > 1) order->dims[order->count++] = mapping->loops[i].dim;
}

/* No dim twice, no snake, among the loops that an operand sees. */
static bool is_plain(const struct mapping *mapping) {
    unsigned seen = 0;
    uint32_t depth = 0;
    for (int x = 0; x < OPERAND_COUNT; x++) depth = mapping->depth[x] > depth ? mapping->depth[x] : depth;
    for (uint32_t i = 0; i < depth; i++) {
        if (mapping->loops[i].snake || seen >> mapping->loops[i].dim & 1) return false;
        seen |= 1u << mapping->loops[i].dim;
    }
    return true;
}

void mapping_traffic(const struct nest *nest, const struct target *target, const struct mapping *mapping, struct traffic *traffic) {
    struct tiling tiling;
    struct order order;
    if (!is_plain(mapping)) {
        walk_traffic(nest, target->halo_reuse, mapping, traffic);
        return;
    }
    operand_view(nest, mapping, mapping->depth[OPERAND_I], &tiling, &order);
    traffic->input_bytes = input_bytes(nest, target->halo_reuse, &tiling, &order);
    operand_view(nest, mapping, mapping->depth[OPERAND_W], &tiling, &order);
    traffic->weight_bytes = weight_bytes(nest, &tiling, &order);
    operand_view(nest, mapping, mapping->depth[OPERAND_O], &tiling, &order);
    output_traffic(nest, &tiling, &order, traffic);
}
