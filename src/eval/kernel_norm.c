/* Normalisations: statistics of each group of elements, then one factor and one shift for each. */
#include <math.h>

#include "base/checked.h"
#include "eval/kernel.h"

/* ---- BatchNormalization: the statistics are given ---- */

struct norm_channels {
    const float *x;
    float *y;
    const float *factor, *shift; /* per channel */
    int64_t channels, plane;
};

static void norm_channel_block(const void *context, int64_t block, unsigned worker) {
    const struct norm_channels *norm = context;
    const float factor = norm->factor[block % norm->channels], shift = norm->shift[block % norm->channels];
    const float *x = norm->x + block * norm->plane;
    float *y = norm->y + block * norm->plane;
    (void)worker;
    KERNEL_SIMD for (int64_t i = 0; i < norm->plane; i++) y[i] = x[i] * factor + shift;
}

status kernel_batch_normalization(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0], *const *of = kernel->inputs;
    const double epsilon = (double)node_float(kernel->node, "epsilon", 1e-5f);
    const int64_t channels = x->shape.rank > 1 ? x->shape.dims[1] : 1;
    struct eval_tensor *y;
    float *factors;
    if (node_int(kernel->node, "training_mode", 0) || (kernel_wants(kernel, 1) && graph_opset(kernel->graph) >= 14))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "in training mode");
    if (!node_int(kernel->node, "spatial", 1)) return kernel_fail(kernel, STATUS_UNSUPPORTED, "with spatial 0");
    for (uint32_t i = 0; i < 5; i++)
        if (!of[i]->floats || (i && of[i]->elements != channels)) return kernel_fail(kernel, STATUS_INVALID, "input %u does not fit", i);
    status result = kernel_floats(kernel, 2 * channels, &factors);
    if (result == STATUS_OK) result = kernel_output_over(kernel, 0, 0, &y);
    if (result != STATUS_OK) return result;
    for (int64_t c = 0; c < channels; c++) {
        const double factor = (double)of[1]->floats[c] / sqrt((double)of[4]->floats[c] + epsilon);
        factors[c] = (float)factor;
        factors[channels + c] = (float)((double)of[2]->floats[c] - (double)of[3]->floats[c] * factor);
    }
    const int64_t planes = x->shape.rank > 1 ? x->shape.dims[0] * channels : 1;
    const struct norm_channels norm = {x->floats, y->floats, factors, factors + channels, channels, planes ? x->elements / planes : 0};
    kernel_parallel(kernel, planes, (double)x->elements, norm_channel_block, &norm);
    return STATUS_OK;
}

/* ---- statistics of each span of elements that lie side by side ---- */

struct norm_spans {
    const float *x;
    float *y;
    const float *scale, *bias;    /* bias NULL = 0 */
    int64_t length;               /* of a span */
    int64_t repeat, piece, first; /* element i of span s takes scale[s % repeat * first + i / piece] */
    double epsilon;
    float *means, *inverse_deviations; /* a number for each span, where wanted */
};

static void norm_span_block(const void *context, int64_t block, unsigned worker) {
    const struct norm_spans *norm = context;
    const float *x = norm->x + block * norm->length;
    float *y = norm->y + block * norm->length;
    double mean = 0, variance = 0;
    (void)worker;
    for (int64_t i = 0; i < norm->length; i++) mean += (double)x[i];
    mean /= (double)norm->length;
    for (int64_t i = 0; i < norm->length; i++) variance += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double inverse = 1 / sqrt(variance / (double)norm->length + norm->epsilon);
    for (int64_t i = 0; i < norm->length; i++) {
        const int64_t at = block % norm->repeat * norm->first + i / norm->piece;
        y[i] = (float)(((double)x[i] - mean) * inverse * (double)norm->scale[at] + (norm->bias ? (double)norm->bias[at] : 0));
    }
    if (norm->means) norm->means[block] = (float)mean;
    if (norm->inverse_deviations) norm->inverse_deviations[block] = (float)inverse;
}

static status norm_run_spans(struct kernel *kernel, struct norm_spans *norm, int64_t numbers) {
    const struct eval_tensor *x = kernel->inputs[0], *scale = kernel->inputs[1], *bias = kernel_input(kernel, 2);
    struct eval_tensor *y;
    if (!x->floats || !scale->floats || (bias && !bias->floats))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(x->shape.type));
    if (scale->elements != numbers || (bias && bias->elements != numbers))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "%lld scales where %lld are expected", (long long)scale->elements,
                           (long long)numbers);
    const status result = kernel_output_over(kernel, 0, 0, &y);
    if (result != STATUS_OK || !x->elements) return result;
    norm->x = x->floats;
    norm->y = y->floats;
    norm->scale = scale->floats;
    norm->bias = bias ? bias->floats : NULL;
    norm->epsilon = (double)node_float(kernel->node, "epsilon", 1e-5f);
    kernel_parallel(kernel, x->elements / norm->length, (double)x->elements * 6, norm_span_block, norm);
    return STATUS_OK;
}

