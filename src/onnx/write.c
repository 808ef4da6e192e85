/* The patched message as bytes: to a file, beside it where it is too long, or to memory. */
#include <string.h>

#include "onnx/patch.h"

enum { WRITE_EXTERNAL_FROM_BYTES = 1024, WRITE_EXTERNAL_ALIGNMENT = 4096 };

/* Where protobuf-c's pieces go. `base` first: it is what protobuf-c passes back. */
struct write_sink {
    ProtobufCBuffer base;
    const struct patch *patch;
    uint8_t *row; /* scratch for one row of a cut */
    size_t row_capacity;
    struct os_output *output; /* either this */
    uint8_t *bytes;           /* or this */
    size_t size;
};

static void write_plain(struct write_sink *sink, const uint8_t *bytes, size_t count) {
    if (sink->output) {
        os_output_write(sink->output, bytes, count);
    } else {
        if (count) memcpy(sink->bytes + sink->size, bytes, count);
        sink->size += count;
    }
}

static void write_cut(struct write_sink *sink, const struct cut *cut) {
    const size_t row_bytes = cut_row_bytes(cut);
    if (row_bytes > sink->row_capacity) {
        sink->row = arena_alloc(sink->patch->arena, row_bytes);
        sink->row_capacity = row_bytes;
    }
    for (int64_t row = 0, rows = cut_rows(cut); row < rows; row++) {
        cut_row(cut, row, sink->row);
        write_plain(sink, sink->row, row_bytes);
    }
}

static bool write_is_stream(const struct patch *patch, const uint8_t *bytes) {
    const uintptr_t at = (uintptr_t)bytes, from = (uintptr_t)patch->streams;
    return at >= from && at < from + patch->stream_count * sizeof *patch->streams;
}

static void write_append(ProtobufCBuffer *buffer, size_t count, const uint8_t *bytes) {
    struct write_sink *sink = (struct write_sink *)(void *)buffer;
    if (write_is_stream(sink->patch, bytes)) write_cut(sink, ((const struct patch_stream *)(const void *)bytes)->cut);
    else write_plain(sink, bytes, count);
}

/* ---- external data ---- */

static uint64_t write_align(uint64_t offset) {
    return (offset + WRITE_EXTERNAL_ALIGNMENT - 1) / WRITE_EXTERNAL_ALIGNMENT * WRITE_EXTERNAL_ALIGNMENT;
}

static Onnx__StringStringEntryProto *write_entry(struct arena *arena, const char *key, char *value) {
    Onnx__StringStringEntryProto *entry = ARENA_NEW(arena, Onnx__StringStringEntryProto);
    onnx__string_string_entry_proto__init(entry);
    entry->key = arena_copy_text(arena, key);
    entry->value = value;
    return entry;
}

/* Moves one initializer's payload beside the model; returns the proto that refers to it. */
static Onnx__TensorProto *write_outside(struct write_sink *data, const Onnx__TensorProto *tensor, const char *location, uint64_t *offset) {
    static const uint8_t zeros[WRITE_EXTERNAL_ALIGNMENT];
    struct arena *arena = data->patch->arena;
    Onnx__TensorProto *proto = arena_copy(arena, tensor, sizeof *tensor);
    write_plain(data, zeros, write_align(*offset) - *offset);
    *offset = write_align(*offset);
    write_append(&data->base, tensor->raw_data.len, tensor->raw_data.data);
    proto->has_raw_data = false;
    proto->raw_data = (ProtobufCBinaryData){0};
    proto->has_data_location = true;
    proto->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    proto->n_external_data = 3;
    proto->external_data = ARENA_ARRAY(arena, Onnx__StringStringEntryProto *, 3);
    proto->external_data[0] = write_entry(arena, "location", arena_copy_text(arena, location));
    proto->external_data[1] = write_entry(arena, "offset", arena_print(arena, "%llu", (unsigned long long)*offset));
    proto->external_data[2] = write_entry(arena, "length", arena_print(arena, "%zu", tensor->raw_data.len));
    *offset += tensor->raw_data.len;
    return proto;
}

