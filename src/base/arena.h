/* An arena: blocks that are taken one by one and given back all at once. Blocks never move.
 *
 * Arenas stack on their heap in the order they were made; when memory runs out those made since the innermost
 * heap_run go first. arena_defer ties anything else (a mapping, a foreign library's object) to the arena's life. */
#ifndef SS_BASE_ARENA_H
#define SS_BASE_ARENA_H

#include <stddef.h>

#include "base/heap.h"

struct arena *arena_new(struct heap *heap);

/* Runs the deferred calls, newest first, then frees the blocks. NULL is allowed. */
void arena_free(struct arena *arena);

struct heap *arena_heap(const struct arena *arena);

/* Zeroed, aligned for any type. 0 bytes give a valid pointer. Never NULL (heap.h). */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_alloc_array(struct arena *arena, size_t count, size_t item_bytes);
void *arena_copy(struct arena *arena, const void *bytes, size_t count);
char *arena_copy_text(struct arena *arena, const char *text);
char *arena_print(struct arena *arena, const char *format, ...) DIAG_PRINTF(2, 3);

/* A larger copy; the old block stays until the arena goes. The new part is zero. */
void *arena_grow(struct arena *arena, const void *block, size_t old_bytes, size_t new_bytes);

void arena_defer(struct arena *arena, void (*undo)(void *argument), void *argument);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc_array((arena), (size_t)(count), sizeof(type)))

#endif
