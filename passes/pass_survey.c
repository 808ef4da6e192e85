/* survey: what the samples say of each space: the order in which its channels go, and what the outputs lose at which width.
 *
 *   before  spaces and samples     after  job->survey; the graph is as it was     source  pruning.md 4 */
#include "passes/job.h"
#include "passes/survey.h"

static status survey_run_pass(struct job *job, struct diag *diag) {
    const enum importance kind = job_importance(job);
    const bool needs_samples = kind == IMPORTANCE_CSS || kind == IMPORTANCE_ACTIVATION,
               measures_damage = job->options->ranking == RANKING_MARGINAL;
    double **importance = NULL;
    if (!job->samples || (!needs_samples && !measures_damage)) return STATUS_OK;
    status result = STATUS_OK;
    if (!needs_samples) result = importance_of_spaces(job->arena, job->graph, job->spaces, kind, &importance, diag);
    const struct survey_request request = {.graph = job->graph,
                                           .shapes = job->shapes,
                                           .spaces = job->spaces,
                                           .samples = job->samples,
                                           .importance = importance,
                                           .by_activation = kind == IMPORTANCE_ACTIVATION,
                                           .measures_damage = measures_damage,
                                           .channel_multiple = job->target.channel_multiple,
                                           .memory_bytes = options_memory_bytes(job->options),
                                           .rate = REFIT_RATE,
                                           .threads = job_parallel(job),
                                           .progress = job->progress,
                                           .progress_context = job->progress_context};
    return result == STATUS_OK ? survey_spaces(job->arena, &request, &job->survey, diag) : result;
}

const struct pass pass_survey = {
    .name = "survey",
    .summary = "orders the channels of each space on the samples, and measures what the outputs lose at a few widths",
    .needs = FACT_SHAPES | FACT_SPACES,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = survey_run_pass,
};
