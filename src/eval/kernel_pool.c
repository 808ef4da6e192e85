/* Pools: windows over each channel's plane. A block is one plane. */
#include <math.h>

#include "eval/plane.h"

struct pool {
    struct plane plane;
    const struct eval_tensor *x;
    struct eval_tensor *y, *indices; /* indices NULL = not wanted */
    bool counts_pads;
    bool is_column_major;
    float power; /* of LpPool */
};

/* The input positions of one output position: taps that are inside, axis by axis. */
struct pool_window {
    int64_t first[PLANE_AXES], count[PLANE_AXES]; /* input position of the first tap inside; taps inside */
};

/* Taps from a place on that lie within `room`. */
static int64_t pool_taps(int64_t room, const struct window_axis *axis) {
    if (room < 0) return 0;
    return axis->dilation == 1 ? room + 1 : room / axis->dilation + 1;
}

static void pool_window_axis(const struct window_axis *axis, int64_t out, int64_t *first, int64_t *count) {
    const int64_t start = plane_touch(axis, out, 0);
    const int64_t skipped = start >= 0 ? 0 : pool_taps(-start - 1, axis);
    const int64_t end = pool_taps(axis->in - 1 - start, axis);
    *first = start + skipped * axis->dilation;
    *count = (end < axis->kernel ? end : axis->kernel) - skipped;
    if (*count < 0) *count = 0;
}

/* How many taps an average divides by where pads count: those up to the end of the pads. */
static int64_t pool_padded_count(const struct plane *plane, const int64_t *out) {
    int64_t product = 1;
    for (uint32_t i = 0; i < PLANE_AXES; i++) {
        const struct window_axis *axis = &plane->axis[i];
        const int64_t end = pool_taps(axis->in + axis->pad_end - 1 - plane_touch(axis, out[i], 0), axis);
        product *= end < axis->kernel ? end : axis->kernel;
    }
    return product;
}

typedef void (*pool_reduce)(const struct pool *pool, int64_t plane_at, const int64_t *out, const struct pool_window *window,
                            int64_t out_at);

static void pool_each(const struct pool *pool, int64_t block, pool_reduce reduce) {
    const struct plane *plane = &pool->plane;
    struct pool_window window;
    int64_t out[PLANE_AXES], at = block * plane->out_elems;
    for (out[0] = 0; out[0] < plane->axis[0].out; out[0]++) {
        pool_window_axis(&plane->axis[0], out[0], &window.first[0], &window.count[0]);
        for (out[1] = 0; out[1] < plane->axis[1].out; out[1]++) {
            pool_window_axis(&plane->axis[1], out[1], &window.first[1], &window.count[1]);
            for (out[2] = 0; out[2] < plane->axis[2].out; out[2]++) {
                pool_window_axis(&plane->axis[2], out[2], &window.first[2], &window.count[2]);
                reduce(pool, block * plane->in_elems, out, &window, at++);
            }
        }
    }
}

/* Calls the statement for each input position `at` (in the whole tensor) of a window. */
#define POOL_EACH(pool, window, plane_at, at, statement)                                                                                   \
    for (int64_t d = 0; d < (window)->count[0]; d++)                                                                                       \
        for (int64_t h = 0; h < (window)->count[1]; h++) {                                                                                 \
            const struct window_axis *const axes = (pool)->plane.axis;                                                                     \
            int64_t at =                                                                                                                   \
                (plane_at) +                                                                                                               \
                (((window)->first[0] + d * axes[0].dilation) * axes[1].in + (window)->first[1] + h * axes[1].dilation) * axes[2].in +      \
                (window)->first[2];                                                                                                        \
            for (int64_t w = 0; w < (window)->count[2]; w++, at += axes[2].dilation) statement;                                            \
        }

