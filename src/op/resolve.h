/* The one answer to "which constant is this value": weights come as initializers, Constant nodes, and through Identity, Cast,
 * Transpose, Reshape/Squeeze/Unsqueeze, DequantizeLinear and QuantizeLinear (float weights that are rounded on the way). */
#ifndef SS_OP_RESOLVE_H
#define SS_OP_RESOLVE_H

#include "ir/ir.h"

enum { RESOLVE_MAX_STEPS = 8 };

struct resolved {
    tensor_id tensor; /* none: the value is computed */
    value_id origin;  /* the value that holds the tensor */
    uint32_t step_count;
    node_id steps[RESOLVE_MAX_STEPS]; /* the nodes passed, from the value asked for back to the origin */
};

struct resolved resolve_constant(const struct graph *graph, value_id value);

/* The same without steps other than Identity: bytes that mean what they say (shapes, axes, bounds). */
tensor_id resolve_plain(const struct graph *graph, value_id value);

/* All elements of a list of numbers that is a constant, or a Concat of some; false where it is not, or has more than `capacity`. */
bool resolve_numbers(const struct graph *graph, value_id value, double *numbers, uint32_t capacity, uint32_t *count);

/* All elements as integers; false where the value is no such constant. count out; at most `capacity` are written. */
bool resolve_integers(const struct graph *graph, value_id value, int64_t *numbers, uint32_t capacity, uint32_t *count);

#endif
