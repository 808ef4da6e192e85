#include "eval/lapack.h"

#include <cblas.h>
#include <lapacke.h>

/* Row-major lower triangles are column-major upper ones, and rows of right-hand sides are columns. */

bool lapack_cholesky(double *a, uint32_t d) { return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (int)d, a, (int)d) == 0; }

void lapack_solve(const double *factor, uint32_t d, double *right, uint32_t m) {
    LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'U', (int)d, (int)m, factor, (int)d, right, (int)d);
}

void lapack_invert(double *factor, uint32_t d) { LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'U', (int)d, factor, (int)d); }

void lapack_forward(const double *factor, uint32_t d, double *b, uint32_t n) {
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)d, (int)n, 1, factor, (int)d, b, (int)n);
}

void lapack_subtract(uint32_t m, uint32_t n, uint32_t k, const double *a, uint32_t a_row, const double *b, uint32_t b_row, double *c,
                     uint32_t c_row) {
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, -1, a, (int)a_row, b, (int)b_row, 1, c, (int)c_row);
}
