/* Which layers can be solved again, and what follows them: read from the graph once. */
#include <math.h>
#include <string.h>

#include "eval/eval.h"
#include "op/op.h"
#include "op/resolve.h"
#include "passes/refit.h"

/* A constant that no other node reads: what is written there changes this layer alone. */
static bool refit_is_own_constant(const struct graph *graph, value_id id) {
    if (!id.at) return false;
    const struct value *value = graph_value(graph, id);
    return value->constant.at && value->uses.count == 1 && !value->is_output && !value->is_input;
}

/* The only reader of a value, none where there are several or it leaves the graph. */
static node_id refit_only_reader(const struct graph *graph, value_id id, uint32_t *input) {
    const struct value *value = graph_value(graph, id);
    if (value->uses.count != 1 || value->is_output || value->uses.items[0].input == USE_CAPTURE) return NODE_NONE;
    *input = value->uses.items[0].input;
    return value->uses.items[0].node;
}

/* What an Identity repeats is read where it stands: the evaluator has not run. */
static const struct eval_tensor *refit_constant(const struct graph *graph, struct eval *eval, value_id id) {
    const struct resolved at = id.at ? resolve_constant(graph, id) : (struct resolved){0};
    if (!at.tensor.at) return NULL;
    return eval_get(eval, resolve_plain(graph, id).at ? at.origin : id);
}

/* ---- the layer itself ---- */

static bool refit_conv(const struct eval_tensor *weight, const struct node *node, struct refit_layer *layer) {
    layer->kind = REFIT_CONV;
    layer->axis = 1;
    layer->rank = weight->shape.rank;
    layer->groups = (uint32_t)node_int(node, "group", 1);
    layer->outputs = (uint32_t)weight->shape.dims[0];
    layer->channels = (uint32_t)weight->shape.dims[1] * layer->groups;
    layer->taps = 1;
    for (uint32_t i = 2; i < weight->shape.rank; i++) layer->taps *= (uint32_t)weight->shape.dims[i];
    return weight->shape.dims[1] > 1 || layer->groups == 1; /* depthwise: nothing to solve */
}

static bool refit_gemm(const struct eval_tensor *weight, const struct node *node, struct refit_layer *layer) {
    const bool is_gemm = node->op == OP_GEMM;
    layer->kind = is_gemm ? REFIT_GEMM : REFIT_MATMUL;
    layer->is_turned = !is_gemm || !node_int(node, "transB", 0);
    layer->groups = layer->taps = 1;
    layer->outputs = (uint32_t)weight->shape.dims[layer->is_turned ? 1 : 0];
    layer->channels = (uint32_t)weight->shape.dims[layer->is_turned ? 0 : 1];
    if (weight->shape.rank != 2) return false;
    return !is_gemm || (!node_int(node, "transA", 0) && node_float(node, "alpha", 1) == 1 && node_float(node, "beta", 1) == 1);
}

static bool refit_read_layer(const struct graph *graph, const struct shapes *shapes, struct eval *eval, struct refit_layer *layer) {
    const struct node *node = graph_node(graph, layer->node);
    if (node->op != OP_CONV && node->op != OP_GEMM && node->op != OP_MATMUL) return false;
    layer->input = node_input(node, 0);
    layer->weight = node_input(node, 1);
    layer->output = layer->target = node_output(node, 0);
    if (!refit_is_own_constant(graph, layer->weight) || resolve_constant(graph, layer->input).tensor.at) return false;
    const struct eval_tensor *weight = eval_get(eval, layer->weight);
    if (!weight || !weight->floats || weight->shape.rank < 2) return false;
    if (node->op == OP_CONV) return refit_conv(weight, node, layer);
    const struct shape *input = shapes_of(shapes, layer->input);
    layer->axis = input->rank - 1;
    return input->known && input->rank >= 2 && refit_gemm(weight, node, layer);
}

/* ---- what follows ---- */

static void refit_take_bias(struct refit_layer *layer, value_id bias, double rate) {
    layer->bias = bias;
    for (uint32_t i = 0; i < layer->outputs; i++) layer->bias_rate[i] = rate;
}

/* offset += the layer's own bias, where it is one number an output. */
static void refit_read_bias(const struct graph *graph, struct eval *eval, struct refit_layer *layer) {
    const struct node *node = graph_node(graph, layer->node);
    const value_id id = layer->kind == REFIT_MATMUL ? VALUE_NONE : node_input(node, 2);
    const struct eval_tensor *bias = refit_constant(graph, eval, id);
    if (!bias || !bias->floats || bias->elements != layer->outputs) return;
    for (uint32_t i = 0; i < layer->outputs; i++) layer->offset[i] = (double)bias->floats[i];
    if (refit_is_own_constant(graph, id)) refit_take_bias(layer, id, 1);
}

