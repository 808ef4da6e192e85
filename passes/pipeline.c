/* The jobs: which passes, in which order. */
#include <inttypes.h>
#include <string.h>

#include "base/os.h"
#include "base/parallel.h"
#include "eval/samples.h"
#include "op/op.h"
#include "passes/from_annotations.h"
#include "passes/record_recovery.h"
#include "passes/record_spaces.h"
#include "passes/recover.h"
#include "passes/select.h"
#include "passes/widths.h"
#include "report/table.h"

static const struct pass *const exploring[] = {&pass_explore, &pass_fuse, NULL};
static const struct pass *const publishing[] = {&pass_published, NULL};
static const struct pass *const sweeping[] = {&pass_explore, &pass_fuse, &pass_sweep, NULL};
static const struct pass *const annotating[] = {&pass_annotate, NULL};
static const struct pass *const choosing[] = {&pass_survey, &pass_rank, &pass_recover, &pass_prune, &pass_explore, &pass_fuse, NULL};
static const struct pass *const cutting[] = {&pass_recover, &pass_prune, &pass_explore, &pass_fuse, NULL};

enum importance job_importance(const struct job *job) {
    if (options_has(job->options, "importance")) return job->options->importance;
    return job->samples ? IMPORTANCE_CSS : IMPORTANCE_L2;
}

static const int64_t sweep_from_bytes = 1 << 10, sweep_to_bytes = 8 << 20;

unsigned job_threads(const struct job *job) { return job->options->threads ? job->options->threads : os_processor_count(); }

struct parallel *job_parallel(struct job *job) {
    if (!job->parallel) job->parallel = parallel_new(job->arena, job_threads(job));
    return job->parallel;
}

/* A published model has no schedule to write, and nothing here prunes by it. */
static status job_check_published(const struct job *job, struct diag *diag) {
    if (strcmp(job->command, "explore") == 0) return STATUS_OK;
    return diag_fail(diag, STATUS_UNSUPPORTED, "%s: cost_model %s: a published model works with explore alone", job->command,
                     cost_model_names[job->target.cost_model]);
}

static status job_take_range(struct job *job, struct diag *diag) {
    const struct options *options = job->options;
    for (uint32_t i = 0; i < options->overrides.count; i++)
        if (strcmp(options->overrides.items[i].option, "on-chip") == 0)
            return diag_fail(diag, STATUS_USAGE, "sweep: --on-chip '%s' is not allowed: expected a range like 16KiB:4MiB",
                             options->overrides.items[i].value);
    if (job->target.is_split && !options->range_to_bytes)
        return diag_fail(diag, STATUS_USAGE, "sweep: the memory of target '%s' is split, a sweep is over one: give --on-chip 16KiB:4MiB",
                         job->target.name);
    job->range_from_bytes = options->range_to_bytes ? options->range_from_bytes : sweep_from_bytes;
    job->range_to_bytes = options->range_to_bytes ? options->range_to_bytes : sweep_to_bytes;
    job->target.capacity_bytes = job->range_to_bytes;
    job->target.is_split = false;
    return STATUS_OK;
}

status job_take_target(struct job *job, struct diag *diag) {
    const bool is_sweep = strcmp(job->command, "sweep") == 0;
    if (job->options->range_to_bytes && !is_sweep)
        return diag_fail(diag, STATUS_USAGE, "%s: --on-chip takes a range only with sweep", job->command);
    status result = job->model && job->options->from_annotations ? annotated_target(job, diag)
                                                                 : options_target(job->options, job->arena, &job->target, diag);
    if (result == STATUS_OK && job->target.cost_model != COST_EXACT) result = job_check_published(job, diag);
    return result == STATUS_OK && is_sweep ? job_take_range(job, diag) : result;
}

status job_open(struct job *job, struct arena *arena, const struct options *options, const char *command, struct onnx_model *model,
                struct diag *diag) {
    *job = (struct job){.arena = arena, .options = options, .command = command, .model = model, .graph = onnx_model_graph(model)};
    const bool is_exploring = strcmp(command, "explore") == 0 || strcmp(command, "compare") == 0;
    if (options->from_annotations && !is_exploring)
        return diag_fail(diag, STATUS_USAGE, "--from-annotations is not an option of %s, but of explore, compare", command);
    const status result = job_take_target(job, diag);
    return result == STATUS_OK ? op_resolve(job->graph, diag) : result;
}

/* The size of the file that is written, known when nothing is left to change; as it was read where none is. */
static void job_measure(struct job *job) {
    struct record_model *model = arena_copy(job->arena, job->record.model, sizeof *model);
    model->bytes = (int64_t)(job->plan || job->options->output ? onnx_model_size(job->model) : onnx_model_file_bytes(job->model));
    job->record.model = model;
}

static status job_annotate(struct job *job, struct diag *diag) {
    const status result = run_passes(job, annotating, diag);
    if (result == STATUS_OK) job_measure(job);
    return result;
}

/* A published model makes no schedule: there is nothing to annotate. */
static status job_publish(struct job *job, struct diag *diag) {
    status result = run_passes(job, publishing, diag);
    if (result == STATUS_OK && job->options->no_annotations) result = job_annotate(job, diag);
    return result;
}

status job_explore(struct job *job, struct diag *diag) {
    if (job->target.cost_model != COST_EXACT) return job_publish(job, diag);
    status result = job->options->from_annotations ? annotated_schedule(job, diag) : STATUS_OK;
    if (result == STATUS_OK) result = run_passes(job, exploring, diag);
    if (result == STATUS_OK && !job->record.infeasible_count) result = job_annotate(job, diag);
    return result;
}

