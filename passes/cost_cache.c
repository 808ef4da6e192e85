#include "passes/cost_cache.h"

#include <assert.h>
#include <string.h>

#include "base/array.h"

enum { COST_CACHE_FIRST_SLOTS = 256 };

struct cost_entry {
    struct nest nest;
    int64_t bytes;       /* -1 = wanted */
    struct found *found; /* of a cache with mappings */
};

struct cost_cache {
    struct arena *arena;
    const struct target *target;
    unsigned threads;
    bool with_mappings;
    ARRAY(struct cost_entry *) wanted;
    struct cost_entry **slots; /* open addressing */
    size_t slot_count, used;
};

struct cost_cache *cost_cache_new(struct arena *arena, const struct target *target, unsigned threads, bool with_mappings) {
    struct cost_cache *cache = ARENA_NEW(arena, struct cost_cache);
    cache->arena = arena;
    cache->target = target;
    cache->threads = threads ? threads : 1;
    cache->with_mappings = with_mappings;
    cache->slot_count = COST_CACHE_FIRST_SLOTS;
    cache->slots = ARENA_ARRAY(arena, struct cost_entry *, cache->slot_count);
    return cache;
}

static uint64_t cost_hash(const struct nest *nest) {
    const unsigned char *bytes = (const unsigned char *)nest;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *nest; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, bytes + i, sizeof word);
        hash = (hash ^ word) * 1099511628211u;
    }
    return hash ^ hash >> 29;
}

static struct cost_entry **cost_slot(const struct cost_cache *cache, const struct nest *nest) {
    size_t at = (size_t)cost_hash(nest) & (cache->slot_count - 1);
    while (cache->slots[at] && memcmp(&cache->slots[at]->nest, nest, sizeof *nest) != 0) at = (at + 1) & (cache->slot_count - 1);
    return &cache->slots[at];
}

static void cost_grow(struct cost_cache *cache) {
    const struct cost_cache old = *cache;
    cache->slot_count *= 2;
    cache->slots = ARENA_ARRAY(cache->arena, struct cost_entry *, cache->slot_count);
    for (size_t i = 0; i < old.slot_count; i++)
        if (old.slots[i]) *cost_slot(cache, &old.slots[i]->nest) = old.slots[i];
}

int64_t cost_cache_get(struct cost_cache *cache, const struct nest *nest) {
    struct cost_entry **slot = cost_slot(cache, nest);
    if (*slot) return (*slot)->bytes;
    if (2 * cache->used >= cache->slot_count) {
        cost_grow(cache);
        slot = cost_slot(cache, nest);
    }
    struct cost_entry *entry = ARENA_NEW(cache->arena, struct cost_entry);
    entry->nest = *nest;
    entry->bytes = -1;
    if (cache->with_mappings) entry->found = ARENA_NEW(cache->arena, struct found);
    *slot = entry;
    cache->used++;
    array_push(cache->arena, &cache->wanted, entry);
    return -1;
}

static void cost_search(const struct target *target, struct cost_entry *entry) {
    if (entry->found) {
        search_layer(&entry->nest, target, entry->found);
        entry->bytes = entry->found->is_feasible ? traffic_total(&entry->found->traffic) : COST_INFEASIBLE;
        return;
    }
    entry->bytes = search_layer_bytes(&entry->nest, target);
    if (entry->bytes < 0) entry->bytes = COST_INFEASIBLE;
}

void cost_cache_run(struct cost_cache *cache) {
    const int64_t count = cache->wanted.count;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(cache->threads) if (cache->threads > 1 && count > 1)
#endif
    for (int64_t i = 0; i < count; i++) cost_search(cache->target, cache->wanted.items[i]);
    cache->wanted.count = 0;
}

const struct found *cost_cache_found(const struct cost_cache *cache, const struct nest *nest) {
    const struct cost_entry *entry = *cost_slot(cache, nest);
    assert(entry && entry->found && entry->bytes >= 0);
    return entry->found;
}
