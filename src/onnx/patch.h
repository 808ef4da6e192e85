/* The message to write: the skeleton where nothing changed, shallow copies with the IR's edits where something did. */
#ifndef SS_ONNX_PATCH_H
#define SS_ONNX_PATCH_H

#include "ir/cut.h"
#include "onnx/skeleton.h"

/* A payload that is gathered while it is written: a raw_data whose data pointer is the stream itself. */
struct patch_stream {
    const struct cut *cut;
};

struct patch {
    struct arena *arena;
    const struct onnx_model *model;
    struct patch_stream *streams; /* one array, so that a pointer into it is recognised */
    uint32_t stream_count;
    Onnx__ModelProto *proto;
};

/* The skeleton is not changed; the patch lives in the arena. */
void patch_make(struct patch *patch, struct arena *arena, const struct onnx_model *model);

#endif
