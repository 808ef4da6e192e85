#include "onnx/typed.h"

#include <string.h>

/* Items of item_bytes each, taken from 32- or 64-bit words, low bytes first. */
static uint8_t *typed_pack(struct arena *arena, const void *words, size_t count, size_t word_bytes, size_t item_bytes) {
    uint8_t *bytes = arena_alloc_array(arena, count, item_bytes);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        if (word_bytes == 4) {
            uint32_t half;
            memcpy(&half, (const uint8_t *)words + 4 * i, 4);
            word = half;
        } else {
            memcpy(&word, (const uint8_t *)words + 8 * i, 8);
        }
        for (size_t k = 0; k < item_bytes; k++) bytes[i * item_bytes + k] = (uint8_t)(word >> (8 * k));
    }
    return bytes;
}

struct typed_field {
    const void *words;
    size_t count, word_bytes;
    size_t per_element; /* words of one element: 2 for complex */
};

static struct typed_field typed_field_of(const Onnx__TensorProto *proto, enum data_type type) {
    const size_t per_element = type == TYPE_COMPLEX64 || type == TYPE_COMPLEX128 ? 2 : 1;
    if (type == TYPE_FLOAT || type == TYPE_COMPLEX64) return (struct typed_field){proto->float_data, proto->n_float_data, 4, per_element};
    if (type == TYPE_INT64) return (struct typed_field){proto->int64_data, proto->n_int64_data, 8, per_element};
    if (type == TYPE_UINT32 || type == TYPE_UINT64) return (struct typed_field){proto->uint64_data, proto->n_uint64_data, 8, per_element};
    if (type == TYPE_DOUBLE || type == TYPE_COMPLEX128)
        return (struct typed_field){proto->double_data, proto->n_double_data, 8, per_element};
    return (struct typed_field){proto->int32_data, proto->n_int32_data, 4, per_element};
}

/* One number per word, packed into a stream of `bits` each (6-bit floats; 4 and 2 bits stand packed in the words already). */
static uint8_t *typed_pack_bits(struct arena *arena, const int32_t *words, size_t count, uint32_t bits) {
    uint8_t *bytes = arena_alloc(arena, (count * bits + 7) / 8);
    for (size_t i = 0, at = 0; i < count; i++)
        for (uint32_t k = 0; k < bits; k++, at++)
            if ((uint32_t)words[i] >> k & 1) bytes[at / 8] = (uint8_t)(bytes[at / 8] | 1u << at % 8);
    return bytes;
}

status typed_decode(struct arena *arena, const Onnx__TensorProto *proto, struct tensor *tensor, struct diag *diag) {
    const struct typed_field field = typed_field_of(proto, tensor->type);
    const uint32_t bits = type_bits(tensor->type);
    const size_t item_bytes = bits < 8 ? 1 : bits / 8 / field.per_element;
    const size_t wanted = bits < 8 && bits != 6 ? tensor->byte_count : (size_t)tensor->elements * field.per_element;
    if (field.count != wanted)
        return diag_fail(diag, STATUS_INVALID, "tensor '%s': %zu numbers, its dims and type (%s) need %zu", tensor->name, field.count,
                         type_name(tensor->type), wanted);
    if (bits == 6) tensor->bytes = typed_pack_bits(arena, field.words, field.count, bits);
    else tensor->bytes = typed_pack(arena, field.words, field.count, field.word_bytes, item_bytes);
    return STATUS_OK;
}

bool typed_from_attribute(struct arena *arena, const struct attribute *attribute, struct tensor *tensor) {
    const bool is_float = attribute->type == ATTRIBUTE_FLOAT || attribute->type == ATTRIBUTE_FLOATS;
    const bool is_int = attribute->type == ATTRIBUTE_INT || attribute->type == ATTRIBUTE_INTS;
    if ((!is_float && !is_int) || strncmp(attribute->name, "value_", 6) != 0) return false;
    const bool is_list = attribute->type == ATTRIBUTE_FLOATS || attribute->type == ATTRIBUTE_INTS;
    const size_t count = is_list ? attribute->count : 1;
    const void *words =
        is_float ? (is_list ? (const void *)attribute->floats : &attribute->f) : (is_list ? (const void *)attribute->ints : &attribute->i);
    *tensor = (struct tensor){
        .name = "", .type = is_float ? TYPE_FLOAT : TYPE_INT64, .rank = is_list, .elements = (int64_t)count, .has_bytes = true};
    tensor->dims = ARENA_ARRAY(arena, int64_t, 1);
    tensor->dims[0] = (int64_t)count;
    const size_t item_bytes = is_float ? 4 : 8;
    tensor->bytes = typed_pack(arena, words, count, item_bytes, item_bytes);
    tensor->byte_count = count * item_bytes;
    return true;
}
