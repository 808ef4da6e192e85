/* explore: the best mapping of each layer, and what the network costs with them.
 *
 *   before  a graph                      after  job->record says what each layer moves and how; the graph is as it was
 *   source  cost-model.md 1-5, 7, 9, 10 (SuperSlash, Ahmad et al., TCAD 2020, for exploring layer by layer) */
#include "passes/record_make.h"

static status explore_run(struct job *job, struct diag *diag) {
    (void)diag;
    record_explore(job, job->costs);
    return STATUS_OK;
}

const struct pass pass_explore = {
    .name = "explore",
    .summary = "finds the mapping of each layer that moves the fewest bytes",
    .needs = FACT_SHAPES | FACT_LAYERS | FACT_COSTS,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = explore_run,
};
