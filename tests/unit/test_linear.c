/* Second moments, ridge systems and backward elimination against the definitions (oracle/plain_linear.c). */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/blas.h"
#include "eval/eliminate.h"
#include "eval/moments.h"
#include "eval/ridge.h"
#include "oracle/plain_linear.h"
#include "unit/random.h"
#include "unit/scratch.h"

static void set_up_numbers(void) {
    set_up();
    blas_single();
    state = 20261125;
}

static double uniform(void) { return (double)from_to(-1000000, 1000000) / 1e6; }

/* Correlated columns around a mean: every column is a mixture of `sources`. */
static float *random_rows(int64_t rows, uint32_t d, uint32_t sources, double mean) {
    double *mixture = ARENA_ARRAY(arena, double, sources *d), *source = ARENA_ARRAY(arena, double, sources);
    float *out = ARENA_ARRAY(arena, float, (size_t)rows *d);
    for (uint32_t i = 0; i < sources * d; i++) mixture[i] = uniform();
    for (int64_t row = 0; row < rows; row++) {
        for (uint32_t s = 0; s < sources; s++) source[s] = uniform();
        for (uint32_t i = 0; i < d; i++) {
            double sum = mean;
            for (uint32_t s = 0; s < sources; s++) sum += source[s] * mixture[s * d + i];
            out[row * d + i] = (float)sum;
        }
    }
    return out;
}

static double *plain_covariance(const float *rows, int64_t count, uint32_t d) {
    double *covariance = ARENA_ARRAY(arena, double, d *d), *means = ARENA_ARRAY(arena, double, d);
    for (int64_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < d; i++) means[i] += (double)rows[row * d + i] / (double)count;
    for (int64_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < d; i++)
            for (uint32_t k = 0; k < d; k++)
                covariance[i * d + k] += ((double)rows[row * d + i] - means[i]) * ((double)rows[row * d + k] - means[k]) / (double)count;
    return covariance;
}

static double *covariance_of(float *rows, int64_t count, uint32_t d, int64_t block) {
    struct moments *moments = moments_new(arena, d);
    double *covariance = ARENA_ARRAY(arena, double, d *d), *means = ARENA_ARRAY(arena, double, d);
    struct parallel *threads = parallel_new(arena, 2);
    for (int64_t row = 0; row < count; row += block)
        moments_add(moments, rows + row * d, row + block < count ? block : count - row, threads);
    moments_covariance(moments, means, covariance);
    return covariance;
}

static void check_covariance(double mean) {
    enum { ROWS = 1300, D = 150 };
    float *rows = random_rows(ROWS, D, 20, mean);
    const double *wanted = plain_covariance(rows, ROWS, D);
    const double *found = covariance_of(rows, ROWS, D, 700);
    double scale = 0;
    for (int i = 0; i < D; i++) scale = fmax(scale, wanted[i * D + i]);
    for (int i = 0; i < D * D; i++) ck_assert_double_le(fabs(found[i] - wanted[i]), 1e-5 * scale);
}

START_TEST(covariance_is_the_definition) { check_covariance(0.3); }
END_TEST

/* A mean a thousand times the spread costs no digits. */
START_TEST(covariance_keeps_digits_beside_a_large_mean) { check_covariance(1000); }
END_TEST

START_TEST(cross_is_the_definition) {
    enum { ROWS = 600, A = 130, B = 7 };
    const float *a = random_rows(ROWS, A, 10, 0), *b = random_rows(ROWS, B, 10, 0.5);
    double *found = ARENA_ARRAY(arena, double, A *B);
    found[3] = 5;
    moments_cross(a, A, b, B, ROWS, found, parallel_new(arena, 2));
    found[3] -= 5;
    for (int i = 0; i < A; i++)
        for (int k = 0; k < B; k++) {
            double wanted = 0;
            for (int row = 0; row < ROWS; row++) wanted += (double)a[row * A + i] * (double)b[row * B + k];
            ck_assert_double_le(fabs(found[i * B + k] - wanted), 1e-3);
        }
}
END_TEST

