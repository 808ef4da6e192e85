/* Shape rules of what keeps, joins or reduces shapes. */
#include <inttypes.h>

#include "base/checked.h"
#include "ir/cut.h"
#include "op/infer.h"

status infer_opaque(struct infer *infer) {
    (void)infer; /* the file's word is all there is */
    return STATUS_OK;
}

/* Whole numbers of these types mean themselves: Cast to them keeps what is known. */
static bool shape_plain_counts(enum data_type type) { return type == TYPE_INT64 || type == TYPE_INT32; }

status infer_same(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const int64_t *numbers;
    uint32_t count;
    *y = *x;
    if (infer->node->op == OP_CAST) y->type = (enum data_type)node_int(infer->node, "to", TYPE_UNDEFINED);
    if (infer->node->op == OP_DEQUANTIZE_LINEAR) y->type = infer_input(infer, 1)->type;
    const bool keeps = infer->node->op == OP_IDENTITY || (infer->node->op == OP_CAST && shape_plain_counts(y->type));
    if (keeps && infer_known(infer, infer->node->inputs[0], &numbers, &count)) infer_set_integers(infer, 0, numbers, count);
    if (infer->node->op == OP_DROPOUT && infer->node->output_count > 1) {
        *infer_output(infer, 1) = *x;
        if (graph_opset(infer->graph) >= 10) infer_output(infer, 1)->type = TYPE_BOOL;
    }
    for (uint32_t i = 1; infer->node->op == OP_BATCH_NORMALIZATION && i < infer->node->output_count; i++)
        *infer_output(infer, i) = *infer_input(infer, 1); /* of training: mean and variance, one number per channel */
    for (uint32_t i = 1; infer->node->op == OP_BATCH_NORMALIZATION && i < 5 && x->known && x->rank >= 2; i++) {
        const status result = infer_check_per_channel(infer, i, x->dims[1]);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

status infer_quantize(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0), *zero_point = infer_input(infer, 2);
    struct shape *y = infer_output(infer, 0);
    *y = *x;
    const int64_t asked = node_int(infer->node, "output_dtype", 0);
    y->type = zero_point->type != TYPE_UNDEFINED ? zero_point->type : asked ? (enum data_type)asked : TYPE_UINT8;
    return STATUS_OK;
}

/* y = a and b broadcast together, as numpy does; y may be a. */
static status shape_plain_join(const struct infer *infer, const struct shape *a, const struct shape *b, struct shape *y) {
    const uint32_t rank = a->rank > b->rank ? a->rank : b->rank;
    struct shape joined = {.known = true, .type = a->type, .rank = rank};
    for (uint32_t i = 0; i < rank; i++) {
        const int64_t da = i + a->rank >= rank ? a->dims[i + a->rank - rank] : 1,
                      db = i + b->rank >= rank ? b->dims[i + b->rank - rank] : 1;
        if (da > 1 && db > 1 && da != db)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: dims %" PRId64 " and %" PRId64 " (axis %u) do not broadcast",
                             graph_describe_node(infer->graph, infer->id), da, db, i);
        joined.dims[i] = da == 1 ? db : db == 1 ? da : da < 0 ? db : da;
    }
    *y = joined;
    return STATUS_OK;
}

/* Before opset 7 the second operand lines up from `axis` on. */
static struct shape shape_plain_aligned(const struct infer *infer, const struct shape *a, const struct shape *b) {
    const struct attribute *given = node_attribute(infer->node, "axis");
    if (graph_opset(infer->graph) >= 7 || !given || given->i < 0 || given->i + b->rank > a->rank) return *b;
    struct shape aligned = {.known = true, .type = b->type, .rank = a->rank - (uint32_t)given->i};
    for (uint32_t i = 0; i < aligned.rank; i++) aligned.dims[i] = i < b->rank ? b->dims[i] : 1;
    return aligned;
}

static bool shape_plain_calculate(enum op op, int64_t a, int64_t b, int64_t *result) {
    if (op == OP_ADD) return checked_add(a, b, result);
    if (op == OP_MUL) return checked_mul(a, b, result);
    if (op == OP_SUB) return b != INT64_MIN && checked_add(a, -b, result);
    if (op != OP_DIV || b == 0 || b == -1) return false;
    *result = a / b;
    return true;
}

/* Arithmetic on sizes: what stands between a Shape and a Reshape. */
static void shape_plain_arithmetic(const struct infer *infer, enum data_type type) {
    enum { MOST = 64 };
    const int64_t *a, *b;
    uint32_t a_count, b_count;
    int64_t results[MOST];
    if (infer_input(infer, 0)->rank > 1 || infer_input(infer, 1)->rank > 1) return;
    if (!shape_plain_counts(type) || !infer_known(infer, infer->node->inputs[0], &a, &a_count) ||
        !infer_known(infer, infer->node->inputs[1], &b, &b_count))
        return;
    if ((a_count != b_count && a_count != 1 && b_count != 1) || !a_count || !b_count) return;
    const uint32_t count = a_count > b_count ? a_count : b_count;
    if (count > MOST) return;
    for (uint32_t i = 0; i < count; i++)
        if (!shape_plain_calculate((enum op)infer->node->op, a[a_count == 1 ? 0 : i], b[b_count == 1 ? 0 : i], &results[i])) return;
    infer_set_integers(infer, 0, results, count);
}

status infer_broadcast(struct infer *infer) {
    const struct shape *a = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    if (!a->known || !infer_input(infer, 1)->known) {
        y->type = a->type;
        return STATUS_OK;
    }
    const struct shape b = shape_plain_aligned(infer, a, infer_input(infer, 1));
    shape_plain_arithmetic(infer, a->type);
    return shape_plain_join(infer, a, &b, y);
}

