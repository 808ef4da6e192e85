/* What a layer is in numbers, for the shapes given: its nest, and what it moves beside it. README.md 1, 4-8. */
#include <assert.h>

#include "cost/layers.h"
#include "op/op.h"
#include "op/resolve.h"
#include "op/window.h"

typedef void (*layer_nest_rule)(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, struct nest *nest);

/* ---- windows ---- */

/* Spatial axes are the last ones of od, oh, ow, but one axis alone is oh. */
static uint32_t layer_nest_axis(uint32_t axes, uint32_t axis) { return axes == 1 ? 1 : NEST_AXES - axes + axis; }

static void layer_nest_window(const struct window *window, const struct shape *result, struct nest *nest) {
    for (uint32_t i = 0; i < window->axes; i++) {
        const uint32_t at = layer_nest_axis(window->axes, i);
        const struct window_axis *from = &window->axis[i];
        nest->size[DIM_OD + at] = result->dims[2 + i];
        nest->axis[at] = (struct nest_axis){.plane = from->in,
                                            .kernel = from->kernel,
                                            .stride = from->stride,
                                            .dilation = from->dilation,
                                            .pad = from->pad_begin,
                                            .pool = 1,
                                            .pooled = result->dims[2 + i]};
    }
}

static void layer_window_of(const struct layers *layers, node_id id, const struct shape *x, const int64_t *kernel, struct window *window) {
    const struct node *node = graph_node(layers->graph, id);
    struct diag quiet = {0};
    if (node->op == OP_GLOBAL_AVERAGE_POOL || node->op == OP_GLOBAL_MAX_POOL) {
        window->axes = x->rank - 2;
        for (uint32_t i = 0; i < window->axes; i++)
            window->axis[i] =
                (struct window_axis){.in = x->dims[2 + i], .out = 1, .kernel = x->dims[2 + i], .stride = x->dims[2 + i], .dilation = 1};
        return;
    }
    const status result = window_of_node(layers->graph, id, x, kernel, window, &quiet);
    assert(result == STATUS_OK); /* shape inference has seen it */
    (void)result;
}

/* The pool in the epilogue: how many outputs it merges, how many it writes. */
static void layer_nest_merge_pool(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, struct nest *nest) {
    if (layer->pool_at >= layer->epilogue_count) return;
    const node_id id = layer->epilogue[layer->pool_at];
    const struct node *node = graph_node(layers->graph, id);
    const struct shape *x = shapes_of(shapes, node->inputs[0]), *y = shapes_of(shapes, node->outputs[0]);
    struct window window;
    layer_window_of(layers, id, x, NULL, &window);
    for (uint32_t i = 0; i < window.axes; i++) {
        struct nest_axis *axis = &nest->axis[layer_nest_axis(window.axes, i)];
        axis->pool = window.axis[i].stride;
        axis->pooled = y->dims[2 + i];
    }
}

/* ---- rules, one per family ---- */

/* A depthwise layer has as many groups as channels, however many are left; other groups stay as they are. */
static int64_t layer_groups(const struct graph *graph, const struct layer *layer, const struct shapes *shapes) {
    const int64_t group = node_int(graph_node(graph, layer->node), "group", 1);
    const struct shape *w = shapes_of(shapes, layer->weight), *x = shapes_of(shapes, layer->input);
    if (graph_node(graph, layer->node)->op == OP_CONV_TRANSPOSE) return group > x->dims[1] ? x->dims[1] : group; /* else none goes */
    return group > 1 && w->dims[1] == 1 ? x->dims[1] : group;
}

/* W: [C, M/group, kD, kH, kW] */
static void layer_nest_conv_transpose(const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                                      struct nest *nest) {
    const struct shape *x = shapes_of(shapes, layer->input), *w = shapes_of(shapes, layer->weight), *y = shapes_of(shapes, layer->result);
    struct window window;
    struct diag quiet = {0};
    const status result = window_of_transposed(layers->graph, layer->node, x, &w->dims[2], &window, &quiet);
    assert(result == STATUS_OK); /* shape inference has seen it */
    (void)result;
    nest->size[DIM_N] = x->dims[0];
    nest->size[DIM_G] = layer_groups(layers->graph, layer, shapes);
    nest->size[DIM_M] = y->dims[1] / nest->size[DIM_G];
    nest->size[DIM_C] = x->dims[1] / nest->size[DIM_G];
    layer_nest_window(&window, y, nest);
    for (uint32_t i = 0; i < window.axes; i++) nest->axis[layer_nest_axis(window.axes, i)].transposed = 1;
}

