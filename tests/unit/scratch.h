/* What most tests begin and end with: an arena on a heap of its own, and room for a message. */
#ifndef SS_TEST_SCRATCH_H
#define SS_TEST_SCRATCH_H

#include <check.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/heap.h"

static struct heap heap;
static struct arena *arena;
static struct diag diag;

static inline void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    diag = (struct diag){0};
}

/* Nothing is left behind. */
static inline void tear_down(void) {
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
}

#endif
