/* The loops that an operand sees are walked, and what repeats is looked up instead.
 *
 * What the loops from one level inwards move, beginning with an empty chip, depends on the ranges around them, away from the plane's ends
 * not even on where these begin, and on which way each snake is about to go. So that is remembered, as are the first and the last tile:
 * between two such runs just these meet. Under I, the dims that no loop from here on cuts are factors and no part of what is remembered
 * (whole bytes).
 *
 * Between two iterations of a loop every loop inside has started equally often, so in a zone of like positions iterations repeat with
 * period 2: three are looked at, then as many pairs as there are skipped, the last tile being moved along. All positions of a loop that
 * does not index the operand are alike but the last (clipped: loops of the dim inside are shorter); of one that does, those but the first
 * (c: the bias comes with it) and the last; of a plane's axis, under I, those away from the plane's ends.
 *
 * Partial sums: a tile of O is out and in again between two visits, so they are 2 (all visits - one visit of each tile). */
#include "cost/traffic_walk.h"
#include "base/checked.h"

#include <stddef.h>
#include <string.h>

enum what { WINDOWS, WEIGHTS, SUMS, FINISHED };
static const enum operand operand_of[] = {OPERAND_I, OPERAND_W, OPERAND_O, OPERAND_O};

struct range {
    int64_t from, to;
};

struct tile {
    struct range at[DIM_COUNT];
};

/* The loops from some level inwards, once through, beginning with an empty chip. */
struct run {
    struct walked walked;
    struct tile first, last;
    uint32_t turned; /* loops that have started an odd number of times, by level */
};

/* A run is known by the level, the ways of the snakes and the ranges around it. */
struct key {
    uint32_t level, ways;
    struct range at[DIM_COUNT];
};

struct memory {
    struct key key;
    struct run run; /* tiles from the beginning of the ranges on; bytes per unit of what is a factor */
};

enum { MEMORY_LIMIT = 192, INDEX_SIZE = 512 };

struct walk {
    const struct nest *nest;
    enum what what;
    bool slides, has_factors;
    int64_t fixed_elems; /* of I along axes of one output */
    unsigned dims;       /* that index the operand, those of size 1 left out */
    uint32_t live_count;
    uint8_t live[DIM_COUNT]; /* the same as a list */
    uint32_t count;
    struct mapping_loop loops[MAPPING_MAX_LOOPS];
    unsigned cut_from[MAPPING_MAX_LOOPS]; /* dims that loops from this level on cut */
    uint32_t snakes;                      /* by level */
    uint32_t reversed;                    /* the loops of which the next start is the other way, by level */
    struct tile around;
    struct range whole[NEST_AXES]; /* outputs whose windows the plane's ends do not clip */
    uint32_t memory_count;
    uint16_t index[INDEX_SIZE];
    struct memory memory[MEMORY_LIMIT];
};

/* ---- one tile ---- */

static int64_t length(struct range range) { return range.to - range.from; }
static bool is_same(struct range a, struct range b) { return a.from == b.from && a.to == b.to; }

static int64_t shared_rows(const struct nest_axis *axis, struct range a, struct range b) {
    if (is_same(a, b)) return nest_rows(axis, a.from, a.to);
    if (nest_is_disjoint(axis)) {
        const int64_t from = greatest(a.from, b.from), to = least(a.to, b.to);
        return from < to ? nest_rows(axis, from, to) : 0;
    }
    const int64_t first = greatest(nest_first_row(axis, a.from), nest_first_row(axis, b.from));
    return greatest(0, least(nest_end_row(axis, a.to), nest_end_row(axis, b.to)) - first);
}

/* Of a window: elements along one dim. */
static int64_t extent_of(const struct walk *walk, const struct tile *tile, int d) {
    const struct range at = tile->at[d];
    return d < DIM_OD ? length(at) : nest_rows(&walk->nest->axis[d - DIM_OD], at.from, at.to);
}

static int64_t window_elems(const struct walk *walk, const struct tile *tile) {
    int64_t elems = walk->fixed_elems;
    for (uint32_t i = 0; i < walk->live_count; i++) elems *= extent_of(walk, tile, walk->live[i]);
    return elems;
}

