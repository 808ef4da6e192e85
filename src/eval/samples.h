/* Samples for a graph: a file of numpy arrays (npz.h), one for each input, handed to an evaluator batch by batch.
 *
 *   float input:    x as stored, or x / 255 where the file holds uint8 (pixels); then (x - mean) / scale, per channel (axis 1)
 *   integer input:  as stored
 *
 * Every array has the samples along axis 0, all equally many; other dims as the graph declares them. STATUS_USAGE with the array and the
 * input where names, types, dims or numbers (NaN, infinity) do not fit. */
#ifndef SS_EVAL_SAMPLES_H
#define SS_EVAL_SAMPLES_H

#include "eval/eval.h"

struct samples;

/* mean and scale: mean_count and scale_count numbers, one for each channel, or one for all; 0 = none. Scales are not 0. */
struct samples_settings {
    const char *path;
    const double *mean, *scale;
    uint32_t mean_count, scale_count;
};

status samples_open(struct arena *arena, const struct graph *graph, const struct samples_settings *settings, struct samples **samples,
                    struct diag *diag);

int64_t samples_count(const struct samples *samples);
/* The batch size that the graph is fixed to; 0 = any. */
int64_t samples_fixed_batch(const struct samples *samples);

/* Sets every input of an evaluator of the graph (or of one with the same input names) to samples [from, from + count). Reading forward is
 * cheap. */
status samples_give(struct samples *samples, struct eval *eval, const struct graph *graph, int64_t from, int64_t count, struct diag *diag);

/* A list of class numbers, one for each of `count` samples: a .npy of whole numbers. */
status labels_read(struct arena *arena, const char *path, int64_t count, int64_t **labels, struct diag *diag);

#endif
