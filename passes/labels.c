/* Atoms, label arrays, bindings: what the rules are written with, and the walk that runs them. */
#include "passes/labels.h"

#include <stdlib.h>
#include <string.h>

#include "ir/cut.h"

const label_rule label_rules[OP_COUNT] = {
    [OP_OPAQUE] = label_opaque,
#define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label, eval)                           \
    [OP_##token] = label_##label,
#include "op/op.def"
#undef OP
};

/* ---- atoms ---- */

static uint32_t labels_new_atom(struct labels *labels) {
    const uint32_t atom = labels->parent.count;
    array_push(labels->arena, &labels->parent, atom);
    array_push(labels->arena, &labels->reason, NULL);
    return atom;
}

uint32_t labels_root(struct labels *labels, uint32_t atom) {
    uint32_t *parent = labels->parent.items;
    while (parent[atom] != atom) {
        parent[atom] = parent[parent[atom]];
        atom = parent[atom];
    }
    return atom;
}

/* The older atom stays the root, so that channels are numbered in the order of their first maker. */
static void labels_unite_atoms(struct labels *labels, uint32_t a, uint32_t b) {
    a = labels_root(labels, a);
    b = labels_root(labels, b);
    if (a == b) return;
    const uint32_t root = a < b ? a : b, child = a < b ? b : a;
    labels->parent.items[child] = root;
    if (!labels->reason.items[root]) labels->reason.items[root] = labels->reason.items[child];
}

/* ---- arrays ---- */

const struct label *label_new(struct labels *labels, const uint32_t *atoms, uint32_t count) {
    struct label *label = ARENA_NEW(labels->arena, struct label);
    label->number = labels->all.count;
    label->count = count;
    label->atoms = arena_copy(labels->arena, atoms, count * sizeof *atoms);
    array_push(labels->arena, &labels->all, label);
    return label;
}

enum { LABEL_MAX_COUNT = 1 << 22 };

/* NULL for a count that is not known, nothing, or beyond reason. */
const struct label *label_fresh(struct labels *labels, int64_t count) {
    if (count <= 0 || count > LABEL_MAX_COUNT) return NULL;
    uint32_t *atoms = ARENA_ARRAY(labels->arena, uint32_t, count);
    for (int64_t i = 0; i < count; i++) atoms[i] = labels_new_atom(labels);
    return label_new(labels, atoms, (uint32_t)count);
}

const struct label *label_part(struct labels *labels, const struct label *label, uint32_t from, uint32_t to) {
    return from == 0 && to == label->count ? label : label_new(labels, label->atoms + from, to - from);
}

const struct label *label_repeat(struct labels *labels, const struct label *label, int64_t outer, int64_t inner) {
    if (outer == 1 && inner == 1) return label;
    if (outer < 1 || inner < 1 || outer > LABEL_MAX_COUNT || inner > LABEL_MAX_COUNT) return NULL;
    if (outer * inner > LABEL_MAX_COUNT / (int64_t)label->count) return NULL;
    const uint32_t count = (uint32_t)(outer * inner) * label->count;
    uint32_t *atoms = ARENA_ARRAY(labels->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) atoms[i] = label->atoms[i / inner % label->count];
    return label_new(labels, atoms, count);
}

void label_pin(struct labels *labels, const struct label *label, const char *reason) {
    for (uint32_t i = 0; label && i < label->count; i++) {
        const char **own = &labels->reason.items[labels_root(labels, label->atoms[i])];
        if (!*own) *own = reason;
    }
}

void label_unite(struct labels *labels, const struct label *a, const struct label *b) {
    if (a == b) return;
    for (uint32_t i = 0; i < a->count; i++) labels_unite_atoms(labels, a->atoms[i], b->atoms[i]);
}

/* ---- what a rule sees ---- */

const struct shape *rule_shape(const struct rule *rule, uint32_t input) {
    return shapes_of(rule->labels->shapes, node_input(rule->node, input));
}

const struct shape *rule_output_shape(const struct rule *rule, uint32_t output) {
    return shapes_of(rule->labels->shapes, node_output(rule->node, output));
}

const struct label *rule_label(const struct rule *rule, uint32_t input, uint32_t axis) {
    return axis < SHAPE_MAX_RANK ? rule->labels->of_value[node_input(rule->node, input).at][axis] : NULL;
}

void rule_set(struct rule *rule, uint32_t output, uint32_t axis, const struct label *label) {
    const value_id value = node_output(rule->node, output);
    const struct shape *shape = shapes_of(rule->labels->shapes, value);
    if (!value.at || !label) return;
    if (!shape->known || axis >= shape->rank || shape->dims[axis] != (int64_t)label->count)
        label_pin(rule->labels, label, rule_reason(rule, "the shape is not known at"));
    else rule->labels->of_value[value.at][axis] = label;
}

bool rule_is_constant(const struct rule *rule, uint32_t input) {
    const value_id value = node_input(rule->node, input);
    return value.at && resolve_constant(rule->labels->graph, value).tensor.at;
}

const char *rule_reason(const struct rule *rule, const char *what) {
    return arena_print(rule->labels->arena, "%s node '%s' (%s)", what, graph_node_label(rule->labels->graph, rule->id),
                       rule->node->op_type);
}

void rule_pin_input(struct rule *rule, uint32_t input, const char *what) {
    const char *reason = NULL;
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
        const struct label *label = rule_label(rule, input, axis);
        if (!label) continue;
        if (!reason) reason = rule_reason(rule, what);
        label_pin(rule->labels, label, reason);
    }
}

