#include "passes/recover.h"

#include <string.h>

#include "base/checked.h"
#include "ir/cut.h"
#include "ir/edit.h"

/* Places of an image that are fitted. Two networks, each with what runs ahead of the solving: a third of memory for what one pass needs.
 */
enum { RECOVER_PLACES = 48, ROOM_SHARE = 3, LEAST_ROOM_SHARE = 24 };

static const unsigned recover_forms[] = {
    [RECOVER_NONE] = 0,
    [RECOVER_BIAS] = 1u << REFIT_BIAS,
    [RECOVER_MAP] = 1u << REFIT_BIAS | 1u << REFIT_MAP,
    [RECOVER_LS] = 1u << REFIT_LS | 1u << REFIT_LS_RECTIFIED,
    [RECOVER_AUTO] = 1u << REFIT_BIAS | 1u << REFIT_MAP | 1u << REFIT_LS | 1u << REFIT_LS_RECTIFIED,
};

enum recover job_recover(const struct job *job) { return options_has(job->options, "recover") ? job->options->recover : RECOVER_AUTO; }

/* ---- measuring ---- */

/* sets: images fitted, held out. */
static status recover_measure(const struct job *job, struct refit_twin *twin, struct accuracy *sets, struct diag *diag) {
    const status result = refit_twin_finish(twin, diag);
    if (result != STATUS_OK) return result;
    refit_twin_measure(twin, 0, twin->batch->fit_images, job->labels, &sets[0]);
    refit_twin_measure(twin, twin->batch->fit_images, twin->batch->images, job->labels, &sets[1]);
    return STATUS_OK;
}

/* ---- solving ---- */

static void recover_note(struct recovery *recovery, node_id node, const struct refit_outcome *outcome) {
    for (uint32_t i = 0; i < recovery->layers.count; i++)
        if (recovery->layers.items[i].node.at == node.at)
            recovery->layers.items[i] = (struct recover_layer){node, outcome->form, outcome->error_before, outcome->error_after};
}

static status recover_layer(struct recovery *recovery, struct refit_twin *twin, const struct refit_layer *layer, struct diag *diag) {
    const struct refit_settings settings = {.forms = recover_forms[recovery->kind], .places = RECOVER_PLACES, .rate = REFIT_RATE};
    struct refit_outcome outcome;
    status result = refit_twin_reach(twin, layer, diag);
    if (result == STATUS_OK) result = refit_layer_solve(twin, layer, &settings, &outcome, diag);
    if (result != STATUS_OK) return result;
    const struct refit_layer *other = refit_twin_other(twin, layer);
    recover_note(recovery, layer->node, &outcome);
    if (other) recover_note(recovery, other->node, &outcome);
    refit_twin_leave(twin, layer);
    return STATUS_OK;
}

/* One row a layer, in execution order; two that are solved at once have the same. */
static status recover_turn(struct job *job, struct recovery *recovery, struct refit_twin *twin, const struct refit_layer *layer,
                           struct diag *diag) {
    const struct recover_layer row = {.node = layer->node};
    array_push(job->arena, &recovery->layers, row);
    if (!refit_twin_is_earlier(twin, layer)) return recover_layer(recovery, twin, layer, diag);
    refit_twin_hold(twin, layer);
    return STATUS_OK;
}

static status recover_layers(struct job *job, struct recovery *recovery, struct refit_twin *twin, struct diag *diag) {
    status result = STATUS_OK;
    for (uint32_t i = 0; i < twin->layers.count && result == STATUS_OK; i++) {
        if (job->progress) job->progress(job->progress_context, "recovering", (double)i / twin->layers.count);
        if (refit_twin_touches(twin, &twin->layers.items[i])) result = recover_turn(job, recovery, twin, &twin->layers.items[i], diag);
    }
    return result;
}

/* ---- into the graph ---- */

status recover_install(struct graph *graph, value_id id, const float *floats, struct diag *diag) {
    const struct tensor *tensor = graph_tensor(graph, graph_value(graph, id)->constant);
    const size_t bytes = (size_t)tensor->elements * type_bits(tensor->type) / 8;
    uint8_t *made = arena_alloc(graph->arena, bytes);
    if (!tensor_write_floats(tensor->type, floats, tensor->elements, made))
        return diag_fail(diag, STATUS_UNSUPPORTED, "tensor '%s': recovery cannot write %s", graph_value(graph, id)->name,
                         type_name(tensor->type));
    edit_set_tensor(graph, graph_value(graph, id)->constant, tensor->dims, tensor->rank, made, bytes);
    return STATUS_OK;
}

