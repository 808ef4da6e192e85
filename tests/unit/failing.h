/* An allocator that gives out `left` blocks and then none: for failing the k-th allocation, k = 0, 1, 2, ... */
#ifndef SS_TEST_FAILING_H
#define SS_TEST_FAILING_H

#include <stdlib.h>

#include "base/heap.h"

struct failing {
    size_t left, calls;
};

static inline void *failing_resize(void *context, void *block, size_t old_bytes, size_t new_bytes) {
    struct failing *failing = context;
    (void)old_bytes;
    if (!new_bytes) {
        free(block);
        return NULL;
    }
    failing->calls++;
    if (!failing->left) return NULL;
    failing->left--;
    return realloc(block, new_bytes);
}

#endif
