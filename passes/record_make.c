#include "passes/record_make.h"

#include <stdlib.h>
#include <string.h>

#include "passes/fingerprint.h"
#include "passes/record_fused.h"

/* ---- time and energy ---- */

struct record_effort record_effort_of(const struct target *target, double bytes, int64_t macs) {
    struct record_effort effort = {-1, -1, -1, NULL};
    if (target->energy_pj_per_byte > 0) effort.energy_uj = bytes * target->energy_pj_per_byte / 1e6;
    if (target->bandwidth_bytes_per_s > 0) effort.offchip_ms = 1e3 * bytes / target->bandwidth_bytes_per_s;
    if (target->macs_per_cycle > 0 && target->clock_hz > 0)
        effort.compute_ms = 1e3 * (double)macs / ((double)target->macs_per_cycle * target->clock_hz);
    if (effort.offchip_ms >= 0 && effort.compute_ms >= 0) effort.bound_by = effort.offchip_ms >= effort.compute_ms ? "memory" : "compute";
    return effort;
}

/* ---- layers ---- */

static void record_layer_make(struct arena *arena, const struct graph *graph, const struct target *target,
                              const struct record_source *source, uint32_t index, uint32_t group, struct record_layer *layer) {
    const struct layer_cost *cost = source->cost;
    const struct record_effort effort = record_effort_of(target, (double)cost->offchip_bytes, cost->macs);
    const char **names = arena_alloc_array(arena, source->epilogue_count, sizeof *names);
    for (uint32_t i = 0; i < source->epilogue_count; i++) names[i] = graph_node_label(graph, source->epilogue[i]);
    *layer = (struct record_layer){.index = index,
                                   .name = source->name,
                                   .op = source->op,
                                   .node = source->node,
                                   .nest = cost->has_nest ? &cost->nest : NULL,
                                   .macs = cost->macs,
                                   .parameters = cost->parameters,
                                   .epilogue = names,
                                   .epilogue_count = source->epilogue_count,
                                   .footprint_bytes = cost->footprint_bytes,
                                   .offchip_bytes = cost->offchip_bytes,
                                   .input_bytes = cost->traffic.input_bytes,
                                   .weight_bytes = cost->traffic.weight_bytes,
                                   .output_bytes = cost->traffic.output_bytes,
                                   .partial_sum_bytes = cost->traffic.partial_sum_bytes,
                                   .bound_bytes = cost->bound_bytes,
                                   .group = group,
                                   .energy_uj = effort.energy_uj,
                                   .offchip_ms = effort.offchip_ms,
                                   .compute_ms = effort.compute_ms,
                                   .bound_by = effort.bound_by,
                                   .infeasible = cost->is_feasible ? NULL : &cost->found.infeasible};
    if (!cost->has_mapping) return;
    layer->mapping = &cost->found.mapping;
    layer->reuse = mapping_reuse(&cost->nest, target, &cost->found.mapping);
}

static void record_group_make(struct arena *arena, const struct record_source *source, const struct record_layer *layer,
                              struct record_group *group) {
    const uint32_t count = 1 + layer->epilogue_count;
    const char **names = arena_alloc_array(arena, count, sizeof *names);
    node_id *ids = ARENA_ARRAY(arena, node_id, count);
    names[0] = layer->name;
    ids[0] = source->node;
    for (uint32_t i = 0; i < layer->epilogue_count; i++) names[i + 1] = layer->epilogue[i], ids[i + 1] = source->epilogue[i];
    *group = (struct record_group){.id = layer->group,
                                   .nodes = names,
                                   .node_ids = ids,
                                   .node_count = count,
                                   .mapping = layer->mapping,
                                   .footprint_bytes = layer->footprint_bytes,
                                   .offchip_bytes = layer->offchip_bytes,
                                   .input_bytes = layer->input_bytes,
                                   .weight_bytes = layer->weight_bytes,
                                   .output_bytes = layer->output_bytes,
                                   .partial_sum_bytes = layer->partial_sum_bytes,
                                   .macs = layer->macs};
}

/* ---- ranks: 1 moves most; equal ones in execution order ---- */

struct record_rank {
    int64_t bytes;
    uint32_t index;
};

