/* Channel labels: index -> atom, for every channel-like axis of every computed value (pruning.md 1).
 *
 *   conv1 -> [a b c d] -> relu -> [a b c d] --+-> Add -> a=e b=f c=g d=h -> conv3 reads all four
 *   conv2 -> [e f g h] -----------------------+
 *
 * One rule per family of op.def's column `label` (label_*.c) reads the labels of a node's inputs and sets those of its outputs. No label
 * means that the axis never loses an index. Private to spaces.c, cells.c, plan_make.c and apply*.c: others see spaces.h. */
#ifndef SS_LABELS_H
#define SS_LABELS_H

#include "op/op.h"
#include "op/resolve.h"
#include "passes/spaces.h"

/* Immutable and shared between values. */
struct label {
    uint32_t number; /* into labels->all */
    uint32_t count;
    const uint32_t *atoms;
};

/* A node between a constant and its reader: which of its inputs leads on, which axis of its output shows the label. */
struct bound_step {
    node_id node;
    uint32_t input, axis;
};

/* A binding before atoms have become channels. The row blocks of one grouped weight share `site`. */
struct bound {
    value_id constant;
    uint32_t axis;
    int64_t rows_from, rows_to;
    enum plan_role role;
    node_id reader;
    uint32_t input;
    const struct label *label;
    uint32_t site;
    bool is_weight;                 /* of a layer with MACs, not its bias */
    bool is_scale;                  /* scale or zero point on the way */
    const struct bound_step *steps; /* from the reader's operand back to the constant */
    uint32_t step_count;
};

/* NUMBERS: a computed list of numbers becomes a constant as soon as the label loses something; the other kinds then set its entries. */
enum fixup_kind { FIXUP_GROUP, FIXUP_SLICE, FIXUP_SPLIT, FIXUP_PAD, FIXUP_SIZE, FIXUP_NUMBERS };

/* A number of the node that counts channels. */
struct fixup {
    enum fixup_kind kind;
    node_id node;
    const struct label *label; /* GROUP, SLICE, SPLIT: of the input; PAD, SIZE: of the output */
    uint32_t entry;            /* which of starts/ends, parts, pads of one side, dims */
    uint32_t from, to;         /* SLICE, SPLIT: the indices taken; PAD: those that are the input's */
    uint32_t axes;             /* PAD: how many axes are listed */
    const struct label *taken; /* SLICE, SPLIT: of the output */
    uint32_t input;            /* SIZE: which input lists the dims (or attribute `shape`); NUMBERS: which input */
};

/* Equally many must stay in each of `blocks` equal parts of the array. */
struct balance {
    node_id node;
    const struct label *label;
    uint32_t blocks;
};

/* What an element of a list of integers comes from (label_marks.c). */
struct mark {
    const struct label *of;    /* it is the size of this label */
    const struct label *after; /* atoms that it changes with; = `of` where there is one */
    bool is_open;              /* and with what only a run may know */
};
struct marks {
    uint32_t count;
    struct mark *items;
};

/* `size` counts what `shown` shows: both must be equal in the end, or neither may go. */
struct promise {
    const struct label *size, *shown;
    const char *reason;
};

struct labels {
    struct arena *arena;
    const struct graph *graph;
    const struct shapes *shapes;
    const struct label *(*of_value)[SHAPE_MAX_RANK]; /* by value id */
    const struct marks **marks;                      /* by value id */
    ARRAY(uint32_t) parent;                          /* by atom; [0] is nobody's */
    ARRAY(const char *) reason;                      /* of a root: why it is pinned, NULL = it is not */
    ARRAY(const struct label *) all;
    ARRAY(struct bound) bounds;
    ARRAY(struct fixup) fixups;
    ARRAY(struct balance) balances;
    ARRAY(struct promise) promises;
    uint32_t site_count;
};

status labels_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct options *options,
                   struct labels **labels, struct diag *diag);

