/* The skeleton into the IR. */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "ir/edit.h"
#include "ir/order.h"
#include "onnx/skeleton.h"
#include "onnx/typed.h"

struct reader {
    struct onnx_model *model;
    struct graph *graph;
    ARRAY(uint32_t) made_by; /* by value id: origin of the node that makes it, 0 = none yet */
    struct diag *diag;
};

static const char *read_text(const char *text) { return text ? text : ""; }

/* ---- tensors ---- */

static status read_elements(const struct reader *reader, const Onnx__TensorProto *proto, struct tensor *tensor) {
    tensor->elements = 1;
    for (size_t i = 0; i < proto->n_dims; i++) {
        if (proto->dims[i] < 0)
            return diag_fail(reader->diag, STATUS_INVALID, "tensor '%s': dim %zu is %" PRId64, tensor->name, i, proto->dims[i]);
        if (!checked_mul(tensor->elements, proto->dims[i], &tensor->elements))
            return diag_fail(reader->diag, STATUS_INVALID, "tensor '%s': the product of its dims exceeds 63 bits", tensor->name);
    }
    int64_t bits;
    if (!checked_mul(tensor->elements, (int64_t)type_bits(tensor->type), &bits))
        return diag_fail(reader->diag, STATUS_INVALID, "tensor '%s': the product of its dims exceeds 63 bits", tensor->name);
    tensor->byte_count = (size_t)((bits + 7) / 8);
    return STATUS_OK;
}

static status read_tensor(struct reader *reader, Onnx__TensorProto *proto, tensor_id *id) {
    struct arena *arena = reader->graph->arena;
    struct tensor tensor = {.name = names_intern(reader->graph->names, read_text(proto->name)), .type = (enum data_type)proto->data_type};
    tensor.rank = (uint32_t)proto->n_dims;
    tensor.dims = arena_copy(arena, proto->dims, proto->n_dims * sizeof *proto->dims);
    status result = read_elements(reader, proto, &tensor);
    if (result != STATUS_OK) return result;
    const bool external = proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    if (!external && tensor.type != TYPE_STRING && type_bits(tensor.type)) {
        if (proto->has_raw_data) {
            if (proto->raw_data.len != tensor.byte_count)
                return diag_fail(reader->diag, STATUS_INVALID, "tensor '%s': %zu B of data, its dims and type (%s) need %zu B", tensor.name,
                                 proto->raw_data.len, type_name(tensor.type), tensor.byte_count);
            tensor.bytes = proto->raw_data.data;
        } else {
            result = typed_decode(arena, proto, &tensor, reader->diag);
            if (result != STATUS_OK) return result;
        }
        tensor.has_bytes = true;
    }
    array_push(arena, &reader->model->tensors, proto);
    tensor.origin = reader->model->tensors.count;
    *id = edit_add_tensor(reader->graph, &tensor);
    return STATUS_OK;
}

/* ---- values ---- */

static value_id read_value(const struct reader *reader, const char *name) {
    const value_id known = graph_find_value(reader->graph, name);
    return known.at ? known : edit_add_value(reader->graph, name);
}

static status read_dims(const struct reader *reader, const Onnx__TensorShapeProto *shape, struct value *value) {
    value->rank = (uint32_t)shape->n_dim;
    value->has_shape = true;
    value->dims = ARENA_ARRAY(reader->graph->arena, struct dim, shape->n_dim);
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];
        value->dims[i] = (struct dim){-1, NULL};
        if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
            if (dim->dim_value < -1) /* -1 is how some exporters write a dynamic dim */
                return diag_fail(reader->diag, STATUS_INVALID, "value '%s': dim %zu is %" PRId64, value->name, i, dim->dim_value);
            value->dims[i].size = dim->dim_value;
        } else if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) {
            value->dims[i].param = dim->dim_param;
        }
    }
    return STATUS_OK;
}

