/* Shape rules of what moves data: Concat, Slice, Pad, Reshape and kin, Transpose, Gather, Shape. */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "op/infer.h"

static status shape_move_bad_axis(const struct infer *infer, int64_t axis, uint32_t rank) {
    return diag_fail(infer->diag, STATUS_INVALID, "%s: axis %" PRId64 " of a tensor of rank %u",
                     graph_describe_node(infer->graph, infer->id), axis, rank);
}

static status shape_move_overflow(const struct infer *infer) {
    return diag_fail(infer->diag, STATUS_LIMIT, "%s: a size exceeds 63 bits", graph_describe_node(infer->graph, infer->id));
}

status infer_concat(struct infer *infer) {
    const struct shape *first = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const int64_t given = node_int(infer->node, "axis", 1);
    uint32_t axis, count = 0;
    int64_t numbers[64], total = 0;
    bool known = true;
    for (uint32_t i = 0; i < infer->node->input_count; i++) { /* lists of integers join too */
        const int64_t *part;
        uint32_t part_count;
        known = known && infer_input(infer, i)->rank <= 1 && infer_known(infer, infer->node->inputs[i], &part, &part_count) &&
                count + part_count <= 64;
        if (!known) break;
        memcpy(numbers + count, part, part_count * sizeof *part);
        count += part_count;
    }
    if (known) infer_set_integers(infer, 0, numbers, count);
    if (!first->known) return STATUS_OK;
    if (!infer_axis(given, first->rank, &axis)) return shape_move_bad_axis(infer, given, first->rank);
    *y = *first;
    for (uint32_t i = 0; i < infer->node->input_count; i++) {
        const struct shape *x = infer_input(infer, i);
        if (!x->known) {
            total = -1;
            continue;
        }
        if (x->rank != first->rank)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: inputs of rank %u and %u", graph_describe_node(infer->graph, infer->id),
                             first->rank, x->rank);
        for (uint32_t k = 0; k < x->rank; k++) {
            if (k == axis) continue;
            if (x->dims[k] >= 0 && y->dims[k] >= 0 && x->dims[k] != y->dims[k])
                return diag_fail(infer->diag, STATUS_INVALID, "%s: dim %u is %" PRId64 " in one input, %" PRId64 " in another",
                                 graph_describe_node(infer->graph, infer->id), k, y->dims[k], x->dims[k]);
            if (y->dims[k] < 0) y->dims[k] = x->dims[k];
        }
        if (total < 0 || x->dims[axis] < 0) total = -1;
        else if (!checked_add(total, x->dims[axis], &total)) return shape_move_overflow(infer);
    }
    y->dims[axis] = total;
    return STATUS_OK;
}

status infer_constant(struct infer *infer) {
    (void)infer; /* the tensor's own shape stands already */
    return STATUS_OK;
}

static int64_t shape_move_product(const struct shape *x, uint32_t from, uint32_t to) {
    int64_t product = 1;
    for (uint32_t i = from; i < to; i++) {
        if (x->dims[i] < 0) return -1;
        if (!checked_mul(product, x->dims[i], &product)) return -1;
    }
    return product;
}

status infer_flatten(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    const int64_t given = node_int(infer->node, "axis", 1);
    if (!x->known) return STATUS_OK;
    const int64_t axis = given < 0 ? given + x->rank : given;
    if (axis < 0 || axis > x->rank) return shape_move_bad_axis(infer, given, x->rank);
    *infer_output(infer, 0) =
        (struct shape){.known = true,
                       .type = x->type,
                       .rank = 2,
                       .dims = {shape_move_product(x, 0, (uint32_t)axis), shape_move_product(x, (uint32_t)axis, x->rank)}};
    return STATUS_OK;
}

