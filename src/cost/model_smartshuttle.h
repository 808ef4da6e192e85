/* The cost model of SmartShuttle (Li et al., DATE 2018; cost-model.md 6), kept so that its numbers can be reproduced.
 *
 * Tiles n (out), c (in), h, w of a layer with N = m filters, C = c channels, H = oh, W = ow, K, S, batch B = n; compression factors of
 * input, output and weights; one unified buffer of MEM elements = its bytes / activation width. Every operand has activation width; no
 * double buffering. Beyond the paper: K and S per axis, a dilated kernel spans (K - 1) d + 1 rows of the input, groups run one after
 * another (g times the numbers of one). */
#ifndef SS_COST_MODEL_SMARTSHUTTLE_H
#define SS_COST_MODEL_SMARTSHUTTLE_H

#include "cost/published.h"

struct compression {
    double input, output, weight; /* cI, cO, cW: 1 = none */
};

/* Every strategy at its best over all integer tiles; there is no rule but the fewest bytes. No memory; thread-safe. */
void model_smartshuttle(const struct nest *nest, const struct compression *compression, int64_t on_chip_bytes, uint32_t activation_bits,
                        struct published *found);

#endif
