#include "passes/sweep_curves.h"

#include <stdlib.h>
#include <string.h>

enum {
    SWEEP_BLOCK = 64, /* nests whose walks are open at the same time */
    SWEEP_TURN = 64,  /* walks between two looks at the progress */
    SWEEP_STEPS = 8   /* searches of one walk in a turn */
};

struct sweep_curve {
    const struct nest *nest;
    struct curve curve;
};

struct sweep_curves {
    struct sweep_curve *items; /* sorted by nest, each once */
    uint32_t count;
};

/* A part of one nest's range: its steps from large capacities to small. */
struct sweep_walk {
    struct curve_walk walk;
    uint32_t curve;
    ARRAY(struct curve_step) steps;
    struct curve_step turn[SWEEP_STEPS];
    uint32_t turn_count;
};

/* One block of nests at work. */
struct sweeper {
    struct arena *arena, *scratch;
    struct sweep_curves *curves;
    const struct target *target;
    const struct sweep_range *range;
    const struct sweep_progress *progress;
    unsigned threads;
    uint32_t from, to; /* curves of the block */
    ARRAY(struct sweep_walk) walks;
    ARRAY(uint32_t) open; /* walks that are not at their end, from back to front */
};

/* ---- nests, each once ---- */

static int compare_nests(const void *left, const void *right) {
    const struct sweep_curve *a = left, *b = right;
    return memcmp(a->nest, b->nest, sizeof *a->nest);
}

static struct sweep_curves *sweep_collect(struct arena *arena, const struct nest *const *nests, uint32_t count) {
    struct sweep_curves *curves = ARENA_NEW(arena, struct sweep_curves);
    curves->items = ARENA_ARRAY(arena, struct sweep_curve, count);
    for (uint32_t i = 0; i < count; i++) curves->items[i].nest = nests[i];
    qsort(curves->items, count, sizeof *curves->items, compare_nests);
    for (uint32_t i = 0; i < count; i++)
        if (!i || compare_nests(&curves->items[i], &curves->items[curves->count - 1]) != 0)
            curves->items[curves->count++] = curves->items[i];
    return curves;
}

const struct curve *sweep_curves_get(const struct sweep_curves *curves, const struct nest *nest) {
    const struct sweep_curve key = {.nest = nest};
    const struct sweep_curve *found = bsearch(&key, curves->items, curves->count, sizeof key, compare_nests);
    return found ? &found->curve : NULL;
}

/* ---- walks ---- */

static void sweep_open(struct sweeper *sweeper, uint32_t curve, int64_t low_bytes, int64_t high_bytes) {
    const struct sweep_walk walk = {.walk = {sweeper->curves->items[curve].nest, low_bytes, high_bytes}, .curve = curve};
    array_push(sweeper->scratch, &sweeper->open, sweeper->walks.count);
    array_push(sweeper->scratch, &sweeper->walks, walk);
}

static void sweep_report(const struct sweeper *sweeper, double share_of_block) {
    const double block = sweeper->to - sweeper->from;
    if (sweeper->progress->call)
        sweeper->progress->call(sweeper->progress->context, "sweeping", (sweeper->from + block * share_of_block) / sweeper->curves->count);
}

/* Each of the last `count` open walks goes on for some steps. */
static void sweep_turn(struct sweeper *sweeper, uint32_t count, uint32_t limit) {
    const int64_t walks = count;
    const uint32_t *open = sweeper->open.items + sweeper->open.count - count;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(sweeper->threads) if (sweeper->threads > 1 && walks > 1)
#endif
    for (int64_t i = 0; i < walks; i++) {
        struct sweep_walk *walk = &sweeper->walks.items[open[i]];
        walk->turn_count = curve_walk_on(&walk->walk, sweeper->target, walk->turn, limit);
    }
}

/* Takes over what the turn found; walks at their end are closed. */
static void sweep_harvest(struct sweeper *sweeper, uint32_t count) {
    uint32_t *open = sweeper->open.items + sweeper->open.count - count, left = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct sweep_walk *walk = &sweeper->walks.items[open[i]];
        for (uint32_t k = 0; k < walk->turn_count; k++) array_push(sweeper->scratch, &walk->steps, walk->turn[k]);
        if (walk->walk.next_bytes >= walk->walk.low_bytes) open[left++] = open[i];
    }
    sweeper->open.count -= count - left;
}