/* A second declaration of the same value adds nothing: the first stays. */
static status read_declaration(const struct reader *reader, const Onnx__ValueInfoProto *info, value_id id) {
    struct value *value = graph_value(reader->graph, id);
    value->is_declared = true;
    const Onnx__TypeProto *type = info->type;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || value->has_type) return STATUS_OK;
    value->has_type = true;
    value->type = (enum data_type)type->tensor_type->elem_type;
    return type->tensor_type->shape ? read_dims(reader, type->tensor_type->shape, value) : STATUS_OK;
}

/* ---- nodes ---- */

static status read_attribute(struct reader *reader, node_id node, const Onnx__AttributeProto *proto, uint32_t origin) {
    struct attribute attribute = {.name = read_text(proto->name), .type = (enum attribute_type)proto->type, .origin = origin};
    status result = STATUS_OK;
    if (!proto->has_type) { /* IR 1: the type is which field is there */
        if (proto->has_f) attribute.type = ATTRIBUTE_FLOAT;
        else if (proto->has_i) attribute.type = ATTRIBUTE_INT;
        else if (proto->has_s) attribute.type = ATTRIBUTE_STRING;
        else if (proto->t) attribute.type = ATTRIBUTE_TENSOR;
        else if (proto->g) attribute.type = ATTRIBUTE_GRAPH;
        else if (proto->n_floats) attribute.type = ATTRIBUTE_FLOATS;
        else if (proto->n_ints) attribute.type = ATTRIBUTE_INTS;
        else if (proto->n_strings) attribute.type = ATTRIBUTE_STRINGS;
        else if (proto->n_graphs) attribute.type = ATTRIBUTE_GRAPHS;
    }
    attribute.i = proto->i;
    attribute.f = proto->f;
    if (attribute.type == ATTRIBUTE_STRING) {
        char *text = arena_alloc(reader->graph->arena, proto->s.len + 1);
        if (proto->s.len) memcpy(text, proto->s.data, proto->s.len);
        attribute.s = text;
        attribute.s_length = proto->s.len;
    }
    attribute.ints = proto->ints;
    attribute.floats = proto->floats;
    attribute.count = (uint32_t)(attribute.type == ATTRIBUTE_FLOATS ? proto->n_floats : proto->n_ints);
    if (attribute.type == ATTRIBUTE_TENSOR) {
        if (!proto->t)
            return diag_fail(reader->diag, STATUS_INVALID, "%s: attribute '%s' has no tensor", graph_describe_node(reader->graph, node),
                             attribute.name);
        result = read_tensor(reader, proto->t, &attribute.tensor);
    }
    if (proto->g || proto->n_graphs) graph_node(reader->graph, node)->has_body = true;
    if (result == STATUS_OK) edit_add_attribute(reader->graph, node, &attribute);
    return result;
}

/* Constant nodes hold their number as tensor, or as one of four plain attributes. */
static status read_constant(struct reader *reader, node_id id) {
    struct node *node = graph_node(reader->graph, id);
    if (strcmp(node->op_type, "Constant") != 0 || *node->domain || node->output_count != 1 || !node->outputs[0].at) return STATUS_OK;
    struct value *value = graph_value(reader->graph, node->outputs[0]);
    const struct attribute *attribute = node->attributes.count == 1 ? &node->attributes.items[0] : NULL;
    if (!attribute) return STATUS_OK;
    if (attribute->type == ATTRIBUTE_TENSOR) {
        value->constant = attribute->tensor;
        return STATUS_OK;
    }
    struct tensor tensor;
    if (!typed_from_attribute(reader->graph->arena, attribute, &tensor)) return STATUS_OK;
    value->constant = edit_add_tensor(reader->graph, &tensor);
    return STATUS_OK;
}

static void read_properties(struct reader *reader, size_t count, Onnx__StringStringEntryProto **entries, property_array *properties) {
    for (size_t i = 0; i < count; i++) {
        const struct property property = {read_text(entries[i]->key), read_text(entries[i]->value)};
        array_push(reader->graph->arena, properties, property);
    }
}

