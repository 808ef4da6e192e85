/* Layout: Transpose, Slice, Expand, Tile, the block operators, Concat, Split, Gather, Pad. */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "eval/broadcast.h"
#include "eval/move.h"

static bool move_axis(int64_t axis, uint32_t rank, uint32_t *normal) {
    if (axis < 0) axis += rank;
    *normal = (uint32_t)axis;
    return axis >= 0 && axis < rank;
}

/* ---- by strides ---- */

static status move_made(struct kernel *kernel, const struct move *move) {
    struct eval_tensor *y;
    const status result = kernel_output(kernel, 0, &y);
    if (result == STATUS_OK) move_run(kernel, move, kernel->inputs[0], y);
    return result;
}

status kernel_transpose(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape;
    const struct attribute *perm = node_attribute(kernel->node, "perm");
    struct move move = {.rank = x->rank};
    int64_t strides[SHAPE_MAX_RANK];
    move_strides(x, strides);
    for (uint32_t i = 0; i < x->rank; i++) {
        const int64_t from = perm ? perm->ints[i] : (int64_t)x->rank - 1 - i; /* checked by the shape rule */
        move.dims[i] = x->dims[from];
        move.strides[i] = strides[from];
    }
    return move_made(kernel, &move);
}

status kernel_expand(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape, *y = &kernel->outputs[0].shape;
    struct move move = {.rank = y->rank};
    int64_t strides[SHAPE_MAX_RANK];
    if (y->known && !broadcast_possible(y, x))
        return kernel_fail(kernel, STATUS_INVALID, "its input does not broadcast to the shape asked for");
    move_strides(x, strides);
    for (uint32_t i = 0; i < y->rank; i++) {
        const uint32_t missing = y->rank - x->rank;
        move.dims[i] = y->dims[i];
        move.strides[i] = i < missing || x->dims[i - missing] == 1 ? 0 : strides[i - missing];
    }
    return move_made(kernel, &move);
}

status kernel_tile(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0], *repeats = kernel->inputs[1];
    struct move move = {.rank = 2 * x->shape.rank};
    struct shape *y = &kernel->outputs[0].shape;
    int64_t strides[SHAPE_MAX_RANK];
    if (!repeats->integers || repeats->elements != x->shape.rank)
        return kernel_fail(kernel, STATUS_INVALID, "%" PRId64 " repeats for rank %u", repeats->elements, x->shape.rank);
    move_strides(&x->shape, strides);
    *y = x->shape;
    for (uint32_t i = 0; i < x->shape.rank; i++) {
        if (repeats->integers[i] < 0 || !checked_mul(x->shape.dims[i], repeats->integers[i], &y->dims[i]))
            return kernel_fail(kernel, STATUS_INVALID, "repeats are %" PRId64 " along axis %u", repeats->integers[i], i);
        move.dims[2 * i] = repeats->integers[i];
        move.dims[2 * i + 1] = x->shape.dims[i];
        move.strides[2 * i + 1] = strides[i];
    }
    return move_made(kernel, &move);
}

/* The first index that a slice takes along an axis, and the step; how many is the output's dim. */
static void move_slice_axis(struct move *move, uint32_t axis, int64_t size, int64_t start, int64_t step) {
    if (start < 0) start = start < -size ? 0 : start + size;
    if (step < 0 && start > size - 1) start = size - 1;
    move->offset += start * move->strides[axis];
    move->strides[axis] = move->dims[axis] > 1 ? move->strides[axis] * step : 0;
}

status kernel_slice(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape, *y = &kernel->outputs[0].shape;
    struct move move = {.rank = x->rank};
    const int64_t *starts, *axes = NULL, *steps = NULL;
    uint32_t count, axis_count = 0, step_count = 0;
    if (!kernel_integers(kernel, "starts", 1, &starts, &count))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "its starts are no integers");
    kernel_integers(kernel, "axes", 3, &axes, &axis_count);
    kernel_integers(kernel, "", 4, &steps, &step_count);
    if ((axes && axis_count != count) || (steps && step_count != count) || y->rank != x->rank)
        return kernel_fail(kernel, STATUS_INVALID, "%u starts, %u axes", count, axis_count);
    move_strides(x, move.strides);
    memcpy(move.dims, y->dims, sizeof y->dims);
    for (uint32_t i = 0; i < count && shape_elements(y) > 0; i++) {
        uint32_t axis;
        if (!move_axis(axes ? axes[i] : i, x->rank, &axis)) return kernel_fail(kernel, STATUS_INVALID, "axis of entry %u", i);
        move_slice_axis(&move, axis, x->dims[axis], starts[i], steps ? steps[i] : 1);
    }
    return move_made(kernel, &move);
}