void rule_pin_all(struct rule *rule, const char *what) {
    for (uint32_t i = 0; i < rule->node->input_count; i++) rule_pin_input(rule, i, what);
}

bool rule_integers(const struct rule *rule, const char *name, uint32_t input, const int64_t **numbers, uint32_t *count) {
    const struct attribute *attribute = node_attribute(rule->node, name);
    const value_id value = node_input(rule->node, input);
    if (attribute && attribute->type == ATTRIBUTE_INTS) {
        *numbers = attribute->ints;
        *count = attribute->count;
        return true;
    }
    if (!value.at || !rule->labels->shapes->integers[value.at]) return false;
    *numbers = rule->labels->shapes->integers[value.at];
    *count = rule->labels->shapes->integer_counts[value.at];
    return true;
}

/* Computed integers that come from constants and sizes of labels alone. */
static bool labels_are_numbers(const struct labels *labels, value_id value) {
    const struct marks *marks = labels->marks[value.at];
    const struct shape *shape = shapes_of(labels->shapes, value);
    if (!value.at || !labels->shapes->integers[value.at] || shape->rank > 1) return false;
    if (shape->type != TYPE_INT64 && shape->type != TYPE_INT32) return false;
    if (!marks) return resolve_constant(labels->graph, value).tensor.at != 0;
    for (uint32_t i = 0; i < marks->count; i++)
        if (marks->items[i].is_open) return false;
    return marks->count == labels->shapes->integer_counts[value.at];
}

bool rule_can_rewrite(const struct rule *rule, const char *name, uint32_t input) {
    const struct attribute *attribute = node_attribute(rule->node, name);
    if (attribute && attribute->type == ATTRIBUTE_INTS) return true;
    const value_id value = node_input(rule->node, input);
    const tensor_id constant = value.at ? graph_value(rule->labels->graph, value)->constant : TENSOR_NONE;
    const struct tensor *tensor = constant.at ? graph_tensor(rule->labels->graph, constant) : NULL;
    if (!tensor) return labels_are_numbers(rule->labels, value);
    return tensor->bytes && (tensor->type == TYPE_INT64 || tensor->type == TYPE_INT32);
}

/* ---- bindings ---- */

/* Axis of a node's input that is axis `axis` of its output; false where there is no such axis. */
static bool bind_through(const struct labels *labels, const struct node *node, uint32_t axis, uint32_t *inner) {
    const struct shape *x = shapes_of(labels->shapes, node->inputs[0]), *y = shapes_of(labels->shapes, node->outputs[0]);
    *inner = axis;
    if (label_rules[node->op] == label_transpose) {
        const struct attribute *perm = node_attribute(node, "perm");
        if (!y->known || axis >= y->rank || (perm && axis >= perm->count)) return false;
        *inner = perm ? (uint32_t)perm->ints[axis] : y->rank - 1 - axis;
        return true;
    }
    if (label_rules[node->op] != label_reshape) return true;
    if (!x->known || !y->known || axis >= y->rank || y->dims[axis] == 1) return false;
    uint32_t nth = 0; /* squeezing leaves the dims above 1 in their order */
    for (uint32_t i = 0; i < axis; i++) nth += y->dims[i] != 1;
    for (uint32_t i = 0; i < x->rank; i++)
        if (x->dims[i] != 1 && nth-- == 0) return *inner = i, true;
    return false;
}

