/* Label rules of what gives the same elements another shape: Reshape and kin, Resize, Expand. */
#include <string.h>

#include "ir/cut.h"
#include "passes/labels.h"

/* ---- Reshape, Flatten, Squeeze, Unsqueeze ---- */

/* Axes [x_from, x_to) of the input hold the same elements as axes [y_from, y_to) of the output. */
struct label_run {
    uint32_t x_from, x_to, y_from, y_to;
};

/* Grows the run until both products agree; a dim that is not known only matches another alone. False where they never do. */
static bool label_reshape_next(const struct shape *x, const struct shape *y, struct label_run *run) {
    run->x_from = run->x_to;
    run->y_from = run->y_to;
    int64_t px = 1, py = 1;
    if (run->x_to < x->rank) px = x->dims[run->x_to++];
    if (run->y_to < y->rank) py = y->dims[run->y_to++];
    while (px != py) {
        if (px < 0 || py < 0) return false;
        if (px < py && run->x_to < x->rank) px *= x->dims[run->x_to++];
        else if (py < px && run->y_to < y->rank) py *= y->dims[run->y_to++];
        else return false;
    }
    while (run->x_to < x->rank && x->dims[run->x_to] == 1 && (run->y_to >= y->rank || y->dims[run->y_to] != 1)) run->x_to++;
    while (run->y_to < y->rank && y->dims[run->y_to] == 1 && (run->x_to >= x->rank || x->dims[run->x_to] != 1)) run->y_to++;
    return true;
}

static uint32_t label_run_wide(const struct shape *shape, uint32_t from, uint32_t to, uint32_t *only) {
    uint32_t wide = 0;
    *only = from;
    for (uint32_t i = to; i-- > from;)
        if (shape->dims[i] != 1) wide++, *only = i;
    return wide;
}

static void label_reshape_pin(struct rule *rule, struct label_run run) {
    for (uint32_t i = run.x_from; i < run.x_to; i++) label_pin(rule->labels, rule_label(rule, 0, i), rule_reason(rule, "taken apart by"));
}

static int64_t label_run_product(const struct shape *shape, uint32_t from, uint32_t to) {
    int64_t product = 1;
    for (uint32_t i = from; i < to; i++) product *= shape->dims[i];
    return product;
}

/* Several dims become one: the labelled one repeats. NULL: too long. */
static const struct label *label_reshape_merge(struct rule *rule, struct label_run run, uint32_t at) {
    const struct shape *x = rule_shape(rule, 0);
    return label_repeat(rule->labels, rule_label(rule, 0, at), label_run_product(x, run.x_from, at),
                        label_run_product(x, at + 1, run.x_to));
}

/* One dim becomes several (a channel shuffle, heads): the largest of them shows the label, what has the same index there goes together. */
static void label_reshape_split(struct rule *rule, struct label_run run, const struct label *in) {
    const struct shape *y = rule_output_shape(rule, 0);
    uint32_t axis = run.y_from;
    for (uint32_t i = run.y_from; i < run.y_to; i++)
        if (y->dims[i] >= y->dims[axis]) axis = i;
    const uint32_t count = (uint32_t)y->dims[axis], inner = (uint32_t)label_run_product(y, axis + 1, run.y_to);
    uint32_t *atoms = ARENA_ARRAY(rule->labels->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) atoms[i] = in->atoms[i * inner];
    const struct label *out = label_new(rule->labels, atoms, count);
    label_unite(rule->labels, in, label_repeat(rule->labels, out, in->count / count / inner, inner));
    rule_set(rule, 0, axis, out);
}

static void label_reshape_run(struct rule *rule, struct label_run run) {
    const struct shape *x = rule_shape(rule, 0), *y = rule_output_shape(rule, 0);
    uint32_t labelled = 0, at = 0, x_only, y_only;
    for (uint32_t i = run.x_from; i < run.x_to; i++)
        if (rule_label(rule, 0, i)) labelled++, at = i;
    if (!labelled) return;
    const bool same = run.x_to - run.x_from == 1 && run.y_to - run.y_from == 1;
    const uint32_t x_wide = label_run_wide(x, run.x_from, run.x_to, &x_only), y_wide = label_run_wide(y, run.y_from, run.y_to, &y_only);
    const bool merges = same || (labelled == 1 && y_wide == 1 && x->dims[at] != 1);
    const bool splits = labelled == 1 && y_wide > 1 && x_wide == 1 && x_only == at;
    const struct label *merged = merges ? label_reshape_merge(rule, run, at) : NULL;
    if (merged) rule_set(rule, 0, same ? run.y_from : y_only, merged);
    else if (splits) label_reshape_split(rule, run, rule_label(rule, 0, at));
    else label_reshape_pin(rule, run);
}

/* ---- the shape that Reshape is given ---- */

