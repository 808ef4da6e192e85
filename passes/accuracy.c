#include "passes/accuracy.h"

#include <math.h>

static int64_t accuracy_largest(const float *values, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

static bool accuracy_is_distribution(const float *values, int64_t count) {
    double sum = 0;
    bool is_positive = true;
    for (int64_t i = 0; i < count; i++) {
        sum += (double)values[i];
        is_positive = is_positive && values[i] >= 0;
    }
    return is_positive && fabs(sum - 1) < 1e-4;
}

static double accuracy_log_sum(const float *values, int64_t count) {
    const double top = (double)values[accuracy_largest(values, count)];
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += exp((double)values[i] - top);
    return top + log(sum);
}

/* The logarithm of a class's probability: of a distribution, or of the softmax. */
static double accuracy_log(const float *values, int64_t at, bool is_distribution, double log_sum) {
    return is_distribution ? log(fmax((double)values[at], 1e-12)) : (double)values[at] - log_sum;
}

/* sum of p (log p - log q) */
static double accuracy_divergence(const float *original, const float *other, int64_t count) {
    const bool is_distribution = accuracy_is_distribution(original, count);
    const double p_sum = accuracy_log_sum(original, count), q_sum = accuracy_log_sum(other, count);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        const double p = accuracy_log(original, i, is_distribution, p_sum);
        sum += exp(p) * (p - accuracy_log(other, i, is_distribution, q_sum));
    }
    return sum;
}

void accuracy_add(struct accuracy *sum, const struct eval_tensor *original, const struct eval_tensor *other, int64_t image, bool is_first,
                  const int64_t *label) {
    const int64_t size = original->elements / original->shape.dims[0];
    const float *a = original->floats + image * size, *b = other->floats + image * size;
    for (int64_t i = 0; i < size; i++) {
        const double gap = (double)b[i] - (double)a[i];
        sum->squared_gap += gap * gap;
        sum->squared += (double)a[i] * (double)a[i];
    }
    sum->samples += is_first;
    if (!is_first || size < 2 || original->shape.rank < 2 || original->shape.dims[1] != size) return;
    const int64_t top = accuracy_largest(b, size);
    sum->images++;
    sum->divergence += accuracy_divergence(a, b, size);
    sum->agreeing += top == accuracy_largest(a, size);
    sum->right_original += label && *label == accuracy_largest(a, size);
    sum->right += label && *label == top;
}
