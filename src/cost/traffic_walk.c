/* The loops that an operand sees are walked, and where steps repeat they are counted instead.
 *
 * An iteration of a loop costs what its position makes of it: what the one before left on chip, and which way the snakes inside go. Between
 * two iterations every loop inside has started equally often, so the ways of all snakes turn over by a fixed pattern: the cost of
 * iterations in a zone of like positions has period 2 from the second on. Three are walked, then as many pairs as there are skipped, the
 * tile held being moved along. All positions of a loop that does not index the operand are alike but the last (clipped: loops of the
 * dim inside are shorter); of one that does, those but the first (c: the bias comes with it) and the last; of a plane's axis, under I,
 * those away from the plane's ends.
 *
 * Partial sums: a tile of O is out and in again between two visits, so they are 2 (all visits - one visit of each tile). */
#include "cost/traffic_walk.h"
#include "base/checked.h"

#include <string.h>

enum { DIMS_I = 1 << DIM_N | 1 << DIM_G | 1 << DIM_C | 1 << DIM_OD | 1 << DIM_OH | 1 << DIM_OW };
enum { DIMS_W = 1 << DIM_G | 1 << DIM_M | 1 << DIM_C };
enum { DIMS_O = 1 << DIM_N | 1 << DIM_G | 1 << DIM_M | 1 << DIM_OD | 1 << DIM_OH | 1 << DIM_OW };

enum what { WINDOWS, WEIGHTS, SUMS, FINISHED };

struct range {
    int64_t from, to;
};

struct walk {
    const struct nest *nest;
    enum what what;
    bool slides;
    unsigned dims; /* that index the operand */
    uint32_t count;
    struct mapping_loop loops[MAPPING_MAX_LOOPS];
    bool is_reversed[MAPPING_MAX_LOOPS];
    bool is_row;    /* the block is one loop whose windows slide */
    uint32_t block; /* from this loop on all index the operand, each another dim: they bring each tile once (whole bytes, no sliding) */
    struct range at[DIM_COUNT], held[DIM_COUNT];
    bool holds;
    struct walked done;
};

/* ---- one tile ---- */

static int64_t length(struct range range) { return range.to - range.from; }

static int64_t shared_rows(const struct nest_axis *axis, struct range a, struct range b) {
    if (nest_is_disjoint(axis)) {
        const int64_t from = greatest(a.from, b.from), to = least(a.to, b.to);
        return from < to ? nest_rows(axis, from, to) : 0;
    }
    const int64_t first = greatest(nest_first_row(axis, a.from), nest_first_row(axis, b.from));
    return greatest(0, least(nest_end_row(axis, a.to), nest_end_row(axis, b.to)) - first);
}

static int64_t bytes_of_window(const struct walk *walk, bool slides) {
    const struct range *at = walk->at, *held = walk->held;
    const int64_t images = length(at[DIM_N]) * length(at[DIM_G]) * length(at[DIM_C]);
    int64_t elems = images, kept = images;
    for (int d = 0; d < DIM_OD; d++)
        if (DIMS_I >> d & 1 && (at[d].from != held[d].from || at[d].to != held[d].to)) slides = false;
    for (int d = DIM_OD; d < DIM_COUNT; d++) {
        const struct nest_axis *axis = &walk->nest->axis[d - DIM_OD];
        elems *= nest_rows(axis, at[d].from, at[d].to);
        if (slides) kept *= shared_rows(axis, at[d], held[d]);
    }
    return nest_bytes(slides ? elems - kept : elems, walk->nest->bits[OPERAND_I]);
}

static int64_t bytes_of_weights(const struct walk *walk) {
    const struct range *at = walk->at;
    const int64_t filters = length(at[DIM_G]) * length(at[DIM_M]);
    const int64_t bytes = nest_bytes(filters * length(at[DIM_C]) * nest_kernel_elems(walk->nest), walk->nest->bits[OPERAND_W]);
    return bytes + (walk->nest->has_bias && at[DIM_C].from == 0 ? nest_bytes(filters, walk->nest->partial_bits) : 0);
}

