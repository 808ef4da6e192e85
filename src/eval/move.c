#include "eval/move.h"

#include <string.h>

#include "base/checked.h"

enum { MOVE_BLOCK_ELEMS = 1 << 14 };

struct move_job {
    struct move move;
    const struct eval_tensor *x;
    struct eval_tensor *y;
};

void move_strides(const struct shape *shape, int64_t *strides) {
    int64_t stride = 1;
    for (uint32_t i = shape->rank; i-- > 0; stride *= shape->dims[i]) strides[i] = stride;
}

void move_copy(struct eval_tensor *to, int64_t to_at, const struct eval_tensor *from, int64_t from_at, int64_t count) {
    if (to->floats) memcpy(to->floats + to_at, from->floats + from_at, (size_t)count * sizeof *to->floats);
    else memcpy(to->integers + to_at, from->integers + from_at, (size_t)count * sizeof *to->integers);
}

/* Axes of size 1 go; an axis that goes on where the next ends becomes one with it. */
static void move_collapse(struct move *move) {
    uint32_t rank = 0;
    for (uint32_t i = 0; i < move->rank; i++) {
        if (move->dims[i] == 1) continue;
        if (rank && move->strides[rank - 1] == move->strides[i] * move->dims[i]) {
            move->dims[rank - 1] *= move->dims[i];
            move->strides[rank - 1] = move->strides[i];
            continue;
        }
        move->dims[rank] = move->dims[i];
        move->strides[rank++] = move->strides[i];
    }
    if (!rank) {
        move->dims[0] = 1;
        move->strides[rank++] = 0;
    }
    move->rank = rank;
}

static void move_row(const struct move_job *job, int64_t to, int64_t from, int64_t count) {
    const int64_t stride = job->move.strides[job->move.rank - 1];
    if (stride == 1) move_copy(job->y, to, job->x, from, count);
    else if (job->y->floats)
        for (int64_t i = 0; i < count; i++) job->y->floats[to + i] = job->x->floats[from + i * stride];
    else
        for (int64_t i = 0; i < count; i++) job->y->integers[to + i] = job->x->integers[from + i * stride];
}

static void move_block(const void *context, int64_t block, unsigned worker) {
    const struct move_job *job = context;
    const struct move *move = &job->move;
    const int64_t row = move->dims[move->rank - 1], to = block * MOVE_BLOCK_ELEMS + kernel_block(job->y->elements, MOVE_BLOCK_ELEMS, block);
    (void)worker;
    for (int64_t at = block * MOVE_BLOCK_ELEMS; at < to;) {
        const int64_t count = least(row - at % row, to - at);
        int64_t from = move->offset, rest = at;
        for (uint32_t i = move->rank; i-- > 0; rest /= move->dims[i]) from += rest % move->dims[i] * move->strides[i];
        move_row(job, at, from, count);
        at += count;
    }
}

void move_run(const struct kernel *kernel, const struct move *move, const struct eval_tensor *x, struct eval_tensor *y) {
    struct move_job job = {*move, x, y};
    if (!y->elements) return;
    move_collapse(&job.move);
    kernel_parallel(kernel, kernel_blocks(y->elements, MOVE_BLOCK_ELEMS), (double)y->elements, move_block, &job);
}
