/* One run of the program: what was asked for, and where its words go. */
#ifndef SUPERSLASH_SESSION_H
#define SUPERSLASH_SESSION_H

#include "passes/job.h"
#include "progress.h"
#include "report/table.h"

struct command;

struct session {
    struct heap *heap;
    struct arena *arena;
    const struct command *command;
    struct options options;
    const char *const *words; /* what stands beside the options: paths, or what to list */
    uint32_t word_count;
    struct progress progress;
};

/* A row of the table of commands (main.c). */
struct command {
    const char *name, *usage, *summary, *example;
    uint32_t words_from, words_to;
    status (*run)(struct session *session, struct diag *diag); /* NULL = not built yet */
};
extern const struct command commands[];
extern const uint32_t command_count;

status run_optimize(struct session *session, struct diag *diag);
status run_explore(struct session *session, struct diag *diag);
status run_prune(struct session *session, struct diag *diag);
status run_compare(struct session *session, struct diag *diag);
status run_inspect(struct session *session, struct diag *diag);
status run_verify(struct session *session, struct diag *diag);
status run_sweep(struct session *session, struct diag *diag);
status run_list(struct session *session, struct diag *diag);

/* Fills options and words; refuses what contradicts itself. */
status arguments_parse(struct session *session, int count, char *const *arguments, struct diag *diag);
/* What stdin and stdout can give only once, and files that several outputs name. */
status arguments_check_files(const struct options *options, struct diag *diag);

void help_all(FILE *file);
void help_command(FILE *file, const struct command *command);

/* Reads the model and makes a job of it that reports its progress. */
status session_open(struct session *session, struct job *job, const char *path, struct diag *diag);

/* The standard output, or the error output where the standard output carries data; file NULL where nobody wants to see it. */
struct table_style session_tables(const struct session *session);
/* Ends the tables: STATUS_IO where they could not be written. */
status session_end_tables(const struct table_style *style, struct diag *diag);
/* A message on the error output, unless --quiet. */
void session_say(struct session *session, const char *format, ...) DIAG_PRINTF(2, 3);

#endif