static status write_data_file(struct patch *patch, const char *path, struct os_output **output, uint64_t *data_bytes, struct diag *diag) {
    struct arena *arena = patch->arena;
    const char *data_path = arena_print(arena, "%s.data", path), *location = os_file_name_of(arena, data_path);
    const status result = os_output_open(arena, data_path, output, diag);
    if (result != STATUS_OK) return result;
    struct write_sink sink = {.base = {write_append}, .patch = patch, .output = *output};
    Onnx__GraphProto *graph = patch->proto->graph;
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (graph->initializer[i]->has_raw_data && graph->initializer[i]->raw_data.len >= WRITE_EXTERNAL_FROM_BYTES)
            graph->initializer[i] = write_outside(&sink, graph->initializer[i], location, data_bytes);
    return os_output_close(*output, diag);
}

/* ---- the calls ---- */

static status write_files(struct patch *patch, const char *path, uint64_t inline_limit_bytes, struct onnx_written *written,
                          struct diag *diag) {
    struct os_output *data = NULL, *output;
    status result = STATUS_OK;
    *written = (struct onnx_written){protobuf_c_message_get_packed_size(&patch->proto->base), 0};
    if (written->model_bytes > inline_limit_bytes) {
        if (strcmp(path, "-") == 0)
            return diag_fail(diag, STATUS_LIMIT, "the model has %llu B, above %llu B it needs external data beside a file: give -o FILE",
                             (unsigned long long)written->model_bytes, (unsigned long long)inline_limit_bytes);
        result = write_data_file(patch, path, &data, &written->external_bytes, diag);
        if (result != STATUS_OK) return result;
        written->model_bytes = protobuf_c_message_get_packed_size(&patch->proto->base);
        if (written->model_bytes > ONNX_INLINE_LIMIT_BYTES)
            return diag_fail(diag, STATUS_LIMIT, "the model has %llu B without its initializers, at most %d B can be written",
                             (unsigned long long)written->model_bytes, ONNX_INLINE_LIMIT_BYTES);
    }
    result = os_output_open(patch->arena, path, &output, diag);
    if (result != STATUS_OK) return result;
    struct write_sink sink = {.base = {write_append}, .patch = patch, .output = output};
    protobuf_c_message_pack_to_buffer(&patch->proto->base, &sink.base);
    result = os_output_close(output, diag);
    if (result == STATUS_OK && data) result = os_output_commit(data, diag);
    return result == STATUS_OK ? os_output_commit(output, diag) : result;
}

status onnx_model_write(struct onnx_model *model, const char *path, uint64_t inline_limit_bytes, struct onnx_written *written,
                        struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(model->arena));
    struct patch patch;
    struct onnx_written done;
    patch_make(&patch, scratch, model);
    const status result = write_files(&patch, path, inline_limit_bytes, &done, diag);
    arena_free(scratch);
    if (result == STATUS_OK && written) *written = done;
    return result;
}

status onnx_model_write_bytes(struct onnx_model *model, struct arena *arena, uint8_t **bytes, size_t *size, struct diag *diag) {
    struct patch patch;
    patch_make(&patch, arena, model);
    const size_t packed = protobuf_c_message_get_packed_size(&patch.proto->base);
    if (packed > ONNX_INLINE_LIMIT_BYTES)
        return diag_fail(diag, STATUS_LIMIT, "the model has %zu B, at most %d B fit one ONNX message", packed, ONNX_INLINE_LIMIT_BYTES);
    struct write_sink sink = {.base = {write_append}, .patch = &patch, .bytes = arena_alloc(arena, packed)};
    protobuf_c_message_pack_to_buffer(&patch.proto->base, &sink.base);
    *bytes = sink.bytes;
    *size = sink.size;
    return STATUS_OK;
}

uint64_t onnx_model_size(struct onnx_model *model) {
    struct arena *scratch = arena_new(arena_heap(model->arena));
    struct patch patch;
    patch_make(&patch, scratch, model);
    const uint64_t size = protobuf_c_message_get_packed_size(&patch.proto->base);
    arena_free(scratch);
    return size;
}
