/* The cost model of SuperSlash (Ahmad et al., IEEE TCAD 39(11), 2020; cost-model.md 6), kept so that its numbers can be reproduced.
 *
 * A layer is (M, N, R, C, K, S, P): filters, channels, rows, columns, kernel, stride, merged pooling factor. Words of 2 bytes for every
 * operand, batch 1, one unified buffer, no halo, no double buffering. Of a nest: M = m, N = c, R = oh, C = ow, K^2 = kh kw,
 * S^2 = the two strides, P^2 = the two pool strides. Groups and images run one after another: n g times the numbers of one. */
#ifndef SS_COST_MODEL_SUPERSLASH_H
#define SS_COST_MODEL_SUPERSLASH_H

#include "cost/published.h"

/* Every strategy at its best over all integer tiles. No memory; thread-safe. */
void model_superslash(const struct nest *nest, int64_t on_chip_bytes, struct published *found);

#endif
