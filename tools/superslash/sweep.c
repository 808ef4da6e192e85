#include "report/sweep.h"
#include "outputs.h"
#include "report/json.h"
#include "tables.h"

static status report(struct session *session, const struct job *job, struct diag *diag) {
    const struct options *options = &session->options;
    const status result = print_sweep(session, job, diag);
    if (result != STATUS_OK) return result;
    const struct outputs outputs = {.json = options->json ? json_sweep(session->arena, &job->record) : NULL,
                                    .csv = options->csv ? csv_sweep(session->arena, &job->record) : NULL,
                                    .svg = options->svg ? svg_sweep(session->arena, &job->record) : NULL};
    return outputs_write(session, &outputs, diag);
}

status run_sweep(struct session *session, struct diag *diag) {
    const struct options *options = &session->options;
    struct job job = {0};
    status result;
    if (options->layers && options->input)
        return diag_fail(diag, STATUS_USAGE, "sweep: a model (%s) and --layers contradict each other", options->input);
    if (!options->layers && !options->input) return diag_fail(diag, STATUS_USAGE, "sweep: give a model (IN.onnx), or --layers TABLE.csv");
    if (options->layers) {
        job.progress = progress_update;
        job.progress_context = &session->progress;
        result = job_sweep_table(&job, session->arena, options, options->layers, diag);
    } else {
        result = session_open(session, &job, options->input, diag);
        if (result == STATUS_OK) result = job_sweep(&job, diag);
    }
    return result == STATUS_OK ? report(session, &job, diag) : result;
}
