#include "onnx/scan.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/onnx.pb-c.h"

enum scan_wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_GROUP = 3, WIRE_GROUP_END = 4, WIRE_32 = 5 };

/* protobuf-c keeps a record of about this size for each field while it parses the message. */
enum { SCAN_MEMBER_BYTES = 48, SCAN_LENGTH_BYTES = 5, SCAN_PATH_BYTES = 200 };

struct scan {
    struct arena *arena;
    const uint8_t *bytes;
    size_t size;
    struct scan_result *result;
    size_t skeleton_capacity;
    size_t allowed_bytes;
    const ProtobufCFieldDescriptor *path[SCAN_MAX_DEPTH + 1];
    unsigned depth;
    struct diag *diag;
};

/* The message being walked: bytes [at, end) of the file. */
struct scan_frame {
    const ProtobufCMessageDescriptor *type;
    size_t at, end;
};

/* ---- messages ---- */

static status scan_fail(const struct scan *scan, size_t offset, const char *reason) {
    char path[SCAN_PATH_BYTES] = "model";
    size_t length = strlen(path);
    for (unsigned i = 0; i < scan->depth && length < sizeof path - 40; i++) {
        const int added = snprintf(path + length, sizeof path - length, ".%.30s", scan->path[i]->name);
        if (added > 0) length += (size_t)added;
    }
    return diag_fail(scan->diag, STATUS_INVALID, "not a valid ONNX model: byte %zu (in %s): %s", offset, path, reason);
}

static status scan_fail_numbers(const struct scan *scan, size_t offset, const char *what, uint64_t has, uint64_t allowed) {
    char reason[160];
    snprintf(reason, sizeof reason, "%s: %" PRIu64 ", at most %" PRIu64, what, has, allowed);
    return scan_fail(scan, offset, reason);
}

/* ---- the skeleton ---- */

static void scan_emit(struct scan *scan, const void *bytes, size_t count) {
    struct scan_result *result = scan->result;
    if (count > scan->skeleton_capacity - result->skeleton_size) {
        size_t grown = 2 * scan->skeleton_capacity + 4096;
        if (grown - result->skeleton_size < count) grown = result->skeleton_size + count;
        result->skeleton = arena_grow(scan->arena, result->skeleton, result->skeleton_size, grown);
        scan->skeleton_capacity = grown;
    }
    memcpy(result->skeleton + result->skeleton_size, bytes, count);
    result->skeleton_size += count;
}

/* A length in a fixed number of bytes, so that it can be set when the message has been walked. */
static void scan_set_length(struct scan *scan, size_t at, size_t length) {
    for (int i = 0; i < SCAN_LENGTH_BYTES; i++) {
        const uint8_t more = i + 1 < SCAN_LENGTH_BYTES ? 0x80 : 0;
        scan->result->skeleton[at + (size_t)i] = (uint8_t)((length >> (7 * i) & 0x7f) | more);
    }
}

static size_t scan_emit_length(struct scan *scan) {
    static const uint8_t room[SCAN_LENGTH_BYTES];
    const size_t at = scan->result->skeleton_size;
    scan_emit(scan, room, sizeof room);
    return at;
}

/* ---- wire format ---- */

static status scan_varint(const struct scan *scan, size_t *at, size_t end, uint64_t *number) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (*at >= end) return scan_fail(scan, *at, "a number runs past the end");
        const uint8_t byte = scan->bytes[(*at)++];
        if (shift == 63 && byte > 1) return scan_fail(scan, *at - 1, "a number of more than 64 bits");
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *number = value;
            return STATUS_OK;
        }
    }
    return scan_fail(scan, *at, "a number of more than 10 bytes");
}

static enum scan_wire scan_wire_of(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
        break;
    }
    return WIRE_VARINT;
}

static size_t scan_item_bytes(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        break;
    }
    return 8;
}

