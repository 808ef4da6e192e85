#include "passes/rank.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the order inside a space ---- */

struct rank_item {
    double importance;
    uint32_t channel;
};

static int rank_compare_items(const void *left, const void *right) {
    const struct rank_item *a = left, *b = right;
    if (a->importance != b->importance) return a->importance < b->importance ? -1 : 1;
    return a->channel < b->channel ? -1 : a->channel > b->channel;
}

void rank_order(struct arena *arena, const struct space *space, const double *importance, uint32_t *order) {
    const uint32_t cells = space->cell_count > 1 ? space->cell_count : 1, size = space->size / cells;
    struct rank_item *items = ARENA_ARRAY(arena, struct rank_item, size);
    for (uint32_t cell = 0; cell < cells; cell++) {
        for (uint32_t i = 0; i < size; i++) {
            items[i].channel = cells > 1 ? space->cells[cell][i] : i;
            items[i].importance = importance ? importance[items[i].channel] : 0;
        }
        qsort(items, size, sizeof *items, rank_compare_items);
        for (uint32_t i = 0; i < size; i++) order[i * cells + cell] = items[i].channel;
    }
}

static int64_t rank_gcd(int64_t a, int64_t b) { return b ? rank_gcd(b, a % b) : a; }

uint32_t rank_unit(const struct space *space, int64_t channel_multiple) {
    const int64_t cells = space->cell_count > 1 ? space->cell_count : 1;
    const int64_t unit = cells / rank_gcd(cells, channel_multiple) * channel_multiple;
    return unit > UINT32_MAX ? UINT32_MAX : (uint32_t)unit;
}

/* ---- state ---- */

enum { RANK_JUMPS = 6 };

struct rank_space {
    uint32_t *order;
    double *lost;                             /* [k]: share of the importance that the first k in order have */
    double *raw;                              /* [k]: the same, not divided by the space's total */
    uint32_t kept, unit, floor, coarse, fine; /* widths; the step of `marginal` and of the others */
    bool is_free;
    bool is_stale; /* the best trial below is of older widths */
    uint32_t best_kept;
    double best_score; /* bytes per share of importance */
};

struct ranker {
    struct arena *arena;
    const struct rank_request *request;
    struct widths *widths;
    struct rank_space *spaces;
    uint32_t count;
    uint32_t **makers_of_layer; /* spaces in the output of a layer, ended by CHANNEL_NONE; made for `params`, `macs`, `volume` */
    uint32_t steps;
};

static uint32_t rank_round_up(uint32_t number, uint32_t unit) { return (number + unit - 1) / unit * unit; }

static void rank_init_space(struct ranker *ranker, uint32_t at) {
    const struct space *space = &ranker->request->spaces->items.items[at];
    struct rank_space *state = &ranker->spaces[at];
    state->kept = space->size;
    state->unit = rank_unit(space, ranker->request->channel_multiple);
    state->is_free = !space->fixed && space->size > state->unit;
    if (!state->is_free) return;
    const double least = ceil(ranker->request->min_share * space->size - 1e-9);
    state->floor = rank_round_up(least < 1 ? 1 : (uint32_t)least, state->unit);
    state->fine = rank_round_up((space->size + 63) / 64, state->unit);
    state->coarse = rank_round_up((space->size + 31) / 32, state->unit);
    state->order = ARENA_ARRAY(ranker->arena, uint32_t, space->size);
    rank_order(ranker->arena, space, ranker->request->importance[at], state->order);
    state->raw = ARENA_ARRAY(ranker->arena, double, space->size + 1);
    state->lost = ARENA_ARRAY(ranker->arena, double, space->size + 1);
    for (uint32_t k = 0; k < space->size; k++) state->raw[k + 1] = state->raw[k] + ranker->request->importance[at][state->order[k]];
    const double total = state->raw[space->size];
    for (uint32_t k = 1; k <= space->size; k++) state->lost[k] = total > 0 ? state->raw[k] / total : (double)k / space->size;
    state->is_stale = true;
}

static uint32_t rank_size(const struct ranker *ranker, uint32_t at) { return ranker->request->spaces->items.items[at].size; }
static uint32_t rank_gone(const struct ranker *ranker, uint32_t at) { return rank_size(ranker, at) - ranker->spaces[at].kept; }
static bool rank_can_shrink(const struct rank_space *state) { return state->is_free && state->kept > state->floor; }

/* The width after a step of so many channels: a multiple of the unit, not below the floor. */
static uint32_t rank_next_width(const struct rank_space *state, uint32_t step) {
    const uint32_t wanted = state->kept > step ? state->kept - step : 0;
    uint32_t width = rank_round_up(wanted, state->unit);
    if (width >= state->kept) width = (state->kept - 1) / state->unit * state->unit;
    return width < state->floor ? state->floor : width;
}

