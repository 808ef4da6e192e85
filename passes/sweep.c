#include "passes/sweep.h"

#include <stdlib.h>

enum { SWEEP_LAYERS = 1024 }; /* whose steps are sorted at the same time */

/* What happens to one layer at a capacity. */
struct sweep_event {
    int64_t capacity_bytes;
    int64_t saved_bytes; /* negative: the layer begins to fit, and moves so much */
    uint32_t layer;
};

/* What happens to the network at a capacity. */
struct sweep_change {
    int64_t capacity_bytes, change_bytes;
    int64_t most_bytes; /* saved by one layer */
    uint32_t most_layer, saving_layers;
    uint32_t first_fitting, fitting_layers; /* of those that begin to fit */
};

struct sweep_changes {
    ARRAY(struct sweep_change) items; /* ascending capacities */
};

/* ---- the curve of a layer ---- */

static void way_curve(struct arena *arena, const struct sweep_curves *curves, const struct cost_way *way, const struct sweep_range *range,
                      struct curve *curve) {
    const struct curve *nest = way->has_nest ? sweep_curves_get(curves, &way->nest) : NULL;
    const int64_t stream_bytes = way->may_stream ? footprint_total(&way->stream) : INT64_MAX;
    *curve = (struct curve){0};
    if (!nest) curve_push(arena, curve, range->from_bytes, way->extra_bytes);
    for (uint32_t i = 0; nest && i < nest->steps.count; i++) {
        const struct curve_step *step = &nest->steps.items[i];
        if (step->capacity_bytes < stream_bytes) curve_push(arena, curve, step->capacity_bytes, step->offchip_bytes + way->extra_bytes);
    }
    if (stream_bytes <= range->to_bytes)
        curve_push(arena, curve, stream_bytes > range->from_bytes ? stream_bytes : range->from_bytes,
                   nest_compulsory_bytes(&way->nest) + way->extra_bytes);
}

static void layer_curve(struct arena *arena, const struct sweep_curves *curves, const struct sweep_layer *layer,
                        const struct sweep_range *range, struct curve *curve) {
    struct curve whole, parts, part, sum;
    way_curve(arena, curves, &layer->ways[0], range, curve);
    if (layer->way_count == 1) return;
    whole = *curve;
    way_curve(arena, curves, &layer->ways[1], range, &parts);
    for (uint32_t i = 2; i < layer->way_count; i++) {
        way_curve(arena, curves, &layer->ways[i], range, &part);
        curve_sum(arena, &parts, &part, &sum);
        parts = sum;
    }
    curve_min(arena, &whole, &parts, curve);
}

/* ---- events and changes ---- */

static int compare_events(const void *left, const void *right) {
    const struct sweep_event *a = left, *b = right;
    if (a->capacity_bytes != b->capacity_bytes) return a->capacity_bytes < b->capacity_bytes ? -1 : 1;
    return a->layer < b->layer ? -1 : a->layer > b->layer;
}

static struct sweep_change change_of(const struct sweep_event *event) {
    struct sweep_change change = {.capacity_bytes = event->capacity_bytes, .change_bytes = -event->saved_bytes};
    if (event->saved_bytes > 0) {
        change.most_bytes = event->saved_bytes;
        change.most_layer = event->layer;
        change.saving_layers = 1;
    } else {
        change.first_fitting = event->layer;
        change.fitting_layers = 1;
    }
    return change;
}

/* Both at one capacity; b's layers stand after a's. */
static void change_add(struct sweep_change *a, const struct sweep_change *b) {
    a->change_bytes += b->change_bytes;
    if (b->most_bytes > a->most_bytes) {
        a->most_bytes = b->most_bytes;
        a->most_layer = b->most_layer;
    }
    if (!a->fitting_layers) a->first_fitting = b->first_fitting;
    a->saving_layers += b->saving_layers;
    a->fitting_layers += b->fitting_layers;
}

static void changes_push(struct arena *arena, struct sweep_changes *changes, const struct sweep_change *change) {
    struct sweep_change *last = changes->items.count ? &changes->items.items[changes->items.count - 1] : NULL;
    if (last && last->capacity_bytes == change->capacity_bytes) change_add(last, change);
    else array_push(arena, &changes->items, *change);
}