/* (C + lambda I) W^T = right, with more unknowns than rank. */
START_TEST(ridge_solves_its_equation) {
    enum { D = 60, M = 37, RANK = 9 };
    const double rate = 1e-3, *covariance = plain_covariance(random_rows(400, D, RANK, 0), 400, D);
    double *matrix = arena_copy(arena, covariance, sizeof(double) * D * D), *right = ARENA_ARRAY(arena, double, M *D), trace = 0;
    struct ridge ridge;
    for (int i = 0; i < M * D; i++) right[i] = uniform();
    const double *kept = arena_copy(arena, right, sizeof(double) * M * D);
    ck_assert(ridge_factor(matrix, D, rate, ARENA_ARRAY(arena, double, D), &ridge));
    ridge_solve(&ridge, right, M, parallel_new(arena, 2));
    for (int i = 0; i < D; i++) trace += covariance[i * D + i];
    ck_assert_double_le(fabs(ridge.lambda - rate * trace / D), 1e-12);
    for (int k = 0; k < M; k++)
        for (int i = 0; i < D; i++) {
            double left = ridge.lambda * right[k * D + i];
            for (int j = 0; j < D; j++) left += covariance[i * D + j] * right[k * D + j];
            ck_assert_double_le(fabs(left - kept[k * D + i]), 1e-8);
        }
}
END_TEST

START_TEST(ridge_refuses_what_has_no_scale) {
    double zero[4] = {0}, infinite[4] = {1, HUGE_VAL, HUGE_VAL, 1}, nan[4] = {NAN, 0, 0, 1}, diagonal[2];
    struct ridge ridge;
    ck_assert(!ridge_factor(zero, 2, 1e-3, diagonal, &ridge));
    ck_assert(!ridge_factor(infinite, 2, 1e-3, diagonal, &ridge));
    ck_assert(!ridge_factor(nan, 2, 1e-3, diagonal, &ridge));
}
END_TEST

START_TEST(ridge_strengthens_what_is_indefinite) {
    double matrix[4] = {1, 1.001, 1.001, 1}, diagonal[2];
    struct ridge ridge;
    ck_assert(ridge_factor(matrix, 2, 1e-6, diagonal, &ridge));
    ck_assert_double_gt(ridge.lambda, 1e-3);
}
END_TEST

/* ---- elimination ---- */

enum { CHANNELS = 6, TAPS = 2, OUTPUTS = 5, READERS = 2, STAYING = 3, COLUMNS = CHANNELS * TAPS + STAYING };

struct reader_case {
    double *h, *weights, *covariance; /* h = C + lambda I */
    double variance;
    uint32_t *channel_of;
};

/* Columns of a channel stand apart, some columns belong to no channel. */
static struct reader_case random_reader(double rate, struct eliminate_reader *reader) {
    struct reader_case one = {.channel_of = ARENA_ARRAY(arena, uint32_t, COLUMNS)};
    float *weights = ARENA_ARRAY(arena, float, OUTPUTS *COLUMNS);
    double trace = 0;
    one.covariance = plain_covariance(random_rows(200, COLUMNS, 8, 0), 200, COLUMNS);
    one.h = arena_copy(arena, one.covariance, sizeof(double) * COLUMNS * COLUMNS);
    one.weights = ARENA_ARRAY(arena, double, OUTPUTS *COLUMNS);
    for (int i = 0; i < COLUMNS; i++) trace += one.covariance[i * COLUMNS + i];
    for (int i = 0; i < COLUMNS; i++) one.h[i * COLUMNS + i] += rate * trace / COLUMNS;
    for (int i = 0; i < COLUMNS; i++) one.channel_of[i] = i < CHANNELS * TAPS ? (uint32_t)(i * 5 % CHANNELS) : ELIMINATE_STAYS;
    for (int i = 0; i < OUTPUTS * COLUMNS; i++) weights[i] = (float)uniform(), one.weights[i] = (double)weights[i];
    for (int k = 0; k < OUTPUTS; k++)
        for (int i = 0; i < COLUMNS; i++)
            for (int j = 0; j < COLUMNS; j++)
                one.variance += one.weights[k * COLUMNS + i] * one.covariance[i * COLUMNS + j] * one.weights[k * COLUMNS + j];
    *reader = (struct eliminate_reader){COLUMNS, OUTPUTS,        arena_copy(arena, one.covariance, sizeof(double) * COLUMNS * COLUMNS),
                                        weights, one.channel_of, rate};
    return one;
}

static double loss_without(const struct reader_case *reader, const bool *gone) {
    bool columns[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) columns[i] = reader->channel_of[i] != ELIMINATE_STAYS && gone[reader->channel_of[i]];
    return plain_removal_loss(reader->h, reader->weights, COLUMNS, OUTPUTS, columns, NULL) / reader->variance;
}

