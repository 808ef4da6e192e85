/* What a kernel sees: one run of one node. op.def's column `eval` names the kernel; kernels with the same arithmetic share a file.
 *
 * A kernel reads its inputs, makes each output that is wanted (kernel_output...), then fills it. Shapes of outputs are there already where
 * the operator's shape rule knows them. Loops over much data go through kernel_parallel. */
#ifndef SS_EVAL_KERNEL_H
#define SS_EVAL_KERNEL_H

#include "base/arena.h"
#include "eval/eval.h"
#include "op/op.h"

struct buffer;

struct kernel {
    struct eval *eval;
    const struct graph *graph;
    node_id id;
    const struct node *node;
    struct arena *scratch; /* goes after the node */
    unsigned threads;
    struct diag *diag;
    const struct eval_tensor **inputs; /* input_count of them; NULL = left out */
    struct eval_tensor *outputs;       /* output_count of them */
    struct buffer **output_buffers;
};

typedef status (*kernel_function)(struct kernel *kernel);

/* NULL where left out. */
const struct eval_tensor *kernel_input(const struct kernel *kernel, uint32_t index);
bool kernel_wants(const struct kernel *kernel, uint32_t output);

/* Memory for an output of the shape in outputs[output].shape, held by its type; not initialised. */
status kernel_output(struct kernel *kernel, uint32_t output, struct eval_tensor **made);
/* The same in an input's memory, where that has the output's size and nobody reads it any more: for kernels whose output element depends on
 * the input's element at the same place. Nothing may fail after it. */
status kernel_output_over(struct kernel *kernel, uint32_t output, uint32_t input, struct eval_tensor **made);
/* The input's contents under another shape. */
status kernel_output_shared(struct kernel *kernel, uint32_t output, uint32_t input);

/* Scratch of so many floats until the node has run. */
status kernel_floats(struct kernel *kernel, int64_t count, float **floats);

/* STATUS_UNSUPPORTED or another, with the node before the message. */
status kernel_fail(const struct kernel *kernel, status code, const char *format, ...) DIAG_PRINTF(3, 4);

/* All integers of an attribute where the node has it, else of an input; false where neither is there. */
bool kernel_integers(const struct kernel *kernel, const char *attribute, uint32_t input, const int64_t **numbers, uint32_t *count);
/* The one number of an input; `otherwise` where it is left out or empty. */
double kernel_number(const struct kernel *kernel, uint32_t input, double otherwise);
double eval_element(const struct eval_tensor *tensor, int64_t index);

/* Wraps to the type's range as C casts do; bool: 0 or 1. */
int64_t kernel_wrapped(enum data_type type, int64_t number);
/* Toward zero; what no 64 bits hold is their end, NaN is 0. */
int64_t kernel_whole(double number);

/* body(context, block, worker) for blocks [0, count), on at most `threads` workers numbered from 0; each block once, in any order. A block
 * must write what no other block touches, and its results must not depend on the worker. `work`: rough number of operations of all: little
 * is done by one worker. */
void kernel_parallel(const struct kernel *kernel, int64_t count, double work,
                     void (*body)(const void *context, int64_t block, unsigned worker), const void *context);

/* Before a loop whose turns do not depend on each other: an output may lie in its input's memory, element on element. */
#ifdef _OPENMP
#define KERNEL_SIMD _Pragma("omp simd")
#else
#define KERNEL_SIMD
#endif

/* Blocks of `of` that cover `all`; the size of the block numbered `at`. */
static inline int64_t kernel_blocks(int64_t all, int64_t of) { return (all + of - 1) / of; }
static inline int64_t kernel_block(int64_t all, int64_t of, int64_t at) { return all - at * of < of ? all - at * of : of; }

/* Product of dims [from, to). */
int64_t kernel_product(const struct shape *shape, uint32_t from, uint32_t to);

#define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label, eval)                           \
    status kernel_##eval(struct kernel *kernel);
#include "op/op.def"
#undef OP
status kernel_opaque(struct kernel *kernel); /* no kernel: STATUS_UNSUPPORTED */

#endif
