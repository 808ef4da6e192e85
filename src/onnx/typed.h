/* Numbers that the file stores in typed fields, as the little-endian bytes the IR works with. */
#ifndef SS_ONNX_TYPED_H
#define SS_ONNX_TYPED_H

#include "ir/ir.h"
#include "proto/onnx.pb-c.h"

/* tensor has type, dims, elements and byte_count; bytes are made. STATUS_INVALID where the field's length does not match. */
status typed_decode(struct arena *arena, const Onnx__TensorProto *proto, struct tensor *tensor, struct diag *diag);

/* value_float(s), value_int(s) of a Constant node; false for other attributes. */
bool typed_from_attribute(struct arena *arena, const struct attribute *attribute, struct tensor *tensor);

#endif
