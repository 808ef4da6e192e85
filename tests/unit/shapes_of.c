/* shapes_of FILE...: what shapes_infer finds of each model, as text for tests/cli/test_shapes.py.
 *
 *   = FILE                   a model follows
 *   NAME <tab> 1 <tab> 1 3 ? 224   its element type (0 = not known) and dims ("?" = not known); no third column: the rank is not known
 *   ! CODE MESSAGE           reading or inference failed with this status */
#include <inttypes.h>
#include <stdio.h>

#include "onnx/model.h"
#include "op/op.h"
#include "op/shapes.h"

struct shapes_job {
    struct heap *heap;
    const char *path;
    struct diag *diag;
};

static void shapes_print(const struct graph *graph, const struct shapes *shapes) {
    for (uint32_t at = 1; at < graph->values.count; at++) {
        const struct shape *shape = shapes_of(shapes, (value_id){at});
        printf("%s\t%d", graph_value(graph, (value_id){at})->name, (int)shape->type);
        if (shape->known) printf("\t");
        for (uint32_t i = 0; shape->known && i < shape->rank; i++) {
            if (shape->dims[i] < 0) printf("%s?", i ? " " : "");
            else printf("%s%" PRId64, i ? " " : "", shape->dims[i]);
        }
        printf("\n");
    }
}

static status shapes_body(void *argument) {
    const struct shapes_job *job = argument;
    struct arena *arena = arena_new(job->heap);
    struct onnx_model *model;
    struct shapes *shapes;
    status result = onnx_model_open(arena, job->path, &model, job->diag);
    if (result == STATUS_OK) result = op_resolve(onnx_model_graph(model), job->diag);
    if (result == STATUS_OK) result = shapes_infer(arena, onnx_model_graph(model), -1, NULL, 0, &shapes, job->diag);
    if (result == STATUS_OK) shapes_print(onnx_model_graph(model), shapes);
    arena_free(arena);
    return result;
}

int main(int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        struct heap heap;
        struct diag diag = {0};
        heap_init(&heap, NULL, 0);
        struct shapes_job job = {&heap, arguments[i], &diag};
        printf("= %s\n", arguments[i]);
        const status result = heap_run(&heap, &diag, shapes_body, &job);
        if (result != STATUS_OK) printf("! %d %s\n", (int)result, diag.message);
        heap_release(&heap);
    }
    return 0;
}