/* Earlier layers' and later layers'. */
static void changes_merge(struct arena *arena, const struct sweep_changes *a, const struct sweep_changes *b, struct sweep_changes *both) {
    uint32_t i = 0, k = 0;
    *both = (struct sweep_changes){0};
    array_reserve(arena, &both->items, a->items.count + b->items.count);
    while (i < a->items.count || k < b->items.count) {
        const bool from_a =
            k == b->items.count || (i < a->items.count && a->items.items[i].capacity_bytes <= b->items.items[k].capacity_bytes);
        changes_push(arena, both, from_a ? &a->items.items[i++] : &b->items.items[k++]);
    }
}

/* Layers [from, to). */
static void changes_of_layers(struct arena *scratch, const struct sweep_curves *curves, const struct sweep_layer *layers, uint32_t from,
                              uint32_t to, const struct sweep_range *range, struct sweep_changes *changes) {
    ARRAY(struct sweep_event) events = {0};
    for (uint32_t layer = from; layer < to; layer++) {
        struct curve curve;
        layer_curve(scratch, curves, &layers[layer], range, &curve);
        for (uint32_t i = 0; i < curve.steps.count; i++) {
            const struct curve_step *step = &curve.steps.items[i];
            const int64_t saved = i ? step[-1].offchip_bytes - step->offchip_bytes : -step->offchip_bytes;
            const struct sweep_event event = {step->capacity_bytes, saved, layer};
            array_push(scratch, &events, event);
        }
    }
    if (events.count) qsort(events.items, events.count, sizeof *events.items, compare_events);
    *changes = (struct sweep_changes){0};
    for (uint32_t i = 0; i < events.count; i++) {
        const struct sweep_change change = change_of(&events.items[i]);
        changes_push(scratch, changes, &change);
    }
}

/* In blocks, so that what is not yet merged stays small. `owner` is the arena of the result. */
static struct sweep_changes changes_of_network(struct arena *arena, const struct sweep_curves *curves, const struct sweep_layer *layers,
                                               uint32_t count, const struct sweep_range *range, struct arena **owner) {
    struct sweep_changes changes = {0};
    *owner = arena_new(arena_heap(arena));
    for (uint32_t from = 0; from < count; from += SWEEP_LAYERS) {
        const uint32_t to = count - from < SWEEP_LAYERS ? count : from + SWEEP_LAYERS;
        struct arena *next = arena_new(arena_heap(arena)), *scratch = arena_new(arena_heap(arena));
        struct sweep_changes block, both;
        changes_of_layers(scratch, curves, layers, from, to, range, &block);
        changes_merge(next, &changes, &block, &both);
        arena_free(scratch);
        arena_free(*owner);
        *owner = next;
        changes = both;
    }
    return changes;
}

/* ---- the record ---- */

static struct record_knee knee_of(const struct sweep_layer *layers, const struct sweep_change *change, uint32_t unfit_before,
                                  int64_t bytes) {
    const bool fits_more = change->fitting_layers > 0;
    return (struct record_knee){.capacity_bytes = change->capacity_bytes,
                                .offchip_bytes = bytes,
                                .saved_bytes = unfit_before ? 0 : -change->change_bytes,
                                .infeasible_layers = unfit_before - change->fitting_layers,
                                .layer = layers[fits_more ? change->first_fitting : change->most_layer].name,
                                .layers = fits_more ? change->fitting_layers : change->saving_layers};
}

/* Where a layer does not fit yet, only that another one begins to is a change of the network. */
static void sweep_add_steps(struct arena *arena, const struct sweep_layer *layers, uint32_t count, const struct sweep_changes *changes,
                            const struct sweep_range *range, struct record_sweep *sweep) {
    ARRAY(struct record_knee) steps = {0};
    struct record_knee start = {.capacity_bytes = range->from_bytes, .infeasible_layers = count};
    uint32_t unfit = count;
    int64_t bytes = 0;
    array_reserve(arena, &steps, changes->items.count + 1);
    array_push(arena, &steps, start);
    for (uint32_t i = 0; i < changes->items.count; i++) {
        const struct sweep_change *change = &changes->items.items[i];
        bytes += change->change_bytes;
        if (unfit && !change->fitting_layers) continue;
        const struct record_knee knee = knee_of(layers, change, unfit, bytes);
        unfit = knee.infeasible_layers;
        if (knee.capacity_bytes > range->from_bytes) array_push(arena, &steps, knee);
        else steps.items[0].offchip_bytes = bytes, steps.items[0].infeasible_layers = unfit;
    }
    sweep->steps = steps.items;
    sweep->step_count = steps.count;
}