status infer_reshape(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const int64_t *wanted;
    uint32_t count;
    y->type = x->type;
    const int64_t *same;
    uint32_t same_count;
    if (infer_known(infer, infer->node->inputs[0], &same, &same_count)) infer_set_integers(infer, 0, same, same_count);
    if (!infer_integers(infer, "shape", 1, &wanted, &count) || count > SHAPE_MAX_RANK) return STATUS_OK;
    const bool allow_zero = node_int(infer->node, "allowzero", 0) != 0;
    int64_t product = 1, open = -1;
    y->known = true;
    y->rank = count;
    for (uint32_t i = 0; i < count; i++) {
        y->dims[i] = wanted[i];
        if (wanted[i] == 0 && !allow_zero) y->dims[i] = x->known && i < x->rank ? x->dims[i] : -1;
        if (wanted[i] == -1) open = i;
        else if (wanted[i] < -1)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: dim %u is %" PRId64, graph_describe_node(infer->graph, infer->id), i,
                             wanted[i]);
        else if (product < 0 || y->dims[i] < 0) product = -1;
        else if (!checked_mul(product, y->dims[i], &product)) return shape_move_overflow(infer);
    }
    const int64_t elements = shape_elements(x);
    if (elements < 0 || product < 0) {
        if (open >= 0) y->dims[open] = -1;
        return STATUS_OK;
    }
    if (open >= 0 ? product == 0 || elements % product : elements != product)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: %" PRId64 " elements do not fit the shape asked for (%" PRId64 ")",
                         graph_describe_node(infer->graph, infer->id), elements, product);
    if (open >= 0) y->dims[open] = elements / product;
    return STATUS_OK;
}

status infer_squeeze(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const int64_t *axes = NULL, *numbers;
    uint32_t count = 0, number_count;
    if (infer_known(infer, infer->node->inputs[0], &numbers, &number_count)) infer_set_integers(infer, 0, numbers, number_count);
    const bool given = infer_integers(infer, "axes", 1, &axes, &count);
    if (!x->known || (!given && node_input(infer->node, 1).at)) return STATUS_OK;
    bool gone[SHAPE_MAX_RANK] = {false};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis;
        if (!infer_axis(axes[i], x->rank, &axis)) return shape_move_bad_axis(infer, axes[i], x->rank);
        if (x->dims[axis] > 1)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: dim %u is %" PRId64 ", only 1 can be squeezed",
                             graph_describe_node(infer->graph, infer->id), axis, x->dims[axis]);
        gone[axis] = true;
    }
    *y = (struct shape){.known = true, .type = x->type};
    for (uint32_t i = 0; i < x->rank; i++) {
        if (!given && x->dims[i] < 0) { /* whether it is 1 is not known, so the rank is not */
            y->known = false;
            return STATUS_OK;
        }
        if (given ? !gone[i] : x->dims[i] != 1) y->dims[y->rank++] = x->dims[i];
    }
    return STATUS_OK;
}

status infer_unsqueeze(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const int64_t *axes, *numbers;
    uint32_t count, number_count, from = 0;
    if (infer_known(infer, infer->node->inputs[0], &numbers, &number_count)) infer_set_integers(infer, 0, numbers, number_count);
    if (!x->known || !infer_integers(infer, "axes", 1, &axes, &count) || x->rank + count > SHAPE_MAX_RANK) return STATUS_OK;
    bool fresh[SHAPE_MAX_RANK] = {false};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis;
        if (!infer_axis(axes[i], x->rank + count, &axis) || fresh[axis]) return shape_move_bad_axis(infer, axes[i], x->rank + count);
        fresh[axis] = true;
    }
    *y = (struct shape){.known = true, .type = x->type, .rank = x->rank + count};
    for (uint32_t i = 0; i < y->rank; i++) y->dims[i] = fresh[i] ? 1 : x->dims[from++];
    return STATUS_OK;
}

/* Numbers of a small tensor of known shape at offset + the sum over the axes of index * stride: what Slice and Transpose take. */
static void shape_move_pick(const struct infer *infer, const int64_t *numbers, const struct shape *y, int64_t offset,
                            const int64_t *strides) {
    enum { MOST = 64 };
    int64_t picked[MOST], index[SHAPE_MAX_RANK] = {0};
    const int64_t count = shape_elements(y);
    if (count < 0 || count > MOST) return;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = offset;
        for (uint32_t k = 0; k < y->rank; k++) at += index[k] * strides[k];
        picked[i] = numbers[at];
        for (uint32_t k = y->rank; k-- > 0 && ++index[k] == y->dims[k];) index[k] = 0;
    }
    infer_set_integers(infer, 0, picked, (uint32_t)count);
}

