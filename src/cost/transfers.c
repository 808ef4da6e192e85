/* How often what is on chip changes. */
#include "cost/mapping.h"

static const unsigned dims_of[OPERAND_COUNT] = {~(1u << DIM_M), 1u << DIM_G | 1u << DIM_M | 1u << DIM_C, ~(1u << DIM_C)};

static bool indexes(enum operand operand, enum nest_dim dim) { return (dims_of[operand] >> dim & 1) != 0; }

uint32_t mapping_sits(const struct mapping *mapping, enum operand operand) {
    uint32_t depth = mapping->depth[operand];
    while (depth > 0 && !indexes(operand, mapping->loops[depth - 1].dim)) depth--;
    return depth;
}

/* The loops of one dim outside a depth. */
struct cutting {
    const struct mapping *mapping;
    enum nest_dim dim;
    uint32_t depth;
    uint32_t to;   /* loops from here on are started again by a step outside them */
    bool is_still; /* only the tiles count in which none of those moves then */
};

/* Tiles that the loops [at, to) cut an extent into. A loop that starts again moves to its first tile, unless it has only one or snakes (and
 * then stays where it ended: taken as a whole step). */
static int64_t tiles_of(const struct cutting *cutting, uint32_t at, int64_t extent) {
    const struct mapping_loop *loops = cutting->mapping->loops;
    while (at < cutting->depth && (loops[at].dim != cutting->dim || loops[at].step >= extent)) at++;
    if (at == cutting->depth) return 1;
    const int64_t step = loops[at].step, rest = extent % step;
    if (at < cutting->to) return extent / step * tiles_of(cutting, at + 1, step) + (rest ? tiles_of(cutting, at + 1, rest) : 0);
    if (!cutting->is_still) return 1;
    return loops[at].snake ? tiles_of(cutting, at + 1, step) : 0;
}

static int64_t tiles_in(const struct nest *nest, const struct mapping *mapping, enum nest_dim dim, uint32_t depth, uint32_t to,
                        bool still) {
    const struct cutting cutting = {mapping, dim, depth, to, still};
    return tiles_of(&cutting, 0, nest->size[dim]);
}

/* How often loop `at` steps on, its first iterations left out; where nothing inside it that indexes the operand moves, if `operand` is not
 * OPERAND_COUNT. */
static int64_t steps_of(const struct nest *nest, const struct mapping *mapping, uint32_t at, uint32_t depth, enum operand operand) {
    int64_t steps = 1;
    for (int d = 0; d < DIM_COUNT; d++) {
        const enum nest_dim dim = (enum nest_dim)d;
        const bool still = operand != OPERAND_COUNT && indexes(operand, dim);
        if (dim == mapping->loops[at].dim)
            steps *= tiles_in(nest, mapping, dim, depth, at + 1, false) - tiles_in(nest, mapping, dim, depth, at, false);
        else steps *= tiles_in(nest, mapping, dim, depth, at + 1, still);
    }
    return steps;
}

int64_t mapping_transfers(const struct nest *nest, const struct mapping *mapping, enum operand operand, int64_t *tiles) {
    const uint32_t depth = mapping_sits(mapping, operand);
    int64_t transfers = 1;
    *tiles = 1;
    for (int d = 0; d < DIM_COUNT; d++)
        if (indexes(operand, (enum nest_dim)d)) *tiles *= tiles_in(nest, mapping, (enum nest_dim)d, depth, depth, false);
    for (uint32_t at = 0; at < depth; at++) {
        transfers += steps_of(nest, mapping, at, depth, OPERAND_COUNT);
        if (!indexes(operand, mapping->loops[at].dim)) transfers -= steps_of(nest, mapping, at, depth, operand);
    }
    return transfers;
}
