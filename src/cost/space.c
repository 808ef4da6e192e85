#include "cost/space.h"
#include "base/checked.h"

static int64_t rows_of(const struct nest_axis *axis, int64_t size, int64_t tile, int64_t index) {
    return nest_rows(axis, index * tile, least(size, (index + 1) * tile));
}

static bool is_clipped(const struct nest_axis *axis, int64_t tile, int64_t index) {
    return index * tile < nest_whole_from(axis) || (index + 1) * tile > nest_whole_to(axis);
}

static void add_rows(const struct nest_axis *axis, int64_t size, int64_t index, int64_t times, struct cut *cut) {
    const int64_t rows = rows_of(axis, size, cut->tile, index);
    cut->rows_sum += times * rows;
    cut->rows_max = greatest(cut->rows_max, rows);
}

/* Tiles that the plane's ends clip, and the last, are looked at one by one; those between are alike, or repeat with a period. */
static void sum_rows(const struct nest_axis *axis, int64_t size, struct cut *cut) {
    int64_t low = 0, high = cut->trips - 1;
    add_rows(axis, size, high, 1, cut);
    for (; low < high && is_clipped(axis, cut->tile, low); low++) add_rows(axis, size, low, 1, cut);
    for (high--; high >= low && is_clipped(axis, cut->tile, high); high--) add_rows(axis, size, high, 1, cut);
    const int64_t period = nest_period(axis, cut->tile), count = high - low + 1;
    for (int64_t i = 0; i < least(period, count); i++) add_rows(axis, size, low + i, (count - i - 1) / period + 1, cut);
}

void space_cut(const struct nest *nest, enum nest_dim dim, int64_t tile, struct cut *cut) {
    const int64_t size = nest->size[dim];
    *cut = (struct cut){.tile = tile, .trips = trips_of(size, tile)};
    if (!dim_is_spatial(dim)) return;
    const struct nest_axis *axis = &nest->axis[dim - DIM_OD];
    cut->rows_touched = nest_rows(axis, 0, size);
    if (cut->trips == 1) {
        cut->rows_sum = cut->rows_max = cut->rows_wrap = cut->rows_touched;
        return;
    }
    sum_rows(axis, size, cut);
    if (nest_is_disjoint(axis)) return;
    cut->rows_wrap = greatest(0, nest_end_row(axis, tile) - nest_first_row(axis, (cut->trips - 1) * tile));
    cut->rows_wrap = least(cut->rows_wrap, rows_of(axis, size, tile, cut->trips - 1));
}

int64_t space_smallest(const struct nest *nest, enum nest_dim dim) {
    return dim_is_spatial(dim) ? least(nest->axis[dim - DIM_OD].pool, nest->size[dim]) : 1;
}

/* The next size below, of those allowed; 0 = none. */
static int64_t next_allowed(const struct nest *nest, enum nest_dim dim, int64_t tile) {
    const int64_t size = nest->size[dim];
    if (tile > size) return size;
    const int64_t unit = dim_is_spatial(dim) ? nest->axis[dim - DIM_OD].pool : 1;
    return (tile - 1) / unit * unit;
}

/* No window of the axis is cut by the plane's ends: then the smallest tile of a trip count is the best (space.h). */
static bool is_unclipped(const struct nest *nest, enum nest_dim dim) {
    if (!dim_is_spatial(dim)) return true;
    const struct nest_axis *axis = &nest->axis[dim - DIM_OD];
    return !axis->transposed && axis->pad == 0 && (nest->size[dim] - 1) * axis->stride + nest_extent(axis) <= axis->plane;
}

/* The smallest allowed size with as many trips as `tile`. */
static int64_t smallest_alike(const struct nest *nest, enum nest_dim dim, int64_t tile) {
    const int64_t size = nest->size[dim], unit = dim_is_spatial(dim) ? nest->axis[dim - DIM_OD].pool : 1;
    const int64_t smallest = trips_of(size, trips_of(size, tile));
    return least(tile, trips_of(smallest, unit) * unit);
}

/* Where the second tile starts inside the plane and the last but one ends inside, all tiles of these trips have the same sums, and the
 * smaller a tile the more its last shares with the first. Then the smallest is best; of two tiles also those up to where the first, which
 * grows, holds no fewer rows than the second. The largest size of these trips, up to `tile`, that is worth a look. */
static int64_t worth_a_look(const struct nest *nest, enum nest_dim dim, int64_t tile) {
    const struct nest_axis *axis = &nest->axis[dim - DIM_OD];
    const int64_t size = nest->size[dim], trips = trips_of(size, tile), smallest = smallest_alike(nest, dim, tile);
    const int64_t extent = nest_extent(axis), last_but_one = (trips - 1) * tile;
    if (axis->transposed) return tile; /* what a tile holds depends on where it starts */
    if (trips < 2 || smallest * axis->stride < axis->pad) return tile;
    if ((last_but_one - 1) * axis->stride + extent - axis->pad > axis->plane) return tile;
    if (trips > 2) return smallest;
    const int64_t rows = nest_end_row(axis, size) + 2 * axis->pad + axis->stride - extent;
    const int64_t even = rows <= 0 ? 1 : trips_of(rows, 2 * axis->stride);
    return least(tile, greatest(smallest, trips_of(even, axis->pool) * axis->pool));
}

static bool is_no_worse(const struct cut *a, const struct cut *b) {
    return a->tile <= b->tile && a->rows_max <= b->rows_max && a->rows_sum <= b->rows_sum && a->rows_wrap >= b->rows_wrap;
}

/* Takes the new cut in, and those before it with the same trips out that it makes useless (it is smaller than all of them). */
static uint32_t add_useful(struct cut *cuts, uint32_t count, const struct cut *cut) {
    uint32_t kept = count;
    while (kept > 0 && cuts[kept - 1].trips == cut->trips) kept--;
    for (uint32_t i = kept; i < count; i++)
        if (!is_no_worse(cut, &cuts[i])) cuts[kept++] = cuts[i];
    cuts[kept++] = *cut;
    return kept;
}

uint32_t space_cuts(const struct nest *nest, enum nest_dim dim, enum space_kind kind, int64_t *tile, struct cut *cuts) {
    uint32_t count = 0;
    const bool unclipped = is_unclipped(nest, dim);
    int64_t next = next_allowed(nest, dim, *tile);
    for (; next > 0 && count < SPACE_BLOCK; next = next_allowed(nest, dim, *tile)) {
        if (kind == SPACE_USEFUL) next = unclipped ? smallest_alike(nest, dim, next) : worth_a_look(nest, dim, next);
        struct cut cut;
        space_cut(nest, dim, next, &cut);
        *tile = next;
        if (kind == SPACE_USEFUL) count = add_useful(cuts, count, &cut);
        else cuts[count++] = cut;
    }
    if (next <= 0) *tile = 0;
    return count;
}
