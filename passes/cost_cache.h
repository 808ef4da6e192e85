/* What the best mapping of a nest moves, remembered by nest: networks repeat layers, and ranking asks again and again.
 *
 * Nests that are wanted are collected, then searched in parallel; the answers do not depend on the number of threads. */
#ifndef SS_COST_CACHE_H
#define SS_COST_CACHE_H

#include "cost/search.h"

/* Stands for the bytes of a nest that has no legal mapping: more than any network moves, and sums of it do not overflow. */
#define COST_INFEASIBLE ((int64_t)1 << 50)

struct cost_cache;

/* with_mappings: remembers all that is found, not the bytes alone; slower. */
struct cost_cache *cost_cache_new(struct arena *arena, const struct target *target, unsigned threads, bool with_mappings);

/* Bytes of the best mapping, all operands; -1 where the nest is not known yet, and it is then wanted. */
int64_t cost_cache_get(struct cost_cache *cache, const struct nest *nest);

/* Searches all that is wanted. */
void cost_cache_run(struct cost_cache *cache);

/* Of a cache with mappings: what was found of a nest that was wanted before cost_cache_run. Borrowed. */
const struct found *cost_cache_found(const struct cost_cache *cache, const struct nest *nest);

#endif
