/* Uneven mappings: an operand that is used up at once is streamed in the smallest pieces, one that is kept stays outside the loops that
 * stream (cost-model.md 2). Four kinds, each with the traffic of an order of search_spot.h (or better) and smaller buffers:
 *   sums stay             m/t n plane [O] c/1 [I] m/1 [W]         I one channel, W one filter of it, O t channels
 *   sums and weights stay m/t [W] n plane [O] c/1 [I]             I one channel, W t filters, O t channels; W once
 *   windows stay          c/t n plane [I] m/1 [O] c/1 [W]         I t channels, W one filter of one channel, O one channel
 *   weights stay          c/t m/t [W] n plane [I] m/1 [O]         I t channels, W t filters of them, O one channel
 * [X] = X's depth. Whole bytes only. */
#include "cost/search_spot.h"

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

enum kind { SUMS_STAY, SUMS_AND_WEIGHTS_STAY, WINDOWS_STAY, WEIGHTS_STAY };

struct uneven {
    const struct layer_units *layer;
    struct best best;
    enum kind kind; /* of the best */
};

/* The largest x with fixed[i] + each[i] x on chip; 0 = none. */
static int64_t most(const struct layer_units *layer, const int64_t *fixed, const int64_t *each, int64_t size) {
    if (!layer->target->is_split) {
        const int64_t room = layer->capacity - fixed[0] - fixed[1] - fixed[2], sum = each[0] + each[1] + each[2];
        return room < sum ? 0 : (sum ? least(room / sum, size) : size);
    }
    for (int x = 0; x < OPERAND_COUNT; x++) {
        const int64_t room = layer->partition[x] - fixed[x];
        if (room < each[x]) return 0;
        if (each[x]) size = least(size, room / each[x]);
    }
    return size;
}

static void offer(struct uneven *uneven, const struct spot *spot, enum kind kind, int64_t bytes, int64_t footprint, int64_t m, int64_t c) {
    int64_t tile[DIM_COUNT];
    if (bytes > uneven->best.bytes || (bytes == uneven->best.bytes && footprint >= uneven->best.footprint)) return;
    for (int d = 0; d < DIM_COUNT; d++) tile[d] = spot->cut[d].tile;
    tile[DIM_G] = 1;
    tile[DIM_M] = m;
    tile[DIM_C] = c;
    best_offer(&uneven->best, uneven->layer->nest, bytes, footprint, tile);
    uneven->kind = kind;
}

static void try_sums(struct uneven *uneven, const struct spot *spot) {
    const struct layer_units *layer = uneven->layer;
    const int64_t m_size = layer->nest->size[DIM_M], c_size = layer->nest->size[DIM_C], filter = spot->weight_unit + spot->bias_unit;
    const int64_t streamed[] = {spot->input_unit, filter, 0}, sums[] = {0, 0, spot->output_unit};
    int64_t m = most(layer, streamed, sums, m_size);
    if (m > 0) {
        const int64_t trips = trips_of(m_size, m), bytes = trips * spot->windows + spot->sweeps * layer->weight + layer->output;
        m = trips_of(m_size, trips);
        if (m > 1) offer(uneven, spot, SUMS_STAY, bytes, spot->input_unit + filter + sums[OPERAND_O] * m, m, 1);
    }
    const int64_t fixed[] = {spot->input_unit, 0, 0};
    const int64_t each[] = {0, spot->weight_unit * c_size + spot->bias_unit, spot->output_unit};
    m = most(layer, fixed, each, m_size);
    if (m == 0) return;
    const int64_t trips = trips_of(m_size, m);
    m = trips_of(m_size, trips);
    offer(uneven, spot, SUMS_AND_WEIGHTS_STAY, trips * spot->windows + layer->weight + layer->output,
          spot->input_unit + (each[OPERAND_W] + each[OPERAND_O]) * m, m, c_size);
}

static void try_windows(struct uneven *uneven, const struct spot *spot) {
    const struct layer_units *layer = uneven->layer;
    const int64_t size = layer->nest->size[DIM_C];
    const int64_t fixed[] = {0, spot->weight_unit + spot->bias_unit, spot->output_unit}, each[] = {spot->input_unit, 0, 0};
    int64_t c = most(layer, fixed, each, size);
    if (c == 0) return;
    const int64_t trips = trips_of(size, c);
    c = trips_of(size, trips);
    if (c == 1) return;
    offer(uneven, spot, WINDOWS_STAY, spot->sliding + spot->sweeps * layer->weight + layer->output + (trips - 1) * layer->spill,
          spot->input_unit * c + fixed[OPERAND_W] + fixed[OPERAND_O], 1, c);
}

static void try_weights_with(struct uneven *uneven, const struct spot *spot, int64_t m, int64_t input) {
    const struct layer_units *layer = uneven->layer;
    const int64_t size = layer->nest->size[DIM_C];
    const int64_t fixed[] = {0, spot->bias_unit * m, spot->output_unit}, each[] = {spot->input_unit, spot->weight_unit * m, 0};
    int64_t c = most(layer, fixed, each, size);
    if (c == 0) return;
    const int64_t trips = trips_of(size, c);
    c = trips_of(size, trips);
    offer(uneven, spot, WEIGHTS_STAY, input + layer->weight + layer->output + (trips - 1) * layer->spill,
          each[OPERAND_I] * c + each[OPERAND_W] * c + fixed[OPERAND_W] + fixed[OPERAND_O], m, c);
}

