/* The curves (cost/curve.h) of many nests at once: each distinct nest walked once, in parallel over nests and powers of two of the
 * capacity. The curves do not depend on the number of threads. */
#ifndef SS_SWEEP_CURVES_H
#define SS_SWEEP_CURVES_H

#include "cost/curve.h"

struct sweep_curves;

struct sweep_range {
    int64_t from_bytes, to_bytes; /* 1 <= from <= to */
};

struct sweep_progress {
    void (*call)(void *context, const char *what, double share); /* NULL = silent */
    void *context;
};

/* Nests and target are borrowed, in no order, some of them equal. 16 bytes stay per step. */
struct sweep_curves *sweep_curves_find(struct arena *arena, const struct nest *const *nests, uint32_t count, const struct target *target,
                                       const struct sweep_range *range, unsigned threads, const struct sweep_progress *progress);

/* Of a nest that was among them. */
const struct curve *sweep_curves_get(const struct sweep_curves *curves, const struct nest *nest);

#endif
