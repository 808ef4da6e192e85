#include "base/names.h"

#include <string.h>

/* Open addressing, linear probing, at most half full; 64-bit FNV-1a. */
struct name_slot {
    const char *text;
    uint64_t hash;
    uint32_t length;
    uint32_t number;
};

struct name_map {
    struct arena *arena;
    struct name_slot *slots;
    size_t slot_count, used;
};

struct names {
    struct name_map map;
};

static uint64_t names_hash(const char *text, size_t length) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash;
}

static struct name_slot *names_slot(const struct name_map *map, const char *text, size_t length, uint64_t hash) {
    size_t at = (size_t)hash & (map->slot_count - 1);
    for (;; at = (at + 1) & (map->slot_count - 1)) {
        struct name_slot *slot = &map->slots[at];
        if (!slot->text) return slot;
        if (slot->hash == hash && slot->length == length && memcmp(slot->text, text, length) == 0) return slot;
    }
}

static void names_grow(struct name_map *map) {
    const struct name_map old = *map;
    map->slot_count = old.slot_count ? 2 * old.slot_count : 64;
    map->slots = ARENA_ARRAY(map->arena, struct name_slot, map->slot_count);
    for (size_t i = 0; i < old.slot_count; i++) {
        const struct name_slot *slot = &old.slots[i];
        if (slot->text) *names_slot(map, slot->text, slot->length, slot->hash) = *slot;
    }
}

static struct name_slot *names_find_slot(const struct name_map *map, const char *text, size_t length) {
    if (!map->slot_count) return NULL;
    struct name_slot *slot = names_slot(map, text, length, names_hash(text, length));
    return slot->text ? slot : NULL;
}

static struct name_slot *names_ensure_slot(struct name_map *map, const char *text, size_t length) {
    if (length > UINT32_MAX) heap_fail(arena_heap(map->arena), length);
    if (2 * map->used >= map->slot_count) names_grow(map);
    const uint64_t hash = names_hash(text, length);
    struct name_slot *slot = names_slot(map, text, length, hash);
    if (!slot->text) {
        map->used++;
        *slot = (struct name_slot){.text = text, .hash = hash, .length = (uint32_t)length};
    }
    return slot;
}

struct names *names_new(struct arena *arena) {
    struct names *names = ARENA_NEW(arena, struct names);
    names->map.arena = arena;
    return names;
}

const char *names_intern_bytes(struct names *names, const char *text, size_t length) {
    struct name_slot *slot = names_find_slot(&names->map, text, length);
    if (slot) return slot->text;
    char *copy = arena_alloc(names->map.arena, length + 1);
    memcpy(copy, text, length);
    return names_ensure_slot(&names->map, copy, length)->text;
}

const char *names_intern(struct names *names, const char *text) { return names_intern_bytes(names, text, strlen(text)); }

const char *names_find(const struct names *names, const char *text) {
    const struct name_slot *slot = names_find_slot(&names->map, text, strlen(text));
    return slot ? slot->text : NULL;
}

struct name_map *name_map_new(struct arena *arena) {
    struct name_map *map = ARENA_NEW(arena, struct name_map);
    map->arena = arena;
    return map;
}

uint32_t name_map_get(const struct name_map *map, const char *text) {
    const struct name_slot *slot = names_find_slot(map, text, strlen(text));
    return slot ? slot->number : 0;
}

void name_map_set(struct name_map *map, const char *text, uint32_t number) { names_ensure_slot(map, text, strlen(text))->number = number; }