static void try_weights(struct uneven *uneven, const struct spot *spot) {
    const struct layer_units *layer = uneven->layer;
    const int64_t size = layer->nest->size[DIM_M];
    for (int64_t m = size; m > 1;) {
        const int64_t trips = trips_of(size, m), input = trips * spot->sliding;
        if (input + layer->weight + layer->output > uneven->best.bytes) return;
        m = trips_of(size, trips);
        if (m > 1 && (trips == 1 || spot->sweeps > 1)) try_weights_with(uneven, spot, m, input);
        m--;
    }
}

static void try_spot(void *context, struct spot *spot) {
    struct uneven *uneven = context;
    spot_buffers(spot, uneven->layer);
    const int64_t one[] = {spot->input_unit, spot->weight_unit + spot->bias_unit, spot->output_unit}, none[] = {0, 0, 0};
    if (!most(uneven->layer, one, none, 1)) return;
    spot_init(spot, uneven->layer);
    if (uneven->layer->nest->size[DIM_C] > 1) try_sums(uneven, spot);
    if (uneven->layer->nest->size[DIM_M] == 1) return;
    try_windows(uneven, spot);
    try_weights(uneven, spot);
}

/* ---- the mapping ---- */

static void add_loop(const struct nest *nest, struct mapping *mapping, enum nest_dim dim, int64_t step) {
    int64_t whole = nest->size[dim];
    for (uint32_t i = 0; i < mapping->loop_count; i++)
        if (mapping->loops[i].dim == dim) whole = mapping->loops[i].step;
    if (step < whole) mapping->loops[mapping->loop_count++] = (struct mapping_loop){.dim = dim, .step = step};
}

static void make_mapping(const struct nest *nest, const struct uneven *uneven, const enum nest_dim *axes, struct mapping *mapping) {
    const int64_t *tile = uneven->best.tile;
    const enum kind kind = uneven->kind;
    *mapping = (struct mapping){0};
    add_loop(nest, mapping, DIM_G, 1);
    if (kind == WINDOWS_STAY || kind == WEIGHTS_STAY) add_loop(nest, mapping, DIM_C, tile[DIM_C]);
    if (kind != WINDOWS_STAY) add_loop(nest, mapping, DIM_M, tile[DIM_M]);
    mapping->depth[OPERAND_W] = mapping->loop_count;
    add_loop(nest, mapping, DIM_N, tile[DIM_N]);
    for (int a = 0; a < NEST_AXES; a++) add_loop(nest, mapping, axes[a], tile[axes[a]]);
    const bool sums = kind == SUMS_STAY || kind == SUMS_AND_WEIGHTS_STAY;
    mapping->depth[sums ? OPERAND_O : OPERAND_I] = mapping->loop_count;
    add_loop(nest, mapping, sums ? DIM_C : DIM_M, 1);
    mapping->depth[sums ? OPERAND_I : OPERAND_O] = mapping->loop_count;
    if (kind == SUMS_STAY) add_loop(nest, mapping, DIM_M, 1);
    if (kind == WINDOWS_STAY) add_loop(nest, mapping, DIM_C, 1);
    if (kind == SUMS_STAY || kind == WINDOWS_STAY) mapping->depth[OPERAND_W] = mapping->loop_count;
}

static void describe(const struct nest *nest, const struct target *target, const struct uneven *uneven, struct found *found) {
    static const enum nest_dim axes[6][NEST_AXES] = {{DIM_OD, DIM_OH, DIM_OW}, {DIM_OD, DIM_OW, DIM_OH}, {DIM_OH, DIM_OD, DIM_OW},
                                                     {DIM_OH, DIM_OW, DIM_OD}, {DIM_OW, DIM_OD, DIM_OH}, {DIM_OW, DIM_OH, DIM_OD}};
    for (int i = 0; i < 6; i++) {
        struct mapping mapping;
        struct traffic traffic;
        make_mapping(nest, uneven, axes[i], &mapping);
        mapping_traffic(nest, target, &mapping, &traffic);
        if (traffic_total(&traffic) >= traffic_total(&found->traffic)) continue;
        found->mapping = mapping;
        found->traffic = traffic;
        mapping_footprint(nest, target, &mapping, &found->footprint);
    }
}

void search_uneven(const struct nest *nest, const struct target *target, struct found *found) {
    search_plain(nest, target, found);
    if (!found->is_feasible || !nest_whole_bytes(nest) || traffic_total(&found->traffic) == found->compulsory_bytes) return;
    struct layer_units layer;
    struct uneven uneven = {.layer = &layer};
    layer_units_init(&layer, nest, target);
    uneven.best = (struct best){.any = true, .bytes = traffic_total(&found->traffic) - 1, .footprint = INT64_MAX, .steps = INT64_MAX};
    spot_walk(nest, SPACE_USEFUL, try_spot, &uneven);
    if (uneven.best.footprint == INT64_MAX) return;
    describe(nest, target, &uneven, found);
    found->bound_bytes = found->compulsory_bytes;
    found->bound_name = "compulsory";
}
