/* Sorts the order so that producers come first, keeping the given order wherever it is legal already.
 * STATUS_INVALID naming a node of the cycle where there is one. */
#ifndef SS_IR_ORDER_H
#define SS_IR_ORDER_H

#include "ir/ir.h"

status order_sort(struct graph *graph, struct diag *diag);

#endif
