/* sweep: what the network moves at every capacity of a range.
 *
 *   before  a graph, explored at the end of the range      after  job->record.sweep holds every knee; the graph is as it was
 *   source  cost-model.md 5 (ties go to the smaller footprint, so that a search says from where on its optimum holds) */
#include <inttypes.h>

#include "passes/job.h"
#include "passes/sweep.h"

static void sweep_layer_of(const struct job *job, const struct layer *layer, struct sweep_layer *made) {
    struct cost_way *ways = ARENA_ARRAY(job->arena, struct cost_way, 1 + layer->alternative_count);
    costs_way(job->layers, layer, job->shapes, &job->target, &ways[0]);
    for (uint32_t i = 0; i < layer->alternative_count; i++)
        costs_way(job->layers, &job->layers->alternatives.items[layer->alternative + i], job->shapes, &job->target, &ways[1 + i]);
    *made = (struct sweep_layer){graph_node_label(job->graph, layer->node), ways, 1 + layer->alternative_count};
}

/* The exploration at the end of the range knows nothing of curves: both must say the same. With fusion the sweep may know better: a search
 * that ended early there has had more luck with less. */
static status sweep_check(const struct record *record, struct diag *diag) {
    const struct record_sweep *sweep = record->sweep;
    const int64_t explored_bytes = record->totals.offchip_bytes;
    const bool is_same = sweep->sampled ? sweep->least_bytes <= explored_bytes : sweep->least_bytes == explored_bytes;
    if (sweep->infeasible_layers == record->infeasible_count && (sweep->infeasible_layers || is_same)) return STATUS_OK;
    return diag_fail(diag, STATUS_BUG,
                     "at %" PRId64 " B on chip the sweep has %" PRId64 " B and %u infeasible layers, the exploration %" PRId64 " B and %u",
                     sweep->to_bytes, sweep->least_bytes, sweep->infeasible_layers, explored_bytes, record->infeasible_count);
}

static status sweep_layers(struct job *job, const struct sweep_network *network, const struct sweep_layer *layers, uint32_t count,
                           struct diag *diag) {
    const struct sweep_range range = {job->range_from_bytes, job->range_to_bytes};
    const struct sweep_progress progress = {job->progress, job->progress_context};
    struct record_sweep *sweep = ARENA_NEW(job->arena, struct record_sweep);
    if (network) sweep_find_fused(job->arena, network, layers, &range, &progress, sweep);
    else sweep_find(job->arena, layers, count, &job->target, &range, job_threads(job), &progress, sweep);
    sweep->compulsory_bytes = job->record.totals.compulsory_bytes;
    if (sweep->compulsory_bytes > sweep->lower_bound_bytes) {
        sweep->lower_bound_bytes = sweep->compulsory_bytes;
        sweep->lower_bound = "compulsory";
    }
    job->record.sweep = sweep;
    return sweep_check(&job->record, diag);
}

status sweep_job(struct job *job, const struct sweep_layer *layers, uint32_t count, struct diag *diag) {
    return sweep_layers(job, NULL, layers, count, diag);
}

static status sweep_run(struct job *job, struct diag *diag) {
    const bool is_fused = !job->options->no_fusion;
    const struct sweep_network network = {job->layers, job->shapes, &job->target, job->record.totals.compulsory_bytes,
                                          is_fused ? job_parallel(job) : NULL};
    const uint32_t count = job->layers->items.count;
    struct sweep_layer *layers = ARENA_ARRAY(job->arena, struct sweep_layer, count);
    for (uint32_t i = 0; i < count; i++) sweep_layer_of(job, &job->layers->items.items[i], &layers[i]);
    return sweep_layers(job, is_fused ? &network : NULL, layers, count, diag);
}

const struct pass pass_sweep = {
    .name = "sweep",
    .summary = "finds every capacity at which the network's traffic falls",
    .needs = FACT_SHAPES | FACT_LAYERS,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = sweep_run,
};
