/* What each reader of a constant wants cut of it: shared by plan_make.c and apply*.c. */
#ifndef SS_APPLY_H
#define SS_APPLY_H

#include "passes/labels.h"

/* One binding that loses something. */
struct demand {
    const struct bound *bound;
    const uint32_t *remove;
    uint32_t remove_count;
    bool is_parted; /* other readers of the constant want something else: this one gets a copy */
};

struct demands {
    struct demand *items; /* in the order of the bindings */
    uint32_t count;
};

struct demands demands_of(struct arena *arena, const struct graph *graph, const struct spaces *spaces, const struct removal *removal);

/* How many of label[from, to) stay. */
uint32_t apply_kept(const struct spaces *spaces, const struct removal *removal, const struct label *label, uint32_t from, uint32_t to);

/* The numbers in nodes: `group`, Slice bounds, Pad amounts, Reshape dims (apply_fixups.c). */
void apply_fixups(struct graph *graph, const struct spaces *spaces, const struct removal *removal);

/* Copy on write (apply_constants.c): after it nobody else reads the constant, nor what stands between it and the reader's input.
 * Returns the value that holds the constant. */
value_id apply_make_private(struct graph *graph, node_id reader, uint32_t input, const struct bound_step *steps, uint32_t step_count);

#endif
