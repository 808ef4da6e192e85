#include "outputs.h"

#include <string.h>

#include "base/os.h"

/* A text that is whole on the disk; *output NULL where there is nothing to write. */
static status outputs_prepare(struct session *session, const char *path, const char *text, struct os_output **output, struct diag *diag) {
    *output = NULL;
    if (!path || !text) return STATUS_OK;
    const status result = os_output_open(session->arena, path, output, diag);
    if (result != STATUS_OK) return result;
    const size_t length = strlen(text);
    os_output_write(*output, text, length);
    if (!length || text[length - 1] != '\n') os_output_write(*output, "\n", 1);
    return os_output_close(*output, diag);
}

static status outputs_write_model(struct session *session, struct onnx_model *model, struct diag *diag) {
    const char *path = session->options.output;
    struct onnx_written written;
    if (!model || !path) return STATUS_OK;
    const status result = onnx_model_write(model, path, ONNX_INLINE_LIMIT_BYTES, &written, diag);
    if (result != STATUS_OK || strcmp(path, "-") == 0) return result;
    char number[32];
    session_say(session, "%s: %s B written", path, table_number((int64_t)(written.model_bytes + written.external_bytes), number));
    return STATUS_OK;
}

status outputs_write(struct session *session, const struct outputs *outputs, struct diag *diag) {
    const struct options *options = &session->options;
    const struct {
        const char *path, *text;
    } texts[] = {
        {options->json, outputs->json}, {options->plan_out, outputs->plan}, {options->csv, outputs->csv}, {options->svg, outputs->svg}};
    enum { TEXTS = sizeof texts / sizeof texts[0] };
    struct os_output *prepared[TEXTS];
    status result = STATUS_OK;
    progress_clear(&session->progress);
    for (int i = 0; i < TEXTS && result == STATUS_OK; i++)
        result = outputs_prepare(session, texts[i].path, texts[i].text, &prepared[i], diag);
    if (result == STATUS_OK) result = outputs_write_model(session, outputs->model, diag);
    for (int i = 0; i < TEXTS && result == STATUS_OK; i++)
        if (prepared[i]) result = os_output_commit(prepared[i], diag);
    return result;
}
