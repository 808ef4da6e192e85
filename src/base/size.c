#include "base/size.h"

#include <stddef.h>
#include <string.h>

#include "base/checked.h"

struct size_unit {
    const char *name;
    int64_t factor;
};

static const struct size_unit byte_units[] = {
    {"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {0}};
static const struct size_unit amount_units[] = {{"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}, {0}};
static const struct size_unit rate_units[] = {{"B/s", 1},     {"KiB/s", 1 << 10}, {"MiB/s", 1 << 20},   {"GiB/s", 1 << 30},
                                              {"kB/s", 1000}, {"MB/s", 1000000},  {"GB/s", 1000000000}, {0}};
static const struct size_unit frequency_units[] = {{"Hz", 1}, {"kHz", 1000}, {"MHz", 1000000}, {"GHz", 1000000000}, {0}};
static const struct size_unit no_units[] = {{"", 1}, {0}};

/* mantissa / scale, scale a power of ten; false where there is no number or it has more digits than 63 bits hold. */
static bool size_take_number(const char **text, int64_t *mantissa, int64_t *scale) {
    int64_t digits = 0, divisor = 1;
    const char *at = *text;
    bool any = false, fraction = false;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !fraction && any); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        any = true;
        if (!checked_mul(digits, 10, &digits) || !checked_add(digits, *at - '0', &digits)) return false;
        if (fraction && !checked_mul(divisor, 10, &divisor)) return false;
    }
    if (!any || at[-1] == '.') return false;
    *text = at;
    *mantissa = digits;
    *scale = divisor;
    return true;
}

/* The number times its unit = *product / *scale. */
static bool size_take(const char *text, const struct size_unit *units, int64_t *product, int64_t *scale) {
    int64_t mantissa;
    if (!size_take_number(&text, &mantissa, scale)) return false;
    if (text[0] == ' ' && text[1]) text++;
    for (; units->name; units++)
        if (strcmp(units->name, text) == 0) return checked_mul(mantissa, units->factor, product);
    return false;
}

static bool size_whole(const char *text, const struct size_unit *units, int64_t *number) {
    int64_t product, scale;
    if (!size_take(text, units, &product, &scale) || product % scale != 0) return false;
    product /= scale;
    if (product >= INT64_C(1) << SIZE_LIMIT_BITS) return false;
    *number = product;
    return true;
}

static bool size_real(const char *text, const struct size_unit *units, double *number) {
    int64_t product, scale;
    if (!size_take(text, units, &product, &scale)) return false;
    *number = (double)product / (double)scale;
    return true;
}

bool size_parse(const char *text, int64_t *bytes) { return size_whole(text, byte_units, bytes); }

bool size_parse_amount(const char *text, int64_t *amount) { return size_whole(text, amount_units, amount); }

bool size_parse_integer(const char *text, int64_t *number) { return !strchr(text, '.') && size_whole(text, no_units, number); }

bool size_parse_decimal(const char *text, double *number) { return size_real(text, no_units, number); }

bool size_parse_rate(const char *text, double *bytes_per_s) { return size_real(text, rate_units, bytes_per_s); }

bool size_parse_frequency(const char *text, double *hz) { return size_real(text, frequency_units, hz); }
