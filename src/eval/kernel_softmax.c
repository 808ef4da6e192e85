/* What is normalised along one axis: Softmax, LogSoftmax, LpNormalization. */
#include <math.h>

#include "eval/kernel.h"

/* Lines of `length` elements, `stride` apart; a block is one line. */
struct softmax {
    const float *x;
    float *y;
    int64_t length, stride;
    int64_t power; /* of LpNormalization */
    bool is_log;
};

static void softmax_line(const void *context, int64_t block, unsigned worker) {
    const struct softmax *softmax = context;
    const int64_t stride = softmax->stride, from = block / stride * softmax->length * stride + block % stride;
    const float *x = softmax->x + from;
    float *y = softmax->y + from, most = -INFINITY;
    double sum = 0;
    (void)worker;
    for (int64_t i = 0; i < softmax->length; i++) most = x[i * stride] > most ? x[i * stride] : most;
    for (int64_t i = 0; i < softmax->length; i++) sum += exp((double)(x[i * stride] - most));
    for (int64_t i = 0; i < softmax->length; i++) {
        const double shifted = (double)(x[i * stride] - most);
        y[i * stride] = (float)(softmax->is_log ? shifted - log(sum) : exp(shifted) / sum);
    }
}

static void softmax_length_line(const void *context, int64_t block, unsigned worker) {
    const struct softmax *softmax = context;
    const int64_t stride = softmax->stride, from = block / stride * softmax->length * stride + block % stride;
    const float *x = softmax->x + from;
    float *y = softmax->y + from;
    double sum = 0;
    (void)worker;
    for (int64_t i = 0; i < softmax->length; i++) {
        const double element = (double)x[i * stride];
        sum += softmax->power == 1 ? fabs(element) : element * element;
    }
    const double norm = softmax->power == 1 ? sum : sqrt(sum);
    for (int64_t i = 0; i < softmax->length; i++) y[i * stride] = norm > 0 ? (float)((double)x[i * stride] / norm) : 0;
}

/* Before opset 13 all axes from `axis` on are one. */
static status softmax_run(struct kernel *kernel, struct softmax softmax, bool joins, int64_t axis,
                          void (*body)(const void *context, int64_t block, unsigned worker)) {
    const struct eval_tensor *x = kernel->inputs[0];
    const int64_t normal = axis < 0 ? axis + x->shape.rank : axis;
    struct eval_tensor *y;
    if (!x->floats) return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(x->shape.type));
    if (normal < 0 || normal > x->shape.rank || (normal == x->shape.rank && !joins))
        return kernel_fail(kernel, STATUS_INVALID, "axis %lld of rank %u", (long long)axis, x->shape.rank);
    const status result = kernel_output_over(kernel, 0, 0, &y);
    if (result != STATUS_OK || !y->elements) return result;
    softmax.x = x->floats;
    softmax.y = y->floats;
    softmax.length = joins ? kernel_product(&x->shape, (uint32_t)normal, x->shape.rank) : x->shape.dims[normal];
    softmax.stride = joins ? 1 : kernel_product(&x->shape, (uint32_t)normal + 1, x->shape.rank);
    kernel_parallel(kernel, x->elements / softmax.length, (double)x->elements * 16, body, &softmax);
    return STATUS_OK;
}

static status softmax_kernel(struct kernel *kernel, bool is_log) {
    const bool joins = graph_opset(kernel->graph) < 13;
    return softmax_run(kernel, (struct softmax){.is_log = is_log}, joins, node_int(kernel->node, "axis", joins ? 1 : -1), softmax_line);
}

status kernel_softmax(struct kernel *kernel) { return softmax_kernel(kernel, false); }
status kernel_log_softmax(struct kernel *kernel) { return softmax_kernel(kernel, true); }

status kernel_lp_normalization(struct kernel *kernel) {
    const int64_t power = node_int(kernel->node, "p", 2);
    if (power != 1 && power != 2) return kernel_fail(kernel, STATUS_INVALID, "p is %lld, expected 1 or 2", (long long)power);
    return softmax_run(kernel, (struct softmax){.power = power}, false, node_int(kernel->node, "axis", -1), softmax_length_line);
}
