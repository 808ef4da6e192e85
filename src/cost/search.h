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

/* Of the least that any mapping asks for, which does not fit. */
void infeasible_make(const struct footprint *demand, const struct target *target, struct infeasible *infeasible);

/* That no legal mapping moves fewer bytes: not known; none that is plain or regular (uneven.h); none of the whole space of cost-model.md 2.
 */
enum proof { PROOF_NONE, PROOF_REGULAR, PROOF_WHOLE };

struct found {
    bool is_feasible;
    struct mapping mapping;
    struct traffic traffic;
    struct footprint footprint;
    struct infeasible infeasible; /* where it is not */
    int64_t compulsory_bytes;
    int64_t bound_bytes;    /* the strongest lower bound that holds for plain mappings of this nest on this target */
    const char *bound_name; /* "compulsory" or "partition" (cost-model.md 10) */
    enum proof proof;       /* by search_best and search_whole */
    int64_t nodes;          /* that these looked at */
};

/* No heap, no arena: less than 64 KiB of stack. Deterministic. Thread-safe. */
void search_plain(const struct nest *nest, const struct target *target, struct found *found);

/* The best of search_plain and of all regular mappings (uneven.h): operands at their own depth, dims tiled at several levels, snakes; of
 * small layers the best of the whole space. Where that takes too long, the best so far (see proof). Never more bytes than search_plain;
 * feasible also where a merged pool's plane does not fit as a plain tile of I. The bound is the compulsory one. Among equal bytes the least
 * footprint of the space searched; the plain mapping where it has that. */
void search_best(const struct nest *nest, const struct target *target, struct found *found);

/* search_plain, or search_best where the target says `mappings: uneven`: what explore, rank and sweep ask. */
void search_layer(const struct nest *nest, const struct target *target, struct found *found);

/* The bytes that search_layer would find, sooner: -1 where nothing fits. */
int64_t search_layer_bytes(const struct nest *nest, const struct target *target);

/* search_best, then on through the whole space of cost-model.md 2, as far as so many nodes of the search reach: see proof. */
void search_whole(const struct nest *nest, const struct target *target, int64_t nodes, struct found *found);

#endif
