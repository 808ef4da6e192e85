/* What the best schedule of a group moves, remembered by the group's numbers: networks repeat blocks, and ranking asks again and again.
 *
 * For one target, by one thread at a time; the answers are those of group_search. */
#ifndef SS_COST_GROUP_CACHE_H
#define SS_COST_GROUP_CACHE_H

#include "cost/group.h"

struct group_cache;

/* Everything that it remembers lives in the arena. The target is borrowed. */
struct group_cache *group_cache_new(struct arena *arena, const struct target *target);

/* As group_search; what `found` points to lives in the cache's arena and is shared between equal groups. */
void group_cache_search(struct group_cache *cache, const struct group *group, int64_t below, bool with_ties, struct group_found *found);

/* As group_search_is_hopeless. */
bool group_cache_is_hopeless(struct group_cache *cache, const struct group *group);

int64_t group_cache_searches(const struct group_cache *cache); /* those that were not remembered */

#endif
