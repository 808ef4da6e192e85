#include "cost/model_superslash.h"

enum { WORD_BYTES = 2 };

/* The layer in the letters of the paper; sizes in words. */
struct superslash {
    int64_t m, n, r, c;
    double k2, s2, p2;
    double input, weight, output; /* eI = N R R S^2 (R twice), eW = K^2 M N, eO = M R R / P^2 */
    double room;                  /* P^2 G / 2: the buffer in words, times P^2 so that sums stay whole */
};

static struct superslash superslash_of(const struct nest *nest, int64_t on_chip_bytes) {
    const struct nest_axis *rows = &nest->axis[1], *columns = &nest->axis[2];
    struct superslash of = {.m = nest->size[DIM_M], .n = nest->size[DIM_C], .r = nest->size[DIM_OH], .c = nest->size[DIM_OW]};
    const double plane = (double)of.r * (double)of.r;
    of.k2 = (double)rows->kernel * (double)columns->kernel;
    of.s2 = (double)rows->stride * (double)columns->stride;
    of.p2 = (double)rows->pool * (double)columns->pool;
    of.input = (double)of.n * plane * of.s2;
    of.weight = of.k2 * (double)of.m * (double)of.n;
    of.output = (double)of.m * plane / of.p2;
    of.room = of.p2 * (double)on_chip_bytes / WORD_BYTES;
    return of;
}

/* P^2 (S^2 Tr Tc Tn + Tr Tc Tm / P^2 + K^2 Tm Tn), words times P^2. */
static double superslash_space(const struct superslash *of, const struct published_tile *tile) {
    const double m = (double)tile->m, n = (double)tile->c, area = (double)tile->oh * (double)tile->ow;
    return of->p2 * (of->s2 * area * n + of->k2 * m * n) + area * m;
}

/* IRO: eI + eW ceil(R/Tr) ceil(C/Tc) + eO (2 ceil(N/Tn) - 1), and the like; what does not repeat moves once. */
static void superslash_count(const struct superslash *of, enum published_strategy strategy, struct published_way *way) {
    const struct published_tile *tile = &way->tile;
    const double inputs = strategy == STRATEGY_IRO ? 1 : (double)published_trips(of->m, tile->m);
    const double weights =
        strategy == STRATEGY_WRO ? 1 : (double)published_trips(of->r, tile->oh) * (double)published_trips(of->c, tile->ow);
    const double sums = strategy == STRATEGY_ORO ? 1 : (double)published_trips(of->n, tile->c);
    way->input_bytes = WORD_BYTES * (of->input * inputs);
    way->weight_bytes = WORD_BYTES * (of->weight * weights);
    way->output_bytes = WORD_BYTES * of->output;
    way->partial_sum_bytes = WORD_BYTES * (of->output * (2 * sums - 2));
    way->footprint_bytes = WORD_BYTES * superslash_space(of, tile) / of->p2;
}

struct superslash_search {
    struct superslash of;
    enum published_strategy strategy;
    bool any;
    struct published_way best;
};

static void superslash_try(struct superslash_search *search, int64_t m, int64_t n, int64_t r, int64_t c) {
    struct published_way way = {.tile = {.m = m, .c = n, .oh = r, .ow = c}};
    if (!n || !c || superslash_space(&search->of, &way.tile) > search->of.room) return;
    superslash_count(&search->of, search->strategy, &way);
    published_keep(&way, &search->any, &search->best);
}

/* For channel tiles of m and n: rows of every trip count, each with the most columns that fit. */
static void superslash_planes(struct superslash_search *search, int64_t m, int64_t n) {
    const struct superslash *of = &search->of;
    const double left = of->room - of->p2 * of->k2 * (double)m * (double)n;
    const double each = of->p2 * of->s2 * (double)n + (double)m;
    for (int64_t r = published_fitting(of->r, left / each); r; r = published_fitting(of->r, (double)r - 1))
        superslash_try(search, m, n, r, published_fitting(of->c, left / ((double)r * each)));
}

/* A dim that a strategy is indifferent to is cut into single elements; every other one only into the smallest tile of each trip count.
 * IRO is indifferent to M, ORO to N, WRO to R and C. */
static void superslash_strategy(struct superslash_search *search) {
    const struct superslash *of = &search->of;
    if (search->strategy == STRATEGY_IRO)
        for (int64_t n = of->n; n; n = published_fitting(of->n, (double)n - 1)) superslash_planes(search, 1, n);
    if (search->strategy == STRATEGY_ORO)
        for (int64_t m = of->m; m; m = published_fitting(of->m, (double)m - 1)) superslash_planes(search, m, 1);
    if (search->strategy != STRATEGY_WRO) return;
    for (int64_t m = of->m; m; m = published_fitting(of->m, (double)m - 1)) {
        const double most = (of->room - (double)m) / (of->p2 * (of->s2 + of->k2 * (double)m));
        superslash_try(search, m, published_fitting(of->n, most), 1, 1);
    }
}

/* r_in = M K^2, r_out = N K^2, r_w = R^2: WRO where r_w is largest (ties to WRO), else ORO where r_out is, else IRO. */
static enum published_strategy superslash_rule(const struct superslash *of) {
    const double in = (double)of->m * of->k2, out = (double)of->n * of->k2, weight = (double)of->r * (double)of->r;
    if (weight >= in && weight >= out) return STRATEGY_WRO;
    return out >= in ? STRATEGY_ORO : STRATEGY_IRO;
}

void model_superslash(const struct nest *nest, int64_t on_chip_bytes, struct published *found) {
    const struct superslash of = superslash_of(nest, on_chip_bytes);
    const double smallest[OPERAND_COUNT] = {WORD_BYTES * of.s2, WORD_BYTES * of.k2, WORD_BYTES / of.p2};
    *found = (struct published){.is_feasible = true, .rule = superslash_rule(&of)};
    found->compulsory_bytes = WORD_BYTES * (of.input + of.weight + of.output);
    for (int strategy = 0; strategy < STRATEGY_COUNT; strategy++) {
        struct superslash_search search = {.of = of, .strategy = (enum published_strategy)strategy};
        superslash_strategy(&search);
        found->ways[strategy] = search.best;
        found->is_feasible = found->is_feasible && search.any;
    }
    if (!found->is_feasible) published_set_infeasible(smallest, on_chip_bytes, &found->infeasible);
    published_finish((double)nest->size[DIM_N] * (double)nest->size[DIM_G], found);
}
