#include "op/shapes.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "ir/cut.h"
#include "op/infer.h"

static const infer_rule shapes_rules[OP_COUNT] = {
    [OP_OPAQUE] = infer_opaque,
#define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label, eval)                           \
    [OP_##token] = infer_##shape,
#include "op/op.def"
#undef OP
};

enum { SHAPES_MAX_INTEGERS = 64 };

int64_t shape_elements(const struct shape *shape) {
    int64_t elements = 1;
    if (!shape->known) return -1;
    for (uint32_t i = 0; i < shape->rank; i++)
        if (shape->dims[i] < 0 || !checked_mul(elements, shape->dims[i], &elements)) return -1;
    return elements;
}

/* ---- where shapes come from beside the rules ---- */

static void shapes_declared(const struct value *value, struct shape *shape) {
    if (value->has_type && shape->type == TYPE_UNDEFINED) shape->type = value->type;
    if (!value->has_shape || value->rank > SHAPE_MAX_RANK) return;
    if (!shape->known) {
        shape->known = true;
        shape->rank = value->rank;
        for (uint32_t i = 0; i < value->rank; i++) shape->dims[i] = value->dims[i].size;
    } else if (shape->rank == value->rank) {
        for (uint32_t i = 0; i < value->rank; i++)
            if (shape->dims[i] < 0) shape->dims[i] = value->dims[i].size;
    }
}

static void shapes_of_constant(struct arena *arena, struct shapes *shapes, const struct graph *graph, uint32_t at) {
    const struct tensor *tensor = graph_tensor(graph, graph->values.items[at]->constant);
    struct shape *shape = &shapes->of_value[at];
    shape->type = tensor->type;
    if (tensor->rank > SHAPE_MAX_RANK) return;
    shape->known = true;
    shape->rank = tensor->rank;
    for (uint32_t i = 0; i < tensor->rank; i++) shape->dims[i] = tensor->dims[i];
    if (tensor->elements > SHAPES_MAX_INTEGERS || tensor->rank > 1) return;
    int64_t *numbers = ARENA_ARRAY(arena, int64_t, tensor->elements);
    for (int64_t i = 0; i < tensor->elements; i++)
        if (!tensor_integer(tensor, i, &numbers[i])) return;
    ((const int64_t **)(uintptr_t)shapes->integers)[at] = numbers;
    ((uint32_t *)(uintptr_t)shapes->integer_counts)[at] = (uint32_t)tensor->elements;
}

static status shapes_bind(const struct shapes *shapes, const struct graph *graph, const struct shape_binding *binding, struct diag *diag) {
    const value_id id = graph_find_value(graph, binding->input);
    if (!id.at || !graph_value(graph, id)->is_input)
        return diag_fail(diag, STATUS_USAGE, "--input-shape: the model has no input '%s'", binding->input);
    struct shape *shape = &shapes->of_value[id.at];
    const struct value *value = graph_value(graph, id);
    if (value->has_shape && value->rank != binding->rank)
        return diag_fail(diag, STATUS_USAGE, "--input-shape: input '%s' has rank %u, %u dims are given", binding->input, value->rank,
                         binding->rank);
    for (uint32_t i = 0; i < binding->rank; i++) {
        if (value->has_shape && value->dims[i].size >= 0 && value->dims[i].size != binding->dims[i])
            return diag_fail(diag, STATUS_USAGE, "--input-shape: dim %u of input '%s' is fixed to %" PRId64 ", %" PRId64 " is given", i,
                             binding->input, value->dims[i].size, binding->dims[i]);
        shape->dims[i] = binding->dims[i];
    }
    shape->known = true;
    shape->rank = binding->rank;
    return STATUS_OK;
}

/* In bits, with the axes of size 0 left out: so every single dim, and every product of some, fits too. */
static bool shapes_size_fits(const struct shape *shape) {
    int64_t bits = 64;
    for (uint32_t i = 0; shape->known && i < shape->rank; i++)
        if (shape->dims[i] > 0 && !checked_mul(bits, shape->dims[i], &bits)) return false;
    return true;
}

static status shapes_of_inputs(const struct shapes *shapes, const struct graph *graph, int64_t batch, const struct shape_binding *bindings,
                               uint32_t binding_count, struct diag *diag) {
    for (uint32_t i = 0; i < graph->inputs.count; i++) {
        const value_id id = graph->inputs.items[i];
        if (graph_value(graph, id)->constant.at) continue;
        shapes_declared(graph_value(graph, id), &shapes->of_value[id.at]);
    }
    for (uint32_t i = 0; i < binding_count; i++) {
        const status result = shapes_bind(shapes, graph, &bindings[i], diag);
        if (result != STATUS_OK) return result;
    }
    for (uint32_t i = 0; i < graph->inputs.count; i++) {
        struct shape *shape = &shapes->of_value[graph->inputs.items[i].at];
        if (shape->known && shape->rank && shape->dims[0] < 0) shape->dims[0] = batch;
        if (!shapes_size_fits(shape))
            return diag_fail(diag, STATUS_LIMIT, "graph input '%s': the product of its dims exceeds 63 bits",
                             graph_value(graph, graph->inputs.items[i])->name);
    }
    return STATUS_OK;
}

/* ---- what a rule sees ---- */

const struct shape *infer_input(const struct infer *infer, uint32_t index) {
    return &infer->shapes->of_value[node_input(infer->node, index).at];
}

struct shape *infer_output(const struct infer *infer, uint32_t index) {
    const value_id value = node_output(infer->node, index);
    return value.at ? &infer->shapes->of_value[value.at] : ARENA_NEW(infer->arena, struct shape);
}

bool infer_known(const struct infer *infer, value_id value, const int64_t **numbers, uint32_t *count) {
    if (!value.at || !infer->shapes->integers[value.at]) return false;
    *numbers = infer->shapes->integers[value.at];
    *count = infer->shapes->integer_counts[value.at];
    return true;
}

bool infer_integers(const struct infer *infer, const char *name, uint32_t input, const int64_t **numbers, uint32_t *count) {
    const struct attribute *attribute = node_attribute(infer->node, name);
    if (attribute && attribute->type == ATTRIBUTE_INTS) {
        *numbers = attribute->ints;
        *count = attribute->count;
        return true;
    }
    return infer_known(infer, node_input(infer->node, input), numbers, count);
}

void infer_set_integers(const struct infer *infer, uint32_t output, const int64_t *numbers, uint32_t count) {
    const value_id value = node_output(infer->node, output);
    if (!value.at || count > SHAPES_MAX_INTEGERS) return;
    ((const int64_t **)(uintptr_t)infer->shapes->integers)[value.at] = arena_copy(infer->arena, numbers, count * sizeof *numbers);
    ((uint32_t *)(uintptr_t)infer->shapes->integer_counts)[value.at] = count;
}

status infer_check_per_channel(const struct infer *infer, uint32_t input, int64_t channels) {
    const struct shape *shape = infer_input(infer, input);
    if (!node_input(infer->node, input).at || !shape->known || channels < 0) return STATUS_OK;
    if (shape->rank == 1 && (shape->dims[0] < 0 || shape->dims[0] == channels)) return STATUS_OK;
    return diag_fail(infer->diag, STATUS_INVALID, "%s: input %u ('%s') has %" PRId64 " numbers on %u axes, expected %" PRId64 " on one",
                     graph_describe_node(infer->graph, infer->id), input, graph_value(infer->graph, node_input(infer->node, input))->name,
                     shape_elements(shape), shape->rank, channels);
}

bool infer_axis(int64_t axis, uint32_t rank, uint32_t *normal) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return false;
    *normal = (uint32_t)axis;
    return true;
}

