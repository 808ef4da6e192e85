#include "base/heaps.h"

#include <pthread.h>
#include <stdbool.h>

struct heaps {
    struct heap *whole;
    pthread_mutex_t lock; /* of the whole, and of: */
    bool has_failed;
    size_t wanted_bytes;
    struct heap *workers;
    unsigned count;
};

static void *heaps_resize(void *context, void *block, size_t old_bytes, size_t new_bytes) {
    struct heaps *heaps = context;
    pthread_mutex_lock(&heaps->lock);
    void *moved = heap_try_resize(heaps->whole, block, old_bytes, new_bytes);
    pthread_mutex_unlock(&heaps->lock);
    return moved;
}

static void heaps_end(void *argument) {
    struct heaps *heaps = argument;
    for (unsigned i = 0; i < heaps->count; i++) heap_release(&heaps->workers[i]);
    pthread_mutex_destroy(&heaps->lock);
}

struct heaps *heaps_new(struct arena *arena, unsigned count) {
    struct heaps *heaps = ARENA_NEW(arena, struct heaps);
    heaps->whole = arena_heap(arena);
    heaps->workers = ARENA_ARRAY(arena, struct heap, count);
    heaps->count = count;
    pthread_mutex_init(&heaps->lock, NULL);
    for (unsigned i = 0; i < count; i++) heap_init(&heaps->workers[i], &(struct allocator){heaps, heaps_resize}, 0);
    arena_defer(arena, heaps_end, heaps);
    return heaps;
}

struct heaps_call {
    struct heap *heap;
    void (*body)(struct arena *arena, void *argument);
    void *argument;
};

static status heaps_body(void *argument) {
    const struct heaps_call *call = argument;
    struct arena *arena = arena_new(call->heap);
    call->body(arena, call->argument);
    arena_free(arena);
    return STATUS_OK;
}

void heaps_run(struct heaps *heaps, unsigned worker, void (*body)(struct arena *arena, void *argument), void *argument) {
    struct heap *heap = &heaps->workers[worker];
    struct heaps_call call = {heap, body, argument};
    struct diag diag = {0};
    if (heap_run(heap, &diag, heaps_body, &call) == STATUS_OK) return;
    pthread_mutex_lock(&heaps->lock);
    heaps->has_failed = true;
    heaps->wanted_bytes = heap->wanted_bytes;
    pthread_mutex_unlock(&heaps->lock);
}

void heaps_check(const struct heaps *heaps) {
    if (heaps->has_failed) heap_fail(heaps->whole, heaps->wanted_bytes);
}