static bool bind_can_cut(const struct labels *labels, value_id constant, uint32_t axis, int64_t size) {
    const tensor_id id = graph_value(labels->graph, constant)->constant;
    const struct tensor *tensor = graph_tensor(labels->graph, id);
    return cut_possible(tensor->type) && axis < tensor->rank && tensor->dims[axis] == size;
}

/* Scale and zero point of a DequantizeLinear whose axis `axis` shows the label. */
static bool bind_scales(struct labels *labels, const struct bound *bound, node_id id, uint32_t axis, uint32_t step_count) {
    const struct node *node = graph_node(labels->graph, id);
    for (uint32_t input = 1; input < node->input_count; input++) {
        const value_id value = node->inputs[input];
        const struct shape *shape = shapes_of(labels->shapes, value);
        if (!value.at) continue;
        if (!shape->known || (shape->rank > 1 && shape_elements(shape) != 1)) return false;
        if (shape_elements(shape) == 1 && (shape->rank == 0 || shape->dims[0] != (int64_t)bound->label->count)) continue;
        int64_t given = node_int(node, "axis", 1);
        if (given < 0) given += shapes_of(labels->shapes, node->inputs[0])->rank;
        if (shape->rank == 0 || given != (int64_t)axis) continue;
        if (bound->rows_to || !graph_value(labels->graph, value)->constant.at || !bind_can_cut(labels, value, 0, bound->label->count))
            return false;
        struct bound scale = *bound;
        struct bound_step *steps = arena_copy(labels->arena, bound->steps, step_count * sizeof *steps);
        steps[step_count - 1].input = input;
        scale.constant = value;
        scale.axis = 0;
        scale.role = PLAN_CARRIES;
        scale.is_weight = false;
        scale.is_scale = true;
        scale.steps = steps;
        scale.step_count = step_count;
        scale.site = labels->site_count++;
        array_push(labels->arena, &labels->bounds, scale);
    }
    return true;
}

/* Whether the size that a Reshape gives the axis can follow the label: open, copied from the same axis, or a number to rewrite, which
 * needs that nobody else reads what stands between it and the reader. */
static bool bind_reshaped(struct labels *labels, const struct bound *bound, uint32_t step, uint32_t axis, uint32_t inner) {
    struct rule rule = {labels, bound->steps[step].node, graph_node(labels->graph, bound->steps[step].node)};
    const int64_t *numbers;
    uint32_t count;
    if (!rule_integers(&rule, "shape", 1, &numbers, &count) || axis >= count) return false;
    if (numbers[axis] == -1 || (numbers[axis] == 0 && axis == inner)) return true;
    if (!rule_can_rewrite(&rule, "shape", 1)) return false;
    for (uint32_t i = 0; i <= step; i++) {
        const struct value *out = graph_value(labels->graph, graph_node(labels->graph, bound->steps[i].node)->outputs[0]);
        if (out->uses.count != 1 || out->is_output) return false;
    }
    const struct fixup fixup = {.kind = FIXUP_SIZE, .node = rule.id, .label = bound->label, .entry = axis, .input = 1};
    array_push(labels->arena, &labels->fixups, fixup);
    return true;
}

/* Follows the operand to its constant. bound->label, role, rows, reader, input are set; axis is the operand's. */
static bool bind_follow(struct labels *labels, struct bound *bound) {
    const struct resolved found = resolve_constant(labels->graph, graph_node(labels->graph, bound->reader)->inputs[bound->input]);
    struct bound_step *steps = ARENA_ARRAY(labels->arena, struct bound_step, found.step_count);
    const uint32_t first = labels->bounds.count;
    uint32_t axis = bound->axis, rows = 0;
    bool good = true;
    bound->steps = steps;
    for (uint32_t i = 0; i < found.step_count; i++) {
        const struct node *node = graph_node(labels->graph, found.steps[i]);
        steps[i] = (struct bound_step){found.steps[i], 0, axis};
        good = good && bind_through(labels, node, axis, &axis) && (!bound->rows_to || bind_through(labels, node, rows, &rows));
        good = good && (node->op != OP_RESHAPE || (!bound->rows_to && bind_reshaped(labels, bound, i, steps[i].axis, axis)));
        good = good && (label_rules[node->op] != label_quantize || bind_scales(labels, bound, found.steps[i], axis, i + 1));
    }
    bound->constant = found.origin;
    bound->axis = axis;
    bound->step_count = found.step_count;
    good = good && rows == 0 && bind_can_cut(labels, found.origin, axis, bound->label->count);
    if (!good) labels->bounds.count = first;
    return good;
}

