/* Conv: products of the weight with unfolded windows, a block of output positions at a time; depthwise layers directly.
 *
 *   X: [N, C, in...]   W: [M, C/group, k...]   B: [M]   Y: [N, M, out...]
 *   for an image and a group: Y[M/group, positions] = W[M/group, C/group taps] windows[C/group taps, positions] */
#include <string.h>

#include "base/checked.h"
#include "eval/blas.h"
#include "eval/plane.h"

enum {
    CONV_BLOCK_FLOATS = 1 << 18, /* unfolded windows at once */
    CONV_LEAST_POSITIONS = 64,
    CONV_MOST_POSITIONS = 4096
};

/* The outputs of a row that a tap of the width is inside for, [from, to), and the input that it touches at the first. */
struct conv_reach {
    int64_t from, to, x;
};

struct conv {
    struct plane plane;
    const float *x, *w, *bias; /* bias NULL = none */
    float *y, *windows;        /* windows: window_floats for each worker */
    int64_t channels, filters; /* of a group */
    int64_t groups, images;
    int64_t block_positions, window_floats;
    const struct conv_reach *reaches; /* of a depthwise layer: by tap of the width */
};

/* ---- unfolding ---- */

/* Of one tap (d, h, w) of one channel's plane; along the width it is inside at [first, end). */
struct conv_tap {
    const float *x;
    int64_t depth, height, shift; /* of the input touched by output 0, along each axis */
    int64_t first, end;
};

static struct conv_tap conv_tap_of(const struct plane *plane, const float *x, const int64_t *at) {
    struct conv_tap tap = {.x = x};
    plane_inside(&plane->axis[2], at[2], &tap.first, &tap.end);
    tap.depth = plane_touch(&plane->axis[0], 0, at[0]);
    tap.height = plane_touch(&plane->axis[1], 0, at[1]);
    tap.shift = plane_touch(&plane->axis[2], 0, at[2]);
    return tap;
}

/* Positions [from, to) of one output row. */
static void conv_unfold_row(const struct conv_tap *tap, const float *x_row, int64_t stride, int64_t from, int64_t to, float *row) {
    const int64_t first = least(greatest(tap->first, from), to), end = greatest(least(tap->end, to), first);
    const float *x = x_row + first * stride + tap->shift;
    const int64_t inside = end - first;
    for (int64_t i = from; i < first; i++) *row++ = 0;
    if (stride == 1) KERNEL_SIMD for (int64_t i = 0; i < inside; i++) row[i] = x[i];
    else
        for (int64_t i = 0; i < inside; i++) row[i] = x[i * stride];
    for (int64_t i = end; i < to; i++) row[inside + i - end] = 0;
}

/* The output positions [from, to). */
static void conv_unfold_tap(const struct plane *plane, const struct conv_tap *tap, int64_t from, int64_t to, float *row) {
    const struct window_axis *deep = &plane->axis[0], *high = &plane->axis[1], *wide = &plane->axis[2];
    int64_t line = from / wide->out, column = from % wide->out;
    for (int64_t at = from, count; at < to; at += count, row += count, line++, column = 0) {
        const int64_t d = line / high->out * deep->stride + tap->depth, h = line % high->out * high->stride + tap->height;
        count = least(wide->out - column, to - at);
        if (d >= 0 && d < deep->in && h >= 0 && h < high->in)
            conv_unfold_row(tap, tap->x + (d * high->in + h) * wide->in, wide->stride, column, column + count, row);
        else memset(row, 0, (size_t)count * sizeof *row);
    }
}

static void conv_unfold(const struct conv *conv, const float *x, int64_t from, int64_t to, float *windows) {
    const struct plane *plane = &conv->plane;
    int64_t at[PLANE_AXES];
    for (int64_t c = 0; c < conv->channels; c++)
        for (at[0] = 0; at[0] < plane->axis[0].kernel; at[0]++)
            for (at[1] = 0; at[1] < plane->axis[1].kernel; at[1]++)
                for (at[2] = 0; at[2] < plane->axis[2].kernel; at[2]++, windows += to - from) {
                    const struct conv_tap tap = conv_tap_of(plane, x + c * plane->in_elems, at);
                    conv_unfold_tap(plane, &tap, from, to, windows);
                }
}

/* ---- by products ---- */

/* The input is the matrix of windows already. */
static bool conv_is_pointwise(const struct plane *plane) {
    for (uint32_t i = 0; i < PLANE_AXES; i++) {
        const struct window_axis *axis = &plane->axis[i];
        if (axis->kernel != 1 || axis->stride != 1 || axis->pad_begin || axis->pad_end) return false;
    }
    return true;
}

/* A block: positions of one group of one image. */
static void conv_multiply_block(const void *context, int64_t block, unsigned worker) {
    const struct conv *conv = context;
    const int64_t positions = conv->plane.out_elems, depth = conv->channels * conv->plane.taps;
    const int64_t blocks = kernel_blocks(positions, conv->block_positions), place = block / blocks, group = place % conv->groups;
    const int64_t from = block % blocks * conv->block_positions, count = kernel_block(positions, conv->block_positions, block % blocks);
    const float *x = conv->x + place * conv->channels * conv->plane.in_elems;
    float *y = conv->y + place * conv->filters * positions + from;
    struct blas_product product = {.m = conv->filters,
                                   .n = count,
                                   .k = depth,
                                   .alpha = 1,
                                   .beta = conv->bias ? 1 : 0,
                                   .a = conv->w + group * conv->filters * depth,
                                   .b = x + from,
                                   .c = y,
                                   .a_row = depth,
                                   .b_row = positions,
                                   .c_row = positions};
    if (conv->windows) {
        float *windows = conv->windows + worker * conv->window_floats;
        conv_unfold(conv, x, from, from + count, windows);
        product.b = windows;
        product.b_row = count;
    }
    for (int64_t m = 0; conv->bias && m < conv->filters; m++)
        for (int64_t i = 0; i < count; i++) y[m * positions + i] = conv->bias[group * conv->filters + m];
    blas_multiply(&product);
}

