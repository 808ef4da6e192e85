/* The decision record of an exploration: costs of layers as the rows that reports and annotations are made of. */
#ifndef SS_RECORD_MAKE_H
#define SS_RECORD_MAKE_H

#include "passes/costs.h"
#include "passes/job.h"

/* One layer with the names by which people know it. */
struct record_source {
    const char *name, *op;
    node_id node;
    const node_id *epilogue;
    uint32_t epilogue_count;
    const struct layer_cost *cost;
};

/* Layers, groups, totals and ranks. The record borrows the costs. */
void record_make(struct arena *arena, const struct graph *graph, const struct target *target, const struct record_source *sources,
                 uint32_t count, struct record *record);

#endif
