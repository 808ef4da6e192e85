/* Numbers with units, as people write them. All take the whole text, are exact where the result is an integer, ignore the locale, and
 * return false, writing nothing, for anything else. One space may stand before the unit. */
#ifndef SS_BASE_SIZE_H
#define SS_BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#define SIZE_UNITS "B, KiB, MiB, GiB, kB, MB, GB"

/* Every integer below stays under it, so that sums of two never overflow. */
enum { SIZE_LIMIT_BITS = 62 };

/* "64KiB", "1.5 MiB", "65536", "12MB": whole bytes. */
bool size_parse(const char *text, int64_t *bytes);

/* Counts: "2M", "1.5k", "3G" (powers of 1000), "2000000". */
bool size_parse_amount(const char *text, int64_t *amount);

/* "12", at least 0. */
bool size_parse_integer(const char *text, int64_t *number);

/* "0.25", "80", at least 0. */
bool size_parse_decimal(const char *text, double *number);

/* "3.2GB/s", "400MiB/s": bytes per second; "500MHz": Hz (Hz, kHz, MHz, GHz). The unit is needed. */
bool size_parse_rate(const char *text, double *bytes_per_s);
bool size_parse_frequency(const char *text, double *hz);

#endif
