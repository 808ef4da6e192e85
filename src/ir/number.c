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

/* ---- numbers to bytes ---- */

static void number_put(uint64_t bits, uint32_t count, uint8_t *bytes) {
    for (uint32_t i = 0; i < count; i++) bytes[i] = (uint8_t)(bits >> (8 * i));
}

/* `bits` without its lowest `drop` bits, rounded to nearest, ties to even. */
static uint32_t number_rounded(uint32_t bits, uint32_t drop) {
    const uint32_t half = 1u << (drop - 1), rest = bits & ((1u << drop) - 1), kept = bits >> drop;
    return kept + (rest > half || (rest == half && (kept & 1)));
}

/* IEEE 754: a carry out of the fraction is one more in the exponent, up to infinity. */
static uint32_t number_to_half(uint32_t bits) {
    const uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7FFFFFFFu;
    const int exponent = (int)(size >> 23) - 127 + 15;
    if (size > 0x7F800000u) return sign | 0x7E00u;
    if (exponent >= 31) return sign | 0x7C00u;
    if (exponent > 0) return sign | number_rounded(((uint32_t)exponent << 23) | (size & 0x7FFFFFu), 13);
    if (exponent < -10) return sign;
    return sign | number_rounded((size & 0x7FFFFFu) | 0x800000u, (uint32_t)(14 - exponent));
}

static uint32_t number_to_bfloat(uint32_t bits) { return (bits & 0x7FFFFFFFu) > 0x7F800000u ? bits >> 16 | 64 : number_rounded(bits, 16); }

bool tensor_write_floats(enum data_type type, const float *numbers, int64_t count, uint8_t *bytes) {
    if (type != TYPE_FLOAT && type != TYPE_FLOAT16 && type != TYPE_BFLOAT16 && type != TYPE_DOUBLE) return false;
    const uint32_t width = type_bits(type) / 8;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        uint64_t wide;
        const double number = (double)numbers[i];
        memcpy(&bits, &numbers[i], sizeof bits);
        memcpy(&wide, &number, sizeof wide);
        const uint64_t made = type == TYPE_DOUBLE    ? wide
                              : type == TYPE_FLOAT   ? bits
                              : type == TYPE_FLOAT16 ? number_to_half(bits)
                                                     : number_to_bfloat(bits);
        number_put(made, width, bytes + (size_t)i * width);
    }
    return true;
}
