#include "base/diag.h"

#include <stdio.h>
#include <string.h>

static void diag_make_printable(char *text) {
    for (unsigned char *byte = (unsigned char *)text; *byte; byte++)
        if (*byte < 0x20 || *byte == 0x7f) *byte = '?';
}

status diag_fail_list(struct diag *diag, status code, const char *format, va_list arguments) {
    if (diag && diag->code == STATUS_OK) {
        diag->code = code;
        vsnprintf(diag->message, sizeof diag->message, format, arguments);
        diag_make_printable(diag->message);
    }
    return code;
}

status diag_fail(struct diag *diag, status code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    diag_fail_list(diag, code, format, arguments);
    va_end(arguments);
    return code;
}

void diag_prefix(struct diag *diag, const char *prefix) {
    if (!diag || diag->code == STATUS_OK) return;
    char *const message = diag->message;
    size_t added = strlen(prefix) + 2, kept = strlen(message);
    if (added >= DIAG_MESSAGE_BYTES) return;
    if (kept > DIAG_MESSAGE_BYTES - 1 - added) kept = DIAG_MESSAGE_BYTES - 1 - added;
    memmove(message + added, message, kept);
    message[added + kept] = '\0';
    memcpy(message, prefix, added - 2);
    memcpy(message + added - 2, ": ", 2);
    diag_make_printable(message);
}
