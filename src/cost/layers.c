/* The structure: layers, their epilogues, and the nodes that stream. README.md 1-7. */
#include "cost/layers.h"

#include <string.h>

#include "op/op.h"
#include "op/window.h"

/* How a family (op.def's column `layer`) becomes a layer. */
enum layers_family {
    FAMILY_opaque,
    FAMILY_conv,
    FAMILY_gemm,
    FAMILY_matmul,
    FAMILY_pool,
    FAMILY_elementwise,
    FAMILY_move,
    FAMILY_rename,
    FAMILY_quantize,
    FAMILY_constant,
    FAMILY_concat
};

static const enum layers_family layers_families[OP_COUNT] = {
    [OP_OPAQUE] = FAMILY_opaque,
#define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label, eval)                           \
    [OP_##token] = FAMILY_##layer,
#include "op/op.def"
#undef OP
};

struct layers_finder {
    struct arena *arena;
    const struct graph *graph;
    const struct shapes *shapes;
    struct layers *layers;
    struct diag *diag;
    bool *is_taken; /* by an epilogue, by node id */
    bool *is_constant;
};

typedef ARRAY(value_id) value_array;
typedef ARRAY(node_id) node_array;

static const struct shape *layers_shape(const struct layers_finder *finder, value_id value) { return shapes_of(finder->shapes, value); }

static bool layers_is_known(const struct shape *shape) {
    bool known = shape->known;
    for (uint32_t i = 0; i < shape->rank; i++) known = known && shape->dims[i] >= 0;
    return known;
}

static bool layers_same_dims(const struct shape *a, const struct shape *b) {
    if (!layers_is_known(a) || !layers_is_known(b) || a->rank != b->rank) return false;
    return memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

/* ---- constants ---- */

static bool layers_makes_constants(const struct layers_finder *finder, const struct node *node) {
    bool any = false;
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (!node->inputs[i].at) continue;
        if (!finder->is_constant[node->inputs[i].at]) return false;
        any = true;
    }
    return any && !node->capture_count;
}

static void layers_mark_constants(struct layers_finder *finder) {
    const struct graph *graph = finder->graph;
    for (uint32_t at = 1; at < graph->values.count; at++)
        finder->is_constant[at] = graph->values.items[at]->constant.at != 0 || finder->shapes->integers[at] != NULL;
    for (uint32_t i = 0; i < graph->order.count; i++) {
        const struct node *node = graph_node(graph, graph->order.items[i]);
        if (!layers_makes_constants(finder, node)) continue;
        for (uint32_t k = 0; k < node->output_count; k++)
            if (node->outputs[k].at) finder->is_constant[node->outputs[k].at] = true;
    }
}

/* All outputs of the node are constants, so it runs before the network does. */
static bool layers_is_folded(const struct layers_finder *finder, const struct node *node) {
    for (uint32_t k = 0; k < node->output_count; k++)
        if (node->outputs[k].at && !finder->is_constant[node->outputs[k].at]) return false;
    return true;
}

/* ---- constant operands ---- */

static bool layers_is_data(enum data_type type) { return type != TYPE_INT64 && type != TYPE_BOOL && type != TYPE_STRING; }

/* More than one element, and not a shape or an axis. */
static bool layers_is_parameter(const struct layers_finder *finder, value_id value) {
    if (!value.at || !finder->is_constant[value.at]) return false;
    const struct shape *shape = layers_shape(finder, value);
    return shape_elements(shape) > 1 && layers_is_data(shape->type);
}

/* One value per channel of a result, right-aligned. */
static bool layers_is_per_channel(const struct layers_finder *finder, value_id value, const struct shape *result, uint32_t channel_axis) {
    const struct shape *shape = layers_shape(finder, value);
    if (!layers_is_known(shape) || shape->rank > result->rank) return false;
    for (uint32_t i = 0; i < shape->rank; i++) {
        const uint32_t axis = i + result->rank - shape->rank;
        if (shape->dims[i] != (axis == channel_axis ? result->dims[axis] : 1)) return false;
    }
    return shape_elements(shape) > 1;
}

/* ---- epilogues ---- */

struct layers_chain {
    struct layer *layer;
    node_array epilogue;
    value_array reads, parameters;
    struct shape shape; /* of the value on the way */
    uint32_t channel_axis;
    bool is_linear;
};

static bool layers_contains(const value_id *values, uint32_t count, value_id value) {
    for (uint32_t i = 0; i < count; i++)
        if (values[i].at == value.at) return true;
    return false;
}

static bool layers_one_output(const struct layers_finder *finder, const struct node *node) {
    for (uint32_t i = 1; i < node->output_count; i++) {
        if (!node->outputs[i].at) continue;
        const struct value *value = graph_value(finder->graph, node->outputs[i]);
        if (value->uses.count || value->is_output) return false;
    }
    return node->output_count > 0 && node->outputs[0].at != 0;
}

/* The one node that uses the value on the way; none where the chain ends here. */
static node_id layers_next(const struct layers_finder *finder, value_id on_the_way) {
    const struct value *value = graph_value(finder->graph, on_the_way);
    if (value->is_output || value->uses.count != 1 || value->uses.items[0].input == USE_CAPTURE) return NODE_NONE;
    const node_id next = value->uses.items[0].node;
    const struct node *node = graph_node(finder->graph, next);
    if (finder->is_taken[next.at] || node->has_body || !layers_one_output(finder, node)) return NODE_NONE;
    return next;
}

static void layers_join_constant(struct layers_finder *finder, struct layers_chain *chain, const struct node *node, value_id operand) {
    if (!layers_is_parameter(finder, operand)) return;
    const bool batch_norm = node->op == OP_BATCH_NORMALIZATION;
    const bool folds = chain->is_linear && op_has(node, OP_LINEAR) &&
                       (batch_norm || layers_is_per_channel(finder, operand, &chain->shape, chain->channel_axis));
    if (folds) chain->layer->has_bias = true;
    else array_push(finder->arena, &chain->parameters, operand);
}

static bool layers_join_elementwise(struct layers_finder *finder, struct layers_chain *chain, node_id id) {
    const struct node *node = graph_node(finder->graph, id);
    if (!op_has(node, OP_ELEMENTWISE) || !layers_same_dims(layers_shape(finder, node->outputs[0]), &chain->shape)) return false;
    const value_id way = chain->layer->output;
    bool is_linear = op_has(node, OP_LINEAR) || op_has(node, OP_RENAME);
    for (uint32_t i = 0; i < node->input_count; i++) {
        const value_id operand = node->inputs[i];
        if (!operand.at || operand.at == way.at) continue;
        if (finder->is_constant[operand.at]) {
            if (!op_has(node, OP_QUANTIZE)) layers_join_constant(finder, chain, node, operand);
        } else {
            if (!layers_contains(chain->reads.items, chain->reads.count, operand)) array_push(finder->arena, &chain->reads, operand);
            is_linear = false;
        }
    }
    chain->is_linear = chain->is_linear && is_linear;
    return true;
}

static bool layers_is_global_pool(const struct node *node) { return node->op == OP_GLOBAL_AVERAGE_POOL || node->op == OP_GLOBAL_MAX_POOL; }

/* The window of a pool; a global pool's is the plane. */
static bool layers_pool_window(const struct layers_finder *finder, node_id id, const struct shape *x, struct window *window) {
    const struct node *node = graph_node(finder->graph, id);
    if (x->rank < 3 || x->rank > 2 + WINDOW_MAX_AXES) return false;
    if (!layers_is_global_pool(node)) {
        struct diag quiet = {0};
        return window_of_node(finder->graph, id, x, NULL, window, &quiet) == STATUS_OK;
    }
    window->axes = x->rank - 2;
    for (uint32_t i = 0; i < window->axes; i++)
        window->axis[i] =
            (struct window_axis){.in = x->dims[2 + i], .out = 1, .kernel = x->dims[2 + i], .stride = x->dims[2 + i], .dilation = 1};
    return true;
}

static bool layers_join_pool(struct layers_finder *finder, struct layers_chain *chain, node_id id) {
    const struct node *node = graph_node(finder->graph, id);
    struct window window;
    if (!op_has(node, OP_POOL) || chain->layer->pool_at != UINT32_MAX || layers_families[node->op] != FAMILY_pool) return false;
    if (!layers_is_known(layers_shape(finder, node->outputs[0])) || !layers_pool_window(finder, id, &chain->shape, &window)) return false;
    for (uint32_t i = 0; i < window.axes; i++) {
        const struct window_axis *axis = &window.axis[i];
        if (axis->kernel != axis->stride || axis->dilation != 1 || axis->pad_begin || axis->pad_end) return false;
    }
    chain->layer->pool_at = chain->epilogue.count;
    chain->shape = *layers_shape(finder, node->outputs[0]);
    chain->is_linear = false;
    return true;
}

/* Fills the layer's epilogue from its result on, at most `most` nodes. */
static void layers_follow(struct layers_finder *finder, struct layer *layer, uint32_t channel_axis, bool may_pool, uint32_t most) {
    struct layers_chain chain = {
        .layer = layer, .shape = *layers_shape(finder, layer->result), .channel_axis = channel_axis, .is_linear = true};
    layer->output = layer->result;
    layer->pool_at = UINT32_MAX;
    for (uint32_t i = 0; i < layer->read_count; i++) array_push(finder->arena, &chain.reads, layer->reads[i]);
    for (uint32_t i = 0; i < layer->parameter_count; i++) array_push(finder->arena, &chain.parameters, layer->parameters[i]);
    for (node_id next; chain.epilogue.count < most && (next = layers_next(finder, layer->output)).at;) {
        if (!layers_join_elementwise(finder, &chain, next) && !(may_pool && layers_join_pool(finder, &chain, next))) break;
        array_push(finder->arena, &chain.epilogue, next);
        layer->output = graph_node(finder->graph, next)->outputs[0];
    }
    layer->epilogue = chain.epilogue.items;
    layer->epilogue_count = chain.epilogue.count;
    if (layer->pool_at == UINT32_MAX) layer->pool_at = layer->epilogue_count;
    layer->reads = chain.reads.items;
    layer->read_count = chain.reads.count;
    layer->parameters = chain.parameters.items;
    layer->parameter_count = chain.parameters.count;
}

/* ---- layers ---- */

/* STATUS_USAGE where a flag could say the dim, else the node counts as opaque. */
static status layers_unknown_dim(const struct layers_finder *finder, node_id id) {
    for (uint32_t i = 0; i < finder->graph->inputs.count; i++) {
        const value_id input = finder->graph->inputs.items[i];
        const struct shape *shape = layers_shape(finder, input);
        if (graph_value(finder->graph, input)->constant.at) continue;
        for (uint32_t k = 0; k < shape->rank; k++)
            if (shape->dims[k] < 0)
                return diag_fail(finder->diag, STATUS_USAGE,
                                 "%s: needs dim %u of input '%s', which the model leaves open: say it with --input-shape %s:...",
                                 graph_describe_node(finder->graph, id), k, graph_value(finder->graph, input)->name,
                                 graph_value(finder->graph, input)->name);
    }
    return STATUS_OK;
}

static void layers_add_stream(struct layers_finder *finder, node_id id, enum layer_kind kind, const char *reason, struct layer *layer) {
    const struct node *node = graph_node(finder->graph, id);
    value_array reads = {0}, writes = {0}, parameters = {0};
    *layer = (struct layer){.node = id, .kind = kind, .reason = reason};
    for (uint32_t i = 0; i < node->input_count + node->capture_count; i++) {
        const value_id value = i < node->input_count ? node->inputs[i] : node->captures[i - node->input_count];
        if (!value.at) continue;
        if (!finder->is_constant[value.at]) {
            if (!layers_contains(reads.items, reads.count, value)) array_push(finder->arena, &reads, value);
        } else if (layers_is_parameter(finder, value) && !op_is_setting(node, i) &&
                   !layers_contains(parameters.items, parameters.count, value)) {
            array_push(finder->arena, &parameters, value);
        }
    }
    for (uint32_t i = 0; i < node->output_count; i++)
        if (node->outputs[i].at) array_push(finder->arena, &writes, node->outputs[i]);
    layer->reads = reads.items, layer->read_count = reads.count;
    layer->writes = writes.items, layer->write_count = writes.count;
    layer->parameters = parameters.items, layer->parameter_count = parameters.count;
    layer->result = layer->output = writes.count ? writes.items[0] : VALUE_NONE;
}

static bool layers_have_shapes(const struct layers_finder *finder, const struct node *node) {
    for (uint32_t i = 0; i < node->input_count; i++)
        if (node->inputs[i].at && !layers_is_known(layers_shape(finder, node->inputs[i]))) return false;
    for (uint32_t i = 0; i < node->output_count; i++)
        if (node->outputs[i].at && !layers_is_known(layers_shape(finder, node->outputs[i]))) return false;
    return true;
}

static void layers_lone_pool(const struct layers_finder *finder, node_id id, struct layer *layer) {
    const struct node *node = graph_node(finder->graph, id);
    *layer =
        (struct layer){.node = id, .kind = LAYER_POOL, .input = node->inputs[0], .result = node->outputs[0], .output = node->outputs[0]};
}

/* The layers that do what a layer with a pool in its epilogue does, when the pool stays alone. */
static void layers_add_alternatives(struct layers_finder *finder, struct layer *layer, uint32_t channel_axis, const struct layer *bare) {
    struct layer alone = *bare;
    layer->alternative = finder->layers->alternatives.count;
    layers_follow(finder, &alone, channel_axis, false, UINT32_MAX);
    array_push(finder->arena, &finder->layers->alternatives, alone);
    for (uint32_t i = layer->pool_at; i < layer->epilogue_count; i++) {
        const node_id id = layer->epilogue[i];
        const struct node *node = graph_node(finder->graph, id);
        struct layer part;
        if (i == layer->pool_at) layers_lone_pool(finder, id, &part);
        else if (op_has(node, OP_RENAME) || op_has(node, OP_QUANTIZE)) continue;
        else layers_add_stream(finder, id, LAYER_STREAM, NULL, &part);
        array_push(finder->arena, &finder->layers->alternatives, part);
    }
    layer->alternative_count = finder->layers->alternatives.count - layer->alternative;
}

/* Bias operands of Conv and Gemm: one value per channel is the bias; anything else is read as what it is. */
static void layers_bias(struct layers_finder *finder, struct layer *layer, value_id bias, uint32_t channel_axis) {
    if (!bias.at) return;
    const struct shape *result = layers_shape(finder, layer->result);
    if (!finder->is_constant[bias.at]) {
        layer->reads = arena_copy(finder->arena, &bias, sizeof bias);
        layer->read_count = 1;
    } else if (layers_families[graph_node(finder->graph, layer->node)->op] == FAMILY_conv ||
               layers_is_per_channel(finder, bias, result, channel_axis)) {
        layer->has_bias = true;
    } else if (layers_is_parameter(finder, bias)) {
        layer->parameters = arena_copy(finder->arena, &bias, sizeof bias);
        layer->parameter_count = 1;
    }
}

/* A layer without its epilogue. */
static void layers_start_nest(struct layers_finder *finder, node_id id, struct layer *layer, uint32_t *channel_axis) {
    const struct node *node = graph_node(finder->graph, id);
    const enum layers_family family = layers_families[node->op];
    *layer = (struct layer){.node = id,
                            .kind = LAYER_NEST,
                            .input = node->inputs[0],
                            .weight = node->inputs[1],
                            .result = node->outputs[0],
                            .output = node->outputs[0]};
    const struct shape *result = layers_shape(finder, layer->result);
    *channel_axis = family == FAMILY_conv ? 1 : result->rank ? result->rank - 1 : 0;
    layers_bias(finder, layer, family == FAMILY_matmul ? VALUE_NONE : node_input(node, 2), *channel_axis);
}

static void layers_add_nest(struct layers_finder *finder, node_id id, enum layers_family family) {
    struct layer layer;
    uint32_t channel_axis;
    layers_start_nest(finder, id, &layer, &channel_axis);
    const struct layer bare = layer;
    layers_follow(finder, &layer, channel_axis, family == FAMILY_conv, UINT32_MAX);
    if (layer.pool_at < layer.epilogue_count) layers_add_alternatives(finder, &layer, channel_axis, &bare);
    for (uint32_t i = 0; i < layer.epilogue_count; i++) finder->is_taken[layer.epilogue[i].at] = true;
    array_push(finder->arena, &finder->layers->items, layer);
}

static bool layers_is_concat_in_place(const struct layers_finder *finder, const struct node *node) {
    const struct shape *y = layers_shape(finder, node->outputs[0]);
    int64_t axis = node_int(node, "axis", 1);
    if (!layers_is_known(y)) return false;
    if (axis < 0) axis += y->rank;
    for (uint32_t i = 0; i < y->rank && i < axis; i++)
        if (y->dims[i] != 1) return false;
    return true;
}

/* Runs before the network does, only renames memory, or is no node of a schedule for another reason (README.md 2). */
static bool layers_moves_nothing(const struct layers_finder *finder, node_id id) {
    const struct node *node = graph_node(finder->graph, id);
    const enum layers_family family = layers_families[node->op];
    if (layers_is_folded(finder, node) && !node->has_body) return true;
    if (family == FAMILY_rename || family == FAMILY_quantize || family == FAMILY_constant) return true;
    return family == FAMILY_concat && layers_is_concat_in_place(finder, node);
}

static bool layers_family_has_macs(enum layers_family family) {
    return family == FAMILY_conv || family == FAMILY_gemm || family == FAMILY_matmul;
}

static const char *layers_opaque_reason(const struct node *node, bool known) {
    if (!known) return "shapes not known: what is known counts";
    return node->op == OP_OPAQUE ? "operator not known: read once, written once" : "not explored: read once, written once";
}

/* Whatever has no multiply-accumulates. */
static void layers_start_other(struct layers_finder *finder, node_id id, bool known, struct layer *layer) {
    const struct node *node = graph_node(finder->graph, id);
    const enum layers_family family = layers_families[node->op];
    if (known && family == FAMILY_pool && layers_shape(finder, node->inputs[0])->rank >= 3) layers_lone_pool(finder, id, layer);
    else if (family == FAMILY_opaque || !known) layers_add_stream(finder, id, LAYER_OPAQUE, layers_opaque_reason(node, known), layer);
    else layers_add_stream(finder, id, LAYER_STREAM, NULL, layer);
}

/* nests: only layers with multiply-accumulates, or only all others. */
static status layers_add(struct layers_finder *finder, node_id id, bool nests) {
    const struct node *node = graph_node(finder->graph, id);
    const enum layers_family family = layers_families[node->op];
    struct layer layer;
    if (finder->is_taken[id.at] || layers_moves_nothing(finder, id)) return STATUS_OK;
    const bool has_macs = layers_family_has_macs(family), known = layers_have_shapes(finder, node);
    if (nests != (has_macs && known)) return STATUS_OK;
    if (!known && (has_macs || family == FAMILY_pool)) {
        const status result = layers_unknown_dim(finder, id);
        if (result != STATUS_OK) return result;
    }
    if (nests) {
        layers_add_nest(finder, id, family);
        return STATUS_OK;
    }
    layers_start_other(finder, id, known, &layer);
    array_push(finder->arena, &finder->layers->items, layer);
    return STATUS_OK;
}

/* ---- execution order ---- */

struct layers_sorter {
    const struct layers_finder *finder;
    const struct layer *found;
    uint32_t *layer_of; /* 1 + index in found, by node id */
    bool *is_visited;   /* by node id */
};

static void layers_visit(struct layers_sorter *sorter, node_id id);

static void layers_visit_inputs(struct layers_sorter *sorter, node_id id) {
    const struct node *node = graph_node(sorter->finder->graph, id);
    sorter->is_visited[id.at] = true;
    for (uint32_t i = 0; i < node->input_count + node->capture_count; i++) {
        const value_id value = i < node->input_count ? node->inputs[i] : node->captures[i - node->input_count];
        if (value.at) layers_visit(sorter, graph_value(sorter->finder->graph, value)->producer);
    }
}

/* Everything that the node and the layer it belongs to need, then that layer. */
static void layers_visit(struct layers_sorter *sorter, node_id id) {
    if (!id.at || sorter->is_visited[id.at]) return;
    const struct layer *layer = sorter->layer_of[id.at] ? &sorter->found[sorter->layer_of[id.at] - 1] : NULL;
    if (layer) {
        sorter->is_visited[layer->node.at] = true;
        for (uint32_t i = 0; i < layer->epilogue_count; i++) sorter->is_visited[layer->epilogue[i].at] = true;
        layers_visit_inputs(sorter, layer->node);
        for (uint32_t i = 0; i < layer->epilogue_count; i++) layers_visit_inputs(sorter, layer->epilogue[i]);
        array_push(sorter->finder->arena, &sorter->finder->layers->items, *layer);
    } else {
        layers_visit_inputs(sorter, id);
    }
}

/* The file's order, but for operands of epilogues, which come before the layer that reads them. A chain meets the rest of the graph only
 * at its ends and at those operands, none of which can depend on it, so there always is such an order. */
static void layers_order(struct layers_finder *finder) {
    const struct graph *graph = finder->graph;
    struct layers *layers = finder->layers;
    const uint32_t count = layers->items.count;
    struct layers_sorter sorter = {.finder = finder,
                                   .found = layers->items.items,
                                   .layer_of = ARENA_ARRAY(finder->arena, uint32_t, graph->nodes.count),
                                   .is_visited = ARENA_ARRAY(finder->arena, bool, graph->nodes.count)};
    for (uint32_t i = 0; i < count; i++) {
        const struct layer *layer = &layers->items.items[i];
        sorter.layer_of[layer->node.at] = i + 1;
        for (uint32_t k = 0; k < layer->epilogue_count; k++) sorter.layer_of[layer->epilogue[k].at] = i + 1;
    }
    memset(&layers->items, 0, sizeof layers->items);
    for (uint32_t i = 0; i < graph->order.count; i++) layers_visit(&sorter, graph->order.items[i]);
}

static void layers_begin(struct arena *arena, const struct graph *graph, const struct shapes *shapes, struct diag *diag,
                         struct layers_finder *finder) {
    *finder = (struct layers_finder){.arena = arena,
                                     .graph = graph,
                                     .shapes = shapes,
                                     .layers = ARENA_NEW(arena, struct layers),
                                     .diag = diag,
                                     .is_taken = ARENA_ARRAY(arena, bool, graph->nodes.count),
                                     .is_constant = ARENA_ARRAY(arena, bool, graph->values.count)};
    finder->layers->graph = graph;
    finder->layers->is_constant = finder->is_constant;
    layers_mark_constants(finder);
}

status layers_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, struct layers **layers, struct diag *diag) {
    struct layers_finder finder;
    layers_begin(arena, graph, shapes, diag, &finder);
    status result = STATUS_OK; /* backwards, so that what two layers could end with goes to the later one */
    for (uint32_t i = graph->order.count; i-- > 0 && result == STATUS_OK;) result = layers_add(&finder, graph->order.items[i], true);
    for (uint32_t i = 0; i < graph->order.count && result == STATUS_OK; i++) result = layers_add(&finder, graph->order.items[i], false);
    if (result != STATUS_OK) return result;
    layers_order(&finder);
    *layers = finder.layers;
    return STATUS_OK;
}

