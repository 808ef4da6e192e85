#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"

status session_open(struct session *session, struct job *job, const char *path, struct diag *diag) {
    struct onnx_model *model;
    status result = onnx_model_open(session->arena, path, &model, diag);
    if (result == STATUS_OK) result = job_open(job, session->arena, &session->options, session->command->name, model, diag);
    if (result != STATUS_OK) return result;
    job->progress = progress_update;
    job->progress_context = &session->progress;
    return STATUS_OK;
}

static bool is_stdout(const char *path) { return path && strcmp(path, "-") == 0; }

static bool colour_wanted(int descriptor) {
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return os_is_terminal(descriptor) && !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
}

struct table_style session_tables(const struct session *session) {
    const struct options *options = &session->options;
    const bool taken = is_stdout(options->output) || is_stdout(options->json) || is_stdout(options->plan_out) || is_stdout(options->csv) ||
                       is_stdout(options->svg);
    const int descriptor = taken ? STDERR_FILENO : STDOUT_FILENO;
    const unsigned columns = os_is_terminal(descriptor) ? os_terminal_columns(descriptor) : 0;
    FILE *file = !taken ? stdout : options->quiet ? NULL : stderr;
    return (struct table_style){.file = file, .columns = columns, .colour = colour_wanted(descriptor)};
}

status session_end_tables(const struct table_style *style, struct diag *diag) {
    if (!style->file || (fflush(style->file) == 0 && !ferror(style->file))) return STATUS_OK;
    return diag_fail(diag, STATUS_IO, "<stdout>: cannot be written: %s", strerror(errno));
}

void session_say(struct session *session, const char *format, ...) {
    if (session->options.quiet) return;
    va_list arguments;
    va_start(arguments, format);
    progress_clear(&session->progress);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}
