/* Threads that share out blocks of work, and sleep in between.
 *
 * The caller works too, at once; a thread that is slow to wake up on a busy machine is not waited for, but for the block that it has begun.
 * So a machine with less to give than it promised costs little more than one thread would. */
#ifndef SS_BASE_PARALLEL_H
#define SS_BASE_PARALLEL_H

#include <stdint.h>

#include "base/arena.h"

struct parallel;

/* threads, the caller's own among them; fewer where the system gives no more. They end with the arena. */
struct parallel *parallel_new(struct arena *arena, unsigned threads);

/* Most workers that a body is called by; 1 for NULL. */
unsigned parallel_threads(const struct parallel *parallel);

/* body(context, block, worker) for blocks [0, count): each once, in any order, by workers numbered from 0; returns when all are done. A
 * block must write what no other block touches, and must not depend on the worker. Nothing is taken from a heap in a body. One call at a
 * time, from one thread at a time; a body makes no call of its own. */
void parallel_run(struct parallel *parallel, int64_t count, void (*body)(const void *context, int64_t block, unsigned worker),
                  const void *context);

#endif
