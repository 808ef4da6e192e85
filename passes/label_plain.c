/* Label rules of what works element by element, channel by channel, or along an axis; and of what is not known. */
#include "passes/labels.h"

void label_constant(struct rule *rule) { (void)rule; }

void label_opaque(struct rule *rule) { rule_pin_all(rule, "read by"); }

static void label_plain_copy(struct rule *rule, uint32_t input, uint32_t output) {
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) rule_set(rule, output, axis, rule_label(rule, input, axis));
}

/* Windows run over the axes from 2 on; places of maxima count through all channels. */
static void label_plain_pool(struct rule *rule) {
    for (uint32_t axis = 2; axis < SHAPE_MAX_RANK; axis++)
        label_pin(rule->labels, rule_label(rule, 0, axis), rule_reason(rule, "windows of"));
    for (uint32_t axis = 0; axis < 2; axis++) rule_set(rule, 0, axis, rule_label(rule, 0, axis));
    if (node_output(rule->node, 1).at) rule_pin_input(rule, 0, "places counted by");
}

/* The other inputs (Clip's bounds, Dropout's ratio) are scalars. */
void label_pass(struct rule *rule) {
    for (uint32_t i = 1; i < rule->node->input_count; i++) rule_pin_input(rule, i, "read by");
    if (rule_is_constant(rule, 0)) return;
    if (op_has(rule->node, OP_POOL)) {
        label_plain_pool(rule);
        return;
    }
    for (uint32_t i = 0; i < rule->node->output_count; i++) label_plain_copy(rule, 0, i);
}

/* BatchNormalization: X [N, C, ...], the others [C]. */
void label_channelwise(struct rule *rule) {
    const struct label *channels = rule_label(rule, 0, 1);
    if (rule_is_constant(rule, 0)) return;
    for (uint32_t i = 1; i < rule->node->input_count; i++) {
        if (!rule_is_constant(rule, i)) rule_pin_all(rule, "parameters are computed for");
        else rule_bind(rule, i, 0, channels, PLAN_CARRIES);
    }
    label_plain_copy(rule, 0, 0);
    for (uint32_t i = 1; i < rule->node->output_count; i++) rule_set(rule, i, 0, channels);
}

/* ---- operands that broadcast ---- */

/* Axis of the output - axis of the operand. Before opset 7 the second operand lines up from attribute `axis` on; PRelu's slope [C] with
 * the channels. */
static uint32_t label_join_shift(const struct rule *rule, uint32_t input, uint32_t rank) {
    const struct shape *shape = rule_shape(rule, input);
    const int64_t axis = node_int(rule->node, "axis", -1);
    if (graph_opset(rule->labels->graph) < 7 && input == 1) {
        if (rule->node->op == OP_PRELU && shape->rank == 1 && rank > 1) return 1;
        if (axis >= 0 && axis + shape->rank <= rank) return (uint32_t)axis;
    }
    return rank - shape->rank;
}

/* An operand's axis that stands at an axis of the output; false where it is broadcast along it. */
static bool label_join_axis(const struct rule *rule, uint32_t input, uint32_t axis, uint32_t *own) {
    const struct shape *shape = rule_shape(rule, input), *y = rule_output_shape(rule, 0);
    const uint32_t shift = label_join_shift(rule, input, y->rank);
    *own = axis - shift;
    return axis >= shift && *own < shape->rank && (shape->dims[*own] != 1 || y->dims[axis] == 1);
}

/* What the operand shows along an axis of the output; pinned where it is one index for all of the others'. */
static const struct label *label_join_label(struct rule *rule, uint32_t input, uint32_t axis) {
    uint32_t own;
    if (label_join_axis(rule, input, axis, &own)) return rule_label(rule, input, own);
    if (own < SHAPE_MAX_RANK) label_pin(rule->labels, rule_label(rule, input, own), rule_reason(rule, "broadcast by"));
    return NULL;
}

