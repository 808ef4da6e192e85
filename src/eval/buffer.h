/* Memory of tensors: counted, shared by views, given back one by one. Blocks that are left go with the pool's arena. */
#ifndef SS_EVAL_BUFFER_H
#define SS_EVAL_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum { BUFFER_ALIGN_BYTES = 64 };

struct buffer {
    struct buffer *previous, *next;
    struct buffer_pool *pool;
    void *data; /* aligned */
    size_t block_bytes, bytes;
    uint32_t references;
    bool is_counted; /* against the limit: activations and scratch, not constants */
};

struct buffer_pool {
    struct heap *heap;
    struct buffer *newest;
    int64_t used_bytes, peak_bytes, limit_bytes; /* limit 0 = none */
};

void buffer_pool_init(struct buffer_pool *pool, struct arena *arena, int64_t limit_bytes);

/* With one reference, not initialised. NULL where the pool's limit stands against it; unwinds where memory runs out (heap.h). */
struct buffer *buffer_new(struct buffer_pool *pool, size_t bytes, bool is_counted);
struct buffer *buffer_share(struct buffer *buffer);
/* One reference less; NULL is allowed. */
void buffer_release(struct buffer *buffer);
/* Not counted any more, or counted again. */
void buffer_count(struct buffer *buffer, bool is_counted);

#endif
