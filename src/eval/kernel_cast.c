/* Cast, and the operators that change how numbers are written: QuantizeLinear, DequantizeLinear. */
#include <inttypes.h>
#include <math.h>

#include "base/checked.h"
#include "eval/kernel.h"
#include "eval/narrow.h"

enum { CAST_BLOCK_ELEMS = 1 << 14 };

struct cast {
    const struct eval_tensor *x;
    struct eval_tensor *y;
};

static void cast_block(const void *context, int64_t block, unsigned worker) {
    const struct cast *cast = context;
    const int64_t from = block * CAST_BLOCK_ELEMS, to = from + kernel_block(cast->x->elements, CAST_BLOCK_ELEMS, block);
    const enum data_type type = cast->y->shape.type;
    (void)worker;
    for (int64_t i = from; i < to; i++) {
        const float number = cast->x->floats ? cast->x->floats[i] : (float)cast->x->integers[i];
        if (cast->y->floats) cast->y->floats[i] = narrow_float(type, number);
        else if (cast->x->integers) cast->y->integers[i] = kernel_wrapped(type, cast->x->integers[i]);
        else cast->y->integers[i] = type == TYPE_BOOL ? !(number >= 0 && number <= 0) : kernel_wrapped(type, kernel_whole((double)number));
    }
}

status kernel_cast(struct kernel *kernel) {
    struct cast cast = {.x = kernel->inputs[0]};
    const status result = kernel_output(kernel, 0, &cast.y);
    if (result != STATUS_OK) return result;
    kernel_parallel(kernel, kernel_blocks(cast.x->elements, CAST_BLOCK_ELEMS), (double)cast.x->elements, cast_block, &cast);
    return STATUS_OK;
}

/* ---- quantised numbers ---- */

/* Where an element's scale and zero point stand: one for all, one for each index of an axis, or one for each block of an axis. */
struct quantize {
    const struct eval_tensor *x, *scale, *zero_point; /* zero_point NULL = 0 */
    struct eval_tensor *y;
    int64_t size, inner;   /* of the axis; elements of one of its indices */
    int64_t block, scales; /* indices that share a scale; scales along the axis: 1 = the same everywhere */
    bool is_blocked;       /* scales differ along the other axes too */
    int64_t low, high;
};

static int64_t quantize_scale_of(const struct quantize *quantize, int64_t at) {
    if (quantize->scale->elements == 1) return 0;
    const int64_t along = at / quantize->inner % quantize->size / quantize->block;
    if (!quantize->is_blocked) return along;
    return (at / quantize->inner / quantize->size * quantize->scales + along) * quantize->inner + at % quantize->inner;
}

static void quantize_block(const void *context, int64_t block, unsigned worker) {
    const struct quantize *quantize = context;
    const int64_t from = block * CAST_BLOCK_ELEMS, to = from + kernel_block(quantize->x->elements, CAST_BLOCK_ELEMS, block);
    (void)worker;
    for (int64_t i = from; i < to; i++) {
        const int64_t at = quantize_scale_of(quantize, i), zero = quantize->zero_point ? quantize->zero_point->integers[at] : 0;
        const double units = nearbyint(
            (double)((quantize->x->floats ? quantize->x->floats[i] : (float)quantize->x->integers[i]) / quantize->scale->floats[at]));
        const double shifted = units + (double)zero;
        quantize->y->integers[i] = shifted >= (double)quantize->high ? quantize->high
                                   : shifted > (double)quantize->low ? (int64_t)shifted
                                                                     : quantize->low; /* NaN too */
    }
}

static void dequantize_block(const void *context, int64_t block, unsigned worker) {
    const struct quantize *quantize = context;
    const int64_t from = block * CAST_BLOCK_ELEMS, to = from + kernel_block(quantize->x->elements, CAST_BLOCK_ELEMS, block);
    (void)worker;
    for (int64_t i = from; i < to; i++) {
        const int64_t at = quantize_scale_of(quantize, i), zero = quantize->zero_point ? quantize->zero_point->integers[at] : 0;
        quantize->y->floats[i] = (float)(quantize->x->integers[i] - zero) * quantize->scale->floats[at];
    }
}

