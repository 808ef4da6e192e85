/* What changes the shape, or nothing at all: the contents are shared. */
#include "eval/kernel.h"

/* Flatten, Identity, Reshape, Squeeze, Unsqueeze */
status kernel_share(struct kernel *kernel) { return kernel_output_shared(kernel, 0, 0); }

/* Outside training nothing is dropped; the mask, where wanted, is true everywhere. */
status kernel_dropout(struct kernel *kernel) {
    const bool trains = kernel_number(kernel, 2, 0) != 0 || (graph_opset(kernel->graph) < 7 && node_int(kernel->node, "is_test", 0) == 0);
    const double ratio = kernel_number(kernel, 1, graph_opset(kernel->graph) < 12 ? (double)node_float(kernel->node, "ratio", 0.5f) : 0.5);
    struct eval_tensor *mask;
    if (trains && ratio > 0) return kernel_fail(kernel, STATUS_UNSUPPORTED, "in training mode");
    status result = kernel_output_shared(kernel, 0, 0);
    if (result != STATUS_OK || !kernel_wants(kernel, 1)) return result;
    result = kernel_output(kernel, 1, &mask);
    for (int64_t i = 0; i < mask->elements && result == STATUS_OK; i++) {
        if (mask->floats) mask->floats[i] = 1;
        else mask->integers[i] = 1;
    }
    return result;
}