/* ---- layers of a schedule from outside ---- */

struct layers_given {
    struct layers_finder finder;
    const struct layer_group *groups;
    uint32_t group_count;
    uint32_t *group_of; /* 1 + group, by node id */
    uint32_t *made_in;  /* 1 + group that makes a value or what it is made of, by value id; 0 = before the first */
};

static const char *given_name(const struct layers_given *given, uint32_t group) {
    return arena_print(given->finder.arena, "group %u ('%s')", given->groups[group].id,
                       graph_node_label(given->finder.graph, given->groups[group].nodes[0]));
}

static status given_take(struct layers_given *given, uint32_t group, node_id id) {
    const struct graph *graph = given->finder.graph;
    const uint32_t before = given->group_of[id.at];
    if (before)
        return diag_fail(given->finder.diag, STATUS_USAGE, "schedule: %s is in group %u and in group %u", graph_describe_node(graph, id),
                         given->groups[before - 1].id, given->groups[group].id);
    given->group_of[id.at] = group + 1;
    return STATUS_OK;
}

/* The epilogue that the schedule names, and no more. */
static status given_follow(struct layers_given *given, uint32_t group, struct layer *layer, uint32_t channel_axis) {
    struct layers_finder *finder = &given->finder;
    const struct layer_group *nodes = &given->groups[group];
    struct layer whole = *layer;
    const bool may_pool = layers_families[graph_node(finder->graph, layer->node)->op] == FAMILY_conv;
    layers_follow(finder, layer, channel_axis, may_pool, nodes->node_count - 1);
    for (uint32_t i = 1; i < nodes->node_count; i++) {
        if (i <= layer->epilogue_count && layer->epilogue[i - 1].at == nodes->nodes[i].at) continue;
        layers_follow(finder, &whole, channel_axis, may_pool, UINT32_MAX);
        return diag_fail(finder->diag, STATUS_USAGE, "schedule: %s: %s is no epilogue there: %s%s", given_name(given, group),
                         graph_describe_node(finder->graph, nodes->nodes[i]),
                         i <= whole.epilogue_count ? graph_describe_node(finder->graph, whole.epilogue[i - 1]) : "nothing",
                         i <= whole.epilogue_count ? " comes next" : " can follow");
    }
    return STATUS_OK;
}

