/* What the network's outputs lose when one space alone is pruned, measured.
 *
 *   original   input -> ... -> x -> reader -> ... -> outputs
 *   variant                    x -> reader, solved -> ... -> outputs'        damage = mean KL(softmax(outputs) | softmax(outputs'))
 *
 * Only the nodes behind the readers run again. Outputs that are no vector an image are compared by their relative squared error. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "passes/accuracy.h"
#include "passes/survey_internal.h"

enum { DAMAGE_BATCH = 128, DAMAGE_READ = 512 };

struct damage_run {
    struct survey_run *survey;
    struct eval *reader, *variant;
    bool **is_changed; /* [item][node position] */
    struct accuracy (*sums)[SURVEY_WIDTHS];
};

/* ---- what runs again ---- */

static bool *damage_changed(struct damage_run *run, const struct survey_item *item) {
    const struct graph *graph = run->survey->request->graph;
    bool *values = ARENA_ARRAY(run->survey->arena, bool, graph->values.count),
         *nodes = ARENA_ARRAY(run->survey->arena, bool, graph->order.count);
    for (uint32_t i = 0; i < item->reader_count; i++) nodes[run->survey->readers.items[item->readers[i]].layer->position] = true;
    for (uint32_t i = 0; i < item->reader_count; i++) {
        const value_id bias = run->survey->readers.items[item->readers[i]].layer->bias;
        values[bias.at] = bias.at != 0;
    }
    for (uint32_t at = 0; at < graph->order.count; at++) {
        const struct node *node = graph_node(graph, graph->order.items[at]);
        for (uint32_t i = 0; i < node->input_count; i++) nodes[at] |= values[node->inputs[i].at];
        for (uint32_t i = 0; i < node->output_count && nodes[at]; i++) values[node->outputs[i].at] = node->outputs[i].at != 0;
    }
    return nodes;
}

/* ---- a variant ---- */

static status damage_set(struct eval *eval, value_id id, const struct eval_tensor *like, const float *floats, struct diag *diag) {
    struct eval_tensor tensor = *like;
    tensor.floats = (float *)(uintptr_t)floats;
    return eval_set(eval, id, &tensor, diag);
}

/* One group's solved weights, and the bias that keeps the mean of its outputs. width < 0: as they were. */
static status damage_solve(struct damage_run *run, const struct survey_item *item, uint32_t at, int width, struct diag *diag) {
    const struct survey_reader *reader = &run->survey->readers.items[item->readers[at]];
    const struct refit_layer *layer = reader->layer;
    const struct eval_tensor *weight = eval_get(run->survey->original, layer->weight), *now = eval_get(run->variant, layer->weight);
    const uint32_t columns = refit_columns(layer), from = reader->group * reader->m;
    struct arena *scratch = arena_new(arena_heap(run->survey->arena));
    float *weights = ARENA_ARRAY(scratch, float, weight->elements), *stored = ARENA_ARRAY(scratch, float, weight->elements);
    const float *solved = width < 0 ? reader->weights : item->elimination.weights[width][at];
    refit_weights_from(layer, now->floats, weights);
    memcpy(weights + (size_t)from * columns, solved, (size_t)reader->m * columns * sizeof *weights);
    refit_weights_to(layer, weights, stored);
    status result = damage_set(run->variant, layer->weight, weight, stored, diag);
    if (result == STATUS_OK && layer->bias.at) {
        const struct eval_tensor *bias = eval_get(run->survey->original, layer->bias), *bias_now = eval_get(run->variant, layer->bias);
        float *shifted = arena_copy(scratch, bias_now->floats, (size_t)bias_now->elements * sizeof *shifted);
        for (uint32_t k = 0; k < reader->m; k++) {
            double shift = 0;
            for (uint32_t i = 0; i < reader->d; i++)
                shift +=
                    ((double)reader->weights[(size_t)k * reader->d + i] - (double)solved[(size_t)k * reader->d + i]) * reader->means[i];
            shifted[from + k] = (float)((double)bias->floats[from + k] + (layer->bias_is_scaled ? shift : shift * layer->scale[from + k]));
        }
        result = damage_set(run->variant, layer->bias, bias, shifted, diag);
    }
    arena_free(scratch);
    return result;
}

static status damage_solve_all(struct damage_run *run, const struct survey_item *item, int width, struct diag *diag) {
    status result = STATUS_OK;
    for (uint32_t i = 0; i < item->reader_count && result == STATUS_OK; i++) result = damage_solve(run, item, i, width, diag);
    return result;
}

/* Values that do not change come from the original. */
static status damage_run_node(struct damage_run *run, uint32_t at, struct diag *diag) {
    const struct graph *graph = run->survey->request->graph;
    const struct node *node = graph_node(graph, graph->order.items[at]);
    status result = STATUS_OK;
    for (uint32_t i = 0; i < node->input_count && result == STATUS_OK; i++) {
        const value_id id = node->inputs[i];
        if (id.at && !eval_get(run->variant, id)) result = eval_set(run->variant, id, eval_get(run->survey->original, id), diag);
    }
    return result == STATUS_OK ? eval_run(run->variant, at, at + 1, diag) : result;
}

