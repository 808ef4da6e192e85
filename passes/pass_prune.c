/* prune: cuts the channels of job->plan out of the model.
 *
 *     W: [M, C/g, kH, kW]   makes: rows go      reads: columns go      carries: BatchNormalization, depthwise, scales
 *
 *   before  a plan for this graph    after  smaller constants, `group`, Slice, Pad and Reshape adjusted, declared shapes right
 *   holds   removing equals zeroing: the outputs are those of the graph before, with the readers of what went zeroed (pruning.md 2) */
#include "passes/job.h"
#include "passes/spaces.h"

static status prune_run(struct job *job, struct diag *diag) {
    struct removal removal;
    double **importance = NULL;
    status result = STATUS_OK;
    if (job->plan->keeps.count)
        result = importance_of_spaces(job->arena, job->graph, job->spaces, job->options->importance, &importance, diag);
    if (result == STATUS_OK) result = plan_to_removal(job->arena, job->graph, job->spaces, job->plan, importance, &removal, diag);
    struct plan *whole = ARENA_NEW(job->arena, struct plan); /* a plan from outside may name spaces only */
    if (result == STATUS_OK) result = plan_make(job->arena, job->graph, job->spaces, &removal, whole, diag);
    if (result == STATUS_OK) result = spaces_apply(job->arena, job->graph, job->spaces, &removal, diag);
    if (result == STATUS_OK) job->plan = whole;
    return result;
}

const struct pass pass_prune = {
    .name = "prune",
    .summary = "cuts the planned channels out of weights, biases and everything that carries them",
    .needs = FACT_SHAPES | FACT_SPACES,
    .keeps = 0,
    .run = prune_run,
};
