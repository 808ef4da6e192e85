/* Samples chosen by number, in memory, handed to evaluators as one batch: those that are fitted first, then those that only measure. */
#ifndef SS_REFIT_BATCH_H
#define SS_REFIT_BATCH_H

#include "eval/samples.h"

/* Parted by a rule that knows nothing of the images, by their number modulo 8: 7 is never fitted, neither 2 nor 5 where damage is measured.
 */
enum refit_part { REFIT_PART_FIT, REFIT_PART_DAMAGE, REFIT_PART_HELD_OUT };
enum { REFIT_PARTS_OF = 8 };
static inline enum refit_part refit_part_of(int64_t number) {
    const int64_t rest = number % REFIT_PARTS_OF;
    return rest == 7 ? REFIT_PART_HELD_OUT : rest == 2 || rest == 5 ? REFIT_PART_DAMAGE : REFIT_PART_FIT;
}

struct refit_batch {
    const struct graph *graph;
    int64_t images, fit_images;
    int64_t *numbers;           /* of the samples, by image */
    struct eval_tensor *inputs; /* by place among the graph's inputs; rank 0 where that is a constant */
};

/* Room for so many samples of the two kinds; a part of each where there are more (those that come first). fit, measure: bits of enum
 * refit_part. Where fewer than REFIT_PARTS_OF samples are there, all are fitted and all measure. The batch lives in the arena. */
struct refit_choice {
    unsigned fit, measure;
    int64_t fit_most, measure_most;
};
status refit_batch_read(struct arena *arena, const struct graph *graph, struct samples *samples, const struct refit_choice *choice,
                        struct refit_batch *batch, struct diag *diag);

/* Images [from, from + count) of a batch, borrowed. */
struct refit_batch refit_batch_part(struct arena *arena, const struct refit_batch *batch, int64_t from, int64_t count);

/* A new batch of the evaluator's. */
status refit_batch_give(const struct refit_batch *batch, struct eval *eval, struct diag *diag);

/* How many images fit into memory_bytes, every value kept or only what later nodes need; from one image run once. */
status refit_batch_room(struct arena *arena, const struct graph *graph, struct samples *samples, int64_t memory_bytes, bool keeps_all,
                        int64_t *images, struct diag *diag);

#endif