/* All that is open, to the end. */
static void sweep_walks(struct sweeper *sweeper) {
    const double all = sweeper->open.count;
    while (sweeper->open.count) {
        const uint32_t count = sweeper->open.count < SWEEP_TURN ? sweeper->open.count : SWEEP_TURN;
        sweep_turn(sweeper, count, SWEEP_STEPS);
        sweep_harvest(sweeper, count);
        sweep_report(sweeper, 1 - sweeper->open.count / all);
    }
}

/* ---- a block ---- */

/* The largest capacity first, by itself: above its footprint nothing is left to be found, below it each power of two is a walk. */
static void sweep_split(struct sweeper *sweeper) {
    const uint32_t tops = sweeper->to - sweeper->from;
    for (uint32_t i = sweeper->from; i < sweeper->to; i++) sweep_open(sweeper, i, sweeper->range->from_bytes, sweeper->range->to_bytes);
    sweep_turn(sweeper, tops, 1);
    sweep_harvest(sweeper, tops);
    sweeper->open.count = 0;
    for (uint32_t i = 0; i < tops; i++) {
        struct curve_walk *top = &sweeper->walks.items[i].walk;
        const struct curve_walk rest = *top;
        top->next_bytes = top->low_bytes - 1;
        for (int64_t high_bytes = rest.next_bytes; high_bytes >= rest.low_bytes;) {
            int64_t low_bytes = 1;
            while (low_bytes <= high_bytes / 2) low_bytes *= 2;
            if (low_bytes < rest.low_bytes) low_bytes = rest.low_bytes;
            sweep_open(sweeper, sweeper->from + i, low_bytes, high_bytes);
            high_bytes = low_bytes - 1;
        }
    }
}

/* The walks of a nest stand from large capacities to small, the first one at the top. */
static void sweep_assemble(struct sweeper *sweeper) {
    struct curve *made = ARENA_ARRAY(sweeper->scratch, struct curve, sweeper->to - sweeper->from);
    for (uint32_t i = sweeper->walks.count; i-- > 0;) {
        const struct sweep_walk *walk = &sweeper->walks.items[i];
        for (uint32_t k = walk->steps.count; k-- > 0;)
            curve_push(sweeper->scratch, &made[walk->curve - sweeper->from], walk->steps.items[k].capacity_bytes,
                       walk->steps.items[k].offchip_bytes);
    }
    for (uint32_t i = sweeper->from; i < sweeper->to; i++) {
        const struct curve *found = &made[i - sweeper->from];
        struct curve *curve = &sweeper->curves->items[i].curve;
        if (!found->steps.count) continue;
        curve->steps.count = curve->steps.capacity = found->steps.count;
        curve->steps.items = arena_copy(sweeper->arena, found->steps.items, found->steps.count * sizeof *found->steps.items);
    }
}

struct sweep_curves *sweep_curves_find(struct arena *arena, const struct nest *const *nests, uint32_t count, const struct target *target,
                                       const struct sweep_range *range, unsigned threads, const struct sweep_progress *progress) {
    struct sweep_curves *curves = sweep_collect(arena, nests, count);
    for (uint32_t from = 0; from < curves->count; from += SWEEP_BLOCK) {
        const uint32_t left = curves->count - from;
        struct sweeper sweeper = {.arena = arena,
                                  .scratch = arena_new(arena_heap(arena)),
                                  .curves = curves,
                                  .target = target,
                                  .range = range,
                                  .progress = progress,
                                  .threads = threads ? threads : 1,
                                  .from = from,
                                  .to = from + (left < SWEEP_BLOCK ? left : SWEEP_BLOCK)};
        sweep_split(&sweeper);
        sweep_walks(&sweeper);
        sweep_assemble(&sweeper);
        arena_free(sweeper.scratch);
    }
    return curves;
}