static void bind_one(struct rule *rule, struct bound bound) {
    struct labels *labels = rule->labels;
    bound.is_weight = bound.input < 2 && (op_has(rule->node, OP_MACS) || bound.role != PLAN_CARRIES);
    if (bind_follow(labels, &bound)) array_push(labels->arena, &labels->bounds, bound);
    else label_pin(labels, bound.label, rule_reason(rule, arena_print(labels->arena, "input %u cannot be cut:", bound.input)));
}

void rule_bind(struct rule *rule, uint32_t input, uint32_t axis, const struct label *label, enum plan_role role) {
    if (!label) return;
    bind_one(rule, (struct bound){
                       .axis = axis, .role = role, .reader = rule->id, .input = input, .label = label, .site = rule->labels->site_count++});
}

void rule_bind_blocks(struct rule *rule, uint32_t input, const struct label *label, uint32_t blocks, enum plan_role role) {
    if (!label) return;
    const uint32_t part = label->count / blocks, site = rule->labels->site_count++;
    const int64_t rows = rule_shape(rule, input)->dims[0] / blocks;
    for (uint32_t b = 0; b < blocks; b++)
        bind_one(rule, (struct bound){.axis = 1,
                                      .role = role,
                                      .reader = rule->id,
                                      .input = input,
                                      .label = label_part(rule->labels, label, b * part, (b + 1) * part),
                                      .site = site,
                                      .rows_from = b * rows,
                                      .rows_to = (b + 1) * rows});
}

/* ---- the walk ---- */

static void labels_of_input(struct labels *labels, value_id id) {
    const struct value *value = graph_value(labels->graph, id);
    const struct shape *shape = shapes_of(labels->shapes, id);
    if (value->constant.at || !shape->known || shape->rank < 2) return;
    const struct label *label = label_fresh(labels, shape->dims[1]);
    label_pin(labels, label, arena_print(labels->arena, "graph input '%s'", value->name));
    labels->of_value[id.at][1] = label;
}

static void labels_pin_value(struct labels *labels, value_id id, const char *reason) {
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) label_pin(labels, labels->of_value[id.at][axis], reason);
    const struct marks *marks = labels->marks[id.at];
    for (uint32_t i = 0; marks && i < marks->count; i++) label_pin(labels, marks->items[i].after, reason);
}

static void labels_run(struct labels *labels, node_id id) {
    struct rule rule = {labels, id, graph_node(labels->graph, id)};
    label_marks(&rule);
    label_rules[rule.node->op](&rule);
    for (uint32_t i = 0; i < rule.node->capture_count; i++)
        labels_pin_value(labels, rule.node->captures[i], rule_reason(&rule, "read by a body of"));
}

static void labels_pin_outputs(struct labels *labels) {
    for (uint32_t i = 0; i < labels->graph->outputs.count; i++) {
        const value_id id = labels->graph->outputs.items[i];
        labels_pin_value(labels, id, arena_print(labels->arena, "graph output '%s'", graph_value(labels->graph, id)->name));
    }
}

static status labels_pin_kept(struct labels *labels, const struct options *options, struct diag *diag) {
    for (uint32_t i = 0; options && i < options->keep.count; i++) {
        const node_id id = graph_find_node(labels->graph, options->keep.items[i]);
        if (!id.at) return diag_fail(diag, STATUS_USAGE, "--keep: the model has no node '%s'", options->keep.items[i]);
        const struct node *node = graph_node(labels->graph, id);
        for (uint32_t k = 0; k < node->output_count; k++)
            labels_pin_value(labels, node->outputs[k], arena_print(labels->arena, "kept: --keep %s", options->keep.items[i]));
    }
    for (uint32_t i = 0; options && i < options->only.count; i++)
        if (!graph_find_node(labels->graph, options->only.items[i]).at)
            return diag_fail(diag, STATUS_USAGE, "--only: the model has no node '%s'", options->only.items[i]);
    return STATUS_OK;
}

void label_promise(struct rule *rule, const struct label *size, const struct label *shown) {
    const struct promise promise = {size, shown, rule_reason(rule, "its size is read by")};
    array_push(rule->labels->arena, &rule->labels->promises, promise);
}

