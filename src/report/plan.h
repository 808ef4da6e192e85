/* A plan: which channels go, as data (product.md 5). Its JSON is read and written here; passes make it and apply it. */
#ifndef SS_REPORT_PLAN_H
#define SS_REPORT_PLAN_H

#include "base/array.h"

enum plan_role { PLAN_MAKES, PLAN_CARRIES, PLAN_READS };

struct plan_space {
    const char *id;
    uint32_t size;
    const uint32_t *remove; /* ascending channel numbers of the space */
    uint32_t remove_count;
};

struct plan_slice {
    const char *tensor; /* the initializer, or the output name of the Constant node */
    uint32_t axis;
    int64_t size;           /* of the axis, before */
    const uint32_t *remove; /* ascending */
    uint32_t remove_count;
    enum plan_role role;
    int64_t rows_from, rows_to; /* 0, 0 = all rows */
    const char *node;           /* the reader that gets its own copy; NULL = every reader */
};

struct plan_keep {
    const char *node;
    uint32_t keep; /* channels of its output that stay */
};

struct plan {
    const char *fingerprint; /* NULL in a hand-written one */
    ARRAY(struct plan_space) spaces;
    ARRAY(struct plan_slice) slices;
    ARRAY(struct plan_keep) keeps;
};

/* STATUS_USAGE naming the place (line, key) and what is wrong. */
status plan_parse(struct arena *arena, const char *text, size_t length, struct plan *plan, struct diag *diag);

/* JSON text, stable: same plan, same bytes. */
char *plan_print(struct arena *arena, const struct plan *plan);

#endif
