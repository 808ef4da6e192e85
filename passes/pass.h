/* A pass is one const struct: what it is called, what it must know beforehand, what is still true after it, and how it runs.
 *
 * The runner (runner.c) establishes the facts a pass needs, runs it, notices by itself whether the graph changed, and drops the facts
 * that the change made stale. `list passes`, timings, --print-after and --verify-each come from the rows (passes.def). */
#ifndef SS_PASS_H
#define SS_PASS_H

#include "base/diag.h"

struct job;

/* What can be known of a graph; one row each in fact_rows (runner.c): bit, name, what it needs, how it is established. */
enum fact {
    FACT_SHAPES = 1, /* job->shapes */
    FACT_LAYERS = 2, /* job->layers */
    FACT_COSTS = 4,  /* job->costs: the best mapping of each layer */
    FACT_SPACES = 8  /* job->spaces */
};

struct pass {
    const char *name;
    const char *summary; /* one line, for people */
    unsigned needs;      /* enum fact */
    unsigned keeps;      /* facts that stay true even though the graph changed */
    status (*run)(struct job *job, struct diag *diag);
};

#define PASS(name) extern const struct pass pass_##name;
#include "passes/passes.def"
#undef PASS

/* All of them, in the order of passes.def; NULL ends the list. */
extern const struct pass *const pass_list[];

/* Runs passes one after the other; the list ends with NULL. */
status run_passes(struct job *job, const struct pass *const *passes, struct diag *diag);

/* Establishes facts without a pass. */
status ensure_facts(struct job *job, unsigned facts, struct diag *diag);

#endif
