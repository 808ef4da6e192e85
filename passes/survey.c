#include "passes/survey.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "eval/ridge.h"
#include "passes/select.h"
#include "passes/survey_internal.h"

enum { SURVEY_PLACES = 16, SURVEY_ROWS_PER_COLUMN = 4, SURVEY_BATCH = 64 };

/* ---- readers ---- */

/* The channel of the space that a column shows; ELIMINATE_STAYS where none of it. */
static void survey_channels(const struct survey_run *run, const struct survey_reader *reader, uint32_t space, uint32_t *channel_of) {
    const struct refit_layer *layer = reader->layer;
    const uint32_t axis = spaces_axis_of(run->request->spaces, layer->input, layer->axis),
                   first = reader->group * (reader->d / layer->taps);
    const struct labelled_axis *shown = axis == CHANNEL_NONE ? NULL : &run->request->spaces->axes.items[axis];
    for (uint32_t i = 0; i < reader->d; i++) {
        const uint32_t at = first + i / layer->taps;
        const bool is_its = shown && at < shown->channel_count && shown->channels[at].space == space;
        channel_of[i] = is_its ? shown->channels[at].index : ELIMINATE_STAYS;
    }
}

static bool survey_reads(const struct survey_run *run, const struct survey_reader *reader, uint32_t space) {
    const struct refit_layer *layer = reader->layer;
    const uint32_t axis = spaces_axis_of(run->request->spaces, layer->input, layer->axis), width = reader->d / layer->taps;
    if (axis == CHANNEL_NONE) return false;
    const struct labelled_axis *shown = &run->request->spaces->axes.items[axis];
    for (uint32_t i = reader->group * width; i < (reader->group + 1) * width && i < shown->channel_count; i++)
        if (shown->channels[i].space == space) return true;
    return false;
}

static bool survey_reads_any(const struct survey_run *run, const struct survey_reader *reader) {
    for (uint32_t s = 0; s < run->request->spaces->items.count; s++)
        if (!run->request->spaces->items.items[s].fixed && survey_reads(run, reader, s)) return true;
    return false;
}

static void survey_add_readers(struct survey_run *run, const struct refit_layer *layer) {
    const struct eval_tensor *stored = eval_get(run->original, layer->weight);
    const uint32_t columns = refit_columns(layer), height = layer->outputs / layer->groups;
    float *weights = NULL;
    for (uint32_t group = 0; group < layer->groups; group++) {
        struct survey_reader reader = {.layer = layer, .group = group, .d = columns, .m = height};
        if (!survey_reads_any(run, &reader)) continue;
        if (!weights) {
            weights = ARENA_ARRAY(run->arena, float, (size_t)layer->outputs *columns);
            refit_weights_from(layer, stored->floats, weights);
        }
        reader.weights = weights + (size_t)group * height * columns;
        reader.moments = moments_new(run->arena, columns);
        array_push(run->arena, &run->readers, reader);
    }
}

static void survey_choose_widths(const struct survey_run *run, struct survey_item *item) {
    static const double gone[SURVEY_WIDTHS] = {0.125, 0.3125, 0.5, 0.6875, 0.875};
    const struct space *space = &run->request->spaces->items.items[item->space];
    const uint32_t unit = select_unit(space, run->request->channel_multiple);
    for (int i = 0; i < SURVEY_WIDTHS; i++) {
        const uint32_t kept = (uint32_t)((1 - gone[i]) * space->size / unit + 0.5) * unit;
        const uint32_t removed = kept && kept < space->size ? space->size - kept : 0;
        if (removed && (!item->width_count || removed > item->removed[item->width_count - 1])) item->removed[item->width_count++] = removed;
    }
}

static void survey_find_items(struct survey_run *run) {
    const struct spaces *spaces = run->request->spaces;
    for (uint32_t i = 0; i < run->layers.count; i++) survey_add_readers(run, &run->layers.items[i]);
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        struct survey_item item = {.space = s, .readers = ARENA_ARRAY(run->arena, uint32_t, run->readers.count)};
        for (uint32_t r = 0; r < run->readers.count && !spaces->items.items[s].fixed; r++)
            if (survey_reads(run, &run->readers.items[r], s)) item.readers[item.reader_count++] = r;
        if (!item.reader_count) continue;
        survey_choose_widths(run, &item);
        array_push(run->arena, &run->items, item);
    }
}

/* ---- second moments ---- */

static int64_t survey_places(const struct survey_run *run, const struct survey_reader *reader, int64_t plane) {
    const int64_t images = greatest(1, run->fit.images);
    return least(plane, greatest(SURVEY_PLACES, ((int64_t)SURVEY_ROWS_PER_COLUMN * reader->d + images - 1) / images));
}

