#include "onnx/patch.h"

#include <string.h>

/* ---- small parts ---- */

static char *patch_text(const char *text) { return (char *)(uintptr_t)text; }

static void patch_properties(struct arena *arena, const property_array *properties, size_t *count,
                             Onnx__StringStringEntryProto ***entries) {
    *count = properties->count;
    *entries = ARENA_ARRAY(arena, Onnx__StringStringEntryProto *, properties->count);
    for (uint32_t i = 0; i < properties->count; i++) {
        Onnx__StringStringEntryProto *entry = ARENA_NEW(arena, Onnx__StringStringEntryProto);
        onnx__string_string_entry_proto__init(entry);
        entry->key = patch_text(properties->items[i].key);
        entry->value = patch_text(properties->items[i].value);
        (*entries)[i] = entry;
    }
}

static uint32_t patch_count_streams(const struct graph *graph) {
    uint32_t count = 0;
    for (uint32_t i = 1; i < graph->tensors.count; i++) count += graph->tensors.items[i]->cut != NULL;
    return count;
}

/* ---- tensors ---- */

static Onnx__TensorProto *patch_tensor(struct patch *patch, const struct tensor *tensor) {
    Onnx__TensorProto *origin = tensor->origin ? patch->model->tensors.items[tensor->origin - 1] : NULL;
    if (origin && !tensor->changed) return origin;
    Onnx__TensorProto *proto = ARENA_NEW(patch->arena, Onnx__TensorProto);
    onnx__tensor_proto__init(proto);
    if (origin) *proto = *origin;
    proto->name = *tensor->name || proto->name ? patch_text(tensor->name) : NULL;
    if (!tensor->has_bytes && !tensor->cut) return proto; /* data that are missing, or text: as they were */
    proto->n_float_data = proto->n_int32_data = proto->n_int64_data = proto->n_double_data = proto->n_uint64_data = 0;
    proto->n_external_data = 0;
    proto->has_data_location = false;
    proto->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
    proto->has_data_type = true;
    proto->data_type = (int32_t)tensor->type;
    proto->n_dims = tensor->rank;
    proto->dims = tensor->dims;
    proto->has_raw_data = true;
    proto->raw_data.len = tensor->byte_count;
    proto->raw_data.data = (uint8_t *)(uintptr_t)tensor->bytes;
    if (tensor->cut) {
        struct patch_stream *stream = &patch->streams[patch->stream_count++];
        stream->cut = tensor->cut;
        proto->raw_data.data = (uint8_t *)stream;
    }
    return proto;
}

static void patch_initializers(struct patch *patch, Onnx__GraphProto *graph) {
    const struct graph *ir = patch->model->graph;
    graph->n_initializer = ir->initializers.count;
    graph->initializer = ARENA_ARRAY(patch->arena, Onnx__TensorProto *, ir->initializers.count);
    for (uint32_t i = 0; i < ir->initializers.count; i++)
        graph->initializer[i] = patch_tensor(patch, graph_tensor(ir, graph_value(ir, ir->initializers.items[i])->constant));
}

/* ---- nodes ---- */

static Onnx__AttributeProto *patch_attribute(struct patch *patch, const struct attribute *attribute, const Onnx__AttributeProto *origin) {
    Onnx__AttributeProto *proto = ARENA_NEW(patch->arena, Onnx__AttributeProto);
    onnx__attribute_proto__init(proto);
    if (origin) *proto = *origin;
    proto->name = patch_text(attribute->name);
    proto->has_type = true;
    proto->type = (Onnx__AttributeProto__AttributeType)attribute->type;
    if (attribute->type == ATTRIBUTE_INT) {
        proto->has_i = true;
        proto->i = attribute->i;
    } else if (attribute->type == ATTRIBUTE_INTS) {
        proto->n_ints = attribute->count;
        proto->ints = (int64_t *)(uintptr_t)attribute->ints;
    } else if (attribute->type == ATTRIBUTE_TENSOR) {
        proto->t = patch_tensor(patch, graph_tensor(patch->model->graph, attribute->tensor));
    }
    return proto;
}

static bool patch_tensor_changed(const struct graph *graph, tensor_id id) { return id.at && graph_tensor(graph, id)->changed; }

/* The constant of a Constant node, where it changed though no attribute holds it as a tensor (value_ints and the like). */
static tensor_id patch_plain_constant(const struct graph *graph, const struct node *node) {
    if (strcmp(node->op_type, "Constant") != 0 || node->output_count != 1 || !node->outputs[0].at) return TENSOR_NONE;
    const tensor_id tensor = graph_value(graph, node->outputs[0])->constant;
    if (!patch_tensor_changed(graph, tensor)) return TENSOR_NONE;
    return node->attributes.count == 1 && node->attributes.items[0].tensor.at == tensor.at ? TENSOR_NONE : tensor;
}

