#include "ir/print.h"

#include <inttypes.h>

static void print_dims(const struct value *value, FILE *file) {
    if (!value->has_shape) return;
    fputs(": [", file);
    for (uint32_t i = 0; i < value->rank; i++) {
        const struct dim *dim = &value->dims[i];
        fputs(i ? ", " : "", file);
        if (dim->size >= 0) fprintf(file, "%" PRId64, dim->size);
        else fputs(dim->param ? dim->param : "?", file);
    }
    fputc(']', file);
}

static void print_tensor(const struct graph *graph, tensor_id id, FILE *file) {
    const struct tensor *tensor = graph_tensor(graph, id);
    fprintf(file, "%s[", type_name(tensor->type));
    for (uint32_t i = 0; i < tensor->rank; i++) fprintf(file, "%s%" PRId64, i ? ", " : "", tensor->dims[i]);
    fputs(tensor->cut ? "] cut" : "]", file);
}

static void print_attribute(const struct graph *graph, const struct attribute *attribute, FILE *file) {
    fprintf(file, " %s=", attribute->name);
    switch (attribute->type) {
    case ATTRIBUTE_INT:
        fprintf(file, "%" PRId64, attribute->i);
        break;
    case ATTRIBUTE_FLOAT:
        fprintf(file, "%.9g", (double)attribute->f);
        break;
    case ATTRIBUTE_STRING:
        fprintf(file, "\"%s\"", attribute->s);
        break;
    case ATTRIBUTE_TENSOR:
        print_tensor(graph, attribute->tensor, file);
        break;
    case ATTRIBUTE_INTS:
        for (uint32_t i = 0; i < attribute->count; i++) fprintf(file, "%s%" PRId64, i ? "," : "", attribute->ints[i]);
        break;
    case ATTRIBUTE_FLOATS:
        for (uint32_t i = 0; i < attribute->count; i++) fprintf(file, "%s%.9g", i ? "," : "", (double)attribute->floats[i]);
        break;
    case ATTRIBUTE_UNDEFINED:
    case ATTRIBUTE_GRAPH:
    case ATTRIBUTE_STRINGS:
    case ATTRIBUTE_TENSORS:
    case ATTRIBUTE_GRAPHS:
    case ATTRIBUTE_SPARSE_TENSOR:
    case ATTRIBUTE_SPARSE_TENSORS:
    case ATTRIBUTE_TYPE_PROTO:
    case ATTRIBUTE_TYPE_PROTOS:
        fputs("...", file);
        break;
    }
}

static void print_values(const struct graph *graph, const value_id *ids, uint32_t count, FILE *file) {
    for (uint32_t i = 0; i < count; i++) {
        const struct value *value = graph_value(graph, ids[i]);
        fprintf(file, "%s%%%s", i ? ", " : "", value->name);
    }
}

static void print_node(const struct graph *graph, node_id id, FILE *file) {
    const struct node *node = graph_node(graph, id);
    fputs("  ", file);
    print_values(graph, node->outputs, node->output_count, file);
    fprintf(file, " = %s%s%s(", node->domain, *node->domain ? "." : "", node->op_type);
    print_values(graph, node->inputs, node->input_count, file);
    fputc(')', file);
    for (uint32_t i = 0; i < node->attributes.count; i++) print_attribute(graph, &node->attributes.items[i], file);
    if (*node->name) fprintf(file, "  # %s", node->name);
    fputc('\n', file);
}

static void print_list(const struct graph *graph, const char *title, const value_id *ids, uint32_t count, FILE *file) {
    for (uint32_t i = 0; i < count; i++) {
        const struct value *value = graph_value(graph, ids[i]);
        fprintf(file, "  %s %%%s", title, value->name);
        print_dims(value, file);
        if (value->constant.at) {
            fputs(" = ", file);
            print_tensor(graph, value->constant, file);
        }
        fputc('\n', file);
    }
}

void print_graph(const struct graph *graph, FILE *file) {
    fprintf(file, "graph \"%s\"\n", graph->name);
    print_list(graph, "input", graph->inputs.items, graph->inputs.count, file);
    print_list(graph, "constant", graph->initializers.items, graph->initializers.count, file);
    for (uint32_t i = 0; i < graph->order.count; i++) print_node(graph, graph->order.items[i], file);
    print_list(graph, "output", graph->outputs.items, graph->outputs.count, file);
}
