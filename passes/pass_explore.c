/* explore: the best mapping of each layer, and what the network costs with them.
 *
 *   before  a graph                      after  job->record says what each layer moves and how; the graph is as it was
 *   source  cost-model.md 1-5, 7, 9, 10 (SuperSlash, Ahmad et al., TCAD 2020, for exploring layer by layer) */
#include <string.h>

#include "op/op.h"
#include "passes/fingerprint.h"
#include "passes/record_make.h"
#include "passes/spaces.h"

/* Elements of all constants that are data; INT64 says shapes, axes and indices. */
static int64_t explore_parameters(const struct graph *graph) {
    int64_t elements = 0;
    for (uint32_t at = 1; at < graph->values.count; at++) {
        const struct value *value = graph->values.items[at];
        if (!value->constant.at) continue;
        const struct tensor *tensor = graph_tensor(graph, value->constant);
        if (tensor->type != TYPE_INT64) elements += tensor->elements;
    }
    return elements;
}

static const struct record_model *explore_model(const struct job *job) {
    struct record_model *model = ARENA_NEW(job->arena, struct record_model);
    *model = (struct record_model){.path = onnx_model_path(job->model),
                                   .ir_version = job->graph->ir_version,
                                   .opset = graph_opset(job->graph),
                                   .nodes = job->graph->order.count,
                                   .parameters = explore_parameters(job->graph),
                                   .bytes = (int64_t)onnx_model_file_bytes(job->model)};
    for (uint32_t i = 0; i < job->costs->items.count; i++) model->macs += job->costs->items.items[i].macs;
    return model;
}

static void explore_opaque(const struct job *job, struct record *record) {
    ARRAY(struct record_opaque) opaque = {0};
    for (uint32_t i = 0; i < job->costs->items.count; i++) {
        const struct layer *layer = job->costs->items.items[i].layer;
        if (layer->kind != LAYER_OPAQUE) continue;
        const struct node *node = graph_node(job->graph, layer->node);
        const struct record_opaque entry = {node->op_type, node->domain, layer->reason, 1};
        uint32_t at = 0;
        while (at < opaque.count && (strcmp(opaque.items[at].op, entry.op) != 0 || strcmp(opaque.items[at].domain, entry.domain) != 0 ||
                                     strcmp(opaque.items[at].reason, entry.reason) != 0))
            at++;
        if (at < opaque.count) opaque.items[at].count++;
        else array_push(job->arena, &opaque, entry);
    }
    record->opaque = opaque.items;
    record->opaque_count = opaque.count;
}

static status explore_run(struct job *job, struct diag *diag) {
    const struct costs *costs = job->costs;
    struct record_source *sources = ARENA_ARRAY(job->arena, struct record_source, costs->items.count);
    (void)diag;
    for (uint32_t i = 0; i < costs->items.count; i++) {
        const struct layer *layer = costs->items.items[i].layer;
        sources[i] = (struct record_source){graph_node_label(job->graph, layer->node),
                                            graph_node(job->graph, layer->node)->op_type,
                                            layer->node,
                                            layer->epilogue,
                                            layer->epilogue_count,
                                            &costs->items.items[i]};
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
    job->record.model = explore_model(job);
    job->record.fingerprint = fingerprint_of_graph(job->arena, job->graph, job->shapes);
    explore_opaque(job, &job->record);
    return STATUS_OK;
}

const struct pass pass_explore = {
    .name = "explore",
    .summary = "finds the mapping of each layer that moves the fewest bytes",
    .needs = FACT_SHAPES | FACT_LAYERS | FACT_COSTS,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = explore_run,
};