static status conv_multiply(struct kernel *kernel, struct conv *conv) {
    const int64_t depth = conv->channels * conv->plane.taps, positions = conv->plane.out_elems;
    if (!blas_fits(depth) || !blas_fits(positions) || !blas_fits(conv->filters))
        return kernel_fail(kernel, STATUS_LIMIT, "an axis exceeds 31 bits");
    conv->block_positions = least(greatest(CONV_BLOCK_FLOATS / (depth ? depth : 1), CONV_LEAST_POSITIONS), CONV_MOST_POSITIONS);
    conv->block_positions = least(conv->block_positions / 16 * 16, positions);
    conv->window_floats = depth * conv->block_positions;
    if (!conv_is_pointwise(&conv->plane)) {
        const status result = kernel_floats(kernel, conv->window_floats * kernel->threads, &conv->windows);
        if (result != STATUS_OK) return result;
    }
    const int64_t blocks = conv->images * conv->groups * kernel_blocks(positions, conv->block_positions);
    const double work = (double)conv->images * (double)conv->groups * (double)conv->filters * (double)depth * (double)positions;
    kernel_parallel(kernel, blocks, work, conv_multiply_block, conv);
    return STATUS_OK;
}

/* ---- depthwise: one filter's plane, row by row, tap after tap ---- */

static void conv_add_row(const float *x, int64_t stride, float weight, int64_t count, float *y) {
    if (stride == 1) KERNEL_SIMD for (int64_t i = 0; i < count; i++) y[i] += weight * x[i];
    else KERNEL_SIMD for (int64_t i = 0; i < count; i++) y[i] += weight * x[i * stride];
}

/* A row of outputs: all taps that are inside there. */
static void conv_depthwise_row(const struct conv *conv, const float *x, const float *w, int64_t deep_at, int64_t high_at, float *y) {
    const struct window_axis *deep = &conv->plane.axis[0], *high = &conv->plane.axis[1], *wide = &conv->plane.axis[2];
    for (int64_t kd = 0; kd < deep->kernel; kd++)
        for (int64_t kh = 0; kh < high->kernel; kh++) {
            const int64_t d = plane_touch(deep, deep_at, kd), h = plane_touch(high, high_at, kh);
            if (d < 0 || d >= deep->in || h < 0 || h >= high->in) continue;
            const float *row = x + (d * high->in + h) * wide->in, *weights = w + (kd * high->kernel + kh) * wide->kernel;
            for (int64_t k = 0; k < wide->kernel; k++) {
                const struct conv_reach *reach = &conv->reaches[k];
                conv_add_row(row + reach->x, wide->stride, weights[k], reach->to - reach->from, y + reach->from);
            }
        }
}

/* A block: one filter on one image. */
static void conv_depthwise_block(const void *context, int64_t block, unsigned worker) {
    const struct conv *conv = context;
    const struct plane *plane = &conv->plane;
    const int64_t filters = conv->groups * conv->filters, filter = block % filters, channel = filter / conv->filters;
    const float *x = conv->x + (block / filters * conv->groups + channel) * plane->in_elems, *w = conv->w + filter * plane->taps;
    float *y = conv->y + block * plane->out_elems;
    (void)worker;
    for (int64_t d = 0; d < plane->axis[0].out; d++)
        for (int64_t h = 0; h < plane->axis[1].out; h++, y += plane->axis[2].out) {
            for (int64_t i = 0; i < plane->axis[2].out; i++) y[i] = conv->bias ? conv->bias[filter] : 0;
            conv_depthwise_row(conv, x, w, d, h, y);
        }
}

static status conv_depthwise(struct kernel *kernel, struct conv *conv) {
    const struct window_axis *wide = &conv->plane.axis[2];
    struct conv_reach *reaches = ARENA_ARRAY(kernel->scratch, struct conv_reach, wide->kernel);
    for (int64_t k = 0; k < wide->kernel; k++) {
        plane_inside(wide, k, &reaches[k].from, &reaches[k].to);
        reaches[k].x = plane_touch(wide, reaches[k].from, k);
    }
    conv->reaches = reaches;
    const int64_t planes = conv->images * conv->groups * conv->filters;
    kernel_parallel(kernel, planes, (double)planes * (double)conv->plane.out_elems * (double)conv->plane.taps, conv_depthwise_block, conv);
    return STATUS_OK;
}

status kernel_conv(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0], *w = kernel->inputs[1], *bias = kernel_input(kernel, 2);
    struct eval_tensor *y;
    struct window window;
    if (!x->floats || !w->floats || (bias && !bias->floats))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(x->shape.type));
    status result = window_of_node(kernel->graph, kernel->id, &x->shape, &w->shape.dims[2], &window, kernel->diag);
    if (result == STATUS_OK) result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK || !y->elements) return result;
    struct conv conv = {.x = x->floats,
                        .w = w->floats,
                        .bias = bias ? bias->floats : NULL,
                        .y = y->floats,
                        .channels = w->shape.dims[1],
                        .groups = node_int(kernel->node, "group", 1),
                        .images = x->shape.dims[0]};
    conv.filters = w->shape.dims[0] / conv.groups;
    plane_init(&conv.plane, &window);
    return conv.channels == 1 && conv.groups > 1 ? conv_depthwise(kernel, &conv) : conv_multiply(kernel, &conv);
}
