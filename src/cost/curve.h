/* What a layer moves as a function of the capacity: a step function that falls, exact at every byte.
 *
 * A search at capacity c gives the optimum and its footprint f <= c: no capacity in [f, c] has another optimum (a mapping that is better
 * there fits into c too), so the next step below is looked for at f - 1. Split memories have no such curve. */
#ifndef SS_COST_CURVE_H
#define SS_COST_CURVE_H

#include "base/array.h"
#include "cost/search.h"

struct curve_step {
    int64_t capacity_bytes; /* from here on, up to the next step */
    int64_t offchip_bytes;
};

/* Ascending capacities, falling bytes, both strictly. Below the first step the layer does not fit; none: nowhere. */
struct curve {
    ARRAY(struct curve_step) steps;
};

/* Adds a step at or above the last one; what moves no less than it is left out. */
void curve_push(struct arena *arena, struct curve *curve, int64_t capacity_bytes, int64_t offchip_bytes);
/* The step that holds at a capacity; NULL where the layer does not fit. */
const struct curve_step *curve_at(const struct curve *curve, int64_t capacity_bytes);

/* The better of two ways; both together (which fits where both fit). The result lives in the arena. */
void curve_min(struct arena *arena, const struct curve *a, const struct curve *b, struct curve *least);
void curve_sum(struct arena *arena, const struct curve *a, const struct curve *b, struct curve *sum);

/* A search for the steps in [low, next], from top to bottom, that can be left and taken up again. */
struct curve_walk {
    const struct nest *nest;
    int64_t low_bytes, next_bytes; /* next < low: at the end */
};

/* Searches up to `limit` times; steps from large capacities to small, a step that goes on below low cut there. Returns how many. Takes no
 * memory: walks run in parallel. */
uint32_t curve_walk_on(struct curve_walk *walk, const struct target *target, struct curve_step *steps, uint32_t limit);

/* The smallest capacity into which the nest fits at all. */
int64_t curve_fits_bytes(const struct nest *nest, const struct target *target);

#endif
