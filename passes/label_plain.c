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

/* ---- two operands that broadcast ---- */

struct label_side {
    uint32_t input;
    bool is_constant;
    uint32_t shift; /* axis of the output - axis of the operand */
    const struct shape *shape;
};

/* Before opset 7 the second operand lines up from attribute `axis` on; PRelu's slope [C] with the channels. */
static uint32_t label_plain_shift(const struct rule *rule, uint32_t input, uint32_t rank) {
    const struct shape *shape = rule_shape(rule, input);
    const int64_t axis = node_int(rule->node, "axis", -1);
    if (graph_opset(rule->labels->graph) < 7 && input == 1) {
        if (rule->node->op == OP_PRELU && shape->rank == 1 && rank > 1) return 1;
        if (axis >= 0 && axis + shape->rank <= rank) return (uint32_t)axis;
    }
    return rank - shape->rank;
}

/* Size of the operand along an axis of the output: 1 where it has no such axis. */
static int64_t label_side_dim(const struct label_side *side, uint32_t axis) {
    return axis >= side->shift && axis - side->shift < side->shape->rank ? side->shape->dims[axis - side->shift] : 1;
}

static const struct label *label_side_label(const struct rule *rule, const struct label_side *side, uint32_t axis) {
    return axis >= side->shift ? rule_label(rule, side->input, axis - side->shift) : NULL;
}

static const struct label *label_plain_meet(struct rule *rule, const struct label_side *a, const struct label_side *b, uint32_t axis) {
    const struct label *la = label_side_label(rule, a, axis), *lb = label_side_label(rule, b, axis);
    const int64_t da = label_side_dim(a, axis), db = label_side_dim(b, axis);
    if (!la && !lb) return NULL;
    if (da == 1 && db != 1) {
        label_pin(rule->labels, la, rule_reason(rule, "broadcast by"));
        return lb;
    }
    if (db == 1 && da != 1) {
        label_pin(rule->labels, lb, rule_reason(rule, "broadcast by"));
        return la;
    }
    if (la && lb && la->count == lb->count) label_unite(rule->labels, la, lb);
    else if (la && !lb && b->is_constant) rule_bind(rule, b->input, axis - b->shift, la, PLAN_CARRIES);
    else if (lb && !la && a->is_constant) rule_bind(rule, a->input, axis - a->shift, lb, PLAN_CARRIES);
    else label_pin(rule->labels, la ? la : lb, rule_reason(rule, "joined with what is not pruned by"));
    return la ? la : lb;
}

void label_join(struct rule *rule) {
    const struct shape *y = rule_output_shape(rule, 0);
    struct label_side side[2];
    for (uint32_t i = 0; i < 2; i++) {
        const struct shape *shape = rule_shape(rule, i);
        if (!y->known || !shape->known || shape->rank > y->rank) {
            rule_pin_all(rule, "the shape is not known at");
            return;
        }
        side[i] = (struct label_side){i, rule_is_constant(rule, i), label_plain_shift(rule, i, y->rank), shape};
    }
    if (side[0].is_constant && side[1].is_constant) return;
    for (uint32_t axis = 0; axis < y->rank; axis++) rule_set(rule, 0, axis, label_plain_meet(rule, &side[0], &side[1], axis));
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
    for (uint32_t i = 0; i < (all ? x->rank : count); i++) gone[all ? i : (axes[i] < 0 ? axes[i] + x->rank : axes[i]) % SHAPE_MAX_RANK] = true;
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
