#include <math.h>
#include <string.h>

#include "ir/cut.h"

/* Little-endian bytes as an unsigned number, on any machine. */
static uint64_t number_bits(const uint8_t *bytes, uint32_t count) {
    uint64_t bits = 0;
    for (uint32_t i = count; i-- > 0;) bits = bits << 8 | bytes[i];
    return bits;
}

static uint64_t number_element(const struct tensor *tensor, int64_t index) {
    const uint32_t bits = type_bits(tensor->type);
    if (bits >= 8) return number_bits(tensor->bytes + (size_t)index * (bits / 8), bits / 8);
    const uint32_t per_byte = 8 / bits;
    const uint8_t byte = tensor->bytes[(size_t)index / per_byte];
    return (uint64_t)(byte >> (bits * ((uint32_t)index % per_byte))) & ((1u << bits) - 1);
}

static int64_t number_signed(uint64_t bits, uint32_t width) {
    if (width == 64) return (int64_t)bits;
    const uint64_t sign = (uint64_t)1 << (width - 1);
    return (int64_t)((bits ^ sign) - sign);
}

static double number_half(uint64_t bits) {
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = (double)(bits & 1023);
    const double size = exponent == 0    ? ldexp(fraction, -24)
                        : exponent == 31 ? (fraction > 0 ? NAN : INFINITY)
                                         : ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 & 1 ? -size : size;
}

static double number_single(uint32_t bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return (double)number;
}

static double number_double(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static bool number_is_signed(enum data_type type) {
    return type == TYPE_INT8 || type == TYPE_INT16 || type == TYPE_INT32 || type == TYPE_INT64 || type == TYPE_INT4 || type == TYPE_INT2;
}

static bool number_is_unsigned(enum data_type type) {
    return type == TYPE_UINT8 || type == TYPE_UINT16 || type == TYPE_UINT32 || type == TYPE_UINT64 || type == TYPE_UINT4 ||
           type == TYPE_UINT2 || type == TYPE_BOOL;
}

bool tensor_integer(const struct tensor *tensor, int64_t index, int64_t *number) {
    if (!tensor->bytes || index < 0 || index >= tensor->elements) return false;
    const uint64_t bits = number_is_signed(tensor->type) || number_is_unsigned(tensor->type) ? number_element(tensor, index) : 0;
    if (number_is_signed(tensor->type)) *number = number_signed(bits, type_bits(tensor->type));
    else if (number_is_unsigned(tensor->type) && bits <= INT64_MAX) *number = (int64_t)bits;
    else return false;
    return true;
}

bool tensor_number(const struct tensor *tensor, int64_t index, double *number) {
    if (!tensor->bytes || index < 0 || index >= tensor->elements) return false;
    int64_t integer;
    if (tensor->type == TYPE_FLOAT) *number = number_single((uint32_t)number_element(tensor, index));
    else if (tensor->type == TYPE_FLOAT16) *number = number_half(number_element(tensor, index));
    else if (tensor->type == TYPE_BFLOAT16) *number = number_single((uint32_t)number_element(tensor, index) << 16);
    else if (tensor->type == TYPE_DOUBLE) *number = number_double(number_element(tensor, index));
    else if (tensor_integer(tensor, index, &integer)) *number = (double)integer;
    else return false;
    return true;
}
