/* Reductions over axes, in double. */
#include <math.h>

#include "eval/kernel.h"

enum { REDUCE_BLOCK_ELEMS = 256 };

/* step takes an element in; finish makes the result of what came together and how many there were. */
struct reduce_kind {
    double start;
    double (*step)(double so_far, double x);
    double (*finish)(double so_far, double count);
};

struct reduce {
    struct reduce_kind kind;
    const struct eval_tensor *x;
    struct eval_tensor *y;
    /* axes of x that stay and that go, with their strides */
    uint32_t kept_count, gone_count;
    int64_t kept_dims[SHAPE_MAX_RANK], kept_strides[SHAPE_MAX_RANK], gone_dims[SHAPE_MAX_RANK], gone_strides[SHAPE_MAX_RANK];
    int64_t gone_elems;
};

/* Element `at` of a grid, as an offset. */
static int64_t reduce_offset(uint32_t rank, const int64_t *dims, const int64_t *strides, int64_t at) {
    int64_t offset = 0;
    for (uint32_t i = rank; i-- > 0; at /= dims[i]) offset += at % dims[i] * strides[i];
    return offset;
}

static double reduce_one(const struct reduce *reduce, int64_t start) {
    const uint32_t last = reduce->gone_count - 1;
    const int64_t row = reduce->gone_count ? reduce->gone_dims[last] : 1, stride = reduce->gone_count ? reduce->gone_strides[last] : 0;
    double so_far = reduce->kind.start;
    for (int64_t at = 0; at < reduce->gone_elems; at += row) {
        const int64_t from = start + reduce_offset(reduce->gone_count, reduce->gone_dims, reduce->gone_strides, at);
        for (int64_t i = 0; i < row; i++) so_far = reduce->kind.step(so_far, eval_element(reduce->x, from + i * stride));
    }
    return reduce->kind.finish(so_far, (double)reduce->gone_elems);
}

static void reduce_block(const void *context, int64_t block, unsigned worker) {
    const struct reduce *reduce = context;
    const int64_t from = block * REDUCE_BLOCK_ELEMS, to = from + kernel_block(reduce->y->elements, REDUCE_BLOCK_ELEMS, block);
    (void)worker;
    for (int64_t at = from; at < to; at++) {
        const double found = reduce_one(reduce, reduce_offset(reduce->kept_count, reduce->kept_dims, reduce->kept_strides, at));
        if (reduce->y->floats) reduce->y->floats[at] = (float)found;
        else reduce->y->integers[at] = kernel_wrapped(reduce->y->shape.type, kernel_whole(found));
    }
}

/* Which axes go; all where none is named. The axes are valid: the shape rule has looked at them. */
static void reduce_axes(const struct kernel *kernel, bool *gone) {
    const uint32_t rank = kernel->inputs[0]->shape.rank;
    const int64_t *axes = NULL;
    uint32_t count = 0;
    kernel_integers(kernel, "axes", 1, &axes, &count);
    if (!count && node_int(kernel->node, "noop_with_empty_axes", 0)) return;
    for (uint32_t i = 0; i < (count ? count : rank); i++) gone[!count ? i : axes[i] < 0 ? axes[i] + rank : axes[i]] = true;
}

static void reduce_plan(struct reduce *reduce, const struct shape *x, const bool *gone) {
    int64_t stride = kernel_product(x, 0, x->rank);
    reduce->gone_elems = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        stride = x->dims[i] ? stride / x->dims[i] : 0;
        if (gone[i]) {
            reduce->gone_elems *= x->dims[i];
            reduce->gone_dims[reduce->gone_count] = x->dims[i];
            reduce->gone_strides[reduce->gone_count++] = stride;
        } else {
            reduce->kept_dims[reduce->kept_count] = x->dims[i];
            reduce->kept_strides[reduce->kept_count++] = stride;
        }
    }
}

static status reduce_run(struct kernel *kernel, struct reduce_kind kind) {
    struct reduce reduce = {.kind = kind, .x = kernel->inputs[0]};
    bool gone[SHAPE_MAX_RANK] = {false};
    const status result = kernel_output(kernel, 0, &reduce.y);
    if (result != STATUS_OK) return result;
    reduce_axes(kernel, gone);
    reduce_plan(&reduce, &reduce.x->shape, gone);
    kernel_parallel(kernel, kernel_blocks(reduce.y->elements, REDUCE_BLOCK_ELEMS), (double)reduce.x->elements * 4, reduce_block, &reduce);
    return STATUS_OK;
}

