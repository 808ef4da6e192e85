/* roundtrip FILE...: reads and writes each model in memory; prints those that do not come back byte for byte. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "onnx/model.h"

struct roundtrip {
    struct heap *heap;
    const char *path;
    struct diag *diag;
    bool identical;
};

static status roundtrip_body(void *argument) {
    struct roundtrip *job = argument;
    struct arena *arena = arena_new(job->heap);
    struct onnx_model *model;
    struct os_file file;
    uint8_t *bytes;
    size_t size;
    status result = onnx_model_open(arena, job->path, &model, job->diag);
    if (result == STATUS_OK) result = os_map_file(arena, job->path, &file, job->diag);
    if (result == STATUS_OK) result = onnx_model_write_bytes(model, arena, &bytes, &size, job->diag);
    if (result == STATUS_OK) job->identical = size == file.size && memcmp(bytes, file.bytes, size) == 0;
    arena_free(arena);
    return result;
}

int main(int count, char **arguments) {
    int identical = 0, failed = 0;
    for (int i = 1; i < count; i++) {
        struct heap heap;
        struct diag diag = {0};
        heap_init(&heap, NULL, 0);
        struct roundtrip job = {&heap, arguments[i], &diag, false};
        const status result = heap_run(&heap, &diag, roundtrip_body, &job);
        if (result == STATUS_OK && job.identical) identical++;
        else printf("%s: %s\n", arguments[i], result == STATUS_OK ? "differs" : diag.message), failed++;
        heap_release(&heap);
    }
    printf("%d passed, %d failed\n", identical, failed);
    return failed != 0;
}
