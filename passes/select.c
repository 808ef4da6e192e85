#include "passes/select.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the order inside a space ---- */

struct select_item {
    double importance;
    uint32_t channel;
};

static int select_compare_items(const void *left, const void *right) {
    const struct select_item *a = left, *b = right;
    if (a->importance != b->importance) return a->importance < b->importance ? -1 : 1;
    return a->channel < b->channel ? -1 : a->channel > b->channel;
}

void select_order(struct arena *arena, const struct space *space, const double *importance, uint32_t *order) {
    const uint32_t cells = space->cell_count > 1 ? space->cell_count : 1, size = space->size / cells;
    struct select_item *items = ARENA_ARRAY(arena, struct select_item, size);
    for (uint32_t cell = 0; cell < cells; cell++) {
        for (uint32_t i = 0; i < size; i++) {
            items[i].channel = cells > 1 ? space->cells[cell][i] : i;
            items[i].importance = importance ? importance[items[i].channel] : 0;
        }
        qsort(items, size, sizeof *items, select_compare_items);
        for (uint32_t i = 0; i < size; i++) order[i * cells + cell] = items[i].channel;
    }
}

static int64_t select_gcd(int64_t a, int64_t b) { return b ? select_gcd(b, a % b) : a; }

uint32_t select_unit(const struct space *space, int64_t channel_multiple) {
    const int64_t cells = space->cell_count > 1 ? space->cell_count : 1;
    const int64_t unit = cells / select_gcd(cells, channel_multiple) * channel_multiple;
    return unit > UINT32_MAX ? UINT32_MAX : (uint32_t)unit;
}

/* ---- state ---- */

enum { SELECT_JUMPS = 6, SELECT_LOOKS = 16 /* at the best cut on the way to the budget, at most */, SELECT_ROUNDS = 20 };
#define SELECT_GAIN 1e-3 /* what an exchange must save, of what it gains */

struct select_space {
    uint32_t *order;
    const double *lost; /* [k]: damage with the first k in order gone, or the share of the importance that they have */
    double *share;      /* [k]: that share */
    double *norm;       /* [k]: sum of their norms */
    uint32_t kept, unit, floor, coarse, fine; /* widths; the step of `marginal` and of the others */
    bool is_free;
    bool is_stale; /* the best trial below is of older widths */
    uint32_t best_kept;
    double best_score; /* bytes per share of importance */
};

struct selector {
    struct arena *arena;
    const struct select_request *request;
    struct widths *widths;
    struct select_space *spaces;
    uint32_t count;
    uint32_t **makers_of_layer; /* spaces in the output of a layer, ended by CHANNEL_NONE; made for `params`, `macs`, `volume` */
    uint32_t steps;
    int64_t start_bytes, look_bytes; /* total at the start; when the network was last looked at */
};

static uint32_t select_round_up(uint32_t number, uint32_t unit) { return (number + unit - 1) / unit * unit; }

static void select_init_space(struct selector *selector, uint32_t at) {
    const struct space *space = &selector->request->spaces->items.items[at];
    struct select_space *state = &selector->spaces[at];
    state->kept = space->size;
    state->unit = select_unit(space, selector->request->channel_multiple);
    state->is_free = !space->fixed && space->size > state->unit;
    if (!state->is_free) return;
    const double least = ceil(selector->request->min_share * space->size - 1e-9);
    state->floor = select_round_up(least < 1 ? 1 : (uint32_t)least, state->unit);
    state->fine = select_round_up((space->size + 63) / 64, state->unit);
    state->coarse = select_round_up((space->size + 31) / 32, state->unit);
    state->order = ARENA_ARRAY(selector->arena, uint32_t, space->size);
    select_order(selector->arena, space, selector->request->importance[at], state->order);
    state->share = ARENA_ARRAY(selector->arena, double, space->size + 1);
    state->norm = ARENA_ARRAY(selector->arena, double, space->size + 1);
    for (uint32_t k = 0; k < space->size; k++) {
        state->share[k + 1] = state->share[k] + selector->request->importance[at][state->order[k]];
        state->norm[k + 1] = state->norm[k] + selector->request->norms[at][state->order[k]];
    }
    const double total = state->share[space->size];
    for (uint32_t k = 1; k <= space->size; k++) state->share[k] = total > 0 ? state->share[k] / total : (double)k / space->size;
    state->lost = selector->request->damage && selector->request->damage[at] ? selector->request->damage[at] : state->share;
    state->is_stale = true;
}