/* The ends of the range and the powers of two in it. */
static void sweep_add_samples(struct arena *arena, const struct sweep_range *range, struct record_sweep *sweep) {
    ARRAY(struct record_knee) samples = {0};
    uint32_t at = 0;
    int64_t next_bytes = range->from_bytes, power_bytes = 1;
    for (bool is_last = false; !is_last;) {
        is_last = next_bytes == range->to_bytes;
        while (at + 1 < sweep->step_count && sweep->steps[at + 1].capacity_bytes <= next_bytes) at++;
        const struct record_knee sample = {.capacity_bytes = next_bytes,
                                           .offchip_bytes = sweep->steps[at].offchip_bytes,
                                           .infeasible_layers = sweep->steps[at].infeasible_layers};
        array_push(arena, &samples, sample);
        while (power_bytes <= next_bytes) power_bytes *= 2;
        next_bytes = power_bytes < range->to_bytes ? power_bytes : range->to_bytes;
    }
    sweep->samples = samples.items;
    sweep->sample_count = samples.count;
}

/* ---- what holds at any capacity ---- */

static int64_t way_fits_bytes(const struct cost_way *way, const struct target *target) {
    if (!way->has_nest) return 0;
    const int64_t nest_fits = curve_fits_bytes(&way->nest, target), stream_bytes = footprint_total(&way->stream);
    return way->may_stream && stream_bytes < nest_fits ? stream_bytes : nest_fits;
}

static int64_t way_least_bytes(const struct cost_way *way) {
    return (way->has_nest ? nest_compulsory_bytes(&way->nest) : 0) + way->extra_bytes;
}

static void sweep_add_layer(const struct sweep_layer *layer, const struct target *target, struct record_sweep *sweep) {
    int64_t fits_bytes = way_fits_bytes(&layer->ways[0], target), least_bytes = way_least_bytes(&layer->ways[0]);
    int64_t parts_fit_bytes = 0, parts_least_bytes = 0;
    for (uint32_t i = 1; i < layer->way_count; i++) {
        const int64_t part_fits_bytes = way_fits_bytes(&layer->ways[i], target);
        if (part_fits_bytes > parts_fit_bytes) parts_fit_bytes = part_fits_bytes;
        parts_least_bytes += way_least_bytes(&layer->ways[i]);
    }
    if (layer->way_count > 1 && parts_fit_bytes < fits_bytes) fits_bytes = parts_fit_bytes;
    if (layer->way_count > 1 && parts_least_bytes < least_bytes) least_bytes = parts_least_bytes;
    sweep->lower_bound_bytes += least_bytes;
    if (fits_bytes <= sweep->fits_bytes) return;
    sweep->fits_bytes = fits_bytes;
    sweep->fits_layer = layer->name;
}

void sweep_fits(const struct sweep_layer *layers, uint32_t count, const struct target *target, struct record_sweep *sweep) {
    for (uint32_t i = 0; i < count; i++) sweep_add_layer(&layers[i], target, sweep);
}

void sweep_find(struct arena *arena, const struct sweep_layer *layers, uint32_t count, const struct target *target,
                const struct sweep_range *range, unsigned threads, const struct sweep_progress *progress, struct record_sweep *sweep) {
    struct arena *scratch = arena_new(arena_heap(arena)), *owner;
    ARRAY(const struct nest *) nests = {0};
    *sweep =
        (struct record_sweep){.from_bytes = range->from_bytes, .to_bytes = range->to_bytes, .layer_count = count, .lower_bound = "layers"};
    sweep_fits(layers, count, target, sweep);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < layers[i].way_count; k++)
            if (layers[i].ways[k].has_nest) array_push(scratch, &nests, &layers[i].ways[k].nest);
    }
    const struct sweep_curves *curves = sweep_curves_find(scratch, nests.items, nests.count, target, range, threads, progress);
    const struct sweep_changes changes = changes_of_network(scratch, curves, layers, count, range, &owner);
    sweep_add_steps(arena, layers, count, &changes, range, sweep);
    sweep_add_samples(arena, range, sweep);
    const struct record_knee *last = &sweep->steps[sweep->step_count - 1];
    sweep->least_bytes = last->infeasible_layers ? 0 : last->offchip_bytes;
    sweep->least_from_bytes = last->infeasible_layers ? 0 : last->capacity_bytes;
    sweep->infeasible_layers = last->infeasible_layers;
    arena_free(owner);
    arena_free(scratch);
}
