/* What recovery did, for the report. */
#ifndef SS_RECOVER_H
#define SS_RECOVER_H

#include "passes/accuracy.h"
#include "passes/refit_twin.h"

struct recover_layer {
    node_id node;
    enum refit_form form;
    double error_before, error_after; /* squared error of the layer's sampled outputs, relative to the sliced one's: <= 1 */
};

struct recovery {
    ARRAY(struct recover_layer) layers;
    struct accuracy before[2], after[2]; /* sliced, recovered: images fitted, held out */
};

#endif