static int labels_compare(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t *labels_sorted_roots(struct labels *labels, const struct label *label) {
    uint32_t *roots = ARENA_ARRAY(labels->arena, uint32_t, label->count);
    for (uint32_t i = 0; i < label->count; i++) roots[i] = labels_root(labels, label->atoms[i]);
    qsort(roots, label->count, sizeof *roots, labels_compare);
    return roots;
}

/* Both keep equally many, whatever goes: each atom stands equally often in both. */
static bool labels_same_size(struct labels *labels, const struct label *a, const struct label *b) {
    if (a == b) return true;
    if (!a || !b || a->count != b->count) return false;
    return memcmp(labels_sorted_roots(labels, a), labels_sorted_roots(labels, b), a->count * sizeof(uint32_t)) == 0;
}

static void labels_keep_promises(struct labels *labels) {
    for (uint32_t i = 0; i < labels->promises.count; i++) {
        const struct promise *promise = &labels->promises.items[i];
        if (labels_same_size(labels, promise->size, promise->shown)) continue;
        label_pin(labels, promise->size, promise->reason);
        label_pin(labels, promise->shown, promise->reason);
    }
}

/* ---- one weight, two layers ---- */

static bool labels_agree_on_pins(struct labels *labels, const struct label *a, const struct label *b) {
    for (uint32_t i = 0; i < a->count; i++)
        if (!labels_reason(labels, a->atoms[i]) != !labels_reason(labels, b->atoms[i])) return false;
    return true;
}

/* The binding of reader/input of `other` that cuts the same place as `bound`; NULL where it has none. */
static const struct bound *labels_counterpart(const struct labels *labels, const struct bound *bound, const struct bound *other) {
    for (uint32_t i = 0; i < labels->bounds.count; i++) {
        const struct bound *b = &labels->bounds.items[i];
        if (b->constant.at == bound->constant.at && b->reader.at == other->reader.at && b->input == other->input &&
            b->axis == bound->axis && b->rows_from == bound->rows_from && b->rows_to == bound->rows_to && b->role == bound->role)
            return b;
    }
    return NULL;
}

static bool labels_is_same_use(const struct bound *a, const struct bound *b) {
    return a->constant.at == b->constant.at && a->reader.at == b->reader.at && a->input == b->input;
}

/* Whether every binding of use a has its like in use b, and pins are the same; `unite` unites them. */
static bool labels_match_uses(struct labels *labels, const struct bound *a, const struct bound *b, bool unite) {
    for (uint32_t i = 0; i < labels->bounds.count; i++) {
        const struct bound *of_a = &labels->bounds.items[i];
        if (!labels_is_same_use(of_a, a)) continue;
        const struct bound *of_b = labels_counterpart(labels, of_a, b);
        if (!of_b || !labels_agree_on_pins(labels, of_a->label, of_b->label)) return false;
        if (unite) label_unite(labels, of_a->label, of_b->label);
    }
    return true;
}

static void labels_unite_shared(struct labels *labels) {
    uint32_t *first = ARENA_ARRAY(labels->arena, uint32_t, labels->graph->values.count); /* 1 + first weight binding of a constant */
    for (uint32_t i = 0; i < labels->bounds.count; i++) {
        const struct bound *bound = &labels->bounds.items[i];
        if (!bound->is_weight) continue;
        uint32_t *at = &first[bound->constant.at];
        if (!*at) *at = i + 1;
        const struct bound *earliest = &labels->bounds.items[*at - 1];
        if (labels_is_same_use(earliest, bound) || (i && labels_is_same_use(&labels->bounds.items[i - 1], bound))) continue;
        /* Two layers read one weight: they prune alike where that pins nothing; else they part (apply_constants.c). */
        if (labels_match_uses(labels, earliest, bound, false) && labels_match_uses(labels, bound, earliest, false))
            labels_match_uses(labels, earliest, bound, true);
    }
}

status labels_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct options *options,
                   struct labels **out, struct diag *diag) {
    struct labels *labels = ARENA_NEW(arena, struct labels);
    labels->arena = arena;
    labels->graph = graph;
    labels->shapes = shapes;
    labels->of_value = arena_alloc_array(arena, graph->values.count, sizeof *labels->of_value);
    labels->marks = arena_alloc_array(arena, graph->values.count, sizeof *labels->marks);
    labels_new_atom(labels);
    for (uint32_t i = 0; i < graph->inputs.count; i++) labels_of_input(labels, graph->inputs.items[i]);
    for (uint32_t i = 0; i < graph->order.count; i++) labels_run(labels, graph->order.items[i]);
    labels_pin_outputs(labels);
    labels_keep_promises(labels);
    const status result = labels_pin_kept(labels, options, diag);
    if (result != STATUS_OK) return result;
    labels_unite_shared(labels);
    *out = labels;
    return STATUS_OK;
}
