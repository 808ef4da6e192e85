#include "op/window.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"

enum { WINDOW_LARGEST = 1 << 30 };

/* A list attribute of `count` numbers; absent = `otherwise` everywhere. */
static status window_ints(const struct graph *graph, node_id id, const char *name, uint32_t count, int64_t otherwise, int64_t *numbers,
                          struct diag *diag) {
    const struct attribute *attribute = node_attribute(graph_node(graph, id), name);
    for (uint32_t i = 0; i < count; i++) numbers[i] = otherwise;
    if (!attribute) return STATUS_OK;
    if (attribute->type != ATTRIBUTE_INTS || attribute->count != count)
        return diag_fail(diag, STATUS_INVALID, "%s: %s has %u entries, expected %u", graph_describe_node(graph, id), name, attribute->count,
                         count);
    memcpy(numbers, attribute->ints, count * sizeof *numbers);
    return STATUS_OK;
}

static int64_t window_extent(const struct window_axis *axis) { return (axis->kernel - 1) * axis->dilation + 1; }

/* SAME_UPPER, SAME_LOWER: out = ceil(in / stride), the pads shared out. */
static void window_pad_same(struct window_axis *axis, bool lower) {
    axis->pad_begin = axis->pad_end = 0;
    if (axis->in < 0 || axis->kernel < 0) return;
    const int64_t out = (axis->in + axis->stride - 1) / axis->stride;
    const int64_t all = (out - 1) * axis->stride + window_extent(axis) - axis->in;
    if (all <= 0) return;
    axis->pad_begin = lower ? all - all / 2 : all / 2;
    axis->pad_end = all - axis->pad_begin;
}

static void window_count(struct window_axis *axis, bool ceil_mode) {
    axis->out = -1;
    if (axis->in < 0 || axis->kernel < 0) return;
    const int64_t room = axis->in + axis->pad_begin + axis->pad_end - window_extent(axis);
    if (room < 0) {
        axis->out = 0;
        return;
    }
    axis->out = room / axis->stride + 1;
    /* ceil_mode: one window more, unless it would start beyond the plane and its leading pad */
    if (ceil_mode && room % axis->stride && axis->out * axis->stride < axis->in + axis->pad_begin) axis->out++;
}

static status window_check(const struct graph *graph, node_id id, const struct window_axis *axis, struct diag *diag) {
    if (axis->kernel == 0 || axis->kernel < -1 || axis->stride < 1 || axis->dilation < 1 || axis->pad_begin < 0 || axis->pad_end < 0)
        return diag_fail(diag, STATUS_INVALID,
                         "%s: kernel %" PRId64 ", stride %" PRId64 ", dilation %" PRId64 ", pads %" PRId64 " and %" PRId64
                         ": must be positive",
                         graph_describe_node(graph, id), axis->kernel, axis->stride, axis->dilation, axis->pad_begin, axis->pad_end);
    if (axis->kernel > WINDOW_LARGEST || axis->stride > WINDOW_LARGEST || axis->dilation > WINDOW_LARGEST ||
        axis->pad_begin > WINDOW_LARGEST || axis->pad_end > WINDOW_LARGEST)
        return diag_fail(diag, STATUS_LIMIT, "%s: kernel, stride, dilation or pad above 2^30", graph_describe_node(graph, id));
    return STATUS_OK;
}

status window_of_node(const struct graph *graph, node_id id, const struct shape *input, const int64_t *kernel, struct window *window,
                      struct diag *diag) {
    const struct node *node = graph_node(graph, id);
    if (input->rank < 3)
        return diag_fail(diag, STATUS_INVALID, "%s: input of rank %u, at least 3 is needed", graph_describe_node(graph, id), input->rank);
    const uint32_t axes = input->rank - 2;
    if (axes > WINDOW_MAX_AXES)
        return diag_fail(diag, STATUS_UNSUPPORTED, "%s: %u spatial axes, at most %d are known", graph_describe_node(graph, id), axes,
                         WINDOW_MAX_AXES);
    int64_t kernels[WINDOW_MAX_AXES], strides[WINDOW_MAX_AXES], dilations[WINDOW_MAX_AXES], pads[2 * WINDOW_MAX_AXES];
    status result = window_ints(graph, id, "kernel_shape", axes, 0, kernels, diag);
    if (result == STATUS_OK) result = window_ints(graph, id, "strides", axes, 1, strides, diag);
    if (result == STATUS_OK) result = window_ints(graph, id, "dilations", axes, 1, dilations, diag);
    if (result == STATUS_OK) result = window_ints(graph, id, "pads", 2 * axes, 0, pads, diag);
    const char *automatic = node_text(node, "auto_pad", "NOTSET");
    const bool lower = strcmp(automatic, "SAME_LOWER") == 0, same = lower || strcmp(automatic, "SAME_UPPER") == 0;
    const bool valid = strcmp(automatic, "VALID") == 0, ceil_mode = node_int(node, "ceil_mode", 0) != 0;
    if (result == STATUS_OK && !same && !valid && *automatic && strcmp(automatic, "NOTSET") != 0)
        return diag_fail(diag, STATUS_INVALID, "%s: auto_pad is '%s', expected NOTSET, SAME_UPPER, SAME_LOWER or VALID",
                         graph_describe_node(graph, id), automatic);
    window->axes = axes;
    for (uint32_t i = 0; i < axes && result == STATUS_OK; i++) {
        struct window_axis *axis = &window->axis[i];
        if (kernel && kernels[i] && kernel[i] >= 0 && kernels[i] != kernel[i])
            return diag_fail(diag, STATUS_INVALID, "%s: kernel_shape[%u] is %" PRId64 ", the weight's is %" PRId64,
                             graph_describe_node(graph, id), i, kernels[i], kernel[i]);
        *axis = (struct window_axis){
            input->dims[2 + i], -1,           kernel && kernel[i] >= 0 ? kernel[i] : kernels[i] ? kernels[i] : kernel ? -1 : 0,
            strides[i],         dilations[i], pads[i],
            pads[axes + i]};
        result = window_check(graph, id, axis, diag);
        if (result != STATUS_OK) return result;
        if (same) window_pad_same(axis, lower);
        else if (valid) axis->pad_begin = axis->pad_end = 0;
        window_count(axis, ceil_mode);
        if (axis->out == 0)
            return diag_fail(diag, STATUS_INVALID,
                             "%s: window of %" PRId64 " on a plane of %" PRId64 " with pads %" PRId64 " and %" PRId64 " leaves no output",
                             graph_describe_node(graph, id), window_extent(axis), axis->in, axis->pad_begin, axis->pad_end);
    }
    return result;
}

