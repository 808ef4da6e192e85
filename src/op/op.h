/* Operators as rows (op.def): which one a node is, and what each floor does with it.
 *
 * An operator or domain without a row is OP_OPAQUE: kept, reported, never guessed. No code outside src/op switches over operators;
 * a floor makes a table from its column instead:
 *
 *     #define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label, eval) \
 *         [OP_##token] = f_##label,
 */
#ifndef SS_OP_H
#define SS_OP_H

#include "ir/ir.h"

enum op {
    OP_OPAQUE = 0,
#define OP(token, ...) OP_##token,
#include "op/op.def"
#undef OP
    OP_COUNT
};

enum op_flags { OP_ELEMENTWISE = 1, OP_RENAME = 2, OP_MACS = 4, OP_POOL = 8, OP_QUANTIZE = 16, OP_LINEAR = 32 };
enum { OP_MANY = 255 };

/* The newest opset of ONNX's own domain whose rules are built in; above it the newest rule known applies. */
enum { OP_NEWEST_OPSET = 28 };

struct op_row {
    const char *name, *domain;
    int16_t first_opset, last_opset; /* last 0 = still valid */
    uint8_t inputs_from, inputs_to, outputs_from, outputs_to;
    uint8_t flags;                            /* enum op_flags */
    const char *shape, *layer, *label, *eval; /* the families' names, for `list operators` */
};

extern const struct op_row op_rows[OP_COUNT];

/* OP_OPAQUE where there is no row for that name and domain ("ai.onnx" is ""). */
enum op op_find(const char *domain, const char *name);

/* Sets node->op of every node. A node of a known operator whose number of inputs or outputs is impossible, or an
 * attribute of the wrong type, is STATUS_INVALID. */
status op_resolve(struct graph *graph, struct diag *diag);

/* Whether an input says how to compute, not what with: sizes, axes, bounds, factors of a grid, scales and zero points. */
bool op_is_setting(const struct node *node, uint32_t input);

static inline const struct op_row *op_row_of(const struct node *node) { return &op_rows[node->op]; }
static inline bool op_has(const struct node *node, enum op_flags flag) { return (op_rows[node->op].flags & (unsigned)flag) != 0; }

#endif
