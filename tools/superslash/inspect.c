#include "outputs.h"
#include "report/json.h"
#include "tables.h"

status run_inspect(struct session *session, struct diag *diag) {
    struct job job;
    status result = session_open(session, &job, session->options.input, diag);
    if (result == STATUS_OK) result = job_inspect(&job, diag);
    if (result == STATUS_OK) result = print_inspection(session, &job, diag);
    if (result != STATUS_OK) return result;
    const struct outputs outputs = {.json = session->options.json ? json_report(session->arena, &job.record) : NULL};
    return outputs_write(session, &outputs, diag);
}
