/* One message for one failure, made where the fault is seen: what, where, the numbers, what to do.
 *
 * A function that can fail takes a `struct diag *` and returns `diag_fail(diag, STATUS_..., "...")`.
 * The message is one line: bytes of foreign names that are not printable become '?'. The first failure stays. */
#ifndef SS_BASE_DIAG_H
#define SS_BASE_DIAG_H

#include <stdarg.h>

#include "base/status.h"

#if defined(__GNUC__)
#define DIAG_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define DIAG_PRINTF(format_at, first_at)
#endif

enum { DIAG_MESSAGE_BYTES = 1024 };

struct diag {
    status code; /* STATUS_OK = nothing failed; zeroed memory is valid */
    char message[DIAG_MESSAGE_BYTES];
};

/* Records the failure unless one is recorded already. Returns the code given, so that callers can return it. */
status diag_fail(struct diag *diag, status code, const char *format, ...) DIAG_PRINTF(3, 4);
status diag_fail_list(struct diag *diag, status code, const char *format, va_list arguments);

/* Puts "prefix: " before a message that is recorded; does nothing otherwise. */
void diag_prefix(struct diag *diag, const char *prefix);

#endif
