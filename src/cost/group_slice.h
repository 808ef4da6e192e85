/* A run of a network's members as a group of its own.
 *
 * A network here is the data of a group (group.h) that need not be one: any number of ends, whatever their planes. is_output: the tensor is
 * wanted by somebody who is no member. */
#ifndef SS_COST_GROUP_SLICE_H
#define SS_COST_GROUP_SLICE_H

#include "base/array.h"
#include "cost/group.h"

/* An operand of an epilogue that streams in from off the chip. */
struct group_operand {
    uint32_t member, tensor; /* of the slice; of the network */
};

enum { SLICE_MOST_JOINS = 6 };

/* A second input at the same place streams in where nobody else in the slice takes the tensor; one that is made in the slice is kept. Joins
 * are the others: an external input that other members read too may be kept on the chip until then, or be read again. */
struct group_slice {
    struct group group;
    uint32_t *tensors; /* by tensor of the group: of the network */
    ARRAY(struct group_operand) operands;
    uint32_t join_count; /* at most SLICE_MOST_JOINS; further ones are kept */
};

/* First and last use of each tensor, for slices. */
void group_count_uses(struct group *network);

/* Members [first, end). spilled: bit j: join j comes from off the chip. stays: tensor of the network that is to be an input, whoever takes
 * it; UINT32_MAX = none. False where that run is no group: ends on different planes; then longer runs with that end are none either. */
bool group_slice_make(struct arena *arena, const struct group *network, uint32_t first, uint32_t end, uint32_t spilled, uint32_t stays,
                      struct group_slice *slice);

#endif
