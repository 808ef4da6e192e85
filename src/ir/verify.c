#include "ir/verify.h"

#include <string.h>

#include "ir/cut.h"

static status verify_use(const struct graph *graph, value_id id, node_id node, uint32_t input, struct diag *diag) {
    const struct value *value = graph_value(graph, id);
    for (uint32_t i = 0; i < value->uses.count; i++)
        if (value->uses.items[i].node.at == node.at && value->uses.items[i].input == input) return STATUS_OK;
    return diag_fail(diag, STATUS_BUG, "%s: value '%s' does not list this use", graph_describe_node(graph, node), value->name);
}

static status verify_node(const struct graph *graph, node_id id, const uint8_t *made, struct diag *diag) {
    const struct node *node = graph_node(graph, id);
    if (node->removed) return diag_fail(diag, STATUS_BUG, "%s: removed, but in the order", graph_describe_node(graph, id));
    for (uint32_t i = 0; i < node->input_count + node->capture_count; i++) {
        const bool captured = i >= node->input_count;
        const value_id input = captured ? node->captures[i - node->input_count] : node->inputs[i];
        if (!input.at) continue;
        if (input.at >= graph->values.count)
            return diag_fail(diag, STATUS_BUG, "%s: input %u is no value", graph_describe_node(graph, id), i);
        const node_id producer = graph_value(graph, input)->producer;
        if (producer.at && !made[producer.at])
            return diag_fail(diag, STATUS_BUG, "%s: reads '%s' before it is made", graph_describe_node(graph, id),
                             graph_value(graph, input)->name);
        const status result = verify_use(graph, input, id, captured ? USE_CAPTURE : i, diag);
        if (result != STATUS_OK) return result;
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        const struct value *value = graph_value(graph, node->outputs[i]);
        if (node->outputs[i].at && (value->producer.at != id.at || value->producer_output != i))
            return diag_fail(diag, STATUS_BUG, "%s: output '%s' names another producer", graph_describe_node(graph, id), value->name);
    }
    return STATUS_OK;
}

static status verify_value(const struct graph *graph, value_id id, struct diag *diag) {
    const struct value *value = graph_value(graph, id);
    if (graph_find_value(graph, value->name).at != id.at)
        return diag_fail(diag, STATUS_BUG, "value '%s': its name belongs to another value", value->name);
    for (uint32_t i = 0; i < value->uses.count; i++) {
        const struct use use = value->uses.items[i];
        const struct node *node = graph_node(graph, use.node);
        if (node->removed) return diag_fail(diag, STATUS_BUG, "value '%s': used by a removed node", value->name);
        if (use.input != USE_CAPTURE && node_input(node, use.input).at != id.at)
            return diag_fail(diag, STATUS_BUG, "value '%s': %s does not read it", value->name, graph_describe_node(graph, use.node));
    }
    return STATUS_OK;
}

static status verify_tensor(const struct tensor *tensor, struct diag *diag) {
    int64_t elements = 1;
    for (uint32_t axis = 0; axis < tensor->rank; axis++) elements *= tensor->dims[axis];
    const uint64_t bytes = ((uint64_t)elements * type_bits(tensor->type) + 7) / 8;
    const char *name = tensor->name ? tensor->name : "";
    if (elements != tensor->elements) return diag_fail(diag, STATUS_BUG, "tensor '%s': dims and elements differ", name);
    if (tensor->cut && !cut_is_even(tensor->cut)) return diag_fail(diag, STATUS_BUG, "tensor '%s': rows of different length", name);
    if ((tensor->has_bytes || tensor->cut) && bytes != tensor->byte_count)
        return diag_fail(diag, STATUS_BUG, "tensor '%s': %zu B, its dims say %llu B", name, tensor->byte_count, (unsigned long long)bytes);
    return STATUS_OK;
}

status verify_graph(const struct graph *graph, struct diag *diag) {
    uint8_t *made = ARENA_ARRAY(graph->arena, uint8_t, graph->nodes.count);
    status result = STATUS_OK;
    for (uint32_t i = 0; i < graph->order.count && result == STATUS_OK; i++) {
        result = verify_node(graph, graph->order.items[i], made, diag);
        made[graph->order.items[i].at] = 1;
    }
    for (uint32_t i = 1; i < graph->values.count && result == STATUS_OK; i++) result = verify_value(graph, (value_id){i}, diag);
    for (uint32_t i = 1; i < graph->tensors.count && result == STATUS_OK; i++) result = verify_tensor(graph->tensors.items[i], diag);
    return result;
}
