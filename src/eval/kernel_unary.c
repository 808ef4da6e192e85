/* One operand, element by element: a row each. x: the element; alpha, beta: the attributes, with their defaults here. */
#include <math.h>

#include "eval/kernel.h"

enum { UNARY_BLOCK_ELEMS = 1 << 14 };

struct unary {
    const float *x;
    float *y;
    int64_t elements;
    float alpha, beta;
};

static status unary_floats(struct kernel *kernel, float alpha, float beta,
                           void (*body)(const void *context, int64_t block, unsigned worker)) {
    const struct eval_tensor *x = kernel->inputs[0];
    struct eval_tensor *y;
    if (!x->floats) return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s; floats are needed", type_name(x->shape.type));
    const status result = kernel_output_over(kernel, 0, 0, &y);
    if (result != STATUS_OK) return result;
    const struct unary unary = {x->floats, y->floats, x->elements, node_float(kernel->node, "alpha", alpha),
                                node_float(kernel->node, "beta", beta)};
    kernel_parallel(kernel, kernel_blocks(x->elements, UNARY_BLOCK_ELEMS), (double)x->elements * 4, body, &unary);
    return STATUS_OK;
}

#define UNARY(name, default_alpha, default_beta, result)                                                                                   \
    static void unary_##name(const void *context, int64_t block, unsigned worker) {                                                        \
        const struct unary *unary = context;                                                                                               \
        const float alpha = unary->alpha, beta = unary->beta, *xs = unary->x + block * UNARY_BLOCK_ELEMS;                                  \
        const int64_t count = kernel_block(unary->elements, UNARY_BLOCK_ELEMS, block);                                                     \
        float *ys = unary->y + block * UNARY_BLOCK_ELEMS;                                                                                  \
        (void)worker, (void)alpha, (void)beta;                                                                                             \
        KERNEL_SIMD for (int64_t i = 0; i < count; i++) {                                                                                  \
            const float x = xs[i];                                                                                                         \
            ys[i] = (result);                                                                                                              \
        }                                                                                                                                  \
    }

#define UNARY_KERNEL(name, default_alpha, default_beta, result)                                                                            \
    UNARY(name, default_alpha, default_beta, result)                                                                                       \
    status kernel_##name(struct kernel *kernel) { return unary_floats(kernel, default_alpha, default_beta, unary_##name); }

/* The same on whole numbers, n. */
#define UNARY_KERNEL_BOTH(name, result, whole)                                                                                             \
    UNARY(name, 0, 0, result)                                                                                                              \
    static int64_t unary_whole_##name(int64_t n) { return whole; }                                                                         \
    status kernel_##name(struct kernel *kernel) {                                                                                          \
        return kernel->inputs[0]->floats ? unary_floats(kernel, 0, 0, unary_##name) : unary_integers(kernel, unary_whole_##name);          \
    }

static status unary_integers(struct kernel *kernel, int64_t (*whole)(int64_t number)) {
    const struct eval_tensor *x = kernel->inputs[0];
    struct eval_tensor *y;
    const status result = kernel_output_over(kernel, 0, 0, &y);
    for (int64_t i = 0; result == STATUS_OK && i < x->elements; i++) y->integers[i] = kernel_wrapped(y->shape.type, whole(x->integers[i]));
    return result;
}