static const struct label *label_join_meet(struct rule *rule, uint32_t axis) {
    const struct label *met = NULL;
    bool good = true;
    for (uint32_t i = 0; i < rule->node->input_count; i++) {
        const struct label *label = label_join_label(rule, i, axis);
        if (!met) met = label;
        else if (label && label->count == met->count) label_unite(rule->labels, met, label);
        else if (label) label_pin(rule->labels, label, rule_reason(rule, "the shape is not known at")), good = false;
    }
    for (uint32_t i = 0; i < rule->node->input_count && met; i++) {
        uint32_t own;
        if (!label_join_axis(rule, i, axis, &own) || rule_label(rule, i, own)) continue;
        if (rule_is_constant(rule, i)) rule_bind(rule, i, own, met, PLAN_CARRIES);
        else good = false;
    }
    if (!good) label_pin(rule->labels, met, rule_reason(rule, "joined with what is not pruned by"));
    return met;
}

void label_join(struct rule *rule) {
    const struct shape *y = rule_output_shape(rule, 0);
    bool some = false;
    for (uint32_t i = 0; i < rule->node->input_count; i++) {
        const struct shape *shape = rule_shape(rule, i);
        some = some || !rule_is_constant(rule, i);
        if (y->known && shape->known && shape->rank <= y->rank) continue;
        rule_pin_all(rule, "the shape is not known at");
        return;
    }
    for (uint32_t axis = 0; axis < y->rank && some; axis++) rule_set(rule, 0, axis, label_join_meet(rule, axis));
}

/* ---- along an axis ---- */

/* Below opset 13 everything from `axis` (1) on is one row. */
void label_softmax(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0);
    const bool is_coerced = graph_opset(rule->labels->graph) < 13;
    int64_t from = node_int(rule->node, "axis", is_coerced ? 1 : -1);
    if (from < 0) from += x->rank;
    for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
        const struct label *label = rule_label(rule, 0, axis);
        if (axis == from || (is_coerced && axis > from)) label_pin(rule->labels, label, rule_reason(rule, "normalised by"));
        rule_set(rule, 0, axis, label);
    }
}

void label_reduce(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0);
    const bool keep = node_int(rule->node, "keepdims", 1) != 0;
    const int64_t *axes = NULL;
    uint32_t count = 0, to = 0;
    const bool given = rule_integers(rule, "axes", 1, &axes, &count);
    if (!x->known || (!given && node_input(rule->node, 1).at)) {
        rule_pin_all(rule, "the axes are not known of");
        return;
    }
    bool gone[SHAPE_MAX_RANK] = {false};
    const bool all = !count && !node_int(rule->node, "noop_with_empty_axes", 0);
    for (uint32_t i = 0; i < (all ? x->rank : count); i++)
        gone[all ? i : (axes[i] < 0 ? axes[i] + x->rank : axes[i]) % SHAPE_MAX_RANK] = true;
    for (uint32_t axis = 0; axis < x->rank; axis++) {
        if (gone[axis]) label_pin(rule->labels, rule_label(rule, 0, axis), rule_reason(rule, "reduced by"));
        else rule_set(rule, 0, to, rule_label(rule, 0, axis));
        to += keep || !gone[axis];
    }
}

/* ---- scales ---- */

/* One scale for all passes; one for each channel is cut with the channels; scales of blocks are not understood. */
void label_quantize(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0), *scale = rule_shape(rule, 1);
    const bool one = shape_elements(scale) == 1;
    int64_t axis = node_int(rule->node, "axis", 1);
    if (rule_is_constant(rule, 0)) return;
    if (axis < 0) axis += x->rank;
    if (!scale->known || (!one && scale->rank != 1) || node_int(rule->node, "block_size", 0)) {
        rule_pin_all(rule, "scaled in blocks by");
        return;
    }
    const struct label *channels = axis < SHAPE_MAX_RANK ? rule_label(rule, 0, (uint32_t)axis) : NULL;
    for (uint32_t i = 1; i < rule->node->input_count && channels; i++) {
        const struct shape *shape = rule_shape(rule, i);
        if (!node_input(rule->node, i).at || (shape_elements(shape) == 1 && (shape->rank == 0 || channels->count != 1))) continue;
        if (rule_is_constant(rule, i)) rule_bind(rule, i, 0, channels, PLAN_CARRIES);
        else label_pin(rule->labels, channels, rule_reason(rule, "scales are computed for"));
    }
    label_plain_copy(rule, 0, 0);
}
