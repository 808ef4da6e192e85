/* The parsed skeleton, shared by reader and writer. */
#ifndef SS_ONNX_SKELETON_H
#define SS_ONNX_SKELETON_H

#include "base/os.h"
#include "onnx/model.h"
#include "onnx/scan.h"
#include "proto/onnx.pb-c.h"

struct onnx_model {
    struct arena *arena;
    struct os_file file;
    const char *folder; /* NULL: external data are not looked for */
    bool lacks_data;
    Onnx__ModelProto *proto;
    ARRAY(Onnx__TensorProto *) tensors; /* by tensor.origin - 1 */
    struct graph *graph;
};

/* Scans, parses, and lets every raw_data of every tensor point into the file. */
status skeleton_parse(struct onnx_model *model, struct diag *diag);

/* Every TensorProto anywhere below a message. */
status skeleton_visit_tensors(ProtobufCMessage *message, status (*visit)(void *context, Onnx__TensorProto *tensor), void *context);

/* Maps external data, so that tensors hold their bytes from here on. */
status skeleton_load_external(struct onnx_model *model, struct diag *diag);

#endif
