/* The passes by name. */
#ifndef SUPERSLASH_PASSES_H
#define SUPERSLASH_PASSES_H

#include "base/arena.h"
#include "passes/pass.h"

/* STATUS_USAGE with the names there are. */
status passes_check_name(struct arena *arena, const char *name, struct diag *diag);

#endif
