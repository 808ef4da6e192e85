/* What the annotations of a model say, read back: the schedule (product.md 3) and the target. The other way is in json.h.
 *
 * Only the text is looked at here; whether it is legal for a graph is asked in passes/schedule_costs.c. */
#ifndef SS_REPORT_SCHEDULE_H
#define SS_REPORT_SCHEDULE_H

#include "base/array.h"
#include "cost/mapping.h"

struct schedule_group {
    const char *const *nodes;
    uint32_t node_count;
    const struct mapping *mapping; /* NULL = read once, written once */
};

struct schedule {
    ARRAY(struct schedule_group) groups; /* in execution order; group i has the id i */
};

/* STATUS_USAGE naming group and key; STATUS_UNSUPPORTED for a fused group. */
status schedule_parse(struct arena *arena, const char *text, size_t length, struct schedule *schedule, struct diag *diag);

/* A target as resolved: what json_target writes. STATUS_USAGE naming the key. */
status schedule_parse_target(struct arena *arena, const char *text, size_t length, struct target *target, struct diag *diag);

#endif
