/* What the network's outputs lose when one space alone is pruned, measured: that space is sliced, every layer behind is solved again on
 * some samples, the outputs are compared on others.
 *
 *   damage = mean KL(softmax(outputs) | softmax(outputs')), or the relative squared error where the outputs are no vector an image
 *
 * A residual stream that is pruned alone looks worse than it is while only its readers are solved: the branches behind it take up what it
 * lost. So all layers behind are solved, on few samples. */
#include <math.h>

#include "base/checked.h"
#include "passes/accuracy.h"
#include "passes/survey_internal.h"

enum { DAMAGE_IMAGES = 128, DAMAGE_PLACES = 8 };

static status damage_solve(struct refit_twin *twin, const struct survey_request *request, struct diag *diag) {
    const struct refit_settings settings = {.forms = 1u << REFIT_LS, .is_rough = true, .places = DAMAGE_PLACES, .rate = request->rate};
    struct refit_outcome outcome;
    status result = STATUS_OK;
    for (uint32_t i = 0; i < twin->layers.count && result == STATUS_OK; i++) {
        const struct refit_layer *layer = &twin->layers.items[i];
        if (!refit_twin_touches(twin, layer)) continue;
        if (refit_twin_is_earlier(twin, layer)) {
            refit_twin_hold(twin, layer);
            continue;
        }
        result = refit_twin_reach(twin, layer, diag);
        if (result == STATUS_OK) result = refit_layer_solve(twin, layer, &settings, &outcome, diag);
        if (result == STATUS_OK) refit_twin_leave(twin, layer);
    }
    return result == STATUS_OK ? refit_twin_finish(twin, diag) : result;
}

static void damage_remove(const struct survey_item *item, uint32_t gone, struct removal *removal) {
    for (uint32_t k = 0; k < gone; k++) removal->removed[item->space][item->elimination.order[k]] = true;
    removal->counts[item->space] = gone;
}

static status damage_of_width(struct survey_run *run, struct refit_twin *twin, struct survey_item *item, uint32_t width,
                              struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(run->arena));
    struct removal removal;
    struct accuracy sum = {0};
    removal_init(run->arena, run->request->spaces, &removal); /* outlives this: the next removal puts back what this one changed */
    damage_remove(item, item->removed[width], &removal);
    status result = refit_twin_renew(twin, arena_copy(run->arena, &removal, sizeof removal), diag);
    if (result == STATUS_OK) result = damage_solve(twin, run->request, diag);
    const int64_t from = twin->batch->fit_images < twin->batch->images ? twin->batch->fit_images : 0;
    if (result == STATUS_OK) refit_twin_measure(twin, from, twin->batch->images, NULL, &sum);
    item->damage[width] = sum.images ? sum.divergence / (double)sum.images : accuracy_error(&sum);
    arena_free(scratch);
    return result;
}

static status damage_of_all(struct survey_run *run, struct refit_twin *twin, struct diag *diag) {
    const struct survey_request *request = run->request;
    status result = STATUS_OK;
    for (uint32_t i = 0; i < run->items.count; i++)
        for (uint32_t w = 0; w < run->items.items[i].width_count && result == STATUS_OK; w++) {
            result = damage_of_width(run, twin, &run->items.items[i], w, diag);
            if (request->progress)
                request->progress(request->progress_context, "measuring damage", (i + (w + 1.0) / SURVEY_WIDTHS) / run->items.count);
        }
    return result;
}

status survey_measure(struct survey_run *run, struct diag *diag) {
    const struct survey_request *request = run->request;
    struct arena *scratch = arena_new(arena_heap(run->arena));
    struct refit_batch batch;
    struct refit_twin twin;
    struct removal none;
    int64_t room;
    status result = refit_batch_room(scratch, request->graph, request->samples, request->memory_bytes / 2, true, &room, diag);
    const int64_t most = least(DAMAGE_IMAGES, greatest(1, room / 2));
    const struct refit_choice choice = {1u << REFIT_PART_FIT, 1u << REFIT_PART_DAMAGE, most, most};
    if (result == STATUS_OK) result = refit_batch_read(scratch, request->graph, request->samples, &choice, &batch, diag);
    removal_init(scratch, request->spaces, &none);
    const struct refit_twin_request open = {.graph = request->graph,
                                            .shapes = request->shapes,
                                            .spaces = request->spaces,
                                            .removal = &none,
                                            .batch = &batch,
                                            .memory_bytes = request->memory_bytes,
                                            .keeps_original = true,
                                            .threads = request->threads};
    if (result == STATUS_OK) result = refit_twin_open(scratch, &open, &twin, diag);
    if (result == STATUS_OK) result = damage_of_all(run, &twin, diag);
    arena_free(scratch);
    return result;
}

/* ---- between the widths measured ---- */

/* The logarithm of damage / error at k channels gone: a line between two widths, the last one's slope beyond, if that rises. */
static double damage_ratio(const struct survey_item *item, const double *ratio, uint32_t k) {
    uint32_t to = 1;
    if (item->width_count == 1 || k <= item->removed[0]) return ratio[0];
    while (to + 1 < item->width_count && item->removed[to] < k) to++;
    const double slope = (ratio[to] - ratio[to - 1]) / (item->removed[to] - item->removed[to - 1]);
    if (k > item->removed[to]) return ratio[to] + fmax(slope, 0) * (k - item->removed[to]);
    return ratio[to - 1] + slope * (k - item->removed[to - 1]);
}

double *survey_damage_curve(struct arena *arena, const struct survey_item *item, uint32_t size) {
    const double *error = item->elimination.error;
    double *curve = ARENA_ARRAY(arena, double, size + 1), ratio[SURVEY_WIDTHS];
    for (uint32_t w = 0; w < item->width_count; w++) ratio[w] = log(fmax(item->damage[w], 1e-9) / fmax(error[item->removed[w]], 1e-9));
    for (uint32_t k = 1; k <= size; k++) curve[k] = fmax(curve[k - 1], error[k] * exp(damage_ratio(item, ratio, k)));
    return curve;
}
