/* One walk over the wire bytes of a model before protobuf-c sees them.
 *
 * protobuf-c recurses without limit, says nothing of where a file is wrong, and copies every payload. So this walk, driven by the same
 * generated descriptors, checks depth, lengths, wire types, names and the memory that parsing will take, and makes the skeleton: the
 * same message with each non-empty TensorProto.raw_data replaced by the 8-byte number of a locator. The skeleton is what protobuf-c
 * parses; the payloads stay where they are. */
#ifndef SS_ONNX_SCAN_H
#define SS_ONNX_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "base/array.h"

enum { SCAN_MAX_DEPTH = 100, SCAN_LOCATOR_BYTES = 8 };

struct scan_locator {
    const uint8_t *bytes;
    size_t size;
};

struct scan_result {
    uint8_t *skeleton;
    size_t skeleton_size;
    ARRAY(struct scan_locator) locators;
    size_t forecast_bytes; /* what protobuf-c will take for the skeleton */
};

/* STATUS_INVALID with the byte offset and the field's path; STATUS_LIMIT where the forecast exceeds what the arena's heap has left. */
status scan_model(struct arena *arena, const uint8_t *bytes, size_t size, struct scan_result *result, struct diag *diag);

#endif
