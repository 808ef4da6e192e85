/* Which channels live and die together (pruning.md 1).
 *
 * Every channel-like axis of a value carries a label array: index -> atom. Data-moving operators compute their output's arrays from their
 * input's, contractions make new atoms and consume the old ones, union-find merges atoms where two producers must agree, and what may not
 * go is pinned with a reason. Atoms of equal standing form a space; channel c of space s is the pair (s, c) everywhere below. */
#ifndef SS_SPACES_H
#define SS_SPACES_H

#include "op/shapes.h"
#include "passes/options.h"
#include "report/plan.h"

#define CHANNEL_NONE UINT32_MAX

/* One index of a labelled axis: which channel it shows. space CHANNEL_NONE: pinned, never goes. */
struct channel {
    uint32_t space, index;
};

/* A constant that is cut: index i of `axis` shows channels[i]. */
struct binding {
    value_id constant; /* the value that holds the tensor (initializer or Constant node's output), behind DequantizeLinear and kin */
    uint32_t axis;
    int64_t rows_from, rows_to; /* of axis 0: this binding holds for these rows only; 0, 0 = all */
    enum plan_role role;
    node_id reader; /* the node whose operand it is (not the DequantizeLinear between) */
    uint32_t input; /* which of its inputs */
    const struct channel *channels;
    uint32_t channel_count;
};

/* An axis of a computed value that shows channels. */
struct labelled_axis {
    value_id value;
    uint32_t axis;
    const struct channel *channels; /* shared between values */
    uint32_t channel_count;
};

/* How many indices of labelled axis `axis` (spaces->axes) show one channel of this space. */
struct space_axis {
    uint32_t axis;
    uint32_t each;          /* the same number for every channel ... */
    const uint32_t *counts; /* ... or, where not NULL, counts[c] */
};

struct space {
    const char *id;
    uint32_t size;
    const char *fixed;              /* a reason a person can read; NULL = it can be pruned */
    uint32_t cell_count, cell_size; /* equally many go from each cell; cell_count 1 = free choice */
    const uint32_t *const *cells;   /* [cell_count][cell_size] channels; NULL where cell_count is 1 */
    node_id maker;                  /* the first in execution order; none where only constants make it */
    const struct space_axis *axes;
    uint32_t axis_count;
    const char *const *members; /* "makes conv1", "carries bn1", "reads conv2", unique, in execution order */
    uint32_t member_count;
};

struct spaces {
    ARRAY(struct space) items;
    ARRAY(struct binding) bindings;
    ARRAY(struct labelled_axis) axes;
    struct spaces_private *private_; /* label arrays and fixups, for spaces_apply */
};

/* Never fails for what it does not understand: that is pinned. options: keep, only (STATUS_USAGE for a node that does not exist). */
status spaces_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct options *options,
                   struct spaces **spaces, struct diag *diag);

/* The labelled axis (index into spaces->axes) of a value's axis; CHANNEL_NONE where it has none. */
uint32_t spaces_axis_of(const struct spaces *spaces, value_id value, uint32_t axis);

/* Which channels go: removed[space][channel]. */
struct removal {
    bool **removed;
    uint32_t *counts; /* per space */
};
void removal_init(struct arena *arena, const struct spaces *spaces, struct removal *removal);

static inline bool removal_has(const struct removal *removal, struct channel channel) {
    return channel.space != CHANNEL_NONE && removal->removed[channel.space][channel.index];
}

/* Is it legal: nothing of a fixed space, equally many from each cell, something left of every cell and of every labelled axis?
 * STATUS_USAGE with space or value and numbers. */
status removal_check(const struct graph *graph, const struct spaces *spaces, const struct removal *removal, struct diag *diag);

/* importance[space][channel] >= 0: sum over what makes the channel, BatchNormalization folded (importance.c). Spaces that are fixed are
 * NULL. STATUS_UNSUPPORTED naming the tensor whose numbers cannot be read (missing external data). */
status importance_of_spaces(struct arena *arena, const struct graph *graph, const struct spaces *spaces, enum importance kind,
                            double ***importance, struct diag *diag);

/* Slices, spaces and fingerprint of a removal (plan_make.c). */
status plan_make(struct arena *arena, const struct graph *graph, const struct spaces *spaces, const struct removal *removal,
                 struct plan *plan, struct diag *diag);
/* The other way; a plan's slices, where it has any, must be the ones that its spaces make. "keep" plans take the least important.
 * STATUS_USAGE naming the first tensor, space, node or number that does not fit. */
status plan_to_removal(struct arena *arena, const struct graph *graph, const struct spaces *spaces, const struct plan *plan,
                       double *const *importance, struct removal *removal, struct diag *diag);

/* Cuts the constants, rewrites `group`, Slice, Pad and Reshape constants and declared shapes (apply.c). Shared tensors are copied where
 * readers part. */
status spaces_apply(struct arena *arena, struct graph *graph, const struct spaces *spaces, const struct removal *removal,
                    struct diag *diag);

#endif