/* x: [N, C, H b, W b]  y: [N, b b C, H, W] */
status kernel_space_to_depth(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape, *y = &kernel->outputs[0].shape;
    const int64_t b = node_int(kernel->node, "blocksize", 1), wide = x->dims[3], plane = x->dims[2] * wide;
    const struct move move = {.rank = 6,
                              .dims = {x->dims[0], b, b, x->dims[1], y->dims[2], y->dims[3]},
                              .strides = {x->dims[1] * plane, wide, 1, plane, b * wide, b}};
    return move_made(kernel, &move);
}

/* x: [N, C, H, W]  y: [N, C/bb, H b, W b]; DCR: channels are (block, block, C/bb), CRD: (C/bb, block, block). */
status kernel_depth_to_space(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape, *y = &kernel->outputs[0].shape;
    const int64_t b = node_int(kernel->node, "blocksize", 1), wide = x->dims[3], plane = x->dims[2] * wide, channels = y->dims[1];
    const bool is_crd = strcmp(node_text(kernel->node, "mode", "DCR"), "CRD") == 0;
    const int64_t channel = is_crd ? b * b * plane : plane, row = is_crd ? b * plane : b * channels * plane,
                  column = is_crd ? plane : channels * plane;
    const struct move move = {
        .rank = 6, .dims = {x->dims[0], channels, x->dims[2], b, wide, b}, .strides = {x->dims[1] * plane, channel, wide, row, 1, column}};
    return move_made(kernel, &move);
}

/* ---- by pieces along one axis ---- */

status kernel_concat(struct kernel *kernel) {
    struct eval_tensor *y;
    uint32_t axis;
    int64_t at = 0;
    status result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK) return result;
    if (!move_axis(node_int(kernel->node, "axis", 1), y->shape.rank, &axis)) return kernel_fail(kernel, STATUS_INVALID, "its axis");
    const int64_t inner = kernel_product(&y->shape, axis + 1, y->shape.rank), outer = kernel_product(&y->shape, 0, axis);
    const int64_t row = y->shape.dims[axis] * inner;
    for (uint32_t i = 0; i < kernel->node->input_count; i++) {
        const struct eval_tensor *x = kernel->inputs[i];
        if (!x || !!x->floats != !!y->floats) return kernel_fail(kernel, STATUS_INVALID, "input %u is of another type", i);
        const int64_t piece = x->shape.dims[axis] * inner;
        for (int64_t k = 0; k < outer; k++) move_copy(y, k * row + at, x, k * piece, piece);
        at += piece;
    }
    return STATUS_OK;
}

status kernel_split(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0];
    uint32_t axis;
    int64_t at = 0;
    if (!move_axis(node_int(kernel->node, "axis", 0), x->shape.rank, &axis)) return kernel_fail(kernel, STATUS_INVALID, "its axis");
    const int64_t inner = kernel_product(&x->shape, axis + 1, x->shape.rank), outer = kernel_product(&x->shape, 0, axis);
    const int64_t row = x->shape.dims[axis] * inner;
    for (uint32_t i = 0; i < kernel->node->output_count; i++) {
        struct eval_tensor *y;
        if (!kernel_wants(kernel, i)) return kernel_fail(kernel, STATUS_UNSUPPORTED, "output %u is left out", i);
        const status result = kernel_output(kernel, i, &y);
        if (result != STATUS_OK) return result;
        const int64_t piece = y->shape.dims[axis] * inner;
        if (at + piece > row) return kernel_fail(kernel, STATUS_INVALID, "its parts are larger than the whole");
        for (int64_t k = 0; k < outer; k++) move_copy(y, k * piece, x, k * row + at, piece);
        at += piece;
    }
    return STATUS_OK;
}

status kernel_gather(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0], *indices = kernel->inputs[1];
    struct eval_tensor *y;
    uint32_t axis;
    if (!indices->integers || !move_axis(node_int(kernel->node, "axis", 0), x->shape.rank, &axis))
        return kernel_fail(kernel, STATUS_INVALID, "its axis or indices");
    const status result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK) return result;
    const int64_t inner = kernel_product(&x->shape, axis + 1, x->shape.rank), outer = kernel_product(&x->shape, 0, axis);
    const int64_t size = x->shape.dims[axis];
    for (int64_t k = 0; k < outer; k++)
        for (int64_t i = 0; i < indices->elements; i++) {
            const int64_t index = indices->integers[i] < 0 ? indices->integers[i] + size : indices->integers[i];
            if (index < 0 || index >= size)
                return kernel_fail(kernel, STATUS_INVALID, "index %" PRId64 " of %" PRId64, indices->integers[i], size);
            move_copy(y, (k * indices->elements + i) * inner, x, (k * size + index) * inner, inner);
        }
    return STATUS_OK;
}

