/* Which nodes of a graph move bytes, and together with whom (the rules: README.md 1-8).
 *
 * The structure (who is an epilogue of whom) depends on the graph alone and is made once. What a layer moves is a function of the shapes,
 * which a caller may vary: pruning changes dims in a copy of the shapes table, and asks again. */
#ifndef SS_COST_LAYERS_H
#define SS_COST_LAYERS_H

#include "cost/mapping.h"
#include "op/shapes.h"

enum layer_kind {
    LAYER_NEST,   /* multiply-accumulates, with an epilogue */
    LAYER_POOL,   /* a lone pool: a nest without weight */
    LAYER_STREAM, /* reads once, writes once */
    LAYER_OPAQUE  /* the same, of a node that nobody here knows */
};

struct layer {
    node_id node;
    enum layer_kind kind;
    node_id *epilogue;
    uint32_t epilogue_count;
    uint32_t pool_at;       /* which of them is the pool that has joined; = epilogue_count: none */
    value_id input, weight; /* of a nest; weight none for a pool */
    value_id result;        /* what the nest makes, before a pool */
    value_id output;        /* what leaves the chip, after the epilogue */
    bool has_bias;
    value_id *reads; /* second activations of an epilogue; the inputs of a stream */
    uint32_t read_count;
    value_id *writes; /* the outputs of a stream */
    uint32_t write_count;
    value_id *parameters; /* constants that do not fold, read once */
    uint32_t parameter_count;
    const char *reason;         /* opaque: why */
    uint32_t alternative;       /* a nest whose epilogue has a pool: first of the layers (in `alternatives`) that do the same without; */
    uint32_t alternative_count; /* 0 = there is no choice */
};

struct layers {
    const struct graph *graph;
    const bool *is_constant;   /* indexed by value id: holds a constant, or is computed from constants alone */
    ARRAY(struct layer) items; /* in execution order */
    ARRAY(struct layer) alternatives;
};

/* STATUS_USAGE naming input, dim and --input-shape where a layer needs a dim that is not known. */
status layers_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, struct layers **layers, struct diag *diag);

/* Nodes that are done together: a layer or a pool with its epilogue, or one node that streams. */
struct layer_group {
    const node_id *nodes;
    uint32_t node_count;
    uint32_t id; /* of the schedule's group that it is of, for messages */
};

/* The layers of a schedule from outside, in its order, without alternatives. STATUS_USAGE naming group and node where the groups are none:
 * a node twice or missing, one that moves nothing, one that is no epilogue, a value read before it is made. */
status layers_of_groups(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct layer_group *groups,
                        uint32_t group_count, struct layers **layers, struct diag *diag);

/* Only of LAYER_NEST and LAYER_POOL. */
void layer_nest(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, const struct target *target,
                struct nest *nest);

/* What a layer moves beside its nest: second activations and parameters of an epilogue, or all of a stream. */
void layer_extra(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, const struct target *target,
                 struct traffic *extra);

/* Elements of the constants among them. */
int64_t layer_extra_parameters(const struct layer *layer, const struct shapes *shapes);

/* Bits of an element of a value: as activation or constant, or what the file says (README.md 8). */
uint32_t layer_value_bits(const struct layers *layers, const struct shapes *shapes, const struct target *target, value_id value);
/* All of a value at that width. 0 where its shape is not known. */
int64_t layer_value_bytes(const struct layers *layers, const struct shapes *shapes, const struct target *target, value_id value);

#endif