/* beta; or a bias before it; or the mean, where beta is not the layer's own: exporters write equal tensors once, and the last betas of
 * branches that meet in an Add are equal after training, since their gradients are. */
static void refit_take_norm_bias(const struct graph *graph, const struct node *norm, const double *scale, struct refit_layer *layer) {
    const bool takes_mean = !layer->bias.at && refit_is_own_constant(graph, node_input(norm, 3));
    if (refit_is_own_constant(graph, node_input(norm, 2))) {
        refit_take_bias(layer, node_input(norm, 2), 1);
        return;
    }
    if (takes_mean) refit_take_bias(layer, node_input(norm, 3), -1);
    for (uint32_t i = 0; i < layer->outputs; i++) layer->bias_rate[i] *= scale[i];
}

/* z = gamma (v - mean) / sqrt(variance + epsilon) + beta */
static bool refit_read_norm(struct arena *arena, const struct graph *graph, struct eval *eval, const struct node *norm,
                            struct refit_layer *layer) {
    const struct eval_tensor *of[5];
    double *norms = ARENA_ARRAY(arena, double, layer->outputs);
    if (norm->op != OP_BATCH_NORMALIZATION || layer->kind != REFIT_CONV || node_int(norm, "training_mode", 0)) return false;
    for (uint32_t i = 1; i < 5; i++) {
        of[i] = refit_constant(graph, eval, node_input(norm, i));
        if (!of[i] || !of[i]->floats || of[i]->elements != layer->outputs) return false;
    }
    for (uint32_t i = 0; i < layer->outputs; i++) {
        const double scale = (double)of[1]->floats[i] / sqrt((double)of[4]->floats[i] + (double)node_float(norm, "epsilon", 1e-5f));
        layer->scale[i] *= scale;
        layer->offset[i] = (layer->offset[i] - (double)of[3]->floats[i]) * scale + (double)of[2]->floats[i];
        norms[i] = scale;
    }
    refit_take_norm_bias(graph, norm, norms, layer);
    return true;
}

/* An Add of one constant number an output, placed on the channels' axis. */
static bool refit_read_shift(const struct graph *graph, struct eval *eval, const struct node *add, uint32_t input,
                             struct refit_layer *layer) {
    const value_id id = node_input(add, 1 - input);
    const struct eval_tensor *shift = add->op == OP_ADD ? refit_constant(graph, eval, id) : NULL;
    if (!shift || !shift->floats || shift->elements != layer->outputs || !shift->shape.rank) return false;
    const uint32_t behind = layer->kind == REFIT_CONV ? layer->rank - 2 : 0; /* axes behind the channels */
    if (shift->shape.rank <= behind || shift->shape.dims[shift->shape.rank - 1 - behind] != layer->outputs) return false;
    for (uint32_t i = 0; i < layer->outputs; i++) layer->offset[i] += (double)shift->floats[i];
    if (refit_is_own_constant(graph, id)) refit_take_bias(layer, id, 1);
    return true;
}

/* From the layer's output to z: each BatchNormalization or constant Add that alone reads what is before it. */
static void refit_fold(struct arena *arena, const struct graph *graph, struct eval *eval, struct refit_layer *layer) {
    uint32_t input;
    for (;;) {
        const node_id reader = refit_only_reader(graph, layer->target, &input);
        if (!reader.at) return;
        const struct node *node = graph_node(graph, reader);
        const bool is_folded = input == 0 && refit_read_norm(arena, graph, eval, node, layer);
        if (!is_folded && !refit_read_shift(graph, eval, node, input, layer)) return;
        layer->target = node_output(node, 0);
    }
}

/* Is the value there before the layer runs? */
static bool refit_comes_before(const struct graph *graph, const struct eval *eval, value_id value, const struct refit_layer *layer) {
    const node_id producer = graph_value(graph, value)->producer;
    return !producer.at || eval_position(eval, producer) < layer->position;
}

