/* A sweep with fusion: the best cut of the network at sampled capacities. */
#include <math.h>

#include "base/heaps.h"
#include "cost/group_cache.h"
#include "passes/sweep.h"

enum { SWEEP_SAMPLES = 64 };

/* Spread evenly on a logarithmic scale, both ends among them, each once. */
static uint32_t sweep_capacities(const struct sweep_range *range, int64_t capacities[SWEEP_SAMPLES]) {
    const double ratio = (double)range->to_bytes / (double)range->from_bytes;
    uint32_t count = 0;
    for (int i = 0; i < SWEEP_SAMPLES; i++) {
        const double at = (double)range->from_bytes * pow(ratio, (double)i / (SWEEP_SAMPLES - 1));
        const int64_t capacity = i ? i == SWEEP_SAMPLES - 1 ? range->to_bytes : (int64_t)(at + 0.5) : range->from_bytes;
        if (!count || capacity > capacities[count - 1]) capacities[count++] = capacity;
    }
    return count;
}

static uint32_t sweep_unfit(const struct layers *layers, const struct fusion_singles *singles) {
    uint32_t unfit = 0;
    for (uint32_t i = 0; i < layers->items.count; i++) {
        const struct layer *layer = &layers->items.items[i];
        bool parts_fit = layer->alternative_count > 0;
        for (uint32_t k = 0; k < layer->alternative_count; k++)
            parts_fit = parts_fit && singles->alternative_bytes[layer->alternative + k] < COST_INFEASIBLE;
        unfit += singles->item_bytes[i] >= COST_INFEASIBLE && !parts_fit;
    }
    return unfit;
}

/* Of sample.capacity_bytes; samples do not know each other. */
struct sweep_point {
    const struct sweep_network *network;
    struct record_knee *sample;
};

static void sweep_sample(struct arena *scratch, void *argument) {
    const struct sweep_point *point = argument;
    const struct sweep_network *network = point->network;
    const struct fusion_options options = {.boundaries_stay = true};
    struct target target = *network->target;
    struct fusion_singles singles;
    struct fusion *cut;
    target.capacity_bytes = point->sample->capacity_bytes;
    costs_singles(scratch, cost_cache_new(scratch, &target, 1, false), network->layers, network->shapes, &target, &singles);
    point->sample->infeasible_layers = sweep_unfit(network->layers, &singles);
    if (point->sample->infeasible_layers) return;
    fusion_find(scratch, network->layers, &singles, network->shapes, &target, &options, &cut);
    point->sample->offchip_bytes = cut->offchip_bytes;
}

/* Samples that threads share out. */
struct sweep_wave {
    const struct sweep_network *network;
    struct heaps *heaps;
    struct record_knee *samples;
};

static void sweep_sample_block(const void *context, int64_t block, unsigned worker) {
    const struct sweep_wave *wave = context;
    struct sweep_point point = {wave->network, &wave->samples[block]};
    heaps_run(wave->heaps, worker, sweep_sample, &point);
}

/* A wave after the other, so that progress can be told. */
static void sweep_find_samples(struct arena *arena, const struct sweep_network *network, const struct sweep_progress *progress,
                               struct record_knee *samples, uint32_t count) {
    enum { WAVE_OF_A_THREAD = 4 };
    struct arena *scratch = arena_new(arena_heap(arena));
    const unsigned threads = parallel_threads(network->parallel);
    struct heaps *heaps = heaps_new(scratch, threads);
    for (uint32_t from = 0, to; from < count; from = to) {
        to = count - from > WAVE_OF_A_THREAD * threads ? from + WAVE_OF_A_THREAD * threads : count;
        parallel_run(network->parallel, to - from, sweep_sample_block, &(struct sweep_wave){network, heaps, samples + from});
        heaps_check(heaps);
        if (progress->call) progress->call(progress->context, "sweeping", (double)to / count);
    }
    arena_free(scratch);
}

/* What fits on less fits on more: a schedule found there is a schedule here. */
static void sweep_lower(const struct record_knee *before, struct record_knee *sample) {
    if (!before->infeasible_layers && before->offchip_bytes < sample->offchip_bytes) sample->offchip_bytes = before->offchip_bytes;
}

static void sweep_find_steps(struct arena *arena, struct record_sweep *sweep) {
    struct record_knee *steps = ARENA_ARRAY(arena, struct record_knee, sweep->sample_count);
    steps[sweep->step_count++] = sweep->samples[0];
    for (uint32_t i = 1; i < sweep->sample_count; i++) {
        const struct record_knee *before = &sweep->samples[i - 1], *sample = &sweep->samples[i];
        if (sample->infeasible_layers == before->infeasible_layers && sample->offchip_bytes == before->offchip_bytes) continue;
        steps[sweep->step_count] = *sample;
        if (!before->infeasible_layers) steps[sweep->step_count].saved_bytes = before->offchip_bytes - sample->offchip_bytes;
        sweep->step_count++;
    }
    sweep->steps = steps;
}

void sweep_find_fused(struct arena *arena, const struct sweep_network *network, const struct sweep_layer *layers,
                      const struct sweep_range *range, const struct sweep_progress *progress, struct record_sweep *sweep) {
    int64_t capacities[SWEEP_SAMPLES];
    const uint32_t count = sweep_capacities(range, capacities);
    struct record_knee *samples = ARENA_ARRAY(arena, struct record_knee, count);
    *sweep = (struct record_sweep){.from_bytes = range->from_bytes,
                                   .to_bytes = range->to_bytes,
                                   .layer_count = network->layers->items.count,
                                   .samples = samples,
                                   .sample_count = count,
                                   .sampled = count};
    sweep_fits(layers, sweep->layer_count, network->target, sweep);
    for (uint32_t i = 0; i < count; i++) samples[i].capacity_bytes = capacities[i];
    sweep_find_samples(arena, network, progress, samples, count);
    for (uint32_t i = 1; i < count; i++) sweep_lower(&samples[i - 1], &samples[i]);
    sweep_find_steps(arena, sweep);
    sweep->lower_bound_bytes = network->compulsory_bytes;
    sweep->lower_bound = "compulsory";
    const struct record_knee *last = &sweep->steps[sweep->step_count - 1];
    sweep->infeasible_layers = last->infeasible_layers;
    sweep->least_bytes = last->infeasible_layers ? 0 : last->offchip_bytes;
    sweep->least_from_bytes = last->infeasible_layers ? 0 : last->capacity_bytes;
}
