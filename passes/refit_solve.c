/* One linear problem: what a layer of the pruned network should compute, in the forms that recovery knows.
 *
 *   none           the weights as sliced
 *   bias           the mean of the outputs put right
 *   map            the affine map from the channels left, folded into the weights
 *   ls             ridge least squares of the weights, drawn towards the map's (or the sliced ones)
 *   ls, rectified  where the target is below the rectifier's edge any value below is right: target = min(prediction, edge), solved again,
 *                  ROUNDS times
 *
 * The form taken is the one of the least error on the held-out rows; where it is worse than none on all rows together, none. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "eval/blas.h"
#include "eval/lapack.h"
#include "eval/moments.h"
#include "eval/ridge.h"
#include "passes/refit.h"

enum { ROUNDS = 5, ROWS_AT_ONCE = 256, STRENGTHS = 4, STRONGER = 10 };

const char *const refit_form_names[REFIT_FORM_COUNT] = {"none", "bias", "map", "ls", "ls-relu"};

/* A form's answer: prediction = (x - origin) W^T + level. */
struct refit_candidate {
    float *weights; /* [m, d] */
    double *level;  /* [m] */
};

struct refit_work {
    struct refit_problem *problem;
    double *origin;  /* [d]: mean of the fitted rows; 0 without an intercept */
    double *level;   /* [m]: mean of their targets; the bias without an intercept */
    double *moments; /* [d, d] of the fitted rows */
    struct ridge ridge;
    double *right, *diagonal; /* [m, d], [d] scratch */
    double *pull;             /* [m, d]: W0 moments, of the weights that ls is drawn towards */
    const float *prior;
    float *predictions, *goals; /* [rows, m] */
    struct refit_candidate best, trial;
    double best_error;
};

/* ---- predictions and errors ---- */

static void refit_predict_block(const struct refit_problem *problem, const struct refit_candidate *candidate, int64_t from, int64_t count,
                                float *out) {
    for (int64_t row = 0; row < count; row++)
        for (uint32_t k = 0; k < problem->m; k++) out[row * problem->m + k] = (float)candidate->level[k];
    const struct blas_product product = {.b_turned = true,
                                         .m = count,
                                         .n = problem->m,
                                         .k = problem->d,
                                         .alpha = 1,
                                         .beta = 1,
                                         .a = problem->x + from * problem->d,
                                         .b = candidate->weights,
                                         .c = out,
                                         .a_row = problem->d,
                                         .b_row = problem->d,
                                         .c_row = problem->m};
    blas_multiply(&product);
}

struct refit_prediction {
    const struct refit_problem *problem;
    const struct refit_candidate *candidate;
    float *out;
};

static void refit_predict_rows(const void *context, int64_t block, unsigned worker) {
    const struct refit_prediction *prediction = context;
    const struct refit_problem *problem = prediction->problem;
    const int64_t from = block * ROWS_AT_ONCE;
    (void)worker;
    refit_predict_block(problem, prediction->candidate, from, least(ROWS_AT_ONCE, problem->rows - from),
                        prediction->out + from * problem->m);
}

