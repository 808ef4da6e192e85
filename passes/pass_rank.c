/* rank: which channels go, so that the budget holds (cost-model.md 11, pruning.md 3).
 *
 *   before  layers, spaces and importances     after  job->plan; the graph is as it was
 *   source  SuperSlash (Ahmad et al., TCAD 2020): rank layers by explored traffic, prune the top one, explore again; `marginal` ranks
 *           by bytes saved per importance lost instead */
#include <inttypes.h>
#include <math.h>

#include "passes/job.h"
#include "passes/select.h"
#include "passes/survey.h"

static status rank_limit(const struct job *job, int64_t *limit, struct diag *diag) {
    const struct budget *budget = &job->options->offchip;
    const struct record *record = &job->record;
    if (!budget->is_given) return diag_fail(diag, STATUS_USAGE, "optimize: no budget: give --offchip -30%% or an amount");
    if (!budget->is_relative) {
        *limit = budget->amount;
        return STATUS_OK;
    }
    if (record->infeasible_count)
        return diag_fail(
            diag, STATUS_UNMET,
            "--offchip %s: %u layers do not fit on the chip, so the total to cut is not known; an absolute budget can be given",
            budget->text, record->infeasible_count);
    *limit = (int64_t)floor((double)record->totals.offchip_bytes * (1 - budget->cut) + 1e-6);
    return STATUS_OK;
}

static double *const *rank_damage(const struct job *job) {
    double **damage = arena_alloc_array(job->arena, job->spaces->items.count, sizeof *damage);
    for (uint32_t s = 0; s < job->spaces->items.count; s++) damage[s] = job->survey->spaces[s].damage;
    return damage;
}

static status rank_run(struct job *job, struct diag *diag) {
    struct select_result *ranked = ARENA_NEW(job->arena, struct select_result);
    struct select_request request = {.spaces = job->spaces,
                                     .ranking = job->options->ranking,
                                     .channel_multiple = job->target.channel_multiple,
                                     .min_share = job->options->min_share,
                                     .progress = job->progress,
                                     .progress_context = job->progress_context};
    double **norms;
    const enum importance kind = job_importance(job);
    status result = rank_limit(job, &request.limit_bytes, diag);
    if (result == STATUS_OK)
        result = importance_of_spaces(job->arena, job->graph, job->spaces, kind == IMPORTANCE_L1 ? kind : IMPORTANCE_L2, &norms, diag);
    if (result != STATUS_OK) return result;
    request.norms = norms;
    request.importance = kind == IMPORTANCE_CSS ? survey_importance(job->arena, job->spaces, job->survey, norms) : norms;
    if (job->survey && request.ranking == RANKING_MARGINAL) request.damage = rank_damage(job);
    request.widths =
        widths_new(job->arena, job->layers, job->shapes, job->spaces, &job->target, !job->options->no_fusion, job_threads(job));
    result = select_channels(job->arena, &request, ranked, diag);
    if (result != STATUS_OK) return result;
    job->ranked = ranked;
    job->plan = ARENA_NEW(job->arena, struct plan);
    return plan_make(job->arena, job->graph, job->spaces, &ranked->removal, job->plan, diag);
}

const struct pass pass_rank = {
    .name = "rank",
    .summary = "chooses the channels that cost most traffic for the least importance, until the budget holds",
    .needs = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = rank_run,
};
