/* What changes the shape, or nothing at all: the contents are shared. */
#include <math.h>

#include "eval/kernel.h"
#include "ir/cut.h"

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
    for (int64_t i = 0; result == STATUS_OK && i < mask->elements; i++) {
        if (mask->floats) mask->floats[i] = 1;
        else mask->integers[i] = 1;
    }
    return result;
}

/* ---- of shapes ---- */

status kernel_shape(struct kernel *kernel) {
    const struct shape *x = &kernel->inputs[0]->shape;
    int64_t from = node_int(kernel->node, "start", 0);
    struct eval_tensor *y;
    if (from < 0) from = from + x->rank < 0 ? 0 : from + x->rank;
    const status result = kernel_output(kernel, 0, &y);
    for (int64_t i = 0; result == STATUS_OK && i < y->elements; i++) y->integers[i] = x->dims[from + i];
    return result;
}

static status plain_scalar(struct kernel *kernel, enum data_type type, struct eval_tensor **y) {
    kernel->outputs[0].shape = (struct shape){.known = true, .type = type};
    return kernel_output(kernel, 0, y);
}

status kernel_size(struct kernel *kernel) {
    struct eval_tensor *y;
    const status result = plain_scalar(kernel, TYPE_INT64, &y);
    if (result == STATUS_OK) y->integers[0] = kernel->inputs[0]->elements;
    return result;
}

status kernel_constant_of_shape(struct kernel *kernel) {
    const struct eval_tensor *dims = kernel->inputs[0];
    const struct attribute *value = node_attribute(kernel->node, "value");
    struct shape *shape = &kernel->outputs[0].shape;
    struct eval_tensor *y;
    double number = 0;
    int64_t whole = 0;
    if (!dims->integers || dims->elements > SHAPE_MAX_RANK)
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "a shape of rank %lld", (long long)dims->elements);
    shape->known = true;
    shape->rank = (uint32_t)dims->elements;
    for (uint32_t i = 0; i < shape->rank; i++) shape->dims[i] = dims->integers[i];
    const struct tensor *fill = value && value->tensor.at ? graph_tensor(kernel->graph, value->tensor) : NULL;
    if (fill && !tensor_number(fill, 0, &number))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "a value of type %s", type_name(fill->type));
    if (fill && !eval_is_float(fill->type)) tensor_integer(fill, 0, &whole);
    const status result = kernel_output(kernel, 0, &y);
    for (int64_t i = 0; result == STATUS_OK && i < y->elements; i++) {
        if (y->floats) y->floats[i] = (float)number;
        else y->integers[i] = whole;
    }
    return result;
}

/* start, start + delta, ... before limit */
status kernel_range(struct kernel *kernel) {
    const double start = kernel_number(kernel, 0, 0), limit = kernel_number(kernel, 1, 0), delta = kernel_number(kernel, 2, 1);
    const double count = ceil((limit - start) / delta);
    struct eval_tensor *y;
    if (!(delta < 0 || delta > 0) || !(count < 1e15))
        return kernel_fail(kernel, STATUS_INVALID, "from %g to %g by %g", start, limit, delta);
    kernel->outputs[0].shape =
        (struct shape){.known = true, .type = kernel->inputs[0]->shape.type, .rank = 1, .dims = {count > 0 ? (int64_t)count : 0}};
    const status result = kernel_output(kernel, 0, &y);
    for (int64_t i = 0; result == STATUS_OK && i < y->elements; i++) {
        if (y->floats) y->floats[i] = (float)(start + (double)i * delta);
        else y->integers[i] = kernel->inputs[0]->integers[0] + i * kernel->inputs[2]->integers[0];
    }
    return result;
}