static double loss_of_all(const struct reader_case *readers, bool *gone, uint32_t also) {
    double loss = 0;
    const bool was = gone[also];
    gone[also] = true;
    for (int r = 0; r < READERS; r++) loss += loss_without(&readers[r], gone);
    gone[also] = was;
    return loss;
}

/* Each channel taken is the one whose going leaves the least loss, all others solved anew from the beginning. */
static void check_order(const struct reader_case *readers, const struct elimination *found, const uint32_t *const *cells,
                        uint32_t cell_count) {
    bool gone[CHANNELS] = {false};
    for (uint32_t k = 0; k < CHANNELS; k++) {
        const uint32_t taken = found->order[k];
        const double loss = loss_of_all(readers, gone, taken);
        ck_assert(!gone[taken]);
        ck_assert_double_le(fabs(found->error[k + 1] - loss), 1e-6 * (1 + loss));
        for (uint32_t c = 0; c < CHANNELS; c++) {
            bool is_rival = !gone[c] && !cell_count;
            for (uint32_t i = 0; cell_count && i < CHANNELS / cell_count; i++) is_rival |= cells[k % cell_count][i] == c && !gone[c];
            if (is_rival) ck_assert_double_le(loss, loss_of_all(readers, gone, c) + 1e-9);
        }
        gone[taken] = true;
    }
}

static void check_elimination(uint32_t cell_count) {
    static const uint32_t even[] = {0, 2, 4}, odd[] = {1, 3, 5};
    static const uint32_t *const cells[] = {even, odd};
    const double rate = 1e-2;
    struct eliminate_reader readers[READERS];
    struct reader_case cases[READERS];
    struct elimination found;
    for (int r = 0; r < READERS; r++) cases[r] = random_reader(rate, &readers[r]);
    const struct eliminate_request request = {.readers = readers,
                                              .reader_count = READERS,
                                              .channel_count = CHANNELS,
                                              .cell_count = cell_count,
                                              .cell_size = CHANNELS / 2,
                                              .cells = cells,
                                              .threads = parallel_new(arena, 2)};
    eliminate(arena, &request, &found);
    check_order(cases, &found, cells, cell_count);
}

START_TEST(elimination_is_greedy_and_solved_anew) {
    for (int round = 0; round < 20; round++) check_elimination(0);
}
END_TEST

START_TEST(elimination_takes_cells_in_turn) {
    for (int round = 0; round < 20; round++) check_elimination(2);
}
END_TEST

/* Two channels that say the same: one of them goes first and costs nothing; a dead one likewise. */
START_TEST(elimination_finds_copies_and_dead_channels) {
    enum { D = 4 };
    double covariance[D * D] = {0};
    const float weights[D] = {1, 1, 1, 0.5f};
    const uint32_t channel_of[D] = {0, 1, 2, 3};
    float *rows = random_rows(100, 2, 2, 0);
    for (int row = 0; row < 100; row++) {
        const double x[D] = {(double)rows[row * 2], (double)rows[row * 2 + 1], (double)rows[row * 2], 0};
        for (int i = 0; i < D * D; i++) covariance[i] += x[i / D] * x[i % D];
    }
    const struct eliminate_reader reader = {D, 1, covariance, weights, channel_of, 1e-6};
    const struct eliminate_request request = {.readers = &reader, .reader_count = 1, .channel_count = D, .threads = NULL};
    struct elimination found;
    eliminate(arena, &request, &found);
    ck_assert_uint_eq(found.order[0], 3);
    ck_assert(found.order[1] == 0 || found.order[1] == 2);
    ck_assert_double_lt(found.error[2], 1e-4);
    ck_assert_double_gt(found.error[3], 1e-3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("linear");
    TCase *tcase = tcase_create("linear");
    tcase_add_checked_fixture(tcase, set_up_numbers, tear_down);
    tcase_add_test(tcase, covariance_is_the_definition);
    tcase_add_test(tcase, covariance_keeps_digits_beside_a_large_mean);
    tcase_add_test(tcase, cross_is_the_definition);
    tcase_add_test(tcase, ridge_solves_its_equation);
    tcase_add_test(tcase, ridge_refuses_what_has_no_scale);
    tcase_add_test(tcase, ridge_strengthens_what_is_indefinite);
    tcase_add_test(tcase, elimination_is_greedy_and_solved_anew);
    tcase_add_test(tcase, elimination_takes_cells_in_turn);
    tcase_add_test(tcase, elimination_finds_copies_and_dead_channels);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
