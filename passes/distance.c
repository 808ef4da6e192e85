#include "passes/distance.h"

#include <inttypes.h>
#include <math.h>

struct distance_output {
    const char *name;
    value_id a, b;
    int64_t elements, classified, agreeing; /* per sample; samples with a class; of those, with the same one */
    double squares, squared_differences, largest;
};

struct distance {
    struct arena *arena;
    struct distance_output *outputs;
    uint32_t count;
    const int64_t *labels;
    int64_t samples, right_a, right_b; /* right: by the labels, of the first output that has classes */
};

status distance_new(struct arena *arena, const struct graph *a, const struct graph *b, const int64_t *labels, struct distance **out,
                    struct diag *diag) {
    struct distance *distance = ARENA_NEW(arena, struct distance);
    distance->arena = arena;
    distance->labels = labels;
    distance->outputs = ARENA_ARRAY(arena, struct distance_output, a->outputs.count);
    for (uint32_t i = 0; i < a->outputs.count; i++) {
        const char *name = graph_value(a, a->outputs.items[i])->name;
        const value_id other = graph_find_value(b, name);
        if (!other.at || !graph_value(b, other)->is_output)
            return diag_fail(diag, STATUS_USAGE, "output '%s' of the first model is no output of the second", name);
        distance->outputs[distance->count++] = (struct distance_output){.name = name, .a = a->outputs.items[i], .b = other};
    }
    *out = distance;
    return STATUS_OK;
}

/* [samples, classes], maybe with axes of one element behind; 0 where it is no such thing. */
static int64_t distance_classes(const struct eval_tensor *tensor, int64_t count) {
    const struct shape *shape = &tensor->shape;
    if (!tensor->floats || shape->rank < 2 || shape->dims[0] != count || tensor->elements != count * shape->dims[1]) return 0;
    return shape->dims[1] > 1 ? shape->dims[1] : 0;
}

static int64_t distance_class_of(const float *scores, int64_t classes) {
    int64_t best = 0;
    for (int64_t i = 1; i < classes; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

static double distance_element(const struct eval_tensor *tensor, int64_t at) {
    return tensor->floats ? (double)tensor->floats[at] : (double)tensor->integers[at];
}

static bool distance_is_same(double a, double b) { return (isnan(a) && isnan(b)) || (a >= b && a <= b); }

static status distance_add_elements(struct distance_output *output, const struct eval_tensor *a, const struct eval_tensor *b,
                                    struct diag *diag) {
    for (int64_t i = 0; i < a->elements; i++) {
        const double x = distance_element(a, i), y = distance_element(b, i), difference = y - x;
        if (!isfinite(x) && distance_is_same(x, y)) continue;
        if (!isfinite(difference))
            return diag_fail(diag, STATUS_UNMET, "output '%s' is %g in one model, %g in the other, on the same sample", output->name, x, y);
        output->squares += x * x;
        output->squared_differences += difference * difference;
        output->largest = fmax(output->largest, fabs(difference));
    }
    return STATUS_OK;
}

static void distance_add_classes(struct distance *distance, struct distance_output *output, const struct eval_tensor *a,
                                 const struct eval_tensor *b, int64_t from, int64_t count) {
    const int64_t classes = distance_classes(a, count);
    bool is_first = classes > 0;
    for (const struct distance_output *other = distance->outputs; other < output; other++) is_first = is_first && !other->classified;
    for (int64_t i = 0; i < count && classes; i++) {
        const int64_t class_a = distance_class_of(a->floats + i * classes, classes),
                      class_b = distance_class_of(b->floats + i * classes, classes);
        output->classified++;
        output->agreeing += class_a == class_b;
        if (!is_first || !distance->labels) continue;
        distance->right_a += class_a == distance->labels[from + i];
        distance->right_b += class_b == distance->labels[from + i];
    }
}

static bool distance_shapes_agree(const struct shape *a, const struct shape *b) {
    bool agree = a->rank == b->rank;
    for (uint32_t i = 0; i < a->rank && agree; i++) agree = a->dims[i] == b->dims[i];
    return agree;
}

status distance_add(struct distance *distance, struct eval *a, struct eval *b, int64_t from, int64_t count, struct diag *diag) {
    for (uint32_t i = 0; i < distance->count; i++) {
        struct distance_output *output = &distance->outputs[i];
        const struct eval_tensor *x = eval_get(a, output->a), *y = eval_get(b, output->b);
        if (!x || !y) return diag_fail(diag, STATUS_BUG, "output '%s' was not computed", output->name);
        if (!distance_shapes_agree(&x->shape, &y->shape))
            return diag_fail(diag, STATUS_USAGE,
                             "output '%s' has %" PRId64 " elements in the first model, %" PRId64 " in the second, or other dims",
                             output->name, x->elements, y->elements);
        const status result = distance_add_elements(output, x, y, diag);
        if (result != STATUS_OK) return result;
        output->elements = x->elements / count;
        distance_add_classes(distance, output, x, y, from, count);
    }
    distance->samples += count;
    return STATUS_OK;
}

static double distance_share(int64_t part, int64_t of) { return of ? (double)part / (double)of : -1; }

static struct record_output distance_record_output(const struct distance_output *output) {
    const bool has_scale = output->squares > 0, is_same = !(output->squared_differences > 0);
    return (struct record_output){.name = output->name,
                                  .elements = output->elements,
                                  .relative_error = has_scale ? output->squared_differences / output->squares
                                                    : is_same ? 0
                                                              : -1,
                                  .largest_difference = output->largest,
                                  .top1_agreement = distance_share(output->agreeing, output->classified)};
}

struct record_accuracy distance_record(const struct distance *distance) {
    struct record_accuracy record = {
        .sample_count = distance->samples, .reference_accuracy = -1, .accuracy = -1, .output_count = distance->count};
    struct record_output *outputs = ARENA_ARRAY(distance->arena, struct record_output, distance->count);
    bool has_classes = false;
    for (uint32_t i = 0; i < distance->count; i++) {
        outputs[i] = distance_record_output(&distance->outputs[i]);
        has_classes = has_classes || distance->outputs[i].classified;
    }
    record.outputs = outputs;
    if (!distance->labels || !has_classes) return record;
    record.reference_accuracy = distance_share(distance->right_a, distance->samples);
    record.accuracy = distance_share(distance->right_b, distance->samples);
    return record;
}
