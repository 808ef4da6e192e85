/* What each layer of a network costs off the chip, and the network with them. */
#ifndef SS_COSTS_H
#define SS_COSTS_H

#include "cost/layers.h"
#include "passes/cost_cache.h"

/* One entry of the report: a layer as it is best done. */
struct layer_cost {
    const struct layer *layer;
    bool has_nest;    /* nest and found say more */
    bool has_mapping; /* else read once, written once */
    struct nest nest;
    struct found found;
    struct traffic traffic; /* of the nest and beside it; 0 where infeasible */
    int64_t offchip_bytes, footprint_bytes, bound_bytes, macs, parameters;
    bool is_feasible;
};

struct costs {
    ARRAY(struct layer_cost) items; /* in execution order */
    int64_t offchip_bytes;          /* of the feasible ones */
    int64_t compulsory_bytes;       /* of the network */
    int64_t bound_bytes;            /* sum of the layers' bounds */
    uint32_t infeasible_count;
};

/* Everything, with mappings. STATUS_LIMIT where a layer is beyond what is counted in 63 bits. */
status costs_find(struct arena *arena, const struct layers *layers, const struct shapes *shapes, const struct target *target,
                  unsigned threads, struct costs **costs, struct diag *diag);

/* What a schedule from outside costs: layer i of `given` as mappings[i] says (NULL = read once, written once). `layers` are those of
 * costs_find, of which the bounds are. STATUS_USAGE naming group and node where a mapping is not legal. */
status costs_of_mappings(struct arena *arena, const struct layers *layers, const struct layers *given,
                         const struct mapping *const *mappings, const struct shapes *shapes, const struct target *target,
                         struct costs **costs, struct diag *diag);

/* All that decides, beside the capacity, what one way of doing a layer moves: the best mapping of its nest, and what comes beside it. */
struct cost_way {
    bool has_nest, may_stream; /* may_stream: into `stream` it fits read once, written once */
    struct nest nest;
    struct footprint stream;
    int64_t extra_bytes;
};

/* Of an item or an alternative of the layers. */
void costs_way(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, const struct target *target,
               struct cost_way *way);

/* Bytes of item `index` of the layers alone, for ranking; -1 where a nest is wanted first (cost_cache_run, then ask again). */
int64_t costs_of_layer(struct cost_cache *cache, const struct layers *layers, uint32_t index, const struct shapes *shapes,
                       const struct target *target);

#endif
