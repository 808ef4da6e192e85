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

/* Time and energy, where the target says what they follow from; negative or NULL else. */
struct record_effort {
    double energy_uj, offchip_ms, compute_ms;
    const char *bound_by;
};
struct record_effort record_effort_of(const struct target *target, double bytes, int64_t macs);

/* Layers, groups (NULL = one per layer), totals and ranks. The record borrows the costs and the groups. */
void record_make(struct arena *arena, const struct graph *graph, const struct target *target, const struct record_source *sources,
                 uint32_t count, const struct cost_group *groups, uint32_t group_count, struct record *record);

/* job->record of these costs of the model. */
void record_explore(struct job *job, const struct costs *costs);

const struct record_model *record_model_of(const struct job *job, int64_t macs);
/* Nodes that nobody here knows, by operator and reason. */
void record_opaque_of(const struct job *job, struct record *record);

#endif
