#include "outputs.h"
#include "report/json.h"
#include "tables.h"

static status explore_one(struct session *session, struct job *job, const char *path, struct diag *diag) {
    const status result = session_open(session, job, path, diag);
    return result == STATUS_OK ? job_explore(job, diag) : result;
}

/* {"before": report, "after": report} */
static const char *both_reports(struct session *session, const struct job *before, const struct job *after) {
    struct arena *arena = session->arena;
    return arena_print(arena, "{\"before\": %s,\n\"after\": %s}\n", json_report(arena, &before->record),
                       json_report(arena, &after->record));
}

status run_compare(struct session *session, struct diag *diag) {
    struct job before, after;
    status result = explore_one(session, &before, session->options.input, diag);
    if (result == STATUS_OK) result = explore_one(session, &after, session->options.second_input, diag);
    if (result == STATUS_OK) result = print_comparison(session, &before, &after, diag);
    if (result != STATUS_OK) return result;
    const struct outputs outputs = {.json = session->options.json ? both_reports(session, &before, &after) : NULL};
    return outputs_write(session, &outputs, diag);
}
