/* The cheapest way to run a network's members in their order: cut into layers that run alone and fused groups (cost-model.md 9). Optimal
 * over all cuts into runs, over the joins of each run (group_slice.h), and over boundary tensors that stay on the chip from one run to the
 * next, where these are asked for. */
#ifndef SS_COST_PARTITION_H
#define SS_COST_PARTITION_H

#include "base/array.h"
#include "cost/group_cache.h"
#include "cost/group_slice.h"

struct partition_part {
    uint32_t first, end;            /* members */
    bool input_stays, output_stays; /* on the chip, from the part before, for the part behind */
    bool is_fused;                  /* else a layer, with what stands behind it as its epilogue where there are several */
    uint32_t spilled;               /* which joins */
    int64_t bytes;
    struct group_slice slice; /* of a fused one */
    struct group_found found;
};

struct partition {
    ARRAY(struct partition_part) parts;
    int64_t bytes;
    bool is_feasible;
    bool is_cut; /* some search of a group ran out of its budget, or a run could have been longer: the best so far */
    int64_t groups_searched;
};

/* Members in one group, at most: longer ones are not tried. */
enum { PARTITION_MOST_MEMBERS = 64 };

/* What the layer search says of a member alone, and of it with the next ones as its epilogue (a pool, and what follows that); INT64_MAX =
 * cannot be. */
struct partition_single {
    int64_t bytes, pooled_bytes;
    uint32_t pooled_count; /* members that pooled_bytes is of */
};

/* The network as group_slice.h has it, its uses counted. boundaries_stay: try that too (README.md 19).
 * cache: of that target; NULL = its own. What `partition` points to lives in the arena and in the cache's. */
void partition_find(struct arena *arena, const struct group *network, const struct target *target, const struct partition_single *singles,
                    bool boundaries_stay, struct group_cache *cache, struct partition *partition);

/* A member as a layer for the layer search, without its second inputs; with_pool: the next member is its epilogue. False where that cannot
 * be: a pool whose windows overlap or that takes something else, a Concat. */
bool group_nest(const struct group *network, uint32_t member, bool with_pool, struct nest *nest);

#endif
