/* Which tables a command prints, in which order. STATUS_IO where they cannot be written. */
#ifndef SUPERSLASH_TABLES_H
#define SUPERSLASH_TABLES_H

#include "session.h"

status print_exploration(struct session *session, const struct job *job, struct diag *diag);
status print_pruning(struct session *session, const struct job *job, struct diag *diag);
status print_inspection(struct session *session, const struct job *job, struct diag *diag);
status print_sweep(struct session *session, const struct job *job, struct diag *diag);
status print_accuracy(struct session *session, const struct job *job, struct diag *diag);
status print_comparison(struct session *session, const struct job *before, const struct job *after, struct diag *diag);

#endif
