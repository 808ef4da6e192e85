#include "passes/widths.h"

#include <string.h>

#include "op/resolve.h"

static struct shapes *widths_copy_shapes(struct arena *arena, const struct shapes *shapes) {
    struct shapes *copy = arena_copy(arena, shapes, sizeof *shapes);
    copy->of_value = arena_copy(arena, shapes->of_value, shapes->graph->values.count * sizeof *shapes->of_value);
    return copy;
}

/* ---- which layers look at a value ---- */

struct widths_readers {
    struct arena *arena;
    ARRAY(uint32_t) * of_value; /* layer numbers, ascending, without repeats */
    bool *is_parameter;         /* a constant that some layer reads beside its nest */
};

static void widths_note(struct widths_readers *readers, value_id value, uint32_t layer) {
    if (!value.at) return;
    const uint32_t count = readers->of_value[value.at].count;
    if (count && readers->of_value[value.at].items[count - 1] == layer) return;
    array_push(readers->arena, &readers->of_value[value.at], layer);
}

static void widths_note_layer(struct widths_readers *readers, const struct layer *layer, uint32_t at) {
    widths_note(readers, layer->input, at);
    widths_note(readers, layer->weight, at);
    widths_note(readers, layer->result, at);
    widths_note(readers, layer->output, at);
    for (uint32_t i = 0; i < layer->read_count; i++) widths_note(readers, layer->reads[i], at);
    for (uint32_t i = 0; i < layer->write_count; i++) widths_note(readers, layer->writes[i], at);
    for (uint32_t i = 0; i < layer->parameter_count; i++) {
        widths_note(readers, layer->parameters[i], at);
        readers->is_parameter[layer->parameters[i].at] = true;
    }
}

static void widths_find_readers(struct widths_readers *readers, const struct layers *layers) {
    readers->of_value = arena_alloc_array(readers->arena, layers->graph->values.count, sizeof *readers->of_value);
    readers->is_parameter = ARENA_ARRAY(readers->arena, bool, layers->graph->values.count);
    for (uint32_t i = 0; i < layers->items.count; i++) {
        const struct layer *layer = &layers->items.items[i];
        widths_note_layer(readers, layer, i);
        for (uint32_t k = 0; k < layer->alternative_count; k++)
            widths_note_layer(readers, &layers->alternatives.items[layer->alternative + k], i);
    }
}

/* ---- what a space changes ---- */

static void widths_touch(bool *touched, const struct widths_readers *readers, value_id value) {
    for (uint32_t i = 0; i < readers->of_value[value.at].count; i++) touched[readers->of_value[value.at].items[i]] = true;
}

static uint32_t widths_add_dim(struct arena *arena, struct widths *widths, value_id value, uint32_t axis) {
    int64_t *dim = &widths->shapes->of_value[value.at].dims[axis];
    array_push(arena, &widths->dims, dim);
    return widths->dims.count - 1;
}

/* Each space that a binding shows changes this dim by as many indices as show the channel. */
static void widths_add_binding(struct arena *arena, struct widths *widths, const struct spaces *spaces, const struct binding *binding,
                               uint32_t dim) {
    for (uint32_t at = 0; at < spaces->items.count; at++) {
        uint32_t *counts = NULL;
        for (uint32_t k = 0; k < binding->channel_count; k++) {
            if (binding->channels[k].space != at) continue;
            if (!counts) counts = ARENA_ARRAY(arena, uint32_t, spaces->items.items[at].size);
            counts[binding->channels[k].index]++;
        }
        const struct space_axis axis = {dim, 0, counts};
        if (counts) array_push(arena, &widths->spaces[at].dims, axis);
    }
}

/* Constants of an epilogue that are read beside the nest shrink too; the first binding that cuts one says how. */
static void widths_add_parameters(struct arena *arena, struct widths *widths, const struct widths_readers *readers,
                                  const struct spaces *spaces) {
    const struct graph *graph = widths->layers->graph;
    for (uint32_t at = 1; at < graph->values.count; at++) {
        if (!readers->is_parameter[at]) continue;
        const value_id origin = resolve_constant(graph, (value_id){at}).origin;
        uint32_t done_axes = 0;
        for (uint32_t i = 0; i < spaces->bindings.count; i++) {
            const struct binding *binding = &spaces->bindings.items[i];
            if (binding->constant.at != origin.at || binding->rows_to || binding->axis >= SHAPE_MAX_RANK || done_axes >> binding->axis & 1)
                continue;
            if (widths->shapes->of_value[at].rank <= binding->axis) continue;
            done_axes |= 1u << binding->axis;
            const uint32_t dim = widths_add_dim(arena, widths, (value_id){at}, binding->axis);
            widths_add_binding(arena, widths, spaces, binding, dim);
        }
    }
}

static void widths_list_layers(struct arena *arena, struct widths_space *space, const bool *touched, uint32_t layer_count) {
    space->layers = ARENA_ARRAY(arena, uint32_t, layer_count);
    for (uint32_t i = 0; i < layer_count; i++)
        if (touched[i]) space->layers[space->layer_count++] = i;
}

