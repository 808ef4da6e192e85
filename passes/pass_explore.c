/* explore: the best mapping of each layer, and what the network costs with them.
 *
 *   before  a graph                      after  job->record says what each layer moves and how; the graph is as it was
 *   source  cost-model.md 1-5, 7, 9, 10 (SuperSlash, Ahmad et al., TCAD 2020, for exploring layer by layer) */
#include "passes/fingerprint.h"
#include "passes/record_make.h"
#include "passes/spaces.h"

static status explore_run(struct job *job, struct diag *diag) {
    const struct costs *costs = job->costs;
    struct record_source *sources = ARENA_ARRAY(job->arena, struct record_source, costs->items.count);
    int64_t macs = 0;
    (void)diag;
    for (uint32_t i = 0; i < costs->items.count; i++) {
        const struct layer *layer = costs->items.items[i].layer;
        sources[i] = (struct record_source){graph_node_label(job->graph, layer->node),
                                            graph_node(job->graph, layer->node)->op_type,
                                            layer->node,
                                            layer->epilogue,
                                            layer->epilogue_count,
                                            &costs->items.items[i]};
        macs += costs->items.items[i].macs;
    }
    job->record = (struct record){.command = job->command};
    record_make(job->arena, job->graph, &job->target, sources, costs->items.count, &job->record);
    struct record_totals *totals = &job->record.totals;
    totals->compulsory_bytes = costs->compulsory_bytes;
    totals->lower_bound_bytes = costs->bound_bytes;
    if (totals->compulsory_bytes > totals->lower_bound_bytes) {
        totals->lower_bound_bytes = totals->compulsory_bytes;
        totals->lower_bound = "compulsory";
    }
    job->record.model = record_model_of(job, macs);
    job->record.fingerprint = fingerprint_of_graph(job->arena, job->graph, job->shapes);
    record_opaque_of(job, &job->record);
    return STATUS_OK;
}

const struct pass pass_explore = {
    .name = "explore",
    .summary = "finds the mapping of each layer that moves the fewest bytes",
    .needs = FACT_SHAPES | FACT_LAYERS | FACT_COSTS,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = explore_run,
};