static bool patch_attributes_changed(const struct graph *graph, const struct node *node) {
    for (uint32_t i = 0; i < node->attributes.count; i++)
        if (node->attributes.items[i].changed || patch_tensor_changed(graph, node->attributes.items[i].tensor)) return true;
    return patch_plain_constant(graph, node).at != 0;
}

static void patch_attributes(struct patch *patch, const struct node *node, const Onnx__NodeProto *origin, Onnx__NodeProto *proto) {
    const struct graph *graph = patch->model->graph;
    const tensor_id plain = patch_plain_constant(graph, node);
    if (plain.at) {
        const struct attribute value = {.name = "value", .type = ATTRIBUTE_TENSOR, .tensor = plain};
        proto->n_attribute = 1;
        proto->attribute = ARENA_ARRAY(patch->arena, Onnx__AttributeProto *, 1);
        proto->attribute[0] = patch_attribute(patch, &value, NULL);
        return;
    }
    proto->n_attribute = node->attributes.count;
    proto->attribute = ARENA_ARRAY(patch->arena, Onnx__AttributeProto *, node->attributes.count);
    for (uint32_t i = 0; i < node->attributes.count; i++) {
        const struct attribute *attribute = &node->attributes.items[i];
        Onnx__AttributeProto *old = attribute->origin && origin ? origin->attribute[attribute->origin - 1] : NULL;
        const bool changed = !old || attribute->changed || patch_tensor_changed(graph, attribute->tensor);
        proto->attribute[i] = changed ? patch_attribute(patch, attribute, old) : old;
    }
}

static char **patch_names(struct patch *patch, const value_id *ids, uint32_t count) {
    char **names = ARENA_ARRAY(patch->arena, char *, count);
    for (uint32_t i = 0; i < count; i++) names[i] = patch_text(graph_value(patch->model->graph, ids[i])->name);
    return names;
}

static Onnx__NodeProto *patch_node(struct patch *patch, node_id id) {
    const struct graph *graph = patch->model->graph;
    const struct node *node = graph_node(graph, id);
    Onnx__NodeProto *origin = node->origin ? patch->model->proto->graph->node[node->origin - 1] : NULL;
    const bool attributes_changed = patch_attributes_changed(graph, node);
    if (origin && !node->edges_changed && !node->properties_changed && !attributes_changed) return origin;
    Onnx__NodeProto *proto = ARENA_NEW(patch->arena, Onnx__NodeProto);
    onnx__node_proto__init(proto);
    if (origin) *proto = *origin;
    if (!origin) {
        proto->op_type = patch_text(node->op_type);
        proto->name = *node->name ? patch_text(node->name) : NULL;
        proto->domain = *node->domain ? patch_text(node->domain) : NULL;
    }
    if (!origin || node->edges_changed) {
        proto->n_input = node->input_count;
        proto->input = patch_names(patch, node->inputs, node->input_count);
        proto->n_output = node->output_count;
        proto->output = patch_names(patch, node->outputs, node->output_count);
    }
    if (!origin || attributes_changed) patch_attributes(patch, node, origin, proto);
    if (node->properties_changed) patch_properties(patch->arena, &node->properties, &proto->n_metadata_props, &proto->metadata_props);
    return proto;
}

/* ---- declarations ---- */

static Onnx__TensorShapeProto__Dimension *patch_dim(struct arena *arena, const Onnx__TensorShapeProto__Dimension *origin, int64_t size) {
    Onnx__TensorShapeProto__Dimension *dim = arena_copy(arena, origin, sizeof *origin);
    dim->dim_value = size;
    return dim;
}

/* What the constant's dims say where a cut changed them, else the declaration's own. */
static int64_t patch_declared_size(const struct graph *graph, const struct value *value, uint32_t axis) {
    const struct tensor *tensor = graph_tensor(graph, value->constant);
    return patch_tensor_changed(graph, value->constant) && tensor->rank == value->rank ? tensor->dims[axis] : value->dims[axis].size;
}

