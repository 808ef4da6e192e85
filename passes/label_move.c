/* Label rules of what moves data: Concat, Slice, Split, Pad, DepthToSpace, SpaceToDepth, Transpose, Gather. */
#include <string.h>

#include "ir/cut.h"
#include "passes/labels.h"

static bool label_move_axis(int64_t given, uint32_t rank, uint32_t *axis) {
    if (given < 0) given += rank;
    *axis = (uint32_t)given;
    return given >= 0 && given < rank;
}

static void label_move_add_fixup(struct rule *rule, struct fixup fixup) {
    fixup.node = rule->id;
    array_push(rule->labels->arena, &rule->labels->fixups, fixup);
}

/* ---- Concat ---- */

/* Atoms of one input along the axis; a constant makes its own, what has no label never goes. NULL: not known. */
static const struct label *label_concat_part(struct rule *rule, uint32_t input, uint32_t axis) {
    const struct label *label = rule_label(rule, input, axis);
    const struct shape *shape = rule_shape(rule, input);
    if (label || !shape->known || axis >= shape->rank) return label;
    label = label_fresh(rule->labels, shape->dims[axis]);
    if (rule_is_constant(rule, input)) rule_bind(rule, input, axis, label, PLAN_CARRIES);
    else label_pin(rule->labels, label, rule_reason(rule, "not pruned before"));
    return label;
}

static void label_concat_along(struct rule *rule, uint32_t axis) {
    ARRAY(uint32_t) atoms = {0};
    bool some = false, known = true;
    for (uint32_t i = 0; i < rule->node->input_count; i++) some = some || rule_label(rule, i, axis);
    for (uint32_t i = 0; some && i < rule->node->input_count; i++) {
        const struct label *part = label_concat_part(rule, i, axis);
        known = known && part;
        for (uint32_t k = 0; part && k < part->count; k++) array_push(rule->labels->arena, &atoms, part->atoms[k]);
    }
    if (!some) return;
    const struct label *joined = label_new(rule->labels, atoms.items, atoms.count);
    if (known) rule_set(rule, 0, axis, joined);
    else label_pin(rule->labels, joined, rule_reason(rule, "the shape is not known at"));
}

/* All inputs must agree there. */
static void label_concat_across(struct rule *rule, uint32_t axis) {
    const struct label *first = NULL;
    for (uint32_t i = 0; i < rule->node->input_count && !first; i++) first = rule_label(rule, i, axis);
    for (uint32_t i = 0; first && i < rule->node->input_count; i++) {
        const struct label *label = rule_label(rule, i, axis);
        if (label && label->count == first->count) label_unite(rule->labels, first, label);
        else if (!label && rule_is_constant(rule, i)) rule_bind(rule, i, axis, first, PLAN_CARRIES);
        else label_pin(rule->labels, first, rule_reason(rule, "joined with what is not pruned by"));
    }
    rule_set(rule, 0, axis, first);
}

void label_concat(struct rule *rule) {
    const struct shape *y = rule_output_shape(rule, 0);
    uint32_t along;
    if (!y->known || !label_move_axis(node_int(rule->node, "axis", 1), y->rank, &along)) {
        rule_pin_all(rule, "the shape is not known at");
        return;
    }
    for (uint32_t axis = 0; axis < y->rank; axis++) {
        if (axis == along) label_concat_along(rule, axis);
        else label_concat_across(rule, axis);
    }
}

/* ---- Slice ---- */

static int64_t label_slice_bound(int64_t bound, int64_t size) {
    if (bound < 0) bound += size;
    return bound < 0 ? 0 : bound > size ? size : bound;
}

static bool label_slice_can_rewrite(const struct rule *rule) {
    return rule_can_rewrite(rule, "starts", 1) && rule_can_rewrite(rule, "ends", 2);
}

/* One labelled axis cut down to [start, end) with steps of 1. */
static const struct label *label_slice_take(struct rule *rule, const struct label *in, int64_t start, int64_t end, int64_t step,
                                            uint32_t entry) {
    const int64_t from = label_slice_bound(start, in->count), to = label_slice_bound(end, in->count);
    if (step == 1 && from == 0 && to == (int64_t)in->count) return in;
    if (step != 1 || from >= to || !label_slice_can_rewrite(rule)) {
        label_pin(rule->labels, in, rule_reason(rule, "picked by"));
        return NULL;
    }
    const struct label *taken = label_part(rule->labels, in, (uint32_t)from, (uint32_t)to);
    label_move_add_fixup(
        rule, (struct fixup){.kind = FIXUP_SLICE, .label = in, .entry = entry, .from = (uint32_t)from, .to = (uint32_t)to, .taken = taken});
    return taken;
}

