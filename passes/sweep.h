/* A network's off-chip traffic against on-chip capacity: the curves of its layers added up, exact at every byte. */
#ifndef SS_SWEEP_H
#define SS_SWEEP_H

#include "base/parallel.h"
#include "passes/costs.h"
#include "passes/sweep_curves.h"
#include "report/record.h"

/* One layer and the ways it can be done: ways[0] = as it stands (with the pool that has joined); ways[1] and on, where there are any, do
 * the same one after the other. */
struct sweep_layer {
    const char *name;
    const struct cost_way *ways;
    uint32_t way_count;
};

/* Fills all of the sweep but the network's compulsory bytes; the lower bound is the layers'. */
void sweep_find(struct arena *arena, const struct sweep_layer *layers, uint32_t count, const struct target *target,
                const struct sweep_range *range, unsigned threads, const struct sweep_progress *progress, struct record_sweep *sweep);

/* A network whose layers may be fused. */
struct sweep_network {
    const struct layers *layers;
    const struct shapes *shapes;
    const struct target *target;
    int64_t compulsory_bytes;
    struct parallel *parallel; /* the same for any number of threads */
};

/* The same with fusion, at 64 capacities at most: steps are those of them at which the traffic falls. */
void sweep_find_fused(struct arena *arena, const struct sweep_network *network, const struct sweep_layer *layers,
                      const struct sweep_range *range, const struct sweep_progress *progress, struct record_sweep *sweep);

/* fits_bytes and fits_layer; the layers' lower bound is added to what stands there. */
void sweep_fits(const struct sweep_layer *layers, uint32_t count, const struct target *target, struct record_sweep *sweep);

struct job;
/* Over the job's range, its layers being made from model or table, what is explored being the end of the range. STATUS_BUG where
 * exploration and sweep differ there. */
status sweep_job(struct job *job, const struct sweep_layer *layers, uint32_t count, struct diag *diag);

#endif
