/* The one door to LAPACK and float64 BLAS: symmetric systems and products, row-major, on one thread. */
#ifndef SS_EVAL_LAPACK_H
#define SS_EVAL_LAPACK_H

#include <stdbool.h>
#include <stdint.h>

/* A: [d, d], lower triangle read; becomes L of A = L L^T there. False where A is not positive definite. */
bool lapack_cholesky(double *a, uint32_t d);
/* right: [m, d], a right-hand side a row; becomes A^-1 of each. factor: of lapack_cholesky. */
void lapack_solve(const double *factor, uint32_t d, double *right, uint32_t m);
/* The lower triangle of A^-1 in place of the factor's. */
void lapack_invert(double *factor, uint32_t d);

/* B: [d, n] becomes L^-1 B. factor: [d, d]. */
void lapack_forward(const double *factor, uint32_t d, double *b, uint32_t n);
/* C: [m, n] -= A^T B. A: [k, m], B: [k, n]; rows of each stand a_row, b_row, c_row elements apart. */
void lapack_subtract(uint32_t m, uint32_t n, uint32_t k, const double *a, uint32_t a_row, const double *b, uint32_t b_row, double *c,
                     uint32_t c_row);

#endif