static void pool_average_of(const struct pool *pool, int64_t plane_at, const int64_t *out, const struct pool_window *window,
                            int64_t out_at) {
    double sum = 0;
    POOL_EACH(pool, window, plane_at, at, sum += (double)pool->x->floats[at])
    const int64_t inside = window->count[0] * window->count[1] * window->count[2];
    const int64_t count = pool->counts_pads ? pool_padded_count(&pool->plane, out) : inside;
    pool->y->floats[out_at] = (float)(sum / (double)(count > 0 ? count : 1));
}

static void pool_power_of(const struct pool *pool, int64_t plane_at, const int64_t *out, const struct pool_window *window, int64_t out_at) {
    double sum = 0;
    const double power = (double)pool->power;
    (void)out;
    POOL_EACH(pool, window, plane_at, at, sum += pow(fabs((double)pool->x->floats[at]), power))
    pool->y->floats[out_at] = (float)pow(sum, 1 / power);
}

/* A place in the tensor as MaxPool's second output names it; column-major: within each plane. */
static int64_t pool_index(const struct pool *pool, int64_t plane_at, int64_t at) {
    const struct window_axis *axes = pool->plane.axis;
    const int64_t place = at - plane_at, w = place % axes[2].in, h = place / axes[2].in % axes[1].in, d = place / axes[2].in / axes[1].in;
    return pool->is_column_major ? plane_at + (w * axes[1].in + h) * axes[0].in + d : at;
}

static void pool_most_of(const struct pool *pool, int64_t plane_at, const int64_t *out, const struct pool_window *window, int64_t out_at) {
    int64_t best = -1;
    (void)out;
    if (pool->x->floats) {
        float most = -INFINITY;
        POOL_EACH(pool, window, plane_at, at, if (pool->x->floats[at] > most || best < 0) most = pool->x->floats[best = at])
        pool->y->floats[out_at] = most;
    } else {
        int64_t most = 0;
        POOL_EACH(pool, window, plane_at, at, if (pool->x->integers[at] > most || best < 0) most = pool->x->integers[best = at])
        pool->y->integers[out_at] = most;
    }
    if (pool->indices) pool->indices->integers[out_at] = pool_index(pool, plane_at, best);
}

/* ---- the largest, tap after tap over the whole plane: for floats, where no indices are wanted ---- */