/* ---- Pad ---- */

enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP, PAD_MODES };

/* The source index that stands at `index`, which may be outside [0, size); -1 = the constant. */
static int64_t pad_source(enum pad_mode mode, int64_t index, int64_t size) {
    if (index >= 0 && index < size) return index;
    if (mode == PAD_CONSTANT || size == 0) return -1;
    if (mode == PAD_EDGE) return index < 0 ? 0 : size - 1;
    const int64_t period = mode == PAD_WRAP ? size : size > 1 ? 2 * (size - 1) : 1;
    const int64_t place = (index % period + period) % period;
    return place < size ? place : period - place;
}

struct pad {
    const struct eval_tensor *x;
    struct eval_tensor *y;
    double constant;
    int64_t *sources[SHAPE_MAX_RANK]; /* by axis and output index */
};

/* A row of the output: all indices but the last are fixed. */
static void pad_row(const struct pad *pad, int64_t row) {
    const struct shape *x = &pad->x->shape, *y = &pad->y->shape;
    const int64_t length = y->dims[y->rank - 1], *last = pad->sources[y->rank - 1];
    int64_t from = 0, stride = x->dims[x->rank - 1], rest = row;
    bool is_inside = true;
    for (uint32_t i = y->rank - 1; i-- > 0; rest /= y->dims[i], stride *= x->dims[i]) {
        const int64_t source = pad->sources[i][rest % y->dims[i]];
        is_inside = is_inside && source >= 0;
        from += source * stride;
    }
    for (int64_t i = 0; i < length; i++) {
        const bool has_source = is_inside && last[i] >= 0;
        if (pad->y->floats) pad->y->floats[row * length + i] = has_source ? pad->x->floats[from + last[i]] : (float)pad->constant;
        else pad->y->integers[row * length + i] = has_source ? pad->x->integers[from + last[i]] : (int64_t)pad->constant;
    }
}

static void pad_block(const void *context, int64_t block, unsigned worker) {
    (void)worker;
    pad_row(context, block);
}

/* Pads at the begin of each axis. */
static status pad_begins(const struct kernel *kernel, int64_t *begins) {
    const uint32_t rank = kernel->inputs[0]->shape.rank;
    const int64_t *pads, *axes = NULL;
    uint32_t count, axis_count = rank;
    const bool has_pads = kernel_integers(kernel, "pads", 1, &pads, &count) || kernel_integers(kernel, "paddings", 1, &pads, &count);
    kernel_integers(kernel, "", 3, &axes, &axis_count);
    if (!has_pads || count != 2 * axis_count) return kernel_fail(kernel, STATUS_INVALID, "its pads");
    for (uint32_t i = 0; i < axis_count; i++) {
        uint32_t axis;
        if (!move_axis(axes ? axes[i] : i, rank, &axis)) return kernel_fail(kernel, STATUS_INVALID, "axis of entry %u", i);
        begins[axis] = pads[i];
    }
    return STATUS_OK;
}

static status pad_mode_of(const struct kernel *kernel, enum pad_mode *mode) {
    static const char *const names[PAD_MODES] = {"constant", "reflect", "edge", "wrap"};
    const char *given = node_text(kernel->node, "mode", "constant");
    for (int i = 0; i < PAD_MODES; i++)
        if (strcmp(given, names[i]) == 0) {
            *mode = (enum pad_mode)i;
            return STATUS_OK;
        }
    return kernel_fail(kernel, STATUS_UNSUPPORTED, "mode '%s'", given);
}

status kernel_pad(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0];
    const uint32_t rank = x->shape.rank;
    struct pad pad = {.x = x, .constant = kernel_number(kernel, 2, (double)node_float(kernel->node, "value", 0))};
    int64_t begins[SHAPE_MAX_RANK] = {0};
    enum pad_mode mode = PAD_CONSTANT;
    status result = pad_begins(kernel, begins);
    if (result == STATUS_OK) result = pad_mode_of(kernel, &mode);
    if (result == STATUS_OK && !rank) return kernel_output_shared(kernel, 0, 0);
    if (result == STATUS_OK) result = kernel_output(kernel, 0, &pad.y);
    if (result != STATUS_OK || !pad.y->elements) return result;
    for (uint32_t i = 0; i < rank; i++) {
        pad.sources[i] = ARENA_ARRAY(kernel->scratch, int64_t, pad.y->shape.dims[i]);
        for (int64_t k = 0; k < pad.y->shape.dims[i]; k++) pad.sources[i][k] = pad_source(mode, k - begins[i], x->shape.dims[i]);
    }
    kernel_parallel(kernel, pad.y->elements / pad.y->shape.dims[rank - 1], (double)pad.y->elements, pad_block, &pad);
    return STATUS_OK;
}
