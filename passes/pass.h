/* A pass is one const struct: what it is called, what it must know beforehand, what is still true after it, and how it runs.
 *
 * The runner (runner.h) establishes the facts a pass needs, runs it, notices by itself whether the graph changed, and drops the facts
 * that the change made stale. Registry (passes.def), `list passes`, timings, --print-after and --verify-each come from the rows. */
#ifndef SS_PASS_H
#define SS_PASS_H

#include "base/diag.h"

struct job;

/* What can be known of a graph. Each is one row of fact_rows (runner.c): bit, name, how it is established. */
enum fact {
    FACT_SHAPES = 1, /* job->shapes */
    FACT_LAYERS = 2, /* job->layers */
    FACT_SPACES = 4, /* job->spaces */
    FACT_COSTS = 8   /* job->costs: the best mapping of each layer */
};

struct pass {
    const char *name;
    const char *summary; /* one line, for people */
    unsigned needs;      /* enum fact */
    unsigned keeps;      /* facts that stay true even though the graph changed */
    status (*run)(struct job *job, struct diag *diag);
};

extern const struct pass pass_explore, pass_rank, pass_prune, pass_annotate;

#endif
