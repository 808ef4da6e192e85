/* Copy on write: a reader whose channels part from those of the others gets its own constant, and its own nodes on the way to it. */
#include "ir/edit.h"
#include "passes/apply.h"

static bool apply_is_shared(const struct graph *graph, value_id value) {
    return graph_value(graph, value)->uses.count > 1 || graph_value(graph, value)->is_output;
}

/* The same node again, before its reader, with an output of its own. The shape rules' operators have plain attributes only. */
static node_id apply_clone_node(struct graph *graph, node_id id, node_id reader, uint32_t input) {
    const struct node *node = graph_node(graph, id);
    const value_id shared = node->outputs[0], fresh = edit_add_value(graph, graph_value(graph, shared)->name);
    const node_id copy = edit_add_node(graph, reader, node->domain, node->op_type, "", node->inputs, node->input_count, &fresh, 1);
    graph_node(graph, copy)->op = node->op;
    for (uint32_t i = 0; i < node->attributes.count; i++) {
        struct attribute attribute = node->attributes.items[i];
        attribute.origin = 0;
        attribute.changed = true;
        edit_add_attribute(graph, copy, &attribute);
    }
    edit_set_input(graph, reader, input, fresh);
    return copy;
}

value_id apply_make_private(struct graph *graph, node_id reader, uint32_t input, const struct bound_step *steps, uint32_t step_count) {
    for (uint32_t i = 0; i < step_count; i++) {
        const value_id value = graph_node(graph, reader)->inputs[input];
        const node_id producer = graph_value(graph, value)->producer;
        reader = apply_is_shared(graph, value) ? apply_clone_node(graph, producer, reader, input) : producer;
        input = steps[i].input;
    }
    const value_id constant = graph_node(graph, reader)->inputs[input];
    return apply_is_shared(graph, constant) ? edit_split_constant(graph, reader, input) : constant;
}
