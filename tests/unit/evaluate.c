/* evaluate THREADS [MODEL INPUTS.npz OUT]...: runs each model on its inputs ("-" = none), for tests/cli/test_eval.py. OUT gets, for each
 * graph output, a line "NAME <tab> TYPE <tab> DIM DIM ...", then its elements: float32, or int64 where the type is whole numbers. On stdout
 * a line a model: "0 SECONDS", or "CODE MESSAGE" where it failed; a value named in no array is left out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "eval/eval.h"
#include "eval/npz.h"
#include "onnx/model.h"
#include "op/op.h"

struct evaluate_job {
    struct heap *heap;
    unsigned threads;
    const char *model, *inputs, *out;
    double seconds;
    struct diag *diag;
};

/* Sets the input that an array is named after; its type is the model's where that is declared. */
static status evaluate_give(struct eval *eval, const struct graph *graph, struct npz *npz, uint32_t at, struct diag *diag) {
    const struct npz_array *array = npz_array(npz, at);
    const value_id id = graph_find_value(graph, array->name);
    if (!id.at) return STATUS_OK;
    const struct value *value = graph_value(graph, id);
    struct shape shape = {.known = true, .rank = array->npy.rank};
    struct eval_tensor *tensor;
    shape.type = value->has_type ? value->type : npy_is_float(&array->npy) ? TYPE_FLOAT : TYPE_INT64;
    memcpy(shape.dims, array->npy.dims, sizeof shape.dims);
    const status result = eval_set_blank(eval, id, &shape, &tensor, diag);
    return result == STATUS_OK ? npz_read(npz, at, 0, npz_rows(array), tensor->floats, tensor->integers, diag) : result;
}

static status evaluate_write(struct eval *eval, const struct graph *graph, const char *path, struct diag *diag) {
    FILE *file = fopen(path, "wb");
    if (!file) return diag_fail(diag, STATUS_IO, "cannot write '%s'", path);
    for (uint32_t i = 0; i < graph->outputs.count; i++) {
        const struct eval_tensor *tensor = eval_get(eval, graph->outputs.items[i]);
        if (!tensor) continue;
        fprintf(file, "%s\t%d\t", graph_value(graph, graph->outputs.items[i])->name, (int)tensor->shape.type);
        for (uint32_t k = 0; k < tensor->shape.rank; k++) fprintf(file, "%s%" PRId64, k ? " " : "", tensor->shape.dims[k]);
        fputc('\n', file);
        if (tensor->floats) fwrite(tensor->floats, sizeof(float), (size_t)tensor->elements, file);
        else fwrite(tensor->integers, sizeof(int64_t), (size_t)tensor->elements, file);
    }
    return fclose(file) == 0 ? STATUS_OK : diag_fail(diag, STATUS_IO, "cannot write '%s'", path);
}

static status evaluate_body(void *argument) {
    struct evaluate_job *job = argument;
    struct arena *arena = arena_new(job->heap);
    struct onnx_model *model;
    struct npz *npz = NULL;
    status result = onnx_model_open(arena, job->model, &model, job->diag);
    if (result == STATUS_OK) result = op_resolve(onnx_model_graph(model), job->diag);
    if (result == STATUS_OK) result = eval_check(onnx_model_graph(model), job->diag);
    if (result == STATUS_OK && strcmp(job->inputs, "-") != 0) result = npz_open(arena, job->inputs, &npz, job->diag);
    if (result != STATUS_OK) return result;
    const struct graph *graph = onnx_model_graph(model);
    struct eval *eval = eval_new(arena, graph, &(struct eval_settings){.threads = parallel_new(arena, job->threads)});
    for (uint32_t i = 0; npz && i < npz_count(npz) && result == STATUS_OK; i++) result = evaluate_give(eval, graph, npz, i, job->diag);
    const double start = os_seconds();
    if (result == STATUS_OK) result = eval_run(eval, 0, eval_node_count(eval), job->diag);
    job->seconds = os_seconds() - start;
    return result == STATUS_OK ? evaluate_write(eval, graph, job->out, job->diag) : result;
}

int main(int count, char **arguments) {
    if (count < 2 || (count - 2) % 3) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was done before a crash is told */
    for (int i = 2; i < count; i += 3) {
        struct heap heap;
        struct diag diag = {0};
        heap_init(&heap, NULL, 0);
        struct evaluate_job job = {&heap, (unsigned)strtoul(arguments[1], NULL, 10), arguments[i], arguments[i + 1], arguments[i + 2], 0,
                                   &diag};
        const status result = heap_run(&heap, &diag, evaluate_body, &job);
        if (result == STATUS_OK) printf("0 %.6f\n", job.seconds);
        else printf("%d %s\n", (int)result, diag.message);
        heap_release(&heap);
    }
    return 0;
}
