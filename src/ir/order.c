#include "ir/order.h"

/* Depth first from each node in the given order: a node follows the producers of what it reads, and nothing else moves. */
enum order_mark { ORDER_NEW = 0, ORDER_OPEN, ORDER_DONE };

struct order_frame {
    node_id node;
    uint32_t next; /* which of its inputs, then captures, comes next */
};

struct order_walk {
    struct graph *graph;
    uint8_t *marks;
    struct order_frame *stack;
    uint32_t depth;
    node_id *sorted;
    uint32_t sorted_count;
};

static value_id order_read(const struct node *node, uint32_t index) {
    return index < node->input_count ? node->inputs[index] : node->captures[index - node->input_count];
}

static void order_open(struct order_walk *walk, node_id id) {
    walk->marks[id.at] = ORDER_OPEN;
    walk->stack[walk->depth++] = (struct order_frame){id, 0};
}

static status order_visit(struct order_walk *walk, node_id root, struct diag *diag) {
    order_open(walk, root);
    while (walk->depth) {
        struct order_frame *frame = &walk->stack[walk->depth - 1];
        const struct node *node = graph_node(walk->graph, frame->node);
        if (frame->next == node->input_count + node->capture_count) {
            walk->marks[frame->node.at] = ORDER_DONE;
            walk->sorted[walk->sorted_count++] = frame->node;
            walk->depth--;
            continue;
        }
        const node_id producer = graph_value(walk->graph, order_read(node, frame->next++))->producer;
        if (!producer.at || walk->marks[producer.at] == ORDER_DONE) continue;
        if (walk->marks[producer.at] == ORDER_OPEN)
            return diag_fail(diag, STATUS_INVALID, "%s: stands in a cycle", graph_describe_node(walk->graph, producer));
        order_open(walk, producer);
    }
    return STATUS_OK;
}

status order_sort(struct graph *graph, struct diag *diag) {
    struct order_walk walk = {.graph = graph};
    walk.marks = ARENA_ARRAY(graph->arena, uint8_t, graph->nodes.count);
    walk.stack = ARENA_ARRAY(graph->arena, struct order_frame, graph->nodes.count);
    walk.sorted = ARENA_ARRAY(graph->arena, node_id, graph->nodes.count);
    for (uint32_t i = 0; i < graph->order.count; i++) {
        const node_id id = graph->order.items[i];
        if (walk.marks[id.at] == ORDER_DONE) continue;
        const status result = order_visit(&walk, id, diag);
        if (result != STATUS_OK) return result;
    }
    for (uint32_t i = 0; i < graph->order.count; i++) {
        if (graph->order.items[i].at != walk.sorted[i].at) graph->order_changed = true;
        graph->order.items[i] = walk.sorted[i];
    }
    return STATUS_OK;
}
