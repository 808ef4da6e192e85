/* superslash.h on top of the jobs. A model owns one heap; all that its jobs decide lives until it is freed. */
#include "superslash.h"

#include <stdio.h>
#include <string.h>

#include "passes/job.h"
#include "report/json.h"
#include "version.h"

_Static_assert((int)SUPERSLASH_UNMET == (int)STATUS_UNMET && (int)SUPERSLASH_LIMIT == (int)STATUS_LIMIT, "one set of numbers");

struct superslash_options {
    struct heap heap;
    struct options options;
};

struct superslash_model {
    struct heap heap;
    struct arena *arena;
    struct onnx_model *model;
    const struct options *defaults;
    const char *report, *plan;
};

const char *superslash_version(void) { return SUPERSLASH_VERSION_TEXT; }

static superslash_status api_end(status result, const struct diag *diag, superslash_error *error) {
    if (error) {
        error->status = (superslash_status)result;
        snprintf(error->message, sizeof error->message, "%s", result == STATUS_OK ? "" : diag->message);
    }
    return (superslash_status)result;
}

/* ---- options ---- */

struct api_option {
    superslash_options *options;
    const char *name, *value;
    struct diag *diag;
};

static status api_init_options(void *argument) {
    superslash_options *options = argument;
    options_init(arena_new(&options->heap), &options->options);
    return STATUS_OK;
}

superslash_options *superslash_options_new(void) {
    struct diag diag = {0};
    superslash_options *options = heap_libc.resize(heap_libc.context, NULL, 0, sizeof *options);
    if (!options) return NULL;
    heap_init(&options->heap, NULL, 0);
    if (heap_run(&options->heap, &diag, api_init_options, options) == STATUS_OK) return options;
    superslash_options_free(options);
    return NULL;
}

void superslash_options_free(superslash_options *options) {
    if (!options) return;
    heap_release(&options->heap);
    heap_libc.resize(heap_libc.context, options, sizeof *options, 0);
}

static status api_set_option(void *argument) {
    const struct api_option *call = argument;
    const struct option_row *row = option_find(call->name);
    if (row && row->flags & OPTION_FILE)
        return diag_fail(call->diag, STATUS_USAGE, "option '%s' names a file: the library has a call in its place", call->name);
    if (row && row->flags & OPTION_PRINTS)
        return diag_fail(call->diag, STATUS_USAGE, "option '%s' prints a table: the library has its numbers in the report", call->name);
    return options_set(&call->options->options, call->name, call->value, call->diag);
}

superslash_status superslash_options_set(superslash_options *options, const char *name, const char *value, superslash_error *error) {
    struct diag diag = {0};
    struct api_option call = {options, name, value, &diag};
    return api_end(heap_run(&options->heap, &diag, api_set_option, &call), &diag, error);
}

/* ---- models ---- */

struct api_call {
    superslash_model *model;
    const superslash_options *options;
    const char *path, *plan;
    const void *bytes;
    size_t size;
    struct diag *diag;
};

static status api_load(void *argument) {
    struct api_call *call = argument;
    superslash_model *model = call->model;
    model->arena = arena_new(&model->heap);
    struct options *defaults = ARENA_NEW(model->arena, struct options);
    options_init(model->arena, defaults);
    model->defaults = defaults;
    if (call->path) return onnx_model_open(model->arena, call->path, &model->model, call->diag);
    return onnx_model_from_bytes(model->arena, call->bytes, call->size, NULL, &model->model, call->diag);
}

static superslash_status api_new_model(struct api_call *call, const superslash_allocator *allocator, superslash_model **model,
                                       superslash_error *error) {
    struct diag diag = {0};
    const struct allocator own = allocator ? (struct allocator){allocator->context, allocator->resize} : heap_libc;
    superslash_model *opened = own.resize(own.context, NULL, 0, sizeof *opened);
    status result = opened ? STATUS_OK : diag_fail(&diag, STATUS_LIMIT, "no memory for a model");
    if (opened) {
        memset(opened, 0, sizeof *opened);
        heap_init(&opened->heap, &own, 0);
        call->model = opened;
        call->diag = &diag;
        result = heap_run(&opened->heap, &diag, api_load, call);
    }
    if (result == STATUS_OK) *model = opened;
    else superslash_model_free(opened);
    return api_end(result, &diag, error);
}

superslash_status superslash_model_open(const char *path, const superslash_allocator *allocator, superslash_model **model,
                                        superslash_error *error) {
    struct api_call call = {.path = path};
    return api_new_model(&call, allocator, model, error);
}

superslash_status superslash_model_read(const void *bytes, size_t size, const superslash_allocator *allocator, superslash_model **model,
                                        superslash_error *error) {
    struct api_call call = {.bytes = bytes, .size = size};
    return api_new_model(&call, allocator, model, error);
}

