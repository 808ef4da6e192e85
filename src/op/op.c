#include "op/op.h"

#include <string.h>

const struct op_row op_rows[OP_COUNT] = {
    [OP_OPAQUE] = {"(opaque)", "", 1, 0, 0, OP_MANY, 0, OP_MANY, 0, "opaque", "opaque", "opaque"},
#define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label)                               \
    [OP_##token] = {name, domain, first, last, in_from, in_to, out_from, out_to, flags, #shape, #layer, #label},
#include "op/op.def"
#undef OP
};

enum op op_find(const char *domain, const char *name) {
    if (strcmp(domain, "ai.onnx") == 0) domain = "";
    for (int op = OP_OPAQUE + 1; op < OP_COUNT; op++)
        if (strcmp(op_rows[op].name, name) == 0 && strcmp(op_rows[op].domain, domain) == 0) return (enum op)op;
    return OP_OPAQUE;
}

static status op_check_arity(const struct graph *graph, node_id id, struct diag *diag) {
    const struct node *node = graph_node(graph, id);
    const struct op_row *row = op_row_of(node);
    if (node->input_count < row->inputs_from || (row->inputs_to != OP_MANY && node->input_count > row->inputs_to))
        return diag_fail(diag, STATUS_INVALID, "%s: has %u inputs, expected %u to %u", graph_describe_node(graph, id), node->input_count,
                         row->inputs_from, row->inputs_to);
    if (node->output_count < row->outputs_from || (row->outputs_to != OP_MANY && node->output_count > row->outputs_to))
        return diag_fail(diag, STATUS_INVALID, "%s: has %u outputs, expected %u to %u", graph_describe_node(graph, id),
                         node->output_count, row->outputs_from, row->outputs_to);
    for (uint32_t i = 0; i < row->inputs_from && i < node->input_count; i++)
        if (!node->inputs[i].at) return diag_fail(diag, STATUS_INVALID, "%s: input %u is required", graph_describe_node(graph, id), i);
    return STATUS_OK;
}

status op_resolve(struct graph *graph, struct diag *diag) {
    const int64_t opset = graph_opset(graph);
    for (uint32_t i = 0; i < graph->order.count; i++) {
        struct node *node = graph_node(graph, graph->order.items[i]);
        node->op = op_find(node->domain, node->op_type);
        const struct op_row *row = op_row_of(node);
        if (opset < row->first_opset || (row->last_opset && opset > row->last_opset)) node->op = OP_OPAQUE;
        const status result = op_check_arity(graph, graph->order.items[i], diag);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}
