/* The best plain mapping of a nest: over all integer tiles and all loop orders no legal one moves fewer bytes (cost-model.md 5). */
#ifndef SS_COST_SEARCH_H
#define SS_COST_SEARCH_H

#include "cost/mapping.h"

struct infeasible {
    struct footprint demand; /* of the smallest legal tile (all sizes 1, pool tiles their stride) */
    int64_t demand_bytes, capacity_bytes, short_bytes;
    enum operand short_operand;      /* split: the first that does not fit */
    int64_t smallest_capacity_bytes; /* that would do (of that partition, where split) */
};

struct found {
    bool is_feasible;
    struct mapping mapping;
    struct traffic traffic;
    struct footprint footprint;
    struct infeasible infeasible; /* where it is not */
    int64_t compulsory_bytes;
    int64_t bound_bytes;    /* the strongest lower bound that holds for plain mappings of this nest on this target */
    const char *bound_name; /* "compulsory" or "partition" (cost-model.md 10) */
};

/* No heap, no arena: less than 64 KiB of stack. Deterministic. Thread-safe. */
void search_plain(const struct nest *nest, const struct target *target, struct found *found);

/* The best of search_plain and of four kinds of uneven mappings (search_uneven.c): never more bytes, often up to 5 % fewer. The bound is then
 * the compulsory one. Not the optimum of all uneven mappings. */
void search_uneven(const struct nest *nest, const struct target *target, struct found *found);

#endif
