/* Runs passes: facts before, timing, checks and dumps after. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/costs.h"
#include "passes/from_annotations.h"
#include "passes/job.h"
#include "passes/spaces.h"

const struct pass *const pass_list[] = {
#define PASS(name) &pass_##name,
#include "passes/passes.def"
#undef PASS
    NULL};

/* ---- facts ---- */

static status establish_shapes(struct job *job, struct diag *diag) {
    return shapes_infer(job->arena, job->graph, job->target.batch, job->options->input_shapes.items, job->options->input_shapes.count,
                        &job->shapes, diag);
}

static status establish_layers(struct job *job, struct diag *diag) {
    return layers_find(job->arena, job->graph, job->shapes, &job->layers, diag);
}

static status establish_costs(struct job *job, struct diag *diag) {
    if (job->schedule) return annotated_costs(job, diag);
    return costs_find(job->arena, job->layers, job->shapes, &job->target, job_threads(job), &job->costs, diag);
}

static status establish_spaces(struct job *job, struct diag *diag) {
    return spaces_find(job->arena, job->graph, job->shapes, job->options, &job->spaces, diag);
}

static const struct fact_row {
    enum fact fact;
    unsigned needs;
    status (*establish)(struct job *job, struct diag *diag);
} fact_rows[] = {
    {FACT_SHAPES, 0, establish_shapes},
    {FACT_LAYERS, FACT_SHAPES, establish_layers},
    {FACT_COSTS, FACT_SHAPES | FACT_LAYERS, establish_costs},
    {FACT_SPACES, FACT_SHAPES, establish_spaces},
};
enum { FACT_ROWS = sizeof fact_rows / sizeof fact_rows[0] };

/* Rows stand so that what a fact needs comes before it. */
static unsigned facts_with_needs(unsigned facts) {
    for (unsigned i = FACT_ROWS; i-- > 0;)
        if (facts & fact_rows[i].fact) facts |= fact_rows[i].needs;
    return facts;
}

status ensure_facts(struct job *job, unsigned facts, struct diag *diag) {
    const unsigned missing = facts_with_needs(facts) & ~job->facts;
    for (unsigned i = 0; i < FACT_ROWS; i++) {
        if (!(missing & fact_rows[i].fact)) continue;
        const status result = fact_rows[i].establish(job, diag);
        if (result != STATUS_OK) return result;
        job->facts |= fact_rows[i].fact;
    }
    return STATUS_OK;
}

/* ---- passes ---- */

static status run_checks(const struct job *job, const struct pass *pass, struct diag *diag) {
    const char *print_after = job->options->print_after;
    if (print_after && strcmp(print_after, pass->name) == 0) print_graph(job->graph, stderr);
    if (!job->options->verify_each) return STATUS_OK;
    const status result = verify_graph(job->graph, diag);
    if (result != STATUS_OK) diag_prefix(diag, pass->name);
    return result;
}

static status run_pass(struct job *job, const struct pass *pass, struct diag *diag) {
    const double start = os_seconds();
    status result = ensure_facts(job, pass->needs, diag);
    const uint64_t edits = job->graph->edit_count;
    if (result == STATUS_OK) result = pass->run(job, diag);
    if (job->graph->edit_count != edits) job->facts &= pass->keeps;
    const struct record_timing timing = {pass->name, 1e3 * (os_seconds() - start)};
    array_push(job->arena, &job->timings, timing);
    return result == STATUS_OK ? run_checks(job, pass, diag) : result;
}

status run_passes(struct job *job, const struct pass *const *passes, struct diag *diag) {
    status result = STATUS_OK;
    for (; *passes && result == STATUS_OK; passes++) result = run_pass(job, *passes, diag);
    job->record.timings = job->timings.items;
    job->record.timing_count = job->timings.count;
    return result;
}
