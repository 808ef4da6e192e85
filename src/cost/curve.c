#include "cost/curve.h"

/* The one place that says which search a curve is made of. */
static void curve_search(const struct nest *nest, const struct target *target, int64_t capacity_bytes, struct found *found) {
    struct target at = *target;
    at.capacity_bytes = capacity_bytes;
    search_layer(nest, &at, found);
}

void curve_push(struct arena *arena, struct curve *curve, int64_t capacity_bytes, int64_t offchip_bytes) {
    if (curve->steps.count && offchip_bytes >= curve->steps.items[curve->steps.count - 1].offchip_bytes) return;
    const struct curve_step step = {capacity_bytes, offchip_bytes};
    array_push(arena, &curve->steps, step);
}

const struct curve_step *curve_at(const struct curve *curve, int64_t capacity_bytes) {
    uint32_t from = 0, to = curve->steps.count;
    while (from < to) {
        const uint32_t middle = from + (to - from) / 2;
        if (curve->steps.items[middle].capacity_bytes <= capacity_bytes) from = middle + 1;
        else to = middle;
    }
    return from ? &curve->steps.items[from - 1] : NULL;
}

/* ---- two at once ---- */

/* Walks over the capacities at which one of two curves has a step. */
struct curve_pair {
    const struct curve *curve[2];
    uint32_t passed[2]; /* steps at or below the capacity */
    int64_t capacity_bytes;
};

static bool pair_next(struct curve_pair *pair) {
    bool any = false;
    for (int i = 0; i < 2; i++) {
        if (pair->passed[i] == pair->curve[i]->steps.count) continue;
        const int64_t next_bytes = pair->curve[i]->steps.items[pair->passed[i]].capacity_bytes;
        if (!any || next_bytes < pair->capacity_bytes) pair->capacity_bytes = next_bytes;
        any = true;
    }
    for (int i = 0; any && i < 2; i++)
        while (pair->passed[i] < pair->curve[i]->steps.count &&
               pair->curve[i]->steps.items[pair->passed[i]].capacity_bytes == pair->capacity_bytes)
            pair->passed[i]++;
    return any;
}

/* -1 where the layer does not fit. */
static int64_t pair_bytes(const struct curve_pair *pair, int i) {
    return pair->passed[i] ? pair->curve[i]->steps.items[pair->passed[i] - 1].offchip_bytes : -1;
}

void curve_min(struct arena *arena, const struct curve *a, const struct curve *b, struct curve *least) {
    struct curve_pair pair = {.curve = {a, b}};
    *least = (struct curve){0};
    while (pair_next(&pair)) {
        const int64_t first = pair_bytes(&pair, 0), second = pair_bytes(&pair, 1);
        curve_push(arena, least, pair.capacity_bytes, second < 0 || (first >= 0 && first <= second) ? first : second);
    }
}

void curve_sum(struct arena *arena, const struct curve *a, const struct curve *b, struct curve *sum) {
    struct curve_pair pair = {.curve = {a, b}};
    *sum = (struct curve){0};
    while (pair_next(&pair)) {
        const int64_t first = pair_bytes(&pair, 0), second = pair_bytes(&pair, 1);
        if (first >= 0 && second >= 0) curve_push(arena, sum, pair.capacity_bytes, first + second);
    }
}

/* ---- the search ---- */

uint32_t curve_walk_on(struct curve_walk *walk, const struct target *target, struct curve_step *steps, uint32_t limit) {
    uint32_t count = 0;
    while (count < limit && walk->next_bytes >= walk->low_bytes) {
        struct found found;
        curve_search(walk->nest, target, walk->next_bytes, &found);
        const int64_t footprint_bytes = footprint_total(&found.footprint);
        walk->next_bytes = walk->low_bytes - 1;
        if (!found.is_feasible) break;
        const int64_t from_bytes = footprint_bytes > walk->low_bytes ? footprint_bytes : walk->low_bytes;
        steps[count++] = (struct curve_step){from_bytes, traffic_total(&found.traffic)};
        walk->next_bytes = from_bytes - 1;
    }
    return count;
}

int64_t curve_fits_bytes(const struct nest *nest, const struct target *target) {
    struct found found;
    curve_search(nest, target, 0, &found);
    return found.is_feasible ? 0 : found.infeasible.smallest_capacity_bytes;
}
