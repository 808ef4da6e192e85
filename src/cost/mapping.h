/* A mapping: the tile loops of one layer from outer to inner, and how deep each operand's buffer sits (cost-model.md 2, product.md 3).
 *
 * A plain mapping names each dim at most once and holds every operand at the innermost tile (depth = loop_count); search_plain makes these.
 * search_best makes mappings with nested tiles, snakes and depths as well. */
#ifndef SS_COST_MAPPING_H
#define SS_COST_MAPPING_H

#include "cost/nest.h"

enum { MAPPING_MAX_LOOPS = 16 };

struct mapping_loop {
    enum nest_dim dim;
    int64_t step; /* < the size of the dim (a loop of one trip is left out) */
    bool snake;
};

struct mapping {
    uint32_t loop_count;
    struct mapping_loop loops[MAPPING_MAX_LOOPS];
    uint32_t depth[OPERAND_COUNT];
};

/* The dims that index an operand, as bits: I by its windows, W, O. */
extern const unsigned operand_dims[OPERAND_COUNT];

/* Bytes that cross the chip's edge. */
struct traffic {
    int64_t input_bytes, weight_bytes, output_bytes, partial_sum_bytes; /* partial sums: written and read back */
};
int64_t traffic_total(const struct traffic *traffic);

struct footprint {
    int64_t bytes[OPERAND_COUNT]; /* double buffering counted */
};
int64_t footprint_total(const struct footprint *footprint);

/* The innermost tile of a dim: its last step, or the whole. */
int64_t mapping_tile(const struct nest *nest, const struct mapping *mapping, enum nest_dim dim);

/* What all loops inside a depth touch: of a dim (the innermost step among the loops outside, or the whole), and of I the most rows at
 * once along a spatial dim. */
int64_t mapping_extent(const struct nest *nest, const struct mapping *mapping, uint32_t depth, enum nest_dim dim);
int64_t mapping_rows(const struct nest *nest, const struct mapping *mapping, uint32_t depth, enum nest_dim dim);

/* The depth at which an operand's buffer sits: no loop that leaves it as it is stands outside. At most its depth. */
uint32_t mapping_sits(const struct mapping *mapping, enum operand operand);

/* How often the operand's tile on chip becomes another, and how many different ones there are. */
int64_t mapping_transfers(const struct nest *nest, const struct mapping *mapping, enum operand operand, int64_t *tiles);

/* A buffer of an operand that holds such extents, and of I so many rows along each axis; double buffering not counted. */
int64_t mapping_buffer_bytes(const struct nest *nest, enum operand operand, const int64_t *extent, const int64_t *rows);

void mapping_footprint(const struct nest *nest, const struct target *target, const struct mapping *mapping, struct footprint *footprint);
bool footprint_fits(const struct footprint *footprint, const struct target *target);

/* Of any mapping, nested tiles, snakes and depths included: equal to the reference machine of cost-model.md 3. A closed form where no dim
 * stands twice and nothing snakes; else the loops are walked as far as they differ (traffic_walk.c). */
void mapping_traffic(const struct nest *nest, const struct target *target, const struct mapping *mapping, struct traffic *traffic);

/* "output", "input", "weight" or several joined by "+" ("input+weight"), "none": which operands move once (cost-model.md 4). */
const char *mapping_reuse(const struct nest *nest, const struct target *target, const struct mapping *mapping);

/* Equal to 0 where a and b are the same; negative where a comes first by cost-model.md 5's ties (after bytes): footprint, steps, tiles in
 * dim order, order of the loops. */
int mapping_compare(const struct nest *nest, const struct target *target, const struct mapping *a, const struct mapping *b);

#endif
