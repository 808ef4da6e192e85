#include "tables.h"

static void print_rest(struct session *session, const struct table_style *style, const struct record *record) {
    if (record->opaque_count) table_opaque(style, record);
    for (uint32_t at = 0; session->options.verbose && at < record->timing_count; at++)
        session_say(session, "%-24s %10.1f ms", record->timings[at].name, record->timings[at].ms);
}

/* The layer that --explain names; NULL without it. */
static status find_explained(const struct session *session, const struct record *record, const struct record_layer **layer,
                             struct diag *diag) {
    const char *name = session->options.explain;
    *layer = name ? table_explain_find(record, name, diag) : NULL;
    return name && !*layer ? diag->code : STATUS_OK;
}

status print_exploration(struct session *session, const struct job *job, struct diag *diag) {
    const struct table_style style = session_tables(session);
    const struct record_layer *explained;
    progress_clear(&session->progress);
    const status result = find_explained(session, &job->record, &explained, diag);
    if (result != STATUS_OK || !style.file) return result;
    table_verdict(&style, &job->record);
    if (job->record.infeasible_count && !explained) table_infeasible(&style, &job->record);
    if (explained) table_explain(&style, &job->record, explained);
    else if (job->record.published) table_published(&style, &job->record);
    else table_layers(&style, &job->record);
    print_rest(session, &style, &job->record);
    return session_end_tables(&style, diag);
}

status print_accuracy(struct session *session, const struct job *job, struct diag *diag) {
    const struct table_style style = session_tables(session);
    progress_clear(&session->progress);
    if (!style.file) return STATUS_OK;
    table_accuracy(&style, &job->record);
    print_rest(session, &style, &job->record);
    return session_end_tables(&style, diag);
}

status print_sweep(struct session *session, const struct job *job, struct diag *diag) {
    const struct table_style style = session_tables(session);
    progress_clear(&session->progress);
    if (!style.file) return STATUS_OK;
    table_sweep(&style, &job->record);
    print_rest(session, &style, &job->record);
    return session_end_tables(&style, diag);
}

status print_pruning(struct session *session, const struct job *job, struct diag *diag) {
    const struct table_style style = session_tables(session);
    const struct record_layer *explained;
    progress_clear(&session->progress);
    const status result = find_explained(session, &job->record, &explained, diag);
    if (result != STATUS_OK || !style.file) return result;
    table_verdict(&style, &job->record);
    if (explained) {
        table_explain(&style, &job->record, explained);
    } else {
        table_changes(&style, &job->before, &job->record);
        table_layers(&style, &job->record);
    }
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