static status given_add(struct layers_given *given, uint32_t group) {
    struct layers_finder *finder = &given->finder;
    const struct layer_group *nodes = &given->groups[group];
    const node_id id = nodes->nodes[0];
    const struct node *node = graph_node(finder->graph, id);
    const bool known = layers_have_shapes(finder, node);
    struct layer layer;
    uint32_t channel_axis;
    status result = STATUS_OK;
    if (layers_moves_nothing(finder, id))
        return diag_fail(finder->diag, STATUS_USAGE, "schedule: group %u: %s moves nothing and is no group", nodes->id,
                         graph_describe_node(finder->graph, id));
    if (known && layers_family_has_macs(layers_families[node->op])) {
        layers_start_nest(finder, id, &layer, &channel_axis);
        result = given_follow(given, group, &layer, channel_axis);
    } else {
        layers_start_other(finder, id, known, &layer);
        if (nodes->node_count > 1)
            result = diag_fail(finder->diag, STATUS_USAGE, "schedule: %s: %s is no epilogue: the group begins with no layer",
                               given_name(given, group), graph_describe_node(finder->graph, nodes->nodes[1]));
    }
    if (result == STATUS_OK) array_push(finder->arena, &finder->layers->items, layer);
    return result;
}

/* Every node that moves bytes is there. */
static status given_check_missing(const struct layers_given *given) {
    const struct graph *graph = given->finder.graph;
    for (uint32_t i = 0; i < graph->order.count; i++) {
        const node_id id = graph->order.items[i];
        if (!given->group_of[id.at] && !layers_moves_nothing(&given->finder, id))
            return diag_fail(given->finder.diag, STATUS_USAGE, "schedule: %s moves bytes and is in none of the %u groups",
                             graph_describe_node(graph, id), given->group_count ? given->groups[given->group_count - 1].id + 1 : 0);
    }
    return STATUS_OK;
}

