/* What the samples say of each space, before anything is removed: in which order its channels go, and what that costs.
 *
 *   order    channels, first the one that goes first      error[k]   of its readers, solved again, once k are gone (eliminate.h)
 *   damage[k]  what the network's outputs lose, measured at a few widths: that space alone pruned, all layers behind solved on
 *              one part of the samples, the outputs compared on another (damage.c)
 */
#ifndef SS_SURVEY_H
#define SS_SURVEY_H

#include "passes/refit_twin.h"

struct survey_space {
    uint32_t *order; /* NULL = no reader that can be solved: nothing is known */
    double *error;   /* [size + 1] */
    double *damage;  /* [size + 1], rising; NULL = not measured */
};

struct survey {
    struct survey_space *spaces; /* by space */
};

struct survey_request {
    const struct graph *graph;
    const struct shapes *shapes;
    const struct spaces *spaces;
    struct samples *samples;
    double *const *importance; /* [space][channel]: the order is by it; NULL = css */
    bool by_activation;        /* in place of css: the order is by activation x norm */
    bool measures_damage;
    int64_t channel_multiple;
    int64_t memory_bytes;
    double rate;
    struct parallel *threads;
    void (*progress)(void *context, const char *what, double share);
    void *progress_context;
};

status survey_spaces(struct arena *arena, const struct survey_request *request, struct survey **survey, struct diag *diag);

/* Importances that make an engine take channels in the order, [space][channel]: the steps of the error, made rising. Spaces without an
 * order keep `otherwise`. */
double **survey_importance(struct arena *arena, const struct spaces *spaces, const struct survey *survey, double *const *otherwise);

#endif
