/* Is the graph whole? Use lists agree with inputs, producers with outputs, the order is topological and complete, names are unique,
 * tensors' byte counts match their dims. A violation after a pass is STATUS_BUG, naming the first fault. */
#ifndef SS_IR_VERIFY_H
#define SS_IR_VERIFY_H

#include "ir/ir.h"

status verify_graph(const struct graph *graph, struct diag *diag);

#endif
