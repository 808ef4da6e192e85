/* One layer of the twin: rows from both networks, a problem for each group, the answer put into the pruned network. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "passes/refit_twin.h"

enum { ROWS_PER_COLUMN = 4, HELD_OUT_PLACES = 8 };

/* Indices that stay. */
struct refit_kept {
    uint32_t *items;
    uint32_t count;
};

/* The fitted ones first. */
struct refit_spots {
    struct spot *items;
    int64_t count, fit_count;
};

struct refit_task {
    struct arena *arena; /* of the layer */
    struct refit_twin *twin;
    const struct refit_layer *layer;
    const struct refit_settings *settings;
    const struct eval_tensor *input, *original_input, *target, *skip;
    struct window window;     /* of a Conv */
    struct refit_spots spots; /* of the output */
    bool *in_gone, *out_gone;
    const float *originals; /* [outputs, columns] */
    float *weights;         /* the same, solved so far; zero where columns are gone */
    double *shift;          /* [outputs]: what z gains */
};

static struct refit_kept refit_keep(struct arena *arena, const bool *gone, uint32_t from, uint32_t to) {
    struct refit_kept kept = {ARENA_ARRAY(arena, uint32_t, to - from), 0};
    for (uint32_t i = from; i < to; i++)
        if (!gone[i]) kept.items[kept.count++] = i;
    return kept;
}

/* ---- places ---- */

/* Enough rows for the unknowns. */
static int64_t refit_places(const struct refit_task *task, int64_t plane) {
    const int64_t images = task->twin->batch->fit_images, wanted = (int64_t)ROWS_PER_COLUMN * refit_columns(task->layer);
    return least(plane, greatest(task->settings->places, (wanted + images - 1) / images));
}

/* Spots of the images that are fitted, then of the others. With none of those, one place in HELD_OUT_PLACES is held out. */
static void refit_draw(struct refit_task *task, int64_t plane, uint64_t seed, struct refit_spots *out) {
    const struct refit_batch *batch = task->twin->batch;
    const int64_t per_image = refit_places(task, plane), images = task->settings->is_rough ? batch->fit_images : batch->images;
    int64_t *places = ARENA_ARRAY(task->arena, int64_t, per_image), *scratch = ARENA_ARRAY(task->arena, int64_t, plane);
    const bool parts_places = batch->images == batch->fit_images && !task->settings->is_rough;
    *out = (struct refit_spots){.items = ARENA_ARRAY(task->arena, struct spot, images * per_image)};
    for (int held_out = 0; held_out < 2; held_out++) {
        for (int64_t image = 0; image < images; image++) {
            const int64_t drawn = spots_draw(seed * 1000003 + (uint64_t)batch->numbers[image], plane, per_image, places, scratch);
            for (int64_t i = 0; i < drawn; i++) {
                const bool is_held_out = parts_places ? i % HELD_OUT_PLACES == HELD_OUT_PLACES - 1 : image >= batch->fit_images;
                if (is_held_out == (held_out != 0)) out->items[out->count++] = (struct spot){image, places[i]};
            }
        }
        if (!held_out) out->fit_count = out->count;
    }
}

/* ---- one group ---- */

static void refit_gather(const struct refit_task *task, const struct eval_tensor *tensor, const struct refit_kept *kept, float *rows) {
    const struct channel_view view = channel_view_of(tensor, task->layer->axis);
    if (task->layer->kind == REFIT_CONV)
        windows_gather(&view, &task->window, kept->items, kept->count, task->spots.items, task->spots.count, rows, task->twin->threads);
    else points_gather(&view, kept->items, kept->count, task->spots.items, task->spots.count, rows, task->twin->threads);
}

/* Targets of z, and the rectifier's edge: both without the skip, as the pruned network has it. */
static void refit_gather_targets(const struct refit_task *task, const struct refit_kept *outputs, struct refit_problem *problem) {
    const struct channel_view target = channel_view_of(task->target, task->layer->axis);
    float *targets = ARENA_ARRAY(task->arena, float, problem->rows * problem->m), *low = NULL;
    points_gather(&target, outputs->items, outputs->count, task->spots.items, task->spots.count, targets, task->twin->threads);
    if (task->skip) {
        const struct channel_view skip = channel_view_of(task->skip, task->layer->axis);
        low = ARENA_ARRAY(task->arena, float, problem->rows * problem->m);
        points_gather(&skip, outputs->items, outputs->count, task->spots.items, task->spots.count, low, task->twin->threads);
        for (int64_t i = 0; i < problem->rows * problem->m; i++) targets[i] -= low[i], low[i] = -low[i];
    }
    problem->targets = targets;
    problem->low = low;
}

