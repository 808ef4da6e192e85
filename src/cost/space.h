/* The tiles of a layer: which sizes a dim may be cut into, and what a size means for the operands' windows.
 *
 * A plain mapping's traffic depends on a spatial tile only through the numbers of `struct cut`: so a tile that is in none of them
 * better than a smaller one with the same trips cannot win, and is left out (cost-model.md 5). */
#ifndef SS_COST_SPACE_H
#define SS_COST_SPACE_H

#include "cost/nest.h"

/* One dim in tiles. The last four are of spatial dims: over all tiles, the sum and the largest of the rows held; the rows that the last
 * tile shares with the first; the rows touched at all. Consecutive tiles share rows_sum - rows_touched in sum, as windows only move on. */
struct cut {
    int64_t tile, trips;
    int64_t rows_sum, rows_max, rows_wrap, rows_touched;
};

static inline int64_t trips_of(int64_t size, int64_t tile) { return (size - 1) / tile + 1; }

/* Which tiles: of every trip count the smallest (n g m c) or those that can win (spatial), or every size there is. */
enum space_kind { SPACE_USEFUL, SPACE_ALL };

/* The cuts of a dim, from large tiles to small, at most SPACE_BLOCK at a time. *tile: the size to go on below; start with the dim's size
 * + 1, 0 = the end. */
enum { SPACE_BLOCK = 256 };
uint32_t space_cuts(const struct nest *nest, enum nest_dim dim, enum space_kind kind, int64_t *tile, struct cut *cuts);

/* The cut of a dim at a size. */
void space_cut(const struct nest *nest, enum nest_dim dim, int64_t tile, struct cut *cut);

/* The smallest size a dim may be cut into: 1, or a merged pool's stride. */
int64_t space_smallest(const struct nest *nest, enum nest_dim dim);

static inline bool dim_is_spatial(enum nest_dim dim) { return dim >= DIM_OD; }

#endif
