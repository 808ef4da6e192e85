/* Constants of the model as tensors of the evaluator. */
#ifndef SS_EVAL_CONSTANT_H
#define SS_EVAL_CONSTANT_H

#include "eval/buffer.h"
#include "eval/eval.h"

/* floats that lie aligned in the file are borrowed (buffer NULL). STATUS_IO for a constant without data, STATUS_UNSUPPORTED for types
 * that are no numbers here and for more than SHAPE_MAX_RANK axes. */
status constant_convert(struct buffer_pool *pool, const struct graph *graph, value_id value, struct eval_tensor *tensor,
                        struct buffer **buffer, struct diag *diag);

/* The same of a tensor of an attribute; `owner` for messages. */
status constant_of_tensor(struct buffer_pool *pool, const struct tensor *from, const char *owner, struct eval_tensor *tensor,
                          struct buffer **buffer, struct diag *diag);

#endif
