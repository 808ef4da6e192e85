#include "tables.h"

static void print_rest(struct session *session, const struct table_style *style, const struct record *record) {
    if (record->opaque_count) table_opaque(style, record);
    for (uint32_t at = 0; session->options.verbose && at < record->timing_count; at++)
        session_say(session, "%-24s %10.1f ms", record->timings[at].name, record->timings[at].ms);
}

status print_exploration(struct session *session, const struct job *job, struct diag *diag) {
    const struct table_style style = session_tables(session);
    progress_clear(&session->progress);
    if (!style.file) return STATUS_OK;
    table_verdict(&style, &job->record);
    if (job->record.infeasible_count) table_infeasible(&style, &job->record);
    table_layers(&style, &job->record);
    print_rest(session, &style, &job->record);
    return session_end_tables(&style, diag);
}

status print_pruning(struct session *session, const struct job *job, struct diag *diag) {
    const struct table_style style = session_tables(session);
    progress_clear(&session->progress);
    if (!style.file) return STATUS_OK;
    table_verdict(&style, &job->record);
    table_changes(&style, &job->before, &job->record);
    table_layers(&style, &job->record);
    if (session->options.verbose) table_spaces(&style, &job->record);
    print_rest(session, &style, &job->record);
    return session_end_tables(&style, diag);
}

status print_inspection(struct session *session, const struct job *job, struct diag *diag) {
    const struct table_style style = session_tables(session);
    progress_clear(&session->progress);
    if (!style.file) return STATUS_OK;
    table_layers(&style, &job->record);
    table_spaces(&style, &job->record);
    print_rest(session, &style, &job->record);
    return session_end_tables(&style, diag);
}

status print_comparison(struct session *session, const struct job *before, const struct job *after, struct diag *diag) {
    const struct table_style style = session_tables(session);
    progress_clear(&session->progress);
    if (!style.file) return STATUS_OK;
    table_changes(&style, &before->record, &after->record);
    return session_end_tables(&style, diag);
}
