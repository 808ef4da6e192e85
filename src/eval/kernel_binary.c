/* Two and more operands, element by element, broadcast. */
#include <math.h>
#include <string.h>

#include "eval/broadcast.h"
#include "eval/kernel.h"

enum { BINARY_BLOCK_ELEMS = 1 << 14 };

/* A row of results; strides 0 or 1. */
typedef void (*binary_floats)(const float *a, int64_t a_step, const float *b, int64_t b_step, float *y, int64_t count);
typedef int64_t (*binary_integers)(int64_t a, int64_t b);
typedef bool (*binary_test)(double a, double b);
typedef bool (*binary_test_integers)(int64_t a, int64_t b);

struct binary {
    struct broadcast broadcast;
    const struct eval_tensor *a, *b;
    struct eval_tensor *y;
    binary_floats floats;
    binary_integers integers;
    binary_test test;
    binary_test_integers test_integers;
};

static void binary_block(const void *context, int64_t block, unsigned worker) {
    const struct binary *binary = context;
    const struct broadcast *broadcast = &binary->broadcast;
    const int64_t from = block * BINARY_BLOCK_ELEMS, to = from + kernel_block(broadcast->elements, BINARY_BLOCK_ELEMS, block);
    const int64_t a_step = broadcast->strides[0][broadcast->rank - 1], b_step = broadcast->strides[1][broadcast->rank - 1];
    (void)worker;
    for (struct broadcast_walk walk = broadcast_begin(broadcast, from, to); walk.count; broadcast_step(&walk)) {
        const int64_t a = walk.offset[0], b = walk.offset[1];
        if (binary->floats) {
            binary->floats(binary->a->floats + a, a_step, binary->b->floats + b, b_step, binary->y->floats + walk.at, walk.count);
            continue;
        }
        for (int64_t i = 0; i < walk.count; i++) {
            const int64_t at_a = a + i * a_step, at_b = b + i * b_step;
            int64_t *y = &binary->y->integers[walk.at + i];
            if (binary->integers)
                *y = kernel_wrapped(binary->y->shape.type, binary->integers(binary->a->integers[at_a], binary->b->integers[at_b]));
            else if (binary->test_integers && binary->a->integers && binary->b->integers)
                *y = binary->test_integers(binary->a->integers[at_a], binary->b->integers[at_b]);
            else *y = binary->test(eval_element(binary->a, at_a), eval_element(binary->b, at_b));
        }
    }
}

static status binary_walk(struct kernel *kernel, struct binary *binary, const struct shape *a, const struct shape *b) {
    const struct shape *const operands[] = {a, b};
    if (!broadcast_possible(&binary->y->shape, a) || !broadcast_possible(&binary->y->shape, b))
        return kernel_fail(kernel, STATUS_INVALID, "its operands do not broadcast");
    broadcast_init(&binary->broadcast, &binary->y->shape, operands, 2);
    const int64_t elements = binary->broadcast.elements;
    kernel_parallel(kernel, kernel_blocks(elements, BINARY_BLOCK_ELEMS), (double)elements, binary_block, binary);
    return STATUS_OK;
}

/* The second operand's shape; before opset 7 it lines up with the first from `axis` on. */
static struct shape binary_aligned(const struct kernel *kernel, const struct shape *a, const struct shape *b, int64_t axis) {
    if (graph_opset(kernel->graph) >= 7 || axis < 0 || axis + b->rank > a->rank) return *b;
    struct shape aligned = {.known = true, .type = b->type, .rank = a->rank - (uint32_t)axis};
    for (uint32_t i = 0; i < aligned.rank; i++) aligned.dims[i] = i < b->rank ? b->dims[i] : 1;
    return aligned;
}

static status binary_run(struct kernel *kernel, struct binary binary, int64_t old_axis) {
    binary.a = kernel->inputs[0];
    binary.b = kernel->inputs[1];
    const struct shape b = binary_aligned(kernel, &binary.a->shape, &binary.b->shape, old_axis);
    if (!binary.test && !!binary.a->floats != !!binary.b->floats)
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "operands of types %s and %s", type_name(binary.a->shape.type),
                           type_name(binary.b->shape.type));
    if (binary.a->floats && !binary.test) binary.integers = NULL;
    else binary.floats = NULL;
    if (!binary.floats && !binary.integers && !binary.test)
        return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(binary.a->shape.type));
    const status result = binary.test ? kernel_output(kernel, 0, &binary.y) : kernel_output_over(kernel, 0, 0, &binary.y);
    return result == STATUS_OK ? binary_walk(kernel, &binary, &binary.a->shape, &b) : result;
}

/* ---- arithmetic ---- */

