/* The network with fusion as a function of its shapes: the cut of the last look costed again, or a new look (cost-model.md 9, 11).
 *
 * A look is a search for the best cut; between looks the parts that change are costed with the schedules that they have, which is an upper
 * bound and takes microseconds where a look takes a good part of a second. */
#ifndef SS_WIDTHS_FUSED_H
#define SS_WIDTHS_FUSED_H

#include "passes/costs.h"

struct widths_fused;

/* Borrows all of it; `shapes` may be changed between the calls. The first look is taken here. */
struct widths_fused *widths_fused_new(struct arena *arena, const struct layers *layers, const struct shapes *shapes,
                                      const struct target *target, struct cost_cache *cache);

/* Total bytes as known, and by item of the layers. */
int64_t widths_fused_read(const struct widths_fused *fused, int64_t *item_bytes);

/* Total bytes with the shapes as they are, these items having changed: at most what the cut of the last look moves. -1: nests are wanted
 * first. */
int64_t widths_fused_try(struct widths_fused *fused, const uint32_t *items, uint32_t count);

/* The same, and it is what is known from now on. No nest may be wanted. */
void widths_fused_take(struct widths_fused *fused, const uint32_t *items, uint32_t count);

/* A look: the least total with the shapes as they are; it is what is known from now on. */
void widths_fused_look(struct widths_fused *fused);

/* What a look would find. */
int64_t widths_fused_least(struct widths_fused *fused);

#endif