static value_id given_operand(const struct node *node, uint32_t at) {
    return at < node->input_count ? node->inputs[at] : node->captures[at - node->input_count];
}

/* Nodes without an entry make what they make where their inputs are made. */
static void given_mark_made(struct layers_given *given) {
    const struct graph *graph = given->finder.graph;
    for (uint32_t i = 0; i < graph->order.count; i++) {
        const node_id id = graph->order.items[i];
        const struct node *node = graph_node(graph, id);
        uint32_t group = given->group_of[id.at];
        for (uint32_t k = 0; !given->group_of[id.at] && k < node->input_count + node->capture_count; k++) {
            const uint32_t made = given->made_in[given_operand(node, k).at];
            if (made > group) group = made;
        }
        for (uint32_t k = 0; k < node->output_count; k++)
            if (node->outputs[k].at) given->made_in[node->outputs[k].at] = group;
    }
}

static status given_check_order(const struct layers_given *given) {
    const struct graph *graph = given->finder.graph;
    for (uint32_t i = 0; i < graph->order.count; i++) {
        const node_id id = graph->order.items[i];
        const struct node *node = graph_node(graph, id);
        const uint32_t group = given->group_of[id.at];
        for (uint32_t k = 0; group && k < node->input_count + node->capture_count; k++) {
            const value_id value = given_operand(node, k);
            const uint32_t made = given->made_in[value.at];
            if (made > group)
                return diag_fail(given->finder.diag, STATUS_USAGE, "schedule: %s: %s reads '%s', which group %u makes later",
                                 given_name(given, group - 1), graph_describe_node(graph, id), graph_value(graph, value)->name,
                                 given->groups[made - 1].id);
        }
    }
    return STATUS_OK;
}

status layers_of_groups(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct layer_group *groups,
                        uint32_t group_count, struct layers **layers, struct diag *diag) {
    struct layers_given given = {.groups = groups,
                                 .group_count = group_count,
                                 .group_of = ARENA_ARRAY(arena, uint32_t, graph->nodes.count),
                                 .made_in = ARENA_ARRAY(arena, uint32_t, graph->values.count)};
    status result = STATUS_OK;
    layers_begin(arena, graph, shapes, diag, &given.finder);
    for (uint32_t i = 0; i < group_count; i++)
        for (uint32_t k = 0; k < groups[i].node_count && result == STATUS_OK; k++) result = given_take(&given, i, groups[i].nodes[k]);
    for (uint32_t i = 0; i < group_count && result == STATUS_OK; i++) result = given_add(&given, i);
    if (result == STATUS_OK) result = given_check_missing(&given);
    if (result != STATUS_OK) return result;
    given_mark_made(&given);
    result = given_check_order(&given);
    if (result == STATUS_OK) *layers = given.finder.layers;
    return result;
}
