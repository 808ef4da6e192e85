/* The graph as text, one node a line; --print-after shows it. */
#ifndef SS_IR_PRINT_H
#define SS_IR_PRINT_H

#include <stdio.h>

#include "ir/ir.h"

void print_graph(const struct graph *graph, FILE *file);

#endif
