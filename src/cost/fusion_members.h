/* Layers as members of groups: runs of layers, in execution order, that may be fused with each other. */
#ifndef SS_COST_FUSION_MEMBERS_H
#define SS_COST_FUSION_MEMBERS_H

#include "cost/fusion.h"
#include "cost/group_slice.h"

struct fusion_member {
    const struct layer *layer;
    const struct layer *whole; /* the item that this member and the next ones are the parts of; NULL where there is none */
    uint32_t whole_count;      /* of them */
};

/* Items [first, end) of the layers; none of them may be fused where member_count is 0 (it is one item then). */
struct fusion_run {
    uint32_t first, end;
    struct group network;          /* as group_slice.h has it, its uses counted */
    value_id *values;              /* by tensor */
    struct fusion_member *members; /* by member */
};

struct fusion_runs {
    ARRAY(struct fusion_run) items;
};

void fusion_runs_find(struct arena *arena, const struct layers *layers, const struct shapes *shapes, const struct target *target,
                      struct fusion_runs *runs);

#endif
