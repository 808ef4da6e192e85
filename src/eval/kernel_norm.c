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
    (void)worker;
    for (int64_t i = block * norm->plane; i < (block + 1) * norm->plane; i++) norm->y[i] = norm->x[i] * factor + shift;
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