static uint32_t select_size(const struct selector *selector, uint32_t at) { return selector->request->spaces->items.items[at].size; }
static uint32_t select_gone(const struct selector *selector, uint32_t at) { return select_size(selector, at) - selector->spaces[at].kept; }
static bool select_can_shrink(const struct select_space *state) { return state->is_free && state->kept > state->floor; }

/* The width after a step of so many channels: a multiple of the unit, not below the floor. */
static uint32_t select_next_width(const struct select_space *state, uint32_t step) {
    const uint32_t wanted = state->kept > step ? state->kept - step : 0;
    uint32_t width = select_round_up(wanted, state->unit);
    if (width >= state->kept) width = (state->kept - 1) / state->unit * state->unit;
    return width < state->floor ? state->floor : width;
}

static int64_t select_try(struct selector *selector, uint32_t at, uint32_t kept) {
    const struct select_space *state = &selector->spaces[at];
    const uint32_t size = select_size(selector, at);
    if (kept <= state->kept) return widths_try(selector->widths, at, state->order + size - state->kept, state->kept - kept, false);
    return widths_try(selector->widths, at, state->order + size - kept, kept - state->kept, true);
}

static void select_commit(struct selector *selector, uint32_t at, uint32_t kept) {
    struct select_space *state = &selector->spaces[at];
    const uint32_t size = select_size(selector, at);
    if (kept <= state->kept) widths_commit(selector->widths, at, state->order + size - state->kept, state->kept - kept, false);
    else widths_commit(selector->widths, at, state->order + size - kept, kept - state->kept, true);
    state->kept = kept;
}

/* ---- choosing: marginal ---- */

/* Widths worth a trial: one step, and longer jumps that may take a whole step of the staircase at once. */
static uint32_t select_trial_width(const struct select_space *state, uint32_t jump) {
    static const uint32_t jumps[SELECT_JUMPS] = {1, 2, 4, 8, 16, 32};
    return select_next_width(state, state->coarse * jumps[jump]);
}

static bool select_score(struct selector *selector, uint32_t at) {
    struct select_space *state = &selector->spaces[at];
    const uint32_t gone = select_gone(selector, at), size = select_size(selector, at);
    bool wanted = false;
    uint32_t last = state->kept;
    state->best_score = -1;
    for (uint32_t jump = 0; jump < SELECT_JUMPS; jump++) {
        const uint32_t width = select_trial_width(state, jump);
        if (width == last) break;
        last = width;
        const int64_t total = select_try(selector, at, width);
        wanted = wanted || total < 0;
        if (total < 0) continue;
        const double lost = state->lost[size - width] - state->lost[gone];
        const double score = (double)(selector->widths->total_bytes - total) / (lost > 1e-12 ? lost : 1e-12);
        if (score > state->best_score) state->best_score = score, state->best_kept = width;
    }
    if (state->best_score < 0) state->best_score = 0, state->best_kept = select_trial_width(state, 0);
    return !wanted;
}

static void select_refresh(struct selector *selector) {
    bool missing = false;
    for (uint32_t at = 0; at < selector->count; at++)
        if (selector->spaces[at].is_stale && select_can_shrink(&selector->spaces[at])) missing = !select_score(selector, at) || missing;
    if (missing) cost_cache_run(selector->widths->cache);
    for (uint32_t at = 0; at < selector->count; at++) {
        if (!selector->spaces[at].is_stale || !select_can_shrink(&selector->spaces[at])) continue;
        if (missing) select_score(selector, at);
        selector->spaces[at].is_stale = false;
    }
}

static bool select_share_layer(const struct widths_space *a, const struct widths_space *b) {
    for (uint32_t i = 0, k = 0; i < a->layer_count && k < b->layer_count;) {
        if (a->layers[i] == b->layers[k]) return true;
        if (a->layers[i] < b->layers[k]) i++;
        else k++;
    }
    return false;
}

static void select_mark_neighbours(struct selector *selector, uint32_t changed) {
    for (uint32_t at = 0; at < selector->count; at++)
        if (select_share_layer(&selector->widths->spaces[changed], &selector->widths->spaces[at])) selector->spaces[at].is_stale = true;
}

static uint32_t select_choose_marginal(struct selector *selector, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    select_refresh(selector);
    for (uint32_t at = 0; at < selector->count; at++) {
        const struct select_space *state = &selector->spaces[at];
        if (!select_can_shrink(state)) continue;
        if (best == CHANNEL_NONE || state->best_score > selector->spaces[best].best_score) best = at;
    }
    if (best != CHANNEL_NONE) *kept = selector->spaces[best].best_kept;
    return best;
}

