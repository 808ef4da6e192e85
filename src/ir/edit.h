/* The only way to change a graph. Edges change through the first five functions alone; they keep use lists, order and the writer's
 * marks right. Ids of removed nodes stay valid and say `removed`. */
#ifndef SS_IR_EDIT_H
#define SS_IR_EDIT_H

#include "ir/ir.h"

/* --- edges --- */

/* A value without producer. The name must be new; "" or a name that is taken becomes a free one made from it ("x_1"). */
value_id edit_add_value(struct graph *graph, const char *name);

/* Appends to the order, or inserts before a node. The outputs must have no producer yet. */
node_id edit_add_node(struct graph *graph, node_id before, const char *domain, const char *op_type, const char *name,
                      const value_id *inputs, uint32_t input_count, const value_id *outputs, uint32_t output_count);

/* Its outputs must be unused and no graph outputs. */
void edit_remove_node(struct graph *graph, node_id id);

/* Grows the input list with none where the index is beyond it. */
void edit_set_input(struct graph *graph, node_id id, uint32_t index, value_id value);

/* Every use of `from` by a node becomes one of `to` (captures by bodies and graph outputs stay). */
void edit_replace_uses(struct graph *graph, value_id from, value_id to);

/* --- building, for the reader and for tests --- */

void edit_mark_input(struct graph *graph, value_id value);
void edit_mark_output(struct graph *graph, value_id value);
void edit_add_captures(struct graph *graph, node_id id, const value_id *captures, uint32_t count);
/* The struct is copied; the id belongs to nobody yet. */
tensor_id edit_add_tensor(struct graph *graph, const struct tensor *tensor);
/* Makes the value an initializer. */
void edit_add_initializer(struct graph *graph, value_id value, tensor_id tensor);
struct attribute *edit_add_attribute(struct graph *graph, node_id id, const struct attribute *attribute);

/* --- contents --- */

/* A copy of the constant for one reader: a new initializer with a free name, the node's input moved to it. Returns the value. */
value_id edit_split_constant(struct graph *graph, node_id reader, uint32_t input);

/* bytes are kept, not copied. */
void edit_set_tensor(struct graph *graph, tensor_id id, const int64_t *dims, uint32_t rank, const uint8_t *bytes, size_t byte_count);
/* The tensor becomes what the cut leaves of it (cut.h). */
void edit_cut_tensor(struct graph *graph, tensor_id id, const struct cut *cut);

void edit_set_int(struct graph *graph, node_id id, const char *name, int64_t number);
void edit_set_ints(struct graph *graph, node_id id, const char *name, const int64_t *numbers, uint32_t count);

/* One axis of what the file declares of a value; nothing where it declares none, or a symbol there. */
void edit_set_declared_dim(struct graph *graph, value_id value, uint32_t axis, int64_t size);

/* node NODE_NONE = the model's. A NULL value removes the key. */
void edit_set_property(struct graph *graph, node_id node, const char *key, const char *value);
void edit_drop_properties(struct graph *graph, node_id node, const char *key_prefix);

#endif