static int64_t survey_draw(struct arena *arena, const struct survey_run *run, const struct survey_reader *reader, int64_t plane,
                           struct spot **out) {
    const int64_t per_image = survey_places(run, reader, plane);
    int64_t *places = ARENA_ARRAY(arena, int64_t, per_image), *scratch = ARENA_ARRAY(arena, int64_t, plane), at = 0;
    struct spot *spots = ARENA_ARRAY(arena, struct spot, run->part.images * per_image);
    for (int64_t image = 0; image < run->part.images; image++) {
        const uint64_t seed = reader->layer->position * UINT64_C(1000003) + (uint64_t)run->part.numbers[image];
        const int64_t drawn = spots_draw(seed, plane, per_image, places, scratch);
        for (int64_t i = 0; i < drawn; i++) spots[at++] = (struct spot){image, places[i]};
    }
    *out = spots;
    return at;
}

/* The windows of one group, from the values that are there. */
static status survey_add_windows(struct survey_run *run, struct survey_reader *reader, struct diag *diag) {
    const struct refit_layer *layer = reader->layer;
    struct arena *scratch = arena_new(arena_heap(run->arena));
    const struct eval_tensor *input = eval_get(run->original, layer->input), *weight = eval_get(run->original, layer->weight);
    const struct channel_view view = channel_view_of(input, layer->axis);
    const uint32_t width = reader->d / layer->taps;
    uint32_t *channels = ARENA_ARRAY(scratch, uint32_t, width);
    struct window window = {0};
    struct spot *spots;
    int64_t plane = view.plane;
    status result = STATUS_OK;
    for (uint32_t i = 0; i < width; i++) channels[i] = reader->group * width + i;
    if (layer->kind == REFIT_CONV) {
        result = window_of_node(run->request->graph, layer->node, &input->shape, weight->shape.dims + 2, &window, diag);
        plane = 1;
        for (uint32_t a = 0; a < window.axes && result == STATUS_OK; a++) plane *= window.axis[a].out;
    }
    if (result == STATUS_OK) {
        const int64_t count = survey_draw(scratch, run, reader, plane, &spots);
        float *rows = ARENA_ARRAY(scratch, float, count * reader->d);
        if (layer->kind == REFIT_CONV) windows_gather(&view, &window, channels, width, spots, count, rows, run->request->threads);
        else points_gather(&view, channels, width, spots, count, rows, run->request->threads);
        moments_add(reader->moments, rows, count, run->request->threads);
    }
    arena_free(scratch);
    return result;
}

/* Runs the original on one batch; windows are taken as soon as a layer's input is there. */
static status survey_run_batch(struct survey_run *run, struct diag *diag) {
    uint32_t at = 0;
    status result = STATUS_OK;
    for (uint32_t r = 0; r < run->readers.count && result == STATUS_OK; r++) {
        struct survey_reader *reader = &run->readers.items[r];
        if (reader->layer->position > at) result = eval_run(run->original, at, reader->layer->position, diag);
        at = reader->layer->position;
        if (result == STATUS_OK) result = survey_add_windows(run, reader, diag);
    }
    return result;
}

static void survey_tell(const struct survey_run *run, const char *what, double share) {
    if (run->request->progress) run->request->progress(run->request->progress_context, what, share);
}

static status survey_collect(struct survey_run *run, struct diag *diag) {
    int64_t room;
    const struct refit_choice choice = {.fit = 1u << REFIT_PART_FIT, .fit_most = INT64_MAX};
    status result =
        refit_batch_room(run->arena, run->request->graph, run->request->samples, run->request->memory_bytes, false, &room, diag);
    if (result == STATUS_OK) result = refit_batch_read(run->arena, run->request->graph, run->request->samples, &choice, &run->fit, diag);
    for (int64_t from = 0; result == STATUS_OK && from < run->fit.images; from += run->part.images) {
        run->part = refit_batch_part(run->arena, &run->fit, from, least(least(SURVEY_BATCH, room), run->fit.images - from));
        result = refit_batch_give(&run->part, run->original, diag);
        if (result == STATUS_OK) result = survey_run_batch(run, diag);
        survey_tell(run, "looking at the samples", (double)from / (double)run->fit.images);
    }
    for (uint32_t r = 0; r < run->readers.count; r++) {
        struct survey_reader *of = &run->readers.items[r];
        of->covariance = ARENA_ARRAY(run->arena, double, (size_t)of->d * of->d);
        of->means = ARENA_ARRAY(run->arena, double, of->d);
        moments_covariance(of->moments, of->means, of->covariance);
    }
    return result;
}

/* ---- orders ---- */

/* RMS of a channel times the norm of what its readers multiply it with, summed over readers and taps (Sun et al., Wanda, 2023, by channel).
 */
