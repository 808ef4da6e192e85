/* Resize and Upsample: along each axis a result is a weighted sum of few inputs (its taps), so axis after axis is stretched by itself.
 * Source of the rules: the operator's text, https://onnx.ai/onnx/operators/onnx__Resize.html; antialiasing as PIL does it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "eval/move.h"

#define RESIZE_FARTHEST 0x1p40

enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };

struct resize {
    enum resize_mode mode;
    const char *coordinates, *rounding;
    bool antialiases, excludes_outside;
    double cubic, extrapolation;
    uint32_t rank;
    int64_t in[SHAPE_MAX_RANK], out[SHAPE_MAX_RANK];
    double scale[SHAPE_MAX_RANK];
    double start[SHAPE_MAX_RANK], end[SHAPE_MAX_RANK]; /* of tf_crop_and_resize */
};

/* Of one axis: result i is the sum of weights[i taps + k] times input indices[i taps + k]; is_outside: it is the extrapolation value. */
struct resize_axis {
    int64_t taps;
    int64_t *indices;
    float *weights;
    bool *is_outside;
};

static const char *const resize_crop = "tf_crop_and_resize";

/* ---- where a result lies among the inputs ---- */

static double resize_place(const struct resize *resize, uint32_t axis, int64_t i) {
    const double in = (double)resize->in[axis], out = (double)resize->out[axis], scale = resize->scale[axis], x = (double)i;
    if (strcmp(resize->coordinates, "asymmetric") == 0) return x / scale;
    if (strcmp(resize->coordinates, "align_corners") == 0) return out > 1 ? x * (in - 1) / (out - 1) : 0;
    if (strcmp(resize->coordinates, "pytorch_half_pixel") == 0) return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
    if (strcmp(resize->coordinates, "half_pixel_symmetric") == 0) return in / 2 * (1 - out / (scale * in)) + (x + 0.5) / scale - 0.5;
    if (strcmp(resize->coordinates, resize_crop) == 0) {
        const double start = resize->start[axis], end = resize->end[axis];
        return out > 1 ? start * (in - 1) + x * (end - start) * (in - 1) / (out - 1) : 0.5 * (start + end) * (in - 1);
    }
    return (x + 0.5) / scale - 0.5;
}

static double resize_round(const struct resize *resize, uint32_t axis, double place) {
    if (strcmp(resize->rounding, "floor") == 0) return floor(place);
    if (strcmp(resize->rounding, "ceil") == 0) return ceil(place);
    if (strcmp(resize->rounding, "simple") == 0) return resize->scale[axis] < 1 ? ceil(place) : floor(place); /* opset 10 */
    if (strcmp(resize->rounding, "round_prefer_ceil") == 0) return floor(place + 0.5);
    return ceil(place - 0.5);
}

/* ---- taps ---- */