static status shapes_check_size(const struct infer *infer, const struct value *value, const struct shape *shape) {
    if (shapes_size_fits(shape)) return STATUS_OK;
    return diag_fail(infer->diag, STATUS_LIMIT, "%s: the product of the dims of '%s' exceeds 63 bits",
                     graph_describe_node(infer->graph, infer->id), value->name);
}

struct shapes *shapes_blank(struct arena *arena, const struct graph *graph) {
    struct shapes *shapes = ARENA_NEW(arena, struct shapes);
    shapes->graph = graph;
    shapes->of_value = ARENA_ARRAY(arena, struct shape, graph->values.count);
    shapes->integers = arena_alloc_array(arena, graph->values.count, sizeof(const int64_t *));
    shapes->integer_counts = ARENA_ARRAY(arena, uint32_t, graph->values.count);
    return shapes;
}

void shapes_set(struct shapes *shapes, value_id value, const struct shape *shape, const int64_t *numbers, int64_t count) {
    const bool follows = numbers && count <= SHAPES_MAX_INTEGERS;
    shapes->of_value[value.at] = *shape;
    ((const int64_t **)(uintptr_t)shapes->integers)[value.at] = follows ? numbers : NULL;
    ((uint32_t *)(uintptr_t)shapes->integer_counts)[value.at] = follows ? (uint32_t)count : 0;
}

status shapes_infer_node(struct shapes *shapes, struct arena *scratch, node_id id, struct diag *diag) {
    const struct node *node = graph_node(shapes->graph, id);
    struct infer infer = {scratch, shapes->graph, shapes, id, node, diag};
    for (uint32_t i = 0; i < node->output_count; i++)
        if (node->outputs[i].at) shapes_set(shapes, node->outputs[i], &(struct shape){0}, NULL, 0);
    const status result = shapes_rules[node->op](&infer);
    for (uint32_t i = 0; i < node->output_count; i++)
        if (node->outputs[i].at) ((const int64_t **)(uintptr_t)shapes->integers)[node->outputs[i].at] = NULL; /* it was in scratch */
    return result;
}

status shapes_infer(struct arena *arena, const struct graph *graph, int64_t batch, const struct shape_binding *bindings,
                    uint32_t binding_count, struct shapes **out, struct diag *diag) {
    struct shapes *shapes = shapes_blank(arena, graph);
    for (uint32_t at = 1; at < graph->values.count; at++)
        if (graph->values.items[at]->constant.at) shapes_of_constant(arena, shapes, graph, at);
    status result = shapes_of_inputs(shapes, graph, batch, bindings, binding_count, diag);
    struct infer infer = {.arena = arena, .graph = graph, .shapes = shapes, .diag = diag};
    for (uint32_t i = 0; i < graph->order.count && result == STATUS_OK; i++) {
        infer.id = graph->order.items[i];
        infer.node = graph_node(graph, infer.id);
        result = shapes_rules[infer.node->op](&infer);
        for (uint32_t k = 0; k < infer.node->output_count && result == STATUS_OK; k++) {
            const value_id id = infer.node->outputs[k];
            if (!id.at || graph_value(graph, id)->constant.at) continue;
            shapes_declared(graph_value(graph, id), &shapes->of_value[id.at]);
            result = shapes_check_size(&infer, graph_value(graph, id), &shapes->of_value[id.at]);
        }
    }
    if (result == STATUS_OK) *out = shapes;
    return result;
}
