#include "outputs.h"
#include "report/json.h"
#include "tables.h"

status run_verify(struct session *session, struct diag *diag) {
    struct job reference, other;
    status result = session_open(session, &reference, session->options.input, diag);
    if (result == STATUS_OK) result = session_open(session, &other, session->options.second_input, diag);
    if (result == STATUS_OK) result = job_verify(&reference, &other, diag);
    if (result == STATUS_OK) result = print_accuracy(session, &reference, diag);
    if (result != STATUS_OK) return result;
    const struct outputs outputs = {.json = session->options.json ? json_verify(session->arena, &reference.record) : NULL};
    return outputs_write(session, &outputs, diag);
}
