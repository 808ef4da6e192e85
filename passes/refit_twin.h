/* Both networks side by side on the same samples, in execution order: the original as far ahead as a layer's target needs, the pruned one
 * as far as the layer's own input. What no layer left needs is dropped. */
#ifndef SS_REFIT_TWIN_H
#define SS_REFIT_TWIN_H

#include "passes/accuracy.h"
#include "passes/refit.h"
#include "passes/refit_batch.h"

struct refit_twin {
    struct arena *arena;
    const struct graph *graph;
    const struct spaces *spaces;
    const struct removal *removal;
    const struct refit_batch *batch;
    struct refit_layers layers;
    struct eval *original, *pruned;
    uint32_t original_at, pruned_at; /* nodes run so far */
    bool *is_changed;                /* by value id: not what it is in the original */
    bool *runs;                      /* by position: some output of the node is changed */
    uint32_t *wanted;                /* by value id: layers that still need the original's */
    uint32_t *held;                  /* by value id: layers that still need the pruned network's, behind its last reader */
    bool keeps_original;             /* for another removal: all that layers may want of the original stays */
    struct parallel *threads;
};

struct refit_twin_request {
    const struct graph *graph;
    const struct shapes *shapes;
    const struct spaces *spaces;
    const struct removal *removal;
    const struct refit_batch *batch;
    int64_t memory_bytes; /* of both networks */
    bool keeps_original;
    struct parallel *threads;
};

/* The pruned network is the sliced one. */
status refit_twin_open(struct arena *arena, const struct refit_twin_request *request, struct refit_twin *twin, struct diag *diag);

/* The same twin for another removal: all weights as they were, then sliced. Only for a twin that keeps the original. */
status refit_twin_renew(struct refit_twin *twin, const struct removal *removal, struct diag *diag);

/* Does the layer see anything but what it saw in the original? */
bool refit_twin_touches(const struct refit_twin *twin, const struct refit_layer *layer);

/* The layer on the other side of the Add where both are changed: they are solved at once, when the later one's turn is. NULL = alone. */
const struct refit_layer *refit_twin_other(const struct refit_twin *twin, const struct refit_layer *layer);
bool refit_twin_is_earlier(const struct refit_twin *twin, const struct refit_layer *layer);
/* The earlier one's turn: its input outlives it, until the pair is left. */
void refit_twin_hold(struct refit_twin *twin, const struct refit_layer *layer);
/* The earlier one has new weights: from its node to its z, again. */
status refit_twin_repeat(struct refit_twin *twin, const struct refit_layer *layer, struct diag *diag);

/* Runs both as far as the layer needs. */
status refit_twin_reach(struct refit_twin *twin, const struct refit_layer *layer, struct diag *diag);
/* The layer's part of the original may go, and that of the layer solved with it. */
void refit_twin_leave(struct refit_twin *twin, const struct refit_layer *layer);

/* Both networks from the start again, with the weights as they are now. */
status refit_twin_rewind(struct refit_twin *twin, struct diag *diag);
/* Both networks to the end. */
status refit_twin_finish(struct refit_twin *twin, struct diag *diag);
/* How far the outputs of images [from, to) are apart. labels: by sample, or NULL. */
void refit_twin_measure(const struct refit_twin *twin, int64_t from, int64_t to, const int64_t *labels, struct accuracy *sum);

/* A value of the pruned network, which is the original's where that is kept and nothing changes it. */
const struct eval_tensor *refit_twin_pruned(const struct refit_twin *twin, value_id value);
/* The same, where the pruned network may not be as far yet. */
const struct eval_tensor *refit_twin_ahead(const struct refit_twin *twin, value_id value);

/* ---- a layer solved again (refit_layer.c) ---- */

struct refit_settings {
    unsigned forms; /* bits of enum refit_form */
    bool is_rough;  /* no rows held out: the form is chosen by the rows fitted */
    int64_t places; /* at least so many of an image */
    double rate;    /* ridge strength (ridge.h) */
};

struct refit_outcome {
    enum refit_form form;             /* of several groups, the highest */
    double error_before, error_after; /* squared, over the rows sampled, of all groups */
};

/* Solves the layer, for which the twin has been run, and puts the answer into the pruned network. With refit_twin_other both: the outcome
 * is that of their sum. */
status refit_layer_solve(struct refit_twin *twin, const struct refit_layer *layer, const struct refit_settings *settings,
                         struct refit_outcome *outcome, struct diag *diag);

/* Which indices of a value's axis are removed; all false where the axis has no label. count of them. */
bool *refit_removed(struct arena *arena, const struct refit_twin *twin, value_id value, uint32_t axis, uint32_t count);

#endif
