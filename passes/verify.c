/* verify: two models on the same samples, batch by batch, and how far their outputs are apart. */
#include "base/checked.h"
#include "base/os.h"
#include "eval/samples.h"
#include "passes/distance.h"
#include "passes/job.h"

enum { VERIFY_MOST_SAMPLES = 256, VERIFY_LEAST_BATCHES = 20 }; /* samples of a batch; batches, for the progress to be seen */

/* One of the two models. */
struct verify_side {
    struct job *job;
    struct eval *eval;
    struct samples *samples;
};

static status verify_open(struct verify_side *side, struct job *job, struct parallel *threads, struct diag *diag) {
    const struct options *options = job->options;
    const struct samples_settings settings = {options->calibrate, options->mean.items, options->scale.items, options->mean.count,
                                              options->scale.count};
    side->job = job;
    status result = eval_check(job->graph, diag);
    if (result == STATUS_OK) result = samples_open(job->arena, job->graph, &settings, &side->samples, diag);
    if (result != STATUS_OK) return result;
    side->eval = eval_new(job->arena, job->graph, &(struct eval_settings){threads, options_memory_bytes(options)});
    return STATUS_OK;
}

static status verify_run(const struct verify_side *side, int64_t from, int64_t count, struct diag *diag) {
    eval_next(side->eval);
    const status result = samples_give(side->samples, side->eval, side->job->graph, from, count, diag);
    return result == STATUS_OK ? eval_run(side->eval, 0, eval_node_count(side->eval), diag) : result;
}

/* How many samples at once memory has room for, from what the first batch took. */
static int64_t verify_batch(const struct verify_side *sides, int64_t first) {
    int64_t peak_bytes = 1;
    for (int i = 0; i < 2; i++)
        if (eval_peak_bytes(sides[i].eval) > peak_bytes) peak_bytes = eval_peak_bytes(sides[i].eval);
    const int64_t fit = options_memory_bytes(sides->job->options) / peak_bytes * first;
    const int64_t most = least(VERIFY_MOST_SAMPLES, samples_count(sides->samples) / VERIFY_LEAST_BATCHES);
    return greatest(least(fit, most), 1);
}

static status verify_walk(const struct verify_side *sides, struct distance *distance, struct diag *diag) {
    const struct job *job = sides->job;
    const int64_t all = samples_count(sides[0].samples);
    const int64_t fixed_a = samples_fixed_batch(sides[0].samples), fixed_b = samples_fixed_batch(sides[1].samples);
    const int64_t fixed = fixed_a > fixed_b ? fixed_a : fixed_b;
    int64_t batch = fixed ? fixed : 1;
    status result = STATUS_OK;
    for (int64_t from = 0; from < all && result == STATUS_OK; from += batch) {
        if (from && !fixed) batch = verify_batch(sides, 1);
        if (batch > all - from) batch = all - from;
        for (int i = 0; i < 2 && result == STATUS_OK; i++) result = verify_run(&sides[i], from, batch, diag);
        if (result == STATUS_OK) result = distance_add(distance, sides[0].eval, sides[1].eval, from, batch, diag);
        if (job->progress) job->progress(job->progress_context, "comparing", (double)(from + batch) / (double)all);
    }
    return result;
}

status job_verify(struct job *a, struct job *b, struct diag *diag) {
    struct verify_side sides[2];
    struct distance *distance;
    int64_t *labels = NULL;
    const double start_s = os_seconds();
    if (!a->options->calibrate) return diag_fail(diag, STATUS_USAGE, "verify: --calibrate FILE.npz is needed: the samples to compare on");
    status result = verify_open(&sides[0], a, job_parallel(a), diag);
    if (result == STATUS_OK) result = verify_open(&sides[1], b, job_parallel(a), diag);
    if (result == STATUS_OK && a->options->labels)
        result = labels_read(a->arena, a->options->labels, samples_count(sides[0].samples), &labels, diag);
    if (result == STATUS_OK) result = distance_new(a->arena, a->graph, b->graph, labels, &distance, diag);
    if (result == STATUS_OK) result = verify_walk(sides, distance, diag);
    if (result != STATUS_OK) return result;
    struct record_accuracy *accuracy = ARENA_NEW(a->arena, struct record_accuracy);
    *accuracy = distance_record(distance);
    accuracy->reference = onnx_model_path(a->model);
    accuracy->model = onnx_model_path(b->model);
    accuracy->samples = a->options->calibrate;
    const struct record_timing timing = {"verify", 1e3 * (os_seconds() - start_s)};
    array_push(a->arena, &a->timings, timing);
    a->record = (struct record){.command = a->command, .accuracy = accuracy, .timings = a->timings.items, .timing_count = a->timings.count};
    return STATUS_OK;
}
