/* What any mapping moves: nested tiles, snakes, operands at their own depth (cost-model.md 2 and 3). */
#ifndef SS_COST_TRAFFIC_WALK_H
#define SS_COST_TRAFFIC_WALK_H

#include "cost/mapping.h"

/* One operand inside the first `count` loops: what it moves; how many steps find their tile on chip, and what that saves; how many find
 * part of their window there, by the first axis along which it differs from the one before, and what that saves. */
struct walked {
    int64_t bytes, total_bytes; /* total: if each step brought its whole tile; sums count twice */
    int64_t steps;              /* all of them; visits of a sum count once */
    int64_t kept_bytes, kept_times;
    int64_t slid_bytes[NEST_AXES], slid_times[NEST_AXES];
};
void walk_operand(const struct nest *nest, bool halo_reuse, const struct mapping_loop *loops, uint32_t count, enum operand operand,
                  struct walked *walked);

void walk_traffic(const struct nest *nest, bool halo_reuse, const struct mapping *mapping, struct traffic *traffic);

#endif
