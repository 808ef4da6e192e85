/* --from-annotations: target and schedule as the model's metadata say (product.md 4). */
#ifndef SS_FROM_ANNOTATIONS_H
#define SS_FROM_ANNOTATIONS_H

#include "passes/job.h"

/* The target of the file unless --target gives another, with every override, checked. */
status annotated_target(struct job *job, struct diag *diag);

/* job->schedule. STATUS_USAGE where there is none, where it is stale, or damaged. */
status annotated_schedule(struct job *job, struct diag *diag);

/* job->costs of job->schedule. STATUS_USAGE naming group and node where it is not legal. */
status annotated_costs(struct job *job, struct diag *diag);

#endif
