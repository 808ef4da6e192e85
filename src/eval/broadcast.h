/* Operands of different shapes walked together, as numpy broadcasts them.
 *
 * Neighbouring axes along which every operand either advances or stands still are one axis; the walk goes in rows of the last of these. */
#ifndef SS_EVAL_BROADCAST_H
#define SS_EVAL_BROADCAST_H

#include "op/shapes.h"

enum { BROADCAST_MAX_OPERANDS = 3 };

struct broadcast {
    uint32_t rank; /* >= 1 */
    uint32_t operand_count;
    int64_t dims[SHAPE_MAX_RANK];
    int64_t strides[BROADCAST_MAX_OPERANDS][SHAPE_MAX_RANK]; /* elements; 0 = stands still; of the last axis 0 or 1 */
    int64_t elements, row_elems;
};

/* to: the joined shape, all dims known; each operand's rank is at most to's, its dims to's or 1. */
void broadcast_init(struct broadcast *broadcast, const struct shape *to, const struct shape *const *operands, uint32_t operand_count);

/* Whether an operand's dims can be broadcast to that shape. */
bool broadcast_possible(const struct shape *to, const struct shape *operand);

/* Walks elements [from, to) in pieces of rows: `for (struct broadcast_walk walk = broadcast_begin(b, from, to); walk.count;
 * broadcast_step(&walk))`: elements [walk.at, walk.at + walk.count) of the result; operand k starts at offset[k] and has the last axis'
 * stride. */
struct broadcast_walk {
    const struct broadcast *broadcast;
    int64_t at, to, count;
    int64_t offset[BROADCAST_MAX_OPERANDS];
};
struct broadcast_walk broadcast_begin(const struct broadcast *broadcast, int64_t from, int64_t to);
void broadcast_step(struct broadcast_walk *walk);

#endif
