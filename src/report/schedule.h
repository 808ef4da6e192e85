/* What the annotations of a model say, read back: the schedule (product.md 3) and the target. The other way is in json.h.
 *
 * Only the text is looked at here; whether it is legal for a graph is asked in passes/from_annotations.c. */
#ifndef SS_REPORT_SCHEDULE_H
#define SS_REPORT_SCHEDULE_H

#include "base/array.h"
#include "cost/group.h"

struct schedule_tensor {
    const char *name;
    int64_t block; /* channels that pass, or are made of what stays, at a time; 0 = held */
    bool stays;    /* held from one group to the next */
};

struct schedule_weights {
    const char *node;
    int64_t piece; /* output channels of a piece that streams; 0 = they stay */
};

struct schedule_reread {
    const char *node, *tensor;
};

struct schedule_fused {
    int64_t tile[GROUP_AXES];
    bool down_first;
    enum group_overlap overlap;
    int64_t out_blocks;
    ARRAY(struct schedule_tensor) tensors;
    ARRAY(struct schedule_weights) weights;
    ARRAY(struct schedule_reread) rereads;
};

struct schedule_group {
    const char *const *nodes;
    uint32_t node_count;
    const struct mapping *mapping;      /* of a layer */
    const struct schedule_fused *fused; /* NULL, and no mapping: read once, written once */
};

struct schedule {
    ARRAY(struct schedule_group) groups; /* in execution order; group i has the id i */
};

/* STATUS_USAGE naming group and key. */
status schedule_parse(struct arena *arena, const char *text, size_t length, struct schedule *schedule, struct diag *diag);

/* What of a file's totals no schedule says. */
struct schedule_totals {
    int64_t layer_by_layer_bytes; /* negative = not there */
    const char *lower_bound;      /* which bound */
};

/* STATUS_USAGE naming the key. */
status schedule_parse_totals(struct arena *arena, const char *text, size_t length, struct schedule_totals *totals, struct diag *diag);

/* A target as resolved: what json_target writes. STATUS_USAGE naming the key. */
status schedule_parse_target(struct arena *arena, const char *text, size_t length, struct target *target, struct diag *diag);

#endif