static const struct label *label_output_label(const struct rule *rule, uint32_t axis) {
    return rule->labels->of_value[node_output(rule->node, 0).at][axis];
}

/* How an entry of the shape becomes right again: the number of what the dim shows, or, where it shows nothing, what it is today. */
static void label_reshape_fix(struct rule *rule, node_id node, uint32_t input, uint32_t entry, const struct label *out,
                              const struct label *after) {
    const struct fixup freeze = {.kind = FIXUP_NUMBERS, .node = node, .label = after, .input = input};
    const struct fixup size = {.kind = FIXUP_SIZE, .node = node, .label = out, .entry = entry, .input = input};
    if (after) array_push(rule->labels->arena, &rule->labels->fixups, freeze);
    if (out) array_push(rule->labels->arena, &rule->labels->fixups, size);
}

/* A shape that a Concat makes for this node alone: the number is rewritten there. */
static bool label_reshape_joined(struct rule *rule, uint32_t axis, const struct label *out, const struct label *after) {
    const struct value *wanted = graph_value(rule->labels->graph, node_input(rule->node, 1));
    struct rule join = {rule->labels, wanted->producer, NULL};
    if (!join.id.at || wanted->uses.count != 1 || wanted->is_output) return false;
    join.node = graph_node(rule->labels->graph, join.id);
    if (label_rules[join.node->op] != label_concat) return false;
    for (uint32_t i = 0, from = 0; i < join.node->input_count; i++) {
        const struct shape *part = rule_shape(&join, i);
        if (!part->known || part->rank != 1 || part->dims[0] < 0 || part->dims[0] > SHAPE_MAX_RANK) return false;
        const uint32_t to = from + (uint32_t)part->dims[0];
        if (axis >= from && axis < to) {
            if (!rule_can_rewrite(&join, "", i) || (to > from + 1 && !rule_is_constant(&join, i))) return false;
            label_reshape_fix(rule, join.id, i, axis - from, out, after);
            return true;
        }
        from = to;
    }
    return false;
}

/* The whole list becomes numbers, so the sizes that it follows by itself are written too. */
static bool label_reshape_whole(struct rule *rule, uint32_t axis, const struct label *out, const struct label *after) {
    const struct marks *marks = rule->labels->marks[node_input(rule->node, 1).at];
    if (!rule_can_rewrite(rule, "shape", 1)) return false;
    label_reshape_fix(rule, rule->id, 1, axis, out, after);
    for (uint32_t i = 0; marks && i < marks->count && i < SHAPE_MAX_RANK; i++)
        if (marks->items[i].of) label_reshape_fix(rule, rule->id, 1, i, label_output_label(rule, i), NULL);
    return true;
}

/* Entry `axis` of the shape, where the dim shows a label or the entry is computed from the size of one. False: it cannot follow. */
static bool label_reshape_entry(struct rule *rule, uint32_t axis, const struct label *out, const struct label *after) {
    const int64_t *numbers;
    uint32_t count;
    if (!rule_integers(rule, "shape", 1, &numbers, &count) || axis >= count) return false;
    if (!after && numbers[axis] == -1) return true;
    if (!after && numbers[axis] == 0) {
        label_promise(rule, out, rule_label(rule, 0, axis));
        return true;
    }
    if (node_attribute(rule->node, "shape") || rule_is_constant(rule, 1)) return label_reshape_whole(rule, axis, out, after);
    return label_reshape_joined(rule, axis, out, after) || label_reshape_whole(rule, axis, out, after);
}

/* A size of a label must be that of what the dim shows; other entries are rewritten where they cannot follow. */
static void label_reshape_wanted(struct rule *rule) {
    const value_id wanted = node_input(rule->node, 1);
    const struct marks *marks = wanted.at ? rule->labels->marks[wanted.at] : NULL;
    const struct shape *y = rule_output_shape(rule, 0);
    for (uint32_t axis = 0; axis < y->rank || (marks && axis < marks->count); axis++) {
        const struct label *out = axis < SHAPE_MAX_RANK ? label_output_label(rule, axis) : NULL;
        const struct mark mark = marks && axis < marks->count ? marks->items[axis] : (struct mark){0};
        if (mark.of) label_promise(rule, mark.of, out);
        else if ((out || mark.after) && !label_reshape_entry(rule, axis, out, mark.after)) {
            label_pin(rule->labels, out, rule_reason(rule, "its shape is computed for"));
            label_pin(rule->labels, mark.after, rule_reason(rule, "its size is read by"));
        }
    }
}

