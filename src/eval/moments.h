/* Second moments of windows: the matrices that every closed-form fit needs.
 *
 *   rows: [n, d] float32, one window a row     cross = A^T B: [da, db] float64
 *
 * Products run in float32 over blocks of rows, the blocks are added in float64. Blocks and tiles have fixed sizes and one thread each, so
 * the result does not depend on the number of threads. */
#ifndef SS_EVAL_MOMENTS_H
#define SS_EVAL_MOMENTS_H

#include <stdint.h>

#include "base/parallel.h"

/* out: [da, db] += A^T B. Where a == b only the lower triangle is added to. */
void moments_cross(const float *a, uint32_t da, const float *b, uint32_t db, int64_t rows, double *out, struct parallel *threads);

/* Mean of each column; 0 where there are no rows. */
void moments_means(const float *rows, int64_t count, uint32_t d, double *means);
/* Every row minus the means, in place. */
void moments_centre(float *rows, int64_t count, uint32_t d, const double *means);

/* Moments of rows that come block by block. Sums are kept around the mean of the first block, so that a large mean costs no digits. */
struct moments {
    uint32_t d;
    int64_t rows;
    double *shift; /* [d] */
    double *sums;  /* [d], around the shift */
    double *cross; /* [d, d], around the shift, lower triangle */
};

struct moments *moments_new(struct arena *arena, uint32_t d);
/* The rows are left centred on the shift. */
void moments_add(struct moments *moments, float *rows, int64_t count, struct parallel *threads);
/* means: [d]. covariance: [d, d], both triangles: the mean of (x - mean)(x - mean)^T. Zeros where there are no rows. */
void moments_covariance(const struct moments *moments, double *means, double *covariance);

#endif
