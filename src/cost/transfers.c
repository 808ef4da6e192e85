/* How often what is on chip changes. */
#include "cost/traffic_walk.h"

static const unsigned dims_of[OPERAND_COUNT] = {~(1u << DIM_M), 1u << DIM_G | 1u << DIM_M | 1u << DIM_C, ~(1u << DIM_C)};

uint32_t mapping_sits(const struct mapping *mapping, enum operand operand) {
    uint32_t depth = mapping->depth[operand];
    while (depth > 0 && !(dims_of[operand] >> mapping->loops[depth - 1].dim & 1)) depth--;
    return depth;
}

int64_t mapping_transfers(const struct nest *nest, const struct mapping *mapping, enum operand operand, int64_t *tiles) {
    return walk_transfers(nest, mapping, operand, tiles);
}
