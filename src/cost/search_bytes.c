/* The search where every width is a whole number of bytes: nothing rounds, so g is always cut to 1, and for each spot and kind of order the
 * tiles of m and c follow by division. */
#include "cost/search_spot.h"

enum { OUTER_DIMS = 4 };

static int64_t footprint_of(const struct spot *spot, int64_t m, int64_t c) {
    return spot->input_unit * c + (spot->weight_unit * c + spot->bias_unit + spot->output_unit) * m;
}

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

static void try_spot(const struct layer_units *layer, struct spot *spot, struct best *best) {
    const int64_t size = layer->nest->size[DIM_M];
    spot_buffers(spot, layer);
    if (!may_win(best, layer->compulsory, footprint_of(spot, 1, 1))) return;
    const int64_t largest_m = spot_most_m(layer, spot);
    if (largest_m == 0) return;
    spot_init(spot, layer);
    if (largest_m == size) try_c(layer, spot, size, spot->sliding + layer->weight, best);
    try_c_inmost(layer, spot, largest_m, best);
    if (size == 1) return;
    try_c(layer, spot, 1, spot->sliding + spot->sweeps * layer->weight, best);
    for (uint32_t i = 0; i < spot->way_count; i++) try_way(layer, spot, &spot->ways[i], largest_m, best);
}

/* ---- spots ---- */

/* The cuts of each outer dim, a block at a time, so that the stack stays small however long a dim is; one block holds most. */
struct walker {
    const struct layer_units *layer;
    struct best *best;
    struct spot spot;
    struct block {
        struct cut cuts[SPACE_BLOCK];
        uint32_t count;
        int64_t next; /* space_cuts goes on below; 0 = these are all */
    } block[OUTER_DIMS];
};

static const enum nest_dim outer_dims[OUTER_DIMS] = {DIM_N, DIM_OD, DIM_OH, DIM_OW};

static void fill_block(struct walker *walker, int at) {
    struct block *block = &walker->block[at];
    block->count = space_cuts(walker->layer->nest, outer_dims[at], SPACE_USEFUL, &block->next, block->cuts);
}

static void fill_first_block(struct walker *walker, int at) {
    walker->block[at].next = walker->layer->nest->size[outer_dims[at]] + 1;
    fill_block(walker, at);
}

static void walk(struct walker *walker, int at) {
    if (at == OUTER_DIMS) {
        try_spot(walker->layer, &walker->spot, walker->best);
        return;
    }
    struct block *block = &walker->block[at];
    for (bool is_first = true;; is_first = false) {
        for (uint32_t i = 0; i < block->count; i++) {
            walker->spot.cut[outer_dims[at]] = block->cuts[i];
            walk(walker, at + 1);
        }
        if (block->next == 0) {
            if (!is_first) fill_first_block(walker, at);
            return;
        }
        fill_block(walker, at);
    }
}

void search_whole_bytes(const struct layer_units *layer, struct best *best) {
    struct walker walker;
    walker.spot = (struct spot){0};
    walker.layer = layer;
    walker.best = best;
    for (int at = 0; at < OUTER_DIMS; at++) fill_first_block(&walker, at);
    walk(&walker, 0);
}
