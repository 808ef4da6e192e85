/* The phases that a group may be cut into, their levels as linear forms, and the cut whose largest level is least. */
#ifndef SS_COST_GROUP_OPTIONS_H
#define SS_COST_GROUP_OPTIONS_H

#include "base/array.h"
#include "cost/group_parts.h"

/* Members [first, end) in one phase: tensors made and used in it pass; what comes from off the chip for it alone, and what leaves it for
 * off the chip alone, may pass; all others are held. */
struct group_option {
    uint32_t first, end;
    const int64_t *block; /* by tensor; of those that it touches */
    uint32_t tensor_count;
    const uint32_t *tensors; /* that it touches */
    uint32_t form_at, form_count;
    uint32_t peak_at, peak_count; /* of member `first`, and the others; of a bound one for all of them */
};

/* Bits on the chip at one moment: sum over the option's tensors of before, made and after times these. */
struct group_form {
    uint32_t member, peak; /* which it may raise */
    uint32_t made_at;      /* of the cells: what the member makes; where that is nothing there is no such moment */
    int64_t staged_bits;
    int64_t *all, *out;           /* [of the option's tensors][before, made, after] */
    uint32_t term_at, term_count; /* `all`, less what the tensors take while they are used, where that is not 0 */
};

struct group_term {
    uint32_t at; /* of the cells, each of them four numbers */
    int64_t bits;
};

struct group_peak_bits {
    int64_t all, in, out, staged, staged_all;
};

struct group_options {
    const struct group *group;
    const struct target *target;
    bool is_bound;                    /* of what stands on the chip whatever streams, at least */
    ARRAY(struct group_option) items; /* by first */
    ARRAY(struct group_form) forms;
    ARRAY(struct group_term) terms;
    uint32_t peak_count;
    int64_t *gone, *coming; /* by member: what tensors that are done before it, or come with it or later, add to a phase: room */
    int64_t slack_bits;     /* more than rounding up can add */
};

/* The group's tensors and members are borrowed. */
void group_options_make(struct arena *arena, const struct group *group, const struct target *target, bool is_bound,
                        struct group_options *options);

/* Raises peaks by the tile at which the cells stand. */
void group_options_raise(const struct group_options *options, const struct group_cell *cells, struct group_peak_bits *peaks);

struct group_cut {
    int64_t *best;    /* by member: of the phases from it on, with room for one more */
    uint32_t *option; /* by member: the phase that starts there */
};

/* The least largest level, in bytes: without weights that stay, with the pieces of members that stream; of a split capacity the least
 * largest piece. INT64_MAX: no cut is legal. streams NULL: none does. */
int64_t group_options_cut(const struct group_options *options, const struct group_peak_bits *peaks, const bool *streams,
                          struct group_cut *cut);

#endif