static int64_t bytes_of_outputs(const struct walk *walk) {
    const struct range *at = walk->at;
    int64_t elems = length(at[DIM_N]) * length(at[DIM_G]) * length(at[DIM_M]);
    for (int d = DIM_OD; d < DIM_COUNT; d++)
        elems *= walk->what == SUMS ? length(at[d]) : nest_written(&walk->nest->axis[d - DIM_OD], at[d].from, at[d].to);
    return nest_bytes(elems, walk->what == SUMS ? walk->nest->partial_bits : walk->nest->bits[OPERAND_O]);
}

static int64_t bytes_of_tile(const struct walk *walk, bool slides) {
    if (walk->what == WINDOWS) return bytes_of_window(walk, slides);
    return walk->what == WEIGHTS ? bytes_of_weights(walk) : bytes_of_outputs(walk);
}

static bool is_held(const struct walk *walk) {
    bool is_same = walk->holds;
    for (int d = 0; d < DIM_COUNT && is_same; d++)
        if (walk->dims >> d & 1) is_same = walk->at[d].from == walk->held[d].from && walk->at[d].to == walk->held[d].to;
    return is_same;
}

static void bring(struct walk *walk) {
    if (is_held(walk)) {
        walk->done.kept_bytes += bytes_of_tile(walk, false);
        walk->done.kept_times++;
        return;
    }
    walk->done.bytes += bytes_of_tile(walk, walk->slides && walk->holds);
    memcpy(walk->held, walk->at, sizeof walk->held);
    walk->holds = true;
}

/* ---- loops that all index the operand ---- */

static int64_t rows_in_pieces(const struct nest_axis *axis, struct range outputs, int64_t step) {
    int64_t rows = 0;
    if (nest_is_disjoint(axis)) return nest_rows(axis, outputs.from, outputs.to);
    for (int64_t from = outputs.from; from < outputs.to; from += step) rows += nest_rows(axis, from, least(outputs.to, from + step));
    return rows;
}

/* All tiles of the block, each once. */
static int64_t bytes_of_block(const struct walk *walk) {
    if (walk->what != WINDOWS) return bytes_of_tile(walk, false);
    const struct range *at = walk->at;
    int64_t step[NEST_AXES] = {INT64_MAX / 4, INT64_MAX / 4, INT64_MAX / 4};
    int64_t elems = length(at[DIM_N]) * length(at[DIM_G]) * length(at[DIM_C]);
    for (uint32_t i = walk->block; i < walk->count; i++)
        if (walk->loops[i].dim >= DIM_OD) step[walk->loops[i].dim - DIM_OD] = walk->loops[i].step;
    for (int a = 0; a < NEST_AXES; a++) elems *= rows_in_pieces(&walk->nest->axis[a], at[DIM_OD + a], step[a]);
    return nest_bytes(elems, walk->nest->bits[OPERAND_I]);
}

/* Where the loops of the block begin (or end) in this turn of the block. */
static void go_to_end(struct walk *walk, const struct range *all, bool is_end) {
    int64_t starts = 1;
    for (uint32_t i = walk->block; i < walk->count; i++) {
        const struct mapping_loop *loop = &walk->loops[i];
        const struct range whole = all[loop->dim];
        const int64_t trips = (length(whole) - 1) / loop->step + 1;
        const bool is_odd = is_end && starts % 2 == 0;
        const bool is_last = (loop->snake && walk->is_reversed[i] != is_odd) != is_end;
        const int64_t from = whole.from + (is_last ? (trips - 1) * loop->step : 0);
        walk->at[loop->dim] = (struct range){from, least(from + loop->step, whole.to)};
        if (is_end && starts % 2 == 1) walk->is_reversed[i] = !walk->is_reversed[i];
        starts *= trips;
    }
}

/* A row of windows that slide: what the first brings, and each row of I (or image) that the others add. */
static void bring_row(struct walk *walk) {
    struct range all[DIM_COUNT];
    memcpy(all, walk->at, sizeof all);
    walk->done.bytes += bytes_of_tile(walk, false);
    go_to_end(walk, all, false);
    walk->done.bytes -= bytes_of_tile(walk, false);
    bring(walk);
    go_to_end(walk, all, true);
    memcpy(walk->held, walk->at, sizeof walk->held);
    memcpy(walk->at, all, sizeof all);
}