#define BINARY_FLOATS(name, result)                                                                                                        \
    static void binary_floats_##name(const float *as, int64_t a_step, const float *bs, int64_t b_step, float *y, int64_t count) {          \
        if (a_step && b_step) KERNEL_SIMD for (int64_t i = 0; i < count; i++) {                                                            \
                const float a = as[i], b = bs[i];                                                                                          \
                y[i] = (result);                                                                                                           \
            }                                                                                                                              \
        else KERNEL_SIMD for (int64_t i = 0; i < count; i++) {                                                                             \
                const float a = as[i * a_step], b = bs[i * b_step];                                                                        \
                y[i] = (result);                                                                                                           \
            }                                                                                                                              \
    }
#define BINARY_INTEGERS(name, result)                                                                                                      \
    static int64_t binary_integers_##name(int64_t a, int64_t b) { return result; }
#define BINARY(name, result, whole)                                                                                                        \
    BINARY_FLOATS(name, result)                                                                                                            \
    BINARY_INTEGERS(name, whole)
#define BINARY_KERNEL(name, result, whole)                                                                                                 \
    BINARY(name, result, whole)                                                                                                            \
    status kernel_##name(struct kernel *kernel) {                                                                                          \
        return binary_run(kernel, (struct binary){.floats = binary_floats_##name, .integers = binary_integers_##name},                     \
                          node_int(kernel->node, "axis", -1));                                                                             \
    }

static float binary_least(float a, float b) { return isnan(a) || isnan(b) ? NAN : a < b ? a : b; }
static float binary_most(float a, float b) { return isnan(a) || isnan(b) ? NAN : a > b ? a : b; }

BINARY_KERNEL(add, a + b, (int64_t)((uint64_t)a + (uint64_t)b))
BINARY_KERNEL(sub, a - b, (int64_t)((uint64_t)a - (uint64_t)b))
BINARY_KERNEL(mul, a *b, (int64_t)((uint64_t)a *(uint64_t)b))
BINARY_KERNEL(div, a / b, b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b)
BINARY(least, binary_least(a, b), a < b ? a : b)
BINARY(most, binary_most(a, b), a > b ? a : b)
BINARY_FLOATS(prelu, a < 0 ? a * b : a)
BINARY_INTEGERS(prelu, a < 0 ? (int64_t)((uint64_t)a * (uint64_t)b) : a)
BINARY_FLOATS(pow, powf(a, b))

/* Before opset 7 the slope is one number a channel. */
status kernel_prelu(struct kernel *kernel) {
    const bool is_per_channel = kernel->inputs[1]->elements > 1;
    return binary_run(kernel, (struct binary){.floats = binary_floats_prelu, .integers = binary_integers_prelu}, is_per_channel ? 1 : -1);
}

/* ---- powers: the operands' types may differ ---- */

static status binary_as_floats(struct kernel *kernel, uint32_t input, struct eval_tensor *as) {
    const struct eval_tensor *x = kernel->inputs[input];
    *as = *x;
    if (x->floats) return STATUS_OK;
    const status result = kernel_floats(kernel, x->elements, &as->floats);
    for (int64_t i = 0; result == STATUS_OK && i < x->elements; i++) as->floats[i] = (float)x->integers[i];
    return result;
}

static int64_t binary_power(int64_t base, int64_t exponent) {
    uint64_t power = 1, factor = (uint64_t)base;
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    for (; exponent; exponent >>= 1, factor *= factor)
        if (exponent & 1) power *= factor;
    return (int64_t)power;
}

status kernel_pow(struct kernel *kernel) {
    struct eval_tensor a, b, *y, powers;
    const struct shape *base = &kernel->inputs[0]->shape;
    if (kernel->inputs[0]->integers && kernel->inputs[1]->integers)
        return binary_run(kernel, (struct binary){.integers = binary_power}, node_int(kernel->node, "axis", -1));
    status result = binary_as_floats(kernel, 0, &a);
    if (result == STATUS_OK) result = binary_as_floats(kernel, 1, &b);
    if (result == STATUS_OK) result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK) return result;
    powers = *y;
    if (!y->floats && (result = kernel_floats(kernel, y->elements, &powers.floats)) != STATUS_OK) return result;
    struct binary binary = {.a = &a, .b = &b, .y = &powers, .floats = binary_floats_pow};
    const struct shape aligned = binary_aligned(kernel, base, &b.shape, node_int(kernel->node, "axis", -1));
    result = binary_walk(kernel, &binary, base, &aligned);
    for (int64_t i = 0; y->integers && result == STATUS_OK && i < y->elements; i++)
        y->integers[i] = kernel_wrapped(y->shape.type, kernel_whole((double)powers.floats[i]));
    return result;
}

/* ---- comparisons ---- */

