/* published: what each layer moves by one of the two published cost models.
 *
 *   before  a graph                      after  job->record says so; no mappings, no groups, so nothing to annotate
 *   conditions  layers are the Conv, Gemm and MatMul nodes (one layer per group, one after another); P is a pool that has joined the
 *               epilogue; what else moves bytes (lone pools, Adds, biases, second operands) these models do not count
 *   source  cost-model.md 6 (SuperSlash, TCAD 2020; SmartShuttle, DATE 2018) */
#include "passes/record_published.h"

static status published_take(const struct job *job, const struct layer *layer, struct published_source *source, struct diag *diag) {
    const char *what = graph_describe_node(job->graph, layer->node);
    *source = (struct published_source){.name = graph_node_label(job->graph, layer->node),
                                        .op = graph_node(job->graph, layer->node)->op_type,
                                        .node = layer->node,
                                        .epilogue = layer->epilogue,
                                        .epilogue_count = layer->epilogue_count,
                                        .factors = {1, 1, 1}};
    layer_nest(job->layers, layer, job->shapes, &job->target, &source->nest);
    source->parameters = job->layers->is_constant[layer->weight.at] ? nest_weight_elems(&source->nest) : 0;
    const status result = nest_check(&source->nest, what, diag);
    return result == STATUS_OK ? published_check(&source->nest, what, diag) : result;
}

static status published_run(struct job *job, struct diag *diag) {
    struct published_source *sources = ARENA_ARRAY(job->arena, struct published_source, job->layers->items.count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < job->layers->items.count; i++) {
        const struct layer *layer = &job->layers->items.items[i];
        if (layer->kind != LAYER_NEST) continue;
        const status result = published_take(job, layer, &sources[count++], diag);
        if (result != STATUS_OK) return result;
    }
    record_publish(job, sources, count);
    record_opaque_of(job, &job->record);
    return STATUS_OK;
}

const struct pass pass_published = {
    .name = "published",
    .summary = "costs each layer by a published model, in place of explore",
    .needs = FACT_SHAPES | FACT_LAYERS,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = published_run,
};
