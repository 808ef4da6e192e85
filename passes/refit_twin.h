/* Both networks side by side on the same samples, in execution order: the original as far ahead as a layer's target needs, the pruned one
 * as far as the layer's own input. What no layer left needs is dropped. */
#ifndef SS_REFIT_TWIN_H
#define SS_REFIT_TWIN_H

#include "eval/samples.h"
#include "passes/refit.h"

/* Images are held out by a rule that knows nothing of them: every eighth. */
enum { REFIT_HELD_OUT = 8 };
static inline bool refit_is_held_out(int64_t image) { return image % REFIT_HELD_OUT == REFIT_HELD_OUT - 1; }

struct refit_twin {
    struct arena *arena;
    const struct graph *graph;
    const struct spaces *spaces;
    const struct removal *removal;
    struct samples *samples;
    int64_t images;
    struct refit_layers layers;
    struct eval *original, *pruned;
    uint32_t original_at, pruned_at; /* nodes run so far */
    bool *is_changed;                /* by value id: not what it is in the original */
    uint32_t *wanted;                /* by value id: layers that still need the original's */
    struct parallel *threads;
};

/* The pruned network is the sliced one. */
status refit_twin_open(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct spaces *spaces,
                       const struct removal *removal, struct samples *samples, int64_t memory_bytes, struct parallel *threads,
                       struct refit_twin *twin, struct diag *diag);

/* Does the layer see anything but what it saw in the original? */
bool refit_twin_touches(const struct refit_twin *twin, const struct refit_layer *layer);

/* Runs both as far as the layer needs. */
status refit_twin_reach(struct refit_twin *twin, const struct refit_layer *layer, struct diag *diag);
/* The layer's part of the original may go. */
void refit_twin_leave(struct refit_twin *twin, const struct refit_layer *layer);

/* Both networks from the start again, with the weights as they are now. */
status refit_twin_rewind(struct refit_twin *twin, struct diag *diag);
/* Both networks to the end. */
status refit_twin_finish(struct refit_twin *twin, struct diag *diag);

/* ---- a layer solved again (refit_layer.c) ---- */

struct refit_settings {
    unsigned forms; /* bits of enum refit_form */
    double rate;    /* ridge strength (ridge.h) */
};

struct refit_outcome {
    enum refit_form form;             /* of several groups, the highest */
    double error_before, error_after; /* squared, over the rows sampled, of all groups */
};

/* Solves the layer, for which the twin has been run, and puts the answer into the pruned network. */
status refit_layer_solve(struct refit_twin *twin, const struct refit_layer *layer, const struct refit_settings *settings,
                         struct refit_outcome *outcome, struct diag *diag);

/* Which indices of a value's axis are removed; all false where the axis has no label. count of them. */
bool *refit_removed(struct arena *arena, const struct refit_twin *twin, value_id value, uint32_t axis, uint32_t count);

#endif
