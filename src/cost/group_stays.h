/* Which members' weights stay on the chip: the choice that costs fewest bytes beside a given tiling. */
#ifndef SS_COST_GROUP_STAYS_H
#define SS_COST_GROUP_STAYS_H

#include "cost/group_options.h"

struct group_stays {
    const struct group_options *options;
    const struct group_peak_bits *peaks;
    uint32_t item_count;
    uint32_t *items;        /* members with weights that may stream, largest first */
    int64_t *weight_bytes;  /* by member: on the chip where they stay */
    int64_t *penalty_bytes; /* by member: fetched again where they stream */
    int64_t fixed_bytes;    /* of weights that must stay */
    int64_t room_bytes;     /* capacity, or the weights' part of it */
    int64_t below_penalty;  /* the penalty must be less, or equal with a footprint that is less */
    int64_t below_footprint;
    int64_t nodes_left;    /* of the search; below 0: cut short */
    struct group_cut *cut; /* of the best */
    bool *streams;         /* by member: of the best */
    bool is_found;
    bool *trying;        /* by member, the search's own */
    int64_t least_bytes; /* on the chip beside weights that stay, whatever streams: a lower bound */
    double least_rate;   /* penalty per byte that does not stay, at least */
};

void group_stays_search(struct group_stays *stays);

/* The least penalty that leaves room for `least_bytes`: a bound, soon. */
int64_t group_stays_bound(const struct group_stays *stays);

/* Of weights that may stay. */
int64_t group_items_bytes(const struct group_stays *stays);

#endif
