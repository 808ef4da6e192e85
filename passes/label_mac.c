/* Label rules of layers: they make new atoms for what they put out and consume those of what they read. */
#include "passes/labels.h"

/* ---- Conv  X: [N, C, ...]  W: [M, C/group, ...]  B: [M] ---- */

static void label_mac_bias(struct rule *rule, uint32_t input, uint32_t axis, const struct label *made) {
    if (!node_input(rule->node, input).at) return;
    if (rule_is_constant(rule, input)) rule_bind(rule, input, axis, made, PLAN_MAKES);
    else {
        rule_pin_input(rule, input, "added by");
        label_pin(rule->labels, made, rule_reason(rule, "the bias is computed for"));
    }
}

static void label_add_fixup(struct rule *rule, enum fixup_kind kind, const struct label *label) {
    const struct fixup fixup = {.kind = kind, .node = rule->id, .label = label};
    array_push(rule->labels->arena, &rule->labels->fixups, fixup);
}

static void label_add_balance(struct rule *rule, const struct label *label, uint32_t blocks) {
    const struct balance balance = {rule->id, label, blocks};
    if (label) array_push(rule->labels->arena, &rule->labels->balances, balance);
}

/* Output channel m shows what input channel m / multiplier shows. */
static const struct label *label_conv_depthwise(struct rule *rule, const struct label *in, int64_t multiplier) {
    const struct label *out = in ? label_repeat(rule->labels, in, 1, multiplier) : NULL;
    if (!out) return NULL;
    rule_bind(rule, 1, 0, out, PLAN_CARRIES);
    if (node_input(rule->node, 2).at && rule_is_constant(rule, 2)) rule_bind(rule, 2, 0, out, PLAN_CARRIES);
    else label_mac_bias(rule, 2, 0, out);
    label_add_fixup(rule, FIXUP_GROUP, in);
    return out;
}

static const struct label *label_conv_grouped(struct rule *rule, const struct label *in, int64_t m, uint32_t group) {
    const struct label *out = label_fresh(rule->labels, m);
    if (!out) return NULL;
    if (group == 1) rule_bind(rule, 1, 1, in, PLAN_READS);
    else rule_bind_blocks(rule, 1, in, group, PLAN_READS);
    rule_bind(rule, 1, 0, out, PLAN_MAKES);
    label_mac_bias(rule, 2, 0, out);
    if (group > 1) {
        label_add_balance(rule, in, group);
        label_add_balance(rule, out, group);
    }
    return out;
}

void label_conv(struct rule *rule) {
    const struct shape *w = rule_shape(rule, 1);
    const struct label *in = rule_label(rule, 0, 1);
    const int64_t group = node_int(rule->node, "group", 1);
    for (uint32_t axis = 2; axis < SHAPE_MAX_RANK; axis++)
        label_pin(rule->labels, rule_label(rule, 0, axis), rule_reason(rule, "windows of"));
    if (!rule_is_constant(rule, 1) || !w->known || w->rank < 3 || group < 1 || w->dims[1] <= 0 || w->dims[0] < group ||
        w->dims[0] % group || (in && in->count != w->dims[1] * group)) {
        rule_pin_all(rule, "weights are not constant of");
        return;
    }
    const bool is_depthwise = group > 1 && w->dims[1] == 1;
    rule_set(rule, 0, 0, rule_label(rule, 0, 0));
    rule_set(rule, 0, 1,
             is_depthwise ? label_conv_depthwise(rule, in, w->dims[0] / group) : label_conv_grouped(rule, in, w->dims[0], (uint32_t)group));
}

/* ---- ConvTranspose  W: [C, M/group, ...] ---- */

void label_conv_transpose(struct rule *rule) {
    const struct shape *w = rule_shape(rule, 1);
    const struct label *in = rule_label(rule, 0, 1), *out = NULL;
    const int64_t group = node_int(rule->node, "group", 1);
    for (uint32_t axis = 2; axis < SHAPE_MAX_RANK; axis++)
        label_pin(rule->labels, rule_label(rule, 0, axis), rule_reason(rule, "windows of"));
    if (!rule_is_constant(rule, 1) || !w->known || w->rank < 3 || (in && (int64_t)in->count != w->dims[0])) {
        rule_pin_all(rule, "weights are not constant of");
        return;
    }
    if (group == 1) {
        rule_bind(rule, 1, 0, in, PLAN_READS);
        out = label_fresh(rule->labels, w->dims[1]);
        rule_bind(rule, 1, 1, out, PLAN_MAKES);
        if (out) label_mac_bias(rule, 2, 0, out);
    } else if (group == w->dims[0] && w->dims[1] == 1 && in) {
        out = in;
        rule_bind(rule, 1, 0, in, PLAN_CARRIES);
        if (rule_is_constant(rule, 2)) rule_bind(rule, 2, 0, in, PLAN_CARRIES);
        else label_mac_bias(rule, 2, 0, in);
        label_add_fixup(rule, FIXUP_GROUP, in);
    } else {
        label_pin(rule->labels, in, rule_reason(rule, "read in groups by"));
    }
    rule_set(rule, 0, 0, rule_label(rule, 0, 0));
    rule_set(rule, 0, 1, out);
}

