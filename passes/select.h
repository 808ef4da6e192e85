/* The selection engine: which channels go, step by step, until the budget holds (cost-model.md 11).
 *
 * All rankings differ in one function, which chooses the next step. Afterwards what the budget does not need is given back, unit by unit:
 * in the end, putting back the last unit of any space breaks the budget. */
#ifndef SS_SELECT_H
#define SS_SELECT_H

#include "passes/widths.h"

struct select_request {
    const struct spaces *spaces;
    double *const *importance; /* [space][channel] */
    double *const *norms;      /* the same by the weights alone, for `magnitude` */
    double *const
        *damage; /* [space][channels gone]: what the outputs lose; NULL, or NULL of a space = the share of importance stands for it */
    struct widths *widths; /* of the whole network; committed to what is chosen */
    enum ranking ranking;
    int64_t limit_bytes;
    int64_t channel_multiple;
    double min_share;
    void (*progress)(void *context, const char *what, double share);
    void *progress_context;
};

struct select_result {
    struct removal removal;
    int64_t *bytes_saved;    /* per space: what its own pruning saves at the end */
    double *importance_lost; /* per space, share of its total */
    int64_t limit_bytes, reached_bytes;
    double damage; /* summed over the spaces; negative = not known */
    uint32_t steps;
};

/* STATUS_UNMET with the nearest that can be reached, or with the reasons where nothing can be pruned. */
status select_channels(struct arena *arena, const struct select_request *request, struct select_result *result, struct diag *diag);

/* Channels of a space in the order they would go: least important first, cell by cell in turn. */
void select_order(struct arena *arena, const struct space *space, const double *importance, uint32_t *order);

/* The smallest number of channels by which a space's width may differ from a legal one: lcm(cells, multiple). */
uint32_t select_unit(const struct space *space, int64_t channel_multiple);

#endif