void label_slice(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0);
    const int64_t *starts, *ends, *axes = NULL, *steps = NULL;
    uint32_t count, end_count, axis_count = 0, step_count = 0;
    if (rule_is_constant(rule, 0)) return;
    const bool known =
        rule_integers(rule, "starts", 1, &starts, &count) && rule_integers(rule, "ends", 2, &ends, &end_count) && count == end_count;
    const bool has_axes = rule_integers(rule, "axes", 3, &axes, &axis_count),
               has_steps = rule_integers(rule, "steps", 4, &steps, &step_count);
    if (!known || !x->known || (has_axes ? axis_count != count : node_input(rule->node, 3).at != 0) ||
        (has_steps ? step_count != count : node_input(rule->node, 4).at != 0)) {
        rule_pin_all(rule, "picked by");
        return;
    }
    const struct label *labels[SHAPE_MAX_RANK];
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) labels[axis] = rule_label(rule, 0, axis);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis;
        if (label_move_axis(has_axes ? axes[i] : i, x->rank, &axis) && labels[axis])
            labels[axis] = label_slice_take(rule, labels[axis], starts[i], ends[i], has_steps ? steps[i] : 1, i);
    }
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) rule_set(rule, 0, axis, labels[axis]);
}

/* ---- Split ---- */

static bool label_split_can_rewrite(const struct rule *rule) {
    if (node_attribute(rule->node, "split") || node_input(rule->node, 1).at) return rule_can_rewrite(rule, "split", 1);
    return !node_attribute(rule->node, "num_outputs");
}

/* Output i takes the next of the parts, one after the other. */
static void label_split_along(struct rule *rule, uint32_t axis, const struct label *in) {
    int64_t from = 0;
    bool good = label_split_can_rewrite(rule);
    for (uint32_t i = 0; i < rule->node->output_count && good; i++) {
        const struct shape *y = rule_output_shape(rule, i);
        good = node_output(rule->node, i).at && y->known && axis < y->rank && y->dims[axis] > 0;
        from += good ? y->dims[axis] : 0;
    }
    if (!good || from != (int64_t)in->count) {
        label_pin(rule->labels, in, rule_reason(rule, "picked by"));
        return;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < rule->node->output_count; i++) {
        const uint32_t to = at + (uint32_t)rule_output_shape(rule, i)->dims[axis];
        const struct label *taken = label_part(rule->labels, in, at, to);
        label_move_add_fixup(rule, (struct fixup){.kind = FIXUP_SPLIT, .label = in, .entry = i, .from = at, .to = to, .taken = taken});
        rule_set(rule, i, axis, taken);
        at = to;
    }
}

void label_split(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0);
    uint32_t along;
    if (rule_is_constant(rule, 0)) return;
    if (!x->known || !label_move_axis(node_int(rule->node, "axis", 0), x->rank, &along)) {
        rule_pin_all(rule, "picked by");
        return;
    }
    for (uint32_t axis = 0; axis < x->rank; axis++) {
        const struct label *label = rule_label(rule, 0, axis);
        if (axis == along && label) label_split_along(rule, axis, label);
        for (uint32_t i = 0; i < rule->node->output_count && axis != along; i++) rule_set(rule, i, axis, label);
    }
}

/* ---- Pad ---- */

static bool label_pad_is_zero(const struct rule *rule) {
    const value_id value = node_input(rule->node, 2);
    double number = 0;
    if (strcmp(node_text(rule->node, "mode", "constant"), "constant") != 0) return false;
    if (node_float(rule->node, "value", 0) < 0 || node_float(rule->node, "value", 0) > 0) return false;
    if (!value.at) return true;
    const tensor_id id = resolve_plain(rule->labels->graph, value);
    return id.at && tensor_number(graph_tensor(rule->labels->graph, id), 0, &number) && !(number < 0 || number > 0);
}

