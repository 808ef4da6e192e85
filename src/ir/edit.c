#include "ir/edit.h"

#include <assert.h>
#include <string.h>

#include "ir/cut.h"

/* ---- names ---- */

static const char *edit_free_name(struct graph *graph, const char *wanted) {
    if (!*wanted) wanted = "value";
    else if (!name_map_get(graph->value_by_name, wanted)) return names_intern(graph->names, wanted);
    for (uint32_t suffix = 1;; suffix++) {
        const char *name = arena_print(graph->arena, "%s_%u", wanted, suffix);
        if (!name_map_get(graph->value_by_name, name)) return names_intern(graph->names, name);
    }
}

static void edit_register_node_name(struct graph *graph, node_id id) {
    const char *name = graph_node(graph, id)->name;
    if (!*name) return;
    name_map_set(graph->node_by_name, name, name_map_get(graph->node_by_name, name) ? NAME_IS_SHARED : id.at);
}

/* ---- uses ---- */

static void edit_add_use(struct graph *graph, value_id value, node_id node, uint32_t input) {
    if (!value.at) return;
    struct use use = {node, input};
    array_push(graph->arena, &graph_value(graph, value)->uses, use);
}

static void edit_drop_use(struct graph *graph, value_id id, node_id node, uint32_t input) {
    if (!id.at) return;
    struct value *value = graph_value(graph, id);
    for (uint32_t i = 0; i < value->uses.count; i++) {
        const struct use *use = &value->uses.items[i];
        if (use->node.at != node.at || use->input != input) continue;
        memmove(&value->uses.items[i], &value->uses.items[i + 1], (value->uses.count - i - 1) * sizeof(struct use));
        value->uses.count--;
        return;
    }
    assert(false && "a use that is not in the list");
}

/* ---- edges ---- */

value_id edit_add_value(struct graph *graph, const char *name) {
    graph->edit_count++;
    struct value *value = ARENA_NEW(graph->arena, struct value);
    value->name = edit_free_name(graph, name);
    const value_id id = {graph->values.count};
    array_push(graph->arena, &graph->values, value);
    name_map_set(graph->value_by_name, value->name, id.at);
    return id;
}

static uint32_t edit_position(const struct graph *graph, node_id before) {
    if (!before.at) return graph->order.count;
    for (uint32_t i = 0; i < graph->order.count; i++)
        if (graph->order.items[i].at == before.at) return i;
    assert(false && "a node that is not in the order");
    return graph->order.count;
}

static void edit_insert_into_order(struct graph *graph, node_id id, node_id before) {
    const uint32_t at = edit_position(graph, before);
    array_reserve(graph->arena, &graph->order, 1);
    memmove(&graph->order.items[at + 1], &graph->order.items[at], (graph->order.count - at) * sizeof(node_id));
    graph->order.items[at] = id;
    graph->order.count++;
    graph->order_changed = true;
}

node_id edit_add_node(struct graph *graph, node_id before, const char *domain, const char *op_type, const char *name,
                      const value_id *inputs, uint32_t input_count, const value_id *outputs, uint32_t output_count) {
    graph->edit_count++;
    struct node *node = ARENA_NEW(graph->arena, struct node);
    node->domain = names_intern(graph->names, domain);
    node->op_type = names_intern(graph->names, op_type);
    node->name = names_intern(graph->names, name);
    node->inputs = arena_copy(graph->arena, inputs, input_count * sizeof *inputs);
    node->outputs = arena_copy(graph->arena, outputs, output_count * sizeof *outputs);
    node->input_count = input_count;
    node->output_count = output_count;
    const node_id id = {graph->nodes.count};
    array_push(graph->arena, &graph->nodes, node);
    for (uint32_t i = 0; i < input_count; i++) edit_add_use(graph, inputs[i], id, i);
    for (uint32_t i = 0; i < output_count; i++) {
        if (!outputs[i].at) continue;
        struct value *value = graph_value(graph, outputs[i]);
        assert(!value->producer.at);
        value->producer = id;
        value->producer_output = i;
    }
    edit_insert_into_order(graph, id, before);
    edit_register_node_name(graph, id);
    return id;
}

