/* Shape rules of what slides windows or contracts: Conv, pools, Gemm, MatMul. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ir/cut.h"
#include "op/infer.h"
#include "op/resolve.h"
#include "op/window.h"

static void shape_window_output(struct shape *y, const struct shape *x, int64_t channels, const struct window *window) {
    y->known = true;
    y->type = x->type;
    y->rank = x->rank;
    y->dims[0] = x->dims[0];
    y->dims[1] = channels;
    for (uint32_t i = 0; i < window->axes; i++) y->dims[2 + i] = window->axis[i].out;
}

status infer_pool(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct window window;
    if (!x->known) return STATUS_OK;
    const status result = window_of_node(infer->graph, infer->id, x, NULL, &window, infer->diag);
    if (result != STATUS_OK) return result;
    shape_window_output(infer_output(infer, 0), x, x->dims[1], &window);
    if (infer->node->output_count > 1) {
        *infer_output(infer, 1) = *infer_output(infer, 0);
        infer_output(infer, 1)->type = TYPE_INT64;
    }
    return STATUS_OK;
}

status infer_global_pool(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    struct shape *y = infer_output(infer, 0);
    if (!x->known) return STATUS_OK;
    *y = *x;
    for (uint32_t i = 2; i < y->rank; i++) y->dims[i] = 1;
    return STATUS_OK;
}

status infer_conv(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0), *w = infer_input(infer, 1);
    const int64_t group = node_int(infer->node, "group", 1);
    int64_t channels;
    struct window window;
    if (!x->known || !w->known) return STATUS_OK;
    if (x->rank != w->rank)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: input of rank %u, weight of rank %u",
                         graph_describe_node(infer->graph, infer->id), x->rank, w->rank);
    const status result = window_of_node(infer->graph, infer->id, x, &w->dims[2], &window, infer->diag);
    if (result != STATUS_OK) return result;
    if (group < 1 || (w->dims[0] >= 0 && w->dims[0] % group))
        return diag_fail(infer->diag, STATUS_INVALID, "%s: %" PRId64 " output channels in %" PRId64 " groups",
                         graph_describe_node(infer->graph, infer->id), w->dims[0], group);
    if (x->dims[1] >= 0 && w->dims[1] >= 0 && (!checked_mul(w->dims[1], group, &channels) || x->dims[1] != channels))
        return diag_fail(infer->diag, STATUS_INVALID,
                         "%s: input of %" PRId64 " channels, weight for %" PRId64 " in each of %" PRId64 " groups",
                         graph_describe_node(infer->graph, infer->id), x->dims[1], w->dims[1], group);
    shape_window_output(infer_output(infer, 0), x, w->dims[0], &window);
    return infer_check_per_channel(infer, 2, w->dims[0]);
}

status infer_gemm(struct infer *infer) {
    const struct shape *a = infer_input(infer, 0), *b = infer_input(infer, 1);
    if (!a->known || !b->known) return STATUS_OK;
    if (a->rank != 2 || b->rank != 2)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: operands of rank %u and %u, expected 2",
                         graph_describe_node(infer->graph, infer->id), a->rank, b->rank);
    const bool ta = node_int(infer->node, "transA", 0) != 0, tb = node_int(infer->node, "transB", 0) != 0;
    const int64_t ka = a->dims[ta ? 0 : 1], kb = b->dims[tb ? 1 : 0];
    if (ka >= 0 && kb >= 0 && ka != kb)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: A has %" PRId64 " columns, B %" PRId64 " rows",
                         graph_describe_node(infer->graph, infer->id), ka, kb);
    struct shape *y = infer_output(infer, 0);
    const struct shape *c = infer_input(infer, 2);
    const int64_t columns = b->dims[tb ? 0 : 1];
    if (c->known && (c->rank > 2 || (c->rank && columns >= 0 && c->dims[c->rank - 1] > 1 && c->dims[c->rank - 1] != columns)))
        return diag_fail(infer->diag, STATUS_INVALID, "%s: C has %" PRId64 " numbers on %u axes, the product %" PRId64 " columns",
                         graph_describe_node(infer->graph, infer->id), shape_elements(c), c->rank, columns);
    *y = (struct shape){.known = true, .type = a->type, .rank = 2, .dims = {a->dims[ta ? 1 : 0], b->dims[tb ? 0 : 1]}};
    return STATUS_OK;
}

status infer_matmul(struct infer *infer) {
    struct shape a = *infer_input(infer, 0), b = *infer_input(infer, 1), *y = infer_output(infer, 0);
    if (!a.known || !b.known || !a.rank || !b.rank) return STATUS_OK;
    const bool row = a.rank == 1, column = b.rank == 1;
    if (row) a = (struct shape){.known = true, .type = a.type, .rank = 2, .dims = {1, a.dims[0]}};
    if (column) b = (struct shape){.known = true, .type = b.type, .rank = 2, .dims = {b.dims[0], 1}};
    const int64_t ka = a.dims[a.rank - 1], kb = b.dims[b.rank - 2];
    if (ka >= 0 && kb >= 0 && ka != kb)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: A has %" PRId64 " columns, B %" PRId64 " rows",
                         graph_describe_node(infer->graph, infer->id), ka, kb);
    const uint32_t rank = a.rank > b.rank ? a.rank : b.rank;
    y->known = true;
    y->type = a.type;
    y->rank = rank;
    for (uint32_t i = 0; i + 2 < rank; i++) {
        const int64_t da = i + a.rank >= rank ? a.dims[i + a.rank - rank] : 1, db = i + b.rank >= rank ? b.dims[i + b.rank - rank] : 1;
        if (da > 1 && db > 1 && da != db)
            return diag_fail(infer->diag, STATUS_INVALID, "%s: batch dims %" PRId64 " and %" PRId64,
                             graph_describe_node(infer->graph, infer->id), da, db);
        y->dims[i] = da == 1 ? db : db == 1 ? da : da < 0 ? db : da;
    }
    y->dims[rank - 2] = a.dims[a.rank - 2];
    y->dims[rank - 1] = b.dims[b.rank - 1];
    if (row && !column) y->dims[rank - 2] = y->dims[rank - 1];
    y->rank = rank - row - column;
    return STATUS_OK;
}

/* Y: out = (in - 1) stride + output_padding + (k - 1) dilation + 1 - pads. W: [C, M/group, k...] */
status infer_conv_transpose(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0), *w = infer_input(infer, 1);
    const int64_t group = node_int(infer->node, "group", 1);
    struct shape y = {.known = true, .type = x->type, .rank = x->rank};
    if (!x->known || !w->known) return STATUS_OK;
    if (x->rank != w->rank)
        return diag_fail(infer->diag, STATUS_INVALID, "%s: input of rank %u, weight of rank %u",
                         graph_describe_node(infer->graph, infer->id), x->rank, w->rank);
    struct window window;
    const status result = window_of_transposed(infer->graph, infer->id, x, &w->dims[2], &window, infer->diag);
    if (result != STATUS_OK) return result;
    for (uint32_t i = 0; i < window.axes; i++) y.dims[2 + i] = window.axis[i].out;
    if (group < 1 || (x->dims[1] >= 0 && w->dims[0] >= 0 && x->dims[1] != w->dims[0]))
        return diag_fail(infer->diag, STATUS_INVALID, "%s: input of %" PRId64 " channels, weight for %" PRId64 ", %" PRId64 " groups",
                         graph_describe_node(infer->graph, infer->id), x->dims[1], w->dims[0], group);
    y.dims[0] = x->dims[0];
    y.dims[1] = -1;
    if (w->dims[1] >= 0 && !checked_mul(w->dims[1], group, &y.dims[1]))
        return diag_fail(infer->diag, STATUS_LIMIT, "%s: a size exceeds 63 bits", graph_describe_node(infer->graph, infer->id));
    *infer_output(infer, 0) = y;
    return infer_check_per_channel(infer, 2, y.dims[1]);
}

