#include "eval/kernel.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/parallel.h"
#include "eval/buffer.h"
#include "eval/eval_state.h"

/* ---- inputs ---- */

const struct eval_tensor *kernel_input(const struct kernel *kernel, uint32_t index) {
    return index < kernel->node->input_count ? kernel->inputs[index] : NULL;
}

double eval_element(const struct eval_tensor *tensor, int64_t index) {
    return tensor->floats ? (double)tensor->floats[index] : (double)tensor->integers[index];
}

bool kernel_integers(const struct kernel *kernel, const char *name, uint32_t input, const int64_t **numbers, uint32_t *count) {
    const struct attribute *attribute = *name ? node_attribute(kernel->node, name) : NULL;
    if (attribute && attribute->type == ATTRIBUTE_INTS) {
        *numbers = attribute->ints;
        *count = attribute->count;
        return true;
    }
    const struct eval_tensor *tensor = kernel_input(kernel, input);
    if (!tensor || !tensor->integers || tensor->elements > INT32_MAX) return false;
    *numbers = tensor->integers;
    *count = (uint32_t)tensor->elements;
    return true;
}

double kernel_number(const struct kernel *kernel, uint32_t input, double otherwise) {
    const struct eval_tensor *tensor = kernel_input(kernel, input);
    return tensor && tensor->elements ? eval_element(tensor, 0) : otherwise;
}

int64_t kernel_product(const struct shape *shape, uint32_t from, uint32_t to) {
    int64_t product = 1;
    for (uint32_t i = from; i < to; i++) product *= shape->dims[i];
    return product;
}

/* ---- outputs ---- */

bool kernel_wants(const struct kernel *kernel, uint32_t output) { return node_output(kernel->node, output).at != 0; }

status kernel_fail(const struct kernel *kernel, status code, const char *format, ...) {
    char message[DIAG_MESSAGE_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return diag_fail(kernel->diag, code, "%s: %s", graph_describe_node(kernel->graph, kernel->id), message);
}

static status kernel_take(struct kernel *kernel, size_t bytes, struct buffer **buffer) {
    struct buffer_pool *pool = &kernel->eval->pool;
    *buffer = buffer_new(pool, bytes, !kernel->eval->is_fixed[kernel->eval->positions[kernel->id.at]]);
    if (*buffer) return STATUS_OK;
    return kernel_fail(kernel, STATUS_LIMIT,
                       "needs %zu B beside %" PRId64 " B of activations, more than the %" PRId64 " B allowed (--memory)", bytes,
                       pool->used_bytes, pool->limit_bytes);
}

/* Checks the shape and its size. */
static status kernel_settle(const struct kernel *kernel, uint32_t output) {
    struct eval_tensor *made = &kernel->outputs[output];
    int64_t bytes;
    made->elements = shape_elements(&made->shape);
    if (made->elements < 0)
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "the shape of output %u cannot be known from its inputs", output);
    if (!eval_is_float(made->shape.type) && !eval_is_integer(made->shape.type))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "output %u is of type %s", output, type_name(made->shape.type));
    if (!checked_mul(made->elements, 8, &bytes)) return kernel_fail(kernel, STATUS_LIMIT, "output %u exceeds 63 bits", output);
    return STATUS_OK;
}

static void kernel_place(struct kernel *kernel, uint32_t output, struct buffer *buffer, void *data, struct eval_tensor **made) {
    struct eval_tensor *tensor = &kernel->outputs[output];
    kernel->output_buffers[output] = buffer;
    tensor->floats = eval_is_float(tensor->shape.type) ? data : NULL;
    tensor->integers = tensor->floats ? NULL : data;
    if (made) *made = tensor;
}

status kernel_output(struct kernel *kernel, uint32_t output, struct eval_tensor **made) {
    status result = kernel_settle(kernel, output);
    if (result != STATUS_OK) return result;
    const struct eval_tensor *tensor = &kernel->outputs[output];
    struct buffer *buffer;
    result = kernel_take(kernel, (size_t)tensor->elements * (eval_is_float(tensor->shape.type) ? sizeof(float) : sizeof(int64_t)), &buffer);
    if (result == STATUS_OK) kernel_place(kernel, output, buffer, buffer->data, made);
    return result;
}

