/* Tables for people: the verdict, layers, before against after, spaces. UTF-8, aligned, cut to the width of a terminal (0 = as wide as it
 * takes); colour only where asked for. */
#ifndef SS_REPORT_TABLE_H
#define SS_REPORT_TABLE_H

#include <stdio.h>

#include "report/record.h"

struct table_style {
    FILE *file;
    unsigned columns; /* 0 = no limit */
    bool colour;
};

void table_verdict(const struct table_style *style, const struct record *record);
void table_layers(const struct table_style *style, const struct record *record);
/* The same by a published cost model: its strategies in place of mappings; bytes rounded up. */
void table_published(const struct table_style *style, const struct record *record);
/* What pruning or another tool changed: widths, bytes, MACs, parameters per layer and in total. */
void table_changes(const struct table_style *style, const struct record *before, const struct record *after);
void table_spaces(const struct table_style *style, const struct record *record);
/* Of a record with a sweep: verdict, then powers of two and the knees that save most. */
void table_sweep(const struct table_style *style, const struct record *record);
void table_opaque(const struct table_style *style, const struct record *record);
/* The layer of that name, or with a node of that name in its epilogue; NULL with STATUS_USAGE and the nearest name in diag. */
const struct record_layer *table_explain_find(const struct record *record, const char *name, struct diag *diag);
/* A layer's schedule drawn: loops from outer to inner, buffers where they sit, what they hold and how often they are filled. */
void table_explain(const struct table_style *style, const struct record *record, const struct record_layer *layer);
/* Of a record with accuracy: two models' outputs on samples. */
void table_accuracy(const struct table_style *style, const struct record *record);
/* The fused group that it is in: the loop over tiles, the tensors on the chip and what they hold, the weights. */
void table_explain_group(const struct table_style *style, const struct record *record, const struct record_group *group);
/* One line for each layer that does not fit; nothing where all do. The verdict only counts them. */
void table_infeasible(const struct table_style *style, const struct record *record);

/* The one line for a layer that does not fit, for messages too. */
void table_infeasible_line(const struct record_layer *layer, const struct target *target, char *line, size_t size);

/* "1,234,567" and "1.2 MiB" into a buffer; returns it. */
const char *table_number(int64_t number, char text[32]);
const char *table_bytes(int64_t bytes, char text[32]);

#endif
