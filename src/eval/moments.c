#include "eval/moments.h"

#include <cblas.h>

#include "base/checked.h"

enum { MOMENTS_TILE = 128, MOMENTS_ROWS = 512 };

/* One tile of A^T B, block of rows after block of rows. */
static void moments_tile(const float *a, uint32_t da, const float *b, uint32_t db, int64_t rows, uint32_t at_a, uint32_t at_b,
                         double *out) {
    float part[MOMENTS_TILE * MOMENTS_TILE];
    const int na = (int)least(MOMENTS_TILE, da - at_a), nb = (int)least(MOMENTS_TILE, db - at_b);
    for (int64_t row = 0; row < rows; row += MOMENTS_ROWS) {
        const int count = (int)least(MOMENTS_ROWS, rows - row);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, na, nb, count, 1, a + row * da + at_a, (int)da, b + row * db + at_b, (int)db,
                    0, part, MOMENTS_TILE);
        for (int i = 0; i < na; i++)
            for (int k = 0; k < nb; k++) out[(size_t)(at_a + (uint32_t)i) * db + at_b + (uint32_t)k] += (double)part[i * MOMENTS_TILE + k];
    }
}

struct moments_product {
    const float *a, *b;
    uint32_t da, db;
    int64_t rows, across; /* across: tiles side by side */
    double *out;
};

static void moments_block(const void *context, int64_t tile, unsigned worker) {
    const struct moments_product *p = context;
    const uint32_t at_a = (uint32_t)(tile / p->across) * MOMENTS_TILE, at_b = (uint32_t)(tile % p->across) * MOMENTS_TILE;
    (void)worker;
    if (p->a != p->b || at_b <= at_a) moments_tile(p->a, p->da, p->b, p->db, p->rows, at_a, at_b, p->out);
}

void moments_cross(const float *a, uint32_t da, const float *b, uint32_t db, int64_t rows, double *out, struct parallel *threads) {
    const int64_t across = (db + MOMENTS_TILE - 1) / MOMENTS_TILE, down = (da + MOMENTS_TILE - 1) / MOMENTS_TILE;
    parallel_run(threads, across * down, moments_block, &(struct moments_product){a, b, da, db, rows, across, out});
}

void moments_means(const float *rows, int64_t count, uint32_t d, double *means) {
    for (uint32_t i = 0; i < d; i++) means[i] = 0;
    for (int64_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < d; i++) means[i] += (double)rows[row * d + i];
    for (uint32_t i = 0; i < d && count; i++) means[i] /= (double)count;
}

void moments_centre(float *rows, int64_t count, uint32_t d, const double *means) {
    for (int64_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < d; i++) rows[row * d + i] = (float)((double)rows[row * d + i] - means[i]);
}

struct moments *moments_new(struct arena *arena, uint32_t d) {
    struct moments *moments = ARENA_NEW(arena, struct moments);
    moments->d = d;
    moments->shift = ARENA_ARRAY(arena, double, d);
    moments->sums = ARENA_ARRAY(arena, double, d);
    moments->cross = ARENA_ARRAY(arena, double, (size_t)d *d);
    return moments;
}

void moments_add(struct moments *moments, float *rows, int64_t count, struct parallel *threads) {
    if (!moments->rows) moments_means(rows, count, moments->d, moments->shift);
    moments_centre(rows, count, moments->d, moments->shift);
    for (int64_t row = 0; row < count; row++)
        for (uint32_t i = 0; i < moments->d; i++) moments->sums[i] += (double)rows[row * moments->d + i];
    moments_cross(rows, moments->d, rows, moments->d, count, moments->cross, threads);
    moments->rows += count;
}

void moments_covariance(const struct moments *moments, double *means, double *covariance) {
    const uint32_t d = moments->d;
    const double n = moments->rows ? (double)moments->rows : 1;
    for (uint32_t i = 0; i < d; i++) means[i] = moments->shift[i] + moments->sums[i] / n;
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t k = 0; k <= i; k++) {
            const double entry = moments->cross[(size_t)i * d + k] / n - moments->sums[i] / n * (moments->sums[k] / n);
            covariance[(size_t)i * d + k] = covariance[(size_t)k * d + i] = entry;
        }
}