/* Of each axis of a tensor that lies in one piece; false where its numbers or dims are not known. */
static bool shape_move_strides(const struct infer *infer, const struct shape *x, const int64_t **numbers, int64_t *strides) {
    uint32_t count;
    int64_t stride = 1;
    if (!infer_known(infer, infer->node->inputs[0], numbers, &count) || shape_elements(x) != count) return false;
    for (uint32_t i = x->rank; i-- > 0; stride *= x->dims[i]) strides[i] = stride;
    return true;
}

status infer_transpose(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const struct attribute *perm = node_attribute(infer->node, "perm");
    if (!x->known) return STATUS_OK;
    if (perm && perm->count != x->rank)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: perm has %u entries, expected %u", graph_describe_node(infer->graph, infer->id),
                         perm->count, x->rank);
    unsigned seen = 0;
    const int64_t *numbers;
    int64_t strides[SHAPE_MAX_RANK] = {0}, y_strides[SHAPE_MAX_RANK];
    const bool has_numbers = shape_move_strides(infer, x, &numbers, strides);
    *y = (struct shape){.known = true, .type = x->type, .rank = x->rank};
    for (uint32_t i = 0; i < x->rank; i++) {
        const int64_t from = perm ? perm->ints[i] : (int64_t)x->rank - 1 - i;
        if (from < 0 || from >= x->rank || seen >> from & 1) return shape_move_bad_axis(infer, from, x->rank);
        seen |= 1u << from;
        y->dims[i] = x->dims[from];
        y_strides[i] = strides[from];
    }
    if (has_numbers) shape_move_pick(infer, numbers, y, 0, y_strides);
    return STATUS_OK;
}

/* How many indices start, start + step, ... below (above) end are in [0, size). */
static int64_t shape_move_slice(int64_t size, int64_t start, int64_t end, int64_t step) {
    if (start < 0) start = start < -size ? 0 : start + size;
    if (end < 0) end = end < -size ? -1 : end + size;
    if (step > 0) {
        if (end < 0) end = 0;
        if (start > size) start = size;
        if (end > size) end = size;
        return end > start ? (end - start - 1) / step + 1 : 0;
    }
    if (start > size - 1) start = size - 1;
    if (end > size - 1) end = size - 1;
    if (start <= end) return 0;
    return step < -size ? 1 : (start - end - 1) / -step + 1;
}

/* The first index that such a slice takes, where it takes any. */
static int64_t shape_move_first(int64_t size, int64_t start, int64_t step) {
    if (start < 0) start = start < -size ? 0 : start + size;
    return step < 0 && start > size - 1 ? size - 1 : start;
}

static bool shape_move_lists(const int64_t *axes, uint32_t count, uint32_t wanted, uint32_t rank) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis;
        if (infer_axis(axes[i], rank, &axis) && axis == wanted) return true;
    }
    return false;
}

