/* Other execution orders of a network: one branch after the other, so that blocks stay together. */
#ifndef SS_COST_GROUP_ORDER_H
#define SS_COST_GROUP_ORDER_H

#include "cost/group_slice.h"

enum group_order { ORDER_DEEP_FIRST, ORDER_DEEP_LAST, GROUP_ORDER_COUNT };

/* order: by place, which member: each one directly behind what it needs, of several inputs the one with most members before it first (so a
 * skip last), or last. units: by member, how many members from there on stay together (0 or 1: it alone). False where that is the order
 * they stand in. */
bool group_order_find(struct arena *arena, const struct group *network, const uint32_t *units, enum group_order kind, uint32_t *order);

/* The network in that order; its tensors keep their numbers. */
void group_order_apply(struct arena *arena, const struct group *network, const uint32_t *order, struct group *ordered);

#endif