/* ---- choosing: the others ---- */

static uint32_t select_choose_uniform(struct selector *selector, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    double best_share = -1;
    for (uint32_t at = 0; at < selector->count; at++) {
        const double share = (double)selector->spaces[at].kept / select_size(selector, at);
        if (select_can_shrink(&selector->spaces[at]) && share > best_share) best = at, best_share = share;
    }
    if (best != CHANNEL_NONE) *kept = select_next_width(&selector->spaces[best], selector->spaces[best].fine);
    return best;
}

/* The step whose channels have the smallest norm on average. */
static uint32_t select_choose_magnitude(struct selector *selector, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    double least = HUGE_VAL;
    for (uint32_t at = 0; at < selector->count; at++) {
        const struct select_space *state = &selector->spaces[at];
        if (!select_can_shrink(state)) continue;
        const uint32_t width = select_next_width(state, state->fine), size = select_size(selector, at);
        const double mean = (state->norm[size - width] - state->norm[size - state->kept]) / (state->kept - width);
        if (mean < least) best = at, least = mean, *kept = width;
    }
    return best;
}

static int64_t select_layer_weight(const struct selector *selector, uint32_t index) {
    const struct layer *layer = &selector->widths->layers->items.items[index];
    struct nest nest;
    if (selector->request->ranking == RANKING_VOLUME) return selector->widths->layer_bytes[index];
    if (layer->kind != LAYER_NEST) return 0;
    layer_nest(selector->widths->layers, layer, selector->widths->shapes, selector->widths->target, &nest);
    if (selector->request->ranking == RANKING_MACS) return nest_macs(&nest);
    return nest_weight_elems(&nest) + (nest.has_bias ? nest.size[DIM_G] * nest.size[DIM_M] : 0);
}

static void select_find_makers(struct selector *selector) {
    const struct spaces *spaces = selector->request->spaces;
    const struct layers *layers = selector->widths->layers;
    selector->makers_of_layer = ARENA_ARRAY(selector->arena, uint32_t *, layers->items.count);
    for (uint32_t i = 0; i < layers->items.count; i++) {
        ARRAY(uint32_t) found = {0};
        for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
            const uint32_t labelled = spaces_axis_of(spaces, layers->items.items[i].result, axis);
            if (labelled == CHANNEL_NONE) continue;
            for (uint32_t s = 0; s < spaces->items.count; s++)
                for (uint32_t k = 0; k < spaces->items.items[s].axis_count; k++)
                    if (spaces->items.items[s].axes[k].axis == labelled) array_push(selector->arena, &found, s);
        }
        array_push(selector->arena, &found, CHANNEL_NONE);
        selector->makers_of_layer[i] = found.items;
    }
}

/* The widest of the spaces that make a layer's output and can still shrink. */
static uint32_t select_space_of_layer(const struct selector *selector, uint32_t layer) {
    uint32_t best = CHANNEL_NONE;
    for (const uint32_t *space = selector->makers_of_layer[layer]; *space != CHANNEL_NONE; space++)
        if (select_can_shrink(&selector->spaces[*space]) &&
            (best == CHANNEL_NONE || selector->spaces[*space].kept > selector->spaces[best].kept))
            best = *space;
    return best;
}

/* The top layer by bytes, parameters or MACs whose output can shrink; equal ones: first in execution order. */
static uint32_t select_choose_top_layer(struct selector *selector, uint32_t *kept) {
    uint32_t best = CHANNEL_NONE;
    int64_t most = -1;
    for (uint32_t i = 0; i < selector->widths->layers->items.count; i++) {
        const int64_t weight = select_layer_weight(selector, i);
        const uint32_t space = weight > most ? select_space_of_layer(selector, i) : CHANNEL_NONE;
        if (space != CHANNEL_NONE) best = space, most = weight;
    }
    if (best != CHANNEL_NONE) *kept = select_next_width(&selector->spaces[best], selector->spaces[best].fine);
    return best;
}

typedef uint32_t (*select_choice)(struct selector *selector, uint32_t *kept);

static const select_choice select_choices[] = {
    [RANKING_MARGINAL] = select_choose_marginal, [RANKING_VOLUME] = select_choose_top_layer, [RANKING_PARAMS] = select_choose_top_layer,
    [RANKING_MACS] = select_choose_top_layer,    [RANKING_UNIFORM] = select_choose_uniform,  [RANKING_MAGNITUDE] = select_choose_magnitude,
};

