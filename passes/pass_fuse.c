/* fuse: the network cut into layers alone and groups of layers whose tensors stay on the chip.
 *
 *     conv1 -> relu -> conv2 -> pool -> conv3        [conv1 relu conv2 pool] [conv3]
 *
 *   before  the best mapping of each layer     after  job->record is that of the best cut; the graph is as it was
 *   conditions  every layer fits by itself; without --no-fusion; a schedule from the file is as it is
 *   source  cost-model.md 8, 9 (Alwani et al., MICRO 2016; DeFiNES, HPCA 2023; Optimus, LCTES 2021) */
#include "passes/record_make.h"

static status fuse_run(struct job *job, struct diag *diag) {
    const struct fusion_options options = {.boundaries_stay = true};
    struct fusion *fusion;
    struct costs *costs;
    (void)diag;
    if (job->options->no_fusion || job->schedule || job->costs->infeasible_count) return STATUS_OK;
    fusion_find(job->arena, job->layers, &job->costs->singles, job->shapes, &job->target, &options, &fusion);
    costs_of_fusion(job->arena, job->costs, fusion, job->layers, job->shapes, &job->target, &costs);
    record_explore(job, costs);
    return STATUS_OK;
}

const struct pass pass_fuse = {
    .name = "fuse",
    .summary = "finds the groups of layers that move fewer bytes together than apart",
    .needs = FACT_SHAPES | FACT_LAYERS | FACT_COSTS,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = fuse_run,
};
