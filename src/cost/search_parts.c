/* The search where a width is no whole number of bytes: each tile's part rounds up, so a larger tile of the same trips, and a tile of g,
 * may win. All sizes are walked, those first that would be best unrounded; what unrounded cannot win is left. Units are bits. */
#include "base/checked.h"
#include "cost/search_spot.h"

struct parts {
    const struct layer_units *layer;
    enum space_kind kind;
    struct spot *spot;
    struct tiling tiling;
    struct best *best;
};

static bool may_win(const struct best *best, int64_t bits) { return !best->any || (bits + 7) / 8 <= best->bytes; }

/* Unrounded, over all kinds of order, for at least so many trips of m and c. */
static int64_t least_bits(const struct parts *parts, int64_t trips_m, int64_t trips_c) {
    const struct layer_units *layer = parts->layer;
    const struct spot *spot = parts->spot;
    const int64_t spilled = layer->output + (trips_c - 1) * layer->spill, often = spot->sweeps * layer->weight;
    int64_t bits = trips_m * spot->windows + often + layer->output;
    bits = least(bits, spot->sliding + often + spilled);
    for (uint32_t i = 0; i < spot->way_count; i++) {
        const struct way *way = &spot->ways[i];
        bits = least(bits, trips_m * way->scale - way->rebate + way->sweeps * layer->weight + spilled);
    }
    return bits;
}

/* ---- orders ---- */

static void offer_order(struct parts *parts, const enum nest_dim *dims) {
    struct order order = {0};
    struct traffic traffic;
    struct footprint footprint;
    int64_t tile[DIM_COUNT];
    for (int i = 0; i < DIM_COUNT; i++)
        if (parts->tiling.cut[dims[i]].trips > 1) order.dims[order.count++] = dims[i];
    for (int d = 0; d < DIM_COUNT; d++) tile[d] = parts->tiling.cut[d].tile;
    tiling_traffic(parts->layer->nest, parts->layer->target->halo_reuse, &parts->tiling, &order, &traffic);
    tiling_footprint(parts->layer->nest, parts->layer->target, &parts->tiling, &footprint);
    best_offer(parts->best, parts->layer->nest, traffic_total(&traffic), footprint_total(&footprint), tile);
}

/* The kinds of order of search_spot.h, for one order of the axes. */
static void offer_axes(struct parts *parts, const enum nest_dim *axes) {
    const enum nest_dim weights_stay[] = {DIM_G, DIM_C, DIM_M, DIM_N, axes[0], axes[1], axes[2]};
    offer_order(parts, weights_stay);
    for (uint32_t outside = 0; outside <= NEST_AXES; outside++) {
        enum nest_dim dims[DIM_COUNT] = {DIM_G, DIM_C, DIM_N};
        for (uint32_t i = 0; i < outside; i++) dims[3 + i] = axes[i];
        dims[3 + outside] = DIM_M;
        for (uint32_t i = outside; i < NEST_AXES; i++) dims[4 + i] = axes[i];
        offer_order(parts, dims);
    }
}

static void offer_orders(struct parts *parts) {
    static const enum nest_dim axes[6][NEST_AXES] = {{DIM_OD, DIM_OH, DIM_OW}, {DIM_OD, DIM_OW, DIM_OH}, {DIM_OH, DIM_OD, DIM_OW},
                                                     {DIM_OH, DIM_OW, DIM_OD}, {DIM_OW, DIM_OD, DIM_OH}, {DIM_OW, DIM_OH, DIM_OD}};
    static const enum nest_dim sums_stay[] = {DIM_G, DIM_M, DIM_N, DIM_OD, DIM_OH, DIM_OW, DIM_C};
    const int count = parts->tiling.cut[DIM_OD].trips > 1 ? 6 : 2;
    offer_order(parts, sums_stay);
    for (int i = 0; i < count; i++) offer_axes(parts, axes[i]);
}

/* ---- tiles ---- */

static bool fits(const struct parts *parts, int64_t *footprint_bytes) {
    struct footprint footprint;
    tiling_footprint(parts->layer->nest, parts->layer->target, &parts->tiling, &footprint);
    *footprint_bytes = footprint_total(&footprint);
    return footprint_fits(&footprint, parts->layer->target);
}

static void set_tile(struct parts *parts, enum nest_dim dim, int64_t tile) {
    parts->tiling.cut[dim] = (struct cut){.tile = tile, .trips = trips_of(parts->layer->nest->size[dim], tile)};
}

