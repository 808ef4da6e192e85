/* Shared by survey*.c and damage.c. */
#ifndef SS_SURVEY_INTERNAL_H
#define SS_SURVEY_INTERNAL_H

#include "eval/eliminate.h"
#include "eval/moments.h"
#include "passes/survey.h"

enum { SURVEY_WIDTHS = 5 };

/* One group of a layer: what its windows are. */
struct survey_reader {
    const struct refit_layer *layer;
    uint32_t group, d, m;
    struct moments *moments;
    double *covariance, *means; /* [d, d], [d] */
    float *weights;             /* [m, d] of the group */
};

/* A space with those of its readers that can be solved. */
struct survey_item {
    uint32_t space;
    uint32_t *readers; /* into survey_run.readers */
    uint32_t reader_count;
    uint32_t removed[SURVEY_WIDTHS], width_count; /* numbers of channels gone at which damage is measured, rising */
    struct elimination elimination;
    double damage[SURVEY_WIDTHS];
};

struct survey_run {
    struct arena *arena; /* of the survey's work */
    const struct survey_request *request;
    struct refit_layers layers;
    struct eval *original;
    struct refit_batch fit, part; /* what is looked at; of that, what the evaluator has */
    ARRAY(struct survey_reader) readers;
    ARRAY(struct survey_item) items;
};

/* Fills item->damage. */
status survey_measure(struct survey_run *run, struct diag *diag);
/* damage at every width from those measured: the error's shape between them, its ratio to the damage interpolated in logarithms. */
double *survey_damage_curve(struct arena *arena, const struct survey_item *item, uint32_t size);

#endif