/* ---- Gemm and MatMul: two matrices, one of which is constant ---- */

struct label_product {
    uint32_t constant, computed;   /* inputs */
    uint32_t read_axis, make_axis; /* of the constant */
    uint32_t contracted_axis;      /* of the computed operand */
    const struct label *made;
};

/* Consumes the computed operand's labels along the contraction and makes new ones. */
static void label_product_bind(struct rule *rule, struct label_product *product) {
    const struct shape *w = rule_shape(rule, product->constant);
    const struct label *in = rule_label(rule, product->computed, product->contracted_axis);
    if (in) rule_bind(rule, product->constant, product->read_axis, in, PLAN_READS);
    if (product->make_axis == SHAPE_MAX_RANK || !w->known) return;
    product->made = label_fresh(rule->labels, w->dims[product->make_axis]);
    rule_bind(rule, product->constant, product->make_axis, product->made, PLAN_MAKES);
}

/* C: scalar, [M], [1, M] or [N, M], lined up with the output from the right. */
static void label_gemm_bias(struct rule *rule, uint32_t axis, const struct label *label, bool is_made) {
    const struct shape *c = rule_shape(rule, 2);
    if (!node_input(rule->node, 2).at || !label) return;
    if (!c->known || c->rank > 2) {
        label_pin(rule->labels, label, rule_reason(rule, "the bias is not known of"));
        return;
    }
    if (axis + c->rank < 2) return;
    const uint32_t own = axis + c->rank - 2;
    if (c->dims[own] == 1 && label->count != 1) return;
    const struct label *other = rule_label(rule, 2, own);
    if (rule_is_constant(rule, 2)) rule_bind(rule, 2, own, label, is_made ? PLAN_MAKES : PLAN_CARRIES);
    else if (other && other->count == label->count) label_unite(rule->labels, label, other);
    else label_pin(rule->labels, label, rule_reason(rule, "joined with what is not pruned by"));
}

/* Labels of a computed C where the product has none. */
static void label_gemm_pin_bias(struct rule *rule, uint32_t axis, const struct label *label) {
    const struct shape *c = rule_shape(rule, 2);
    if (label || !c->known || axis + c->rank < 2 || c->rank > 2) return;
    label_pin(rule->labels, rule_label(rule, 2, axis + c->rank - 2), rule_reason(rule, "joined with what is not pruned by"));
}

void label_gemm(struct rule *rule) {
    const bool ta = node_int(rule->node, "transA", 0) != 0, tb = node_int(rule->node, "transB", 0) != 0;
    const bool a = rule_is_constant(rule, 0), b = rule_is_constant(rule, 1);
    const struct label *out[2] = {rule_label(rule, 0, ta ? 1 : 0), rule_label(rule, 1, tb ? 0 : 1)};
    if (a && b) {
        rule_pin_input(rule, 2, "added by");
        return;
    }
    if (!a && !b) {
        label_pin(rule->labels, rule_label(rule, 0, ta ? 0 : 1), rule_reason(rule, "two computed operands are contracted by"));
        label_pin(rule->labels, rule_label(rule, 1, tb ? 1 : 0), rule_reason(rule, "two computed operands are contracted by"));
    } else {
        struct label_product product = {b ? 1u : 0u, b ? 0u : 1u, 0, 0, 0, NULL};
        const bool t_constant = b ? tb : ta, t_computed = b ? ta : tb;
        product.read_axis = t_constant == b ? 1 : 0;
        product.make_axis = 1 - product.read_axis;
        product.contracted_axis = t_computed == b ? 0 : 1;
        label_product_bind(rule, &product);
        out[b ? 1 : 0] = product.made;
    }
    for (uint32_t axis = 0; axis < 2; axis++) {
        label_gemm_bias(rule, axis, out[axis], axis == (b ? 1u : 0u));
        label_gemm_pin_bias(rule, axis, out[axis]);
        rule_set(rule, 0, axis, out[axis]);
    }
}