static void refit_predict(struct refit_work *work, const struct refit_candidate *candidate) {
    const struct refit_problem *problem = work->problem;
    parallel_run(problem->threads, (problem->rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, refit_predict_rows,
                 &(struct refit_prediction){problem, candidate, work->predictions});
}

static double refit_edge(const struct refit_problem *problem, int64_t at) { return problem->low ? (double)problem->low[at] : 0; }

static double refit_rectify(const struct refit_problem *problem, int64_t at, double value) {
    if (!problem->is_rectified) return value;
    const double low = refit_edge(problem, at);
    return fmin(fmax(value, low), low + problem->ceiling);
}

/* Squared, of rows [from, to) of the predictions. */
static double refit_error(const struct refit_work *work, int64_t from, int64_t to) {
    const struct refit_problem *problem = work->problem;
    double sum = 0;
    for (int64_t at = from * problem->m; at < to * problem->m; at++) {
        const double gap =
            refit_rectify(problem, at, (double)work->predictions[at]) - refit_rectify(problem, at, (double)problem->targets[at]);
        sum += gap * gap;
    }
    return sum;
}

/* ---- systems ---- */

/* pull = W0 moments. */
static void refit_pull(struct refit_work *work, struct arena *arena) {
    const uint32_t d = work->problem->d, m = work->problem->m;
    double *turned = ARENA_ARRAY(arena, double, (size_t)d *m);
    for (uint32_t k = 0; k < m; k++)
        for (uint32_t i = 0; i < d; i++) turned[(size_t)i * m + k] = -(double)work->prior[(size_t)k * d + i];
    lapack_subtract(m, d, d, turned, m, work->moments, d, work->pull, d);
}

/* The fit to goals: [fit_rows, m], which are left centred on `level`. */
static void refit_fit(struct refit_work *work, double *right, struct refit_candidate *out) {
    const struct refit_problem *problem = work->problem;
    const size_t size = (size_t)problem->d * problem->m;
    if (problem->has_intercept) moments_means(work->goals, problem->fit_rows, problem->m, out->level);
    else memcpy(out->level, work->level, problem->m * sizeof *out->level);
    moments_centre(work->goals, problem->fit_rows, problem->m, out->level);
    memset(right, 0, size * sizeof *right);
    moments_cross(work->goals, problem->m, problem->x, problem->d, problem->fit_rows, right, problem->threads);
    for (size_t i = 0; i < size; i++) right[i] = right[i] / (double)problem->fit_rows - work->pull[i];
    ridge_solve(&work->ridge, right, problem->m, problem->threads);
    for (size_t i = 0; i < size; i++) out->weights[i] = (float)((double)work->prior[i] + right[i]);
}

/* goals = what the fitted rows should be, given the predictions: targets, but anything beyond an edge where the target is. */
static void refit_relax(struct refit_work *work) {
    const struct refit_problem *problem = work->problem;
    for (int64_t at = 0; at < problem->fit_rows * problem->m; at++) {
        const float low = (float)refit_edge(problem, at), high = low + (float)problem->ceiling;
        const float target = problem->targets[at], prediction = work->predictions[at];
        work->goals[at] = target < low ? fminf(prediction, low) : target > high ? fmaxf(prediction, high) : target;
    }
}

/* ---- the choice ---- */

/* Whether it is the best so far. */
static bool refit_offer(struct refit_work *work, enum refit_form form, struct refit_solution *solution) {
    const struct refit_problem *problem = work->problem;
    const int64_t from = problem->fit_rows < problem->rows ? problem->fit_rows : 0;
    refit_predict(work, &work->trial);
    const double error = refit_error(work, from, problem->rows), all = refit_error(work, 0, problem->rows);
    if (form == REFIT_NONE) solution->error_before = all;
    if (form != REFIT_NONE && !(error < work->best_error && all <= solution->error_before)) return false;
    const struct refit_candidate taken = work->trial;
    work->trial = work->best;
    work->best = taken;
    work->best_error = error;
    solution->form = form;
    solution->error_after = all;
    return true;
}

static void refit_try(struct refit_work *work, enum refit_form form, const float *weights, struct refit_solution *solution) {
    if (!(work->problem->forms >> form & 1) || !weights) return;
    memcpy(work->trial.weights, weights, (size_t)work->problem->d * work->problem->m * sizeof *weights);
    memcpy(work->trial.level, work->level, work->problem->m * sizeof *work->level);
    refit_offer(work, form, solution);
}

static void refit_try_none(struct refit_work *work, struct refit_solution *solution) {
    const struct refit_problem *problem = work->problem;
    memcpy(work->trial.weights, problem->weights, (size_t)problem->d * problem->m * sizeof *problem->weights);
    for (uint32_t k = 0; k < problem->m; k++) {
        work->trial.level[k] = problem->bias[k];
        for (uint32_t i = 0; i < problem->d; i++)
            work->trial.level[k] += (double)problem->weights[(size_t)k * problem->d + i] * work->origin[i];
    }
    refit_offer(work, REFIT_NONE, solution);
}

static void refit_moments(struct refit_work *work, struct arena *arena) {
    const struct refit_problem *problem = work->problem;
    const uint32_t d = problem->d;
    work->moments = ARENA_ARRAY(arena, double, (size_t)d *d);
    moments_cross(problem->x, d, problem->x, d, problem->fit_rows, work->moments, problem->threads);
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t k = 0; k <= i; k++) {
            const double mean = work->moments[(size_t)i * d + k] / (double)problem->fit_rows;
            work->moments[(size_t)i * d + k] = work->moments[(size_t)k * d + i] = mean;
        }
}