uint32_t labels_root(struct labels *labels, uint32_t atom);
static inline const char *labels_reason(struct labels *labels, uint32_t atom) { return labels->reason.items[labels_root(labels, atom)]; }

/* --- what a rule sees --- */

struct rule {
    struct labels *labels;
    node_id id;
    const struct node *node;
};
typedef void (*label_rule)(struct rule *rule);

const struct label *label_new(struct labels *labels, const uint32_t *atoms, uint32_t count); /* atoms are copied */
const struct label *label_fresh(struct labels *labels, int64_t count);
const struct label *label_part(struct labels *labels, const struct label *label, uint32_t from, uint32_t to);
/* index i of the result = index (i / inner) % count of the label */
const struct label *label_repeat(struct labels *labels, const struct label *label, int64_t outer, int64_t inner);
/* NULL is allowed. */
void label_promise(struct rule *rule, const struct label *size, const struct label *shown);
/* NULL is allowed. */
void label_pin(struct labels *labels, const struct label *label, const char *reason);
void label_unite(struct labels *labels, const struct label *a, const struct label *b);

const struct shape *rule_shape(const struct rule *rule, uint32_t input);
const struct shape *rule_output_shape(const struct rule *rule, uint32_t output);
/* NULL where there is none. */
const struct label *rule_label(const struct rule *rule, uint32_t input, uint32_t axis);
/* Pins the label instead where the output's dim is known to be another. NULL is allowed. */
void rule_set(struct rule *rule, uint32_t output, uint32_t axis, const struct label *label);
bool rule_is_constant(const struct rule *rule, uint32_t input);
/* "what node 'n' (Op)" */
const char *rule_reason(const struct rule *rule, const char *what);
void rule_pin_input(struct rule *rule, uint32_t input, const char *what);
void rule_pin_all(struct rule *rule, const char *what);
/* Integers of an attribute, else of an input, as far as they are known; false where they are not. */
bool rule_integers(const struct rule *rule, const char *attribute, uint32_t input, const int64_t **numbers, uint32_t *count);
/* ... and whether they can be rewritten: an attribute, or a constant without nodes between. */
bool rule_can_rewrite(const struct rule *rule, const char *attribute, uint32_t input);

/* Operand axis `axis` of a constant input shows the label. Pins the label where the constant cannot be cut there. */
void rule_bind(struct rule *rule, uint32_t input, uint32_t axis, const struct label *label, enum plan_role role);
/* The same for the rows of one group; block b of the array belongs to block b of the rows. */
void rule_bind_blocks(struct rule *rule, uint32_t input, const struct label *label, uint32_t blocks, enum plan_role role);

#define RULE(family) void label_##family(struct rule *rule)
RULE(channelwise);
RULE(concat);
RULE(constant);
RULE(conv);
RULE(conv_transpose);
RULE(depth_to_space);
RULE(expand);
RULE(gather);
RULE(gemm);
RULE(join);
RULE(matmul);
RULE(opaque);
RULE(pad);
RULE(pass);
RULE(quantize);
RULE(recurrent);
RULE(reduce);
RULE(reshape);
RULE(resize);
RULE(shape);
RULE(slice);
RULE(softmax);
RULE(space_to_depth);
RULE(split);
RULE(transpose);
#undef RULE

extern const label_rule label_rules[OP_COUNT];

/* Integers that are sizes (label_shape.c): before a node's rule. */
void label_marks(struct rule *rule);

/* --- what spaces_find keeps for those that come after (spaces.c) --- */

struct spaces_private {
    struct labels *labels;
    const struct channel **channels; /* by label number */
    const uint32_t *axis_of;         /* [value][SHAPE_MAX_RANK] */
};

/* Cells of every space from the balances; what cannot be balanced is pinned: fixed[space] = reason. space_of, channel_of: by root atom. */
void cells_find(struct arena *arena, struct labels *labels, struct spaces *spaces, const uint32_t *space_of, const uint32_t *channel_of);

#endif