/* All inputs broadcast together; the type is the last one's (Where's first is its condition). */
status infer_variadic(struct infer *infer) {
    struct shape joined = {.known = true};
    for (uint32_t i = 0; i < infer->node->input_count; i++) {
        const struct shape *x = infer_input(infer, i);
        joined.type = x->type;
        if (!x->known) joined.known = false;
        if (!joined.known) continue;
        const status result = shape_plain_join(infer, &joined, x, &joined);
        if (result != STATUS_OK) return result;
    }
    *infer_output(infer, 0) = joined.known ? joined : (struct shape){.type = joined.type};
    return STATUS_OK;
}

status infer_compare(struct infer *infer) {
    const status result = infer_broadcast(infer);
    infer_output(infer, 0)->type = TYPE_BOOL;
    return result;
}

status infer_expand(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0), wanted = {.known = true, .type = x->type};
    const int64_t *numbers;
    y->type = x->type;
    if (!x->known || !infer_known(infer, infer->node->inputs[1], &numbers, &wanted.rank) || wanted.rank > SHAPE_MAX_RANK) return STATUS_OK;
    for (uint32_t i = 0; i < wanted.rank; i++) wanted.dims[i] = numbers[i];
    return shape_plain_join(infer, x, &wanted, y);
}

status infer_constant_of_shape(struct infer *infer) {
    enum { MOST = 64 };
    struct shape *y = infer_output(infer, 0);
    const struct attribute *value = node_attribute(infer->node, "value");
    const struct shape *x = infer_input(infer, 0);
    const int64_t *numbers;
    uint32_t count;
    y->type = value && value->tensor.at ? graph_tensor(infer->graph, value->tensor)->type : TYPE_FLOAT;
    if (infer_known(infer, infer->node->inputs[0], &numbers, &count) && count <= SHAPE_MAX_RANK) {
        y->known = true;
        y->rank = count;
        for (uint32_t i = 0; i < count; i++) y->dims[i] = numbers[i];
    } else if (x->known && x->rank == 1 && x->dims[0] >= 0 && x->dims[0] <= SHAPE_MAX_RANK) {
        y->known = true;
        y->rank = (uint32_t)x->dims[0];
        for (uint32_t i = 0; i < y->rank; i++) y->dims[i] = -1;
    }
    for (uint32_t i = 0; i < y->rank; i++)
        if (y->dims[i] < -1)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: dim %u is %" PRId64, graph_describe_node(infer->graph, infer->id), i,
                             y->dims[i]);
    const int64_t elements = shape_elements(y);
    int64_t fill;
    if (value && value->tensor.at && elements >= 0 && elements <= MOST &&
        tensor_integer(graph_tensor(infer->graph, value->tensor), 0, &fill)) {
        int64_t filled[MOST];
        for (int64_t i = 0; i < elements; i++) filled[i] = fill;
        infer_set_integers(infer, 0, filled, (uint32_t)elements);
    }
    return STATUS_OK;
}

status infer_reduce(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    const bool keep = node_int(infer->node, "keepdims", 1) != 0;
    const int64_t *axes = NULL;
    uint32_t count = 0;
    if (!x->known) return STATUS_OK;
    const bool given = infer_integers(infer, "axes", 1, &axes, &count);
    if (!given && node_input(infer->node, 1).at) return STATUS_OK;
    if (!count && node_int(infer->node, "noop_with_empty_axes", 0)) {
        *y = *x;
        return STATUS_OK;
    }
    bool gone[SHAPE_MAX_RANK] = {false};
    for (uint32_t i = 0; i < (count ? count : x->rank); i++) {
        uint32_t axis = i;
        if (count && !infer_axis(axes[i], x->rank, &axis))
            return diag_fail(infer->diag, STATUS_INVALID, "%s: axis %" PRId64 " of a tensor of rank %u",
                             graph_describe_node(infer->graph, infer->id), axes[i], x->rank);
        gone[axis] = true;
    }
    *y = (struct shape){.known = true, .type = x->type};
    for (uint32_t i = 0; i < x->rank; i++)
        if (!gone[i] || keep) y->dims[y->rank++] = gone[i] ? 1 : x->dims[i];
    return STATUS_OK;
}

/* LSTM, GRU, RNN  X: [seq, batch, in]  W: [directions, gates * hidden, in]  R: [directions, gates * hidden, hidden]; with layout 1 the
 * batch comes first. */
status infer_recurrent(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0), *r = infer_input(infer, 2);
    const bool batch_first = node_int(infer->node, "layout", 0) != 0;
    for (uint32_t i = 0; i < infer->node->output_count; i++) infer_output(infer, i)->type = x->type;
    if ((x->known && x->rank != 3) || (r->known && r->rank != 3))
        return diag_fail(infer->diag, STATUS_INVALID, "%s: inputs of rank %u and %u, expected 3",
                         graph_describe_node(infer->graph, infer->id), x->rank, r->rank);
    if (!x->known || !r->known) return STATUS_OK;
    const int64_t seq = x->dims[batch_first], batch = x->dims[!batch_first], directions = r->dims[0], hidden = r->dims[2];
    struct shape y = {.known = true, .type = x->type, .rank = 4, .dims = {seq, directions, batch, hidden}};
    struct shape last = {.known = true, .type = x->type, .rank = 3, .dims = {directions, batch, hidden}};
    if (batch_first) {
        y = (struct shape){.known = true, .type = x->type, .rank = 4, .dims = {batch, seq, directions, hidden}};
        last = (struct shape){.known = true, .type = x->type, .rank = 3, .dims = {batch, directions, hidden}};
    }
    for (uint32_t i = 0; i < infer->node->output_count; i++) *infer_output(infer, i) = i ? last : y;
    return STATUS_OK;
}