static int record_compare_ranks(const void *left, const void *right) {
    const struct record_rank *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void record_rank_layers(struct arena *arena, struct record_layer *layers, uint32_t count) {
    struct record_rank *ranks = ARENA_ARRAY(arena, struct record_rank, count);
    for (uint32_t i = 0; i < count; i++) ranks[i] = (struct record_rank){layers[i].offchip_bytes, i};
    qsort(ranks, count, sizeof *ranks, record_compare_ranks);
    for (uint32_t i = 0; i < count; i++) layers[ranks[i].index].rank = i + 1;
}

/* ---- the whole ---- */

/* Layers of the groups, and the groups. */
static void record_make_groups(struct arena *arena, const struct graph *graph, const struct target *target,
                               const struct record_source *sources, const struct cost_group *of, uint32_t group_count,
                               struct record_layer *layers, struct record_group *groups) {
    for (uint32_t g = 0; g < group_count; g++) {
        for (uint32_t i = of[g].first; i < of[g].first + of[g].count; i++)
            record_layer_make(arena, graph, target, &sources[i], i, g, &layers[i]);
        if (of[g].fused) record_fused_make(arena, graph, target, &sources[of[g].first], of[g].fused, &layers[of[g].first], &groups[g]);
        else record_group_make(arena, &sources[of[g].first], &layers[of[g].first], &groups[g]);
    }
}

static const struct cost_group *record_groups_apart(struct arena *arena, uint32_t count) {
    struct cost_group *groups = ARENA_ARRAY(arena, struct cost_group, count);
    for (uint32_t i = 0; i < count; i++) groups[i] = (struct cost_group){.first = i, .count = 1};
    return groups;
}

static void record_add_up(struct record *record) {
    struct record_totals *totals = &record->totals;
    *totals = (struct record_totals){.lower_bound = "layers"};
    record->infeasible_count = 0;
    for (uint32_t i = 0; i < record->layer_count; i++) {
        const struct record_layer *layer = &record->layers[i];
        totals->offchip_bytes += layer->offchip_bytes;
        totals->input_bytes += layer->input_bytes;
        totals->weight_bytes += layer->weight_bytes;
        totals->output_bytes += layer->output_bytes;
        totals->partial_sum_bytes += layer->partial_sum_bytes;
        totals->lower_bound_bytes += layer->bound_bytes;
        record->infeasible_count += layer->infeasible != NULL;
    }
    totals->layer_by_layer_bytes = totals->offchip_bytes;
}

static void record_add_effort(struct record *record) {
    struct record_totals *totals = &record->totals;
    int64_t macs = 0;
    for (uint32_t i = 0; i < record->group_count; i++) macs += record->groups[i].macs;
    const struct record_effort effort = record_effort_of(record->target, (double)totals->offchip_bytes, macs);
    totals->energy_uj = effort.energy_uj;
    totals->offchip_ms = effort.offchip_ms;
    totals->compute_ms = effort.compute_ms;
    totals->bound_by = effort.bound_by;
}

void record_make(struct arena *arena, const struct graph *graph, const struct target *target, const struct record_source *sources,
                 uint32_t count, const struct cost_group *groups, uint32_t group_count, struct record *record) {
    struct record_layer *layers = ARENA_ARRAY(arena, struct record_layer, count);
    struct record_group *made = ARENA_ARRAY(arena, struct record_group, groups ? group_count : count);
    record->target = target;
    record->layers = layers;
    record->layer_count = count;
    record->groups = made;
    record->group_count = groups ? group_count : count;
    record_make_groups(arena, graph, target, sources, groups ? groups : record_groups_apart(arena, count), record->group_count, layers,
                       made);
    record_rank_layers(arena, layers, count);
    record_add_up(record);
    record_add_effort(record);
}

/* What holds for what was searched. */
static void record_bound(const struct costs *costs, struct record_totals *totals) {
    totals->layer_by_layer_bytes = costs->layer_by_layer_bytes;
    totals->compulsory_bytes = totals->lower_bound_bytes = costs->compulsory_bytes;
    totals->lower_bound = "compulsory";
    if (!costs->is_layer_by_layer || costs->bound_bytes < costs->compulsory_bytes) return;
    totals->lower_bound_bytes = costs->bound_bytes;
    totals->lower_bound = "layers";
}

void record_explore(struct job *job, const struct costs *costs) {
    struct record_source *sources = ARENA_ARRAY(job->arena, struct record_source, costs->items.count);
    int64_t macs = 0;
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
    record_make(job->arena, job->graph, &job->target, sources, costs->items.count, costs->groups.items, costs->groups.count, &job->record);
    record_bound(costs, &job->record.totals);
    job->record.model = record_model_of(job, macs);
    job->record.fingerprint = fingerprint_of_graph(job->arena, job->graph, job->shapes);
    record_opaque_of(job, &job->record);
}

/* ---- of the model, whatever the cost model ---- */

/* Elements of all constants that are data; INT64 says shapes, axes and indices. */
static int64_t record_parameters_of(const struct graph *graph) {
    int64_t elements = 0;
    for (uint32_t at = 1; at < graph->values.count; at++) {
        const struct value *value = graph->values.items[at];
        if (!value->constant.at) continue;
        const struct tensor *tensor = graph_tensor(graph, value->constant);
        if (tensor->type != TYPE_INT64) elements += tensor->elements;
    }
    return elements;
}

const struct record_model *record_model_of(const struct job *job, int64_t macs) {
    struct record_model *model = ARENA_NEW(job->arena, struct record_model);
    *model = (struct record_model){.path = onnx_model_path(job->model),
                                   .ir_version = job->graph->ir_version,
                                   .opset = graph_opset(job->graph),
                                   .nodes = job->graph->order.count,
                                   .macs = macs,
                                   .parameters = record_parameters_of(job->graph),
                                   .bytes = (int64_t)onnx_model_file_bytes(job->model)};
    return model;
}

void record_opaque_of(const struct job *job, struct record *record) {
    ARRAY(struct record_opaque) opaque = {0};
    for (uint32_t i = 0; i < job->layers->items.count; i++) {
        const struct layer *layer = &job->layers->items.items[i];
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
