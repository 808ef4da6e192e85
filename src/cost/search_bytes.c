/* The search where every width is a whole number of bytes: nothing rounds, so g is always cut to 1, and for each spot and kind of order the
 * tiles of m and c follow by division. */
#include "cost/search_spot.h"

static int64_t footprint_of(const struct spot *spot, int64_t m, int64_t c) {
    return spot->input_unit * c + (spot->weight_unit * c + spot->bias_unit + spot->output_unit) * m;
}

struct bytes_search {
    const struct layer_units *layer;
    struct best *best;
};

/* Could a tiling that moves at least so much, on at least so much chip, still win? */
static bool may_win(const struct best *best, int64_t bytes, int64_t footprint) {
    return !best->any || bytes < best->bytes || (bytes == best->bytes && footprint <= best->footprint);
}

static void offer(struct best *best, const struct layer_units *layer, const struct spot *spot, int64_t bytes, int64_t m, int64_t c) {
    int64_t tile[DIM_COUNT];
    for (int d = 0; d < DIM_COUNT; d++) tile[d] = spot->cut[d].tile;
    tile[DIM_G] = 1;
    tile[DIM_M] = m;
    tile[DIM_C] = c;
    best_offer(best, layer->nest, bytes, footprint_of(spot, m, c), tile);
}

/* Sums stay: t_c = 1 is as good as any. */
static void try_c_inmost(const struct layer_units *layer, const struct spot *spot, int64_t largest_m, struct best *best) {
    const int64_t rest = spot->sweeps * layer->weight + layer->output, size = layer->nest->size[DIM_M];
    if (layer->nest->size[DIM_C] == 1 || !may_win(best, spot->windows + rest, footprint_of(spot, 1, 1))) return;
    const int64_t trips = spot->windows ? trips_of(size, largest_m) : size;
    offer(best, layer, spot, trips * spot->windows + rest, trips_of(size, trips), 1);
}

/* With t_m given and I and W known: the largest t_c spills least. */
static void try_c(const struct layer_units *layer, const struct spot *spot, int64_t m, int64_t bytes, struct best *best) {
    if (!may_win(best, bytes + layer->output, footprint_of(spot, m, 1))) return;
    const int64_t most = spot_most_c(layer, spot, m), size = layer->nest->size[DIM_C];
    if (most == 0) return;
    const int64_t trips = trips_of(size, most);
    offer(best, layer, spot, bytes + layer->output + (trips - 1) * layer->spill, m, trips_of(size, trips));
}

/* Weights stay, or m in between: fewer trips of m bring I less often, more leave room for c. */
static void try_way(const struct layer_units *layer, const struct spot *spot, const struct way *way, int64_t largest_m, struct best *best) {
    const int64_t size = layer->nest->size[DIM_M], weight = way->sweeps * layer->weight;
    for (int64_t m = largest_m < size ? largest_m : (size - 1); m > 0;) {
        const int64_t trips = trips_of(size, m);
        m = trips_of(size, trips);
        const int64_t bytes = trips * way->scale - way->rebate + weight;
        if (best->any && bytes + layer->output > best->bytes) return;
        try_c(layer, spot, m, bytes, best);
        m--;
    }
}

static void try_spot(void *context, struct spot *spot) {
    const struct bytes_search *search = context;
    const struct layer_units *layer = search->layer;
    struct best *best = search->best;
    const int64_t size = layer->nest->size[DIM_M];
    spot_buffers(spot, layer);
    if (!may_win(best, layer->compulsory, footprint_of(spot, 1, 1))) return;
    const int64_t largest_m = spot_most_m(layer, spot);
    if (largest_m == 0 || !may_win(best, spot_least(layer, spot, trips_of(size, largest_m)), footprint_of(spot, 1, 1))) return;
    spot_init(spot, layer);
    if (largest_m == size) try_c(layer, spot, size, spot->sliding + layer->weight, best);
    try_c_inmost(layer, spot, largest_m, best);
    if (size == 1) return;
    try_c(layer, spot, 1, spot->sliding + spot->sweeps * layer->weight, best);
    for (uint32_t i = 0; i < spot->way_count; i++) try_way(layer, spot, &spot->ways[i], largest_m, best);
}

void search_whole_bytes(const struct layer_units *layer, struct best *best) {
    struct bytes_search search = {layer, best};
    spot_walk(layer->nest, SPACE_USEFUL, try_spot, &search);
}