static void bring_block(struct walk *walk) {
    struct range all[DIM_COUNT];
    memcpy(all, walk->at, sizeof all);
    walk->done.bytes += bytes_of_block(walk);
    go_to_end(walk, all, false);
    if (is_held(walk)) {
        const int64_t bytes = bytes_of_tile(walk, false);
        walk->done.bytes -= bytes;
        walk->done.kept_bytes += bytes;
        walk->done.kept_times++;
    }
    go_to_end(walk, all, true);
    memcpy(walk->held, walk->at, sizeof walk->held);
    walk->holds = true;
    memcpy(walk->at, all, sizeof all);
}

/* ---- loops ---- */

/* Of a loop over `all`: the positions from .. to - 1 are alike. */
static struct range like_positions(const struct walk *walk, const struct mapping_loop *loop, struct range all, int64_t trips) {
    struct range like = {1, trips - 1};
    if (!(walk->dims >> loop->dim & 1)) return (struct range){0, trips - 1};
    if (loop->dim < DIM_OD || walk->what == SUMS) return like;
    const struct nest_axis *axis = &walk->nest->axis[loop->dim - DIM_OD];
    if (walk->what == FINISHED) return axis->pool == 1 || loop->step % axis->pool == 0 ? like : (struct range){0, 0};
    if (nest_period(axis, loop->step) > 1) return (struct range){0, 0};
    while (like.from < like.to && all.from + like.from * loop->step < nest_whole_from(axis)) like.from++;
    like.to = least(like.to, (nest_whole_to(axis) - all.from) / loop->step);
    return like;
}

static void walk_loop(struct walk *walk, uint32_t level);

/* A loop in progress. */
struct turn {
    const struct mapping_loop *loop;
    struct range all;
    int64_t trips;
    bool is_reversed;
    uint32_t level;
};

static void iterate(struct walk *walk, const struct turn *turn, int64_t i) {
    const int64_t from = turn->all.from + (turn->is_reversed ? turn->trips - 1 - i : i) * turn->loop->step;
    walk->at[turn->loop->dim] = (struct range){from, least(from + turn->loop->step, turn->all.to)};
    walk_loop(walk, turn->level + 1);
}

/* Iterations i .. end - 1 are alike, the last two of them walked. Returns how many need no walk. */
static int64_t skip(struct walk *walk, const struct turn *turn, int64_t i, int64_t end, const struct walked *before) {
    const int64_t pairs = (end - i) / 2, moved = 2 * pairs * turn->loop->step;
    if (pairs <= 0) return 0;
    walk->done.bytes += pairs * (walk->done.bytes - before->bytes);
    walk->done.kept_bytes += pairs * (walk->done.kept_bytes - before->kept_bytes);
    walk->done.kept_times += pairs * (walk->done.kept_times - before->kept_times);
    if (walk->dims >> turn->loop->dim & 1) {
        walk->held[turn->loop->dim].from += turn->is_reversed ? -moved : moved;
        walk->held[turn->loop->dim].to += turn->is_reversed ? -moved : moved;
    }
    return 2 * pairs;
}

static void walk_loop(struct walk *walk, uint32_t level) {
    if (level == walk->block) {
        if (level == walk->count) bring(walk);
        else if (walk->is_row) bring_row(walk);
        else bring_block(walk);
        return;
    }
    const struct mapping_loop *loop = &walk->loops[level];
    struct turn turn = {.loop = loop, .all = walk->at[loop->dim], .level = level};
    turn.trips = (length(turn.all) - 1) / loop->step + 1;
    turn.is_reversed = loop->snake && walk->is_reversed[level];
    walk->is_reversed[level] = !walk->is_reversed[level];
    struct range like = like_positions(walk, loop, turn.all, turn.trips);
    if (turn.is_reversed) like = (struct range){turn.trips - like.to, turn.trips - like.from};
    struct walked before = {0};
    for (int64_t i = 0; i < turn.trips; i++) {
        if (i == like.from + 1) before = walk->done;
        if (i == like.from + 3) i += skip(walk, &turn, i, like.to, &before);
        if (i < turn.trips) iterate(walk, &turn, i);
    }
    walk->at[loop->dim] = turn.all;
}

