#include "cost/bound.h"

#include <math.h>

#include "cost/space.h"

/* The most MACs along one axis, per row of I held and output and kernel row, squared: max(1, kernel / stride). Transposed, a row takes part
 * in at most k pairs and an output in at most ceil(k / s), with a dilation in at most k.
 *
 * t outputs hold (t - 1) s + e - cut rows, where `cut` rows of the first and last window lie outside the plane, and make at most t k - cut
 * pairs; so pairs / rows <= k / s as long as cut <= k (dilation 1). Where that is not sure, a row takes part in at most ceil(k / s)
 * windows, with a dilation and a stride in at most k. */
static double reuse_of_axis(const struct nest_axis *axis, int64_t size) {
    const double kernel = (double)axis->kernel, stride = (double)axis->stride;
    if (axis->transposed) return axis->dilation == 1 ? fmax(1, ceil(kernel / stride)) : kernel;
    const int64_t over = (size - 1) * axis->stride + nest_extent(axis) - axis->pad - axis->plane;
    const int64_t cut = axis->pad + (over > 0 ? over : 0);
    if (axis->stride == 1 || cut == 0 || (axis->dilation == 1 && cut <= axis->kernel)) return fmax(1, kernel / stride);
    if (axis->dilation == 1) return ceil(kernel / stride);
    return kernel;
}

/* The largest share of an axis' rows that a sweep finds on chip where it turns back, over all tiles (space.h: rows_wrap). */
static double wrap_of_axis(const struct nest *nest, enum nest_dim dim) {
    struct cut cuts[SPACE_BLOCK];
    double share = 0;
    for (int64_t tile = nest->size[dim] + 1; tile > 0;) {
        const uint32_t count = space_cuts(nest, dim, SPACE_USEFUL, &tile, cuts);
        for (uint32_t i = 0; i < count; i++)
            if (cuts[i].trips > 1 && cuts[i].rows_touched) share = fmax(share, (double)cuts[i].rows_wrap / (double)cuts[i].rows_touched);
    }
    return share;
}

/* Cost-model.md 10, for any widths: a, w, p, o bytes per element of I, W, unfinished and finished O; a step of tiles i, w, o makes at most
 * sqrt(r i w o) MACs (Loomis-Whitney, r = reuse_of_axis over the axes), and a tile held is at most the buffer. y = MACs sqrt(a w p / (r
 * buffer)). By the innermost loop:
 *   c (or g)   every step brings i and w: a i + w w >= 2 sqrt(a w i w):                              2 y + |O|
 *   m          every step brings w and turns o over (in and out at p): w w + 2 p o >= ...:  |I| + 2 sqrt(2) y - 2 p |O before pool| + |O|
 *   n or plane every step brings i and turns o over; a sweep may find the share `wrap` of it on chip:
 *                                                                       |W| + 2 sqrt(2 (1 - wrap)) y - 2 p |O before pool| + |O|
 * Larger buffers than one, a partition, a bias only add. */
static double partition_bytes(const struct nest *nest, const struct target *target) {
    double buffer = (double)target->capacity_bytes, reuse = 1, wrap = 0;
    if (target->is_split)
        buffer = (double)target->partition_bytes[0] + (double)target->partition_bytes[1] + (double)target->partition_bytes[2];
    double outputs = (double)nest->size[DIM_N] * (double)nest->size[DIM_G] * (double)nest->size[DIM_M];
    for (int a = 0; a < NEST_AXES; a++) {
        const enum nest_dim dim = (enum nest_dim)(DIM_OD + a);
        reuse *= reuse_of_axis(&nest->axis[a], nest->size[dim]);
        outputs *= (double)nest->size[dim];
        if (target->halo_reuse) wrap = fmax(wrap, wrap_of_axis(nest, dim));
    }
    const double input = nest->bits[OPERAND_I] / 8.0, weight = nest->bits[OPERAND_W] / 8.0, partial = nest->partial_bits / 8.0;
    const double written = (double)nest_output_elems(nest) * nest->bits[OPERAND_O] / 8.0;
    const double y = (double)nest_real_macs(nest) * sqrt(input * weight * partial / (reuse * buffer));
    const double turned = written - 2 * partial * outputs;
    const double inputs = (double)nest_input_elems(nest) * input, weights = (double)nest_weight_elems(nest) * weight;
    return fmin(2 * y + written, fmin(inputs + sqrt(8) * y, weights + sqrt(8 * fmax(0, 1 - wrap)) * y) + turned);
}

void bound_plain(const struct nest *nest, const struct target *target, int64_t *bytes, const char **name) {
    *bytes = nest_compulsory_bytes(nest);
    *name = "compulsory";
    if (!nest->bits[OPERAND_W]) return;
    const double partition = partition_bytes(nest, target) * (1 - 1e-12); /* what doubles may have rounded up */
    if (!(partition > (double)*bytes) || partition > 9e18) return;
    *bytes = (int64_t)partition;
    *name = "partition";
}
