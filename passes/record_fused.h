/* A fused group as the report has it. */
#ifndef SS_RECORD_FUSED_H
#define SS_RECORD_FUSED_H

#include "passes/record_make.h"

/* sources and layers: those of the group, made already. */
void record_fused_make(struct arena *arena, const struct graph *graph, const struct target *target, const struct record_source *sources,
                       const struct fusion_part *part, const struct record_layer *layers, struct record_group *group);

#endif
