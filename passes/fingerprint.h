/* What a schedule depends on, as one number in hex: a model that has another one has a stale schedule (product.md 4). */
#ifndef SS_FINGERPRINT_H
#define SS_FINGERPRINT_H

#include "op/shapes.h"

const char *fingerprint_of_graph(struct arena *arena, const struct graph *graph, const struct shapes *shapes);

#endif