/* Row `output` of the weights, scaled to z; of the columns kept, or of all. */
static void refit_take_weights(const struct refit_task *task, const struct refit_kept *inputs, uint32_t first,
                               const struct refit_kept *outputs, float *out) {
    const struct refit_layer *layer = task->layer;
    const uint32_t columns = refit_columns(layer), taps = layer->taps;
    for (uint32_t k = 0; k < outputs->count; k++)
        for (uint32_t i = 0; i < inputs->count; i++)
            for (uint32_t t = 0; t < taps; t++)
                out[((size_t)k * inputs->count + i) * taps + t] =
                    (float)(layer->scale[outputs->items[k]] *
                            (double)task->originals[(size_t)outputs->items[k] * columns + (inputs->items[i] - first) * taps + t]);
}

/* The map's weights; NULL where there is none. Its rows are points of the input, drawn as the output's are. */
static const float *refit_mapped(struct refit_task *task, const struct refit_kept *inputs, uint32_t first, uint32_t last,
                                 const struct refit_kept *outputs) {
    const struct refit_layer *layer = task->layer;
    const bool *none = ARENA_ARRAY(task->arena, bool, layer->channels);
    const struct refit_kept all = refit_keep(task->arena, none, first, last);
    const struct channel_view pruned = channel_view_of(task->input, layer->axis),
                              original = channel_view_of(task->original_input, layer->axis);
    uint32_t *kept_at = ARENA_ARRAY(task->arena, uint32_t, inputs->count);
    struct refit_spots spots;
    refit_draw(task, pruned.plane, task->layer->position * 2 + 1, &spots);
    for (uint32_t i = 0; i < inputs->count; i++) kept_at[i] = inputs->items[i] - first;
    struct refit_map map = {.kept_count = inputs->count,
                            .all_count = all.count,
                            .kept_at = kept_at,
                            .rows = spots.fit_count,
                            .has_intercept = layer->bias.at != 0,
                            .rate = task->settings->rate,
                            .threads = task->twin->threads};
    map.kept = ARENA_ARRAY(task->arena, float, spots.fit_count * inputs->count);
    map.originals = ARENA_ARRAY(task->arena, float, all.count *spots.fit_count);
    points_gather(&pruned, inputs->items, inputs->count, spots.items, spots.fit_count, map.kept, map.threads);
    points_gather(&original, all.items, all.count, spots.items, spots.fit_count, map.originals, map.threads);
    double *a = ARENA_ARRAY(task->arena, double, (size_t)all.count * inputs->count);
    if (!refit_map_solve(task->arena, &map, a)) return NULL;
    float *weights = ARENA_ARRAY(task->arena, float, (size_t)all.count * outputs->count * layer->taps);
    float *mapped = ARENA_ARRAY(task->arena, float, (size_t)outputs->count * inputs->count * layer->taps);
    refit_take_weights(task, &all, first, outputs, weights);
    refit_map_fold(&map, a, weights, outputs->count, layer->taps, mapped);
    return mapped;
}

static void refit_give_weights(struct refit_task *task, const struct refit_kept *inputs, uint32_t first, const struct refit_kept *outputs,
                               const struct refit_problem *problem, const struct refit_solution *solution) {
    const struct refit_layer *layer = task->layer;
    const uint32_t columns = refit_columns(layer), taps = layer->taps;
    for (uint32_t k = 0; k < outputs->count; k++) {
        const uint32_t row = outputs->items[k];
        if (layer->scale[row] == 0) continue;
        task->shift[row] = solution->bias[k] - problem->bias[k];
        for (uint32_t i = 0; i < inputs->count * taps; i++) {
            const uint32_t column = (inputs->items[i / taps] - first) * taps + i % taps;
            task->weights[(size_t)row * columns + column] =
                (float)((double)solution->weights[(size_t)k * inputs->count * taps + i] / layer->scale[row]);
        }
    }
}

static void refit_group(struct refit_task *task, uint32_t group, struct refit_outcome *outcome) {
    const struct refit_layer *layer = task->layer;
    const uint32_t width = layer->channels / layer->groups, height = layer->outputs / layer->groups, first = group * width;
    const struct refit_kept inputs = refit_keep(task->arena, task->in_gone, first, first + width);
    const struct refit_kept outputs = refit_keep(task->arena, task->out_gone, group * height, (group + 1) * height);
    if (!inputs.count || !outputs.count) return;
    struct refit_problem problem = {.d = inputs.count * layer->taps,
                                    .m = outputs.count,
                                    .rows = task->spots.count,
                                    .fit_rows = task->spots.fit_count,
                                    .is_rectified = layer->is_rectified,
                                    .ceiling = layer->ceiling,
                                    .has_intercept = layer->bias.at != 0,
                                    .forms = task->settings->forms,
                                    .rate = task->settings->rate,
                                    .threads = task->twin->threads};
    struct refit_solution solution;
    float *weights = ARENA_ARRAY(task->arena, float, (size_t)problem.m *problem.d);
    double *bias = ARENA_ARRAY(task->arena, double, problem.m);
    for (uint32_t k = 0; k < problem.m; k++) bias[k] = layer->offset[outputs.items[k]];
    refit_take_weights(task, &inputs, first, &outputs, weights);
    problem.weights = weights;
    problem.bias = bias;
    problem.x = ARENA_ARRAY(task->arena, float, problem.rows *problem.d);
    refit_gather(task, task->input, &inputs, problem.x);
    refit_gather_targets(task, &outputs, &problem);
    if (problem.forms >> REFIT_MAP & 1) problem.mapped = refit_mapped(task, &inputs, first, first + width, &outputs);
    refit_solve(task->arena, &problem, &solution);
    refit_give_weights(task, &inputs, first, &outputs, &problem, &solution);
    outcome->error_before += solution.error_before;
    outcome->error_after += solution.error_after;
    if (solution.form > outcome->form) outcome->form = solution.form;
}