/* y[i] = the larger of it and what the tap touches; a NaN is passed over. */
static void pool_raise_row(const float *x, int64_t stride, int64_t count, float *y) {
    if (stride == 1) KERNEL_SIMD for (int64_t i = 0; i < count; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
    else KERNEL_SIMD for (int64_t i = 0; i < count; i++) {
            const float element = x[i * stride];
            y[i] = element > y[i] ? element : y[i];
        }
}

static void pool_raise(const struct plane *plane, const float *x, const int64_t *tap, float *y) {
    const struct window_axis *deep = &plane->axis[0], *high = &plane->axis[1], *wide = &plane->axis[2];
    int64_t from[PLANE_AXES], to[PLANE_AXES];
    for (uint32_t i = 0; i < PLANE_AXES; i++) plane_inside(&plane->axis[i], tap[i], &from[i], &to[i]);
    for (int64_t d = from[0]; d < to[0]; d++)
        for (int64_t h = from[1]; h < to[1]; h++) {
            const int64_t line = plane_touch(deep, d, tap[0]) * high->in + plane_touch(high, h, tap[1]);
            pool_raise_row(x + line * wide->in + plane_touch(wide, from[2], tap[2]), wide->stride, to[2] - from[2],
                           y + (d * high->out + h) * wide->out + from[2]);
        }
}

static void pool_raise_block(const void *context, int64_t block, unsigned worker) {
    const struct pool *pool = context;
    const struct plane *plane = &pool->plane;
    float *y = pool->y->floats + block * plane->out_elems;
    int64_t tap[PLANE_AXES];
    (void)worker;
    for (int64_t i = 0; i < plane->out_elems; i++) y[i] = -INFINITY;
    for (tap[0] = 0; tap[0] < plane->axis[0].kernel; tap[0]++)
        for (tap[1] = 0; tap[1] < plane->axis[1].kernel; tap[1]++)
            for (tap[2] = 0; tap[2] < plane->axis[2].kernel; tap[2]++) pool_raise(plane, pool->x->floats + block * plane->in_elems, tap, y);
}

/* ---- blocks and kernels ---- */

static void pool_average_block(const void *context, int64_t block, unsigned worker) {
    (void)worker;
    pool_each(context, block, pool_average_of);
}
static void pool_most_block(const void *context, int64_t block, unsigned worker) {
    (void)worker;
    pool_each(context, block, pool_most_of);
}
static void pool_power_block(const void *context, int64_t block, unsigned worker) {
    (void)worker;
    pool_each(context, block, pool_power_of);
}

static status pool_walk(struct kernel *kernel, struct pool *pool, const struct window *window,
                        void (*body)(const void *context, int64_t block, unsigned worker)) {
    const status result = kernel_output(kernel, 0, &pool->y);
    if (result != STATUS_OK) return result;
    plane_init(&pool->plane, window);
    kernel_parallel(kernel, pool->x->shape.dims[0] * pool->x->shape.dims[1], (double)pool->y->elements * (double)pool->plane.taps, body,
                    pool);
    return STATUS_OK;
}

static status pool_window(struct kernel *kernel, struct pool *pool, void (*body)(const void *context, int64_t block, unsigned worker)) {
    struct window window;
    pool->x = kernel->inputs[0];
    const status result = window_of_node(kernel->graph, kernel->id, &pool->x->shape, NULL, &window, kernel->diag);
    return result == STATUS_OK ? pool_walk(kernel, pool, &window, body) : result;
}

/* A window as large as the plane. */
static status pool_global(struct kernel *kernel, struct pool *pool, void (*body)(const void *context, int64_t block, unsigned worker)) {
    pool->x = kernel->inputs[0];
    const struct shape *shape = &pool->x->shape;
    if (shape->rank < 2) return kernel_fail(kernel, STATUS_INVALID, "input of rank %u", shape->rank);
    struct window window = {.axes = 1};
    const int64_t elements = kernel_product(shape, 2, shape->rank);
    window.axis[0] = (struct window_axis){.in = elements, .out = 1, .kernel = elements, .stride = 1, .dilation = 1};
    return pool_walk(kernel, pool, &window, body);
}

static status pool_needs_floats(const struct kernel *kernel) {
    return kernel->inputs[0]->floats ? STATUS_OK
                                     : kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(kernel->inputs[0]->shape.type));
}

status kernel_average_pool(struct kernel *kernel) {
    struct pool pool = {.counts_pads = node_int(kernel->node, "count_include_pad", 0) != 0};
    const status result = pool_needs_floats(kernel);
    return result == STATUS_OK ? pool_window(kernel, &pool, pool_average_block) : result;
}

status kernel_max_pool(struct kernel *kernel) {
    struct pool pool = {.is_column_major = node_int(kernel->node, "storage_order", 0) != 0};
    const status result = kernel_wants(kernel, 1) ? kernel_output(kernel, 1, &pool.indices) : STATUS_OK;
    const bool is_plain = !pool.indices && kernel->inputs[0]->floats;
    return result == STATUS_OK ? pool_window(kernel, &pool, is_plain ? pool_raise_block : pool_most_block) : result;
}

status kernel_global_average_pool(struct kernel *kernel) {
    struct pool pool = {0};
    const status result = pool_needs_floats(kernel);
    return result == STATUS_OK ? pool_global(kernel, &pool, pool_average_block) : result;
}

status kernel_global_max_pool(struct kernel *kernel) {
    struct pool pool = {0};
    return pool_global(kernel, &pool, pool_most_block);
}

status kernel_lp_pool(struct kernel *kernel) {
    struct pool pool = {.power = (float)node_int(kernel->node, "p", 2)};
    const status result = pool_needs_floats(kernel);
    return result == STATUS_OK ? pool_window(kernel, &pool, pool_power_block) : result;
}
