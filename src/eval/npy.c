#include "eval/npy.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"

/* ---- the header: a Python dict of three keys ---- */

struct npy_text {
    const char *at, *end;
};

static void npy_skip_spaces(struct npy_text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\t' || *text->at == '\r')) text->at++;
}

static bool npy_take(struct npy_text *text, char wanted) {
    npy_skip_spaces(text);
    if (text->at == text->end || *text->at != wanted) return false;
    text->at++;
    return true;
}

static bool npy_take_word(struct npy_text *text, const char *word) {
    const size_t length = strlen(word);
    npy_skip_spaces(text);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0) return false;
    text->at += length;
    return true;
}

/* 'text', without escapes; its bytes stay where they are. */
static bool npy_take_string(struct npy_text *text, const char **string, size_t *length) {
    npy_skip_spaces(text);
    if (text->at == text->end || (*text->at != '\'' && *text->at != '"')) return false;
    const char quote = *text->at++;
    const char *close = memchr(text->at, quote, (size_t)(text->end - text->at));
    if (!close) return false;
    *string = text->at;
    *length = (size_t)(close - text->at);
    text->at = close + 1;
    return true;
}

static bool npy_take_number(struct npy_text *text, int64_t *number) {
    int64_t read = 0;
    npy_skip_spaces(text);
    const char *from = text->at;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++)
        if (!checked_mul(read, 10, &read) || !checked_add(read, *text->at - '0', &read)) return false;
    if (text->at < text->end && *text->at == 'L') text->at++; /* Python 2 wrote it */
    *number = read;
    return text->at > from;
}

/* "<f4", "|u1": false for what is not a number of a width known here. */
static bool npy_take_type(struct npy_text *text, struct npy *npy) {
    const char *type;
    size_t length;
    if (!npy_take_string(text, &type, &length) || length != 3 || !strchr("<>|=", type[0]) || !strchr("fiub", type[1])) return false;
    npy->kind = type[1];
    npy->item_bytes = (uint32_t)(type[2] - '0');
    npy->is_big_endian = type[0] == '>' || (type[0] == '=' && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    const bool is_width = npy->item_bytes == 1 || npy->item_bytes == 2 || npy->item_bytes == 4 || npy->item_bytes == 8;
    return is_width && !(npy->kind == 'f' && npy->item_bytes == 1) && !(npy->kind == 'b' && npy->item_bytes != 1);
}

static bool npy_take_shape(struct npy_text *text, struct npy *npy) {
    if (!npy_take(text, '(')) return false;
    while (!npy_take(text, ')')) {
        if (npy->rank == SHAPE_MAX_RANK || !npy_take_number(text, &npy->dims[npy->rank])) return false;
        npy->rank++;
        if (!npy_take(text, ',')) return npy_take(text, ')');
    }
    return true;
}

static bool npy_take_order(struct npy_text *text, struct npy *npy) {
    npy->is_fortran = npy_take_word(text, "True");
    return npy->is_fortran || npy_take_word(text, "False");
}

static const struct {
    const char *key;
    bool (*take)(struct npy_text *text, struct npy *npy);
    const char *expected;
} npy_keys[] = {{"descr", npy_take_type, "a number type (float16 to float64, integers, bool)"},
                {"fortran_order", npy_take_order, "True or False"},
                {"shape", npy_take_shape, "a tuple of at most 8 sizes"}};
enum { NPY_KEYS = sizeof npy_keys / sizeof npy_keys[0] };

static status npy_take_entry(struct npy_text *text, const char *what, struct npy *npy, unsigned *seen, struct diag *diag) {
    const char *key;
    size_t length;
    if (!npy_take_string(text, &key, &length) || !npy_take(text, ':'))
        return diag_fail(diag, STATUS_USAGE, "%s: the array's header is damaged", what);
    for (unsigned i = 0; i < NPY_KEYS; i++) {
        if (strlen(npy_keys[i].key) != length || memcmp(npy_keys[i].key, key, length) != 0 || *seen >> i & 1) continue;
        *seen |= 1u << i;
        if (npy_keys[i].take(text, npy)) return STATUS_OK;
        return diag_fail(diag, STATUS_USAGE, "%s: the array's %s is not %s", what, npy_keys[i].key, npy_keys[i].expected);
    }
    return diag_fail(diag, STATUS_USAGE, "%s: the array's header has a key that is unknown or given twice", what);
}

static status npy_parse_dict(struct npy_text *text, const char *what, struct npy *npy, struct diag *diag) {
    unsigned seen = 0;
    if (!npy_take(text, '{')) return diag_fail(diag, STATUS_USAGE, "%s: the array's header is damaged", what);
    while (!npy_take(text, '}')) {
        const status result = npy_take_entry(text, what, npy, &seen, diag);
        if (result != STATUS_OK) return result;
        if (!npy_take(text, ',') && !(text->at < text->end && *text->at == '}'))
            return diag_fail(diag, STATUS_USAGE, "%s: the array's header is damaged", what);
    }
    if (seen != (1u << NPY_KEYS) - 1) return diag_fail(diag, STATUS_USAGE, "%s: the array's header lacks its type, order or shape", what);
    return STATUS_OK;
}

static status npy_measure(const char *what, struct npy *npy, struct diag *diag) {
    npy->elements = 1;
    bool fits = true, is_empty = false;
    for (uint32_t i = 0; i < npy->rank; i++) { /* every product of some dims fits too */
        is_empty = is_empty || npy->dims[i] == 0;
        fits = fits && (npy->dims[i] == 0 || checked_mul(npy->elements, npy->dims[i], &npy->elements));
    }
    if (is_empty) npy->elements = 0;
    if (!fits || !checked_mul(npy->elements, npy->item_bytes, &npy->data_bytes))
        return diag_fail(diag, STATUS_USAGE, "%s: the array's size exceeds 63 bits", what);
    return STATUS_OK;
}

status npy_parse(const uint8_t *bytes, size_t size, const char *what, struct npy *npy, struct diag *diag) {
    struct npy read = {0};
    if (size < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0 || bytes[6] < 1 || bytes[6] > 3)
        return diag_fail(diag, STATUS_USAGE, "%s: not a numpy array of format 1 to 3", what);
    const size_t start = bytes[6] == 1 ? 10 : 12;
    const size_t length =
        (size_t)bytes[8] | (size_t)bytes[9] << 8 | (bytes[6] == 1 ? 0 : (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24);
    if (length > NPY_MAX_HEADER_BYTES - start || length > size - start)
        return diag_fail(diag, STATUS_USAGE, "%s: the array's header of %zu B is cut off or too long", what, length);
    struct npy_text text = {(const char *)bytes + start, (const char *)bytes + start + length};
    status result = npy_parse_dict(&text, what, &read, diag);
    if (result == STATUS_OK) result = npy_measure(what, &read, diag);
    if (result != STATUS_OK) return result;
    read.header_bytes = start + length;
    *npy = read;
    return STATUS_OK;
}

/* ---- elements ---- */

bool npy_is_float(const struct npy *npy) { return npy->kind == 'f'; }

const char *npy_type_name(const struct npy *npy) {
    static const char *const names[][4] = {
        {"", "float16", "float32", "float64"}, {"int8", "int16", "int32", "int64"}, {"uint8", "uint16", "uint32", "uint64"}};
    const unsigned width = npy->item_bytes == 1 ? 0 : npy->item_bytes == 2 ? 1 : npy->item_bytes == 4 ? 2 : 3;
    return npy->kind == 'b' ? "bool" : names[npy->kind == 'f' ? 0 : npy->kind == 'i' ? 1 : 2][width];
}

static uint64_t npy_bits(const struct npy *npy, const uint8_t *item) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < npy->item_bytes; i++) bits = bits << 8 | item[npy->is_big_endian ? i : npy->item_bytes - 1 - i];
    return bits;
}

