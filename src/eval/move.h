/* Elements picked from a tensor along strided axes: what Transpose, Slice, Expand, Tile and the block operators come down to. */
#ifndef SS_EVAL_MOVE_H
#define SS_EVAL_MOVE_H

#include "eval/kernel.h"

enum { MOVE_MAX_AXES = 2 * SHAPE_MAX_RANK };

/* Result element (i0, i1, ...) = source element offset + i0 strides[0] + i1 strides[1] + ... */
struct move {
    uint32_t rank;
    int64_t offset;
    int64_t dims[MOVE_MAX_AXES], strides[MOVE_MAX_AXES];
};

/* Fills y, whose elements are the product of the dims. */
void move_run(const struct kernel *kernel, const struct move *move, const struct eval_tensor *x, struct eval_tensor *y);

/* Strides of a tensor that lies in one piece. */
void move_strides(const struct shape *shape, int64_t *strides);

/* Element `to_at` of `to` = element `from_at` of `from`, count of them; both of one kind. */
void move_copy(struct eval_tensor *to, int64_t to_at, const struct eval_tensor *from, int64_t from_at, int64_t count);

#endif