static status read_node(struct reader *reader, const Onnx__NodeProto *proto, uint32_t origin) {
    struct graph *graph = reader->graph;
    value_id *inputs = ARENA_ARRAY(graph->arena, value_id, proto->n_input), *outputs = ARENA_ARRAY(graph->arena, value_id, proto->n_output);
    for (size_t i = 0; i < proto->n_input; i++)
        if (*proto->input[i]) inputs[i] = read_value(reader, proto->input[i]);
    for (size_t i = 0; i < proto->n_output; i++) {
        if (!*proto->output[i]) continue;
        outputs[i] = read_value(reader, proto->output[i]);
        const struct value *value = graph_value(graph, outputs[i]);
        if (value->producer.at || value->constant.at || value->is_input)
            return diag_fail(reader->diag, STATUS_INVALID, "node '%s' (%s): its output '%s' is made twice (%s)", read_text(proto->name),
                             read_text(proto->op_type), value->name,
                             value->producer.at ? graph_describe_node(graph, value->producer)
                                                : "a graph input or initializer has the name");
        while (reader->made_by.count < graph->values.count) array_push(graph->arena, &reader->made_by, 0);
        if (reader->made_by.items[outputs[i].at] == origin)
            return diag_fail(reader->diag, STATUS_INVALID, "node '%s' (%s): names its output '%s' twice", read_text(proto->name),
                             read_text(proto->op_type), value->name);
        reader->made_by.items[outputs[i].at] = origin;
    }
    const char *domain = read_text(proto->domain);
    const node_id id = edit_add_node(graph, NODE_NONE, strcmp(domain, "ai.onnx") == 0 ? "" : domain, read_text(proto->op_type),
                                     read_text(proto->name), inputs, (uint32_t)proto->n_input, outputs, (uint32_t)proto->n_output);
    graph_node(graph, id)->origin = origin;
    read_properties(reader, proto->n_metadata_props, proto->metadata_props, &graph_node(graph, id)->properties);
    status result = STATUS_OK;
    for (size_t i = 0; i < proto->n_attribute && result == STATUS_OK; i++)
        result = read_attribute(reader, id, proto->attribute[i], (uint32_t)i + 1);
    return result == STATUS_OK ? read_constant(reader, id) : result;
}

/* ---- bodies of If, Loop, Scan ---- */

struct reader_body {
    struct reader *reader;
    struct name_map *inside; /* names made in this body or one around it (not the main graph) */
    ARRAY(value_id) captures;
};

static void read_body_use(struct reader_body *body, const char *name) {
    if (!name || !*name || name_map_get(body->inside, name)) return;
    const value_id value = graph_find_value(body->reader->graph, name);
    if (!value.at) return; /* made later in the main graph, or nowhere: opaque to us */
    for (uint32_t i = 0; i < body->captures.count; i++)
        if (body->captures.items[i].at == value.at) return;
    array_push(body->reader->graph->arena, &body->captures, value);
}

static void read_body(struct reader_body *body, const Onnx__GraphProto *graph) {
    for (size_t i = 0; i < graph->n_input; i++) name_map_set(body->inside, read_text(graph->input[i]->name), 1);
    for (size_t i = 0; i < graph->n_initializer; i++) name_map_set(body->inside, read_text(graph->initializer[i]->name), 1);
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        for (size_t k = 0; k < node->n_input; k++) read_body_use(body, node->input[k]);
        for (size_t k = 0; k < node->n_attribute; k++) {
            if (node->attribute[k]->g) read_body(body, node->attribute[k]->g);
            for (size_t j = 0; j < node->attribute[k]->n_graphs; j++) read_body(body, node->attribute[k]->graphs[j]);
        }
        for (size_t k = 0; k < node->n_output; k++) name_map_set(body->inside, read_text(node->output[k]), 1);
    }
    for (size_t i = 0; i < graph->n_output; i++) read_body_use(body, graph->output[i]->name);
}