static int64_t rank_try(struct ranker *ranker, uint32_t at, uint32_t kept) {
    const struct rank_space *state = &ranker->spaces[at];
    const uint32_t size = rank_size(ranker, at);
    if (kept <= state->kept) return widths_try(ranker->widths, at, state->order + size - state->kept, state->kept - kept, false);
    return widths_try(ranker->widths, at, state->order + size - kept, kept - state->kept, true);
}

static void rank_commit(struct ranker *ranker, uint32_t at, uint32_t kept) {
    struct rank_space *state = &ranker->spaces[at];
    const uint32_t size = rank_size(ranker, at);
    if (kept <= state->kept) widths_commit(ranker->widths, at, state->order + size - state->kept, state->kept - kept, false);
    else widths_commit(ranker->widths, at, state->order + size - kept, kept - state->kept, true);
    state->kept = kept;
}

/* ---- choosing: marginal ---- */

/* Widths worth a trial: one step, and longer jumps that may take a whole step of the staircase at once. */
static uint32_t rank_trial_width(const struct rank_space *state, uint32_t jump) {
    static const uint32_t jumps[RANK_JUMPS] = {1, 2, 4, 8, 16, 32};
    return rank_next_width(state, state->coarse * jumps[jump]);
}

static bool rank_score(struct ranker *ranker, uint32_t at) {
    struct rank_space *state = &ranker->spaces[at];
    const uint32_t gone = rank_gone(ranker, at), size = rank_size(ranker, at);
    bool wanted = false;
    uint32_t last = state->kept;
    state->best_score = -1;
    for (uint32_t jump = 0; jump < RANK_JUMPS; jump++) {
        const uint32_t width = rank_trial_width(state, jump);
        if (width == last) break;
        last = width;
        const int64_t total = rank_try(ranker, at, width);
        wanted = wanted || total < 0;
        if (total < 0) continue;
        const double lost = state->lost[size - width] - state->lost[gone];
        const double score = (double)(ranker->widths->total_bytes - total) / (lost > 1e-12 ? lost : 1e-12);
        if (score > state->best_score) state->best_score = score, state->best_kept = width;
    }
    if (state->best_score < 0) state->best_score = 0, state->best_kept = rank_trial_width(state, 0);
    return !wanted;
}

static void rank_refresh(struct ranker *ranker) {
    bool missing = false;
    for (uint32_t at = 0; at < ranker->count; at++)
        if (ranker->spaces[at].is_stale && rank_can_shrink(&ranker->spaces[at])) missing = !rank_score(ranker, at) || missing;
    if (missing) cost_cache_run(ranker->widths->cache);
    for (uint32_t at = 0; at < ranker->count; at++) {
        if (!ranker->spaces[at].is_stale || !rank_can_shrink(&ranker->spaces[at])) continue;
        if (missing) rank_score(ranker, at);
        ranker->spaces[at].is_stale = false;
    }
}

static bool rank_share_layer(const struct widths_space *a, const struct widths_space *b) {
    for (uint32_t i = 0, k = 0; i < a->layer_count && k < b->layer_count;) {
        if (a->layers[i] == b->layers[k]) return true;
        if (a->layers[i] < b->layers[k]) i++;
        else k++;
    }
    return false;
}

static void rank_mark_neighbours(struct ranker *ranker, uint32_t changed) {
    for (uint32_t at = 0; at < ranker->count; at++)
        if (rank_share_layer(&ranker->widths->spaces[changed], &ranker->widths->spaces[at])) ranker->spaces[at].is_stale = true;
}

static uint32_t rank_choose_marginal(struct ranker *ranker, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    rank_refresh(ranker);
    for (uint32_t at = 0; at < ranker->count; at++) {
        const struct rank_space *state = &ranker->spaces[at];
        if (!rank_can_shrink(state)) continue;
        if (best == CHANNEL_NONE || state->best_score > ranker->spaces[best].best_score) best = at;
    }
    if (best != CHANNEL_NONE) *kept = ranker->spaces[best].best_kept;
    return best;
}

/* ---- choosing: the others ---- */

static uint32_t rank_choose_uniform(struct ranker *ranker, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    double best_share = -1;
    for (uint32_t at = 0; at < ranker->count; at++) {
        const double share = (double)ranker->spaces[at].kept / rank_size(ranker, at);
        if (rank_can_shrink(&ranker->spaces[at]) && share > best_share) best = at, best_share = share;
    }
    if (best != CHANNEL_NONE) *kept = rank_next_width(&ranker->spaces[best], ranker->spaces[best].fine);
    return best;
}