static void layer_nest_conv(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, struct nest *nest) {
    const struct shape *x = shapes_of(shapes, layer->input), *w = shapes_of(shapes, layer->weight), *y = shapes_of(shapes, layer->result);
    struct window window;
    layer_window_of(layers, layer->node, x, &w->dims[2], &window);
    nest->size[DIM_N] = x->dims[0];
    nest->size[DIM_G] = layer_groups(layers->graph, layer, shapes);
    nest->size[DIM_M] = y->dims[1] / nest->size[DIM_G];
    nest->size[DIM_C] = x->dims[1] / nest->size[DIM_G];
    layer_nest_window(&window, y, nest);
}

static void layer_nest_gemm(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, struct nest *nest) {
    const struct shape *a = shapes_of(shapes, layer->input), *y = shapes_of(shapes, layer->result);
    const bool transposed = node_int(graph_node(layers->graph, layer->node), "transA", 0) != 0;
    nest->size[DIM_M] = y->dims[1];
    nest->size[DIM_C] = a->dims[transposed ? 0 : 1];
    nest->size[DIM_OH] = nest->axis[1].plane = nest->axis[1].pooled = y->dims[0];
}

/* A batch dim that both operands have is g, one that only A has n, one that only B has multiplies m. */
static void layer_nest_matmul(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, struct nest *nest) {
    const struct shape *a = shapes_of(shapes, layer->input), *b = shapes_of(shapes, layer->weight);
    (void)layers;
    nest->size[DIM_C] = a->dims[a->rank - 1];
    nest->size[DIM_M] = b->rank == 1 ? 1 : b->dims[b->rank - 1];
    nest->size[DIM_OH] = nest->axis[1].plane = nest->axis[1].pooled = a->rank == 1 ? 1 : a->dims[a->rank - 2];
    const uint32_t rank = a->rank > b->rank ? a->rank : b->rank;
    for (uint32_t i = 3; i <= rank; i++) {
        const int64_t da = i <= a->rank ? a->dims[a->rank - i] : 1, db = i <= b->rank ? b->dims[b->rank - i] : 1;
        if (da > 1 && db > 1) nest->size[DIM_G] *= da;
        else nest->size[da > 1 ? DIM_N : DIM_M] *= da > 1 ? da : db;
    }
}

static void layer_nest_pool(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, struct nest *nest) {
    const struct shape *x = shapes_of(shapes, layer->input), *y = shapes_of(shapes, layer->result);
    struct window window;
    layer_window_of(layers, layer->node, x, NULL, &window);
    nest->size[DIM_N] = x->dims[0];
    nest->size[DIM_G] = x->dims[1];
    layer_nest_window(&window, y, nest);
}

static const layer_nest_rule layer_nest_rules[OP_COUNT] = {
    [OP_CONV] = layer_nest_conv,
    [OP_CONV_TRANSPOSE] = layer_nest_conv_transpose,
    [OP_GEMM] = layer_nest_gemm,
    [OP_MATMUL] = layer_nest_matmul,
};

/* ---- widths ---- */

/* What the readers of a value quantise it to; TYPE_UNDEFINED unless all of them do. */
static enum data_type layer_quantised_to(const struct graph *graph, const struct shapes *shapes, const struct value *value) {
    for (uint32_t i = 0; i < value->uses.count; i++)
        if (graph_node(graph, value->uses.items[i].node)->op != OP_QUANTIZE_LINEAR) return TYPE_UNDEFINED;
    if (!value->uses.count || value->is_output) return TYPE_UNDEFINED;
    return shapes_of(shapes, graph_node(graph, value->uses.items[0].node)->outputs[0])->type;
}