static double *survey_activation(struct arena *arena, const struct survey_run *run, const struct survey_item *item) {
    double *importance = ARENA_ARRAY(arena, double, run->request->spaces->items.items[item->space].size);
    for (uint32_t r = 0; r < item->reader_count; r++) {
        const struct survey_reader *reader = &run->readers.items[item->readers[r]];
        uint32_t *channel_of = ARENA_ARRAY(arena, uint32_t, reader->d);
        survey_channels(run, reader, item->space, channel_of);
        for (uint32_t i = 0; i < reader->d; i++) {
            double norm = 0;
            if (channel_of[i] == ELIMINATE_STAYS) continue;
            for (uint32_t k = 0; k < reader->m; k++) norm += pow((double)reader->weights[(size_t)k * reader->d + i], 2);
            const double square = reader->covariance[(size_t)i * reader->d + i] + pow(reader->means[i], 2);
            importance[channel_of[i]] += sqrt(fmax(square, 0) * norm);
        }
    }
    return importance;
}

static void survey_eliminate(struct survey_run *run, struct survey_item *item) {
    const struct space *space = &run->request->spaces->items.items[item->space];
    struct eliminate_reader *readers = ARENA_ARRAY(run->arena, struct eliminate_reader, item->reader_count);
    struct eliminate_request request = {.readers = readers,
                                        .reader_count = item->reader_count,
                                        .channel_count = space->size,
                                        .cell_count = space->cell_count > 1 ? space->cell_count : 0,
                                        .cell_size = space->cell_size,
                                        .cells = space->cells,
                                        .threads = run->request->threads};
    struct arena *scratch = arena_new(arena_heap(run->arena));
    for (uint32_t i = 0; i < item->reader_count; i++) {
        const struct survey_reader *reader = &run->readers.items[item->readers[i]];
        uint32_t *channel_of = ARENA_ARRAY(scratch, uint32_t, reader->d);
        survey_channels(run, reader, item->space, channel_of);
        double *covariance = arena_copy(scratch, reader->covariance, (size_t)reader->d * reader->d * sizeof *covariance);
        readers[i] =
            (struct eliminate_reader){reader->d,       reader->m,  covariance,
                                      reader->weights, channel_of, ridge_strength(run->request->rate, reader->d, reader->moments->rows)};
    }
    if (run->request->importance || run->request->by_activation) {
        uint32_t *order = ARENA_ARRAY(scratch, uint32_t, space->size);
        const double *importance = run->request->importance ? run->request->importance[item->space] : survey_activation(scratch, run, item);
        select_order(scratch, space, importance, order);
        request.order = order;
    }
    eliminate(run->arena, &request, &item->elimination);
    arena_free(scratch);
}

/* ---- the whole ---- */

static void survey_store(struct arena *arena, const struct survey_run *run, struct survey *survey) {
    for (uint32_t i = 0; i < run->items.count; i++) {
        const struct survey_item *item = &run->items.items[i];
        const uint32_t size = run->request->spaces->items.items[item->space].size;
        struct survey_space *space = &survey->spaces[item->space];
        space->order = arena_copy(arena, item->elimination.order, size * sizeof *space->order);
        space->error = arena_copy(arena, item->elimination.error, (size + 1) * sizeof *space->error);
        if (run->request->measures_damage && item->width_count) space->damage = survey_damage_curve(arena, item, size);
    }
}

static status survey_work(struct survey_run *run, struct diag *diag) {
    const struct eval_settings settings = {run->request->threads, run->request->memory_bytes};
    run->original = eval_new(run->arena, run->request->graph, &settings);
    refit_layers_find(run->arena, run->request->graph, run->request->shapes, run->original, &run->layers);
    survey_find_items(run);
    status result = survey_collect(run, diag);
    for (uint32_t i = 0; i < run->items.count && result == STATUS_OK; i++) {
        survey_tell(run, "ordering channels", (double)i / run->items.count);
        survey_eliminate(run, &run->items.items[i]);
    }
    if (result == STATUS_OK && run->request->measures_damage) result = survey_measure(run, diag);
    return result;
}

status survey_spaces(struct arena *arena, const struct survey_request *request, struct survey **out, struct diag *diag) {
    struct survey *survey = ARENA_NEW(arena, struct survey);
    struct survey_run run = {.arena = arena_new(arena_heap(arena)), .request = request};
    survey->spaces = ARENA_ARRAY(arena, struct survey_space, request->spaces->items.count);
    const status result = survey_work(&run, diag);
    if (result == STATUS_OK) survey_store(arena, &run, survey);
    arena_free(run.arena);
    if (result == STATUS_OK) *out = survey;
    return result;
}

double **survey_importance(struct arena *arena, const struct spaces *spaces, const struct survey *survey, double *const *otherwise) {
    double **importance = arena_alloc_array(arena, spaces->items.count, sizeof *importance);
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        const struct survey_space *space = &survey->spaces[s];
        const uint32_t size = spaces->items.items[s].size;
        importance[s] = otherwise[s];
        if (!space->order) continue;
        importance[s] = ARENA_ARRAY(arena, double, size);
        double step = 0;
        for (uint32_t k = 0; k < size; k++) {
            /* equal steps would be taken in the order of their numbers: each is a little more than the one before */
            step = fmax(space->error[k + 1] - space->error[k], step * (1 + 1e-12) + 1e-300);
            importance[s][space->order[k]] = step;
        }
    }
    return importance;
}