status infer_slice(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const int64_t *starts, *ends, *axes, *steps, *numbers;
    uint32_t count, end_count, axis_count, step_count;
    int64_t strides[SHAPE_MAX_RANK] = {0}, offset = 0;
    const bool known = infer_integers(infer, "starts", 1, &starts, &count) && infer_integers(infer, "ends", 2, &ends, &end_count);
    const bool has_axes = infer_integers(infer, "axes", 3, &axes, &axis_count),
               has_steps = infer_known(infer, node_input(infer->node, 4), &steps, &step_count);
    if (!x->known) return STATUS_OK;
    *y = *x;
    const bool unknown_axes = !has_axes && node_input(infer->node, 3).at, unknown_steps = !has_steps && node_input(infer->node, 4).at;
    if (!known || unknown_axes || unknown_steps) {
        for (uint32_t i = 0; i < y->rank; i++)
            if (!has_axes || shape_move_lists(axes, axis_count, i, y->rank)) y->dims[i] = -1;
        return STATUS_OK;
    }
    if (end_count != count || (has_axes && axis_count != count) || (has_steps && step_count != count))
        return diag_fail(infer->diag, STATUS_INVALID, "%s: %u starts, %u ends", graph_describe_node(infer->graph, infer->id), count,
                         end_count);
    const bool has_numbers = shape_move_strides(infer, x, &numbers, strides);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis;
        const int64_t given = has_axes ? axes[i] : i, step = has_steps ? steps[i] : 1;
        if (!infer_axis(given, x->rank, &axis)) return shape_move_bad_axis(infer, given, x->rank);
        if (step == 0) return diag_fail(infer->diag, STATUS_INVALID, "%s: step 0", graph_describe_node(infer->graph, infer->id));
        if (x->dims[axis] < 0) continue;
        y->dims[axis] = shape_move_slice(x->dims[axis], starts[i], ends[i], step);
        if (!has_numbers || y->dims[axis] == 0) continue;
        offset += shape_move_first(x->dims[axis], starts[i], step) * strides[axis];
        strides[axis] = y->dims[axis] > 1 ? strides[axis] * step : 0;
    }
    if (has_numbers) shape_move_pick(infer, numbers, y, offset, strides);
    return STATUS_OK;
}

status infer_pad(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const int64_t *pads, *axes;
    uint32_t count, axis_count;
    if (!x->known) return STATUS_OK;
    *y = *x;
    bool known = infer_integers(infer, "pads", 1, &pads, &count);
    if (!known) known = infer_integers(infer, "paddings", 1, &pads, &count);
    const bool has_axes = infer_known(infer, node_input(infer->node, 3), &axes, &axis_count);
    if (!known || (!has_axes && node_input(infer->node, 3).at)) {
        for (uint32_t i = 0; i < y->rank; i++) y->dims[i] = -1;
        return STATUS_OK;
    }
    const uint32_t axes_padded = has_axes ? axis_count : x->rank;
    if (count != 2 * axes_padded)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: pads has %u entries, expected %u", graph_describe_node(infer->graph, infer->id),
                         count, 2 * axes_padded);
    for (uint32_t i = 0; i < axes_padded; i++) {
        uint32_t axis;
        const int64_t given = has_axes ? axes[i] : i;
        if (!infer_axis(given, x->rank, &axis)) return shape_move_bad_axis(infer, given, x->rank);
        if (x->dims[axis] >= 0 &&
            (!checked_add(x->dims[axis], pads[i], &y->dims[axis]) || !checked_add(y->dims[axis], pads[axes_padded + i], &y->dims[axis])))
            return shape_move_overflow(infer);
        if (y->dims[axis] < 0 && x->dims[axis] >= 0)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: pads %" PRId64 " and %" PRId64 " leave nothing of %" PRId64,
                             graph_describe_node(infer->graph, infer->id), pads[i], pads[axes_padded + i], x->dims[axis]);
    }
    return STATUS_OK;
}

status infer_shape(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    *y = (struct shape){.known = true, .type = TYPE_INT64, .rank = 1, .dims = {-1}};
    if (!x->known) return STATUS_OK;
    int64_t from = node_int(infer->node, "start", 0), to = node_int(infer->node, "end", x->rank);
    if (from < 0) from = from + x->rank < 0 ? 0 : from + x->rank;
    if (to < 0) to += x->rank;
    if (to > x->rank) to = x->rank;
    const uint32_t count = to > from ? (uint32_t)(to - from) : 0;
    y->dims[0] = count;
    for (uint32_t i = 0; i < count; i++)
        if (x->dims[from + i] < 0) return STATUS_OK;
    infer_set_integers(infer, 0, x->dims + from, count);
    return STATUS_OK;
}