static void read_captures(struct reader *reader) {
    const Onnx__GraphProto *proto = reader->model->proto->graph;
    for (uint32_t at = 1; at < reader->graph->nodes.count; at++) {
        const struct node *node = reader->graph->nodes.items[at];
        if (!node->has_body) continue;
        struct reader_body body = {.reader = reader, .inside = name_map_new(reader->graph->arena)};
        const Onnx__NodeProto *origin = proto->node[node->origin - 1];
        for (size_t k = 0; k < origin->n_attribute; k++) {
            if (origin->attribute[k]->g) read_body(&body, origin->attribute[k]->g);
            for (size_t j = 0; j < origin->attribute[k]->n_graphs; j++) read_body(&body, origin->attribute[k]->graphs[j]);
        }
        edit_add_captures(reader->graph, (node_id){at}, body.captures.items, body.captures.count);
    }
}

/* ---- the graph ---- */

static status read_interface(struct reader *reader, const Onnx__GraphProto *proto) {
    status result = STATUS_OK;
    for (size_t i = 0; i < proto->n_input && result == STATUS_OK; i++) {
        const char *name = read_text(proto->input[i]->name);
        if (graph_find_value(reader->graph, name).at) return diag_fail(reader->diag, STATUS_INVALID, "graph input '%s' stands twice", name);
        if (!*name) return diag_fail(reader->diag, STATUS_INVALID, "graph input %zu has no name", i);
        const value_id value = read_value(reader, name);
        edit_mark_input(reader->graph, value);
        result = read_declaration(reader, proto->input[i], value);
    }
    return result;
}

static status read_initializers(struct reader *reader, const Onnx__GraphProto *proto) {
    for (size_t i = 0; i < proto->n_initializer; i++) {
        Onnx__TensorProto *initializer = proto->initializer[i];
        const char *name = read_text(initializer->name);
        if (!*name) return diag_fail(reader->diag, STATUS_INVALID, "initializer %zu has no name", i);
        const value_id value = read_value(reader, name);
        if (graph_value(reader->graph, value)->constant.at)
            return diag_fail(reader->diag, STATUS_INVALID, "initializer '%s' stands twice", name);
        tensor_id tensor;
        const status result = read_tensor(reader, initializer, &tensor);
        if (result != STATUS_OK) return result;
        edit_add_initializer(reader->graph, value, tensor);
    }
    for (size_t i = 0; i < proto->n_sparse_initializer; i++) { /* known by name only */
        const Onnx__TensorProto *values = proto->sparse_initializer[i]->values;
        if (values && *read_text(values->name)) graph_value(reader->graph, read_value(reader, values->name))->is_declared = true;
    }
    return STATUS_OK;
}

static bool read_is_sparse(const Onnx__GraphProto *proto, const char *name) {
    for (size_t i = 0; i < proto->n_sparse_initializer; i++)
        if (proto->sparse_initializer[i]->values && strcmp(read_text(proto->sparse_initializer[i]->values->name), name) == 0) return true;
    return false;
}

static status read_check_sources(const struct reader *reader, const Onnx__GraphProto *proto) {
    for (uint32_t at = 1; at < reader->graph->values.count; at++) {
        const struct value *value = reader->graph->values.items[at];
        if (value->producer.at || value->constant.at || value->is_input || (!value->uses.count && !value->is_output)) continue;
        if (read_is_sparse(proto, value->name)) continue;
        if (!value->uses.count) return diag_fail(reader->diag, STATUS_INVALID, "graph output '%s': no node makes it", value->name);
        return diag_fail(reader->diag, STATUS_INVALID, "%s: its input '%s' is missing: no node, input or initializer makes it",
                         graph_describe_node(reader->graph, value->uses.items[0].node), value->name);
    }
    return STATUS_OK;
}

