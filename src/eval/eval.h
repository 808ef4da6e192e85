/* The evaluator: runs a graph on data, node by node in execution order, so that a caller can look at, replace and keep what it likes.
 *
 *     struct eval *eval = eval_new(arena, graph, &(struct eval_settings){.threads = parallel_new(arena, 2), .memory_bytes = 1 << 30});
 *     eval_check(graph, diag)                           every operator has a kernel
 *     eval_keep(eval, value, true)                      stays after its last reader
 *     eval_next(eval)                                   a new batch: all that was computed goes
 *     eval_set(eval, input, &contents, diag)            dims as the batch has them, any batch size
 *     eval_run(eval, 0, eval_node_count(eval), diag)    nodes graph->order[from..to)
 *     eval_get(eval, output)->floats
 *
 * Everything that is not whole numbers is computed in float32; integers and bools are exact, in 64 bits wrapped to their type. Shapes
 * follow from the data: the operators' own shape rules run on the dims and numbers that are there. Nodes that depend on constants alone run
 * once and stay for all batches.
 *
 * Results do not depend on the number of threads: loops are parallel over blocks of fixed size, BLAS runs on one thread.
 *
 * Ownership: an eval lives in its arena, its tensors with it. The graph is read, never changed, and outlives it; it must not be edited
 * meanwhile, but for constants whose new contents are handed to eval_set. An eval is used by one thread at a time; several may share a
 * graph, and the threads. Errors: STATUS_UNSUPPORTED (operator, attribute, a shape that cannot be known), STATUS_INVALID (shapes that
 * contradict their operator), STATUS_LIMIT (more activations at once than memory_bytes), each with the node. After a failure the values are
 * as before the node. */
#ifndef SS_EVAL_H
#define SS_EVAL_H

#include "base/parallel.h"
#include "op/shapes.h"

struct eval;

/* Row-major, contiguous. One of floats and integers is set, by the type: floats for FLOAT, FLOAT16, BFLOAT16 and DOUBLE. */
struct eval_tensor {
    struct shape shape; /* all dims known */
    int64_t elements;
    float *floats;
    int64_t *integers;
};

struct eval_settings {
    struct parallel *threads; /* NULL = the caller's alone */
    int64_t memory_bytes;     /* most that activations and scratch may take at once, constants not counted; 0 = no limit */
};

/* ---- what can be run ---- */

bool eval_supports(const struct graph *graph, node_id node);
/* The first node in execution order without a kernel; none where all have one. */
node_id eval_first_unsupported(const struct graph *graph);
/* STATUS_UNSUPPORTED with the first node and all operators that are lacking. */
status eval_check(const struct graph *graph, struct diag *diag);

/* ---- an evaluator ---- */

struct eval *eval_new(struct arena *arena, const struct graph *graph, const struct eval_settings *settings);

uint32_t eval_node_count(const struct eval *eval);
/* Position in execution order of a node, and of the last node that reads a value (its bodies too): UINT32_MAX for a graph output, and
 * the position of its producer where nothing reads it. */
uint32_t eval_position(const struct eval *eval, node_id node);
uint32_t eval_last_use(const struct eval *eval, value_id value);

/* A value that is kept outlives its last reader; it goes at eval_next, by eval_drop, or once it is kept no more. Graph outputs are
 * always kept. */
void eval_keep(struct eval *eval, value_id value, bool keep);
void eval_drop(struct eval *eval, value_id value);

/* Forgets all values of the batch; constants, what follows from them alone, and what eval_set gave in their place stay. */
void eval_next(struct eval *eval);

/* Runs the nodes at positions [from, to). Inputs that are missing are STATUS_USAGE, with their name. A value stays until its last
 * reader has run: to run a range twice, keep what it reads. */
status eval_run(struct eval *eval, uint32_t from, uint32_t to, struct diag *diag);

/* NULL where the value is not there (not computed yet, or gone). Constants are converted at the first call. Valid until the value is
 * dropped, replaced, or freed after its last reader. */
const struct eval_tensor *eval_get(struct eval *eval, value_id value);

/* Takes a copy of the contents as the value: an input, anything computed, or a constant, which then holds for all batches, and what
 * follows from it is computed anew. A value that is replaced is overwritten when its producer runs (again), but for one that follows from
 * constants alone. STATUS_LIMIT as above. */
status eval_set(struct eval *eval, value_id value, const struct eval_tensor *contents, struct diag *diag);
/* Of that shape, not initialised, to be filled by the caller before the next eval_run. */
status eval_set_blank(struct eval *eval, value_id value, const struct shape *shape, struct eval_tensor **contents, struct diag *diag);

/* Bytes of activations and scratch: now, and the most since eval_new. Activations scale with the batch: to choose a batch size, run one
 * image and divide. */
int64_t eval_used_bytes(const struct eval *eval);
int64_t eval_peak_bytes(const struct eval *eval);

/* Whether values of the type are held as floats, as integers; neither for strings, complex numbers and floats below 16 bits. */
bool eval_is_float(enum data_type type);
bool eval_is_integer(enum data_type type);

#endif