static Onnx__ValueInfoProto *patch_declaration(struct patch *patch, Onnx__ValueInfoProto *origin) {
    const struct graph *graph = patch->model->graph;
    const value_id id = graph_find_value(graph, origin->name ? origin->name : "");
    const struct value *value = graph_value(graph, id);
    if (!id.at || (!value->declaration_changed && !patch_tensor_changed(graph, value->constant)) || !origin->type ||
        origin->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return origin;
    const Onnx__TensorShapeProto *old = origin->type->tensor_type->shape;
    if (!old || old->n_dim != value->rank) return origin;
    Onnx__ValueInfoProto *info = arena_copy(patch->arena, origin, sizeof *origin);
    info->type = arena_copy(patch->arena, origin->type, sizeof *origin->type);
    info->type->tensor_type = arena_copy(patch->arena, origin->type->tensor_type, sizeof *origin->type->tensor_type);
    Onnx__TensorShapeProto *shape = info->type->tensor_type->shape = arena_copy(patch->arena, old, sizeof *old);
    shape->dim = ARENA_ARRAY(patch->arena, Onnx__TensorShapeProto__Dimension *, old->n_dim);
    for (size_t i = 0; i < old->n_dim; i++) {
        const bool fixed = old->dim[i]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        shape->dim[i] = fixed ? patch_dim(patch->arena, old->dim[i], patch_declared_size(graph, value, (uint32_t)i)) : old->dim[i];
    }
    return info;
}

static Onnx__ValueInfoProto **patch_declarations(struct patch *patch, Onnx__ValueInfoProto **infos, size_t count) {
    Onnx__ValueInfoProto **patched = ARENA_ARRAY(patch->arena, Onnx__ValueInfoProto *, count);
    for (size_t i = 0; i < count; i++) patched[i] = patch_declaration(patch, infos[i]);
    return patched;
}

/* IR 3 lists initializers as inputs too: so must the ones made here. */
static Onnx__ValueInfoProto *patch_new_input(struct arena *arena, const struct tensor *tensor) {
    Onnx__ValueInfoProto *info = ARENA_NEW(arena, Onnx__ValueInfoProto);
    Onnx__TypeProto *type = ARENA_NEW(arena, Onnx__TypeProto);
    Onnx__TypeProto__Tensor *tensor_type = ARENA_NEW(arena, Onnx__TypeProto__Tensor);
    Onnx__TensorShapeProto *shape = ARENA_NEW(arena, Onnx__TensorShapeProto);
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor_type);
    onnx__tensor_shape_proto__init(shape);
    info->name = patch_text(tensor->name);
    info->type = type;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor_type;
    tensor_type->has_elem_type = true;
    tensor_type->elem_type = (int32_t)tensor->type;
    tensor_type->shape = shape;
    shape->n_dim = tensor->rank;
    shape->dim = ARENA_ARRAY(arena, Onnx__TensorShapeProto__Dimension *, tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        Onnx__TensorShapeProto__Dimension *dim = shape->dim[i] = ARENA_NEW(arena, Onnx__TensorShapeProto__Dimension);
        onnx__tensor_shape_proto__dimension__init(dim);
        dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dim->dim_value = tensor->dims[i];
    }
    return info;
}

static void patch_inputs(struct patch *patch, Onnx__GraphProto *body) {
    enum { PATCH_FREE_INITIALIZERS_FROM_IR = 4 };
    const struct graph *graph = patch->model->graph;
    const size_t read = patch->model->proto->graph->n_initializer, fresh = graph->initializers.count - read;
    body->input = patch_declarations(patch, body->input, body->n_input);
    if (!fresh || graph->ir_version >= PATCH_FREE_INITIALIZERS_FROM_IR) return;
    body->input = arena_grow(patch->arena, body->input, body->n_input * sizeof *body->input, (body->n_input + fresh) * sizeof *body->input);
    for (size_t i = 0; i < fresh; i++) {
        const struct value *value = graph_value(graph, graph->initializers.items[read + i]);
        body->input[body->n_input++] = patch_new_input(patch->arena, graph_tensor(graph, value->constant));
    }
}

void patch_make(struct patch *patch, struct arena *arena, const struct onnx_model *model) {
    const struct graph *graph = model->graph;
    *patch = (struct patch){.arena = arena, .model = model};
    patch->streams = ARENA_ARRAY(arena, struct patch_stream, patch_count_streams(graph));
    Onnx__ModelProto *proto = patch->proto = arena_copy(arena, model->proto, sizeof *model->proto);
    Onnx__GraphProto *body = proto->graph = arena_copy(arena, model->proto->graph, sizeof *model->proto->graph);
    patch_initializers(patch, body);
    body->n_node = graph->order.count;
    body->node = ARENA_ARRAY(arena, Onnx__NodeProto *, graph->order.count);
    for (uint32_t i = 0; i < graph->order.count; i++) body->node[i] = patch_node(patch, graph->order.items[i]);
    patch_inputs(patch, body);
    body->output = patch_declarations(patch, body->output, body->n_output);
    body->value_info = patch_declarations(patch, body->value_info, body->n_value_info);
    if (graph->properties_changed) patch_properties(arena, &graph->properties, &proto->n_metadata_props, &proto->metadata_props);
}