static status scan_forecast(struct scan *scan, size_t offset, size_t bytes) {
    scan->result->forecast_bytes += bytes;
    if (scan->result->forecast_bytes <= scan->allowed_bytes) return STATUS_OK;
    return diag_fail(scan->diag, STATUS_LIMIT,
                     "the model would need more than %zu B of memory (reached at byte %zu of %zu); see --max-memory", scan->allowed_bytes,
                     offset, scan->size);
}

/* ---- fields ---- */

static status scan_message(struct scan *scan, struct scan_frame frame);

static bool scan_is_raw_data(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field) {
    return type == &onnx__tensor_proto__descriptor && field->id == 9;
}

static void scan_emit_locator(struct scan *scan, const uint8_t *bytes, size_t size) {
    const struct scan_locator locator = {bytes, size};
    uint8_t number[1 + SCAN_LOCATOR_BYTES] = {SCAN_LOCATOR_BYTES};
    for (int i = 0; i < SCAN_LOCATOR_BYTES; i++) number[1 + i] = (uint8_t)((uint64_t)scan->result->locators.count >> (8 * i));
    array_push(scan->arena, &scan->result->locators, locator);
    scan_emit(scan, number, sizeof number);
}

static status scan_submessage(struct scan *scan, const ProtobufCFieldDescriptor *field, size_t at, size_t length) {
    if (scan->depth == SCAN_MAX_DEPTH) return scan_fail_numbers(scan, at, "messages nested too deep", SCAN_MAX_DEPTH + 1, SCAN_MAX_DEPTH);
    scan->path[scan->depth++] = field;
    const size_t length_at = scan_emit_length(scan);
    const size_t start = scan->result->skeleton_size;
    const status result = scan_message(scan, (struct scan_frame){field->descriptor, at, at + length});
    scan->depth--;
    if (result != STATUS_OK) return result;
    const size_t written = scan->result->skeleton_size - start;
    if (written > INT32_MAX) return scan_fail_numbers(scan, at, "a message without its payloads", written, INT32_MAX);
    scan_set_length(scan, length_at, written);
    return STATUS_OK;
}

/* A packed list: how many items it has, checked. */
static status scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field, size_t at, size_t length) {
    const enum scan_wire wire = scan_wire_of(field->type);
    size_t items = 0;
    if (wire == WIRE_VARINT) {
        for (size_t i = at, end = at + length; i < end; items++) {
            uint64_t ignored;
            const status result = scan_varint(scan, &i, end, &ignored);
            if (result != STATUS_OK) return result;
        }
    } else {
        const size_t unit = wire == WIRE_32 ? 4 : 8;
        if (length % unit) return scan_fail(scan, at, "a list whose length is no multiple of its items'");
        items = length / unit;
    }
    return scan_forecast(scan, at, items * scan_item_bytes(field->type));
}

/* A known field of wire type 2 whose payload is [at, at + length); start is where its tag stands. */
static status scan_bytes_field(struct scan *scan, const struct scan_frame *frame, const ProtobufCFieldDescriptor *field, size_t start,
                               size_t tag_end, size_t at, size_t length) {
    status result = STATUS_OK;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        scan_emit(scan, scan->bytes + start, tag_end - start);
        return scan_submessage(scan, field, at, length);
    }
    if (scan_is_raw_data(frame->type, field) && length) {
        scan_emit(scan, scan->bytes + start, tag_end - start);
        scan_emit_locator(scan, scan->bytes + at, length);
        return STATUS_OK;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING && memchr(scan->bytes + at, 0, length)) {
        scan->path[scan->depth++] = field;
        result = scan_fail(scan, at, "a NUL byte in a name or text");
        scan->depth--;
        return result;
    }
    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_BYTES) result = scan_packed(scan, field, at, length);
    else result = scan_forecast(scan, at, length + 1);
    if (length > INT32_MAX) result = scan_fail_numbers(scan, at, "the length of a field", length, INT32_MAX);
    if (result == STATUS_OK) scan_emit(scan, scan->bytes + start, at + length - start);
    return result;
}

