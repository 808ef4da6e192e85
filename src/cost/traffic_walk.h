/* What any mapping moves: nested tiles, snakes, operands at their own depth (cost-model.md 2 and 3). */
#ifndef SS_COST_TRAFFIC_WALK_H
#define SS_COST_TRAFFIC_WALK_H

#include "cost/mapping.h"

/* One operand inside the first `count` loops: what it moves; how many steps find its tile on chip, and what that saves. */
struct walked {
    int64_t bytes, kept_bytes, kept_times;
};
void walk_operand(const struct nest *nest, bool halo_reuse, const struct mapping_loop *loops, uint32_t count, enum operand operand,
                  struct walked *walked);

void walk_traffic(const struct nest *nest, bool halo_reuse, const struct mapping *mapping, struct traffic *traffic);

#endif
