#include "eval/broadcast.h"

#include "base/checked.h"

bool broadcast_possible(const struct shape *to, const struct shape *operand) {
    if (operand->rank > to->rank) return false;
    for (uint32_t i = 0; i < operand->rank; i++) {
        const int64_t dim = operand->dims[operand->rank - 1 - i];
        if (dim != 1 && dim != to->dims[to->rank - 1 - i]) return false;
    }
    return true;
}

/* Stride of an operand along each axis of `to`. */
static void broadcast_strides(const struct shape *to, const struct shape *operand, int64_t *strides) {
    int64_t stride = 1;
    for (uint32_t i = to->rank; i-- > 0;) {
        const uint32_t from_end = to->rank - 1 - i;
        const int64_t dim = from_end < operand->rank ? operand->dims[operand->rank - 1 - from_end] : 1;
        strides[i] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

/* Whether axis `i` goes on where axis `next` ends, for every operand. */
static bool broadcast_joins(const struct broadcast *broadcast, int64_t (*strides)[SHAPE_MAX_RANK], uint32_t i) {
    const uint32_t first = broadcast->rank - 1; /* so far, outermost last */
    for (uint32_t k = 0; k < broadcast->operand_count; k++)
        if (strides[k][i] != broadcast->strides[k][first] * broadcast->dims[first]) return false;
    return true;
}

static void broadcast_turn(struct broadcast *broadcast) {
    for (uint32_t i = 0, j = broadcast->rank - 1; i < j; i++, j--) {
        const int64_t dim = broadcast->dims[i];
        broadcast->dims[i] = broadcast->dims[j];
        broadcast->dims[j] = dim;
        for (uint32_t k = 0; k < broadcast->operand_count; k++) {
            const int64_t stride = broadcast->strides[k][i];
            broadcast->strides[k][i] = broadcast->strides[k][j];
            broadcast->strides[k][j] = stride;
        }
    }
}

void broadcast_init(struct broadcast *broadcast, const struct shape *to, const struct shape *const *operands, uint32_t operand_count) {
    int64_t strides[BROADCAST_MAX_OPERANDS][SHAPE_MAX_RANK];
    *broadcast = (struct broadcast){.operand_count = operand_count, .elements = shape_elements(to)};
    for (uint32_t k = 0; k < operand_count; k++) broadcast_strides(to, operands[k], strides[k]);
    for (uint32_t i = to->rank; i-- > 0;) {
        if (to->dims[i] == 1) continue;
        if (broadcast->rank && broadcast_joins(broadcast, strides, i)) {
            broadcast->dims[broadcast->rank - 1] *= to->dims[i];
            continue;
        }
        for (uint32_t k = 0; k < operand_count; k++) broadcast->strides[k][broadcast->rank] = strides[k][i];
        broadcast->dims[broadcast->rank++] = to->dims[i];
    }
    if (!broadcast->rank) broadcast->dims[broadcast->rank++] = 1;
    broadcast_turn(broadcast);
    broadcast->row_elems = broadcast->dims[broadcast->rank - 1];
}

static void broadcast_place(struct broadcast_walk *walk) {
    const struct broadcast *broadcast = walk->broadcast;
    walk->count = 0;
    if (walk->at >= walk->to) return;
    int64_t rest = walk->at;
    for (uint32_t k = 0; k < broadcast->operand_count; k++) walk->offset[k] = 0;
    for (uint32_t i = broadcast->rank; i-- > 0; rest /= broadcast->dims[i])
        for (uint32_t k = 0; k < broadcast->operand_count; k++) walk->offset[k] += rest % broadcast->dims[i] * broadcast->strides[k][i];
    walk->count = least(broadcast->row_elems - walk->at % broadcast->row_elems, walk->to - walk->at);
}

struct broadcast_walk broadcast_begin(const struct broadcast *broadcast, int64_t from, int64_t to) {
    struct broadcast_walk walk = {.broadcast = broadcast, .at = from, .to = to};
    broadcast_place(&walk);
    return walk;
}

void broadcast_step(struct broadcast_walk *walk) {
    walk->at += walk->count;
    broadcast_place(walk);
}
