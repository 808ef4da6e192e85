#include "base/array.h"

void *array_room(struct arena *arena, void *items, uint32_t count, uint32_t *capacity, uint32_t more, size_t item_bytes) {
    if (items && more <= *capacity - count) return items;
    const uint64_t wanted = (uint64_t)count + more;
    uint64_t grown = *capacity ? 2 * (uint64_t)*capacity : 8;
    if (grown < wanted) grown = wanted;
    if (grown > UINT32_MAX) heap_fail(arena_heap(arena), SIZE_MAX);
    void *larger = arena_grow(arena, items, (size_t)count * item_bytes, (size_t)grown * item_bytes);
    *capacity = (uint32_t)grown;
    return larger;
}
