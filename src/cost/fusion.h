/* The network as it is best run: layers alone, and fused groups of layers whose tensors stay on the chip (cost-model.md 8, 9).
 *
 * Which layers may be members, and what is searched: README.md 20-24. Everything lives in the arena; layers and values are borrowed. */
#ifndef SS_COST_FUSION_H
#define SS_COST_FUSION_H

#include "base/array.h"
#include "cost/group_cache.h"
#include "cost/layers.h"

/* Stands for the bytes of a layer that has no legal mapping: more than any network moves, and sums of it do not overflow. */
#define FUSION_INFEASIBLE ((int64_t)1 << 50)

/* An operand of an epilogue (a residual Add's other side) that streams in from off the chip, once per element that the member makes. */
struct fusion_operand {
    uint32_t member;
    value_id value;
};

struct fusion_part {
    bool is_fused;                     /* else one layer alone: an item (with its pool, where it has one) or an alternative of the layers */
    const struct layer *const *layers; /* in execution order; of a fused part one per member, those with a pool as their alternatives */
    uint32_t layer_count;
    int64_t bytes;                  /* what it moves; >= FUSION_INFEASIBLE: a layer alone that cannot be done */
    bool input_stays, output_stays; /* on the chip, from the part before or for the part behind (README.md 19) */
    /* Of a fused part: */
    struct group group;     /* member k is layers[k] with its epilogue */
    const value_id *values; /* by tensor of the group: as it is made, before nodes that only rename it */
    const struct fusion_operand *operands;
    uint32_t operand_count;
    struct group_found found; /* is_found; schedule and cost; is_cut */
};

struct fusion {
    ARRAY(struct fusion_part) parts; /* in execution order: that of the layers, unless part of them stands in another */
    int64_t offchip_bytes;           /* of the feasible ones */
    uint32_t infeasible_count, fused_count;
    bool is_cut; /* some search stopped at its budget: the best so far */
    int64_t groups_searched;
};

/* What the layer search says: bytes of each of layers->items (with its pool) and layers->alternatives, all that they move.
 * FUSION_INFEASIBLE or more = cannot be. */
struct fusion_singles {
    const int64_t *item_bytes, *alternative_bytes;
};

struct fusion_options {
    bool boundaries_stay;      /* try tensors that stay on the chip between two groups */
    struct group_cache *cache; /* of that target, to go on with; what `fusion` points to lives in its arena too. NULL = its own */
};

/* Never more bytes than the layers alone. */
void fusion_find(struct arena *arena, const struct layers *layers, const struct fusion_singles *singles, const struct shapes *shapes,
                 const struct target *target, const struct fusion_options *options, struct fusion **fusion);

#endif
