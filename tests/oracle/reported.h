/* Does the reference machine do what a search reports? */
#ifndef SS_ORACLE_REPORTED_H
#define SS_ORACLE_REPORTED_H

#include "cost/search.h"
#include "oracle/machine.h"

/* The mapping, executed, moves and holds what was reported, operand by operand, and that fits. */
bool machine_confirms(const struct nest *nest, const struct target *target, const struct found *found);

/* Two answers of a search are one and the same. */
bool same_mapping(const struct mapping *a, const struct mapping *b);
bool same_found(const struct found *a, const struct found *b);

#endif