static void refit_find_skip(const struct graph *graph, const struct eval *eval, const struct shapes *shapes, struct refit_layer *layer) {
    uint32_t input;
    const node_id reader = refit_only_reader(graph, layer->target, &input);
    if (!reader.at || graph_node(graph, reader)->op != OP_ADD) return;
    const value_id skip = node_input(graph_node(graph, reader), 1 - input), sum = node_output(graph_node(graph, reader), 0);
    const struct shape *a = shapes_of(shapes, skip), *b = shapes_of(shapes, layer->target);
    if (resolve_constant(graph, skip).tensor.at || !a->known || !b->known || a->rank != b->rank) return;
    if (memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) != 0 || !refit_comes_before(graph, eval, skip, layer)) return;
    layer->skip = skip;
    layer->target = sum;
}

/* Branches that meet in an Add: neither has a target of its own, since only the sum is read.
 *
 *     x1 -> layer -> z1 -+-> Add -> sum, the target of both
 *     x2 -> layer -> z2 -+
 *
 * A channel that some scale makes zero cannot take its share, and groups would have to be the same: such layers stay alone. */
static bool refit_can_pair(const struct refit_layer *layer) {
    bool scales = true;
    for (uint32_t i = 0; i < layer->outputs; i++) scales = scales && layer->scale[i] != 0;
    return scales && layer->groups == 1;
}

/* z: of the later layer, before its skip was found. The earlier one is alone while its z is the skip of none. */
static void refit_find_other(struct refit_layers *layers, struct refit_layer *later, value_id z) {
    for (uint32_t i = 0; i < layers->count && later->skip.at; i++) {
        struct refit_layer *earlier = &layers->items[i];
        if (earlier->target.at != later->skip.at || earlier->skip.at || earlier->axis != later->axis) continue;
        if (!refit_can_pair(earlier) || !refit_can_pair(later)) return;
        later->other = i;
        earlier->other = layers->count;
        earlier->skip = z;
        earlier->target = later->target;
        earlier->is_rectified = later->is_rectified;
        earlier->ceiling = later->ceiling;
        return;
    }
}

static void refit_find_rectifier(const struct graph *graph, struct eval *eval, struct refit_layer *layer) {
    uint32_t input;
    const node_id reader = refit_only_reader(graph, layer->target, &input);
    const struct node *node = reader.at ? graph_node(graph, reader) : NULL;
    layer->ceiling = HUGE_VAL;
    if (!node || input != 0) return;
    layer->is_rectified = node->op == OP_RELU;
    if (node->op != OP_CLIP) return;
    const struct eval_tensor *low = refit_constant(graph, eval, node_input(node, 1)),
                             *high = refit_constant(graph, eval, node_input(node, 2));
    const float from = low && low->floats ? low->floats[0] : node_float(node, "min", -1);
    const float to = high && high->floats ? high->floats[0] : node_float(node, "max", HUGE_VALF);
    layer->is_rectified = from == 0 && to > 0;
    layer->ceiling = layer->is_rectified ? (double)to : HUGE_VAL;
}

/* ---- all ---- */

void refit_layers_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, struct eval *eval,
                       struct refit_layers *layers) {
    *layers = (struct refit_layers){0};
    for (uint32_t at = 0; at < graph->order.count; at++) {
        struct refit_layer layer = {.node = graph->order.items[at], .position = at, .other = REFIT_ALONE};
        if (!refit_read_layer(graph, shapes, eval, &layer)) continue;
        layer.scale = ARENA_ARRAY(arena, double, layer.outputs);
        layer.offset = ARENA_ARRAY(arena, double, layer.outputs);
        layer.bias_rate = ARENA_ARRAY(arena, double, layer.outputs);
        for (uint32_t i = 0; i < layer.outputs; i++) layer.scale[i] = 1;
        refit_read_bias(graph, eval, &layer);
        refit_fold(arena, graph, eval, &layer);
        const value_id z = layer.target;
        refit_find_skip(graph, eval, shapes, &layer);
        refit_find_rectifier(graph, eval, &layer);
        refit_find_other(layers, &layer, z);
        array_push(arena, layers, layer);
    }
}

/* ---- weights ---- */

void refit_weights_from(const struct refit_layer *layer, const float *stored, float *weights) {
    const uint32_t rows = layer->outputs, columns = refit_columns(layer);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t k = 0; k < columns; k++)
            weights[(size_t)i * columns + k] = layer->is_turned ? stored[(size_t)k * rows + i] : stored[(size_t)i * columns + k];
}

void refit_weights_to(const struct refit_layer *layer, const float *weights, float *stored) {
    const uint32_t rows = layer->outputs, columns = refit_columns(layer);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t k = 0; k < columns; k++) {
            float *at = layer->is_turned ? &stored[(size_t)k * rows + i] : &stored[(size_t)i * columns + k];
            *at = weights[(size_t)i * columns + k];
        }
}