static bool kernel_is_free(const struct kernel *kernel, value_id value) {
    const struct slot *slot = &kernel->eval->slots[value.at];
    return slot->buffer && slot->buffer->references == 1 && !slot->is_fixed && !slot->is_kept &&
           slot->last_use == kernel->eval->positions[kernel->id.at];
}

status kernel_output_over(struct kernel *kernel, uint32_t output, uint32_t input, struct eval_tensor **made) {
    const status result = kernel_settle(kernel, output);
    if (result != STATUS_OK) return result;
    const struct eval_tensor *from = kernel->inputs[input], *to = &kernel->outputs[output];
    const value_id value = kernel->node->inputs[input];
    const bool is_same = from->elements == to->elements && eval_is_float(from->shape.type) == eval_is_float(to->shape.type);
    if (!is_same || !kernel_is_free(kernel, value)) return kernel_output(kernel, output, made);
    struct buffer *buffer = kernel->eval->slots[value.at].buffer;
    kernel_place(kernel, output, buffer_share(buffer), buffer->data, made);
    return STATUS_OK;
}

status kernel_output_shared(struct kernel *kernel, uint32_t output, uint32_t input) {
    const struct eval_tensor *from = kernel->inputs[input];
    const status result = kernel_settle(kernel, output);
    if (result != STATUS_OK) return result;
    if (kernel->outputs[output].elements != from->elements)
        return kernel_fail(kernel, STATUS_INVALID, "%" PRId64 " elements do not fit a shape of %" PRId64, from->elements,
                           kernel->outputs[output].elements);
    struct buffer *buffer = kernel->eval->slots[kernel->node->inputs[input].at].buffer;
    kernel_place(kernel, output, buffer ? buffer_share(buffer) : NULL, from->floats ? (void *)from->floats : (void *)from->integers, NULL);
    return STATUS_OK;
}

static void kernel_release(void *argument) { buffer_release(argument); }

status kernel_floats(struct kernel *kernel, int64_t count, float **floats) {
    int64_t bytes;
    struct buffer *buffer;
    if (!checked_mul(count, sizeof(float), &bytes)) return kernel_fail(kernel, STATUS_LIMIT, "scratch exceeds 63 bits");
    const status result = kernel_take(kernel, (size_t)bytes, &buffer);
    if (result != STATUS_OK) return result;
    arena_defer(kernel->scratch, kernel_release, buffer);
    *floats = buffer->data;
    return STATUS_OK;
}

int64_t kernel_wrapped(enum data_type type, int64_t number) {
    static const uint8_t is_signed[TYPE_END] = {[TYPE_INT8] = 1, [TYPE_INT16] = 1, [TYPE_INT32] = 1, [TYPE_INT4] = 1, [TYPE_INT2] = 1};
    const uint32_t bits = type_bits(type);
    if (type == TYPE_BOOL) return number != 0;
    if (bits >= 64) return number;
    const uint64_t low = (uint64_t)number & (((uint64_t)1 << bits) - 1), sign = (uint64_t)1 << (bits - 1);
    return is_signed[type] ? (int64_t)(low ^ sign) - (int64_t)sign : (int64_t)low;
}

int64_t kernel_whole(double number) {
    if (isnan(number)) return 0;
    return number >= 0x1p63 ? INT64_MAX : number <= -0x1p63 ? INT64_MIN : (int64_t)number;
}

/* ---- threads ---- */

enum { KERNEL_WORK_OF_A_THREAD = 1 << 18 }; /* less takes no longer than waking a thread up */

void kernel_parallel(const struct kernel *kernel, int64_t count, double work,
                     void (*body)(const void *context, int64_t block, unsigned worker), const void *context) {
    if (work >= KERNEL_WORK_OF_A_THREAD) parallel_run(kernel->eval->parallel, count, body, context);
    else
        for (int64_t block = 0; block < count; block++) body(context, block, 0);
}

status kernel_opaque(struct kernel *kernel) { return kernel_fail(kernel, STATUS_UNSUPPORTED, "the evaluator has no kernel for it"); }
