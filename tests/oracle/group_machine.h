/* The reference machine of cost-model.md 8: runs a small group tile by tile, turn by turn, channel by channel, with a state for every
 * element of every tensor; counts what it transfers and what stands on the chip. It shares no formula with src/cost. */
#ifndef SS_ORACLE_GROUP_MACHINE_H
#define SS_ORACLE_GROUP_MACHINE_H

#include "cost/group.h"

struct group_machine_run {
    struct traffic traffic;
    int64_t footprint_bytes, part_bytes[OPERAND_COUNT]; /* largest in any step; footprint: of the sum */
    int64_t kept_bytes;                                 /* largest between tiles, without weights */
    int64_t macs, steps;
    bool is_sound; /* every element was there when used, was made when wanted, and none was left at the end */
};

/* For schedules that are legal. */
void group_machine_execute(const struct group *group, const struct target *target, const struct group_schedule *schedule,
                           struct group_machine_run *run);

#endif
