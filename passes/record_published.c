#include "passes/record_published.h"

#include <math.h>
#include <stdlib.h>

#include "cost/model_superslash.h"

/* ---- costs ---- */

static void publish_one(const struct target *target, const struct published_source *source, struct published *found) {
    if (target->cost_model == COST_SUPERSLASH) model_superslash(&source->nest, target->capacity_bytes, found);
    else model_smartshuttle(&source->nest, &source->factors, target->capacity_bytes, target->activation_bits, found);
}

static struct published *publish_all(const struct job *job, const struct published_source *sources, int64_t count) {
    struct published *found = ARENA_ARRAY(job->arena, struct published, (size_t)count);
    const unsigned threads = job_threads(job);
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1 && count > 1)
#endif
    for (int64_t i = 0; i < count; i++) publish_one(&job->target, &sources[i], &found[i]);
    return found;
}

/* ---- layers ---- */

static int64_t publish_whole(double bytes) { return bytes < 0x1p62 ? (int64_t)ceil(bytes) : INT64_MAX; }

static void publish_layer_costs(const struct published *found, struct record_published *published) {
    const struct published_way *best = &found->ways[found->best];
    *published = (struct record_published){.strategy = published_strategy_names[found->best],
                                           .tile = &best->tile,
                                           .footprint_bytes = best->footprint_bytes,
                                           .offchip_bytes = published_total(best),
                                           .input_bytes = best->input_bytes,
                                           .weight_bytes = best->weight_bytes,
                                           .output_bytes = best->output_bytes,
                                           .partial_sum_bytes = best->partial_sum_bytes,
                                           .compulsory_bytes = found->compulsory_bytes,
                                           .rule_bytes = -1};
    for (int at = 0; at < STRATEGY_COUNT; at++) {
        published->tiles[at] = &found->ways[at].tile;
        published->strategy_bytes[at] = published_total(&found->ways[at]);
    }
    if (found->rule == STRATEGY_COUNT) return;
    published->rule = published_strategy_names[found->rule];
    published->rule_bytes = published->strategy_bytes[found->rule];
}

static void publish_layer(const struct job *job, const struct published_source *source, const struct published *found,
                          struct record_published *published, struct record_layer *layer) {
    const char **names = arena_alloc_array(job->arena, source->epilogue_count, sizeof *names);
    for (uint32_t i = 0; i < source->epilogue_count; i++) names[i] = graph_node_label(job->graph, source->epilogue[i]);
    *layer = (struct record_layer){.name = source->name,
                                   .op = source->op,
                                   .node = source->node,
                                   .nest = &source->nest,
                                   .macs = nest_macs(&source->nest),
                                   .parameters = source->parameters,
                                   .epilogue = names,
                                   .epilogue_count = source->epilogue_count,
                                   .group = RECORD_NO_GROUP,
                                   .energy_uj = -1,
                                   .offchip_ms = -1,
                                   .compute_ms = -1,
                                   .infeasible = found->is_feasible ? NULL : &found->infeasible};
    if (!found->is_feasible) return;
    publish_layer_costs(found, published);
    const struct record_effort effort = record_effort_of(&job->target, published->offchip_bytes, layer->macs);
    layer->energy_uj = effort.energy_uj;
    layer->offchip_ms = effort.offchip_ms;
    layer->compute_ms = effort.compute_ms;
    layer->bound_by = effort.bound_by;
    layer->offchip_bytes = publish_whole(published->offchip_bytes);
    layer->published = published;
}

/* ---- ranks: 1 moves most; equal ones in execution order ---- */

static int publish_compare(const void *left, const void *right) {
    const struct record_published *a = *(struct record_published *const *)left, *b = *(struct record_published *const *)right;
    if (a->offchip_bytes > b->offchip_bytes) return -1;
    if (a->offchip_bytes < b->offchip_bytes) return 1;
    return a < b ? -1 : a > b;
}

static void publish_ranks(struct arena *arena, const struct record_layer *layers, struct record_published *published, uint32_t count) {
    struct record_published **ranks = arena_alloc_array(arena, count, sizeof *ranks);
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        if (layers[i].published) ranks[used++] = &published[i];
    qsort(ranks, used, sizeof *ranks, publish_compare);
    for (uint32_t i = 0; i < used; i++) ranks[i]->rank = i + 1;
}

/* ---- the whole ---- */

static void publish_add(struct record_published *totals, const struct record_published *layer) {
    totals->offchip_bytes += layer->offchip_bytes;
    totals->input_bytes += layer->input_bytes;
    totals->weight_bytes += layer->weight_bytes;
    totals->output_bytes += layer->output_bytes;
    totals->partial_sum_bytes += layer->partial_sum_bytes;
    totals->compulsory_bytes += layer->compulsory_bytes;
    for (int at = 0; at < STRATEGY_COUNT; at++) totals->strategy_bytes[at] += layer->strategy_bytes[at];
    totals->rule_bytes += layer->rule_bytes;
}

/* The same as whole bytes, for the verdict and for --at-most. */
static void publish_round(const struct job *job, const struct record_published *totals, int64_t macs, struct record_totals *whole) {
    const struct record_effort effort = record_effort_of(&job->target, totals->offchip_bytes, macs);
    *whole = (struct record_totals){.offchip_bytes = publish_whole(totals->offchip_bytes),
                                    .input_bytes = publish_whole(totals->input_bytes),
                                    .weight_bytes = publish_whole(totals->weight_bytes),
                                    .output_bytes = publish_whole(totals->output_bytes),
                                    .partial_sum_bytes = publish_whole(totals->partial_sum_bytes),
                                    .layer_by_layer_bytes = publish_whole(totals->offchip_bytes),
                                    .compulsory_bytes = publish_whole(totals->compulsory_bytes),
                                    .lower_bound_bytes = publish_whole(totals->compulsory_bytes),
                                    .lower_bound = "compulsory",
                                    .energy_uj = effort.energy_uj,
                                    .offchip_ms = effort.offchip_ms,
                                    .compute_ms = effort.compute_ms,
                                    .bound_by = effort.bound_by};
}

static void publish_totals(struct job *job, const struct record_layer *layers, uint32_t count) {
    struct record_published *totals = ARENA_NEW(job->arena, struct record_published);
    int64_t macs = 0;
    for (uint32_t i = 0; i < count; i++) {
        macs += layers[i].macs;
        if (layers[i].published) publish_add(totals, layers[i].published);
        else job->record.infeasible_count++;
    }
    if (job->target.cost_model != COST_SUPERSLASH) totals->rule_bytes = -1;
    publish_round(job, totals, macs, &job->record.totals);
    job->record.published = totals;
    if (job->model) job->record.model = record_model_of(job, macs);
}

void record_publish(struct job *job, const struct published_source *sources, uint32_t count) {
    struct record_layer *layers = ARENA_ARRAY(job->arena, struct record_layer, count);
    struct record_published *published = ARENA_ARRAY(job->arena, struct record_published, count);
    const struct published *found = publish_all(job, sources, count);
    for (uint32_t i = 0; i < count; i++) publish_layer(job, &sources[i], &found[i], &published[i], &layers[i]);
    for (uint32_t i = 0; i < count; i++) layers[i].index = i;
    publish_ranks(job->arena, layers, published, count);
    job->record = (struct record){.command = job->command, .target = &job->target, .layers = layers, .layer_count = count};
    publish_totals(job, layers, count);
}