static void widths_find_spaces(struct arena *arena, struct widths *widths, const struct spaces *spaces) {
    struct widths_readers readers = {.arena = arena};
    const uint32_t layer_count = widths->layers->items.count;
    widths_find_readers(&readers, widths->layers);
    widths->spaces = ARENA_ARRAY(arena, struct widths_space, spaces->items.count);
    for (uint32_t i = 0; i < spaces->axes.count; i++)
        widths_add_dim(arena, widths, spaces->axes.items[i].value, spaces->axes.items[i].axis);
    widths_add_parameters(arena, widths, &readers, spaces);
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        const struct space *space = &spaces->items.items[s];
        bool *touched = ARENA_ARRAY(arena, bool, layer_count);
        for (uint32_t i = 0; i < space->axis_count; i++) {
            array_push(arena, &widths->spaces[s].dims, space->axes[i]);
            widths_touch(touched, &readers, spaces->axes.items[space->axes[i].axis].value);
        }
        widths_list_layers(arena, &widths->spaces[s], touched, layer_count);
    }
}

static void widths_read_fused(struct widths *widths) { widths->total_bytes = widths_fused_read(widths->fused, widths->layer_bytes); }

struct widths *widths_new(struct arena *arena, const struct layers *layers, const struct shapes *shapes, const struct spaces *spaces,
                          const struct target *target, bool fuse, unsigned threads) {
    struct widths *widths = ARENA_NEW(arena, struct widths);
    widths->layers = layers;
    widths->target = target;
    widths->cache = cost_cache_new(arena, target, threads, false);
    widths->shapes = widths_copy_shapes(arena, shapes);
    widths_find_spaces(arena, widths, spaces);
    widths->layer_bytes = ARENA_ARRAY(arena, int64_t, layers->items.count);
    for (uint32_t i = 0; i < layers->items.count; i++) costs_of_layer(widths->cache, layers, i, widths->shapes, target);
    cost_cache_run(widths->cache);
    for (uint32_t i = 0; i < layers->items.count; i++) {
        widths->layer_bytes[i] = costs_of_layer(widths->cache, layers, i, widths->shapes, target);
        widths->total_bytes += widths->layer_bytes[i];
    }
    if (!fuse) return widths;
    widths->fused = widths_fused_new(arena, layers, widths->shapes, target, widths->cache);
    widths_read_fused(widths);
    return widths;
}

/* ---- trials ---- */

static void widths_change(struct widths *widths, uint32_t at, const uint32_t *channels, uint32_t count, bool back) {
    const struct widths_space *space = &widths->spaces[at];
    for (uint32_t i = 0; i < space->dims.count; i++) {
        const struct space_axis *axis = &space->dims.items[i];
        int64_t change = (int64_t)axis->each * count;
        if (axis->counts) {
            change = 0;
            for (uint32_t k = 0; k < count; k++) change += axis->counts[channels[k]];
        }
        *widths->dims.items[axis->axis] += back ? change : -change;
    }
}

/* Layer by layer; -1 where a nest is wanted. takes: what is found is kept. */
static int64_t widths_add_up(struct widths *widths, const struct widths_space *space, bool takes) {
    int64_t total = widths->total_bytes;
    bool wanted = false;
    for (uint32_t i = 0; i < space->layer_count; i++) {
        const uint32_t layer = space->layers[i];
        const int64_t bytes = costs_of_layer(widths->cache, widths->layers, layer, widths->shapes, widths->target);
        wanted = wanted || bytes < 0;
        total += bytes - widths->layer_bytes[layer];
        if (takes) widths->layer_bytes[layer] = bytes;
    }
    return wanted ? -1 : total;
}

int64_t widths_try(struct widths *widths, uint32_t at, const uint32_t *channels, uint32_t count, bool back) {
    const struct widths_space *space = &widths->spaces[at];
    widths_change(widths, at, channels, count, back);
    const int64_t total =
        widths->fused ? widths_fused_try(widths->fused, space->layers, space->layer_count) : widths_add_up(widths, space, false);
    widths_change(widths, at, channels, count, !back);
    return total;
}

int64_t widths_least(struct widths *widths, uint32_t at, const uint32_t *channels, uint32_t count, bool back) {
    if (!widths->fused) return widths_try(widths, at, channels, count, back);
    widths_change(widths, at, channels, count, back);
    const int64_t total = widths_fused_least(widths->fused);
    widths_change(widths, at, channels, count, !back);
    return total;
}

void widths_look(struct widths *widths) {
    if (!widths->fused) return;
    widths_fused_look(widths->fused);
    widths_read_fused(widths);
}

void widths_commit(struct widths *widths, uint32_t at, const uint32_t *channels, uint32_t count, bool back) {
    const struct widths_space *space = &widths->spaces[at];
    if (widths_try(widths, at, channels, count, back) < 0) cost_cache_run(widths->cache);
    widths_change(widths, at, channels, count, back);
    if (!widths->fused) {
        widths->total_bytes = widths_add_up(widths, space, true);
        return;
    }
    widths_fused_take(widths->fused, space->layers, space->layer_count);
    widths_read_fused(widths);
}