static double resize_kernel(const struct resize *resize, double distance) {
    const double d = fabs(distance), a = resize->cubic;
    if (resize->mode == RESIZE_LINEAR) return d < 1 ? 1 - d : 0;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Half the width of the kernel, wider where it must not alias. */
static double resize_reach(const struct resize *resize, uint32_t axis) {
    const double half = resize->mode == RESIZE_LINEAR ? 1 : 2;
    return resize->antialiases && resize->scale[axis] < 1 ? half / resize->scale[axis] : half;
}

static void resize_weigh(const struct resize *resize, uint32_t axis, const struct resize_axis *made, int64_t i, double place) {
    const int64_t size = resize->in[axis], first = kernel_whole(floor(place - resize_reach(resize, axis))) + 1;
    const bool shrinks = resize->antialiases && resize->scale[axis] < 1, sums_to_one = resize->excludes_outside || shrinks;
    double sum = 0;
    for (int64_t k = 0; k < made->taps; k++) {
        const int64_t at = first + k;
        double weight = resize_kernel(resize, ((double)at - place) * (shrinks ? resize->scale[axis] : 1));
        if (resize->excludes_outside && (at < 0 || at >= size)) weight = 0;
        made->indices[i * made->taps + k] = greatest(least(at, size - 1), 0);
        made->weights[i * made->taps + k] = (float)weight;
        sum += weight;
    }
    for (int64_t k = 0; k < made->taps && sums_to_one && fabs(sum) > 0; k++)
        made->weights[i * made->taps + k] = (float)((double)made->weights[i * made->taps + k] / sum);
}

static void resize_prepare(struct arena *arena, const struct resize *resize, uint32_t axis, struct resize_axis *made) {
    const int64_t out = resize->out[axis], size = resize->in[axis];
    const bool crops = strcmp(resize->coordinates, resize_crop) == 0;
    made->taps = resize->mode == RESIZE_NEAREST ? 1 : 2 * (int64_t)ceil(resize_reach(resize, axis));
    made->indices = ARENA_ARRAY(arena, int64_t, out * made->taps);
    made->weights = ARENA_ARRAY(arena, float, out * made->taps);
    made->is_outside = ARENA_ARRAY(arena, bool, out);
    for (int64_t i = 0; i < out; i++) {
        const double place = fmin(fmax(resize_place(resize, axis, i), -RESIZE_FARTHEST), RESIZE_FARTHEST); /* not NaN either */
        made->is_outside[i] = crops && (place < 0 || place > (double)(size - 1));
        if (resize->mode != RESIZE_NEAREST) {
            resize_weigh(resize, axis, made, i,
                         resize->mode == RESIZE_LINEAR && !resize->antialiases ? fmin(fmax(place, 0), (double)(size - 1)) : place);
            continue;
        }
        const double at = resize_round(resize, axis, place);
        made->indices[i] = at < 0 ? 0 : at > (double)(size - 1) ? size - 1 : kernel_whole(at);
        made->weights[i] = 1;
    }
}

/* ---- one axis stretched ---- */

struct resize_pass {
    const struct resize_axis *axis;
    const float *x;
    float *y;
    int64_t in, out, inner; /* elements of one index of the axis */
};

/* A block: one index of all that lies outside the axis. */
static void resize_block(const void *context, int64_t block, unsigned worker) {
    const struct resize_pass *pass = context;
    const struct resize_axis *axis = pass->axis;
    const float *x = pass->x + block * pass->in * pass->inner;
    (void)worker;
    for (int64_t i = 0; i < pass->out; i++) {
        float *y = pass->y + (block * pass->out + i) * pass->inner;
        const int64_t *indices = axis->indices + i * axis->taps;
        const float *weights = axis->weights + i * axis->taps;
        for (int64_t e = 0; e < pass->inner; e++) y[e] = x[indices[0] * pass->inner + e] * weights[0];
        for (int64_t k = 1; k < axis->taps; k++)
            for (int64_t e = 0; e < pass->inner; e++) y[e] += x[indices[k] * pass->inner + e] * weights[k];
    }
}

static void resize_extrapolate(const struct resize *resize, const struct resize_axis *axes, struct eval_tensor *y) {
    for (int64_t at = 0; at < y->elements; at++) {
        int64_t rest = at;
        for (uint32_t i = resize->rank; i-- > 0; rest /= resize->out[i])
            if (axes[i].is_outside[rest % resize->out[i]]) y->floats[at] = (float)resize->extrapolation;
    }
}

/* dims: of what there is so far; the axis' becomes the output's. */
static status resize_stretch(struct kernel *kernel, const struct resize *resize, uint32_t axis, const struct resize_axis *made,
                             struct shape *dims, const float **data) {
    struct resize_pass pass = {made, *data, NULL, resize->in[axis], resize->out[axis], kernel_product(dims, axis + 1, dims->rank)};
    const int64_t outer = kernel_product(dims, 0, axis);
    dims->dims[axis] = resize->out[axis];
    const status result = kernel_floats(kernel, shape_elements(dims), &pass.y);
    if (result != STATUS_OK) return result;
    kernel_parallel(kernel, outer, (double)shape_elements(dims) * (double)made->taps, resize_block, &pass);
    *data = pass.y;
    return STATUS_OK;
}

/* ---- what is asked for ---- */

static const struct eval_tensor *resize_filled(const struct kernel *kernel, uint32_t input) {
    const struct eval_tensor *tensor = kernel_input(kernel, input);
    return tensor && tensor->elements ? tensor : NULL;
}

/* keep_aspect_ratio_policy: one scale for all axes asked for. */
static void resize_keep_ratio(struct resize *resize, const bool *asked, bool is_larger) {
    double scale = is_larger ? 0 : INFINITY;
    for (uint32_t i = 0; i < resize->rank; i++)
        if (asked[i]) scale = is_larger ? fmax(scale, resize->scale[i]) : fmin(scale, resize->scale[i]);
    for (uint32_t i = 0; i < resize->rank; i++) {
        if (!asked[i]) continue;
        resize->scale[i] = scale;
        resize->out[i] = (int64_t)floor(scale * (double)resize->in[i] + 0.5);
    }
}

static status resize_measure(struct kernel *kernel, struct resize *resize) {
    const bool is_old = kernel->node->input_count == 2;
    const struct eval_tensor *scales = resize_filled(kernel, is_old ? 1 : 2), *sizes = is_old ? NULL : resize_filled(kernel, 3);
    const struct attribute *axes = node_attribute(kernel->node, "axes");
    const int64_t count = axes ? axes->count : resize->rank;
    const char *policy = node_text(kernel->node, "keep_aspect_ratio_policy", "stretch");
    bool asked[SHAPE_MAX_RANK] = {false};
    if ((!scales && !sizes) || (sizes ? sizes->elements : scales->elements) != count || (sizes ? !sizes->integers : !scales->floats))
        return kernel_fail(kernel, STATUS_INVALID, "scales or sizes do not fit %" PRId64 " axes", count);
    for (int64_t i = 0; i < count; i++) {
        const int64_t given = axes ? axes->ints[i] : i, axis = given < 0 ? given + resize->rank : given;
        if (axis < 0 || axis >= resize->rank) return kernel_fail(kernel, STATUS_INVALID, "axis %" PRId64, given);
        asked[axis] = true;
        const double in = (double)resize->in[axis], scale = sizes ? (double)sizes->integers[i] / in : (double)scales->floats[i];
        if (!(scale > 0) || !(scale * in < 0x1p31)) return kernel_fail(kernel, STATUS_INVALID, "scale %g along axis %" PRId64, scale, axis);
        resize->scale[axis] = scale;
        resize->out[axis] = sizes ? sizes->integers[i] : (int64_t)floorf((float)in * (float)scale);
    }
    if (sizes && strcmp(policy, "stretch") != 0) resize_keep_ratio(resize, asked, strcmp(policy, "not_smaller") == 0);
    return STATUS_OK;
}

/* roi: a start and an end for each axis that is named. */
static status resize_take_roi(struct kernel *kernel, struct resize *resize) {
    const struct eval_tensor *roi = kernel->node->input_count == 2 ? NULL : resize_filled(kernel, 1);
    const struct attribute *axes = node_attribute(kernel->node, "axes");
    const int64_t count = axes ? axes->count : resize->rank;
    if (strcmp(resize->coordinates, resize_crop) != 0) return STATUS_OK;
    if (!roi || !roi->floats || roi->elements != 2 * count) return kernel_fail(kernel, STATUS_INVALID, "its roi does not name each axis");
    for (uint32_t i = 0; i < resize->rank; i++) resize->end[i] = 1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t given = axes ? axes->ints[i] : i, axis = given < 0 ? given + resize->rank : given;
        resize->start[axis] = (double)roi->floats[i];
        resize->end[axis] = (double)roi->floats[count + i];
    }
    return STATUS_OK;
}

