/* Recovery of the network as a whole: what it did, for the report. */
#ifndef SS_RECOVER_H
#define SS_RECOVER_H

#include "passes/job.h"
#include "passes/refit_twin.h"

struct recover_layer {
    node_id node;
    enum refit_form form;
    double error_before, error_after; /* squared error of the layer's sampled outputs, relative to the sliced one's: <= 1 */
};

struct recovery {
    enum recover kind;
    ARRAY(struct recover_layer) layers;
    struct accuracy before[2], after[2]; /* sliced, recovered: images fitted, held out */
};

/* --recover, or auto where there are samples and it is not given. */
enum recover job_recover(const struct job *job);

/* Relative squared error of the outputs after recovery, on the samples held out; on all where there are none. */
double recovery_error(const struct recovery *recovery);

/* Solves the network without these channels, and measures it before and after. installs: new numbers go into the graph's constants; else
 * the graph is as it was. With RECOVER_NONE it is only measured. */
status recover_removal(struct job *job, const struct removal *removal, bool installs, struct recovery *recovery, struct diag *diag);

/* --recover bias without samples: what removed channels gave on average, as far as BatchNormalization tells, goes into their readers'
 * biases (recover_blind.c). */
status recover_blind(struct job *job, const struct removal *removal, struct diag *diag);

/* New numbers for a constant, of as many elements. STATUS_UNSUPPORTED where its type is no float. */
status recover_install(struct graph *graph, value_id id, const float *floats, struct diag *diag);

#endif
