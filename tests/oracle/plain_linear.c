#include "oracle/plain_linear.h"

#include <math.h>
#include <stdlib.h>

static void plain_swap_rows(double *matrix, uint32_t a, uint32_t b, uint32_t width) {
    for (uint32_t k = 0; k < width; k++) {
        const double kept = matrix[a * width + k];
        matrix[a * width + k] = matrix[b * width + k];
        matrix[b * width + k] = kept;
    }
}

bool plain_solve(double *a, double *right, uint32_t d, uint32_t m) {
    for (uint32_t at = 0; at < d; at++) {
        uint32_t pivot = at;
        for (uint32_t i = at + 1; i < d; i++)
            if (fabs(a[i * d + at]) > fabs(a[pivot * d + at])) pivot = i;
        if (a[pivot * d + at] == 0) return false;
        plain_swap_rows(a, at, pivot, d);
        plain_swap_rows(right, at, pivot, m);
        for (uint32_t i = 0; i < d; i++) {
            const double factor = i == at ? 0 : a[i * d + at] / a[at * d + at];
            for (uint32_t k = 0; k < d; k++) a[i * d + k] -= factor * a[at * d + k];
            for (uint32_t k = 0; k < m; k++) right[i * m + k] -= factor * right[at * m + k];
        }
    }
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t k = 0; k < m; k++) right[i * m + k] /= a[i * d + i];
    return true;
}

/* V = 0 where gone; elsewhere the gradient H (V - W)^T is zero: H_KK V_K = H_K: W. */
static void plain_solve_kept(const double *h, const double *weights, uint32_t d, uint32_t m, const bool *gone, double *solved) {
    double *a = malloc(sizeof *a * d * d), *right = malloc(sizeof *right * d * m);
    uint32_t *kept = malloc(sizeof *kept * d), count = 0;
    for (uint32_t i = 0; i < d; i++)
        if (!gone[i]) kept[count++] = i;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < count; k++) a[i * count + k] = h[kept[i] * d + kept[k]];
        for (uint32_t k = 0; k < m; k++) {
            right[i * m + k] = 0;
            for (uint32_t j = 0; j < d; j++) right[i * m + k] += h[kept[i] * d + j] * weights[k * d + j];
        }
    }
    plain_solve(a, right, count, m);
    for (uint32_t i = 0; i < d * m; i++) solved[i] = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < m; k++) solved[k * d + kept[i]] = right[i * m + k];
    free(a);
    free(right);
    free(kept);
}

double plain_removal_loss(const double *h, const double *weights, uint32_t d, uint32_t m, const bool *gone, double *out) {
    double *solved = out ? out : malloc(sizeof *solved * d * m), loss = 0;
    plain_solve_kept(h, weights, d, m, gone, solved);
    for (uint32_t k = 0; k < m; k++)
        for (uint32_t i = 0; i < d; i++)
            for (uint32_t j = 0; j < d; j++)
                loss += (solved[k * d + i] - weights[k * d + i]) * h[i * d + j] * (solved[k * d + j] - weights[k * d + j]);
    if (!out) free(solved);
    return loss;
}
