#include "op/resolve.h"

#include "ir/cut.h"
#include "op/op.h"

/* Operators that hand a constant's numbers on, if in another arrangement or notation. */
static bool resolve_passes(const struct node *node) {
    static const enum op passing[] = {OP_IDENTITY, OP_CAST,      OP_TRANSPOSE,       OP_RESHAPE,
                                      OP_SQUEEZE,  OP_UNSQUEEZE, OP_QUANTIZE_LINEAR, OP_DEQUANTIZE_LINEAR};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (node->op == passing[i]) return true;
    return false;
}

struct resolved resolve_constant(const struct graph *graph, value_id value) {
    struct resolved found = {.origin = value};
    while (found.origin.at && found.step_count < RESOLVE_MAX_STEPS) {
        const struct value *at = graph_value(graph, found.origin);
        if (at->constant.at) {
            found.tensor = at->constant;
            return found;
        }
        if (!at->producer.at || !resolve_passes(graph_node(graph, at->producer))) break;
        found.steps[found.step_count++] = at->producer;
        found.origin = graph_node(graph, at->producer)->inputs[0];
    }
    return (struct resolved){0};
}

tensor_id resolve_plain(const struct graph *graph, value_id value) {
    const struct resolved found = resolve_constant(graph, value);
    for (uint32_t i = 0; i < found.step_count; i++)
        if (graph_node(graph, found.steps[i])->op != OP_IDENTITY) return TENSOR_NONE;
    return found.tensor;
}

static bool resolve_append(const struct graph *graph, value_id value, double *numbers, uint32_t capacity, uint32_t *count) {
    const tensor_id id = value.at ? resolve_plain(graph, value) : TENSOR_NONE;
    const struct tensor *tensor = id.at ? graph_tensor(graph, id) : NULL;
    if (!tensor || !tensor->bytes || tensor->rank > 1 || tensor->elements > capacity - *count) return false;
    for (int64_t i = 0; i < tensor->elements; i++)
        if (!tensor_number(tensor, i, &numbers[(*count)++])) return false;
    return true;
}

bool resolve_numbers(const struct graph *graph, value_id value, double *numbers, uint32_t capacity, uint32_t *count) {
    *count = 0;
    if (!value.at) return false;
    const node_id producer = graph_value(graph, value)->producer;
    const struct node *node = producer.at ? graph_node(graph, producer) : NULL;
    if (!node || node->op != OP_CONCAT) return resolve_append(graph, value, numbers, capacity, count);
    for (uint32_t i = 0; i < node->input_count; i++)
        if (!resolve_append(graph, node->inputs[i], numbers, capacity, count)) return false;
    return true;
}

bool resolve_integers(const struct graph *graph, value_id value, int64_t *numbers, uint32_t capacity, uint32_t *count) {
    const tensor_id id = value.at ? resolve_plain(graph, value) : TENSOR_NONE;
    if (!id.at) return false;
    const struct tensor *tensor = graph_tensor(graph, id);
    if (tensor->elements > capacity) return false;
    for (int64_t i = 0; i < tensor->elements; i++)
        if (!tensor_integer(tensor, i, &numbers[i])) return false;
    *count = (uint32_t)tensor->elements;
    return true;
}