static int64_t npy_signed(uint64_t bits, uint32_t width) {
    if (width == 64) return (int64_t)bits;
    const uint64_t sign = (uint64_t)1 << (width - 1);
    return (int64_t)(bits ^ sign) - (int64_t)sign;
}

static float npy_half(uint64_t bits) {
    const int exponent = (int)(bits >> 10 & 31);
    const float fraction = (float)(bits & 1023);
    const float size = exponent == 0    ? ldexpf(fraction, -24)
                       : exponent == 31 ? (fraction > 0 ? NAN : INFINITY)
                                        : ldexpf(1024 + fraction, exponent - 25);
    return bits >> 15 ? -size : size;
}

static float npy_float(const struct npy *npy, const uint8_t *item) {
    const uint64_t bits = npy_bits(npy, item);
    const uint32_t single = (uint32_t)bits;
    float number;
    double wide;
    if (npy->kind == 'i') return (float)npy_signed(bits, 8 * npy->item_bytes);
    if (npy->kind != 'f') return (float)bits;
    if (npy->item_bytes == 2) return npy_half(bits);
    if (npy->item_bytes == 8) {
        memcpy(&wide, &bits, sizeof wide);
        return (float)wide;
    }
    memcpy(&number, &single, sizeof number);
    return number;
}

void npy_floats(const struct npy *npy, const uint8_t *bytes, int64_t count, float *floats) {
    for (int64_t i = 0; i < count; i++) floats[i] = npy_float(npy, bytes + (size_t)i * npy->item_bytes);
}

bool npy_integers(const struct npy *npy, const uint8_t *bytes, int64_t count, int64_t *integers) {
    for (int64_t i = 0; i < count; i++) {
        const uint64_t bits = npy_bits(npy, bytes + (size_t)i * npy->item_bytes);
        if (npy->kind != 'i' && bits > INT64_MAX) return false;
        integers[i] = npy->kind == 'i' ? npy_signed(bits, 8 * npy->item_bytes) : npy->kind == 'b' ? bits != 0 : (int64_t)bits;
    }
    return true;
}
