/* Lower bounds of what plain mappings of a layer can move (cost-model.md 10). */
#ifndef SS_COST_BOUND_H
#define SS_COST_BOUND_H

#include "cost/nest.h"

/* The strongest that holds, and its name: "compulsory" or "partition". */
void bound_plain(const struct nest *nest, const struct target *target, int64_t *bytes, const char **name);

#endif
