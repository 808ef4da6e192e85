#include "cost/model_smartshuttle.h"

#include <math.h>

/* One axis of the plane: H or W, S, and what a window spans. */
struct shuttle_axis {
    int64_t size;
    double stride, extent;
};

struct shuttle {
    struct shuttle_axis h, w; /* h is the shorter one: the model is the same in both */
    bool is_turned;           /* h is the layer's W */
    int64_t n, c;             /* N, C */
    double batch, k2;
    double weight_elems, output_elems; /* |W|, |O| (with the batch) */
    double room;                       /* MEM */
    double element_bytes;
    struct compression factor;
};

static struct shuttle_axis shuttle_axis_of(const struct nest *nest, int axis) {
    return (struct shuttle_axis){nest->size[DIM_OD + axis], (double)nest->axis[axis].stride, (double)nest_extent(&nest->axis[axis])};
}

static struct shuttle shuttle_of(const struct nest *nest, const struct compression *compression, int64_t on_chip_bytes, uint32_t bits) {
    const bool is_turned = nest->size[DIM_OW] < nest->size[DIM_OH];
    struct shuttle of = {
        .h = shuttle_axis_of(nest, is_turned ? 2 : 1), .w = shuttle_axis_of(nest, is_turned ? 1 : 2), .is_turned = is_turned};
    of.n = nest->size[DIM_M];
    of.c = nest->size[DIM_C];
    of.batch = (double)nest->size[DIM_N];
    of.k2 = (double)nest->axis[1].kernel * (double)nest->axis[2].kernel;
    of.weight_elems = of.k2 * (double)of.n * (double)of.c;
    of.output_elems = of.batch * (double)of.n * (double)of.h.size * (double)of.w.size;
    of.room = (double)on_chip_bytes * 8 / bits;
    of.element_bytes = bits / 8.0;
    of.factor = *compression;
    return of;
}

/* S t + K - S: the rows of a tile of t. */
static double shuttle_rows(const struct shuttle_axis *axis, int64_t tile) {
    return axis->stride * (double)tile + axis->extent - axis->stride;
}

/* The same, times the fractional count H / t. Falls with t where windows overlap (K > S), rises where they leave gaps. */
static double shuttle_sweep(const struct shuttle_axis *axis, int64_t tile) {
    return shuttle_rows(axis, tile) * (double)axis->size / (double)tile;
}

static double shuttle_least_sweep(const struct shuttle_axis *axis) {
    return shuttle_sweep(axis, axis->extent >= axis->stride ? axis->size : 1);
}

/* Tiles in the order of the search: `oh` is along h, `ow` along w. */
static double shuttle_space(const struct shuttle *of, const struct published_tile *tile) {
    const double n = (double)tile->m, c = (double)tile->c;
    return c * shuttle_rows(&of->h, tile->oh) * shuttle_rows(&of->w, tile->ow) + n * (double)tile->oh * (double)tile->ow + n * c * of->k2;
}

/* A/IRO: cW |W| B ceil(H/h) ceil(W/w) + cI Ih + cO |O| (2 ceil(C/c) - 1), and the like. plane = ceil(H/h) ceil(W/w); sweeps: of both axes,
 * Ih = B C sweeps. */
static void shuttle_count(const struct shuttle *of, enum published_strategy strategy, double plane, double sweeps,
                          struct published_way *way) {
    const double inputs = strategy == STRATEGY_IRO ? 1 : (double)published_trips(of->n, way->tile.m);
    const double weights = strategy == STRATEGY_WRO ? 1 : of->batch * plane;
    const double sums = strategy == STRATEGY_ORO ? 1 : (double)published_trips(of->c, way->tile.c);
    const double output_bytes = of->element_bytes * of->factor.output * of->output_elems;
    way->input_bytes = of->element_bytes * of->factor.input * of->batch * (double)of->c * sweeps * inputs;
    way->weight_bytes = of->element_bytes * of->factor.weight * of->weight_elems * weights;
    way->output_bytes = output_bytes;
    way->partial_sum_bytes = output_bytes * (2 * sums - 2);
}

struct shuttle_search {
    struct shuttle of;
    enum published_strategy strategy;
    bool any;
    struct published_way best;
};

/* Tiles of these channels and at most h rows cannot win: already with W whole, and where h < 1 with H too, they move more. */
static bool shuttle_is_hopeless(const struct shuttle_search *search, int64_t n, int64_t c, int64_t h) {
    const struct shuttle *of = &search->of;
    struct published_way way = {.tile = {.m = n, .c = c}};
    const double rows = h < 1 ? shuttle_least_sweep(&of->h) : shuttle_sweep(&of->h, h);
    shuttle_count(of, search->strategy, h < 1 ? 1 : (double)published_trips(of->h.size, h), rows * shuttle_least_sweep(&of->w), &way);
    return search->any && published_total(&way) > published_total(&search->best);
}

