#include "ir/ir.h"

#include <string.h>

uint32_t type_bits(enum data_type type) {
    static const uint8_t bits[TYPE_END] = {
        [TYPE_FLOAT] = 32,       [TYPE_UINT8] = 8,          [TYPE_INT8] = 8,       [TYPE_UINT16] = 16,        [TYPE_INT16] = 16,
        [TYPE_INT32] = 32,       [TYPE_INT64] = 64,         [TYPE_BOOL] = 8,       [TYPE_FLOAT16] = 16,       [TYPE_DOUBLE] = 64,
        [TYPE_UINT32] = 32,      [TYPE_UINT64] = 64,        [TYPE_COMPLEX64] = 64, [TYPE_COMPLEX128] = 128,   [TYPE_BFLOAT16] = 16,
        [TYPE_FLOAT8E4M3FN] = 8, [TYPE_FLOAT8E4M3FNUZ] = 8, [TYPE_FLOAT8E5M2] = 8, [TYPE_FLOAT8E5M2FNUZ] = 8, [TYPE_UINT4] = 4,
        [TYPE_INT4] = 4,         [TYPE_FLOAT4E2M1] = 4,     [TYPE_FLOAT8E8M0] = 8, [TYPE_UINT2] = 2,          [TYPE_INT2] = 2,
        [TYPE_FLOAT6E2M3] = 6,   [TYPE_FLOAT6E3M2] = 6,
    };
    return (unsigned)type < TYPE_END ? bits[type] : 0;
}

const char *type_name(enum data_type type) {
    static const char *const names[TYPE_END] = {
        "undefined",  "float",        "uint8",          "int8",       "uint16",         "int16",  "int32",     "int64",
        "string",     "bool",         "float16",        "double",     "uint32",         "uint64", "complex64", "complex128",
        "bfloat16",   "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",  "int4",      "float4e2m1",
        "float8e8m0", "uint2",        "int2",           "float6e2m3", "float6e3m2",
    };
    return (unsigned)type < TYPE_END ? names[type] : "unknown";
}

struct graph *graph_new(struct arena *arena) {
    struct graph *graph = ARENA_NEW(arena, struct graph);
    graph->arena = arena;
    graph->names = names_new(arena);
    graph->value_by_name = name_map_new(arena);
    graph->node_by_name = name_map_new(arena);
    graph->name = "";
    struct value *no_value = ARENA_NEW(arena, struct value);
    struct node *no_node = ARENA_NEW(arena, struct node);
    no_value->name = names_intern(graph->names, "");
    no_node->name = no_node->op_type = no_node->domain = no_value->name;
    array_push(arena, &graph->values, no_value);
    array_push(arena, &graph->nodes, no_node);
    array_push(arena, &graph->tensors, ARENA_NEW(arena, struct tensor));
    return graph;
}

value_id graph_find_value(const struct graph *graph, const char *name) {
    return (value_id){*name ? name_map_get(graph->value_by_name, name) : 0};
}

int64_t graph_opset(const struct graph *graph) {
    for (uint32_t i = 0; i < graph->opsets.count; i++) {
        const struct opset *opset = &graph->opsets.items[i];
        if (!*opset->domain || strcmp(opset->domain, "ai.onnx") == 0) return opset->version;
    }
    return 1;
}

value_id node_input(const struct node *node, uint32_t index) { return index < node->input_count ? node->inputs[index] : VALUE_NONE; }

value_id node_output(const struct node *node, uint32_t index) { return index < node->output_count ? node->outputs[index] : VALUE_NONE; }

static const char *graph_first_output(const struct graph *graph, const struct node *node) {
    for (uint32_t i = 0; i < node->output_count; i++)
        if (node->outputs[i].at) return graph_value(graph, node->outputs[i])->name;
    return "";
}

const char *graph_node_label(const struct graph *graph, node_id id) {
    const struct node *node = graph_node(graph, id);
    if (*node->name && name_map_get(graph->node_by_name, node->name) == id.at) return node->name;
    return graph_first_output(graph, node);
}

node_id graph_find_node(const struct graph *graph, const char *label) {
    const uint32_t named = name_map_get(graph->node_by_name, label);
    if (named && named != NAME_IS_SHARED && !graph_node(graph, (node_id){named})->removed) return (node_id){named};
    const value_id value = graph_find_value(graph, label);
    const node_id producer = value.at ? graph_value(graph, value)->producer : NODE_NONE;
    return producer.at && strcmp(graph_node_label(graph, producer), label) == 0 ? producer : NODE_NONE;
}

const struct attribute *node_attribute(const struct node *node, const char *name) {
    for (uint32_t i = 0; i < node->attributes.count; i++)
        if (strcmp(node->attributes.items[i].name, name) == 0) return &node->attributes.items[i];
    return NULL;
}

int64_t node_int(const struct node *node, const char *name, int64_t otherwise) {
    const struct attribute *attribute = node_attribute(node, name);
    return attribute && attribute->type == ATTRIBUTE_INT ? attribute->i : otherwise;
}

float node_float(const struct node *node, const char *name, float otherwise) {
    const struct attribute *attribute = node_attribute(node, name);
    return attribute && attribute->type == ATTRIBUTE_FLOAT ? attribute->f : otherwise;
}

const char *node_text(const struct node *node, const char *name, const char *otherwise) {
    const struct attribute *attribute = node_attribute(node, name);
    return attribute && attribute->type == ATTRIBUTE_STRING ? attribute->s : otherwise;
}

const char *graph_describe_node(const struct graph *graph, node_id id) {
    const struct node *node = graph_node(graph, id);
    const char *label = graph_node_label(graph, id);
    return *node->domain ? arena_print(graph->arena, "node '%s' (%s.%s)", label, node->domain, node->op_type)
                         : arena_print(graph->arena, "node '%s' (%s)", label, node->op_type);
}
