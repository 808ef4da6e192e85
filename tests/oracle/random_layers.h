/* Random small layers and the targets that they are searched on: all kinds, windows, widths, capacities from too small to enough. */
#ifndef SS_ORACLE_RANDOM_LAYERS_H
#define SS_ORACLE_RANDOM_LAYERS_H

#include <stdio.h>

#include "cost/mapping.h"

struct layer_class {
    const char *name;
    int dims;                   /* how many may be above 1 */
    int64_t largest[DIM_COUNT]; /* sizes */
    int64_t steps;              /* and the product of all sizes */
};

/* The layer of that number of a class: the same whatever was drawn before. */
void random_layer(const struct layer_class *class, uint64_t seed, int64_t number, struct nest *nest, struct target *target);

void print_layer(FILE *file, const struct nest *nest, const struct target *target);
void print_mapping(FILE *file, const char *what, const struct mapping *mapping, int64_t bytes, int64_t footprint_bytes);

/* How many layers have what: so that a class that no longer draws something says so. */
struct layer_counts {
    int64_t layers, split, doubled, slides, clipped, parts, grouped, batched, biased, merged, pools, transposed;
};
void count_layer(const struct nest *nest, const struct target *target, struct layer_counts *counts);
void print_counts(FILE *file, const struct layer_counts *counts);

#endif