/* ---- looking ---- */

/* With fusion the total of the steps since the last look is an upper bound; other groups may be better by now. */
static void select_look(struct selector *selector) {
    widths_look(selector->widths);
    selector->look_bytes = selector->widths->total_bytes;
    for (uint32_t at = 0; at < selector->count; at++) selector->spaces[at].is_stale = true;
}

static void select_look_in_time(struct selector *selector) {
    const int64_t way = selector->start_bytes - selector->request->limit_bytes;
    if (!selector->widths->fused || selector->widths->total_bytes <= selector->request->limit_bytes) return;
    if (selector->look_bytes - selector->widths->total_bytes > way / SELECT_LOOKS) select_look(selector);
}

/* ---- giving back ---- */

static int64_t select_try_now(struct selector *selector, uint32_t at, uint32_t kept) {
    int64_t total = select_try(selector, at, kept);
    if (total >= 0) return total;
    cost_cache_run(selector->widths->cache);
    return select_try(selector, at, kept);
}

/* The next legal width above; the size where there is none below it. */
static uint32_t select_wider(const struct selector *selector, uint32_t at) {
    const struct select_space *state = &selector->spaces[at];
    const uint32_t size = select_size(selector, at), next = (state->kept / state->unit + 1) * state->unit;
    return next < size ? next : size;
}

static double select_worth(const struct selector *selector, uint32_t at) {
    const struct select_space *state = &selector->spaces[at];
    const uint32_t gone = select_gone(selector, at);
    return state->lost[gone] - state->lost[gone - (select_wider(selector, at) - state->kept)];
}

/* Does the budget hold with a unit more? exactly: with the best cut of the network, not the one last looked at. */
static bool select_holds(struct selector *selector, uint32_t at, bool exactly) {
    const struct select_space *state = &selector->spaces[at];
    const uint32_t size = select_size(selector, at), wider = select_wider(selector, at);
    if (!exactly) return select_try_now(selector, at, wider) <= selector->request->limit_bytes;
    return widths_least(selector->widths, at, state->order + size - wider, wider - state->kept, true) <= selector->request->limit_bytes;
}

/* Puts back one unit where the budget still holds, the most important first. False where no space has one. */
static bool select_give_back_one(struct selector *selector, bool exactly) {
    bool *tried = ARENA_ARRAY(selector->arena, bool, selector->count);
    for (;;) {
        uint32_t best = CHANNEL_NONE;
        for (uint32_t at = 0; at < selector->count; at++) {
            if (tried[at] || !selector->spaces[at].is_free || !select_gone(selector, at)) continue;
            if (best == CHANNEL_NONE || select_worth(selector, at) > select_worth(selector, best)) best = at;
        }
        if (best == CHANNEL_NONE) return false;
        tried[best] = true;
        if (!select_holds(selector, best, exactly)) continue;
        select_commit(selector, best, select_wider(selector, best));
        if (exactly) select_look(selector);
        return true;
    }
}

/* First what the bound allows, which is soon asked, then what the best cut allows. */
static void select_give_back(struct selector *selector) {
    do {
        while (select_give_back_one(selector, false)) continue;
    } while (selector->widths->fused && select_give_back_one(selector, true));
}

/* ---- exchanging ---- */

/* Widens `to` by one unit and narrows `from` until the budget holds again. Kept where less is lost then; else all is as before. */
static bool select_exchange(struct selector *selector, uint32_t from, uint32_t to) {
    struct select_space *giver = &selector->spaces[from];
    const uint32_t taker_kept = selector->spaces[to].kept, size = select_size(selector, from);
    const double gained = select_worth(selector, to), before = giver->lost[size - giver->kept];
    select_commit(selector, to, select_wider(selector, to));
    for (uint32_t width = giver->kept; width > giver->floor;) {
        width = (width - 1) / giver->unit * giver->unit;
        if (width < giver->floor) width = giver->floor;
        if (giver->lost[size - width] - before >= gained * (1 - SELECT_GAIN)) break;
        if (select_try_now(selector, from, width) > selector->request->limit_bytes) continue;
        select_commit(selector, from, width);
        return true;
    }
    select_commit(selector, to, taker_kept);
    return false;
}

