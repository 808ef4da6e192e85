#include "eval/narrow.h"

#include <math.h>
#include <string.h>

/* Ten bits after the leading one, down to multiples of 2^-24; 65520 and above are infinite. */
static float narrow_half(float number) {
    int exponent;
    if (!isfinite(number) || number == 0) return number;
    if (fabsf(number) >= 65520) return copysignf(INFINITY, number);
    frexpf(number, &exponent);
    const int unit = exponent - 11 < -24 ? -24 : exponent - 11; /* of the last place, as a power of two */
    return ldexpf(nearbyintf(ldexpf(number, -unit)), unit);
}

/* The upper 16 bits of a float32. */
static float narrow_brain(float number) {
    uint32_t bits;
    if (isnan(number)) return number;
    memcpy(&bits, &number, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000u;
    memcpy(&number, &bits, sizeof bits);
    return number;
}

float narrow_float(enum data_type type, float number) {
    return type == TYPE_FLOAT16 ? narrow_half(number) : type == TYPE_BFLOAT16 ? narrow_brain(number) : number;
}
