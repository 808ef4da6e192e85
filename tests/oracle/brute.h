/* Brute force over all tilings and all loop orders of a small layer, each executed by the reference machine. */
#ifndef SS_ORACLE_BRUTE_H
#define SS_ORACLE_BRUTE_H

#include "oracle/machine.h"

struct brute {
    bool any;               /* a legal mapping exists */
    struct mapping mapping; /* the best by cost-model.md 5: bytes, footprint, steps, tiles, order */
    struct machine_run run;
    int64_t tiles[DIM_COUNT], bytes, footprint_bytes;
    int64_t executed; /* how many mappings */
};
void brute_search(const struct nest *nest, const struct target *target, struct brute *brute);

#endif
