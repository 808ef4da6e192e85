#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"

enum { ARENA_FIRST_CHUNK_BYTES = 4096, ARENA_LARGEST_CHUNK_BYTES = 1 << 20 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t bytes; /* of the whole chunk, this header included */
    alignas(max_align_t) unsigned char data[];
};

struct arena_deferred {
    struct arena_deferred *next;
    void (*undo)(void *argument);
    void *argument;
};

struct arena {
    struct heap *heap;
    struct arena *older, *newer;
    struct arena_chunk *chunks;
    unsigned char *free_from, *free_to;
    struct arena_deferred *deferred;
};

static size_t arena_rounded(size_t bytes) {
    const size_t unit = alignof(max_align_t);
    return (bytes + unit - 1) / unit * unit;
}

struct arena *arena_new(struct heap *heap) {
    struct arena *arena = heap_resize(heap, NULL, 0, sizeof *arena);
    *arena = (struct arena){.heap = heap, .older = heap->newest};
    if (heap->newest) heap->newest->newer = arena;
    heap->newest = arena;
    return arena;
}

void arena_free(struct arena *arena) {
    if (!arena) return;
    struct heap *heap = arena->heap;
    for (struct arena_deferred *call = arena->deferred; call; call = call->next) call->undo(call->argument);
    if (arena->newer) arena->newer->older = arena->older;
    else heap->newest = arena->older;
    if (arena->older) arena->older->newer = arena->newer;
    for (struct arena_chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        heap_free(heap, chunk, chunk->bytes);
    }
    heap_free(heap, arena, sizeof *arena);
}

struct heap *arena_heap(const struct arena *arena) {
    return arena->heap;
}

static struct arena_chunk *arena_add_chunk(struct arena *arena, size_t data_bytes) {
    size_t bytes;
    if (!checked_add_size(data_bytes, sizeof(struct arena_chunk), &bytes)) heap_fail(arena->heap, data_bytes);
    struct arena_chunk *chunk = heap_resize(arena->heap, NULL, 0, bytes);
    *chunk = (struct arena_chunk){.next = arena->chunks, .bytes = bytes};
    arena->chunks = chunk;
    return chunk;
}

static size_t arena_next_chunk_bytes(const struct arena *arena) {
    size_t bytes = arena->chunks ? 2 * arena->chunks->bytes : ARENA_FIRST_CHUNK_BYTES;
    if (bytes < ARENA_FIRST_CHUNK_BYTES) bytes = ARENA_FIRST_CHUNK_BYTES;
    return bytes < ARENA_LARGEST_CHUNK_BYTES ? bytes : ARENA_LARGEST_CHUNK_BYTES;
}

void *arena_alloc(struct arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) heap_fail(arena->heap, bytes);
    const size_t rounded = bytes ? arena_rounded(bytes) : alignof(max_align_t);
    if (rounded > (size_t)(arena->free_to - arena->free_from)) {
        const size_t chunk_bytes = arena_next_chunk_bytes(arena);
        if (rounded > chunk_bytes / 4) { /* a block of its own; the current chunk goes on being filled */
            return memset(arena_add_chunk(arena, rounded)->data, 0, rounded);
        }
        struct arena_chunk *chunk = arena_add_chunk(arena, chunk_bytes);
        arena->free_from = chunk->data;
        arena->free_to = chunk->data + chunk_bytes;
    }
    void *block = arena->free_from;
    arena->free_from += rounded;
    return memset(block, 0, rounded);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t item_bytes) {
    size_t bytes;
    if (!checked_mul_size(count, item_bytes, &bytes)) heap_fail(arena->heap, SIZE_MAX);
    return arena_alloc(arena, bytes);
}

void *arena_copy(struct arena *arena, const void *bytes, size_t count) {
    void *block = arena_alloc(arena, count);
    if (count) memcpy(block, bytes, count);
    return block;
}

char *arena_copy_text(struct arena *arena, const char *text) { return arena_copy(arena, text, strlen(text) + 1); }

char *arena_print(struct arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    const size_t bytes = length > 0 ? (size_t)length + 1 : 1;
    char *text = arena_alloc(arena, bytes);
    va_start(arguments, format);
    vsnprintf(text, bytes, format, arguments);
    va_end(arguments);
    return text;
}

void *arena_grow(struct arena *arena, const void *block, size_t old_bytes, size_t new_bytes) {
    void *larger = arena_alloc(arena, new_bytes);
    if (old_bytes) memcpy(larger, block, old_bytes);
    return larger;
}

void arena_defer(struct arena *arena, void (*undo)(void *argument), void *argument) {
    struct arena_deferred *call = ARENA_NEW(arena, struct arena_deferred);
    *call = (struct arena_deferred){arena->deferred, undo, argument};
    arena->deferred = call;
}
