/* Fused groups of a schedule from outside: their layers as members, its words as a schedule that is legal and fits. */
#ifndef SS_GIVEN_FUSION_H
#define SS_GIVEN_FUSION_H

#include "passes/costs.h"
#include "passes/job.h"

/* Sets `fused` of each part whose group of job->schedule is; parts[i] is group i, of layers of `given`. STATUS_USAGE naming group, node or
 * tensor, and numbers, where layers cannot be a group, or the schedule is not legal or does not fit. */
status given_fusion(const struct job *job, const struct layers *given, struct cost_given *parts, struct diag *diag);

#endif