void edit_remove_node(struct graph *graph, node_id id) {
    graph->edit_count++;
    struct node *node = graph_node(graph, id);
    assert(!node->removed);
    for (uint32_t i = 0; i < node->input_count; i++) edit_drop_use(graph, node->inputs[i], id, i);
    for (uint32_t i = 0; i < node->capture_count; i++) edit_drop_use(graph, node->captures[i], id, USE_CAPTURE);
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (!node->outputs[i].at) continue;
        struct value *value = graph_value(graph, node->outputs[i]);
        assert(value->uses.count == 0 && !value->is_output);
        value->producer = NODE_NONE;
    }
    const uint32_t at = edit_position(graph, id);
    memmove(&graph->order.items[at], &graph->order.items[at + 1], (graph->order.count - at - 1) * sizeof(node_id));
    graph->order.count--;
    graph->order_changed = true;
    node->removed = true;
}

void edit_set_input(struct graph *graph, node_id id, uint32_t index, value_id value) {
    struct node *node = graph_node(graph, id);
    if (index >= node->input_count) {
        node->inputs = arena_grow(graph->arena, node->inputs, node->input_count * sizeof(value_id), (index + 1) * sizeof(value_id));
        node->input_count = index + 1;
    }
    if (node->inputs[index].at == value.at) return;
    edit_drop_use(graph, node->inputs[index], id, index);
    node->inputs[index] = value;
    edit_add_use(graph, value, id, index);
    node->edges_changed = true;
    graph->edit_count++;
}

void edit_replace_uses(struct graph *graph, value_id from, value_id to) {
    struct value *value = graph_value(graph, from);
    for (uint32_t i = value->uses.count; i-- > 0;) {
        const struct use use = value->uses.items[i];
        if (use.input != USE_CAPTURE) edit_set_input(graph, use.node, use.input, to);
    }
}

/* ---- building ---- */

void edit_mark_input(struct graph *graph, value_id value) {
    graph_value(graph, value)->is_input = true;
    array_push(graph->arena, &graph->inputs, value);
}

void edit_mark_output(struct graph *graph, value_id value) {
    graph_value(graph, value)->is_output = true;
    array_push(graph->arena, &graph->outputs, value);
}

void edit_add_captures(struct graph *graph, node_id id, const value_id *captures, uint32_t count) {
    struct node *node = graph_node(graph, id);
    node->captures = arena_copy(graph->arena, captures, count * sizeof *captures);
    node->capture_count = count;
    for (uint32_t i = 0; i < count; i++) edit_add_use(graph, captures[i], id, USE_CAPTURE);
}

tensor_id edit_add_tensor(struct graph *graph, const struct tensor *tensor) {
    struct tensor *copy = arena_copy(graph->arena, tensor, sizeof *tensor);
    const tensor_id id = {graph->tensors.count};
    array_push(graph->arena, &graph->tensors, copy);
    return id;
}

void edit_add_initializer(struct graph *graph, value_id id, tensor_id tensor) {
    struct value *value = graph_value(graph, id);
    value->constant = tensor;
    array_push(graph->arena, &graph->initializers, id);
}

struct attribute *edit_add_attribute(struct graph *graph, node_id id, const struct attribute *attribute) {
    struct node *node = graph_node(graph, id);
    struct attribute copy = *attribute;
    copy.name = names_intern(graph->names, attribute->name);
    array_push(graph->arena, &node->attributes, copy);
    return &node->attributes.items[node->attributes.count - 1];
}

/* ---- contents ---- */

value_id edit_split_constant(struct graph *graph, node_id reader, uint32_t input) {
    const value_id shared = graph_node(graph, reader)->inputs[input];
    const struct value *old = graph_value(graph, shared);
    struct tensor tensor = *graph_tensor(graph, old->constant);
    const value_id fresh = edit_add_value(graph, old->name);
    struct value *value = graph_value(graph, fresh);
    tensor.name = value->name;
    tensor.changed = true;
    tensor.dims = arena_copy(graph->arena, tensor.dims, tensor.rank * sizeof *tensor.dims);
    edit_add_initializer(graph, fresh, edit_add_tensor(graph, &tensor));
    edit_set_input(graph, reader, input, fresh);
    return fresh;
}