/* axis and block_size count where there is more than one scale. */
static status quantize_lay(const struct kernel *kernel, struct quantize *quantize) {
    const struct shape *x = &kernel->inputs[0]->shape, *scale = &kernel->inputs[1]->shape;
    const int64_t given = node_int(kernel->node, "axis", 1), axis = given < 0 ? given + x->rank : given;
    const int64_t block = node_int(kernel->node, "block_size", 0);
    quantize->x = kernel->inputs[0];
    quantize->scale = kernel->inputs[1];
    quantize->zero_point = kernel_input(kernel, 2);
    if (!quantize->scale->floats || (quantize->zero_point && !quantize->zero_point->integers))
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "scales or zero points of a type without a kernel");
    if (quantize->zero_point && quantize->zero_point->elements != quantize->scale->elements)
        return kernel_fail(kernel, STATUS_INVALID, "%" PRId64 " scales, %" PRId64 " zero points", quantize->scale->elements,
                           quantize->zero_point->elements);
    if (quantize->scale->elements == 1) return STATUS_OK;
    if (axis < 0 || axis >= x->rank) return kernel_fail(kernel, STATUS_INVALID, "axis %" PRId64 " of rank %u", given, x->rank);
    quantize->size = x->dims[axis];
    quantize->inner = kernel_product(x, (uint32_t)axis + 1, x->rank);
    quantize->block = block > 0 ? block : 1;
    quantize->is_blocked = block > 0;
    quantize->scales = kernel_blocks(quantize->size, quantize->block);
    const int64_t expected = block > 0 ? quantize->x->elements / greatest(quantize->size, 1) * quantize->scales : quantize->size;
    if (quantize->scale->elements != expected || (block > 0 && scale->rank != x->rank))
        return kernel_fail(kernel, STATUS_INVALID, "%" PRId64 " scales where %" PRId64 " are expected", quantize->scale->elements,
                           expected);
    return STATUS_OK;
}

status kernel_quantize_linear(struct kernel *kernel) {
    struct quantize quantize = {0};
    const enum data_type type = kernel->outputs[0].shape.type;
    const uint32_t bits = type_bits(type);
    const bool is_signed = kernel_wrapped(type, -1) < 0;
    if (!eval_is_integer(type) || bits > 16) return kernel_fail(kernel, STATUS_UNSUPPORTED, "to %s", type_name(type));
    status result = quantize_lay(kernel, &quantize);
    if (result == STATUS_OK) result = kernel_output(kernel, 0, &quantize.y);
    if (result != STATUS_OK) return result;
    quantize.low = is_signed ? -((int64_t)1 << (bits - 1)) : 0;
    quantize.high = ((int64_t)1 << (is_signed ? bits - 1 : bits)) - 1;
    kernel_parallel(kernel, kernel_blocks(quantize.x->elements, CAST_BLOCK_ELEMS), (double)quantize.x->elements * 4, quantize_block,
                    &quantize);
    return STATUS_OK;
}

status kernel_dequantize_linear(struct kernel *kernel) {
    struct quantize quantize = {0};
    if (!kernel->inputs[0]->integers) return kernel_fail(kernel, STATUS_UNSUPPORTED, "of %s", type_name(kernel->inputs[0]->shape.type));
    status result = quantize_lay(kernel, &quantize);
    if (result == STATUS_OK) result = kernel_output(kernel, 0, &quantize.y);
    if (result != STATUS_OK) return result;
    kernel_parallel(kernel, kernel_blocks(quantize.x->elements, CAST_BLOCK_ELEMS), (double)quantize.x->elements, dequantize_block,
                    &quantize);
    return STATUS_OK;
}
