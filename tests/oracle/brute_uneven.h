/* Brute force over the whole space of cost-model.md 2 for small layers: every sequence of loops (a dim any number of times, its steps
 * falling, each loop snaking or not), every depth of each operand.
 *
 * What an operand moves and holds is decided by the loops outside its depth: so each sequence is executed once by the reference machine,
 * all operands at its end, and a mapping is three sequences, each a beginning of the next or equal. */
#ifndef SS_ORACLE_BRUTE_UNEVEN_H
#define SS_ORACLE_BRUTE_UNEVEN_H

#include "oracle/machine.h"

struct brute_kind {
    bool depths; /* each operand at its own depth, dims tiled at more than one level; else plain but for snakes */
    bool snakes;
};

struct brute_uneven {
    bool any;
    struct mapping mapping; /* one with the fewest bytes and, among these, the smallest footprint */
    int64_t bytes, footprint_bytes;
    int64_t executed; /* sequences */
    double mappings;  /* sequences and depths */
};
void brute_uneven_search(const struct nest *nest, const struct target *target, struct brute_kind kind, struct brute_uneven *brute);

#endif
