#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"

static void *heap_libc_resize(void *context, void *block, size_t old_bytes, size_t new_bytes) {
    (void)context;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_bytes);
}

const struct allocator heap_libc = {NULL, heap_libc_resize};

void heap_init(struct heap *heap, const struct allocator *allocator, size_t limit_bytes) {
    *heap = (struct heap){.allocator = allocator ? *allocator : heap_libc, .limit_bytes = limit_bytes};
}

static void heap_release_until(struct heap *heap, const struct arena *mark) {
    while (heap->newest != mark) arena_free(heap->newest);
}

void heap_release(struct heap *heap) { heap_release_until(heap, NULL); }

status heap_run(struct heap *heap, struct diag *diag, status (*body)(void *argument), void *argument) {
    jmp_buf here;
    jmp_buf *const outer = heap->unwind;
    struct arena *const mark = heap->newest;
    heap->unwind = &here;
    status result;
    if (setjmp(here) == 0) {
        result = body(argument);
    } else {
        heap_release_until(heap, mark);
        result =
            heap->limit_bytes
                ? diag_fail(diag, STATUS_LIMIT, "out of memory: %zu B more wanted, %zu B in use, limit %zu B; see --max-memory",
                            heap->wanted_bytes, heap->used_bytes, heap->limit_bytes)
                : diag_fail(diag, STATUS_LIMIT, "out of memory: %zu B more wanted, %zu B in use", heap->wanted_bytes, heap->used_bytes);
    }
    heap->unwind = outer;
    return result;
}

_Noreturn void heap_fail(struct heap *heap, size_t bytes) {
    assert(heap->unwind);
    heap->wanted_bytes = bytes;
    longjmp(*heap->unwind, 1);
}

void *heap_try_resize(struct heap *heap, void *block, size_t old_bytes, size_t new_bytes) {
    const size_t others = heap->used_bytes - old_bytes;
    if (heap->limit_bytes && (new_bytes > heap->limit_bytes || others > heap->limit_bytes - new_bytes)) return NULL;
    void *moved = heap->allocator.resize(heap->allocator.context, block, old_bytes, new_bytes);
    if (!moved && new_bytes) return NULL;
    heap->used_bytes = others + new_bytes;
    if (heap->used_bytes > heap->peak_bytes) heap->peak_bytes = heap->used_bytes;
    return moved;
}

void *heap_resize(struct heap *heap, void *block, size_t old_bytes, size_t new_bytes) {
    void *moved = heap_try_resize(heap, block, old_bytes, new_bytes);
    if (!moved && new_bytes) heap_fail(heap, new_bytes);
    return moved;
}

void heap_free(struct heap *heap, void *block, size_t bytes) {
    if (!block) return;
    heap->allocator.resize(heap->allocator.context, block, bytes, 0);
    heap->used_bytes -= bytes;
}