/* ---- ConvTranspose ---- */

struct window_spread {
    int64_t output_padding, given; /* given: by output_shape; -1 = not */
    bool same, upper;
};

/* Pads that bring all that there is down to `out`: where they are odd the one more stands at the end for SAME_UPPER, else at the begin. */
static void window_share_pads(struct window_axis *axis, int64_t all, bool upper) {
    const int64_t pads = all > axis->out ? all - axis->out : 0;
    axis->pad_begin = upper ? pads / 2 : pads - pads / 2;
    axis->pad_end = pads - axis->pad_begin;
}

/* SAME_UPPER, SAME_LOWER: in * stride, but never more than there is without pads (ONNX Runtime does so). False beyond 63 bits. */
static bool window_spread_axis(const struct window_spread *spread, struct window_axis *axis) {
    int64_t all, most;
    if (spread->given >= 0) axis->out = spread->given;
    if (axis->in < 0 || axis->kernel < 0) return true;
    if (!checked_mul(axis->in - 1, axis->stride, &all) || !checked_add(all, spread->output_padding + window_extent(axis), &all))
        return false;
    if (!checked_mul(axis->in, axis->stride, &most)) return false;
    if (spread->given < 0 && !spread->same) axis->out = all - axis->pad_begin - axis->pad_end;
    else if (spread->given < 0) axis->out = all < most ? all : most;
    if (spread->given >= 0 || spread->same) window_share_pads(axis, all, spread->upper);
    return true;
}

static status window_spread_checked(const struct graph *graph, node_id id, const struct window_spread *spread, struct window_axis *axis,
                                    struct diag *diag) {
    const status result = window_check(graph, id, axis, diag);
    if (result != STATUS_OK) return result;
    if (spread->output_padding < 0 || spread->output_padding > WINDOW_LARGEST || spread->given > WINDOW_LARGEST ||
        !window_spread_axis(spread, axis))
        return diag_fail(diag, STATUS_LIMIT, "%s: a size exceeds 63 bits", graph_describe_node(graph, id));
    if (axis->out < -1 || axis->out == 0)
        return diag_fail(diag, STATUS_INVALID, "%s: pads leave no output", graph_describe_node(graph, id));
    return STATUS_OK;
}

status window_of_transposed(const struct graph *graph, node_id id, const struct shape *input, const int64_t *kernel, struct window *window,
                            struct diag *diag) {
    if (input->rank < 3 || input->rank - 2 > WINDOW_MAX_AXES)
        return diag_fail(diag, input->rank < 3 ? STATUS_INVALID : STATUS_UNSUPPORTED, "%s: input of rank %u, 3 to %d are known",
                         graph_describe_node(graph, id), input->rank, WINDOW_MAX_AXES + 2);
    const uint32_t axes = input->rank - 2;
    int64_t strides[WINDOW_MAX_AXES], dilations[WINDOW_MAX_AXES], pads[2 * WINDOW_MAX_AXES], extra[WINDOW_MAX_AXES], given[WINDOW_MAX_AXES];
    status result = window_ints(graph, id, "strides", axes, 1, strides, diag);
    if (result == STATUS_OK) result = window_ints(graph, id, "dilations", axes, 1, dilations, diag);
    if (result == STATUS_OK) result = window_ints(graph, id, "pads", 2 * axes, 0, pads, diag);
    if (result == STATUS_OK) result = window_ints(graph, id, "output_padding", axes, 0, extra, diag);
    const struct attribute *shape = node_attribute(graph_node(graph, id), "output_shape");
    const bool has_shape = shape && shape->type == ATTRIBUTE_INTS && shape->count == axes;
    for (uint32_t i = 0; i < axes; i++) given[i] = has_shape ? shape->ints[i] : -1;
    const char *automatic = node_text(graph_node(graph, id), "auto_pad", "NOTSET");
    const bool same = strncmp(automatic, "SAME", 4) == 0, valid = strcmp(automatic, "VALID") == 0;
    window->axes = axes;
    for (uint32_t i = 0; i < axes && result == STATUS_OK; i++) {
        struct window_axis *axis = &window->axis[i];
        const struct window_spread spread = {extra[i], given[i], same, strcmp(automatic, "SAME_UPPER") == 0};
        *axis = (struct window_axis){input->dims[2 + i],        -1, kernel[i], strides[i], dilations[i], valid ? 0 : pads[i],
                                     valid ? 0 : pads[axes + i]};
        result = window_spread_checked(graph, id, &spread, axis, diag);
    }
    return result;
}
