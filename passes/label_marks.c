/* Sizes as numbers: Shape, and the small lists that are made from what it says.
 *
 *   Shape -> [n c h w] -> Gather 1 -> c -> Div 2 -> c / 2 -> Concat -> Reshape
 *
 * Each number is marked with the label whose size it is, or with the atoms that it is computed from. What reads such a list follows it,
 * gets numbers of its own (FIXUP_SIZE, FIXUP_NUMBERS), or pins the labels. */
#include "passes/labels.h"

enum { MARKS_MOST = 4096 };

void label_shape(struct rule *rule) { (void)rule; }

static const struct marks *label_marks_of(const struct rule *rule, uint32_t input) {
    return rule->labels->marks[node_input(rule->node, input).at];
}

static bool label_marks_any(const struct marks *marks) {
    for (uint32_t i = 0; marks && i < marks->count; i++)
        if (marks->items[i].after) return true;
    return false;
}

static void label_marks_pin(struct rule *rule, uint32_t input) {
    const struct marks *marks = label_marks_of(rule, input);
    for (uint32_t i = 0; marks && i < marks->count; i++)
        label_pin(rule->labels, marks->items[i].after, rule_reason(rule, "its size is read by"));
}

static void label_marks_pin_all(struct rule *rule) {
    for (uint32_t i = 0; i < rule->node->input_count; i++) label_marks_pin(rule, i);
}

static struct marks *label_marks_new(struct rule *rule, uint32_t count) {
    struct marks *marks = ARENA_NEW(rule->labels->arena, struct marks);
    marks->count = count;
    marks->items = ARENA_ARRAY(rule->labels->arena, struct mark, count);
    rule->labels->marks[node_output(rule->node, 0).at] = marks;
    return marks;
}

/* Element i of an input; one element stands for all. What is neither marked nor constant is open. */
static struct mark label_mark_at(const struct rule *rule, uint32_t input, uint32_t i) {
    const struct marks *marks = label_marks_of(rule, input);
    if (!marks) return (struct mark){.is_open = !rule_is_constant(rule, input)};
    return marks->items[marks->count == 1 ? 0 : i];
}

static void label_marks_shape(struct rule *rule) {
    const struct shape *x = rule_shape(rule, 0);
    int64_t from = node_int(rule->node, "start", 0), to = node_int(rule->node, "end", x->rank);
    if (!x->known) return;
    if (from < 0) from = from + x->rank < 0 ? 0 : from + x->rank;
    if (to < 0) to += x->rank;
    if (to > x->rank) to = x->rank;
    struct marks *marks = label_marks_new(rule, to > from ? (uint32_t)(to - from) : 0);
    for (uint32_t i = 0; i < marks->count; i++) {
        const struct label *label = rule_label(rule, 0, (uint32_t)from + i);
        marks->items[i] = (struct mark){label, label, !label};
    }
}

static bool label_marks_gather(struct rule *rule) {
    const struct marks *in = label_marks_of(rule, 0);
    const int64_t *indices;
    uint32_t count;
    if (!in || label_marks_any(label_marks_of(rule, 1)) || !rule_integers(rule, "", 1, &indices, &count)) return false;
    struct marks *marks = label_marks_new(rule, count);
    for (uint32_t i = 0; i < count; i++) {
        const int64_t index = indices[i] < 0 ? indices[i] + in->count : indices[i];
        if (index >= 0 && index < in->count) marks->items[i] = in->items[index];
    }
    return true;
}

static bool label_marks_concat(struct rule *rule) {
    ARRAY(struct mark) all = {0};
    for (uint32_t i = 0; i < rule->node->input_count; i++) {
        const struct marks *in = label_marks_of(rule, i);
        const int64_t size = shape_elements(rule_shape(rule, i)), elements = size < 0 && in ? (int64_t)in->count : size;
        if (elements < 0 || elements > MARKS_MOST || (in && in->count != elements)) return false;
        for (uint32_t k = 0; k < elements; k++) array_push(rule->labels->arena, &all, label_mark_at(rule, i, k));
    }
    struct marks *marks = label_marks_new(rule, all.count);
    for (uint32_t i = 0; i < all.count; i++) marks->items[i] = all.items[i];
    return true;
}

