/* One linear problem of recovery: exact where it can be, never worse than before, finite whatever the rows are. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/blas.h"
#include "passes/refit.h"
#include "unit/random.h"
#include "unit/scratch.h"

static void set_up_numbers(void) {
    set_up();
    blas_single();
    state = 20261125;
}

static float uniform(void) { return (float)from_to(-1000000, 1000000) / 1e6f; }

static float *random_matrix(int64_t rows, int64_t columns) {
    float *matrix = ARENA_ARRAY(arena, float, rows *columns);
    for (int64_t i = 0; i < rows * columns; i++) matrix[i] = uniform();
    return matrix;
}

enum { ALL = 1u << REFIT_BIAS | 1u << REFIT_MAP | 1u << REFIT_LS | 1u << REFIT_LS_RECTIFIED };

static struct refit_problem random_problem(uint32_t d, uint32_t m, int64_t rows, int64_t fit_rows) {
    return (struct refit_problem){.d = d,
                                  .m = m,
                                  .rows = rows,
                                  .fit_rows = fit_rows,
                                  .x = random_matrix(rows, d),
                                  .targets = random_matrix(rows, m),
                                  .ceiling = HUGE_VAL,
                                  .has_intercept = true,
                                  .weights = random_matrix(m, d),
                                  .bias = ARENA_ARRAY(arena, double, m),
                                  .forms = ALL,
                                  .rate = REFIT_RATE};
}

/* x W^T + bias */
static double predicted(const float *x, const struct refit_solution *solution, uint32_t d, uint32_t k) {
    double sum = solution->bias[k];
    for (uint32_t i = 0; i < d; i++) sum += (double)x[i] * (double)solution->weights[(size_t)k * d + i];
    return sum;
}

static double rectified(const struct refit_problem *problem, int64_t at, double value) {
    const double low = problem->low ? (double)problem->low[at] : 0;
    return problem->is_rectified ? fmin(fmax(value, low), low + problem->ceiling) : value;
}

/* The error by the definition, on rows as they were before the solver centred them. */
static double error_of(const struct refit_problem *problem, const float *x, const struct refit_solution *solution) {
    double sum = 0;
    for (int64_t row = 0; row < problem->rows; row++)
        for (uint32_t k = 0; k < problem->m; k++) {
            const int64_t at = row * problem->m + k;
            const double value = predicted(x + row * problem->d, solution, problem->d, k);
            sum += pow(rectified(problem, at, value) - rectified(problem, at, (double)problem->targets[at]), 2);
        }
    return sum;
}

static const float *solve(struct refit_problem *problem, struct refit_solution *solution) {
    const float *x = arena_copy(arena, problem->x, (size_t)(problem->rows * problem->d) * sizeof *x);
    refit_solve(arena, problem, solution);
    return x;
}

START_TEST(finds_an_exact_relation) {
    enum { D = 12, M = 5, ROWS = 400 };
    struct refit_problem problem = random_problem(D, M, ROWS, 350);
    struct refit_solution solution;
    float *wanted = random_matrix(M, D), *targets = ARENA_ARRAY(arena, float, ROWS *M);
    for (int row = 0; row < ROWS; row++)
        for (int k = 0; k < M; k++) {
            targets[row * M + k] = 3;
            for (int i = 0; i < D; i++) targets[row * M + k] += problem.x[row * D + i] * wanted[k * D + i];
        }
    problem.targets = targets;
    problem.rate = 1e-9;
    solve(&problem, &solution);
    ck_assert_int_eq(solution.form, REFIT_LS);
    for (int i = 0; i < D * M; i++) ck_assert_float_le(fabsf(solution.weights[i] - wanted[i]), 1e-4f);
    for (int k = 0; k < M; k++) ck_assert_double_le(fabs(solution.bias[k] - 3), 1e-4);
}
END_TEST