/* ---- the layer ---- */

static status refit_task_open(struct refit_task *task, struct diag *diag) {
    const struct refit_twin *twin = task->twin;
    const struct refit_layer *layer = task->layer;
    const struct eval_tensor *weight = eval_get(twin->original, layer->weight);
    const struct eval_tensor *now = eval_get(twin->pruned, layer->weight);
    const size_t size = (size_t)layer->outputs * refit_columns(layer);
    float *originals = ARENA_ARRAY(task->arena, float, size);
    task->weights = ARENA_ARRAY(task->arena, float, size);
    refit_weights_from(layer, weight->floats, originals);
    refit_weights_from(layer, now->floats, task->weights);
    task->originals = originals;
    task->shift = ARENA_ARRAY(task->arena, double, layer->outputs);
    task->input = refit_twin_pruned(twin, layer->input);
    task->original_input = eval_get(twin->original, layer->input);
    task->target = eval_get(twin->original, layer->target);
    task->skip = layer->skip.at ? refit_twin_pruned(twin, layer->skip) : NULL;
    if (!task->input || !task->original_input || !task->target || (layer->skip.at && !task->skip))
        return diag_fail(diag, STATUS_BUG, "%s: its values are gone before it is solved", graph_describe_node(twin->graph, layer->node));
    task->in_gone = refit_removed(task->arena, twin, layer->input, layer->axis, layer->channels);
    task->out_gone = refit_removed(task->arena, twin, layer->output, layer->axis, layer->outputs);
    if (layer->kind != REFIT_CONV) return STATUS_OK;
    return window_of_node(twin->graph, layer->node, &task->input->shape, weight->shape.dims + 2, &task->window, diag);
}

static status refit_store_weights(const struct refit_task *task, struct diag *diag) {
    struct eval_tensor tensor = *eval_get(task->twin->pruned, task->layer->weight);
    float *stored = ARENA_ARRAY(task->arena, float, tensor.elements);
    refit_weights_to(task->layer, task->weights, stored);
    tensor.floats = stored;
    return eval_set(task->twin->pruned, task->layer->weight, &tensor, diag);
}

static status refit_store_bias(const struct refit_task *task, struct diag *diag) {
    const struct refit_layer *layer = task->layer;
    if (!layer->bias.at) return STATUS_OK;
    struct eval_tensor tensor = *eval_get(task->twin->pruned, layer->bias);
    tensor.floats = arena_copy(task->arena, tensor.floats, (size_t)tensor.elements * sizeof *tensor.floats);
    for (uint32_t i = 0; i < layer->outputs; i++)
        if (layer->bias_rate[i] != 0) tensor.floats[i] = (float)((double)tensor.floats[i] + task->shift[i] / layer->bias_rate[i]);
    return eval_set(task->twin->pruned, layer->bias, &tensor, diag);
}

static status refit_task_run(struct refit_task *task, struct refit_outcome *outcome, struct diag *diag) {
    status result = refit_task_open(task, diag);
    if (result != STATUS_OK) return result;
    const struct channel_view target = channel_view_of(task->target, task->layer->axis);
    refit_draw(task, target.plane, task->layer->position * 2, &task->spots);
    for (uint32_t group = 0; group < task->layer->groups; group++) refit_group(task, group, outcome);
    if (outcome->form == REFIT_NONE) return STATUS_OK;
    result = refit_store_weights(task, diag);
    return result == STATUS_OK ? refit_store_bias(task, diag) : result;
}

status refit_layer_solve(struct refit_twin *twin, const struct refit_layer *layer, const struct refit_settings *settings,
                         struct refit_outcome *outcome, struct diag *diag) {
    struct refit_task task = {.arena = arena_new(arena_heap(twin->arena)), .twin = twin, .layer = layer, .settings = settings};
    *outcome = (struct refit_outcome){0};
    const status result = refit_task_run(&task, outcome, diag);
    arena_free(task.arena);
    return result;
}
