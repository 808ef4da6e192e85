/* What a shape rule sees: its node and the shapes known so far. One rule per family (op.def's column `shape`). */
#ifndef SS_OP_INFER_H
#define SS_OP_INFER_H

#include "op/op.h"
#include "op/shapes.h"

struct infer {
    struct arena *arena;
    const struct graph *graph;
    struct shapes *shapes;
    node_id id;
    const struct node *node;
    struct diag *diag;
};

typedef status (*infer_rule)(struct infer *infer);

/* Shape of an input (not known where it is left out) and the place for an output's (a dummy where it is left out). */
const struct shape *infer_input(const struct infer *infer, uint32_t index);
struct shape *infer_output(const struct infer *infer, uint32_t index);

/* Integers of an attribute where the node has it, else of an input where that is known; false where neither. */
bool infer_integers(const struct infer *infer, const char *attribute, uint32_t input, const int64_t **numbers, uint32_t *count);
/* Integers known at analysis time of a value. */
bool infer_known(const struct infer *infer, value_id value, const int64_t **numbers, uint32_t *count);
void infer_set_integers(const struct infer *infer, uint32_t output, const int64_t *numbers, uint32_t count);

/* STATUS_INVALID where an input is there, known, and not one number for each of `channels`. */
status infer_check_per_channel(const struct infer *infer, uint32_t input, int64_t channels);

/* -1 -> rank - 1; false where it is outside. */
bool infer_axis(int64_t axis, uint32_t rank, uint32_t *normal);

#define RULE(family) status infer_##family(struct infer *infer)
RULE(opaque);
RULE(same);
RULE(broadcast);
RULE(pool);
RULE(global_pool);
RULE(conv);
RULE(gemm);
RULE(matmul);
RULE(concat);
RULE(constant);
RULE(flatten);
RULE(reshape);
RULE(squeeze);
RULE(unsqueeze);
RULE(transpose);
RULE(slice);
RULE(pad);
RULE(reduce);
RULE(quantize);
RULE(shape);
RULE(gather);
RULE(variadic);
RULE(compare);
RULE(constant_of_shape);
RULE(expand);
RULE(split);
RULE(resize);
RULE(conv_transpose);
RULE(blocks);
RULE(recurrent);
#undef RULE

#endif