static int64_t weight_bytes(const struct walk *walk, const struct tile *tile) {
    const struct range *at = tile->at;
    const int64_t filters = length(at[DIM_G]) * length(at[DIM_M]);
    const int64_t bytes = nest_bytes(filters * length(at[DIM_C]) * nest_kernel_elems(walk->nest), walk->nest->bits[OPERAND_W]);
    return bytes + (walk->nest->has_bias && at[DIM_C].from == 0 ? nest_bytes(filters, walk->nest->partial_bits) : 0);
}

static int64_t output_bytes(const struct walk *walk, const struct tile *tile) {
    const struct range *at = tile->at;
    int64_t elems = length(at[DIM_N]) * length(at[DIM_G]) * length(at[DIM_M]);
    for (int d = DIM_OD; d < DIM_COUNT; d++)
        elems *= walk->what == SUMS ? length(at[d]) : nest_written(&walk->nest->axis[d - DIM_OD], at[d].from, at[d].to);
    return nest_bytes(elems, walk->what == SUMS ? walk->nest->partial_bits : walk->nest->bits[OPERAND_O]);
}

static int64_t tile_bytes(const struct walk *walk, const struct tile *tile) {
    if (walk->what == WINDOWS) return nest_bytes(window_elems(walk, tile), walk->nest->bits[OPERAND_I]);
    return walk->what == WEIGHTS ? weight_bytes(walk, tile) : output_bytes(walk, tile);
}

/* ---- from tile to tile ---- */

/* What a window need not fetch, the one before being held. axis: the first along which they differ. */
static int64_t slid_bytes(const struct walk *walk, const struct tile *held, const struct tile *wanted, int *axis) {
    int64_t shared = 1, elems = 1;
    *axis = -1;
    for (uint32_t i = 0; i < walk->live_count; i++) {
        const int d = walk->live[i];
        const bool differs = !is_same(held->at[d], wanted->at[d]);
        if (d < DIM_OD && differs) return 0;
        elems *= extent_of(walk, wanted, d);
        if (!differs) shared *= extent_of(walk, wanted, d);
        else shared *= shared_rows(&walk->nest->axis[d - DIM_OD], held->at[d], wanted->at[d]);
        if (!shared) return 0;
        if (differs && *axis < 0) *axis = d - DIM_OD;
    }
    const uint32_t bits = walk->nest->bits[OPERAND_I];
    const int64_t fixed = walk->fixed_elems;
    return nest_bytes(elems * fixed, bits) - nest_bytes((elems - shared) * fixed, bits);
}

static bool is_same_tile(const struct walk *walk, const struct tile *a, const struct tile *b) {
    for (uint32_t i = 0; i < walk->live_count; i++)
        if (!is_same(a->at[walk->live[i]], b->at[walk->live[i]])) return false;
    return true;
}

static void keep(const struct walk *walk, const struct tile *tile, struct walked *walked) {
    const int64_t bytes = tile_bytes(walk, tile);
    walked->bytes -= bytes;
    walked->kept_bytes += bytes;
    walked->kept_times++;
}

static void slide(const struct walk *walk, const struct tile *held, const struct tile *wanted, struct walked *walked) {
    int axis;
    const int64_t bytes = slid_bytes(walk, held, wanted, &axis);
    if (!bytes) return;
    walked->bytes -= bytes;
    walked->slid_bytes[axis] += bytes;
    walked->slid_times[axis]++;
}

/* sum += times x (more - less); less NULL = 0 */
static void add_walked(struct walked *sum, int64_t times, const struct walked *more, const struct walked *less) {
    static const struct walked nothing;
    if (!less) less = &nothing;
    sum->bytes += times * (more->bytes - less->bytes);
    sum->steps += times * (more->steps - less->steps);
    sum->kept_bytes += times * (more->kept_bytes - less->kept_bytes);
    sum->kept_times += times * (more->kept_times - less->kept_times);
    for (int a = 0; a < NEST_AXES; a++) {
        sum->slid_bytes[a] += times * (more->slid_bytes[a] - less->slid_bytes[a]);
        sum->slid_times[a] += times * (more->slid_times[a] - less->slid_times[a]);
    }
}