#define COMPARE(name, result)                                                                                                              \
    static bool binary_test_##name(double a, double b) { return result; }                                                                  \
    static bool binary_whole_##name(int64_t a, int64_t b) { return result; }                                                               \
    status kernel_##name(struct kernel *kernel) {                                                                                          \
        return binary_run(kernel, (struct binary){.test = binary_test_##name, .test_integers = binary_whole_##name},                       \
                          node_int(kernel->node, "axis", -1));                                                                             \
    }

COMPARE(equal, a >= b && a <= b)
COMPARE(greater, a > b)
COMPARE(less, a < b)
COMPARE(and, a != 0 && b != 0)
COMPARE(greater_or_equal, a >= b)
COMPARE(less_or_equal, a <= b)
COMPARE(or, a != 0 || b != 0)
COMPARE(xor, (a != 0) != (b != 0))

/* ---- any number of operands ---- */

/* y = first operand, spread over the output. */
static status binary_spread(struct kernel *kernel, struct eval_tensor *y) {
    const struct eval_tensor *first = kernel->inputs[0];
    const struct shape *const operand = &first->shape;
    struct broadcast broadcast;
    if (!broadcast_possible(&y->shape, operand)) return kernel_fail(kernel, STATUS_INVALID, "its operands do not broadcast");
    broadcast_init(&broadcast, &y->shape, &operand, 1);
    const int64_t step = broadcast.strides[0][broadcast.rank - 1];
    for (struct broadcast_walk walk = broadcast_begin(&broadcast, 0, broadcast.elements); walk.count; broadcast_step(&walk))
        for (int64_t i = 0; i < walk.count; i++) {
            const int64_t from = walk.offset[0] + i * step;
            if (y->floats) y->floats[walk.at + i] = first->floats[from];
            else y->integers[walk.at + i] = first->integers[from];
        }
    return STATUS_OK;
}

static status binary_fold(struct kernel *kernel, binary_floats floats, binary_integers integers) {
    struct eval_tensor *y;
    for (uint32_t i = 0; i < kernel->node->input_count; i++)
        if (!kernel->inputs[i] || !!kernel->inputs[i]->floats != !!kernel->inputs[0]->floats)
            return kernel_fail(kernel, STATUS_UNSUPPORTED, "operand %u is left out or of another type", i);
    status result = kernel_output(kernel, 0, &y);
    if (result == STATUS_OK) result = binary_spread(kernel, y);
    for (uint32_t i = 1; i < kernel->node->input_count && result == STATUS_OK; i++) {
        struct binary binary = {.a = y, .b = kernel->inputs[i], .y = y, .floats = y->floats ? floats : NULL, .integers = integers};
        result = binary_walk(kernel, &binary, &y->shape, &binary.b->shape);
    }
    return result;
}

status kernel_sum(struct kernel *kernel) { return binary_fold(kernel, binary_floats_add, binary_integers_add); }
status kernel_max(struct kernel *kernel) { return binary_fold(kernel, binary_floats_most, binary_integers_most); }
status kernel_min(struct kernel *kernel) { return binary_fold(kernel, binary_floats_least, binary_integers_least); }

status kernel_mean(struct kernel *kernel) {
    const status result = kernel_sum(kernel);
    struct eval_tensor *y = &kernel->outputs[0];
    if (result == STATUS_OK && !y->floats) return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(y->shape.type));
    for (int64_t i = 0; result == STATUS_OK && i < y->elements; i++) y->floats[i] /= (float)kernel->node->input_count;
    return result;
}

/* condition ? a : b */
status kernel_where(struct kernel *kernel) {
    const struct eval_tensor *condition = kernel->inputs[0], *a = kernel->inputs[1], *b = kernel->inputs[2];
    const struct shape *const operands[] = {&condition->shape, &a->shape, &b->shape};
    struct eval_tensor *y;
    struct broadcast broadcast;
    if (!condition->integers || !!a->floats != !!b->floats) return kernel_fail(kernel, STATUS_INVALID, "operands of types that do not fit");
    const status result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK) return result;
    broadcast_init(&broadcast, &y->shape, operands, 3);
    for (struct broadcast_walk walk = broadcast_begin(&broadcast, 0, broadcast.elements); walk.count; broadcast_step(&walk))
        for (int64_t i = 0; i < walk.count; i++) {
            int64_t at[3];
            for (uint32_t k = 0; k < 3; k++) at[k] = walk.offset[k] + i * broadcast.strides[k][broadcast.rank - 1];
            const bool first = condition->integers[at[0]] != 0;
            if (y->floats) y->floats[walk.at + i] = first ? a->floats[at[1]] : b->floats[at[2]];
            else y->integers[walk.at + i] = first ? a->integers[at[1]] : b->integers[at[2]];
        }
    return STATUS_OK;
}