/* A value that is quantised, was until just before or will be at once, is stored at the quantised width. */
static enum data_type layer_stored_type(const struct layers *layers, const struct shapes *shapes, value_id value) {
    const struct resolved constant = resolve_constant(layers->graph, value);
    for (uint32_t i = 0; i < constant.step_count; i++) {
        const struct node *node = graph_node(layers->graph, constant.steps[i]);
        if (node->op == OP_QUANTIZE_LINEAR) return shapes_of(shapes, node->outputs[0])->type;
    }
    if (constant.tensor.at) return shapes_of(shapes, constant.origin)->type;
    for (uint32_t steps = 0; steps < RESOLVE_MAX_STEPS; steps++) {
        const node_id producer = graph_value(layers->graph, value)->producer;
        if (!producer.at) break;
        const struct node *node = graph_node(layers->graph, producer);
        if (node->op != OP_DEQUANTIZE_LINEAR && !op_has(node, OP_RENAME)) break;
        value = node->inputs[0];
    }
    const enum data_type quantised = layer_quantised_to(layers->graph, shapes, graph_value(layers->graph, value));
    return quantised ? quantised : shapes_of(shapes, value)->type;
}

uint32_t layer_value_bits(const struct layers *layers, const struct shapes *shapes, const struct target *target, value_id value) {
    const uint32_t otherwise = layers->is_constant[value.at] ? target->weight_bits : target->activation_bits;
    if (!target->bits_of_model) return otherwise;
    const uint32_t bits = type_bits(layer_stored_type(layers, shapes, value));
    return bits ? bits : otherwise;
}

int64_t layer_value_bytes(const struct layers *layers, const struct shapes *shapes, const struct target *target, value_id value) {
    const int64_t elems = shape_elements(shapes_of(shapes, value));
    return elems < 0 ? 0 : nest_bytes(elems, layer_value_bits(layers, shapes, target, value));
}

void layer_nest(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, const struct target *target,
                struct nest *nest) {
    nest_init(nest);
    const layer_nest_rule rule = layer_nest_rules[graph_node(layers->graph, layer->node)->op];
    (rule ? rule : layer_nest_pool)(layers, layer, shapes, nest);
    layer_nest_merge_pool(layers, layer, shapes, nest);
    nest->bits[OPERAND_I] = layer_value_bits(layers, shapes, target, layer->input);
    nest->bits[OPERAND_O] = layer_value_bits(layers, shapes, target, layer->output);
    if (layer->kind == LAYER_POOL) {
        nest->partial_bits = nest->bits[OPERAND_O];
    } else {
        nest->bits[OPERAND_W] = layer_value_bits(layers, shapes, target, layer->weight);
        nest->partial_bits = target->partial_sum_bits;
        nest->has_bias = layer->has_bias;
    }
}

/* ---- beside the nest ---- */

int64_t layer_extra_parameters(const struct layer *layer, const struct shapes *shapes) {
    int64_t elems = 0;
    for (uint32_t i = 0; i < layer->parameter_count; i++) elems += shape_elements(shapes_of(shapes, layer->parameters[i]));
    return elems;
}

/* What a stream reads of an input: all of it, but a Slice no more than it keeps. */
static int64_t layer_read_bytes(const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                                const struct target *target, value_id value) {
    const int64_t all = layer_value_bytes(layers, shapes, target, value);
    const enum op op = (enum op)graph_node(layers->graph, layer->node)->op;
    if (layer->kind != LAYER_STREAM || (op != OP_SLICE && op != OP_GATHER)) return all;
    const int64_t kept = nest_bytes(shape_elements(shapes_of(shapes, layer->output)), layer_value_bits(layers, shapes, target, value));
    return kept < all ? kept : all;
}

void layer_extra(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, const struct target *target,
                 struct traffic *extra) {
    *extra = (struct traffic){0};
    for (uint32_t i = 0; i < layer->read_count; i++) extra->input_bytes += layer_read_bytes(layers, layer, shapes, target, layer->reads[i]);
    for (uint32_t i = 0; i < layer->write_count; i++) extra->output_bytes += layer_value_bytes(layers, shapes, target, layer->writes[i]);
    for (uint32_t i = 0; i < layer->parameter_count; i++)
        extra->weight_bytes += layer_value_bytes(layers, shapes, target, layer->parameters[i]);
}