/* Whether the tiling, as small as it is in the dims still open, fits, and could win with these trips. Where only the tiles change, not the
 * trips, what is closed stays closed for all larger tiles. */
static bool is_open(const struct parts *parts, int64_t trips_m, int64_t trips_c) {
    int64_t footprint;
    const int64_t bits = least_bits(parts, trips_m, trips_c);
    if (!may_win(parts->best, bits) || !fits(parts, &footprint)) return false;
    return !parts->best->any || (bits + 7) / 8 < parts->best->bytes || footprint <= parts->best->footprint;
}

/* All sizes of a dim with the same trips; with SPACE_USEFUL only the smallest. */
struct alike {
    int64_t smallest, largest, trips;
};

static struct alike alike(const struct parts *parts, enum nest_dim dim, int64_t tile) {
    const int64_t size = parts->layer->nest->size[dim], trips = trips_of(size, tile), smallest = trips_of(size, trips);
    return (struct alike){smallest, parts->kind == SPACE_ALL ? tile : smallest, trips};
}

static void walk_g(struct parts *parts, int64_t trips_m, int64_t trips_c) {
    const int64_t largest = parts->kind == SPACE_ALL ? parts->layer->nest->size[DIM_G] : 1;
    for (int64_t g = 1; g <= largest; g++) {
        set_tile(parts, DIM_G, g);
        if (!is_open(parts, trips_m, trips_c)) break;
        offer_orders(parts);
    }
    set_tile(parts, DIM_G, 1);
}

static void walk_alike(struct parts *parts, struct alike m, struct alike c) {
    for (int64_t tile_m = m.smallest; tile_m <= m.largest; tile_m++) {
        set_tile(parts, DIM_M, tile_m);
        set_tile(parts, DIM_C, c.smallest);
        if (!is_open(parts, m.trips, c.trips)) return;
        for (int64_t tile_c = c.smallest; tile_c <= c.largest; tile_c++) {
            set_tile(parts, DIM_C, tile_c);
            if (!is_open(parts, m.trips, c.trips)) break;
            walk_g(parts, m.trips, c.trips);
        }
    }
}

static void walk_c(struct parts *parts, struct alike m) {
    for (int64_t largest = spot_most_c(parts->layer, parts->spot, m.smallest); largest > 0;) {
        const struct alike c = alike(parts, DIM_C, largest);
        walk_alike(parts, m, c);
        largest = c.smallest - 1;
    }
    set_tile(parts, DIM_C, 1);
}

static void walk_m(struct parts *parts) {
    for (int64_t largest = spot_most_m(parts->layer, parts->spot); largest > 0;) {
        const struct alike m = alike(parts, DIM_M, largest);
        set_tile(parts, DIM_M, m.smallest);
        if (!may_win(parts->best, least_bits(parts, m.trips, 1))) break;
        if (is_open(parts, m.trips, 1)) walk_c(parts, m);
        largest = m.smallest - 1;
    }
    set_tile(parts, DIM_M, 1);
}

static void try_spot(void *context, struct spot *spot) {
    struct parts *parts = context;
    parts->spot = spot;
    spot_buffers(spot, parts->layer);
    const int64_t largest_m = spot_most_m(parts->layer, spot);
    if (largest_m == 0) return;
    const int64_t least_bytes = (spot_least(parts->layer, spot, trips_of(parts->layer->nest->size[DIM_M], largest_m)) + 7) / 8;
    if (parts->best->any && least_bytes > parts->best->bytes) return;
    for (int d = 0; d < DIM_COUNT; d++)
        if (dim_is_spatial((enum nest_dim)d) || d == DIM_N) parts->tiling.cut[d] = spot->cut[d];
    int64_t footprint;
    if (!fits(parts, &footprint)) return;
    if (parts->best->any && least_bytes == parts->best->bytes && footprint > parts->best->footprint) return;
    spot_init(spot, parts->layer);
    walk_m(parts);
}

void search_parts_of_bytes(const struct layer_units *layer, struct best *best) {
    struct parts parts = {.layer = layer, .best = best};
    set_tile(&parts, DIM_G, 1);
    set_tile(&parts, DIM_M, 1);
    set_tile(&parts, DIM_C, 1);
    parts.kind = SPACE_USEFUL;
    spot_walk(layer->nest, parts.kind, try_spot, &parts);
    parts.kind = SPACE_ALL;
    spot_walk(layer->nest, parts.kind, try_spot, &parts);
}