/* The step whose channels have the smallest norm on average. */
static uint32_t rank_choose_magnitude(struct ranker *ranker, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    double least = HUGE_VAL;
    for (uint32_t at = 0; at < ranker->count; at++) {
        const struct rank_space *state = &ranker->spaces[at];
        if (!rank_can_shrink(state)) continue;
        const uint32_t width = rank_next_width(state, state->fine), size = rank_size(ranker, at);
        const double mean = (state->raw[size - width] - state->raw[size - state->kept]) / (state->kept - width);
        if (mean < least) best = at, least = mean, *kept = width;
    }
    return best;
}

static int64_t rank_layer_weight(const struct ranker *ranker, uint32_t index) {
    const struct layer *layer = &ranker->widths->layers->items.items[index];
    struct nest nest;
    if (ranker->request->ranking == RANKING_VOLUME) return ranker->widths->layer_bytes[index];
    if (layer->kind != LAYER_NEST) return 0;
    layer_nest(ranker->widths->layers, layer, ranker->widths->shapes, ranker->widths->target, &nest);
    if (ranker->request->ranking == RANKING_MACS) return nest_macs(&nest);
    return nest_weight_elems(&nest) + (nest.has_bias ? nest.size[DIM_G] * nest.size[DIM_M] : 0);
}

static void rank_find_makers(struct ranker *ranker) {
    const struct spaces *spaces = ranker->request->spaces;
    const struct layers *layers = ranker->widths->layers;
    ranker->makers_of_layer = ARENA_ARRAY(ranker->arena, uint32_t *, layers->items.count);
    for (uint32_t i = 0; i < layers->items.count; i++) {
        ARRAY(uint32_t) found = {0};
        for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
            const uint32_t labelled = spaces_axis_of(spaces, layers->items.items[i].result, axis);
            if (labelled == CHANNEL_NONE) continue;
            for (uint32_t s = 0; s < spaces->items.count; s++)
                for (uint32_t k = 0; k < spaces->items.items[s].axis_count; k++)
                    if (spaces->items.items[s].axes[k].axis == labelled) array_push(ranker->arena, &found, s);
        }
        array_push(ranker->arena, &found, CHANNEL_NONE);
        ranker->makers_of_layer[i] = found.items;
    }
}

/* The widest of the spaces that make a layer's output and can still shrink. */
static uint32_t rank_space_of_layer(const struct ranker *ranker, uint32_t layer) {
    uint32_t best = CHANNEL_NONE;
    for (const uint32_t *space = ranker->makers_of_layer[layer]; *space != CHANNEL_NONE; space++)
        if (rank_can_shrink(&ranker->spaces[*space]) && (best == CHANNEL_NONE || ranker->spaces[*space].kept > ranker->spaces[best].kept))
            best = *space;
    return best;
}

/* The top layer by bytes, parameters or MACs whose output can shrink; equal ones: first in execution order. */
static uint32_t rank_choose_top_layer(struct ranker *ranker, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    int64_t most = -1;
    for (uint32_t i = 0; i < ranker->widths->layers->items.count; i++) {
        const int64_t weight = rank_layer_weight(ranker, i);
        const uint32_t space = weight > most ? rank_space_of_layer(ranker, i) : CHANNEL_NONE;
        if (space != CHANNEL_NONE) best = space, most = weight;
    }
    if (best != CHANNEL_NONE) *kept = rank_next_width(&ranker->spaces[best], ranker->spaces[best].fine);
    return best;
}

typedef uint32_t (*rank_choice)(struct ranker *ranker, uint32_t *kept);

static const rank_choice rank_choices[] = {
    [RANKING_MARGINAL] = rank_choose_marginal, [RANKING_VOLUME] = rank_choose_top_layer, [RANKING_PARAMS] = rank_choose_top_layer,
    [RANKING_MACS] = rank_choose_top_layer,    [RANKING_UNIFORM] = rank_choose_uniform,  [RANKING_MAGNITUDE] = rank_choose_magnitude,
};

/* ---- giving back ---- */

static int64_t rank_try_now(struct ranker *ranker, uint32_t at, uint32_t kept) {
    int64_t total = rank_try(ranker, at, kept);
    if (total >= 0) return total;
    cost_cache_run(ranker->widths->cache);
    return rank_try(ranker, at, kept);
}

/* The next legal width above; the size where there is none below it. */
static uint32_t rank_wider(const struct ranker *ranker, uint32_t at) {
    const struct rank_space *state = &ranker->spaces[at];
    const uint32_t size = rank_size(ranker, at), next = (state->kept / state->unit + 1) * state->unit;
    return next < size ? next : size;
}

