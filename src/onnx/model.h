/* A model file: read into the IR, written back with what edits touched patched in and everything else as it was.
 *
 * The model owns the mapping of the file, the parsed skeleton and the graph (all in one arena, the caller's); the graph borrows its
 * tensors' bytes from the mapping. External data are mapped from the model's own folder and are inline from then on; where the file
 * they name is missing the tensors have no bytes, and the references are kept. */
#ifndef SS_ONNX_MODEL_H
#define SS_ONNX_MODEL_H

#include "ir/ir.h"

struct onnx_model;

status onnx_model_open(struct arena *arena, const char *path, struct onnx_model **model, struct diag *diag);

/* The bytes are borrowed. folder: where external data are looked for; NULL = nowhere. */
status onnx_model_from_bytes(struct arena *arena, const void *bytes, size_t size, const char *folder, struct onnx_model **model,
                             struct diag *diag);

struct graph *onnx_model_graph(const struct onnx_model *model);
size_t onnx_model_file_bytes(const struct onnx_model *model); /* as read */
const char *onnx_model_path(const struct onnx_model *model);
bool onnx_model_lacks_data(const struct onnx_model *model); /* some external data are missing */

enum { ONNX_INLINE_LIMIT_BYTES = INT32_MAX };

struct onnx_written {
    uint64_t model_bytes;
    uint64_t external_bytes; /* 0 = everything is inline */
};

/* Up to inline_limit_bytes everything goes into the one file; beyond it tensors of 1 KiB and more go to `<path>.data`, each at a
 * multiple of 4,096 B. Both appear whole or not at all. */
status onnx_model_write(struct onnx_model *model, const char *path, uint64_t inline_limit_bytes, struct onnx_written *written,
                        struct diag *diag);

/* The same into memory of the arena; STATUS_LIMIT above ONNX_INLINE_LIMIT_BYTES. */
status onnx_model_write_bytes(struct onnx_model *model, struct arena *arena, uint8_t **bytes, size_t *size, struct diag *diag);

/* How long the file would be, inline. */
uint64_t onnx_model_size(struct onnx_model *model);

#endif
