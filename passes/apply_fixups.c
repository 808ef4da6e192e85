/* Numbers in nodes that count channels: attributes, or constants that are copied where others read them too. */
#include <string.h>

#include "ir/cut.h"
#include "ir/edit.h"
#include "passes/apply.h"

uint32_t apply_kept(const struct spaces *spaces, const struct removal *removal, const struct label *label, uint32_t from, uint32_t to) {
    const struct channel *channels = spaces->private_->channels[label->number];
    uint32_t kept = 0;
    for (uint32_t i = from; i < to; i++) kept += !removal_has(removal, channels[i]);
    return kept;
}

static void apply_store(uint8_t *bytes, enum data_type type, int64_t number) {
    const uint32_t width = type_bits(type) / 8;
    for (uint32_t i = 0; i < width; i++) bytes[i] = (uint8_t)((uint64_t)number >> (8 * i)); /* little-endian */
}

/* A list that is computed becomes a constant of the numbers that the analysis found. */
static void apply_freeze(struct graph *graph, const struct shapes *shapes, node_id id, uint32_t input) {
    const value_id computed = graph_node(graph, id)->inputs[input];
    if (graph_value(graph, computed)->constant.at) return;
    const struct shape *shape = shapes_of(shapes, computed);
    const uint32_t count = shapes->integer_counts[computed.at], width = type_bits(shape->type) / 8;
    const value_id value = edit_add_value(graph, graph_value(graph, computed)->name);
    const struct tensor tensor = {.name = graph_value(graph, value)->name, .type = shape->type, .changed = true};
    const tensor_id at = edit_add_tensor(graph, &tensor);
    uint8_t *bytes = ARENA_ARRAY(graph->arena, uint8_t, (size_t)count * width);
    for (uint32_t i = 0; i < count; i++) apply_store(bytes + (size_t)i * width, shape->type, shapes->integers[computed.at][i]);
    edit_set_tensor(graph, at, (int64_t[]){count}, shape->rank, bytes, (size_t)count * width);
    edit_add_initializer(graph, value, at);
    edit_set_input(graph, id, input, value);
}

static void apply_set_constant(struct graph *graph, const struct shapes *shapes, node_id id, uint32_t input, uint32_t entry,
                               int64_t number) {
    apply_freeze(graph, shapes, id, input);
    const value_id shared = graph_node(graph, id)->inputs[input];
    int64_t old;
    const struct tensor *before = graph_tensor(graph, graph_value(graph, shared)->constant);
    if (tensor_integer(before, entry, &old) && old == number) return;
    const bool is_shared = graph_value(graph, shared)->uses.count > 1 || graph_value(graph, shared)->is_output;
    const value_id own = is_shared ? edit_split_constant(graph, id, input) : shared;
    const tensor_id tensor_at = graph_value(graph, own)->constant;
    const struct tensor *tensor = graph_tensor(graph, tensor_at);
    uint8_t *bytes = arena_copy(graph->arena, tensor->bytes, tensor->byte_count);
    apply_store(bytes + (size_t)entry * (type_bits(tensor->type) / 8), tensor->type, number);
    int64_t dims[SHAPE_MAX_RANK];
    memcpy(dims, tensor->dims, tensor->rank * sizeof *dims);
    edit_set_tensor(graph, tensor_at, dims, tensor->rank, bytes, tensor->byte_count);
}

/* One entry of a list that is an attribute in old opsets and an input in new ones. */
static void apply_set_entry(struct graph *graph, const struct shapes *shapes, node_id id, const char *name, uint32_t input, uint32_t entry,
                            int64_t number) {
    const struct attribute *attribute = node_attribute(graph_node(graph, id), name);
    if (!attribute) {
        apply_set_constant(graph, shapes, id, input, entry, number);
        return;
    }
    if (attribute->ints[entry] == number) return;
    int64_t *numbers = arena_copy(graph->arena, attribute->ints, attribute->count * sizeof *numbers);
    numbers[entry] = number;
    edit_set_ints(graph, id, name, numbers, attribute->count);
}

/* A Split without sizes makes equal parts: it gets the list that its entries are then written to. */
static void apply_add_split(struct graph *graph, node_id id) {
    const uint32_t count = graph_node(graph, id)->output_count;
    int64_t *zeros = ARENA_ARRAY(graph->arena, int64_t, count);
    if (node_attribute(graph_node(graph, id), "split") || node_input(graph_node(graph, id), 1).at) return;
    if (graph_opset(graph) < 13) {
        edit_set_ints(graph, id, "split", zeros, count);
        return;
    }
    const value_id value = edit_add_value(graph, arena_print(graph->arena, "%s_split", graph_node_label(graph, id)));
    struct tensor tensor = {.name = graph_value(graph, value)->name, .type = TYPE_INT64, .changed = true};
    const tensor_id at = edit_add_tensor(graph, &tensor);
    edit_set_tensor(graph, at, (int64_t[]){count}, 1, (const uint8_t *)zeros, count * sizeof *zeros);
    edit_add_initializer(graph, value, at);
    edit_set_input(graph, id, 1, value);
}

static void apply_fixup(struct graph *graph, const struct spaces *spaces, const struct removal *removal, const struct fixup *fixup) {
    const struct label *label = fixup->label;
    const uint32_t before = apply_kept(spaces, removal, label, 0, fixup->from),
                   within = apply_kept(spaces, removal, label, fixup->from, fixup->to);
    const uint32_t all = apply_kept(spaces, removal, label, 0, label->count);
    const char *pads = node_attribute(graph_node(graph, fixup->node), "paddings") ? "paddings" : "pads";
    if (all == label->count) return;
    const struct shapes *shapes = spaces->private_->labels->shapes;
    if (fixup->kind == FIXUP_NUMBERS) apply_freeze(graph, shapes, fixup->node, fixup->input);
    if (fixup->kind == FIXUP_GROUP) edit_set_int(graph, fixup->node, "group", all);
    if (fixup->kind == FIXUP_SIZE) apply_set_entry(graph, shapes, fixup->node, "shape", fixup->input, fixup->entry, all);
    if (fixup->kind == FIXUP_SPLIT) {
        apply_add_split(graph, fixup->node);
        apply_set_entry(graph, shapes, fixup->node, "split", 1, fixup->entry, within);
    }
    if (fixup->kind == FIXUP_SLICE) {
        apply_set_entry(graph, shapes, fixup->node, "starts", 1, fixup->entry, before);
        apply_set_entry(graph, shapes, fixup->node, "ends", 2, fixup->entry, before + within);
    }
    if (fixup->kind == FIXUP_PAD) {
        apply_set_entry(graph, shapes, fixup->node, pads, 1, fixup->entry, before);
        apply_set_entry(graph, shapes, fixup->node, pads, 1, fixup->axes + fixup->entry, all - before - within);
    }
}

void apply_fixups(struct graph *graph, const struct spaces *spaces, const struct removal *removal) {
    const struct labels *labels = spaces->private_->labels;
    for (uint32_t i = 0; i < labels->fixups.count; i++) apply_fixup(graph, spaces, removal, &labels->fixups.items[i]);
}
