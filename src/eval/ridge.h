/* Ridge least squares by Cholesky: W = argmin |X W^T - T|^2 / n + lambda |W - W0|^2.
 *
 *   (C + lambda I) (W - W0)^T = X^T (T - X W0^T) / n      C = X^T X / n: [d, d]
 *
 * lambda = rate x the mean eigenvalue of C (its trace / d): the same strength whatever the unit of the inputs and however many there are.
 * Where rounding leaves a matrix that is not positive definite in spite of it, the strength is ten times as large, and again. */
#ifndef SS_EVAL_RIDGE_H
#define SS_EVAL_RIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"

struct ridge {
    uint32_t d;
    double lambda;
    double *factor; /* [d, d], L in its lower triangle */
};

/* moments: [d, d], both triangles; becomes the factor. diagonal: [d], scratch. False where nothing can be solved: all inputs are zero, or
 * some number is not finite. */
bool ridge_factor(double *moments, uint32_t d, double rate, double *diagonal, struct ridge *ridge);

/* The rate for a fit of d unknowns to so many rows: as given from RIDGE_ROWS rows an unknown on, and larger with the square of what lacks,
 * since the smaller eigenvalues of a covariance that few rows made are noise. */
enum { RIDGE_ROWS = 4 };
double ridge_strength(double rate, uint32_t d, int64_t rows);

/* right: [m, d], a right-hand side a row; becomes the solutions. */
void ridge_solve(const struct ridge *ridge, double *right, uint32_t m, struct parallel *threads);

/* The inverse of C + lambda I in place of the factor, lower triangle. */
void ridge_invert(struct ridge *ridge);

#endif