void label_reshape(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0), *y = rule_output_shape(rule, 0);
    struct label_run run = {0};
    if (rule_is_constant(rule, 0)) return;
    if (!x->known || !y->known) {
        rule_pin_all(rule, "the shape is not known at");
        return;
    }
    while (run.x_to < x->rank || run.y_to < y->rank) {
        if (!label_reshape_next(x, y, &run)) {
            run = (struct label_run){.x_to = x->rank};
            label_reshape_pin(rule, run);
            break;
        }
        label_reshape_run(rule, run);
    }
    if (rule->node->op == OP_RESHAPE) label_reshape_wanted(rule);
}

/* ---- Resize, Upsample: sizes or scales of all axes ---- */

/* Whether the axis keeps its size whatever it is: sized by its own label, or by a number to rewrite, or scaled by 1. */
static bool label_resize_axis(struct rule *rule, uint32_t axis, const struct label *label) {
    const value_id sizes = node_input(rule->node, 3);
    const struct marks *marks = sizes.at ? rule->labels->marks[sizes.at] : NULL;
    double scales[SHAPE_MAX_RANK];
    uint32_t scale_count;
    if (node_attribute(rule->node, "axes") || node_attribute(rule->node, "keep_aspect_ratio_policy")) return false;
    if (strcmp(node_text(rule->node, "coordinate_transformation_mode", ""), "tf_crop_and_resize") == 0) return false;
    if (!sizes.at)
        return resolve_numbers(rule->labels->graph, node_input(rule->node, rule->node->input_count == 2 ? 1 : 2), scales, SHAPE_MAX_RANK,
                               &scale_count) &&
               axis < scale_count && !(scales[axis] < 1 || scales[axis] > 1);
    if (marks && axis < marks->count && marks->items[axis].of) {
        label_promise(rule, marks->items[axis].of, label);
        return true;
    }
    if (marks || !rule_can_rewrite(rule, "", 3) || axis >= rule->labels->shapes->integer_counts[sizes.at]) return false;
    const struct fixup fixup = {.kind = FIXUP_SIZE, .node = rule->id, .label = label, .entry = axis, .input = 3};
    array_push(rule->labels->arena, &rule->labels->fixups, fixup);
    return true;
}

void label_resize(struct rule *rule) {
    const value_id sizes = node_input(rule->node, 3);
    const struct marks *marks = sizes.at ? rule->labels->marks[sizes.at] : NULL;
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
        const struct label *label = rule_label(rule, 0, axis);
        const struct mark mark = marks && axis < marks->count ? marks->items[axis] : (struct mark){0};
        if (!mark.of || !label) label_pin(rule->labels, mark.after, rule_reason(rule, "its size is read by"));
        if (label && !label_resize_axis(rule, axis, label)) label_pin(rule->labels, label, rule_reason(rule, "resized by"));
        rule_set(rule, 0, axis, label);
    }
}

/* ---- Expand: x.expand_as(y) ---- */

/* An axis that keeps its size: what the shape asks for there must be 1 or follow the label. */
static const struct label *label_expand_kept(struct rule *rule, uint32_t axis, const struct label *own, struct mark mark) {
    const int64_t *numbers;
    uint32_t count;
    if (mark.of) label_promise(rule, mark.of, own);
    else if (own && !(rule_integers(rule, "", 1, &numbers, &count) && axis < count && numbers[axis] == 1))
        label_pin(rule->labels, own, rule_reason(rule, "its shape is computed for"));
    return own;
}

/* An axis of one index becomes as many as a label has: it shows that label. */
static const struct label *label_expand_axis(struct rule *rule, uint32_t axis, struct mark mark) {
    const struct shape *x = rule_shape(rule, 0), *y = rule_output_shape(rule, 0);
    const uint32_t shift = y->rank - x->rank;
    const struct label *own = axis >= shift ? rule_label(rule, 0, axis - shift) : NULL;
    if (!mark.of) label_pin(rule->labels, mark.after, rule_reason(rule, "its size is read by"));
    if (axis >= shift && x->dims[axis - shift] == y->dims[axis]) return label_expand_kept(rule, axis, own, mark);
    label_pin(rule->labels, own, rule_reason(rule, "broadcast by"));
    return mark.of;
}

void label_expand(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0), *y = rule_output_shape(rule, 0), *wanted = rule_shape(rule, 1);
    const struct marks *marks = rule->labels->marks[node_input(rule->node, 1).at];
    const bool fits = wanted->known && wanted->rank == 1 && wanted->dims[0] == (int64_t)y->rank && (!marks || marks->count == y->rank);
    if (rule_is_constant(rule, 0) || !x->known || !y->known || x->rank > y->rank || !fits) {
        rule_pin_all(rule, "read by");
        for (uint32_t i = 0; marks && i < marks->count; i++)
            label_pin(rule->labels, marks->items[i].after, rule_reason(rule, "its size is read by"));
        return;
    }
    for (uint32_t axis = 0; axis < y->rank; axis++)
        rule_set(rule, 0, axis, label_expand_axis(rule, axis, marks ? marks->items[axis] : (struct mark){0}));
}