/* The ridge solution at one strength. */
static bool refit_fit_at(struct refit_work *work, double rate, struct refit_solution *solution) {
    const struct refit_problem *problem = work->problem;
    memcpy(work->ridge.factor, work->moments, (size_t)problem->d * problem->d * sizeof *work->moments);
    if (!ridge_factor(work->ridge.factor, problem->d, rate, work->diagonal, &work->ridge)) return false;
    memcpy(work->goals, problem->targets, (size_t)(problem->fit_rows * problem->m) * sizeof *work->goals);
    refit_fit(work, work->right, &work->trial);
    return refit_offer(work, REFIT_LS, solution);
}

/* From the predictions of the solution at that strength, which the trial has. */
static void refit_fit_relaxed(struct refit_work *work, double rate, struct refit_solution *solution) {
    const struct refit_problem *problem = work->problem;
    memcpy(work->ridge.factor, work->moments, (size_t)problem->d * problem->d * sizeof *work->moments);
    if (!ridge_factor(work->ridge.factor, problem->d, rate, work->diagonal, &work->ridge)) return;
    refit_predict(work, &work->best);
    for (int round = 0; round < ROUNDS; round++) {
        if (round) refit_predict(work, &work->trial);
        refit_relax(work);
        refit_fit(work, work->right, &work->trial);
    }
    refit_offer(work, REFIT_LS_RECTIFIED, solution);
}

/* Stronger ridges are tried while they help on the rows held out. */
static void refit_try_ls(struct refit_work *work, struct arena *arena, struct refit_solution *solution) {
    const struct refit_problem *problem = work->problem;
    const size_t size = (size_t)problem->d * problem->m;
    const bool is_relaxed = problem->is_rectified && problem->forms >> REFIT_LS_RECTIFIED & 1;
    const int strengths = problem->fit_rows < problem->rows ? STRENGTHS : 1;
    double rate = ridge_strength(problem->rate, problem->d, problem->fit_rows), best = 0;
    if (!(problem->forms >> REFIT_LS & 1)) return;
    work->prior = problem->mapped ? problem->mapped : problem->weights;
    work->pull = ARENA_ARRAY(arena, double, size);
    work->right = ARENA_ARRAY(arena, double, size);
    work->diagonal = ARENA_ARRAY(arena, double, problem->d);
    refit_moments(work, arena);
    work->ridge.factor = arena_copy(arena, work->moments, (size_t)problem->d * problem->d * sizeof *work->moments);
    refit_pull(work, arena);
    for (int i = 0; i < strengths; i++, rate *= STRONGER) {
        if (refit_fit_at(work, rate, solution)) best = rate;
        else break;
    }
    if (is_relaxed && best > 0) refit_fit_relaxed(work, best, solution);
}

void refit_solve(struct arena *arena, struct refit_problem *problem, struct refit_solution *solution) {
    struct arena *scratch = arena_new(arena_heap(arena));
    const uint32_t d = problem->d, m = problem->m;
    struct refit_work work = {.problem = problem};
    work.origin = ARENA_ARRAY(scratch, double, d);
    work.level = ARENA_ARRAY(scratch, double, m);
    work.predictions = ARENA_ARRAY(scratch, float, problem->rows *m);
    work.goals = ARENA_ARRAY(scratch, float, problem->rows *m);
    work.trial = (struct refit_candidate){ARENA_ARRAY(scratch, float, (size_t)d *m), ARENA_ARRAY(scratch, double, m)};
    work.best = (struct refit_candidate){ARENA_ARRAY(scratch, float, (size_t)d *m), ARENA_ARRAY(scratch, double, m)};
    if (problem->has_intercept) moments_means(problem->x, problem->fit_rows, d, work.origin);
    if (problem->has_intercept) moments_means(problem->targets, problem->fit_rows, m, work.level);
    else memcpy(work.level, problem->bias, m * sizeof *work.level);
    moments_centre(problem->x, problem->rows, d, work.origin);
    refit_try_none(&work, solution);
    refit_try(&work, REFIT_BIAS, problem->has_intercept ? problem->weights : NULL, solution);
    refit_try(&work, REFIT_MAP, problem->mapped, solution);
    refit_try_ls(&work, scratch, solution);
    solution->weights = arena_copy(arena, work.best.weights, (size_t)d * m * sizeof *solution->weights);
    solution->bias = ARENA_ARRAY(arena, double, m);
    for (uint32_t k = 0; k < m; k++) {
        solution->bias[k] = work.best.level[k];
        for (uint32_t i = 0; i < d; i++) solution->bias[k] -= (double)solution->weights[(size_t)k * d + i] * work.origin[i];
    }
    arena_free(scratch);
}