static bool label_marks_take(struct rule *rule) {
    const struct marks *in = label_marks_of(rule, 0);
    const int64_t *starts, *ends, *steps;
    uint32_t count, end_count, step_count;
    const bool has_steps = rule_integers(rule, "", 4, &steps, &step_count);
    if (!in || (has_steps ? step_count != 1 || steps[0] != 1 : node_input(rule->node, 4).at != 0) ||
        !rule_integers(rule, "starts", 1, &starts, &count) || !rule_integers(rule, "ends", 2, &ends, &end_count) || count != 1 ||
        end_count != 1)
        return false;
    int64_t from = starts[0] < 0 ? starts[0] + in->count : starts[0], to = ends[0] < 0 ? ends[0] + in->count : ends[0];
    if (to > in->count) to = in->count;
    if (from < 0 || to < from) return false;
    struct marks *marks = label_marks_new(rule, (uint32_t)(to - from));
    for (uint32_t i = 0; i < marks->count; i++) marks->items[i] = in->items[(uint32_t)from + i];
    return true;
}

/* Of a list, or by bounds that are marked: those become numbers where they depend on nothing else. */
static bool label_marks_slice(struct rule *rule) {
    bool bounds = false;
    for (uint32_t i = 1; i < rule->node->input_count; i++) bounds = bounds || label_marks_any(label_marks_of(rule, i));
    if (label_marks_any(label_marks_of(rule, 0))) return !bounds && label_marks_take(rule);
    for (uint32_t input = 1; input < 3; input++)
        if (label_marks_any(label_marks_of(rule, input)) && !rule_can_rewrite(rule, "", input)) return false;
    for (uint32_t input = 3; input < rule->node->input_count; input++) label_marks_pin(rule, input);
    for (uint32_t input = 1; input < 3; input++) {
        const struct marks *marks = label_marks_of(rule, input);
        for (uint32_t i = 0; marks && i < marks->count; i++) {
            const struct fixup fixup = {.kind = FIXUP_NUMBERS, .node = rule->id, .label = marks->items[i].after, .input = input};
            if (fixup.label) array_push(rule->labels->arena, &rule->labels->fixups, fixup);
        }
    }
    return true;
}

static const struct label *label_both(struct labels *labels, const struct label *a, const struct label *b) {
    if (!a || !b || a == b) return a ? a : b;
    uint32_t *atoms = ARENA_ARRAY(labels->arena, uint32_t, a->count + b->count);
    for (uint32_t i = 0; i < a->count + b->count; i++) atoms[i] = i < a->count ? a->atoms[i] : b->atoms[i - a->count];
    return label_new(labels, atoms, a->count + b->count);
}

static bool label_marks_calculate(struct rule *rule) {
    const int64_t count = shape_elements(rule_output_shape(rule, 0));
    if (rule->node->input_count != 2 || count < 0 || count > MARKS_MOST) return false;
    for (uint32_t i = 0; i < 2; i++) {
        const struct marks *in = label_marks_of(rule, i);
        if (in && in->count != 1 && in->count != count) return false;
    }
    struct marks *marks = label_marks_new(rule, (uint32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        const struct mark a = label_mark_at(rule, 0, i), b = label_mark_at(rule, 1, i);
        marks->items[i] = (struct mark){NULL, label_both(rule->labels, a.after, b.after), a.is_open || b.is_open};
    }
    return true;
}

/* Elements keep their order through Cast, Identity, Squeeze, Unsqueeze; whatever else reads sizes pins what they are of. */
void label_marks(struct rule *rule) {
    const label_rule family = label_rules[rule->node->op];
    const enum op op = (enum op)rule->node->op;
    bool some = false, good = false;
    for (uint32_t i = 0; i < rule->node->input_count; i++) some = some || label_marks_any(label_marks_of(rule, i));
    if (family == label_shape) label_marks_shape(rule);
    if (!some) return;
    if (family == label_gather) good = label_marks_gather(rule);
    else if (family == label_concat) good = label_marks_concat(rule);
    else if (family == label_slice) good = label_marks_slice(rule);
    else if (op == OP_ADD || op == OP_SUB || op == OP_MUL || op == OP_DIV) good = label_marks_calculate(rule);
    else if (op == OP_RESHAPE || family == label_resize || family == label_expand)
        good = !label_marks_any(label_marks_of(rule, 0)); /* by label_reshape, .. */
    else if (family == label_reshape || op == OP_CAST || op == OP_IDENTITY) {
        rule->labels->marks[node_output(rule->node, 0).at] = label_marks_of(rule, 0);
        good = true;
    }
    if (!good) label_marks_pin_all(rule);
}