static void shuttle_try(struct shuttle_search *search, int64_t n, int64_t c, int64_t h, int64_t w) {
    const struct shuttle *of = &search->of;
    struct published_way way = {.tile = {.m = n, .c = c, .oh = h, .ow = w}};
    const double space = shuttle_space(of, &way.tile);
    if (space > of->room) return;
    const double plane = (double)published_trips(of->h.size, h) * (double)published_trips(of->w.size, w);
    shuttle_count(of, search->strategy, plane, shuttle_sweep(&of->h, h) * shuttle_sweep(&of->w, w), &way);
    way.footprint_bytes = space * of->element_bytes;
    published_keep(&way, &search->any, &search->best);
}

/* The largest tile of an axis worth a try. Where windows do not overlap, weight reuse is best off with single rows. */
static int64_t shuttle_first(const struct shuttle_search *search, const struct shuttle_axis *axis, double most) {
    if (most < 1) return 0;
    if (axis->extent <= axis->stride) return search->strategy == STRATEGY_WRO ? 1 : published_fitting(axis->size, most);
    return most >= (double)axis->size ? axis->size : (int64_t)most;
}

/* The next smaller one: any where windows overlap, else the smallest of each trip count. */
static int64_t shuttle_below(const struct shuttle_axis *axis, int64_t tile) {
    return axis->extent > axis->stride ? tile - 1 : published_fitting(axis->size, (double)tile - 1);
}

/* Of w the most that fits is best unless windows leave gaps. */
static void shuttle_columns(struct shuttle_search *search, int64_t n, int64_t c, int64_t h) {
    const struct shuttle *of = &search->of;
    const double each_row = (double)c * shuttle_rows(&of->h, h);
    const double left = of->room - (double)n * (double)c * of->k2 - each_row * (of->w.extent - of->w.stride);
    int64_t w = shuttle_first(search, &of->w, left / (each_row * of->w.stride + (double)n * (double)h));
    for (; w; w = of->w.extent < of->w.stride ? shuttle_below(&of->w, w) : 0) shuttle_try(search, n, c, h, w);
}

static void shuttle_planes(struct shuttle_search *search, int64_t n, int64_t c) {
    const struct shuttle_axis *axis = &search->of.h;
    for (int64_t h = shuttle_first(search, axis, INFINITY); h; h = shuttle_below(axis, h)) {
        if (axis->extent >= axis->stride && shuttle_is_hopeless(search, n, c, h)) return;
        shuttle_columns(search, n, c, h);
    }
}

/* IRO is indifferent to n, ORO to c: single elements do. Of every other channel tile the smallest of each trip count, from large to small,
 * as long as what it costs at least is not too much. */
static void shuttle_strategy(struct shuttle_search *search) {
    const struct shuttle *of = &search->of;
    const int64_t first_n = search->strategy == STRATEGY_IRO ? 1 : of->n, first_c = search->strategy == STRATEGY_ORO ? 1 : of->c;
    for (int64_t n = first_n; n; n = published_fitting(of->n, (double)n - 1)) {
        if (shuttle_is_hopeless(search, n, of->c, 0)) return;
        for (int64_t c = first_c; c && !shuttle_is_hopeless(search, n, c, 0); c = published_fitting(of->c, (double)c - 1))
            shuttle_planes(search, n, c);
    }
}

static void shuttle_turn(struct published_way *way) {
    const int64_t h = way->tile.oh;
    way->tile.oh = way->tile.ow;
    way->tile.ow = h;
}

void model_smartshuttle(const struct nest *nest, const struct compression *compression, int64_t on_chip_bytes, uint32_t activation_bits,
                        struct published *found) {
    const struct shuttle of = shuttle_of(nest, compression, on_chip_bytes, activation_bits);
    const double unit = of.element_bytes, smallest[OPERAND_COUNT] = {unit * of.h.extent * of.w.extent, unit * of.k2, unit};
    struct published_way once = {.tile = {.m = of.n, .c = of.c}};
    *found = (struct published){.is_feasible = true, .rule = STRATEGY_COUNT};
    shuttle_count(&of, STRATEGY_WRO, 1, shuttle_least_sweep(&of.h) * shuttle_least_sweep(&of.w), &once);
    found->compulsory_bytes = published_total(&once);
    for (int strategy = 0; strategy < STRATEGY_COUNT; strategy++) {
        struct shuttle_search search = {.of = of, .strategy = (enum published_strategy)strategy};
        shuttle_strategy(&search);
        if (of.is_turned) shuttle_turn(&search.best);
        found->ways[strategy] = search.best;
        found->is_feasible = found->is_feasible && search.any;
    }
    if (!found->is_feasible) published_set_infeasible(smallest, on_chip_bytes, &found->infeasible);
    published_finish((double)nest->size[DIM_G], found);
}
