/* What the two published cost models (cost-model.md 6) have in common: three reuse strategies, each with its best tile. They count in
 * doubles, fractions kept, and share no formula with the exact model or with each other. */
#ifndef SS_COST_PUBLISHED_H
#define SS_COST_PUBLISHED_H

#include "cost/search.h"

/* Input, output, weight reuse: that operand moves once. */
enum published_strategy { STRATEGY_IRO, STRATEGY_ORO, STRATEGY_WRO, STRATEGY_COUNT };
extern const char *const published_strategy_names[STRATEGY_COUNT]; /* "iro", "oro", "wro" */

struct published_tile {
    int64_t m, c, oh, ow;
};

/* A strategy at its best: fewest bytes over all integer tiles; equal ones: the smaller footprint. */
struct published_way {
    struct published_tile tile;
    double input_bytes, weight_bytes, output_bytes, partial_sum_bytes;
    double footprint_bytes;
};
double published_total(const struct published_way *way);

struct published {
    bool is_feasible;
    struct published_way ways[STRATEGY_COUNT];
    enum published_strategy best; /* of the fewest bytes; equal ones: the first */
    enum published_strategy rule; /* what the publication would take; STRATEGY_COUNT = it has no rule but the fewest bytes */
    double compulsory_bytes;      /* each operand once, in the model's terms */
    struct infeasible infeasible; /* where it is not: the tile of one element each way; whole bytes */
};

/* STATUS_UNSUPPORTED for 3-D layers, which neither model knows; `what` names the layer. */
status published_check(const struct nest *nest, const char *what, struct diag *diag);

/* ---- for the models ---- */

int64_t published_trips(int64_t size, int64_t tile);
/* The smallest tile with as many trips as min(most, size); 0 where most < 1. From `size` on, each time
 * the last one - 1: every trip count once, from large tiles to small. */
int64_t published_fitting(int64_t size, double most);
/* Keeps `way` where it is better than *best, or the first. */
void published_keep(const struct published_way *way, bool *any, struct published_way *best);
/* The demand of the smallest tile by operand, rounded up to bytes in sum. */
void published_set_infeasible(const double demand_bytes[OPERAND_COUNT], int64_t capacity_bytes, struct infeasible *infeasible);
/* `times` layers one after another; and which strategy is best. */
void published_finish(double times, struct published *found);

#endif
