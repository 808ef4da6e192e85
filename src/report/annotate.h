/* The record as annotations of the graph (product.md 4): the model's superslash.* properties are the record, the nodes' a convenience.
 * Own stale keys are replaced, foreign ones kept; the same record annotates twice to the same bytes. */
#ifndef SS_REPORT_ANNOTATE_H
#define SS_REPORT_ANNOTATE_H

#include "report/record.h"

void annotate_graph(struct graph *graph, const struct record *record);
/* Removes every key that starts with "superslash." */
void annotate_strip(struct graph *graph);

#endif