/* A run after a run, of which the chip still holds the last tile. */
static void append(const struct walk *walk, struct run *run, const struct run *next) {
    add_walked(&run->walked, 1, &next->walked, NULL);
    if (is_same_tile(walk, &run->last, &next->first)) keep(walk, &next->first, &run->walked);
    else if (walk->slides) slide(walk, &run->last, &next->first, &run->walked);
    run->last = next->last;
}

/* ---- memory ---- */

static struct range range_of_key(const struct walk *walk, int d) {
    const struct range at = walk->around.at[d];
    int64_t from = 0;
    if (walk->what == WEIGHTS && d == DIM_C) from = at.from != 0;
    if (d >= DIM_OD && walk->what == FINISHED && walk->nest->axis[d - DIM_OD].pool > 1) from = at.from;
    if (d >= DIM_OD && walk->what == WINDOWS) {
        const struct nest_axis *axis = &walk->nest->axis[d - DIM_OD];
        const struct range whole = walk->whole[d - DIM_OD];
        if (at.from < whole.from || at.to > whole.to) from = at.from;
        else from = axis->transposed ? -1 - at.from % axis->stride : -1;
    }
    return (struct range){from, length(at)};
}

static bool is_factor(const struct walk *walk, uint32_t level, int d) {
    return walk->has_factors && walk->dims >> d & 1 && !(walk->cut_from[level] >> d & 1);
}

static uint32_t key_make(const struct walk *walk, uint32_t level, struct key *key) {
    const uint32_t inner = walk->snakes >> level << level;
    *key = (struct key){.level = level, .ways = walk->reversed & inner};
    uint64_t hash = key->ways * 31 + level;
    for (int d = 0; d < DIM_COUNT; d++) {
        if (!((walk->dims | walk->cut_from[level]) >> d & 1) || is_factor(walk, level, d)) continue;
        key->at[d] = range_of_key(walk, d);
        hash = (hash * 0x9E3779B97F4A7C15u + (uint64_t)key->at[d].from) * 0x9E3779B97F4A7C15u + (uint64_t)key->at[d].to;
    }
    hash ^= hash >> 29;
    return (uint32_t)(hash * 0x9E3779B97F4A7C15u >> 40);
}

/* Where the key stands or would stand; NULL where it does not and there is no room. */
static uint16_t *find(struct walk *walk, const struct key *key, uint32_t hash) {
    for (uint32_t i = hash % INDEX_SIZE;; i = (i + 1) % INDEX_SIZE) {
        uint16_t *slot = &walk->index[i];
        if (*slot == 0) return walk->memory_count < MEMORY_LIMIT ? slot : NULL;
        if (memcmp(&walk->memory[*slot - 1].key, key, sizeof *key) == 0) return slot;
    }
}

static int64_t unit_of(const struct walk *walk, uint32_t level) {
    int64_t unit = 1;
    for (uint32_t i = 0; i < walk->live_count; i++)
        if (is_factor(walk, level, walk->live[i])) unit *= extent_of(walk, &walk->around, walk->live[i]);
    return unit;
}

/* As seen from the beginning of the ranges around, or (sign 1) as seen from outside. */
static void move_tile(const struct walk *walk, struct tile *tile, int sign) {
    for (uint32_t i = 0; i < walk->live_count; i++) {
        const int d = walk->live[i];
        tile->at[d].from += sign * walk->around.at[d].from;
        tile->at[d].to += sign * walk->around.at[d].from;
    }
}

static void remember(struct walk *walk, uint16_t *slot, const struct key *key, const struct run *run, int64_t unit) {
    struct memory *memory = &walk->memory[walk->memory_count++];
    *slot = (uint16_t)walk->memory_count;
    memory->key = *key;
    memory->run = *run;
    struct walked *walked = &memory->run.walked;
    walked->bytes /= unit;
    walked->kept_bytes /= unit;
    for (int a = 0; a < NEST_AXES; a++) walked->slid_bytes[a] /= unit;
    move_tile(walk, &memory->run.first, -1);
    move_tile(walk, &memory->run.last, -1);
}

