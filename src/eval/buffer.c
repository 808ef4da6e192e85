#include "eval/buffer.h"

static void buffer_free(struct buffer *buffer) {
    struct buffer_pool *pool = buffer->pool;
    if (buffer->is_counted) pool->used_bytes -= (int64_t)buffer->bytes;
    if (buffer->previous) buffer->previous->next = buffer->next;
    if (buffer->next) buffer->next->previous = buffer->previous;
    else pool->newest = buffer->previous;
    heap_free(pool->heap, buffer, buffer->block_bytes);
}

static void buffer_pool_release(void *argument) {
    struct buffer_pool *pool = argument;
    while (pool->newest) buffer_free(pool->newest);
}

void buffer_pool_init(struct buffer_pool *pool, struct arena *arena, int64_t limit_bytes) {
    *pool = (struct buffer_pool){.heap = arena_heap(arena), .limit_bytes = limit_bytes};
    arena_defer(arena, buffer_pool_release, pool);
}

static bool buffer_fits(const struct buffer_pool *pool, size_t bytes) {
    const int64_t room = (pool->limit_bytes ? pool->limit_bytes : INT64_MAX) - pool->used_bytes;
    return room >= 0 && bytes <= (uint64_t)room;
}

struct buffer *buffer_new(struct buffer_pool *pool, size_t bytes, bool is_counted) {
    if (bytes > SIZE_MAX / 2) heap_fail(pool->heap, bytes);
    if (is_counted && !buffer_fits(pool, bytes)) return NULL;
    const size_t block_bytes = sizeof(struct buffer) + BUFFER_ALIGN_BYTES + bytes;
    struct buffer *buffer = heap_resize(pool->heap, NULL, 0, block_bytes);
    const uintptr_t first = (uintptr_t)(buffer + 1), aligned = (first + BUFFER_ALIGN_BYTES - 1) & ~(uintptr_t)(BUFFER_ALIGN_BYTES - 1);
    *buffer = (struct buffer){.previous = pool->newest,
                              .pool = pool,
                              .data = (uint8_t *)(buffer + 1) + (aligned - first),
                              .block_bytes = block_bytes,
                              .bytes = bytes,
                              .references = 1};
    if (pool->newest) pool->newest->next = buffer;
    pool->newest = buffer;
    buffer_count(buffer, is_counted);
    return buffer;
}

struct buffer *buffer_share(struct buffer *buffer) {
    buffer->references++;
    return buffer;
}

void buffer_release(struct buffer *buffer) {
    if (buffer && --buffer->references == 0) buffer_free(buffer);
}

void buffer_count(struct buffer *buffer, bool is_counted) {
    struct buffer_pool *pool = buffer->pool;
    if (buffer->is_counted == is_counted) return;
    buffer->is_counted = is_counted;
    pool->used_bytes += is_counted ? (int64_t)buffer->bytes : -(int64_t)buffer->bytes;
    if (pool->used_bytes > pool->peak_bytes) pool->peak_bytes = pool->used_bytes;
}
