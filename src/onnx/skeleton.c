#include "onnx/skeleton.h"

#include <string.h>

/* ---- protobuf-c in an arena: what it frees stays until the arena goes ---- */

static void *skeleton_alloc(void *context, size_t bytes) { return arena_alloc(context, bytes); }

static void skeleton_free(void *context, void *block) {
    (void)context;
    (void)block;
}

/* ---- a walk over any message by its descriptor ---- */

static status skeleton_visit_one(ProtobufCMessage *message, status (*visit)(void *context, Onnx__TensorProto *tensor), void *context) {
    if (!message) return STATUS_OK;
    if (message->descriptor == &onnx__tensor_proto__descriptor) return visit(context, (Onnx__TensorProto *)message);
    return skeleton_visit_tensors(message, visit, context);
}

static bool skeleton_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) return true;
    uint32_t which;
    memcpy(&which, (const char *)message + field->quantifier_offset, sizeof which);
    return which == field->id;
}

status skeleton_visit_tensors(ProtobufCMessage *message, status (*visit)(void *context, Onnx__TensorProto *tensor), void *context) {
    status result = STATUS_OK;
    for (unsigned i = 0; i < message->descriptor->n_fields && result == STATUS_OK; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE || !skeleton_is_set(message, field)) continue;
        char *member = (char *)message + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            const size_t count = *(size_t *)(void *)((char *)message + field->quantifier_offset);
            ProtobufCMessage **items = *(ProtobufCMessage ***)(void *)member;
            for (size_t k = 0; k < count && result == STATUS_OK; k++) result = skeleton_visit_one(items[k], visit, context);
        } else {
            result = skeleton_visit_one(*(ProtobufCMessage **)(void *)member, visit, context);
        }
    }
    return result;
}

/* ---- parsing ---- */

struct skeleton_locators {
    const struct scan_result *scan;
    struct diag *diag;
};

static status skeleton_locate(void *context, Onnx__TensorProto *tensor) {
    const struct skeleton_locators *locators = context;
    if (!tensor->has_raw_data || !tensor->raw_data.len) return STATUS_OK;
    uint64_t number = 0;
    for (int i = SCAN_LOCATOR_BYTES; i-- > 0;) number = number << 8 | tensor->raw_data.data[i];
    if (tensor->raw_data.len != SCAN_LOCATOR_BYTES || number >= locators->scan->locators.count)
        return diag_fail(locators->diag, STATUS_BUG, "tensor '%s': its locator is lost", tensor->name ? tensor->name : "");
    const struct scan_locator *locator = &locators->scan->locators.items[number];
    tensor->raw_data = (ProtobufCBinaryData){locator->size, (uint8_t *)locator->bytes};
    return STATUS_OK;
}

status skeleton_parse(struct onnx_model *model, struct diag *diag) {
    struct scan_result scan;
    status result = scan_model(model->arena, model->file.bytes, model->file.size, &scan, diag);
    if (result != STATUS_OK) return result;
    ProtobufCAllocator allocator = {skeleton_alloc, skeleton_free, model->arena};
    model->proto = onnx__model_proto__unpack(&allocator, scan.skeleton_size, scan.skeleton);
    if (!model->proto) return diag_fail(diag, STATUS_INVALID, "not a valid ONNX model: protobuf-c cannot parse it");
    if (!model->proto->graph) return diag_fail(diag, STATUS_INVALID, "not an ONNX model: %zu B without a graph", model->file.size);
    struct skeleton_locators locators = {&scan, diag};
    return skeleton_visit_tensors(&model->proto->base, skeleton_locate, &locators);
}

/* ---- external data ---- */

struct skeleton_external {
    struct onnx_model *model;
    ARRAY(struct os_file) files; /* by location; bytes NULL = missing */
    ARRAY(const char *) locations;
    struct diag *diag;
};

static const char *skeleton_entry(const Onnx__TensorProto *tensor, const char *key) {
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = tensor->external_data[i];
        if (entry->key && strcmp(entry->key, key) == 0) return entry->value ? entry->value : "";
    }
    return NULL;
}

static status skeleton_number(const Onnx__TensorProto *tensor, const char *key, uint64_t otherwise, uint64_t *number, struct diag *diag) {
    const char *text = skeleton_entry(tensor, key);
    *number = otherwise;
    if (!text) return STATUS_OK;
    uint64_t value = 0;
    for (const char *digit = text; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || value > (UINT64_MAX - 9) / 10 || !*text)
            return diag_fail(diag, STATUS_INVALID, "tensor '%s': external %s '%s' is no number", tensor->name ? tensor->name : "", key,
                             text);
        value = value * 10 + (uint64_t)(*digit - '0');
    }
    *number = value;
    return STATUS_OK;
}

static status skeleton_external_file(struct skeleton_external *external, const char *location, struct os_file *file) {
    for (uint32_t i = 0; i < external->locations.count; i++)
        if (strcmp(external->locations.items[i], location) == 0) {
            *file = external->files.items[i];
            return STATUS_OK;
        }
    struct onnx_model *model = external->model;
    struct diag why = {0};
    const status result = os_map_inside(model->arena, model->folder, location, file, &why);
    if (result == STATUS_IO) *file = (struct os_file){0}; /* missing: only shapes are known */
    else if (result != STATUS_OK) return diag_fail(external->diag, result, "%s", why.message);
    array_push(model->arena, &external->files, *file);
    array_push(model->arena, &external->locations, location);
    return STATUS_OK;
}

static status skeleton_load_one(void *context, Onnx__TensorProto *tensor) {
    struct skeleton_external *external = context;
    if (tensor->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) return STATUS_OK;
    const char *name = tensor->name ? tensor->name : "", *location = skeleton_entry(tensor, "location");
    if (!location) return diag_fail(external->diag, STATUS_INVALID, "tensor '%s': external data without a location", name);
    struct os_file file = {0};
    uint64_t offset, length;
    status result = external->model->folder ? skeleton_external_file(external, location, &file) : STATUS_OK;
    if (result == STATUS_OK) result = skeleton_number(tensor, "offset", 0, &offset, external->diag);
    if (result != STATUS_OK) return result;
    if (!file.bytes) {
        external->model->lacks_data = true;
        return STATUS_OK;
    }
    result = skeleton_number(tensor, "length", offset <= file.size ? file.size - offset : 0, &length, external->diag);
    if (result != STATUS_OK) return result;
    if (offset > file.size || length > file.size - offset)
        return diag_fail(external->diag, STATUS_INVALID, "tensor '%s': external data '%s' has %zu B, %llu B from %llu on are wanted", name,
                         location, file.size, (unsigned long long)length, (unsigned long long)offset);
    tensor->has_raw_data = true;
    tensor->raw_data = (ProtobufCBinaryData){length, (uint8_t *)file.bytes + offset};
    tensor->n_external_data = 0;
    tensor->has_data_location = false;
    tensor->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
    return STATUS_OK;
}

status skeleton_load_external(struct onnx_model *model, struct diag *diag) {
    struct skeleton_external external = {.model = model, .diag = diag};
    return skeleton_visit_tensors(&model->proto->base, skeleton_load_one, &external);
}