static void recall(const struct walk *walk, const struct memory *memory, int64_t unit, struct run *run) {
    *run = memory->run;
    run->walked.bytes *= unit;
    run->walked.kept_bytes *= unit;
    for (int a = 0; a < NEST_AXES; a++) run->walked.slid_bytes[a] *= unit;
    move_tile(walk, &run->first, 1);
    move_tile(walk, &run->last, 1);
    for (uint32_t i = 0; i < walk->live_count; i++) {
        const int d = walk->live[i];
        if (is_factor(walk, memory->key.level, d)) run->first.at[d] = run->last.at[d] = walk->around.at[d];
    }
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
    const struct range whole = walk->whole[loop->dim - DIM_OD];
    if (whole.from > all.from) like.from = greatest(like.from, (whole.from - all.from + loop->step - 1) / loop->step);
    like.to = least(like.to, (whole.to - all.from) / loop->step);
    return like;
}

static void run_from(struct walk *walk, uint32_t level, struct run *run);

/* Iterations i .. end - 1 are alike, the last two of them looked at. Returns how many need no look. */
static int64_t skip(const struct walk *walk, const struct mapping_loop *loop, bool is_reversed, int64_t alike, const struct walked *before,
                    struct run *run) {
    const int64_t pairs = alike / 2, moved = 2 * pairs * loop->step * (is_reversed ? -1 : 1);
    if (pairs <= 0) return 0;
    const struct walked after = run->walked;
    add_walked(&run->walked, pairs, &after, before);
    if (walk->dims >> loop->dim & 1) {
        run->last.at[loop->dim].from += moved;
        run->last.at[loop->dim].to += moved;
    }
    return 2 * pairs;
}

static void run_loop(struct walk *walk, uint32_t level, struct run *run) {
    const struct mapping_loop *loop = &walk->loops[level];
    const struct range all = walk->around.at[loop->dim];
    const int64_t trips = (length(all) - 1) / loop->step + 1;
    const bool is_reversed = walk->snakes & walk->reversed & 1u << level;
    const uint32_t reversed = walk->reversed;
    struct range like = like_positions(walk, loop, all, trips);
    if (is_reversed) like = (struct range){trips - like.to, trips - like.from};
    struct walked before = {0};
    for (int64_t i = 0; i < trips; i++) {
        struct run next;
        if (i == like.from + 1) before = run->walked;
        if (i == like.from + 3) i += skip(walk, loop, is_reversed, like.to - i, &before, run);
        if (i == trips) break;
        const int64_t from = all.from + (is_reversed ? trips - 1 - i : i) * loop->step;
        walk->around.at[loop->dim] = (struct range){from, least(from + loop->step, all.to)};
        run_from(walk, level + 1, i ? &next : run);
        if (i) append(walk, run, &next);
    }
    walk->around.at[loop->dim] = all;
    walk->reversed ^= 1u << level;
    run->turned = (walk->reversed ^ reversed) >> level << level;
}

static void run_from(struct walk *walk, uint32_t level, struct run *run) {
    if (level == walk->count) {
        *run = (struct run){.walked = {.bytes = tile_bytes(walk, &walk->around), .steps = 1}, .first = walk->around, .last = walk->around};
        return;
    }
    struct key key;
    const int64_t unit = unit_of(walk, level);
    const uint32_t hash = key_make(walk, level, &key);
    uint16_t *slot = unit ? find(walk, &key, hash) : NULL;
    if (slot && *slot) {
        recall(walk, &walk->memory[*slot - 1], unit, run);
        walk->reversed ^= run->turned;
        return;
    }
    run_loop(walk, level, run);
    slot = unit ? find(walk, &key, hash) : NULL;
    if (slot && *slot == 0) remember(walk, slot, &key, run, unit);
}

/* ---- operands ---- */

