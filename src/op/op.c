#include "op/op.h"

#include <string.h>

const struct op_row op_rows[OP_COUNT] = {
    [OP_OPAQUE] = {"(opaque)", "", 1, 0, 0, OP_MANY, 0, OP_MANY, 0, "opaque", "opaque", "opaque", "opaque"},
#define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label, eval)                           \
    [OP_##token] = {name, domain, first, last, in_from, in_to, out_from, out_to, flags, #shape, #layer, #label, #eval},
#include "op/op.def"
#undef OP
};

enum op op_find(const char *domain, const char *name) {
    if (strcmp(domain, "ai.onnx") == 0) domain = "";
    for (int op = OP_OPAQUE + 1; op < OP_COUNT; op++)
        if (strcmp(op_rows[op].name, name) == 0 && strcmp(op_rows[op].domain, domain) == 0) return (enum op)op;
    return OP_OPAQUE;
}

/* Inputs that say how to compute, not what with: sizes, axes, bounds, factors of a grid, scales and zero points. */
static const struct {
    enum op op;
    uint32_t from, to;
} op_settings[] = {
    {OP_DEQUANTIZE_LINEAR, 1, 2},
    {OP_DROPOUT, 1, 2},
    {OP_EXPAND, 1, 1},
    {OP_PAD, 1, 1},
    {OP_PAD, 3, 3},
    {OP_QUANTIZE_LINEAR, 1, 2},
    {OP_REDUCE_L1, 1, 1},
    {OP_REDUCE_L2, 1, 1},
    {OP_REDUCE_LOG_SUM, 1, 1},
    {OP_REDUCE_LOG_SUM_EXP, 1, 1},
    {OP_REDUCE_MAX, 1, 1},
    {OP_REDUCE_MEAN, 1, 1},
    {OP_REDUCE_MIN, 1, 1},
    {OP_REDUCE_PROD, 1, 1},
    {OP_REDUCE_SUM, 1, 1},
    {OP_REDUCE_SUM_SQUARE, 1, 1},
    {OP_RESHAPE, 1, 1},
    {OP_RESIZE, 1, 3},
    {OP_SLICE, 1, 4},
    {OP_SPLIT, 1, 1},
    {OP_SQUEEZE, 1, 1},
    {OP_TILE, 1, 1},
    {OP_UNSQUEEZE, 1, 1},
    {OP_UPSAMPLE, 1, 1},
};

bool op_is_setting(const struct node *node, uint32_t input) {
    for (size_t i = 0; i < sizeof op_settings / sizeof op_settings[0]; i++)
        if (op_settings[i].op == (enum op)node->op && input >= op_settings[i].from && input <= op_settings[i].to) return true;
    return false;
}

static status op_check_arity(const struct graph *graph, node_id id, struct diag *diag) {
    const struct node *node = graph_node(graph, id);
    const struct op_row *row = op_row_of(node);
    if (node->input_count < row->inputs_from || (row->inputs_to != OP_MANY && node->input_count > row->inputs_to))
        return diag_fail(diag, STATUS_INVALID, "%s: has %u inputs, expected %u to %u", graph_describe_node(graph, id), node->input_count,
                         row->inputs_from, row->inputs_to);
    if (node->output_count < row->outputs_from || (row->outputs_to != OP_MANY && node->output_count > row->outputs_to))
        return diag_fail(diag, STATUS_INVALID, "%s: has %u outputs, expected %u to %u", graph_describe_node(graph, id), node->output_count,
                         row->outputs_from, row->outputs_to);
    for (uint32_t i = 0; i < row->inputs_from && i < node->input_count; i++)
        if (!node->inputs[i].at) return diag_fail(diag, STATUS_INVALID, "%s: input %u is required", graph_describe_node(graph, id), i);
    return STATUS_OK;
}

/* What the known operators' attributes hold; those that no rule reads need no row. */
struct op_attribute {
    const char *name;
    enum attribute_type type;
};

static const struct op_attribute op_attributes[] = {
    {"allowzero", ATTRIBUTE_INT},
    {"alpha", ATTRIBUTE_FLOAT},
    {"auto_pad", ATTRIBUTE_STRING},
    {"axes", ATTRIBUTE_INTS},
    {"axis", ATTRIBUTE_INT},
    {"beta", ATTRIBUTE_FLOAT},
    {"blocksize", ATTRIBUTE_INT},
    {"broadcast", ATTRIBUTE_INT},
    {"ceil_mode", ATTRIBUTE_INT},
    {"count_include_pad", ATTRIBUTE_INT},
    {"dilations", ATTRIBUTE_INTS},
    {"end", ATTRIBUTE_INT},
    {"ends", ATTRIBUTE_INTS},
    {"epsilon", ATTRIBUTE_FLOAT},
    {"group", ATTRIBUTE_INT},
    {"keepdims", ATTRIBUTE_INT},
    {"kernel_shape", ATTRIBUTE_INTS},
    {"noop_with_empty_axes", ATTRIBUTE_INT},
    {"paddings", ATTRIBUTE_INTS},
    {"pads", ATTRIBUTE_INTS},
    {"output_padding", ATTRIBUTE_INTS},
    {"output_shape", ATTRIBUTE_INTS},
    {"perm", ATTRIBUTE_INTS},
    {"shape", ATTRIBUTE_INTS},
    {"split", ATTRIBUTE_INTS},
    {"start", ATTRIBUTE_INT},
    {"starts", ATTRIBUTE_INTS},
    {"storage_order", ATTRIBUTE_INT},
    {"strides", ATTRIBUTE_INTS},
    {"training_mode", ATTRIBUTE_INT},
    {"transA", ATTRIBUTE_INT},
    {"transB", ATTRIBUTE_INT},
};

static const char *op_attribute_type_name(enum attribute_type type) {
    static const char *const names[] = {"nothing",        "FLOAT",      "INT",        "STRING",  "TENSOR", "GRAPH",
                                        "FLOATS",         "INTS",       "STRINGS",    "TENSORS", "GRAPHS", "SPARSE_TENSOR",
                                        "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"};
    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "of no known type";
}

static status op_check_attributes(const struct graph *graph, node_id id, struct diag *diag) {
    const struct node *node = graph_node(graph, id);
    for (uint32_t i = 0; i < node->attributes.count; i++) {
        const struct attribute *attribute = &node->attributes.items[i];
        for (size_t k = 0; k < sizeof op_attributes / sizeof op_attributes[0]; k++) {
            const struct op_attribute *known = &op_attributes[k];
            const bool empty = attribute->type == ATTRIBUTE_UNDEFINED && known->type == ATTRIBUTE_INTS; /* IR 1, or an empty list */
            if (strcmp(attribute->name, known->name) != 0 || attribute->type == known->type || empty) continue;
            return diag_fail(diag, STATUS_INVALID, "%s: attribute '%s' is %s, expected %s", graph_describe_node(graph, id), known->name,
                             op_attribute_type_name(attribute->type), op_attribute_type_name(known->type));
        }
    }
    return STATUS_OK;
}

static status op_check_node(const struct graph *graph, node_id id, struct diag *diag) {
    const status result = op_check_arity(graph, id, diag);
    return result == STATUS_OK && graph_node(graph, id)->op != OP_OPAQUE ? op_check_attributes(graph, id, diag) : result;
}

status op_resolve(struct graph *graph, struct diag *diag) {
    const int64_t opset = graph_opset(graph);
    for (uint32_t i = 0; i < graph->order.count; i++) {
        struct node *node = graph_node(graph, graph->order.items[i]);
        node->op = op_find(node->domain, node->op_type);
        const struct op_row *row = op_row_of(node);
        if (opset < row->first_opset || (row->last_opset && opset > row->last_opset)) node->op = OP_OPAQUE;
        const status result = op_check_node(graph, graph->order.items[i], diag);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}
