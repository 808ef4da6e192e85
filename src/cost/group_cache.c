/* A hash table of groups, open addressing. Of each group: the least bytes, or how many it does not go below, and its best schedule once
 * somebody has asked for it. */
#include "cost/group_cache.h"

#include <string.h>

#include "base/array.h"

struct group_entry {
    uint64_t hash; /* 0 = empty */
    const int64_t *key;
    uint32_t key_count;
    bool has_schedule; /* `found` with ties */
    bool has_outlook;  /* found.is_hopeless says so, whatever is known else */
    int64_t at_least;  /* nothing is found below */
    struct group_found found;
};

struct group_cache {
    struct arena *arena;
    const struct target *target;
    struct group_entry *entries;
    uint32_t capacity, count; /* capacity: a power of two */
    ARRAY(int64_t) key;       /* of the group asked for */
    int64_t searches;
};

enum { CACHE_FIRST_CAPACITY = 256 };

struct group_cache *group_cache_new(struct arena *arena, const struct target *target) {
    struct group_cache *cache = ARENA_NEW(arena, struct group_cache);
    *cache = (struct group_cache){.arena = arena, .target = target, .capacity = CACHE_FIRST_CAPACITY};
    cache->entries = ARENA_ARRAY(arena, struct group_entry, cache->capacity);
    return cache;
}

int64_t group_cache_searches(const struct group_cache *cache) { return cache->searches; }

/* ---- keys ---- */

static void cache_put(struct group_cache *cache, int64_t number) { array_push(cache->arena, &cache->key, number); }

static void cache_put_tensor(struct group_cache *cache, const struct group_tensor *tensor) {
    cache_put(cache, tensor->channels);
    for (int a = 0; a < GROUP_AXES; a++) cache_put(cache, tensor->plane[a]);
    cache_put(cache, (int64_t)tensor->bits << 2 | (int64_t)tensor->is_output << 1 | tensor->stays);
    cache_put(cache, tensor->producer);
}

static void cache_put_input(struct group_cache *cache, const struct group_input *input) {
    cache_put(cache, input->tensor);
    for (int a = 0; a < GROUP_AXES; a++) {
        const struct group_window *window = &input->window[a];
        cache_put(cache, window->kernel);
        cache_put(cache, window->stride << 1 | window->is_transposed);
        cache_put(cache, window->dilation);
        cache_put(cache, window->pad);
    }
}

static void cache_put_member(struct group_cache *cache, const struct group_member *member) {
    cache_put(cache, (int64_t)member->input_count << 32 | member->more_parts);
    cache_put(cache, member->output);
    for (uint32_t i = 0; i < member->input_count; i++) cache_put_input(cache, &member->input[i]);
    cache_put(cache, member->groups);
    cache_put(cache, member->kernel_elems);
    cache_put(cache, member->slope_elems);
    cache_put(cache, member->macs);
    cache_put(cache, (int64_t)member->weight_bits << 32 | member->partial_bits);
    cache_put(cache, (int64_t)member->operand_bits << 1 | member->has_bias);
}

static void cache_put_group(struct group_cache *cache, const struct group *group) {
    cache->key.count = 0;
    cache_put(cache, group->images);
    cache_put(cache, (int64_t)group->tensor_count << 32 | group->member_count);
    for (uint32_t t = 0; t < group->tensor_count; t++) cache_put_tensor(cache, &group->tensors[t]);
    for (uint32_t m = 0; m < group->member_count; m++) cache_put_member(cache, &group->members[m]);
}

/* splitmix64's finaliser (Steele, Lea, Flood 2014), number by number. */
static uint64_t cache_hash(const int64_t *key, uint32_t count) {
    uint64_t hash = count;
    for (uint32_t i = 0; i < count; i++) {
        hash = (hash ^ (uint64_t)key[i]) + UINT64_C(0x9e3779b97f4a7c15);
        hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
        hash ^= hash >> 31;
    }
    return hash ? hash : 1;
}

/* ---- the table ---- */

static struct group_entry *cache_slot(const struct group_cache *cache, uint64_t hash, const int64_t *key, uint32_t count) {
    for (uint32_t at = (uint32_t)hash & (cache->capacity - 1);; at = (at + 1) & (cache->capacity - 1)) {
        struct group_entry *entry = &cache->entries[at];
        if (!entry->hash) return entry;
        if (entry->hash == hash && entry->key_count == count && !memcmp(entry->key, key, count * sizeof key[0])) return entry;
    }
}

static void cache_grow(struct group_cache *cache) {
    const struct group_entry *entries = cache->entries;
    const uint32_t capacity = cache->capacity;
    cache->capacity *= 2;
    cache->entries = ARENA_ARRAY(cache->arena, struct group_entry, cache->capacity);
    for (uint32_t i = 0; i < capacity; i++)
        if (entries[i].hash) *cache_slot(cache, entries[i].hash, entries[i].key, entries[i].key_count) = entries[i];
}

static struct group_entry *cache_entry(struct group_cache *cache, const struct group *group) {
    cache_put_group(cache, group);
    if (cache->count >= cache->capacity / 2) cache_grow(cache);
    const uint64_t hash = cache_hash(cache->key.items, cache->key.count);
    struct group_entry *entry = cache_slot(cache, hash, cache->key.items, cache->key.count);
    if (entry->hash) return entry;
    const int64_t *key = arena_copy(cache->arena, cache->key.items, cache->key.count * sizeof key[0]);
    *entry = (struct group_entry){.hash = hash, .key = key, .key_count = cache->key.count};
    cache->count++;
    return entry;
}

/* ---- searches ---- */

static void cache_fill(struct group_cache *cache, const struct group *group, int64_t below, bool with_ties, struct group_entry *entry) {
    const bool is_known = entry->found.is_found;
    cache->searches++;
    group_search(cache->arena, group, cache->target, is_known ? entry->found.bytes + 1 : below, with_ties, &entry->found);
    entry->has_schedule = with_ties && entry->found.is_found;
    if (!entry->found.is_found) entry->at_least = below;
}

void group_cache_search(struct group_cache *cache, const struct group *group, int64_t below, bool with_ties, struct group_found *found) {
    struct group_entry *entry = cache_entry(cache, group);
    const bool is_known = entry->found.is_found ? entry->has_schedule || !with_ties : below <= entry->at_least;
    if (!is_known) cache_fill(cache, group, below, with_ties, entry);
    *found = entry->found;
    found->is_found = found->is_found && found->bytes < below;
}

bool group_cache_is_hopeless(struct group_cache *cache, const struct group *group) {
    struct group_entry *entry = cache_entry(cache, group);
    if (!entry->has_outlook && !entry->found.is_found && !entry->found.is_hopeless) {
        struct arena *scratch = arena_new(arena_heap(cache->arena));
        entry->found.is_hopeless = group_search_is_hopeless(scratch, group, cache->target);
        arena_free(scratch);
    }
    entry->has_outlook = true;
    return entry->found.is_hopeless;
}
