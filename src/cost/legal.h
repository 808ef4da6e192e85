/* Is a mapping from outside legal for a layer (cost-model.md 1, 2)? What the search makes always is. */
#ifndef SS_COST_LEGAL_H
#define SS_COST_LEGAL_H

#include "cost/mapping.h"

/* Each dim at most once, no snake, every operand held at the innermost tile. */
bool mapping_is_plain(const struct mapping *mapping);

/* STATUS_USAGE naming `what`, the loop and the numbers: a step beyond the dim, or no smaller than the one around it; a tile that cuts a
 * merged pool's window; a depth of no loop; buffers that do not fit. */
status mapping_check(const struct nest *nest, const struct target *target, const struct mapping *mapping, const char *what,
                     struct diag *diag);

#endif
