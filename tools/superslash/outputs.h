/* What a command writes: all of it, or nothing. */
#ifndef SUPERSLASH_OUTPUTS_H
#define SUPERSLASH_OUTPUTS_H

#include "session.h"

struct outputs {
    const char *json;         /* NULL = none */
    const char *plan;         /* NULL = none */
    const char *csv, *svg;    /* NULL = none */
    struct onnx_model *model; /* NULL = none */
};

/* To the paths of the options; what has no path is not written. Every file is whole on the disk before the first is renamed. */
status outputs_write(struct session *session, const struct outputs *outputs, struct diag *diag);

#endif