/* [begin zeros] [input] [end zeros] */
static const struct label *label_pad_axis(struct rule *rule, const struct label *in, int64_t begin, int64_t end, uint32_t entry,
                                          uint32_t axes) {
    const bool can = rule_can_rewrite(rule, node_attribute(rule->node, "pads") ? "pads" : "paddings", 1);
    if (begin == 0 && end == 0) return in;
    if (begin < 0 || end < 0 || begin + end > UINT16_MAX * 16 || !can || !label_pad_is_zero(rule)) {
        label_pin(rule->labels, in, rule_reason(rule, "padded by"));
        return NULL;
    }
    const uint32_t from = (uint32_t)begin, count = from + in->count + (uint32_t)end;
    const struct label *zeros = label_fresh(rule->labels, begin + end);
    uint32_t *atoms = ARENA_ARRAY(rule->labels->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        atoms[i] = i < from ? zeros->atoms[i] : i < from + in->count ? in->atoms[i - from] : zeros->atoms[i - in->count];
    const struct label *out = label_new(rule->labels, atoms, count);
    label_move_add_fixup(
        rule, (struct fixup){.kind = FIXUP_PAD, .label = out, .entry = entry, .from = from, .to = from + in->count, .axes = axes});
    return out;
}

void label_pad(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0);
    const int64_t *pads, *axes = NULL;
    uint32_t count, axis_count = 0;
    const bool known = rule_integers(rule, "pads", 1, &pads, &count) || rule_integers(rule, "paddings", 1, &pads, &count);
    const bool has_axes = rule_integers(rule, "axes", 3, &axes, &axis_count);
    if (rule_is_constant(rule, 0)) return;
    if (!known || !x->known || (!has_axes && node_input(rule->node, 3).at) || count != 2 * (has_axes ? axis_count : x->rank)) {
        rule_pin_all(rule, "padded by");
        return;
    }
    const struct label *labels[SHAPE_MAX_RANK];
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) labels[axis] = rule_label(rule, 0, axis);
    for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t axis;
        if (label_move_axis(has_axes ? axes[i] : i, x->rank, &axis) && labels[axis])
            labels[axis] = label_pad_axis(rule, labels[axis], pads[i], pads[count / 2 + i], i, count / 2);
    }
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) rule_set(rule, 0, axis, labels[axis]);
}

/* ---- DepthToSpace, SpaceToDepth ---- */

static int64_t label_block_area(const struct rule *rule) {
    return node_int(rule->node, "blocksize", 1) * node_int(rule->node, "blocksize", 1);
}

static void label_blocks_pin_plane(struct rule *rule) {
    for (uint32_t axis = 2; axis < SHAPE_MAX_RANK; axis++)
        label_pin(rule->labels, rule_label(rule, 0, axis), rule_reason(rule, "taken apart by"));
    rule_set(rule, 0, 0, rule_label(rule, 0, 0));
}

/* The channels that become one plane go together: every (C / area)th of them, or, with mode CRD, those next to each other. */
void label_depth_to_space(struct rule *rule) {
    const struct label *in = rule_label(rule, 0, 1);
    const int64_t area = label_block_area(rule);
    const bool beside = strcmp(node_text(rule->node, "mode", "DCR"), "CRD") == 0;
    label_blocks_pin_plane(rule);
    if (!in) return;
    const uint32_t count = in->count / (uint32_t)area, step = beside ? (uint32_t)area : 1;
    uint32_t *atoms = ARENA_ARRAY(rule->labels->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) atoms[i] = in->atoms[i * step];
    const struct label *out = label_new(rule->labels, atoms, count);
    label_unite(rule->labels, in, label_repeat(rule->labels, out, beside ? 1 : area, beside ? area : 1));
    rule_set(rule, 0, 1, out);
}

/* Each channel becomes `area` of them, all C for the first place in a block, then all for the next. */
void label_space_to_depth(struct rule *rule) {
    const struct label *in = rule_label(rule, 0, 1);
    label_blocks_pin_plane(rule);
    const struct label *out = in ? label_repeat(rule->labels, in, label_block_area(rule), 1) : NULL;
    if (in && !out) label_pin(rule->labels, in, rule_reason(rule, "taken apart by"));
    rule_set(rule, 0, 1, out);
}

/* ---- Transpose, Gather ---- */

void label_transpose(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0);
    const struct attribute *perm = node_attribute(rule->node, "perm");
    if (rule_is_constant(rule, 0)) return;
    for (uint32_t i = 0; x->known && i < x->rank; i++)
        rule_set(rule, 0, i, rule_label(rule, 0, perm ? (uint32_t)perm->ints[i] : x->rank - 1 - i));
    if (!x->known) rule_pin_all(rule, "the shape is not known at");
}

/* The axis picked from is pinned, the others move past the indices' axes. */
void label_gather(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0), *indices = rule_shape(rule, 1);
    uint32_t along;
    rule_pin_input(rule, 1, "read by");
    if (!x->known || !indices->known || !label_move_axis(node_int(rule->node, "axis", 0), x->rank, &along)) {
        rule_pin_all(rule, "the shape is not known at");
        return;
    }
    for (uint32_t axis = 0; axis < x->rank; axis++) {
        const struct label *label = rule_label(rule, 0, axis);
        if (axis == along) label_pin(rule->labels, label, rule_reason(rule, "picked by"));
        else rule_set(rule, 0, axis < along ? axis : axis + indices->rank - 1, label);
    }
}
