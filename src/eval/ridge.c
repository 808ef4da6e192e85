#include "eval/ridge.h"

#include <math.h>
#include <stddef.h>

#include "base/checked.h"
#include "eval/lapack.h"

enum { RIDGE_TRIES = 8, RIDGE_RIGHT_SIDES = 16 };

static double ridge_trace(const double *matrix, uint32_t d) {
    double trace = 0;
    for (uint32_t i = 0; i < d; i++) trace += matrix[(size_t)i * d + i];
    return trace;
}

static bool ridge_is_finite(const double *matrix, uint32_t d) {
    double sum = 0;
    for (size_t i = 0; i < (size_t)d * d; i++) sum += fabs(matrix[i]);
    return isfinite(sum);
}

/* The lower triangle and the diagonal become those of C + lambda I; the strict upper triangle is C's at all times, the diagonal is given.
 */
static void ridge_prepare(double *matrix, uint32_t d, const double *diagonal, double lambda) {
    for (uint32_t i = 0; i < d; i++) {
        for (uint32_t k = 0; k < i; k++) matrix[(size_t)i * d + k] = matrix[(size_t)k * d + i];
        matrix[(size_t)i * d + i] = diagonal[i] + lambda;
    }
}

bool ridge_factor(double *moments, uint32_t d, double rate, double *diagonal, struct ridge *ridge) {
    const double mean = d ? ridge_trace(moments, d) / d : 0;
    if (!(mean > 0) || !ridge_is_finite(moments, d)) return false;
    for (uint32_t i = 0; i < d; i++) diagonal[i] = moments[(size_t)i * d + i];
    double lambda = rate * mean;
    for (int try = 0; try < RIDGE_TRIES; try++, lambda *= 10) {
        ridge_prepare(moments, d, diagonal, lambda);
        if (!lapack_cholesky(moments, d)) continue;
        *ridge = (struct ridge){.d = d, .lambda = lambda, .factor = moments};
        return true;
    }
    return false;
}

double ridge_strength(double rate, uint32_t d, int64_t rows) {
    const double lack = (double)RIDGE_ROWS * d / (double)greatest(1, rows);
    return lack > 1 ? rate * lack * lack : rate;
}

struct ridge_sides {
    const struct ridge *ridge;
    double *right;
    uint32_t m;
};

static void ridge_solve_block(const void *context, int64_t block, unsigned worker) {
    const struct ridge_sides *sides = context;
    const int64_t from = block * RIDGE_RIGHT_SIDES;
    (void)worker;
    lapack_solve(sides->ridge->factor, sides->ridge->d, sides->right + (size_t)from * sides->ridge->d,
                 (uint32_t)least(RIDGE_RIGHT_SIDES, sides->m - from));
}

void ridge_solve(const struct ridge *ridge, double *right, uint32_t m, struct parallel *threads) {
    const int64_t blocks = ((int64_t)m + RIDGE_RIGHT_SIDES - 1) / RIDGE_RIGHT_SIDES;
    parallel_run(threads, blocks, ridge_solve_block, &(struct ridge_sides){ridge, right, m});
}

void ridge_invert(struct ridge *ridge) { lapack_invert(ridge->factor, ridge->d); }
