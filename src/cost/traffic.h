/* What a tiling moves in a loop order, and what it holds: the closed form behind mapping.h's functions. */
#ifndef SS_COST_TRAFFIC_H
#define SS_COST_TRAFFIC_H

#include "cost/mapping.h"
#include "cost/space.h"

struct tiling {
    struct cut cut[DIM_COUNT];
};

/* From outer to inner; only dims with more than one trip. */
struct order {
    uint32_t count;
    enum nest_dim dims[DIM_COUNT];
};

void tiling_traffic(const struct nest *nest, bool halo_reuse, const struct tiling *tiling, const struct order *order,
                    struct traffic *traffic);

void tiling_footprint(const struct nest *nest, const struct target *target, const struct tiling *tiling, struct footprint *footprint);

#endif
