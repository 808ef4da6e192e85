/* Backward elimination of channels: which ones matter least once their readers are solved again (group optimal brain surgeon on the
 * covariance of the readers' windows; Hassibi & Stork 1993, Hoerl & Kennard's ridge; pruning.md 4, `css`).
 *
 *   reader: out = W x, x: [d] a window. Column i of W shows channel channel_of[i], or one that stays (ELIMINATE_STAYS).
 *   H = C + lambda I, P = H^-1. Removing the columns B costs tr(W_B (P_BB)^-1 W_B^T), the others become W - W_B (P_BB)^-1 P_B.
 *
 * A reader's loss counts relative to the variance of its output, and the losses of all readers are added. The result is a nested order of
 * the channels and an error curve. Whoever sums does so in index order, so the result does not depend on the number of threads. */
#ifndef SS_EVAL_ELIMINATE_H
#define SS_EVAL_ELIMINATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"

#define ELIMINATE_STAYS UINT32_MAX

struct eliminate_reader {
    uint32_t d, m;
    double *covariance;         /* [d, d], both triangles; destroyed */
    const float *weights;       /* [m, d] */
    const uint32_t *channel_of; /* [d] */
    double rate;                /* ridge strength (ridge.h) */
};

struct eliminate_request {
    const struct eliminate_reader *readers;
    uint32_t reader_count, channel_count;
    const uint32_t *order;          /* [channel_count]: the order, where it is chosen already; NULL = the cheapest first */
    uint32_t cell_count, cell_size; /* equally many go from each cell, one of each in turn; cell_count 0 = free choice */
    const uint32_t *const *cells;
    struct parallel *threads;
};

struct elimination {
    uint32_t *order; /* [channel_count]: first the one that goes first */
    double *error;   /* [channel_count + 1]: of the channels gone, rising; [0] = 0 */
};

/* Readers whose covariance is zero or not finite count for nothing. */
void eliminate(struct arena *arena, const struct eliminate_request *request, struct elimination *elimination);

#endif