/* ---- operands ---- */

static const unsigned dims_of[] = {DIMS_I, DIMS_W, DIMS_O, DIMS_O};

static bool shares_rows(const struct nest *nest) {
    for (int a = 0; a < NEST_AXES; a++)
        if (!nest_is_disjoint(&nest->axis[a])) return true;
    return false;
}

static uint32_t first_of_block(const struct walk *walk) {
    uint32_t first = walk->count;
    unsigned seen = 0;
    if (!nest_whole_bytes(walk->nest)) return first;
    if (walk->is_row) return first > 0 && walk->dims >> walk->loops[first - 1].dim & 1 ? first - 1 : first;
    for (; first > 0; first--) {
        const unsigned dim = 1u << walk->loops[first - 1].dim;
        if (!(walk->dims & dim) || seen & dim) break;
        seen |= dim;
    }
    return first;
}

/* without_sweeps: only the loops that index the operand, so that each tile comes once. */
static struct walked walk_loops(const struct nest *nest, const struct mapping_loop *loops, uint32_t count, enum what what, bool slides,
                                bool without_sweeps) {
    struct walk walk;
    memset(&walk, 0, sizeof walk);
    walk.nest = nest;
    walk.what = what;
    walk.slides = slides;
    walk.dims = dims_of[what];
    for (uint32_t i = 0; i < count; i++)
        if (!without_sweeps || walk.dims >> loops[i].dim & 1) walk.loops[walk.count++] = loops[i];
    for (int d = 0; d < DIM_COUNT; d++) walk.at[d] = (struct range){0, nest->size[d]};
    walk.is_row = what == WINDOWS && slides && shares_rows(nest);
    walk.block = first_of_block(&walk);
    walk_loop(&walk, 0);
    return walk.done;
}

void walk_operand(const struct nest *nest, bool halo_reuse, const struct mapping_loop *loops, uint32_t count, enum operand operand,
                  struct walked *walked) {
    *walked = (struct walked){0};
    if (operand == OPERAND_I) *walked = walk_loops(nest, loops, count, WINDOWS, halo_reuse, false);
    if (operand == OPERAND_W && nest->bits[OPERAND_W]) *walked = walk_loops(nest, loops, count, WEIGHTS, false, false);
    if (operand != OPERAND_O) return;
    const struct walked visits = walk_loops(nest, loops, count, SUMS, false, false);
    walked->bytes = walk_loops(nest, loops, count, FINISHED, false, true).bytes;
    walked->bytes += 2 * (visits.bytes - walk_loops(nest, loops, count, SUMS, false, true).bytes);
    walked->kept_bytes = 2 * visits.kept_bytes;
    walked->kept_times = 2 * visits.kept_times;
}

/* The loops outside a depth down to the innermost that indexes the operand. */
static uint32_t loops_seen(const struct mapping *mapping, enum what what, uint32_t depth) {
    while (depth > 0 && !(dims_of[what] >> mapping->loops[depth - 1].dim & 1)) depth--;
    return depth;
}

void walk_traffic(const struct nest *nest, bool halo_reuse, const struct mapping *mapping, struct traffic *traffic) {
    const struct mapping_loop *loops = mapping->loops;
    const uint32_t of_i = loops_seen(mapping, WINDOWS, mapping->depth[OPERAND_I]);
    const uint32_t of_w = loops_seen(mapping, WEIGHTS, mapping->depth[OPERAND_W]);
    const uint32_t of_o = loops_seen(mapping, SUMS, mapping->depth[OPERAND_O]);
    *traffic = (struct traffic){0};
    traffic->input_bytes = walk_loops(nest, loops, of_i, WINDOWS, halo_reuse, false).bytes;
    if (nest->bits[OPERAND_W]) traffic->weight_bytes = walk_loops(nest, loops, of_w, WEIGHTS, false, false).bytes;
    traffic->output_bytes = walk_loops(nest, loops, of_o, FINISHED, false, true).bytes;
    const int64_t visits = walk_loops(nest, loops, of_o, SUMS, false, false).bytes;
    traffic->partial_sum_bytes = 2 * (visits - walk_loops(nest, loops, of_o, SUMS, false, true).bytes);
}
