/* What an evaluator holds; eval.c and kernel.c alone see it. */
#ifndef SS_EVAL_STATE_H
#define SS_EVAL_STATE_H

#include "eval/buffer.h"
#include "eval/eval.h"

/* A value's place. Fixed: it follows from constants alone, so it outlives the batch. */
struct slot {
    struct eval_tensor tensor;
    struct buffer *buffer; /* NULL: borrowed from the model file */
    bool is_there;
    bool is_kept;     /* by the caller, or as a graph output */
    bool is_fixed;    /* its contents are those of every batch */
    bool is_replaced; /* fixed, and given by the caller: no producer overwrites it */
    uint32_t last_use;
};

struct eval {
    const struct graph *graph;
    struct arena *arena;
    struct buffer_pool pool;
    struct parallel *parallel;
    int blas_threads;            /* before this evaluator */
    struct shapes *shapes;       /* of what is there */
    struct slot *slots;          /* by value id */
    uint32_t *positions;         /* by node id: place in execution order */
    bool *is_fixed;              /* by position: the node depends on constants alone */
    bool *is_wanted;             /* by position: such a node, to be run before anything else */
    bool has_wanted_to_be_found; /* is_wanted is out of date */
};

/* The contents of a value; a constant's are converted. NULL where it is not there. STATUS_IO for a constant without data,
 * STATUS_UNSUPPORTED for one of a type that holds no numbers. */
status eval_fetch(struct eval *eval, value_id value, const struct eval_tensor **contents, struct diag *diag);

#endif
