/* The cheapest way to run a chain: cut into layers that run alone and fused groups (cost-model.md 9). Optimal over all cuts, and over all
 * choices of boundary tensors that stay on the chip from one group to the next, where these are asked for. */
#ifndef SS_COST_PARTITION_H
#define SS_COST_PARTITION_H

#include "base/array.h"
#include "cost/group.h"

struct partition_part {
    uint32_t first, end;            /* members of the chain */
    bool input_stays, output_stays; /* on the chip, from the part before, for the part behind */
    bool is_fused;                  /* else a layer, with the pool behind it as its epilogue where there are two */
    int64_t bytes;
    struct group_found found; /* of a fused one */
};

struct partition {
    ARRAY(struct partition_part) parts;
    int64_t bytes;
    bool is_feasible;
    bool is_cut; /* some search of a group ran out of its budget: the best so far */
    int64_t groups_searched;
};

/* What the layer search says of a member alone, and of it with the pool behind it as an epilogue; INT64_MAX = cannot be. */
struct partition_single {
    int64_t bytes, pooled_bytes;
};

/* The chain is a group as group_search takes it. boundaries_stay: try that too (README.md 19). */
void partition_chain(struct arena *arena, const struct group *chain, const struct target *target, const struct partition_single *singles,
                     bool boundaries_stay, struct partition *partition);

/* Members [first, end) as a group of their own; linked. */
void group_slice(struct arena *arena, const struct group *chain, uint32_t first, uint32_t end, struct group *slice);

/* A member as a layer for the layer search; with_pool: the next member is its epilogue. False where that cannot be: a pool whose windows
 * overlap, grouped channels of several inputs. */
bool group_nest(const struct group *chain, uint32_t member, bool with_pool, struct nest *nest);

#endif