/* without_sweeps: only the loops that index the operand, so that each tile comes once. */
static struct walked walk_loops(const struct nest *nest, const struct mapping_loop *loops, uint32_t count, enum what what, bool slides,
                                bool without_sweeps) {
    struct walk walk;
    memset(&walk, 0, offsetof(struct walk, memory));
    walk.nest = nest;
    walk.what = what;
    walk.slides = slides;
    walk.fixed_elems = 1;
    for (int d = 0; d < DIM_COUNT; d++) {
        if (!(operand_dims[operand_of[what]] >> d & 1)) continue;
        walk.around.at[d] = (struct range){0, nest->size[d]};
        if (nest->size[d] > 1) {
            walk.dims |= 1u << d;
            walk.live[walk.live_count++] = (uint8_t)d;
        } else if (what == WINDOWS && d >= DIM_OD) walk.fixed_elems *= extent_of(&walk, &walk.around, d);
    }
    walk.has_factors = what == WINDOWS && nest_whole_bytes(nest);
    for (uint32_t i = 0; i < count; i++) {
        if (without_sweeps && !(walk.dims >> loops[i].dim & 1)) continue;
        if (loops[i].snake) walk.snakes |= 1u << walk.count;
        walk.loops[walk.count++] = loops[i];
    }
    for (uint32_t i = walk.count; i-- > 0;) walk.cut_from[i] = 1u << walk.loops[i].dim | (i + 1 < walk.count ? walk.cut_from[i + 1] : 0);
    for (int d = 0; d < DIM_COUNT; d++) walk.around.at[d] = (struct range){0, nest->size[d]};
    for (int a = 0; a < NEST_AXES; a++) walk.whole[a] = (struct range){nest_whole_from(&nest->axis[a]), nest_whole_to(&nest->axis[a])};
    struct run run;
    run_from(&walk, 0, &run);
    return run.walked;
}

void walk_operand(const struct nest *nest, bool halo_reuse, const struct mapping_loop *loops, uint32_t count, enum operand operand,
                  struct walked *walked) {
    *walked = (struct walked){0};
    if (operand == OPERAND_I) *walked = walk_loops(nest, loops, count, WINDOWS, halo_reuse, false);
    if (operand == OPERAND_W && nest->bits[OPERAND_W]) *walked = walk_loops(nest, loops, count, WEIGHTS, false, false);
    walked->total_bytes = walked->bytes + walked->kept_bytes;
    for (int a = 0; a < NEST_AXES; a++) walked->total_bytes += walked->slid_bytes[a];
    if (operand != OPERAND_O) return;
    const struct walked visits = walk_loops(nest, loops, count, SUMS, false, false);
    walked->bytes = walk_loops(nest, loops, count, FINISHED, false, true).bytes;
    walked->bytes += 2 * (visits.bytes - walk_loops(nest, loops, count, SUMS, false, true).bytes);
    walked->steps = visits.steps;
    walked->total_bytes = 2 * (visits.bytes + visits.kept_bytes);
    walked->kept_bytes = 2 * visits.kept_bytes;
    walked->kept_times = 2 * visits.kept_times;
}

int64_t mapping_transfers(const struct nest *nest, const struct mapping *mapping, enum operand operand, int64_t *tiles) {
    const enum what what = operand == OPERAND_I ? WINDOWS : operand == OPERAND_W ? WEIGHTS : SUMS;
    const uint32_t count = mapping_sits(mapping, operand);
    const struct walked walked = walk_loops(nest, mapping->loops, count, what, false, false);
    *tiles = walk_loops(nest, mapping->loops, count, what, false, true).steps;
    return walked.steps - walked.kept_times;
}

void walk_traffic(const struct nest *nest, bool halo_reuse, const struct mapping *mapping, struct traffic *traffic) {
    const struct mapping_loop *loops = mapping->loops;
    const uint32_t of_i = mapping_sits(mapping, OPERAND_I);
    const uint32_t of_w = mapping_sits(mapping, OPERAND_W);
    const uint32_t of_o = mapping_sits(mapping, OPERAND_O);
    *traffic = (struct traffic){0};
    traffic->input_bytes = walk_loops(nest, loops, of_i, WINDOWS, halo_reuse, false).bytes;
    if (nest->bits[OPERAND_W]) traffic->weight_bytes = walk_loops(nest, loops, of_w, WEIGHTS, false, false).bytes;
    traffic->output_bytes = walk_loops(nest, loops, of_o, FINISHED, false, true).bytes;
    const int64_t visits = walk_loops(nest, loops, of_o, SUMS, false, false).bytes;
    traffic->partial_sum_bytes = 2 * (visits - walk_loops(nest, loops, of_o, SUMS, false, true).bytes);
}
