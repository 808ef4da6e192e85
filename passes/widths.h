/* The network's off-chip bytes as a function of which channels are left: shapes are varied in a copy, the graph stays as it is.
 *
 * Only the layers that a space touches are asked again, and the cost cache remembers nests, so a trial is a few look-ups. */
#ifndef SS_WIDTHS_H
#define SS_WIDTHS_H

#include "passes/costs.h"
#include "passes/spaces.h"
#include "passes/widths_fused.h"

struct widths_space {
    uint32_t *layers; /* that change with it, ascending */
    uint32_t layer_count;
    ARRAY(struct space_axis) dims; /* as in struct space, but `axis` indexes widths->dims */
};

struct widths {
    const struct layers *layers;
    const struct target *target;
    struct cost_cache *cache;
    struct shapes *shapes;       /* the copy */
    ARRAY(int64_t *) dims;       /* into it */
    struct widths_space *spaces; /* one per space */
    int64_t *layer_bytes;        /* with what has been committed */
    int64_t total_bytes;
    struct widths_fused *fused; /* NULL = layer by layer */
};

struct widths *widths_new(struct arena *arena, const struct layers *layers, const struct shapes *shapes, const struct spaces *spaces,
                          const struct target *target, bool fuse, unsigned threads);

/* Total bytes if these channels of a space went (or came back). -1: nests are wanted first (cost_cache_run(widths->cache)). With fusion it
 * is an upper bound: the network is cut as it was when last looked at. */
int64_t widths_try(struct widths *widths, uint32_t space, const uint32_t *channels, uint32_t count, bool back);

/* The same, exact: the network is cut at its best. */
int64_t widths_least(struct widths *widths, uint32_t space, const uint32_t *channels, uint32_t count, bool back);

/* Cuts the network anew: total_bytes becomes exact. */
void widths_look(struct widths *widths);

void widths_commit(struct widths *widths, uint32_t space, const uint32_t *channels, uint32_t count, bool back);

#endif
