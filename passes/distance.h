/* How far the outputs of two models are apart on samples: summed up batch by batch. */
#ifndef SS_DISTANCE_H
#define SS_DISTANCE_H

#include "eval/eval.h"
#include "report/record.h"

struct distance;

/* a: the reference. Outputs are matched by name. labels: a class number for each sample, or NULL. STATUS_USAGE where b lacks an output of
 * a's. */
status distance_new(struct arena *arena, const struct graph *a, const struct graph *b, const int64_t *labels, struct distance **distance,
                    struct diag *diag);

/* Both have run on samples [from, from + count). STATUS_UNMET where an output is NaN or infinite in one of the two alone, STATUS_USAGE
 * where shapes differ. */
status distance_add(struct distance *distance, struct eval *a, struct eval *b, int64_t from, int64_t count, struct diag *diag);

/* Of what was added so far; the texts and arrays live with the distance. Paths are the caller's to set. */
struct record_accuracy distance_record(const struct distance *distance);

#endif
