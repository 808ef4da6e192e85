/* The affine map from the channels left to all channels of the original: a ridge problem in channels alone, so a few samples are enough,
 * and it knows nothing of windows. A 3x3 reader gets the same map at every tap. */
#include <string.h>

#include "eval/moments.h"
#include "eval/ridge.h"
#include "passes/refit.h"

bool refit_map_solve(struct arena *arena, const struct refit_map *map, double *a) {
    struct arena *scratch = arena_new(arena_heap(arena));
    const uint32_t k = map->kept_count, all = map->all_count;
    double *means = ARENA_ARRAY(scratch, double, k > all ? k : all), *moments = ARENA_ARRAY(scratch, double, (size_t)k *k);
    double *identity = ARENA_ARRAY(scratch, double, (size_t)k *k);
    struct ridge ridge;
    if (map->has_intercept) {
        moments_means(map->kept, map->rows, k, means);
        moments_centre(map->kept, map->rows, k, means);
        moments_means(map->originals, map->rows, all, means);
        moments_centre(map->originals, map->rows, all, means);
    }
    moments_cross(map->kept, k, map->kept, k, map->rows, moments, map->threads);
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j <= i; j++)
            moments[(size_t)i * k + j] = moments[(size_t)j * k + i] = moments[(size_t)i * k + j] / (double)map->rows;
    memcpy(identity, moments, (size_t)k * k * sizeof *identity);
    memset(a, 0, (size_t)all * k * sizeof *a);
    moments_cross(map->originals, all, map->kept, k, map->rows, a, map->threads);
    for (size_t i = 0; i < (size_t)all * k; i++) a[i] /= (double)map->rows;
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j < k; j++) a[(size_t)map->kept_at[i] * k + j] -= identity[(size_t)i * k + j];
    const bool is_solved = ridge_factor(moments, k, ridge_strength(map->rate, k, map->rows), means, &ridge);
    if (is_solved) ridge_solve(&ridge, a, all, map->threads);
    for (uint32_t i = 0; i < k; i++) a[(size_t)map->kept_at[i] * k + i] += 1;
    arena_free(scratch);
    return is_solved;
}

struct refit_fold {
    const struct refit_map *map;
    const double *a;
    const float *weights;
    uint32_t taps;
    float *mapped;
};

static void refit_fold_row(const void *context, int64_t row, unsigned worker) {
    const struct refit_fold *fold = context;
    const uint32_t k = fold->map->kept_count, all = fold->map->all_count, taps = fold->taps;
    (void)worker;
    for (uint32_t tap = 0; tap < taps; tap++)
        for (uint32_t i = 0; i < k; i++) {
            double sum = 0;
            for (uint32_t c = 0; c < all; c++)
                sum += (double)fold->weights[((size_t)row * all + c) * taps + tap] * fold->a[(size_t)c * k + i];
            fold->mapped[((size_t)row * k + i) * taps + tap] = (float)sum;
        }
}

void refit_map_fold(const struct refit_map *map, const double *a, const float *weights, uint32_t m, uint32_t taps, float *mapped) {
    parallel_run(map->threads, m, refit_fold_row, &(struct refit_fold){map, a, weights, taps, mapped});
}