void superslash_model_free(superslash_model *model) {
    if (!model) return;
    const struct allocator own = model->heap.allocator;
    heap_release(&model->heap);
    own.resize(own.context, model, sizeof *model, 0);
}

/* ---- jobs ---- */

typedef status (*api_job)(struct job *job, const struct api_call *call);

static status api_explore(struct job *job, const struct api_call *call) { return job_explore(job, call->diag); }
static status api_optimize(struct job *job, const struct api_call *call) { return job_optimize(job, call->diag); }
static status api_prune(struct job *job, const struct api_call *call) { return job_prune(job, call->plan, strlen(call->plan), call->diag); }

static const struct {
    const char *command;
    api_job run;
} api_jobs[] = {{"explore", api_explore}, {"optimize", api_optimize}, {"prune", api_prune}};

struct api_run {
    struct api_call call;
    unsigned job;
};

static status api_run_job(void *argument) {
    const struct api_run *run = argument;
    superslash_model *model = run->call.model;
    struct job job;
    const struct options *options = run->call.options ? &run->call.options->options : model->defaults;
    status result = job_open(&job, model->arena, options, api_jobs[run->job].command, model->model, run->call.diag);
    if (result == STATUS_OK) result = api_jobs[run->job].run(&job, &run->call);
    if (result != STATUS_OK) return result;
    model->report = json_report(model->arena, &job.record);
    if (job.record.plan) model->plan = job.record.plan;
    return STATUS_OK;
}

static superslash_status api_job_of(struct api_run *run, superslash_error *error) {
    struct diag diag = {0};
    run->call.diag = &diag;
    return api_end(heap_run(&run->call.model->heap, &diag, api_run_job, run), &diag, error);
}

superslash_status superslash_explore(superslash_model *model, const superslash_options *options, superslash_error *error) {
    struct api_run run = {{.model = model, .options = options}, 0};
    return api_job_of(&run, error);
}

superslash_status superslash_optimize(superslash_model *model, const superslash_options *options, superslash_error *error) {
    struct api_run run = {{.model = model, .options = options}, 1};
    return api_job_of(&run, error);
}

superslash_status superslash_prune(superslash_model *model, const char *plan, const superslash_options *options, superslash_error *error) {
    struct api_run run = {{.model = model, .options = options, .plan = plan}, 2};
    return api_job_of(&run, error);
}

/* Both models' heaps are unwound where either has no memory. */
struct api_verify {
    superslash_model *reference, *model;
    const struct options *options;
    struct diag *diag;
};

static status api_verify_both(void *argument) {
    const struct api_verify *call = argument;
    superslash_model *a = call->reference, *b = call->model;
    struct job reference, other;
    status result = job_open(&reference, a->arena, call->options, "verify", a->model, call->diag);
    if (result == STATUS_OK) result = job_open(&other, b->arena, call->options, "verify", b->model, call->diag);
    if (result == STATUS_OK) result = job_verify(&reference, &other, call->diag);
    if (result == STATUS_OK) a->report = json_verify(a->arena, &reference.record);
    return result;
}

static status api_verify_other(void *argument) {
    const struct api_verify *call = argument;
    return heap_run(&call->model->heap, call->diag, api_verify_both, argument);
}

superslash_status superslash_verify(superslash_model *reference, superslash_model *model, const superslash_options *options,
                                    superslash_error *error) {
    struct diag diag = {0};
    struct api_verify call = {reference, model, options ? &options->options : reference->defaults, &diag};
    return api_end(heap_run(&reference->heap, &diag, api_verify_other, &call), &diag, error);
}

const char *superslash_model_report(const superslash_model *model) { return model->report; }
const char *superslash_model_plan(const superslash_model *model) { return model->plan; }

/* ---- writing ---- */

struct api_write {
    superslash_model *model;
    const char *path;
    uint8_t *bytes;
    size_t size;
    struct diag *diag;
};

static status api_write_file(void *argument) {
    const struct api_write *write = argument;
    struct onnx_written written;
    return onnx_model_write(write->model->model, write->path, ONNX_INLINE_LIMIT_BYTES, &written, write->diag);
}

static status api_write_bytes(void *argument) {
    struct api_write *write = argument;
    return onnx_model_write_bytes(write->model->model, write->model->arena, &write->bytes, &write->size, write->diag);
}

superslash_status superslash_model_write(superslash_model *model, const char *path, superslash_error *error) {
    struct diag diag = {0};
    struct api_write write = {.model = model, .path = path, .diag = &diag};
    return api_end(heap_run(&model->heap, &diag, api_write_file, &write), &diag, error);
}

superslash_status superslash_model_bytes(superslash_model *model, const void **bytes, size_t *size, superslash_error *error) {
    struct diag diag = {0};
    struct api_write write = {.model = model, .diag = &diag};
    const status result = heap_run(&model->heap, &diag, api_write_bytes, &write);
    if (result == STATUS_OK) *bytes = write.bytes, *size = write.size;
    return api_end(result, &diag, error);
}