static double rank_worth(const struct ranker *ranker, uint32_t at) {
    const struct rank_space *state = &ranker->spaces[at];
    const uint32_t gone = rank_gone(ranker, at);
    return state->lost[gone] - state->lost[gone - (rank_wider(ranker, at) - state->kept)];
}

/* Puts back one unit where the budget still holds, the most important first. False where no space has one. */
static bool rank_give_back_one(struct ranker *ranker) {
    bool *tried = ARENA_ARRAY(ranker->arena, bool, ranker->count);
    for (;;) {
        uint32_t best = CHANNEL_NONE;
        for (uint32_t at = 0; at < ranker->count; at++) {
            if (tried[at] || !ranker->spaces[at].is_free || !rank_gone(ranker, at)) continue;
            if (best == CHANNEL_NONE || rank_worth(ranker, at) > rank_worth(ranker, best)) best = at;
        }
        if (best == CHANNEL_NONE) return false;
        tried[best] = true;
        const uint32_t wider = rank_wider(ranker, best);
        if (rank_try_now(ranker, best, wider) > ranker->request->limit_bytes) continue;
        rank_commit(ranker, best, wider);
        return true;
    }
}

/* ---- the engine ---- */

static status rank_nothing(const struct ranker *ranker, struct diag *diag) {
    const struct spaces *spaces = ranker->request->spaces;
    for (uint32_t at = 0; at < ranker->count; at++) {
        const struct space *space = &spaces->items.items[at];
        if (space->fixed)
            return diag_fail(diag, STATUS_UNMET, "nothing can be pruned: %u spaces, all fixed; the first, '%s': %s", ranker->count,
                             space->id, space->fixed);
    }
    return diag_fail(diag, STATUS_UNMET, "nothing can be pruned: %s",
                     ranker->count ? "no space is wider than one unit" : "the model has no channels that a layer makes");
}

static status rank_out_of_reach(const struct ranker *ranker, struct diag *diag) {
    return diag_fail(diag, STATUS_UNMET,
                     "the budget of %" PRId64 " B is out of reach: with every space at its least width %" PRId64 " B are left",
                     ranker->request->limit_bytes, ranker->widths->total_bytes);
}

static void rank_report_progress(const struct ranker *ranker, int64_t start) {
    const double all = (double)(start - ranker->request->limit_bytes), done = (double)(start - ranker->widths->total_bytes);
    if (ranker->request->progress && all > 0)
        ranker->request->progress(ranker->request->progress_context, "ranking", done < all ? done / all : 1);
}

static void rank_result_of(struct ranker *ranker, struct rank_result *result) {
    removal_init(ranker->arena, ranker->request->spaces, &result->removal);
    result->bytes_saved = ARENA_ARRAY(ranker->arena, int64_t, ranker->count);
    result->importance_lost = ARENA_ARRAY(ranker->arena, double, ranker->count);
    for (uint32_t at = 0; at < ranker->count; at++) {
        const uint32_t gone = rank_gone(ranker, at);
        if (!gone) continue;
        for (uint32_t k = 0; k < gone; k++) result->removal.removed[at][ranker->spaces[at].order[k]] = true;
        result->removal.counts[at] = gone;
        result->importance_lost[at] = ranker->spaces[at].lost[gone];
        result->bytes_saved[at] = rank_try_now(ranker, at, rank_size(ranker, at)) - ranker->widths->total_bytes;
    }
    result->reached_bytes = ranker->widths->total_bytes;
    result->steps = ranker->steps;
}

status rank_channels(struct arena *arena, const struct rank_request *request, struct rank_result *result, struct diag *diag) {
    struct ranker ranker = {.arena = arena, .request = request, .widths = request->widths, .count = request->spaces->items.count};
    const int64_t start = request->widths->total_bytes;
    bool any = false;
    ranker.spaces = ARENA_ARRAY(arena, struct rank_space, ranker.count);
    for (uint32_t at = 0; at < ranker.count; at++) {
        rank_init_space(&ranker, at);
        any = any || rank_can_shrink(&ranker.spaces[at]);
    }
    rank_find_makers(&ranker);
    while (request->widths->total_bytes > request->limit_bytes) {
        uint32_t kept = 0;
        const uint32_t space = rank_choices[request->ranking](&ranker, &kept);
        if (space == CHANNEL_NONE) return any ? rank_out_of_reach(&ranker, diag) : rank_nothing(&ranker, diag);
        rank_commit(&ranker, space, kept);
        rank_mark_neighbours(&ranker, space);
        rank_report_progress(&ranker, start);
        ranker.steps++;
    }
    while (rank_give_back_one(&ranker)) continue;
    rank_result_of(&ranker, result);
    return STATUS_OK;
}
