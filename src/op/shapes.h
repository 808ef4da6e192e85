/* Shapes: what can be known of each value's type and dims, by the operators' rules and, where those are silent, the file's word.
 *
 * A side table of the graph; the file's declarations stay as they are. Dims that the file leaves dynamic are bound for the analysis
 * only: the batch (axis 0 of a graph input) to `batch`, others by the caller; a dim nobody knows is -1. */
#ifndef SS_OP_SHAPES_H
#define SS_OP_SHAPES_H

#include "ir/ir.h"

enum { SHAPE_MAX_RANK = 8 };

struct shape {
    bool known; /* the rank */
    enum data_type type;
    uint32_t rank;
    int64_t dims[SHAPE_MAX_RANK]; /* -1 = not known */
};

/* --input-shape NAME:1,3,224,224 */
struct shape_binding {
    const char *input;
    uint32_t rank;
    int64_t dims[SHAPE_MAX_RANK];
};

struct shapes {
    const struct graph *graph;
    struct shape *of_value;         /* indexed by value id */
    const int64_t *const *integers; /* indexed by value id: small integer constants known at analysis time (Shape, Gather, Concat ...
                                       chains), NULL where not; integer_counts beside it */
    const uint32_t *integer_counts;
};

/* Never fails for what it cannot know; STATUS_INVALID for shapes that contradict their operator (with node and numbers), STATUS_USAGE
 * for a binding that names no input or contradicts a fixed dim, STATUS_LIMIT where a product of dims leaves 63 bits. */
status shapes_infer(struct arena *arena, const struct graph *graph, int64_t batch, const struct shape_binding *bindings,
                    uint32_t binding_count, struct shapes **shapes, struct diag *diag);

static inline const struct shape *shapes_of(const struct shapes *shapes, value_id value) { return &shapes->of_value[value.at]; }

/* ---- node by node, on tensors that are there (src/eval) ---- */

/* Nothing known of any value. */
struct shapes *shapes_blank(struct arena *arena, const struct graph *graph);
/* What a value is from now on. numbers: all its elements where they are integers (borrowed), or NULL; more than the rules follow are
 * ignored. */
void shapes_set(struct shapes *shapes, value_id value, const struct shape *shape, const int64_t *numbers, int64_t count);
/* What the node's own rule says of its outputs, from what is set of its inputs; the file's word is not asked. What the rule allocates
 * is in `scratch`. */
status shapes_infer_node(struct shapes *shapes, struct arena *scratch, node_id node, struct diag *diag);

/* All dims known: their product; -1 otherwise. */
int64_t shape_elements(const struct shape *shape);

#endif
