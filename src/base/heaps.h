/* Heaps for threads: one for each worker of a parallel_run, in the memory of one heap and within its limit.
 *
 * Memory that cannot be had ends the body that wants it; heaps_check, behind the parallel_run, unwinds the heap that they all belong to. */
#ifndef SS_BASE_HEAPS_H
#define SS_BASE_HEAPS_H

#include "base/arena.h"

struct heaps;

/* Of the arena's heap, from which nobody takes anything else while bodies run. They end with the arena. */
struct heaps *heaps_new(struct arena *arena, unsigned count);

/* body(arena, argument) with an arena that ends with it, in the heap of this worker. */
void heaps_run(struct heaps *heaps, unsigned worker, void (*body)(struct arena *arena, void *argument), void *argument);

/* Unwinds where memory ran out in a body. */
void heaps_check(const struct heaps *heaps);

#endif