static void edit_set_tensor_dims(struct graph *graph, struct tensor *tensor, const int64_t *dims, uint32_t rank) {
    graph->edit_count++;
    tensor->dims = arena_copy(graph->arena, dims, rank * sizeof *dims);
    tensor->rank = rank;
    tensor->elements = 1;
    for (uint32_t i = 0; i < rank; i++) tensor->elements *= dims[i];
    tensor->changed = true;
}

void edit_set_tensor(struct graph *graph, tensor_id id, const int64_t *dims, uint32_t rank, const uint8_t *bytes, size_t byte_count) {
    struct tensor *tensor = graph_tensor(graph, id);
    edit_set_tensor_dims(graph, tensor, dims, rank);
    tensor->bytes = bytes;
    tensor->byte_count = byte_count;
    tensor->has_bytes = true;
    tensor->cut = NULL;
}

void edit_cut_tensor(struct graph *graph, tensor_id id, const struct cut *cut) {
    struct tensor *tensor = graph_tensor(graph, id);
    int64_t *dims = ARENA_ARRAY(graph->arena, int64_t, cut->rank);
    for (uint32_t axis = 0; axis < cut->rank; axis++) dims[axis] = cut_dim(cut, axis);
    edit_set_tensor_dims(graph, tensor, dims, cut->rank);
    tensor->bytes = NULL;
    tensor->cut = cut;
    tensor->byte_count = cut_row_bytes(cut) * (size_t)cut_rows(cut);
}

static struct attribute *edit_attribute(struct graph *graph, node_id id, const char *name, enum attribute_type type) {
    graph->edit_count++;
    struct attribute *attribute = (struct attribute *)node_attribute(graph_node(graph, id), name);
    if (!attribute) attribute = edit_add_attribute(graph, id, &(struct attribute){.name = name});
    attribute->type = type;
    attribute->changed = true;
    return attribute;
}

void edit_set_int(struct graph *graph, node_id id, const char *name, int64_t number) {
    edit_attribute(graph, id, name, ATTRIBUTE_INT)->i = number;
}

void edit_set_ints(struct graph *graph, node_id id, const char *name, const int64_t *numbers, uint32_t count) {
    struct attribute *attribute = edit_attribute(graph, id, name, ATTRIBUTE_INTS);
    attribute->ints = arena_copy(graph->arena, numbers, count * sizeof *numbers);
    attribute->count = count;
}

void edit_set_declared_dim(struct graph *graph, value_id id, uint32_t axis, int64_t size) {
    struct value *value = graph_value(graph, id);
    if (!value->has_shape || axis >= value->rank || value->dims[axis].size < 0 || value->dims[axis].size == size) return;
    value->dims[axis].size = size;
    value->declaration_changed = true;
    graph->edit_count++;
}

/* ---- properties ---- */

static property_array *edit_properties(struct graph *graph, node_id id) {
    if (!id.at) return &graph->properties;
    return &graph_node(graph, id)->properties;
}

static void edit_mark_properties(struct graph *graph, node_id id) {
    if (id.at) graph_node(graph, id)->properties_changed = true;
    else graph->properties_changed = true;
}

static void edit_drop_property(property_array *properties, uint32_t at) {
    memmove(&properties->items[at], &properties->items[at + 1], (properties->count - at - 1) * sizeof(struct property));
    properties->count--;
}

void edit_set_property(struct graph *graph, node_id id, const char *key, const char *text) {
    property_array *properties = edit_properties(graph, id);
    for (uint32_t i = 0; i < properties->count; i++) {
        struct property *property = &properties->items[i];
        if (strcmp(property->key, key) != 0) continue;
        if (text && strcmp(property->value, text) == 0) return;
        if (text) property->value = arena_copy_text(graph->arena, text);
        else edit_drop_property(properties, i);
        edit_mark_properties(graph, id);
        return;
    }
    if (!text) return;
    const struct property added = {names_intern(graph->names, key), arena_copy_text(graph->arena, text)};
    array_push(graph->arena, properties, added);
    edit_mark_properties(graph, id);
}

void edit_drop_properties(struct graph *graph, node_id id, const char *key_prefix) {
    property_array *properties = edit_properties(graph, id);
    for (uint32_t i = properties->count; i-- > 0;) {
        if (strncmp(properties->items[i].key, key_prefix, strlen(key_prefix)) != 0) continue;
        edit_drop_property(properties, i);
        edit_mark_properties(graph, id);
    }
}