/* Axes above the matrix: they broadcast; the constant's are cut along. */
static void label_matmul_batch(struct rule *rule, uint32_t axis, uint32_t rank) {
    const struct label *found[2] = {NULL, NULL};
    int64_t dims[2] = {1, 1};
    uint32_t own[2] = {0, 0};
    for (uint32_t i = 0; i < 2; i++) {
        const struct shape *shape = rule_shape(rule, i);
        if (axis + shape->rank < rank) continue;
        own[i] = axis + shape->rank - rank;
        dims[i] = shape->dims[own[i]];
        found[i] = rule_label(rule, i, own[i]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t other = 1 - i;
        if (!found[i] || (found[other] && i == 1)) continue;
        if (dims[other] == 1 && dims[i] != 1) rule_set(rule, 0, axis, found[i]);
        else if (found[other] && found[other]->count == found[i]->count) {
            label_unite(rule->labels, found[i], found[other]);
            rule_set(rule, 0, axis, found[i]);
        } else if (!found[other] && dims[i] == dims[other] && rule_is_constant(rule, other)) {
            rule_bind(rule, other, own[other], found[i], PLAN_CARRIES);
            rule_set(rule, 0, axis, found[i]);
        } else {
            label_pin(rule->labels, found[i], rule_reason(rule, "joined with what is not pruned by"));
            label_pin(rule->labels, found[other], rule_reason(rule, "joined with what is not pruned by"));
        }
    }
}

static void label_matmul_computed(struct rule *rule, uint32_t a, uint32_t b, uint32_t rank) {
    label_pin(rule->labels, rule_label(rule, 0, a - 1), rule_reason(rule, "two computed operands are contracted by"));
    label_pin(rule->labels, rule_label(rule, 1, b - 2), rule_reason(rule, "two computed operands are contracted by"));
    rule_set(rule, 0, rank - 2, rule_label(rule, 0, a - 2));
    rule_set(rule, 0, rank - 1, rule_label(rule, 1, b - 1));
}

void label_matmul(struct rule *rule) {
    const bool a = rule_is_constant(rule, 0), b = rule_is_constant(rule, 1);
    const struct shape *sa = rule_shape(rule, 0), *sb = rule_shape(rule, 1), *y = rule_output_shape(rule, 0);
    if (a && b) return;
    if (!sa->known || !sb->known || sa->rank < 2 || sb->rank < 2 || !y->known) {
        rule_pin_all(rule, "the shape is not known at");
        return;
    }
    const uint32_t rank = sa->rank > sb->rank ? sa->rank : sb->rank;
    for (uint32_t axis = 0; axis + 2 < rank; axis++) label_matmul_batch(rule, axis, rank);
    if (!a && !b) {
        label_matmul_computed(rule, sa->rank, sb->rank, rank);
        return;
    }
    struct label_product product = {.constant = b ? 1 : 0, .computed = b ? 0 : 1};
    product.read_axis = b ? sb->rank - 2 : sa->rank - 1;
    product.make_axis = b ? sb->rank - 1 : sa->rank - 2;
    product.contracted_axis = b ? sa->rank - 1 : sb->rank - 2;
    label_product_bind(rule, &product);
    rule_set(rule, 0, rank - 2, b ? rule_label(rule, 0, sa->rank - 2) : product.made);
    rule_set(rule, 0, rank - 1, b ? product.made : rule_label(rule, 1, sb->rank - 1));
}

/* ---- LSTM, GRU, RNN  X: [seq, batch, in]  W: [directions, gates * hidden, in] ---- */

/* The columns of W read what X shows; the hidden units stay. */
void label_recurrent(struct rule *rule) {
    const struct label *in = rule_label(rule, 0, 2);
    if (in && rule_is_constant(rule, 1)) rule_bind(rule, 1, 2, in, PLAN_READS);
    else label_pin(rule->labels, in, rule_reason(rule, "weights are not constant of"));
    for (uint32_t axis = 0; axis < 2; axis++) label_pin(rule->labels, rule_label(rule, 0, axis), rule_reason(rule, "read by"));
    for (uint32_t i = 1; i < rule->node->input_count; i++) rule_pin_input(rule, i, "read by");
}