static status read_declarations(struct reader *reader, const Onnx__GraphProto *proto) {
    status result = STATUS_OK;
    for (size_t i = 0; i < proto->n_output && result == STATUS_OK; i++) {
        const char *name = read_text(proto->output[i]->name);
        if (!*name) return diag_fail(reader->diag, STATUS_INVALID, "graph output %zu has no name", i);
        const value_id value = read_value(reader, name);
        if (!graph_value(reader->graph, value)->is_output) edit_mark_output(reader->graph, value); /* may stand twice */
        result = read_declaration(reader, proto->output[i], value);
    }
    for (size_t i = 0; i < proto->n_value_info && result == STATUS_OK; i++) {
        const value_id value = graph_find_value(reader->graph, read_text(proto->value_info[i]->name));
        if (value.at) result = read_declaration(reader, proto->value_info[i], value); /* others dangle: kept, not used */
    }
    return result;
}

static void read_head(struct reader *reader) {
    const Onnx__ModelProto *proto = reader->model->proto;
    struct graph *graph = reader->graph;
    graph->name = read_text(proto->graph->name);
    graph->ir_version = proto->ir_version;
    for (size_t i = 0; i < proto->n_opset_import; i++) {
        const struct opset opset = {read_text(proto->opset_import[i]->domain), proto->opset_import[i]->version};
        array_push(graph->arena, &graph->opsets, opset);
    }
    read_properties(reader, proto->n_metadata_props, proto->metadata_props, &graph->properties);
}

static status read_graph(struct onnx_model *model, struct diag *diag) {
    struct reader reader = {.model = model, .graph = graph_new(model->arena), .diag = diag};
    const Onnx__GraphProto *proto = model->proto->graph;
    model->graph = reader.graph;
    read_head(&reader);
    status result = read_interface(&reader, proto);
    if (result == STATUS_OK) result = read_initializers(&reader, proto);
    for (size_t i = 0; i < proto->n_node && result == STATUS_OK; i++) result = read_node(&reader, proto->node[i], (uint32_t)i + 1);
    if (result == STATUS_OK) result = read_declarations(&reader, proto);
    if (result != STATUS_OK) return result;
    read_captures(&reader);
    result = read_check_sources(&reader, proto);
    reader.graph->order_changed = false;
    if (result == STATUS_OK) result = order_sort(reader.graph, diag);
    return result;
}

static status read_model(struct onnx_model *model, struct onnx_model **out, struct diag *diag) {
    status result = skeleton_parse(model, diag);
    if (result == STATUS_OK) result = skeleton_load_external(model, diag);
    if (result == STATUS_OK) result = read_graph(model, diag);
    if (result == STATUS_OK) *out = model;
    else diag_prefix(diag, model->file.path);
    return result;
}

status onnx_model_open(struct arena *arena, const char *path, struct onnx_model **model, struct diag *diag) {
    struct onnx_model *opened = ARENA_NEW(arena, struct onnx_model);
    opened->arena = arena;
    opened->folder = strcmp(path, "-") == 0 ? NULL : os_folder_of(arena, path);
    const status result = os_map_file(arena, path, &opened->file, diag);
    return result == STATUS_OK ? read_model(opened, model, diag) : result;
}

status onnx_model_from_bytes(struct arena *arena, const void *bytes, size_t size, const char *folder, struct onnx_model **model,
                             struct diag *diag) {
    struct onnx_model *opened = ARENA_NEW(arena, struct onnx_model);
    opened->arena = arena;
    opened->folder = folder ? arena_copy_text(arena, folder) : NULL;
    opened->file = (struct os_file){bytes, size, "<memory>"};
    return read_model(opened, model, diag);
}

struct graph *onnx_model_graph(const struct onnx_model *model) {
    return model->graph;
}
size_t onnx_model_file_bytes(const struct onnx_model *model) { return model->file.size; }
const char *onnx_model_path(const struct onnx_model *model) { return model->file.path; }
bool onnx_model_lacks_data(const struct onnx_model *model) { return model->lacks_data; }