/* A mean or an inverse deviation for each span: x's shape with 1 from `axis` on. */
static status norm_statistics(struct kernel *kernel, uint32_t output, uint32_t axis, float **numbers) {
    struct eval_tensor *made;
    if (!kernel_wants(kernel, output)) return STATUS_OK;
    struct shape *shape = &kernel->outputs[output].shape;
    *shape = kernel->inputs[0]->shape;
    for (uint32_t i = axis; i < shape->rank; i++) shape->dims[i] = 1;
    const status result = kernel_output(kernel, output, &made);
    if (result == STATUS_OK) *numbers = made->floats;
    return result;
}

status kernel_layer_normalization(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape;
    const int64_t given = node_int(kernel->node, "axis", -1), axis = given < 0 ? given + x->rank : given;
    struct norm_spans norm = {.repeat = 1, .piece = 1};
    if (axis < 0 || axis >= x->rank) return kernel_fail(kernel, STATUS_INVALID, "axis %lld of rank %u", (long long)given, x->rank);
    norm.length = kernel_product(x, (uint32_t)axis, x->rank);
    status result = norm_statistics(kernel, 1, (uint32_t)axis, &norm.means);
    if (result == STATUS_OK) result = norm_statistics(kernel, 2, (uint32_t)axis, &norm.inverse_deviations);
    return result == STATUS_OK ? norm_run_spans(kernel, &norm, norm.length) : result;
}

status kernel_instance_normalization(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape;
    if (x->rank < 2) return kernel_fail(kernel, STATUS_INVALID, "input of rank %u", x->rank);
    struct norm_spans norm = {.length = kernel_product(x, 2, x->rank), .repeat = x->dims[1], .first = 1};
    norm.piece = norm.length;
    return norm_run_spans(kernel, &norm, x->dims[1]);
}

/* Before opset 21 scale and bias are one number a group. */
status kernel_group_normalization(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape;
    const int64_t groups = node_int(kernel->node, "num_groups", 0);
    if (x->rank < 2 || groups < 1 || x->dims[1] % groups) return kernel_fail(kernel, STATUS_INVALID, "%lld groups", (long long)groups);
    const bool is_per_group = graph_opset(kernel->graph) < 21;
    const int64_t channels = x->dims[1] / groups, plane = kernel_product(x, 2, x->rank);
    struct norm_spans norm = {.length = channels * plane, .repeat = groups, .first = is_per_group ? 1 : channels};
    norm.piece = is_per_group ? norm.length : plane;
    return norm_run_spans(kernel, &norm, is_per_group ? groups : x->dims[1]);
}

/* ---- LRN: y = x / (bias + alpha / size sum of squares over `size` channels around)^beta ---- */

struct norm_response {
    const float *x;
    float *y;
    int64_t channels, plane, size;
    double alpha, beta, bias;
};

static void norm_response_block(const void *context, int64_t block, unsigned worker) {
    const struct norm_response *lrn = context;
    const int64_t channel = block % lrn->channels;
    const int64_t from = greatest(channel - (lrn->size - 1) / 2, 0), to = least(channel + lrn->size / 2, lrn->channels - 1);
    const float *image = lrn->x + (block - channel) * lrn->plane;
    (void)worker;
    for (int64_t i = 0; i < lrn->plane; i++) {
        double sum = 0;
        for (int64_t c = from; c <= to; c++) sum += (double)image[c * lrn->plane + i] * (double)image[c * lrn->plane + i];
        const double divisor = pow(lrn->bias + lrn->alpha / (double)lrn->size * sum, lrn->beta);
        lrn->y[block * lrn->plane + i] = (float)((double)image[channel * lrn->plane + i] / divisor);
    }
}

status kernel_lrn(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0];
    struct eval_tensor *y;
    const int64_t size = node_int(kernel->node, "size", 0);
    if (!x->floats || x->shape.rank < 2 || size < 1)
        return kernel_fail(kernel, STATUS_INVALID, "rank %u, size %lld", x->shape.rank, (long long)size);
    const status result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK) return result;
    const struct norm_response lrn = {.x = x->floats,
                                      .y = y->floats,
                                      .channels = x->shape.dims[1],
                                      .plane = kernel_product(&x->shape, 2, x->shape.rank),
                                      .size = size,
                                      .alpha = (double)node_float(kernel->node, "alpha", 1e-4f),
                                      .beta = (double)node_float(kernel->node, "beta", 0.75f),
                                      .bias = (double)node_float(kernel->node, "bias", 1)};
    kernel_parallel(kernel, x->shape.dims[0] * x->shape.dims[1], (double)x->elements * (double)size, norm_response_block, &lrn);
    return STATUS_OK;
}