static float unary_sigmoid_of(float x) { return x >= 0 ? 1 / (1 + expf(-x)) : expf(x) / (1 + expf(x)); }
static float unary_softplus_of(float x) { return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x))); }
static float unary_sign_of(float x) { return (float)((x > 0) - (x < 0)); }
/* NaN stays NaN, as ONNX Runtime and numpy have it. */
static float unary_within(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

UNARY_KERNEL_BOTH(abs, fabsf(x), n < 0 ? (int64_t)(0 - (uint64_t)n) : n)
UNARY_KERNEL_BOTH(neg, -x, (int64_t)(0 - (uint64_t)n))
UNARY_KERNEL_BOTH(relu, x < 0 ? 0 : x, n < 0 ? 0 : n)
UNARY_KERNEL_BOTH(sign, isnan(x) ? x : unary_sign_of(x), (n > 0) - (n < 0))
UNARY_KERNEL(acos, 0, 0, acosf(x))
UNARY_KERNEL(acosh, 0, 0, acoshf(x))
UNARY_KERNEL(asin, 0, 0, asinf(x))
UNARY_KERNEL(asinh, 0, 0, asinhf(x))
UNARY_KERNEL(atan, 0, 0, atanf(x))
UNARY_KERNEL(atanh, 0, 0, atanhf(x))
UNARY_KERNEL(ceil, 0, 0, ceilf(x))
UNARY_KERNEL(celu, 1, 0, x >= 0 ? x : alpha * expm1f(x / alpha))
UNARY_KERNEL(cos, 0, 0, cosf(x))
UNARY_KERNEL(cosh, 0, 0, coshf(x))
UNARY_KERNEL(elu, 1, 0, x >= 0 ? x : alpha * expm1f(x))
UNARY_KERNEL(erf, 0, 0, erff(x))
UNARY_KERNEL(exp, 0, 0, expf(x))
UNARY_KERNEL(floor, 0, 0, floorf(x))
UNARY_KERNEL(hard_sigmoid, 0.2f, 0.5f, unary_within(alpha *x + beta, 0, 1))
UNARY_KERNEL(hard_swish, 0, 0, x *unary_within(x / 6 + 0.5f, 0, 1))
UNARY_KERNEL(leaky_relu, 0.01f, 0, x < 0 ? alpha * x : x)
UNARY_KERNEL(log, 0, 0, logf(x))
UNARY_KERNEL(mish, 0, 0, x *tanhf(unary_softplus_of(x)))
UNARY_KERNEL(reciprocal, 0, 0, 1 / x)
UNARY_KERNEL(round, 0, 0, nearbyintf(x)) /* halves to even */
UNARY_KERNEL(sigmoid, 0, 0, unary_sigmoid_of(x))
UNARY_KERNEL(sin, 0, 0, sinf(x))
UNARY_KERNEL(sinh, 0, 0, sinhf(x))
UNARY_KERNEL(softplus, 0, 0, unary_softplus_of(x))
UNARY_KERNEL(softsign, 0, 0, x / (1 + fabsf(x)))
UNARY_KERNEL(sqrt, 0, 0, sqrtf(x))
UNARY_KERNEL(swish, 1, 0, x *unary_sigmoid_of(alpha *x))
UNARY_KERNEL(tan, 0, 0, tanf(x))
UNARY_KERNEL(tanh, 0, 0, tanhf(x))
UNARY_KERNEL(thresholded_relu, 1, 0, x > alpha ? x : 0)

/* ---- those with more to them ---- */

UNARY(gelu_exact, 0, 0, 0.5f * x * (1 + erff(x * 0.70710678f)))
UNARY(gelu_tanh, 0, 0, 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x))))

status kernel_gelu(struct kernel *kernel) {
    const bool is_tanh = *node_text(kernel->node, "approximate", "none") == 't';
    return unary_floats(kernel, 0, 0, is_tanh ? unary_gelu_tanh : unary_gelu_exact);
}

/* alpha where x is not above 0, gamma for all: the attribute gamma stands in beta. */
UNARY(selu, 0, 0, x > 0 ? beta * x : beta * (alpha * expm1f(x)))

status kernel_selu(struct kernel *kernel) {
    const float gamma = node_float(kernel->node, "gamma", 1.05070102f);
    return unary_floats(kernel, 1.67326319f, gamma, unary_selu);
}

UNARY(clip, 0, 0, unary_within(x, alpha, beta))

static status unary_clip_integers(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0], *low = kernel_input(kernel, 1), *high = kernel_input(kernel, 2);
    const int64_t least = low && low->elements ? low->integers[0] : INT64_MIN,
                  most = high && high->elements ? high->integers[0] : INT64_MAX;
    struct eval_tensor *y;
    const status result = kernel_output_over(kernel, 0, 0, &y);
    for (int64_t i = 0; result == STATUS_OK && i < x->elements; i++) {
        const int64_t raised = x->integers[i] < least ? least : x->integers[i];
        y->integers[i] = raised > most ? most : raised;
    }
    return result;
}

/* min and max: attributes before opset 11, inputs since. Where min > max, max holds. */
status kernel_clip(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0];
    if (!x->floats) return unary_clip_integers(kernel);
    const float low = (float)kernel_number(kernel, 1, (double)node_float(kernel->node, "min", -INFINITY)),
                high = (float)kernel_number(kernel, 2, (double)node_float(kernel->node, "max", INFINITY));
    struct eval_tensor *y;
    const status result = kernel_output_over(kernel, 0, 0, &y);
    if (result != STATUS_OK) return result;
    const struct unary unary = {x->floats, y->floats, x->elements, low < high ? low : high, high};
    kernel_parallel(kernel, kernel_blocks(x->elements, UNARY_BLOCK_ELEMS), (double)x->elements, unary_clip, &unary);
    return STATUS_OK;
}

status kernel_not(struct kernel *kernel) {
    const struct eval_tensor *x = kernel->inputs[0];
    struct eval_tensor *y;
    if (!x->integers) return kernel_fail(kernel, STATUS_INVALID, "on %s", type_name(x->shape.type));
    const status result = kernel_output(kernel, 0, &y);
    for (int64_t i = 0; result == STATUS_OK && i < x->elements; i++) y->integers[i] = !x->integers[i];
    return result;
}
