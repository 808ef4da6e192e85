#include "eval/blas.h"

#include <cblas.h>

bool blas_fits(int64_t size) { return size >= 0 && size <= INT32_MAX; }

void blas_multiply(const struct blas_product *p) {
    if (!p->m || !p->n) return;
    cblas_sgemm(CblasRowMajor, p->a_turned ? CblasTrans : CblasNoTrans, p->b_turned ? CblasTrans : CblasNoTrans, (blasint)p->m,
                (blasint)p->n, (blasint)p->k, p->alpha, p->a, (blasint)p->a_row, p->b, (blasint)p->b_row, p->beta, p->c, (blasint)p->c_row);
}

int blas_single(void) {
    const int threads = openblas_get_num_threads();
    openblas_set_num_threads(1);
    return threads;
}

void blas_restore(int threads) { openblas_set_num_threads(threads); }
