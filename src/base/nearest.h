/* The name somebody probably meant: for messages about names that are not known. */
#ifndef SS_BASE_NEAREST_H
#define SS_BASE_NEAREST_H

#include <stddef.h>

/* Names are offered one by one; zeroed but for `text` to begin with. */
struct nearest {
    const char *text;
    const char *best; /* NULL = none is near */
    unsigned distance;
};

/* Near: at most a third of the text's letters, and never all of them, have to change (a swap of neighbours counts as one change). */
void nearest_offer(struct nearest *nearest, const char *name);

/* ", did you mean 'name'?" or "" where nothing is near, into a buffer; returns it. prefix stands before the name ("--"). */
const char *nearest_hint(const struct nearest *nearest, const char *prefix, char text[96]);

#endif
