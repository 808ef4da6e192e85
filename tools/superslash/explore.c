#include <string.h>

#include "outputs.h"
#include "report/json.h"
#include "tables.h"

/* "conv5: smallest legal tile needs 9,412 B (input 3,780 + weight 4,608 + output 1,024), on chip 8,192 B, 1,220 B short" */
static status fail_infeasible(const struct record *record, struct diag *diag) {
    static const char *const partition[OPERAND_COUNT] = {" for inputs", " for weights", " for outputs"};
    uint32_t at = 0;
    while (at < record->layer_count && !record->layers[at].infeasible) at++;
    if (at == record->layer_count) return diag_fail(diag, STATUS_BUG, "an infeasible layer without a record");
    const struct infeasible *why = record->layers[at].infeasible;
    char demand[32], input[32], weight[32], output[32], capacity[32], missing[32], others[64] = "";
    if (record->infeasible_count > 1)
        snprintf(others, sizeof others, "; %u more layer%s do%s not fit", record->infeasible_count - 1,
                 record->infeasible_count > 2 ? "s" : "", record->infeasible_count > 2 ? "" : "es");
    return diag_fail(diag, STATUS_UNMET,
                     "%s: smallest legal tile needs %s B (input %s + weight %s + output %s), on chip %s B%s, %s B short%s",
                     record->layers[at].name, table_number(why->demand_bytes, demand), table_number(why->demand.bytes[OPERAND_I], input),
                     table_number(why->demand.bytes[OPERAND_W], weight), table_number(why->demand.bytes[OPERAND_O], output),
                     table_number(why->capacity_bytes, capacity), record->target->is_split ? partition[why->short_operand] : "",
                     table_number(why->short_bytes, missing), others);
}

/* What makes an exploration end with an error although it is reported in full. */
static status check_gates(const struct options *options, const struct record *record, struct diag *diag) {
    char is[32], allowed[32], over[32];
    const int64_t at_most = options->at_most_bytes, bytes = record->totals.offchip_bytes;
    if (record->infeasible_count) return fail_infeasible(record, diag);
    if (!at_most || bytes <= at_most) return STATUS_OK;
    return diag_fail(diag, STATUS_UNMET, "off-chip traffic is %s B, --at-most allows %s B, %s B too many", table_number(bytes, is),
                     table_number(at_most, allowed), table_number(bytes - at_most, over));
}

static status report(struct session *session, struct job *job, struct diag *diag) {
    status result = print_exploration(session, job, diag);
    if (result != STATUS_OK) return result;
    const status gate = check_gates(&session->options, &job->record, diag);
    const char *json = session->options.json ? json_report(session->arena, &job->record) : NULL;
    const struct outputs outputs = {.json = json, .model = gate == STATUS_OK ? job->model : NULL};
    result = outputs_write(session, &outputs, diag);
    return gate != STATUS_OK ? gate : result;
}

static status explore_table(struct session *session, struct diag *diag) {
    const struct options *options = &session->options;
    if (options->input) return diag_fail(diag, STATUS_USAGE, "explore: a model (%s) and --layers contradict each other", options->input);
    if (options->output) return diag_fail(diag, STATUS_USAGE, "explore: -o writes a model, --layers has none");
    if (options->from_annotations) return diag_fail(diag, STATUS_USAGE, "explore: --from-annotations reads a model, --layers has none");
    struct job job = {.progress = progress_update, .progress_context = &session->progress};
    const status result = job_explore_table(&job, session->arena, options, "explore", options->layers, diag);
    return result == STATUS_OK ? report(session, &job, diag) : result;
}

/* --no-annotations with nothing else asked for: the file as it was. */
static status copy_model(struct session *session, struct diag *diag) {
    struct outputs outputs = {0};
    const status result = onnx_model_open(session->arena, session->options.input, &outputs.model, diag);
    return result == STATUS_OK ? outputs_write(session, &outputs, diag) : result;
}

static status check_schedule(const struct options *options, const struct target *target, struct diag *diag) {
    if (target->cost_model == COST_EXACT || !options->output || options->no_annotations) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "explore: -o writes a schedule, and cost_model %s, a published model, makes none",
                     cost_model_names[target->cost_model]);
}

status run_explore(struct session *session, struct diag *diag) {
    const struct options *options = &session->options;
    if (options->layers) return explore_table(session, diag);
    if (!options->input) return diag_fail(diag, STATUS_USAGE, "explore: give a model (IN.onnx), or --layers TABLE.csv");
    if (options->no_annotations && options->output && !options->json && !options->at_most_bytes && !options->from_annotations &&
        !options->explain)
        return copy_model(session, diag);
    struct job job;
    status result = session_open(session, &job, options->input, diag);
    if (result == STATUS_OK) result = check_schedule(options, &job.target, diag);
    if (result == STATUS_OK) result = job_explore(&job, diag);
    return result == STATUS_OK ? report(session, &job, diag) : result;
}