static status resize_read(struct kernel *kernel, struct resize *resize) {
    const struct node *node = kernel->node;
    const bool is_old = node->input_count == 2, is_upsample = strcmp(node->op_type, "Upsample") == 0;
    const char *mode = node_text(node, "mode", "nearest");
    const struct eval_tensor *x = kernel->inputs[0];
    *resize = (struct resize){.mode = strcmp(mode, "nearest") == 0 ? RESIZE_NEAREST
                                      : strcmp(mode, "cubic") == 0 ? RESIZE_CUBIC
                                                                   : RESIZE_LINEAR,
                              .coordinates = node_text(node, "coordinate_transformation_mode", is_old ? "asymmetric" : "half_pixel"),
                              .rounding = node_text(node, "nearest_mode",
                                                    is_upsample ? "floor"
                                                    : is_old    ? "simple"
                                                                : "round_prefer_floor"),
                              .antialiases = node_int(node, "antialias", 0) != 0,
                              .excludes_outside = node_int(node, "exclude_outside", 0) != 0,
                              .cubic = (double)node_float(node, "cubic_coeff_a", -0.75f),
                              .extrapolation = (double)node_float(node, "extrapolation_value", 0),
                              .rank = x->shape.rank};
    if (!x->floats || !x->elements)
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %lld elements of %s", (long long)x->elements, type_name(x->shape.type));
    for (uint32_t i = 0; i < resize->rank; i++) {
        resize->in[i] = resize->out[i] = x->shape.dims[i];
        resize->scale[i] = 1;
    }
    const status result = resize_measure(kernel, resize);
    return result == STATUS_OK ? resize_take_roi(kernel, resize) : result;
}

status kernel_resize(struct kernel *kernel) {
    struct resize resize;
    struct resize_axis axes[SHAPE_MAX_RANK];
    struct eval_tensor *y;
    status result = resize_read(kernel, &resize);
    struct shape dims = kernel->inputs[0]->shape;
    const float *data = kernel->inputs[0]->floats;
    const bool crops = result == STATUS_OK && strcmp(resize.coordinates, resize_crop) == 0;
    for (uint32_t i = 0; i < dims.rank && result == STATUS_OK; i++) {
        const bool is_same = resize.in[i] == resize.out[i] && fabs(resize.scale[i] - 1) <= 0;
        resize_prepare(kernel->scratch, &resize, i, &axes[i]);
        if (!is_same || crops) result = resize_stretch(kernel, &resize, i, &axes[i], &dims, &data);
    }
    kernel->outputs[0].shape = dims;
    if (result == STATUS_OK) result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK) return result;
    memcpy(y->floats, data, (size_t)y->elements * sizeof *data);
    if (crops) resize_extrapolate(&resize, axes, y);
    return STATUS_OK;
}
