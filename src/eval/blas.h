/* The one door to BLAS: products of float32 matrices, row-major, on one thread. */
#ifndef SS_EVAL_BLAS_H
#define SS_EVAL_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* C = alpha op(A) op(B) + beta C. op(A): [m, k], op(B): [k, n], C: [m, n]; a_row, b_row, c_row: elements from one row to the next as
 * stored. All sizes fit 31 bits (blas_fits). */
struct blas_product {
    bool a_turned, b_turned;
    int64_t m, n, k;
    float alpha, beta;
    const float *a, *b;
    float *c;
    int64_t a_row, b_row, c_row;
};
void blas_multiply(const struct blas_product *product);

bool blas_fits(int64_t size);

/* From now on BLAS, of the whole process, uses one thread of its own; returns how many it used before, for blas_restore. */
int blas_single(void);
void blas_restore(int threads);

#endif