static double step_sum(double so_far, double x) { return so_far + x; }
static double step_size(double so_far, double x) { return so_far + fabs(x); }
static double step_square(double so_far, double x) { return so_far + x * x; }
static double step_product(double so_far, double x) { return so_far * x; }
static double step_exp(double so_far, double x) { return so_far + exp(x); }
static double step_most(double so_far, double x) { return isnan(x) || x > so_far ? x : so_far; }
static double step_least(double so_far, double x) { return isnan(x) || x < so_far ? x : so_far; }
static double finish_plain(double so_far, double count) {
    (void)count;
    return so_far;
}
static double finish_mean(double so_far, double count) { return so_far / count; }
static double finish_root(double so_far, double count) {
    (void)count;
    return sqrt(so_far);
}
static double finish_log(double so_far, double count) {
    (void)count;
    return log(so_far);
}

#define REDUCE_KERNEL(name, start, step, finish)                                                                                           \
    status kernel_reduce_##name(struct kernel *kernel) { return reduce_run(kernel, (struct reduce_kind){start, step, finish}); }

REDUCE_KERNEL(l1, 0, step_size, finish_plain)
REDUCE_KERNEL(l2, 0, step_square, finish_root)
REDUCE_KERNEL(log_sum, 0, step_sum, finish_log)
REDUCE_KERNEL(log_sum_exp, 0, step_exp, finish_log)
REDUCE_KERNEL(max, -INFINITY, step_most, finish_plain)
REDUCE_KERNEL(mean, 0, step_sum, finish_mean)
REDUCE_KERNEL(min, INFINITY, step_least, finish_plain)
REDUCE_KERNEL(prod, 1, step_product, finish_plain)
REDUCE_KERNEL(sum, 0, step_sum, finish_plain)
REDUCE_KERNEL(sum_square, 0, step_square, finish_plain)

/* ---- where the most or the least stands ---- */

static int64_t reduce_place(const struct eval_tensor *x, int64_t from, int64_t stride, int64_t size, bool is_most, bool is_last) {
    int64_t place = 0;
    for (int64_t i = 1; i < size; i++) {
        const double a = eval_element(x, from + i * stride), b = eval_element(x, from + place * stride);
        if ((is_most ? a > b : a < b) || (is_last && a >= b && a <= b)) place = i;
    }
    return place;
}

static status reduce_places(struct kernel *kernel, bool is_most) {
    const struct eval_tensor *x = kernel->inputs[0];
    const bool keeps = node_int(kernel->node, "keepdims", 1) != 0, is_last = node_int(kernel->node, "select_last_index", 0) != 0;
    const int64_t given = node_int(kernel->node, "axis", 0), axis = given < 0 ? given + x->shape.rank : given;
    struct shape *shape = &kernel->outputs[0].shape;
    struct eval_tensor *y;
    if (axis < 0 || axis >= x->shape.rank)
        return kernel_fail(kernel, STATUS_INVALID, "axis %lld of rank %u", (long long)given, x->shape.rank);
    *shape = (struct shape){.known = true, .type = TYPE_INT64};
    for (uint32_t i = 0; i < x->shape.rank; i++)
        if (i != axis || keeps) shape->dims[shape->rank++] = i == axis ? 1 : x->shape.dims[i];
    const int64_t size = x->shape.dims[axis], inner = kernel_product(&x->shape, (uint32_t)axis + 1, x->shape.rank);
    const status result = kernel_output(kernel, 0, &y);
    for (int64_t i = 0; result == STATUS_OK && i < y->elements; i++)
        y->integers[i] = reduce_place(x, i / inner * size * inner + i % inner, inner, size, is_most, is_last);
    return result;
}

status kernel_arg_max(struct kernel *kernel) { return reduce_places(kernel, true); }
status kernel_arg_min(struct kernel *kernel) { return reduce_places(kernel, false); }
