/* Growable arrays in an arena: `ARRAY(int64_t) sizes = {0}; array_push(arena, &sizes, 3);`
 *
 * Items move when the array grows: hold indices, not pointers. Zeroed memory is an empty array. */
#ifndef SS_BASE_ARRAY_H
#define SS_BASE_ARRAY_H

#include <stdint.h>

#include "base/arena.h"

#define ARRAY(type)                                                                                                                        \
    struct {                                                                                                                               \
        type *items;                                                                                                                       \
        uint32_t count, capacity;                                                                                                          \
    }

/* Items, count and capacity of any ARRAY stand in this order. Returns the items with room for `more`. */
void *array_room(struct arena *arena, void *items, uint32_t count, uint32_t *capacity, uint32_t more, size_t item_bytes);

#define array_reserve(arena, array, more)                                                                                                  \
    ((array)->items = array_room((arena), (array)->items, (array)->count, &(array)->capacity, (more), sizeof(array)->items[0]))

#define array_push(arena, array, item) (array_reserve((arena), (array), 1), (array)->items[(array)->count++] = (item))

#endif