/* floor(in * scale), in float as onnx computes it; -1 where it is not known. */
static int64_t shape_window_scaled(int64_t size, double scale) {
    const float most = 0x1p56f;
    if (size < 0) return -1;
    const float scaled = floorf((float)size * (float)scale);
    return scaled >= 0 && scaled < most ? (int64_t)scaled : -1;
}

/* Resize from opset 11 on: X, roi, scales, sizes; Resize 10 and Upsample 9: X, scales. Only plain stretching is followed. */
status infer_resize(struct infer *infer) {
    const struct shape *x = infer_input(infer, 0);
    const bool is_old = infer->node->input_count == 2,
               crops = strcmp(node_text(infer->node, "coordinate_transformation_mode", ""), "tf_crop_and_resize") == 0;
    double scales[SHAPE_MAX_RANK];
    const int64_t *sizes;
    uint32_t count, scale_count;
    if (!x->known) return STATUS_OK;
    struct shape *y = infer_output(infer, 0);
    *y = *x;
    const bool has_sizes = infer_known(infer, node_input(infer->node, 3), &sizes, &count) && count == x->rank;
    const bool stretches = strcmp(node_text(infer->node, "keep_aspect_ratio_policy", "stretch"), "stretch") == 0;
    const bool follows = stretches && !crops && !node_attribute(infer->node, "axes");
    const bool has_scales = resolve_numbers(infer->graph, node_input(infer->node, is_old ? 1 : 2), scales, SHAPE_MAX_RANK, &scale_count) &&
                            scale_count == x->rank;
    for (uint32_t i = 0; i < y->rank; i++)
        y->dims[i] = !follows ? -1 : has_sizes ? sizes[i] : has_scales ? shape_window_scaled(x->dims[i], scales[i]) : -1;
    return STATUS_OK;
}
