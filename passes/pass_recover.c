/* recover: solves the weights of what is left again, from the first pruned layer on, so that each layer gives what the original gave.
 *
 *   before  job->plan, and samples; the graph is not pruned yet     after  new numbers in weights and biases; shapes are as they were
 *   holds   no layer's error on the samples is larger than sliced   source  pruning.md 4 */
#include "passes/recover.h"

static status recover_run(struct job *job, struct diag *diag) {
    struct removal removal;
    double **importance = NULL;
    status result = STATUS_OK;
    if (!job->samples && job->options->recover != RECOVER_BIAS) return STATUS_OK;
    if (job->plan->keeps.count) result = importance_of_spaces(job->arena, job->graph, job->spaces, IMPORTANCE_L2, &importance, diag);
    if (result == STATUS_OK) result = plan_to_removal(job->arena, job->graph, job->spaces, job->plan, importance, &removal, diag);
    if (result == STATUS_OK && !job->samples) return recover_blind(job, &removal, diag);
    job->recovery = ARENA_NEW(job->arena, struct recovery);
    return result == STATUS_OK ? recover_removal(job, &removal, true, job->recovery, diag) : result;
}

const struct pass pass_recover = {
    .name = "recover",
    .summary = "solves what is left of the weights again, so that each layer gives what the original gave",
    .needs = FACT_SHAPES | FACT_SPACES,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = recover_run,
};
