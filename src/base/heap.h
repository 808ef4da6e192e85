/* All memory of one job comes from one heap: an allocator, a limit, and the arenas that live in it.
 *
 * Memory that cannot be had is not a status that every line has to look at: it unwinds to the innermost
 * heap_run, which releases every arena made since (their cleanups run) and returns STATUS_LIMIT.
 * Everything that must be undone on the way therefore belongs to an arena (arena_defer).
 * A heap is used by one thread at a time; inside an OpenMP region nothing is taken from it. Threads that need memory: heaps.h. */
#ifndef SS_BASE_HEAP_H
#define SS_BASE_HEAP_H

#include <setjmp.h>
#include <stddef.h>

#include "base/diag.h"

/* resize(context, NULL, 0, n) allocates, (context, p, old, 0) frees and returns NULL; NULL for n > 0 = no memory. */
struct allocator {
    void *context;
    void *(*resize)(void *context, void *block, size_t old_bytes, size_t new_bytes);
};

struct arena;

struct heap {
    struct allocator allocator;
    size_t used_bytes;
    size_t peak_bytes;
    size_t limit_bytes;  /* 0 = none */
    size_t wanted_bytes; /* of the request that failed */
    struct arena *newest;
    jmp_buf *unwind;
};

extern const struct allocator heap_libc;

/* allocator NULL = the C library's. */
void heap_init(struct heap *heap, const struct allocator *allocator, size_t limit_bytes);

/* Releases every arena that is left. */
void heap_release(struct heap *heap);

/* Runs body(argument) and returns its status; STATUS_LIMIT with a message where memory ran out. Nests. */
status heap_run(struct heap *heap, struct diag *diag, status (*body)(void *argument), void *argument);

/* Never returns NULL for bytes > 0: unwinds. Only legal inside heap_run. */
void *heap_resize(struct heap *heap, void *block, size_t old_bytes, size_t new_bytes);
void heap_free(struct heap *heap, void *block, size_t bytes);

/* The same as heap_resize for bytes > 0, heap_free for 0; NULL where there is no memory, and nothing has changed. */
void *heap_try_resize(struct heap *heap, void *block, size_t old_bytes, size_t new_bytes);

/* Unwinds as if an allocation of that many bytes had failed. */
_Noreturn void heap_fail(struct heap *heap, size_t bytes);

#endif
