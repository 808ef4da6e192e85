/* rank: which channels go, so that the budget holds (cost-model.md 11, pruning.md 3).
 *
 *   before  layers, spaces and importances     after  job->plan; the graph is as it was
 *   source  SuperSlash (Ahmad et al., TCAD 2020): rank layers by explored traffic, prune the top one, explore again; `marginal` ranks
 *           by bytes saved per importance lost instead */
#include <inttypes.h>
#include <math.h>

#include "passes/recover.h"
#include "passes/select.h"
#include "passes/survey.h"

static status rank_limit(const struct job *job, int64_t *limit, struct diag *diag) {
    const struct budget *budget = &job->options->offchip;
    const struct record *record = &job->record;
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

/* What the engine needs, but for the widths and the limit. */
static status rank_request(struct job *job, struct select_request *request, struct diag *diag) {
    const enum importance kind = job_importance(job);
    double **norms;
    *request = (struct select_request){.spaces = job->spaces,
                                       .ranking = job->options->ranking,
                                       .channel_multiple = job->target.channel_multiple,
                                       .min_share = job->options->min_share,
                                       .progress = job->progress,
                                       .progress_context = job->progress_context};
    const status result =
        importance_of_spaces(job->arena, job->graph, job->spaces, kind == IMPORTANCE_L1 ? kind : IMPORTANCE_L2, &norms, diag);
    if (result != STATUS_OK) return result;
    request->norms = norms;
    request->importance =
        kind == IMPORTANCE_CSS || kind == IMPORTANCE_ACTIVATION ? survey_importance(job->arena, job->spaces, job->survey, norms) : norms;
    if (job->survey && request->ranking == RANKING_MARGINAL) request->damage = rank_damage(job);
    return STATUS_OK;
}

/* job->ranked, within so many bytes. */
static status rank_within(struct job *job, struct select_request *request, int64_t limit_bytes, struct diag *diag) {
    struct select_result *ranked = ARENA_NEW(job->arena, struct select_result);
    request->limit_bytes = limit_bytes;
    request->widths =
        widths_new(job->arena, job->layers, job->shapes, job->spaces, &job->target, !job->options->no_fusion, job_threads(job));
    const status result = select_channels(job->arena, request, ranked, diag);
    if (result == STATUS_OK) job->ranked = ranked;
    return result;
}

/* ---- as far as an error allows ---- */

/* The error that is left on the samples held out; of all where none are. */
static status rank_error(struct job *job, double *error, struct diag *diag) {
    struct recovery recovery;
    const status result = recover_removal(job, &job->ranked->removal, false, &recovery, diag);
    if (result == STATUS_OK) *error = recovery_error(&recovery);
    return result;
}

/* The largest cut, in percent of the bytes, that keeps the error: the answer lies in (from, to]. A cut out of reach is too large. */
static status rank_by_error(struct job *job, struct select_request *request, struct diag *diag) {
    const double all = (double)job->record.totals.offchip_bytes;
    const struct select_result *best = NULL;
    double least_error = -1;
    if (job->record.infeasible_count)
        return diag_fail(diag, STATUS_UNMET, "--max-error: %u layers do not fit on the chip", job->record.infeasible_count);
    for (int from = 0, to = 100; to - from > 1;) {
        const int cut = (from + to) / 2;
        struct diag unmet = {0};
        double error = HUGE_VAL;
        status result = rank_within(job, request, (int64_t)(all * (100 - cut) / 100), &unmet);
        if (result == STATUS_OK) result = rank_error(job, &error, diag);
        if (result != STATUS_OK && unmet.code != STATUS_UNMET)
            return unmet.code ? diag_fail(diag, unmet.code, "%s", unmet.message) : result;
        if (error <= job->options->max_error) best = job->ranked, from = cut;
        else least_error = error, to = cut;
    }
    job->ranked = best;
    if (best) return STATUS_OK;
    return diag_fail(diag, STATUS_UNMET, "--max-error %g: 1 %% of the bytes less costs an error of %g already", job->options->max_error,
                     least_error);
}

static status rank_run(struct job *job, struct diag *diag) {
    const struct options *options = job->options;
    struct select_request request;
    int64_t limit_bytes = 0;
    if (!options->offchip.is_given && !(options->max_error > 0))
        return diag_fail(diag, STATUS_USAGE, "optimize: no budget: give --offchip -30%% or an amount");
    status result = options->offchip.is_given ? rank_limit(job, &limit_bytes, diag) : STATUS_OK;
    if (result == STATUS_OK) result = rank_request(job, &request, diag);
    if (result != STATUS_OK) return result;
    result = options->offchip.is_given ? rank_within(job, &request, limit_bytes, diag) : rank_by_error(job, &request, diag);
    if (result != STATUS_OK) return result;
    job->plan = ARENA_NEW(job->arena, struct plan);
    return plan_make(job->arena, job->graph, job->spaces, &job->ranked->removal, job->plan, diag);
}

const struct pass pass_rank = {
    .name = "rank",
    .summary = "chooses the channels that cost most traffic for the least importance, until the budget holds",
    .needs = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = rank_run,
};