/* Rows that teach nothing, too few rows, dead columns, copies, a constant: never worse than before, and what is said is what is so. */
START_TEST(is_never_worse_than_before) {
    for (int round = 0; round < 400; round++) {
        const uint32_t d = (uint32_t)from_to(1, 20), m = (uint32_t)from_to(1, 6);
        const int64_t rows = one_in(4) ? 1 : from_to(1, 60), fit_rows = one_in(3) ? rows : from_to(1, rows);
        struct refit_problem problem = random_problem(d, m, rows, fit_rows);
        struct refit_solution solution;
        problem.has_intercept = !one_in(4);
        problem.is_rectified = one_in(2);
        if (one_in(3)) problem.low = random_matrix(rows, m);
        if (one_in(4)) problem.ceiling = 0.5;
        if (one_in(3)) problem.mapped = random_matrix(m, d);
        const bool is_dead = one_in(3), is_constant = one_in(6), is_zero = one_in(8);
        for (int64_t at = 0; at < rows * d; at++)
            if (is_zero || (is_dead && at % d == 0)) problem.x[at] = 0;
            else if (is_constant) problem.x[at] = 0.7f;
        const float *x = solve(&problem, &solution);
        ck_assert_double_le(solution.error_after, solution.error_before * (1 + 1e-9));
        ck_assert(isfinite(solution.error_after));
        const double error = error_of(&problem, x, &solution);
        ck_assert_double_le(fabs(error - solution.error_after), 1e-4 * (1 + error));
    }
}
END_TEST

/* Below the edge of the rectifier any value is right: knowing it is better than not. */
START_TEST(relaxed_targets_help) {
    double relaxed = 0, plain = 0;
    for (int round = 0; round < 20; round++) {
        struct refit_problem problem = random_problem(8, 4, 600, 600);
        struct refit_problem other;
        struct refit_solution solution;
        problem.is_rectified = true;
        other = problem;
        other.x = arena_copy(arena, problem.x, sizeof(float) * 8 * 600);
        other.forms = 1u << REFIT_LS;
        solve(&problem, &solution);
        relaxed += solution.error_after;
        solve(&other, &solution);
        plain += solution.error_after;
    }
    ck_assert_double_lt(relaxed, 0.95 * plain);
}
END_TEST

/* originals = A kept: the map is A, and a channel that is kept maps to itself. */
START_TEST(map_is_the_relation) {
    enum { KEPT = 3, EVERY = 5, ROWS = 200 };
    static const uint32_t kept_at[KEPT] = {0, 2, 3};
    float *kept = random_matrix(ROWS, KEPT), *originals = ARENA_ARRAY(arena, float, ROWS *EVERY);
    double a[EVERY * KEPT];
    for (int row = 0; row < ROWS; row++) {
        const float *x = kept + row * KEPT, lost[2] = {2 * x[0] - x[2] + 1, x[1] + x[2]};
        const float all[EVERY] = {x[0], lost[0], x[1], x[2], lost[1]};
        memcpy(originals + row * EVERY, all, sizeof all);
    }
    const struct refit_map map = {.kept_count = KEPT,
                                  .all_count = EVERY,
                                  .kept_at = kept_at,
                                  .rows = ROWS,
                                  .kept = kept,
                                  .originals = originals,
                                  .has_intercept = true,
                                  .rate = 1e-9};
    static const double wanted[EVERY * KEPT] = {1, 0, 0, 2, 0, -1, 0, 1, 0, 0, 0, 1, 0, 1, 1};
    ck_assert(refit_map_solve(arena, &map, a));
    for (int i = 0; i < EVERY * KEPT; i++) ck_assert_double_le(fabs(a[i] - wanted[i]), 1e-4);
    float mapped[2 * KEPT * 2];
    const float *weights = random_matrix(2, EVERY * 2);
    refit_map_fold(&map, wanted, weights, 2, 2, mapped);
    for (int m = 0; m < 2; m++)
        for (int t = 0; t < 2; t++) {
            const float *w = weights + m * EVERY * 2 + t;
            ck_assert_float_le(fabsf(mapped[m * KEPT * 2 + t] - (w[0] + 2 * w[2])), 1e-5f);
            ck_assert_float_le(fabsf(mapped[m * KEPT * 2 + 2 + t] - (w[4] + w[8])), 1e-5f);
            ck_assert_float_le(fabsf(mapped[m * KEPT * 2 + 4 + t] - (w[6] - w[2] + w[8])), 1e-5f);
        }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("refit");
    TCase *tcase = tcase_create("refit");
    tcase_add_checked_fixture(tcase, set_up_numbers, tear_down);
    tcase_add_test(tcase, finds_an_exact_relation);
    tcase_add_test(tcase, is_never_worse_than_before);
    tcase_add_test(tcase, relaxed_targets_help);
    tcase_add_test(tcase, map_is_the_relation);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