static status recover_install_all(struct job *job, const struct recovery *recovery, struct refit_twin *twin, struct diag *diag) {
    status result = STATUS_OK;
    for (uint32_t i = 0, at = 0; i < twin->layers.count && result == STATUS_OK; i++) {
        const struct refit_layer *layer = &twin->layers.items[i];
        if (!refit_twin_touches(twin, layer)) continue;
        if (recovery->layers.items[at++].form == REFIT_NONE) continue;
        result = recover_install(job->graph, layer->weight, eval_get(twin->pruned, layer->weight)->floats, diag);
        if (result == STATUS_OK && layer->bias.at)
            result = recover_install(job->graph, layer->bias, eval_get(twin->pruned, layer->bias)->floats, diag);
    }
    return result;
}

static status recover_twin(struct job *job, struct recovery *recovery, struct refit_twin *twin, bool installs, struct diag *diag) {
    status result = recover_measure(job, twin, recovery->before, diag);
    if (result == STATUS_OK && recovery->kind == RECOVER_NONE) {
        memcpy(recovery->after, recovery->before, sizeof recovery->after);
        return STATUS_OK;
    }
    if (result == STATUS_OK) result = refit_twin_rewind(twin, diag);
    if (result == STATUS_OK) result = recover_layers(job, recovery, twin, diag);
    if (result == STATUS_OK) result = recover_measure(job, twin, recovery->after, diag);
    return result == STATUS_OK && installs ? recover_install_all(job, recovery, twin, diag) : result;
}

/* All samples that memory has room for; the parts of the survey are fitted here. */
static status recover_read(struct job *job, struct arena *arena, int64_t share, struct refit_batch *batch, struct diag *diag) {
    int64_t room;
    status result = refit_batch_room(arena, job->graph, job->samples, options_memory_bytes(job->options) / share, false, &room, diag);
    const struct refit_choice choice = {.fit = 1u << REFIT_PART_FIT | 1u << REFIT_PART_DAMAGE,
                                        .measure = 1u << REFIT_PART_HELD_OUT,
                                        .fit_most = greatest(1, room - room / REFIT_PARTS_OF),
                                        .measure_most = greatest(1, room / REFIT_PARTS_OF)};
    return result == STATUS_OK ? refit_batch_read(arena, job->graph, job->samples, &choice, batch, diag) : result;
}

/* With as many samples as that share of memory is thought to hold. STATUS_LIMIT where it does not. */
static status recover_with(struct job *job, const struct removal *removal, bool installs, int64_t share, struct recovery *recovery,
                           struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(job->arena));
    struct refit_batch batch;
    struct refit_twin twin;
    struct refit_twin_request request = {.graph = job->graph,
                                         .shapes = job->shapes,
                                         .spaces = job->spaces,
                                         .removal = removal,
                                         .batch = &batch,
                                         .memory_bytes = options_memory_bytes(job->options),
                                         .threads = job_parallel(job)};
    *recovery = (struct recovery){.kind = job_recover(job)};
    status result = recover_read(job, scratch, share, &batch, diag);
    if (result == STATUS_OK) result = refit_twin_open(scratch, &request, &twin, diag);
    if (result == STATUS_OK) result = recover_twin(job, recovery, &twin, installs, diag);
    arena_free(scratch);
    return result;
}

status recover_removal(struct job *job, const struct removal *removal, bool installs, struct recovery *recovery, struct diag *diag) {
    for (int64_t share = ROOM_SHARE; share <= LEAST_ROOM_SHARE; share *= 2) {
        struct diag full = {0};
        const status result = recover_with(job, removal, installs, share, recovery, &full);
        if (result == STATUS_OK || result != STATUS_LIMIT || share * 2 > LEAST_ROOM_SHARE)
            return result == STATUS_OK ? result : diag_fail(diag, result, "%s", full.message);
    }
    return STATUS_OK;
}

double recovery_error(const struct recovery *recovery) { return accuracy_error(&recovery->after[recovery->after[1].samples ? 1 : 0]); }