/* Pairs, first to last, until a round changes nothing; every exchange loses less, so it ends. */
static void select_exchange_all(struct selector *selector) {
    bool changed = true;
    for (int round = 0; round < SELECT_ROUNDS && changed; round++) {
        changed = false;
        for (uint32_t to = 0; to < selector->count; to++)
            for (uint32_t from = 0; from < selector->count; from++) {
                if (from == to || !selector->spaces[to].is_free || !select_gone(selector, to)) continue;
                if (select_can_shrink(&selector->spaces[from])) changed = select_exchange(selector, from, to) || changed;
            }
    }
}

/* ---- the engine ---- */

static status select_nothing(const struct selector *selector, struct diag *diag) {
    const struct spaces *spaces = selector->request->spaces;
    for (uint32_t at = 0; at < selector->count; at++) {
        const struct space *space = &spaces->items.items[at];
        if (space->fixed)
            return diag_fail(diag, STATUS_UNMET, "nothing can be pruned: %u spaces, all fixed; the first, '%s': %s", selector->count,
                             space->id, space->fixed);
    }
    return diag_fail(diag, STATUS_UNMET, "nothing can be pruned: %s",
                     selector->count ? "no space is wider than one unit" : "the model has no channels that a layer makes");
}

static status select_out_of_reach(const struct selector *selector, struct diag *diag) {
    return diag_fail(diag, STATUS_UNMET,
                     "the budget of %" PRId64 " B is out of reach: with every space at its least width %" PRId64 " B are left",
                     selector->request->limit_bytes, selector->widths->total_bytes);
}

static void select_report_progress(const struct selector *selector) {
    const double all = (double)(selector->start_bytes - selector->request->limit_bytes),
                 done = (double)(selector->start_bytes - selector->widths->total_bytes);
    if (selector->request->progress && all > 0)
        selector->request->progress(selector->request->progress_context, "ranking", done < all ? done / all : 1);
}

static double select_damage(const struct selector *selector) {
    double sum = 0;
    if (!selector->request->damage) return -1;
    for (uint32_t at = 0; at < selector->count; at++)
        if (selector->request->damage[at]) sum += selector->request->damage[at][select_gone(selector, at)];
    return sum;
}

static void select_result_of(struct selector *selector, struct select_result *result) {
    removal_init(selector->arena, selector->request->spaces, &result->removal);
    result->bytes_saved = ARENA_ARRAY(selector->arena, int64_t, selector->count);
    result->importance_lost = ARENA_ARRAY(selector->arena, double, selector->count);
    for (uint32_t at = 0; at < selector->count; at++) {
        const uint32_t gone = select_gone(selector, at);
        if (!gone) continue;
        for (uint32_t k = 0; k < gone; k++) result->removal.removed[at][selector->spaces[at].order[k]] = true;
        result->removal.counts[at] = gone;
        result->importance_lost[at] = selector->spaces[at].share[gone];
        result->bytes_saved[at] = select_try_now(selector, at, select_size(selector, at)) - selector->widths->total_bytes;
    }
    result->limit_bytes = selector->request->limit_bytes;
    result->reached_bytes = selector->widths->total_bytes;
    result->steps = selector->steps;
    result->damage = select_damage(selector);
}

status select_channels(struct arena *arena, const struct select_request *request, struct select_result *result, struct diag *diag) {
    struct selector selector = {.arena = arena, .request = request, .widths = request->widths, .count = request->spaces->items.count};
    bool any = false;
    selector.start_bytes = selector.look_bytes = request->widths->total_bytes;
    selector.spaces = ARENA_ARRAY(arena, struct select_space, selector.count);
    for (uint32_t at = 0; at < selector.count; at++) {
        select_init_space(&selector, at);
        any = any || select_can_shrink(&selector.spaces[at]);
    }
    select_find_makers(&selector);
    while (request->widths->total_bytes > request->limit_bytes) {
        uint32_t kept = 0;
        const uint32_t space = select_choices[request->ranking](&selector, &kept);
        if (space == CHANNEL_NONE) {
            select_look(&selector);
            if (request->widths->total_bytes <= request->limit_bytes) break;
            return any ? select_out_of_reach(&selector, diag) : select_nothing(&selector, diag);
        }
        select_commit(&selector, space, kept);
        select_mark_neighbours(&selector, space);
        select_look_in_time(&selector);
        select_report_progress(&selector);
        selector.steps++;
    }
    select_give_back(&selector);
    if (request->ranking == RANKING_MARGINAL && request->damage) {
        select_exchange_all(&selector);
        select_give_back(&selector);
    }
    select_result_of(&selector, result);
    return STATUS_OK;
}
