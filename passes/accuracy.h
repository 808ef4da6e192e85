/* How far a network's outputs are from another's, on the same samples. */
#ifndef SS_ACCURACY_H
#define SS_ACCURACY_H

#include <stdbool.h>

#include "eval/eval.h"

/* Sums over images, so that parts can be added. Images are those of one set (fitted, held out). */
struct accuracy {
    int64_t samples;
    int64_t images;              /* of them, those with classes */
    double squared_gap, squared; /* of the outputs: |other - original|^2 and |original|^2 */
    double divergence; /* KL of the first output's softmaxes, summed; numbers that are a distribution already are taken as they are */
    int64_t agreeing;  /* images whose largest output is at the same place */
    int64_t right, right_original; /* images whose largest output is at the label; says something with labels */
};

/* One image of the first output; more outputs count for the gap alone. label: the image's, or NULL. */
void accuracy_add(struct accuracy *sum, const struct eval_tensor *original, const struct eval_tensor *other, int64_t image, bool is_first,
                  const int64_t *label);

static inline double accuracy_error(const struct accuracy *sum) {
    return sum->squared > 0 ? sum->squared_gap / sum->squared : sum->squared_gap > 0 ? 1 : 0;
}

#endif