static status scan_check_wire(const struct scan *scan, const ProtobufCFieldDescriptor *field, enum scan_wire wire, size_t start) {
    const enum scan_wire expected = scan_wire_of(field->type);
    if (wire == expected || (wire == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED)) return STATUS_OK;
    char reason[120];
    snprintf(reason, sizeof reason, "field %.60s has wire type %d, expected %d", field->name, (int)wire, (int)expected);
    return scan_fail(scan, start, reason);
}

static status scan_value(struct scan *scan, const struct scan_frame *frame, const ProtobufCFieldDescriptor *field, enum scan_wire wire,
                         size_t start, size_t *position) {
    const size_t tag_end = *position;
    uint64_t number = 0;
    status result = STATUS_OK;
    switch (wire) {
    case WIRE_VARINT:
        result = scan_varint(scan, position, frame->end, &number);
        break;
    case WIRE_64:
    case WIRE_32:
        number = wire == WIRE_64 ? 8 : 4;
        if (frame->end - *position < number) return scan_fail(scan, *position, "a number runs past the end");
        *position += number;
        break;
    case WIRE_BYTES:
        result = scan_varint(scan, position, frame->end, &number);
        if (result != STATUS_OK) return result;
        if (number > frame->end - *position)
            return scan_fail_numbers(scan, *position, "a length runs past the end", number, frame->end - *position);
        *position += number;
        if (field) return scan_bytes_field(scan, frame, field, start, tag_end, *position - number, number);
        break;
    case WIRE_GROUP:
    case WIRE_GROUP_END:
    default:
        return scan_fail(scan, start, "a wire type that ONNX does not use");
    }
    if (result == STATUS_OK) scan_emit(scan, scan->bytes + start, *position - start);
    if (result == STATUS_OK && !field) result = scan_forecast(scan, start, *position - start + sizeof(ProtobufCMessageUnknownField));
    return result;
}

static status scan_field(struct scan *scan, struct scan_frame *frame, uint64_t *seen) {
    const size_t start = frame->at;
    uint64_t tag;
    status result = scan_varint(scan, &frame->at, frame->end, &tag);
    if (result != STATUS_OK) return result;
    if (tag >> 3 == 0 || tag >> 3 > 536870911) return scan_fail(scan, start, "a field number that does not exist");
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(frame->type, (unsigned)(tag >> 3));
    const enum scan_wire wire = (enum scan_wire)(tag & 7);
    result = scan_forecast(scan, start, SCAN_MEMBER_BYTES);
    if (result == STATUS_OK && field) result = scan_check_wire(scan, field, wire, start);
    if (result != STATUS_OK) return result;
    if (field && field->label == PROTOBUF_C_LABEL_REPEATED) {
        result = scan_forecast(scan, start, scan_item_bytes(field->type));
    } else if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const uint64_t bit = (uint64_t)1 << (field - frame->type->fields);
        if (*seen & bit) {
            char reason[100];
            snprintf(reason, sizeof reason, "%.60s stands twice", field->name);
            return scan_fail(scan, start, reason);
        }
        *seen |= bit;
    }
    return result == STATUS_OK ? scan_value(scan, frame, field, wire, start, &frame->at) : result;
}

static status scan_message(struct scan *scan, struct scan_frame frame) {
    uint64_t seen = 0;
    status result = scan_forecast(scan, frame.at, frame.type->sizeof_message);
    while (result == STATUS_OK && frame.at < frame.end) result = scan_field(scan, &frame, &seen);
    return result;
}

status scan_model(struct arena *arena, const uint8_t *bytes, size_t size, struct scan_result *result, struct diag *diag) {
    const struct heap *heap = arena_heap(arena);
    struct scan scan = {.arena = arena, .bytes = bytes, .size = size, .result = result, .diag = diag, .allowed_bytes = SIZE_MAX};
    if (heap->limit_bytes) scan.allowed_bytes = heap->limit_bytes > heap->used_bytes ? heap->limit_bytes - heap->used_bytes : 0;
    *result = (struct scan_result){0};
    if (size == 0) return diag_fail(diag, STATUS_INVALID, "not an ONNX model: the file is empty");
    return scan_message(&scan, (struct scan_frame){&onnx__model_proto__descriptor, 0, size});
}
