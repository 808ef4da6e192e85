/* A layer table: layers as rows of a CSV file, in place of a model (product.md 6). */
#ifndef SS_COST_TABLE_H
#define SS_COST_TABLE_H

#include "cost/nest.h"

struct layer_row {
    const char *name;                                  /* "layer1", "layer2" ... where the table gives none */
    uint32_t line;                                     /* in the file, from 1 */
    struct nest nest;                                  /* no bias; widths of the target; the merged pool is in its axes oh and ow */
    int64_t pool;                                      /* the pooling factor as given; 1 = none */
    double input_factor, output_factor, weight_factor; /* compression ci, co, cw; 1 where not given */
};

struct layer_table {
    const struct layer_row *rows;
    uint32_t row_count;
};

/* `path` names the file in messages. Batch (where there is no column n) and widths come from the target; with `bits: model` those that
 * hold where a file gives none. STATUS_USAGE naming line and column, STATUS_LIMIT for a layer beyond 63 bits. */
status layer_table_read(struct arena *arena, const char *path, const char *text, size_t length, const struct target *target,
                        struct layer_table *table, struct diag *diag);

#endif
