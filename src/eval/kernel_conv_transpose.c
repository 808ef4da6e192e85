/* ConvTranspose: each input position spreads its window over the output.
 *
 *   X: [N, C, in...]   W: [C, M/group, k...]   Y: [N, M, out...]
 *   for an image, a group and some of its filters: spread[filters taps, in] = W^T[filters taps, C/group] X[C/group, in], then each row of
 *   `spread` is added where its tap falls. */
#include <inttypes.h>

#include "base/checked.h"
#include "eval/blas.h"
#include "eval/plane.h"

enum { SPREAD_BLOCK_FLOATS = 1 << 18 };

struct spread {
    struct plane plane;
    const float *x, *w, *bias;
    float *y, *scratch;        /* scratch: scratch_floats for each worker */
    int64_t channels, filters; /* of a group */
    int64_t groups, images;
    int64_t block_filters, scratch_floats;
};

/* Output position of an input position and a tap, along one axis. */
static int64_t spread_place(const struct window_axis *axis, int64_t in, int64_t tap) {
    return in * axis->stride - axis->pad_begin + tap * axis->dilation;
}

/* One tap of one filter: a plane of inputs added to the plane of outputs. */
static void spread_add(const struct plane *plane, const float *from, const int64_t *tap, float *y) {
    const struct window_axis *deep = &plane->axis[0], *high = &plane->axis[1], *wide = &plane->axis[2];
    for (int64_t d = 0; d < deep->in; d++)
        for (int64_t h = 0; h < high->in; h++, from += wide->in) {
            const int64_t out_d = spread_place(deep, d, tap[0]), out_h = spread_place(high, h, tap[1]);
            if (out_d < 0 || out_d >= deep->out || out_h < 0 || out_h >= high->out) continue;
            float *row = y + (out_d * high->out + out_h) * wide->out;
            for (int64_t i = 0; i < wide->in; i++) {
                const int64_t out = spread_place(wide, i, tap[2]);
                if (out >= 0 && out < wide->out) row[out] += from[i];
            }
        }
}

static void spread_filter(const struct spread *spread, const float *from, float bias, float *y) {
    const struct plane *plane = &spread->plane;
    int64_t tap[PLANE_AXES];
    for (int64_t i = 0; i < plane->out_elems; i++) y[i] = bias;
    for (tap[0] = 0; tap[0] < plane->axis[0].kernel; tap[0]++)
        for (tap[1] = 0; tap[1] < plane->axis[1].kernel; tap[1]++)
            for (tap[2] = 0; tap[2] < plane->axis[2].kernel; tap[2]++, from += plane->in_elems) spread_add(plane, from, tap, y);
}

/* A block: some filters of one group of one image. */
static void spread_block(const void *context, int64_t block, unsigned worker) {
    const struct spread *spread = context;
    const struct plane *plane = &spread->plane;
    const int64_t blocks = kernel_blocks(spread->filters, spread->block_filters), place = block / blocks, group = place % spread->groups;
    const int64_t first = block % blocks * spread->block_filters,
                  count = kernel_block(spread->filters, spread->block_filters, block % blocks);
    float *scratch = spread->scratch + worker * spread->scratch_floats;
    const struct blas_product product = {.a_turned = true,
                                         .m = count * plane->taps,
                                         .n = plane->in_elems,
                                         .k = spread->channels,
                                         .alpha = 1,
                                         .a = spread->w + group * spread->channels * spread->filters * plane->taps + first * plane->taps,
                                         .b = spread->x + place * spread->channels * plane->in_elems,
                                         .c = scratch,
                                         .a_row = spread->filters * plane->taps,
                                         .b_row = plane->in_elems,
                                         .c_row = plane->in_elems};
    blas_multiply(&product);
    for (int64_t i = 0; i < count; i++) {
        const int64_t filter = group * spread->filters + first + i;
        spread_filter(spread, scratch + i * plane->taps * plane->in_elems, spread->bias ? spread->bias[filter] : 0,
                      spread->y + (place * spread->filters + first + i) * plane->out_elems);
    }
}

status kernel_conv_transpose(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0], *w = kernel->inputs[1], *bias = kernel_input(kernel, 2);
    struct eval_tensor *y;
    struct window window;
    if (!x->floats || !w->floats || (bias && !bias->floats))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(x->shape.type));
    status result = window_of_transposed(kernel->graph, kernel->id, &x->shape, &w->shape.dims[2], &window, kernel->diag);
    if (result == STATUS_OK) result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK || !y->elements) return result;
    struct spread spread = {.x = x->floats,
                            .w = w->floats,
                            .bias = bias ? bias->floats : NULL,
                            .y = y->floats,
                            .filters = w->shape.dims[1],
                            .groups = node_int(kernel->node, "group", 1),
                            .images = x->shape.dims[0]};
    if (w->shape.dims[0] % spread.groups)
        return kernel_fail(kernel, STATUS_INVALID, "%" PRId64 " channels in %" PRId64 " groups", w->shape.dims[0], spread.groups);
    spread.channels = w->shape.dims[0] / spread.groups;
    plane_init(&spread.plane, &window);
    const int64_t filter_floats = spread.plane.taps * spread.plane.in_elems;
    spread.block_filters = least(greatest(SPREAD_BLOCK_FLOATS / (filter_floats ? filter_floats : 1), 1), spread.filters);
    spread.scratch_floats = spread.block_filters * filter_floats;
    if (!blas_fits(spread.filters * spread.plane.taps) || !blas_fits(spread.plane.in_elems) || !blas_fits(spread.channels))
        return kernel_fail(kernel, STATUS_LIMIT, "an axis exceeds 31 bits");
    result = kernel_floats(kernel, spread.scratch_floats * kernel->threads, &spread.scratch);
    if (result != STATUS_OK) return result;
    kernel_parallel(kernel, spread.images * spread.groups * kernel_blocks(spread.filters, spread.block_filters),
                    (double)y->elements * (double)spread.channels * (double)spread.plane.taps, spread_block, &spread);
    return STATUS_OK;
}