status infer_gather(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0), *indices = infer_input(infer, 1);
    struct shape *y = infer_output(infer, 0);
    const int64_t *numbers, *chosen, given = node_int(infer->node, "axis", 0);
    uint32_t count, chosen_count, axis;
    y->type = x->type;
    if (x->rank <= 1 && infer_known(infer, infer->node->inputs[0], &numbers, &count) &&
        infer_known(infer, infer->node->inputs[1], &chosen, &chosen_count) && chosen_count <= 64) {
        int64_t picked[64];
        for (uint32_t i = 0; i < chosen_count; i++) {
            const int64_t index = chosen[i] < 0 ? chosen[i] + count : chosen[i];
            if (index < 0 || index >= count)
                return diag_fail(infer->diag, STATUS_INVALID, "%s: index %" PRId64 " of %u", graph_describe_node(infer->graph, infer->id),
                                 chosen[i], count);
            picked[i] = numbers[index];
        }
        infer_set_integers(infer, 0, picked, chosen_count);
    }
    if (!x->known || !indices->known || x->rank + indices->rank > SHAPE_MAX_RANK + 1) return STATUS_OK;
    if (!infer_axis(given, x->rank, &axis)) return shape_move_bad_axis(infer, given, x->rank);
    *y = (struct shape){.known = true, .type = x->type};
    for (uint32_t i = 0; i < axis; i++) y->dims[y->rank++] = x->dims[i];
    for (uint32_t i = 0; i < indices->rank; i++) y->dims[y->rank++] = indices->dims[i];
    for (uint32_t i = axis + 1; i < x->rank; i++) y->dims[y->rank++] = x->dims[i];
    return STATUS_OK;
}

/* Sizes given, or equal parts of which the last may be smaller. */
status infer_split(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    const int64_t *parts, given = node_int(infer->node, "axis", 0);
    uint32_t axis, count;
    if (!x->known) return STATUS_OK;
    if (!infer_axis(given, x->rank, &axis)) return shape_move_bad_axis(infer, given, x->rank);
    const bool has_parts = infer_integers(infer, "split", 1, &parts, &count), unknown = !has_parts && node_input(infer->node, 1).at;
    const uint32_t outputs = infer->node->output_count;
    if (has_parts && count != outputs)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: %u sizes for %u outputs", graph_describe_node(infer->graph, infer->id), count,
                         outputs);
    int64_t left = x->dims[axis];
    const int64_t equal = left < 0 || unknown ? -1 : (left + outputs - 1) / outputs;
    for (uint32_t i = 0; i < outputs; i++) {
        struct shape *y = infer_output(infer, i);
        *y = *x;
        y->dims[axis] = has_parts ? parts[i] : equal > left ? left : equal;
        if (left >= 0 && !unknown) left -= y->dims[axis];
        if (has_parts && (parts[i] < 0 || (x->dims[axis] >= 0 && left < 0)))
            return diag_fail(infer->diag, STATUS_INVALID, "%s: size %" PRId64 " of output %u does not fit an axis of %" PRId64,
                             graph_describe_node(infer->graph, infer->id), parts[i], i, x->dims[axis]);
    }
    return STATUS_OK;
}

/* SpaceToDepth and DepthToSpace: blocks of blocksize x blocksize become channels, or the other way round. */
status infer_blocks(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const bool deeper = infer->node->op == OP_SPACE_TO_DEPTH;
    const int64_t size = node_int(infer->node, "blocksize", 0);
    int64_t area;
    if (size < 1 || !checked_mul(size, size, &area) || (x->known && x->rank != 4))
        return diag_fail(infer->diag, STATUS_INVALID, "%s: blocksize %" PRId64 " for a tensor of rank %u",
                         graph_describe_node(infer->graph, infer->id), size, x->rank);
    y->type = x->type;
    if (!x->known) return STATUS_OK;
    *y = *x;
    for (uint32_t i = 1; i < 4; i++) {
        const int64_t by = i == 1 ? area : size;
        if (x->dims[i] < 0) continue;
        if (deeper != (i == 1) && x->dims[i] % by)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: dim %u is %" PRId64 ", which %" PRId64 " does not divide",
                             graph_describe_node(infer->graph, infer->id), i, x->dims[i], by);
        if (deeper != (i == 1)) y->dims[i] = x->dims[i] / by;
        else if (!checked_mul(x->dims[i], by, &y->dims[i])) return shape_move_overflow(infer);
    }
    return STATUS_OK;
}
