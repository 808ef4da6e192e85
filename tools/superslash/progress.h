/* A line on a terminal that says what is going on and how long it will take. Nothing in the first two seconds, nothing elsewhere. */
#ifndef SUPERSLASH_PROGRESS_H
#define SUPERSLASH_PROGRESS_H

#include <stdbool.h>

struct progress {
    bool is_on, is_shown;
    double start_s, last_s;
};

void progress_start(struct progress *progress, bool quiet);
/* For struct job: context is the struct progress. share 0 .. 1 of the whole job. */
void progress_update(void *context, const char *what, double share);
void progress_clear(struct progress *progress);

#endif