status job_sweep(struct job *job, struct diag *diag) { return run_passes(job, sweeping, diag); }

/* Weights are needed, and a schedule to write; both say what is missing. */
static status job_check_data(const struct job *job, struct diag *diag) {
    for (uint32_t at = 1; at < job->graph->tensors.count && onnx_model_lacks_data(job->model); at++) {
        const struct tensor *tensor = job->graph->tensors.items[at];
        if (!tensor->has_bytes && !tensor->cut && tensor->type != TYPE_STRING && tensor->elements)
            return diag_fail(diag, STATUS_IO, "tensor '%s': its external data are missing, and pruning needs them", tensor->name);
    }
    return STATUS_OK;
}

/* What says nothing, or cannot be done, without samples. */
static status job_check_no_samples(const struct job *job, struct diag *diag) {
    static const char *const names[] = {"mean", "scale", "labels", "memory"};
    const char *wanting = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (options_has(job->options, names[i])) wanting = names[i];
    if (job->options->max_error > 0) wanting = "max-error";
    if (options_has(job->options, "importance") && job->options->importance == IMPORTANCE_CSS) wanting = "importance css";
    if (options_has(job->options, "importance") && job->options->importance == IMPORTANCE_ACTIVATION) wanting = "importance activation";
    if (job->options->recover != RECOVER_NONE && job->options->recover != RECOVER_BIAS) wanting = "recover";
    if (!wanting) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "%s: --%s needs samples: give --calibrate FILE.npz", job->command, wanting);
}

/* Samples, and labels for them. */
static status job_open_samples(struct job *job, struct diag *diag) {
    const struct options *options = job->options;
    const struct samples_settings settings = {options->calibrate, options->mean.items, options->scale.items, options->mean.count,
                                              options->scale.count};
    int64_t *labels = NULL;
    if (!options->calibrate) return job_check_no_samples(job, diag);
    status result = eval_check(job->graph, diag);
    if (result == STATUS_OK) result = samples_open(job->arena, job->graph, &settings, &job->samples, diag);
    if (result == STATUS_OK && options->labels)
        result = labels_read(job->arena, options->labels, samples_count(job->samples), &labels, diag);
    job->labels = labels;
    return result;
}

static status job_check_fit(const struct job *job, struct diag *diag) {
    char line[512];
    for (uint32_t i = 0; i < job->record.layer_count; i++) {
        if (!job->record.layers[i].infeasible) continue;
        table_infeasible_line(&job->record.layers[i], &job->target, line, sizeof line);
        return diag_fail(diag, STATUS_UNMET, "after pruning %u layers still do not fit on the chip: %s", job->record.infeasible_count,
                         line);
    }
    return STATUS_OK;
}

/* Explores, prunes by `passes`, explores again; the record says both. */
static status job_shrink(struct job *job, const struct pass *const *passes, struct diag *diag) {
    const struct record_space *spaces;
    uint32_t space_count;
    status result = job_check_data(job, diag);
    if (result == STATUS_OK) result = job_open_samples(job, diag);
    if (result == STATUS_OK) result = run_passes(job, exploring, diag);
    if (result == STATUS_OK) result = ensure_facts(job, FACT_SPACES, diag);
    if (result != STATUS_OK) return result;
    job->before = job->record;
    record_spaces(job, NULL, &spaces, &space_count);
    result = run_passes(job, passes, diag);
    if (result != STATUS_OK) return result;
    record_pruned_spaces(job, spaces, space_count, &job->record);
    record_pruning_of(job);
    record_recovery_of(job);
    return job_check_fit(job, diag);
}

static status job_check_error(const struct job *job, struct diag *diag) {
    const double bound = job->options->max_error;
    if (!(bound > 0) || recovery_error(job->recovery) <= bound) return STATUS_OK;
    return diag_fail(diag, STATUS_UNMET, "--max-error %g: with --offchip %s the outputs' error is %.3g", bound, job->options->offchip.text,
                     recovery_error(job->recovery));
}

status job_optimize(struct job *job, struct diag *diag) {
    status result = job_shrink(job, choosing, diag);
    if (result == STATUS_OK) result = job_check_error(job, diag);
    if (result != STATUS_OK) return result;
    if (job->record.totals.offchip_bytes > job->ranked->limit_bytes)
        return diag_fail(diag, STATUS_BUG, "ranking promised %" PRId64 " B, the pruned model moves %" PRId64 " B",
                         job->ranked->reached_bytes, job->record.totals.offchip_bytes);
    return job_annotate(job, diag);
}

status job_prune(struct job *job, const char *plan_text, size_t plan_length, struct diag *diag) {
    job->plan = ARENA_NEW(job->arena, struct plan);
    status result = plan_parse(job->arena, plan_text, plan_length, job->plan, diag);
    if (result == STATUS_OK) result = job_shrink(job, cutting, diag);
    return result == STATUS_OK ? job_annotate(job, diag) : result;
}

status job_inspect(struct job *job, struct diag *diag) {
    status result = run_passes(job, exploring, diag);
    if (result == STATUS_OK) result = ensure_facts(job, FACT_SPACES, diag);
    if (result != STATUS_OK) return result;
    struct widths *widths =
        widths_new(job->arena, job->layers, job->shapes, job->spaces, &job->target, !job->options->no_fusion, job_threads(job));
    record_spaces(job, widths, &job->record.spaces, &job->record.space_count);
    return STATUS_OK;
}
