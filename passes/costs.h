/* What each layer of a network costs off the chip, and the network with them. */
#ifndef SS_COSTS_H
#define SS_COSTS_H

#include "cost/fusion.h"
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

/* Items that are done together. */
struct cost_group {
    const struct fusion_part *fused; /* NULL = one layer */
    uint32_t first, count;
};

struct costs {
    ARRAY(struct layer_cost) items;  /* in execution order */
    ARRAY(struct cost_group) groups; /* likewise; all items, one after another */
    struct fusion_singles singles;   /* of costs_find */
    int64_t offchip_bytes;           /* of the feasible ones */
    int64_t layer_by_layer_bytes;    /* the best without fusion; negative = nobody has searched for it */
    int64_t compulsory_bytes;        /* of the network */
    int64_t bound_bytes;             /* sum of the layers' bounds */
    bool is_layer_by_layer;          /* no group was looked for: bound_bytes holds */
    uint32_t infeasible_count;
};

/* Everything, with mappings. STATUS_LIMIT where a layer is beyond what is counted in 63 bits. */
status costs_find(struct arena *arena, const struct layers *layers, const struct shapes *shapes, const struct target *target,
                  unsigned threads, struct costs **costs, struct diag *diag);

/* The same network as a fusion of it runs: layers alone are taken from `alone`, the costs of the layers one by one. */
void costs_of_fusion(struct arena *arena, const struct costs *alone, const struct fusion *fusion, const struct layers *layers,
                     const struct shapes *shapes, const struct target *target, struct costs **costs);

/* A part of a schedule from outside: layers [first, first + count) of `given`. */
struct cost_given {
    uint32_t id, first, count;
    const struct mapping *mapping;   /* of one layer; NULL = read once, written once */
    const struct fusion_part *fused; /* NULL = one layer */
};

/* What a schedule from outside costs. `layers` are those of costs_find, of which the bounds are. STATUS_USAGE naming group and node where a
 * mapping is not legal; fused parts are legal already. */
status costs_of_schedule(struct arena *arena, const struct layers *layers, const struct layers *given, const struct cost_given *parts,
                         uint32_t part_count, const struct shapes *shapes, const struct target *target, struct costs **costs,
                         struct diag *diag);

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

/* Bytes of every item and every alternative, searched where they are not known yet. */
void costs_singles(struct arena *arena, struct cost_cache *cache, const struct layers *layers, const struct shapes *shapes,
                   const struct target *target, struct fusion_singles *singles);

/* Bytes of an item or an alternative as it stands; -1 as above. */
int64_t costs_of_one(struct cost_cache *cache, const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                     const struct target *target);

#endif
