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

/* What one layer adds to the sum. */
struct refit_branch {
    const struct refit_layer *layer;
    const struct eval_tensor *input, *original_input;
    struct window window; /* of a Conv */
    bool *in_gone;
    const float *originals; /* [outputs, columns] */
    float *weights;         /* the same, solved so far; zero where columns are gone */
    double *shift;          /* [outputs]: what its z gains */
};

enum { REFIT_MOST_BRANCHES = 2 };

struct refit_task {
    struct arena *arena; /* of the layer */
    struct refit_twin *twin;
    const struct refit_layer *layer; /* the last of its branches */
    const struct refit_settings *settings;
    const struct eval_tensor *target, *skip;
    struct refit_spots spots; /* of the output */
    bool *out_gone;
    struct refit_branch branches[REFIT_MOST_BRANCHES];
    uint32_t branch_count;
};

/* One group of a branch: its columns in a problem. */
struct refit_slice {
    struct refit_branch *branch;
    struct refit_kept inputs;
    uint32_t first, width; /* channels of the group */
    uint32_t at, columns;  /* of x */
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
    const int64_t images = task->twin->batch->fit_images;
    int64_t wanted = 0;
    for (uint32_t p = 0; p < task->branch_count; p++) wanted += (int64_t)ROWS_PER_COLUMN * refit_columns(task->branches[p].layer);
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

static void refit_gather(const struct refit_task *task, const struct refit_slice *slice, float *rows) {
    const struct refit_branch *branch = slice->branch;
    const struct channel_view view = channel_view_of(branch->input, branch->layer->axis);
    const struct refit_kept *kept = &slice->inputs;
    if (branch->layer->kind == REFIT_CONV)
        windows_gather(&view, &branch->window, kept->items, kept->count, task->spots.items, task->spots.count, rows, task->twin->threads);
    else points_gather(&view, kept->items, kept->count, task->spots.items, task->spots.count, rows, task->twin->threads);
}

/* Blocks of columns side by side: [rows, columns] into [rows, d]. */
static void refit_put(const struct refit_slice *slice, const float *from, int64_t rows, float *to, uint32_t d) {
    for (int64_t row = 0; row < rows; row++) memcpy(to + row * d + slice->at, from + row * slice->columns, slice->columns * sizeof *to);
}

static float *refit_rows(const struct refit_task *task, const struct refit_slice *slices, const struct refit_problem *problem) {
    float *x = ARENA_ARRAY(task->arena, float, problem->rows * problem->d);
    for (uint32_t p = 0; p < task->branch_count; p++) {
        const bool is_whole = slices[p].columns == problem->d;
        float *rows = is_whole ? x : ARENA_ARRAY(task->arena, float, problem->rows *slices[p].columns);
        refit_gather(task, &slices[p], rows);
        if (!is_whole) refit_put(&slices[p], rows, problem->rows, x, problem->d);
    }
    return x;
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

/* Rows `outputs` of the weights, scaled to z; of these columns. out: [outputs, inputs x taps] */
static void refit_take_weights(const struct refit_branch *branch, const struct refit_kept *inputs, uint32_t first,
                               const struct refit_kept *outputs, float *out) {
    const struct refit_layer *layer = branch->layer;
    const uint32_t columns = refit_columns(layer), taps = layer->taps;
    for (uint32_t k = 0; k < outputs->count; k++)
        for (uint32_t i = 0; i < inputs->count; i++)
            for (uint32_t t = 0; t < taps; t++)
                out[((size_t)k * inputs->count + i) * taps + t] =
                    (float)(layer->scale[outputs->items[k]] *
                            (double)branch->originals[(size_t)outputs->items[k] * columns + (inputs->items[i] - first) * taps + t]);
}

static const float *refit_weights(const struct refit_task *task, const struct refit_slice *slices, const struct refit_kept *outputs,
                                  uint32_t d) {
    float *weights = ARENA_ARRAY(task->arena, float, (size_t)outputs->count *d);
    for (uint32_t p = 0; p < task->branch_count; p++) {
        float *block = ARENA_ARRAY(task->arena, float, (size_t)outputs->count *slices[p].columns);
        refit_take_weights(slices[p].branch, &slices[p].inputs, slices[p].first, outputs, block);
        refit_put(&slices[p], block, outputs->count, weights, d);
    }
    return weights;
}

/* The map's weights of one branch; NULL where there is none. Its rows are points of the input, drawn as the output's are. */
static const float *refit_branch_mapped(struct refit_task *task, const struct refit_slice *slice, const struct refit_kept *outputs,
                                        bool has_intercept) {
    const struct refit_branch *branch = slice->branch;
    const struct refit_layer *layer = branch->layer;
    const struct refit_kept *inputs = &slice->inputs;
    const bool *none = ARENA_ARRAY(task->arena, bool, layer->channels);
    const struct refit_kept all = refit_keep(task->arena, none, slice->first, slice->first + slice->width);
    const struct channel_view pruned = channel_view_of(branch->input, layer->axis),
                              original = channel_view_of(branch->original_input, layer->axis);
    uint32_t *kept_at = ARENA_ARRAY(task->arena, uint32_t, inputs->count);
    struct refit_spots spots;
    refit_draw(task, pruned.plane, layer->position * 2 + 1, &spots);
    for (uint32_t i = 0; i < inputs->count; i++) kept_at[i] = inputs->items[i] - slice->first;
    struct refit_map map = {.kept_count = inputs->count,
                            .all_count = all.count,
                            .kept_at = kept_at,
                            .rows = spots.fit_count,
                            .has_intercept = has_intercept,
                            .rate = task->settings->rate,
                            .threads = task->twin->threads};
    map.kept = ARENA_ARRAY(task->arena, float, spots.fit_count * inputs->count);
    map.originals = ARENA_ARRAY(task->arena, float, all.count *spots.fit_count);
    points_gather(&pruned, inputs->items, inputs->count, spots.items, spots.fit_count, map.kept, map.threads);
    points_gather(&original, all.items, all.count, spots.items, spots.fit_count, map.originals, map.threads);
    double *a = ARENA_ARRAY(task->arena, double, (size_t)all.count * inputs->count);
    if (!refit_map_solve(task->arena, &map, a)) return NULL;
    float *weights = ARENA_ARRAY(task->arena, float, (size_t)all.count * outputs->count * layer->taps);
    float *mapped = ARENA_ARRAY(task->arena, float, (size_t)outputs->count * slice->columns);
    refit_take_weights(branch, &all, slice->first, outputs, weights);
    refit_map_fold(&map, a, weights, outputs->count, layer->taps, mapped);
    return mapped;
}

static const float *refit_mapped(struct refit_task *task, const struct refit_slice *slices, const struct refit_kept *outputs,
                                 const struct refit_problem *problem) {
    float *mapped = ARENA_ARRAY(task->arena, float, (size_t)outputs->count * problem->d);
    for (uint32_t p = 0; p < task->branch_count; p++) {
        if (!slices[p].columns) continue;
        const float *block = refit_branch_mapped(task, &slices[p], outputs, problem->has_intercept);
        if (!block) return NULL;
        refit_put(&slices[p], block, outputs->count, mapped, problem->d);
    }
    return mapped;
}

static void refit_give_weights(const struct refit_slice *slice, const struct refit_kept *outputs, const float *solved, uint32_t d) {
    const struct refit_layer *layer = slice->branch->layer;
    const uint32_t columns = refit_columns(layer), taps = layer->taps;
    for (uint32_t k = 0; k < outputs->count; k++) {
        const uint32_t row = outputs->items[k];
        for (uint32_t i = 0; i < slice->columns && layer->scale[row] != 0; i++) {
            const uint32_t column = (slice->inputs.items[i / taps] - slice->first) * taps + i % taps;
            slice->branch->weights[(size_t)row * columns + column] =
                (float)((double)solved[(size_t)k * d + slice->at + i] / layer->scale[row]);
        }
    }
}

/* The first branch that has an intercept takes all of it. */
static void refit_give_shift(struct refit_task *task, const struct refit_kept *outputs, const double *before, const double *after) {
    uint32_t p = 0;
    while (p + 1 < task->branch_count && !task->branches[p].layer->bias.at) p++;
    for (uint32_t k = 0; k < outputs->count; k++)
        if (task->branches[p].layer->scale[outputs->items[k]] != 0) task->branches[p].shift[outputs->items[k]] = after[k] - before[k];
}

static uint32_t refit_cut(struct refit_task *task, uint32_t group, struct refit_slice *slices) {
    uint32_t d = 0;
    for (uint32_t p = 0; p < task->branch_count; p++) {
        const struct refit_layer *layer = task->branches[p].layer;
        const uint32_t width = layer->channels / layer->groups;
        slices[p] = (struct refit_slice){.branch = &task->branches[p], .first = group * width, .width = width, .at = d};
        slices[p].inputs = refit_keep(task->arena, task->branches[p].in_gone, group * width, (group + 1) * width);
        slices[p].columns = slices[p].inputs.count * layer->taps;
        d += slices[p].columns;
    }
    return d;
}

static double *refit_offsets(const struct refit_task *task, const struct refit_kept *outputs, bool *has_intercept) {
    double *offsets = ARENA_ARRAY(task->arena, double, outputs->count);
    *has_intercept = false;
    for (uint32_t p = 0; p < task->branch_count; p++) {
        *has_intercept |= task->branches[p].layer->bias.at != 0;
        for (uint32_t k = 0; k < outputs->count; k++) offsets[k] += task->branches[p].layer->offset[outputs->items[k]];
    }
    return offsets;
}

static void refit_group(struct refit_task *task, uint32_t group, struct refit_outcome *outcome) {
    const struct refit_layer *layer = task->layer;
    const uint32_t height = layer->outputs / layer->groups;
    const struct refit_kept outputs = refit_keep(task->arena, task->out_gone, group * height, (group + 1) * height);
    struct refit_slice slices[REFIT_MOST_BRANCHES];
    struct refit_solution solution;
    struct refit_problem problem = {.d = refit_cut(task, group, slices),
                                    .m = outputs.count,
                                    .rows = task->spots.count,
                                    .fit_rows = task->spots.fit_count,
                                    .is_rectified = layer->is_rectified,
                                    .ceiling = layer->ceiling,
                                    .forms = task->settings->forms,
                                    .rate = task->settings->rate,
                                    .threads = task->twin->threads};
    if (!problem.d || !problem.m) return;
    problem.bias = refit_offsets(task, &outputs, &problem.has_intercept);
    problem.weights = refit_weights(task, slices, &outputs, problem.d);
    problem.x = refit_rows(task, slices, &problem);
    refit_gather_targets(task, &outputs, &problem);
    if (problem.forms >> REFIT_MAP & 1) problem.mapped = refit_mapped(task, slices, &outputs, &problem);
    refit_solve(task->arena, &problem, &solution);
    for (uint32_t p = 0; p < task->branch_count; p++) refit_give_weights(&slices[p], &outputs, solution.weights, problem.d);
    refit_give_shift(task, &outputs, problem.bias, solution.bias);
    outcome->error_before += solution.error_before;
    outcome->error_after += solution.error_after;
    if (solution.form > outcome->form) outcome->form = solution.form;
}

/* ---- the layer ---- */

static status refit_branch_open(struct refit_task *task, const struct refit_layer *layer, struct diag *diag) {
    const struct refit_twin *twin = task->twin;
    const struct eval_tensor *weight = eval_get(twin->original, layer->weight);
    const struct eval_tensor *now = eval_get(twin->pruned, layer->weight);
    const size_t size = (size_t)layer->outputs * refit_columns(layer);
    float *originals = ARENA_ARRAY(task->arena, float, size);
    struct refit_branch *branch = &task->branches[task->branch_count++];
    branch->layer = layer;
    branch->weights = ARENA_ARRAY(task->arena, float, size);
    refit_weights_from(layer, weight->floats, originals);
    refit_weights_from(layer, now->floats, branch->weights);
    branch->originals = originals;
    branch->shift = ARENA_ARRAY(task->arena, double, layer->outputs);
    branch->input = refit_twin_pruned(twin, layer->input);
    branch->original_input = eval_get(twin->original, layer->input);
    if (!branch->input || !branch->original_input)
        return diag_fail(diag, STATUS_BUG, "%s: its input is gone before it is solved", graph_describe_node(twin->graph, layer->node));
    branch->in_gone = refit_removed(task->arena, twin, layer->input, layer->axis, layer->channels);
    if (layer->kind != REFIT_CONV) return STATUS_OK;
    return window_of_node(twin->graph, layer->node, &branch->input->shape, weight->shape.dims + 2, &branch->window, diag);
}

static status refit_task_open(struct refit_task *task, struct diag *diag) {
    const struct refit_twin *twin = task->twin;
    const struct refit_layer *layer = task->layer, *other = refit_twin_other(twin, layer);
    status result = refit_branch_open(task, layer, diag);
    if (result == STATUS_OK && other) result = refit_branch_open(task, other, diag);
    if (result != STATUS_OK) return result;
    task->target = eval_get(twin->original, layer->target);
    task->skip = layer->skip.at && !other ? refit_twin_ahead(twin, layer->skip) : NULL;
    if (!task->target || (layer->skip.at && !other && !task->skip))
        return diag_fail(diag, STATUS_BUG, "%s: its target is gone before it is solved", graph_describe_node(twin->graph, layer->node));
    task->out_gone = refit_removed(task->arena, twin, layer->output, layer->axis, layer->outputs);
    return STATUS_OK;
}

static status refit_store_weights(const struct refit_task *task, const struct refit_branch *branch, struct diag *diag) {
    struct eval_tensor tensor = *eval_get(task->twin->pruned, branch->layer->weight);
    float *stored = ARENA_ARRAY(task->arena, float, tensor.elements);
    refit_weights_to(branch->layer, branch->weights, stored);
    tensor.floats = stored;
    return eval_set(task->twin->pruned, branch->layer->weight, &tensor, diag);
}

static status refit_store_bias(const struct refit_task *task, const struct refit_branch *branch, struct diag *diag) {
    const struct refit_layer *layer = branch->layer;
    if (!layer->bias.at) return STATUS_OK;
    struct eval_tensor tensor = *eval_get(task->twin->pruned, layer->bias);
    tensor.floats = arena_copy(task->arena, tensor.floats, (size_t)tensor.elements * sizeof *tensor.floats);
    for (uint32_t i = 0; i < layer->outputs; i++)
        if (layer->bias_rate[i] != 0) tensor.floats[i] = (float)((double)tensor.floats[i] + branch->shift[i] / layer->bias_rate[i]);
    return eval_set(task->twin->pruned, layer->bias, &tensor, diag);
}

static status refit_store(const struct refit_task *task, struct diag *diag) {
    status result = STATUS_OK;
    for (uint32_t p = 0; p < task->branch_count && result == STATUS_OK; p++) {
        result = refit_store_weights(task, &task->branches[p], diag);
        if (result == STATUS_OK) result = refit_store_bias(task, &task->branches[p], diag);
        if (result == STATUS_OK && p) result = refit_twin_repeat(task->twin, task->branches[p].layer, diag);
    }
    return result;
}

static status refit_task_run(struct refit_task *task, struct refit_outcome *outcome, struct diag *diag) {
    const status result = refit_task_open(task, diag);
    if (result != STATUS_OK) return result;
    const struct channel_view target = channel_view_of(task->target, task->layer->axis);
    refit_draw(task, target.plane, task->layer->position * 2, &task->spots);
    for (uint32_t group = 0; group < task->layer->groups; group++) refit_group(task, group, outcome);
    return outcome->form == REFIT_NONE ? STATUS_OK : refit_store(task, diag);
}

status refit_layer_solve(struct refit_twin *twin, const struct refit_layer *layer, const struct refit_settings *settings,
                         struct refit_outcome *outcome, struct diag *diag) {
    struct refit_task task = {.arena = arena_new(arena_heap(twin->arena)), .twin = twin, .layer = layer, .settings = settings};
    *outcome = (struct refit_outcome){0};
    const status result = refit_task_run(&task, outcome, diag);
    arena_free(task.arena);
    return result;
}