static void damage_compare(struct damage_run *run, int64_t images, struct accuracy *sum) {
    const struct graph *graph = run->survey->request->graph;
    for (uint32_t k = 0; k < graph->outputs.count; k++) {
        const struct eval_tensor *original = eval_get(run->survey->original, graph->outputs.items[k]);
        const struct eval_tensor *variant = eval_get(run->variant, graph->outputs.items[k]);
        if (!original->floats || !original->shape.rank || original->shape.dims[0] != images) continue;
        for (int64_t image = 0; image < images; image++) accuracy_add(sum, original, variant ? variant : original, image, k == 0, NULL);
    }
}

static status damage_try(struct damage_run *run, uint32_t item, int width, int64_t images, struct diag *diag) {
    eval_next(run->variant);
    status result = damage_solve_all(run, &run->survey->items.items[item], width, diag);
    for (uint32_t at = 0; at < run->survey->request->graph->order.count && result == STATUS_OK; at++)
        if (run->is_changed[item][at]) result = damage_run_node(run, at, diag);
    if (result == STATUS_OK) damage_compare(run, images, &run->sums[item][width]);
    return result;
}

/* ---- all of them ---- */

static status damage_batch(struct damage_run *run, int64_t images, struct diag *diag) {
    struct survey_run *survey = run->survey;
    status result = eval_run(survey->original, 0, eval_node_count(survey->original), diag);
    for (uint32_t i = 0; i < survey->items.count && result == STATUS_OK; i++) {
        for (uint32_t w = 0; w < survey->items.items[i].width_count && result == STATUS_OK; w++)
            result = damage_try(run, i, (int)w, images, diag);
        if (result == STATUS_OK) result = damage_solve_all(run, &survey->items.items[i], -1, diag);
        if (survey->request->progress)
            survey->request->progress(survey->request->progress_context, "measuring damage", (double)i / survey->items.count);
    }
    return result;
}

status survey_measure(struct survey_run *survey, struct diag *diag) {
    const struct graph *graph = survey->request->graph;
    const struct eval_settings settings = {survey->request->threads, survey->request->memory_bytes};
    const int64_t all = samples_count(survey->request->samples);
    struct damage_run run = {.survey = survey, .reader = eval_new(survey->arena, graph, &settings)};
    status result = STATUS_OK;
    run.variant = eval_new(survey->arena, graph, &settings);
    run.is_changed = arena_alloc_array(survey->arena, survey->items.count, sizeof *run.is_changed);
    run.sums = arena_alloc_array(survey->arena, survey->items.count, sizeof *run.sums);
    for (uint32_t i = 0; i < survey->items.count; i++) run.is_changed[i] = damage_changed(&run, &survey->items.items[i]);
    for (uint32_t v = 1; v < graph->values.count; v++) eval_keep(survey->original, (value_id){v}, true);
    for (int64_t from = 0; from < all && result == STATUS_OK; from += DAMAGE_READ) {
        int64_t images = 0;
        result = survey_feed(survey, run.reader, survey->original, SURVEY_DAMAGE, from, least(DAMAGE_READ, all - from), &images, diag);
        if (result == STATUS_OK && images) result = damage_batch(&run, images, diag);
    }
    for (uint32_t i = 0; i < survey->items.count; i++)
        for (uint32_t w = 0; w < survey->items.items[i].width_count; w++) {
            const struct accuracy *sum = &run.sums[i][w];
            survey->items.items[i].damage[w] = sum->images ? sum->divergence / (double)sum->images : accuracy_error(sum);
        }
    return result;
}

/* ---- between the widths measured ---- */

double *survey_damage_curve(struct arena *arena, const struct survey_item *item, uint32_t size) {
    const double *error = item->elimination.error;
    double *curve = ARENA_ARRAY(arena, double, size + 1), ratio[SURVEY_WIDTHS];
    const uint32_t count = item->width_count;
    for (uint32_t w = 0; w < count; w++) ratio[w] = log(fmax(item->damage[w], 1e-9) / fmax(error[item->removed[w]], 1e-9));
    for (uint32_t k = 1; k <= size; k++) {
        uint32_t w = 0;
        while (w + 1 < count && item->removed[w + 1] < k) w++;
        double at = ratio[0];
        if (k > item->removed[0] && count > 1) {
            const uint32_t to = w + 1 < count ? w + 1 : w, from = to - 1;
            const double slope = (ratio[to] - ratio[from]) / (item->removed[to] - item->removed[from]);
            at = k > item->removed[to] ? ratio[to] + fmax(slope, 0) * (k - item->removed[to])
                                       : ratio[from] + slope * (k - item->removed[from]);
        }
        curve[k] = fmax(curve[k - 1], error[k] * exp(at));
    }
    return curve;
}
