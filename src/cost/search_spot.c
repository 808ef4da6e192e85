#include "cost/search_spot.h"
#include "base/checked.h"

#include <string.h>

void layer_units_init(struct layer_units *layer, const struct nest *nest, const struct target *target) {
    const int64_t unit = nest_whole_bytes(nest) ? 8 : 1, partial = nest->partial_bits / unit;
    const int64_t *size = nest->size;
    *layer = (struct layer_units){.nest = nest, .target = target, .input_width = nest->bits[OPERAND_I] / unit};
    layer->images = size[DIM_N] * size[DIM_G] * size[DIM_C];
    layer->weight = nest_weight_elems(nest) * (nest->bits[OPERAND_W] / unit);
    if (nest->has_bias && nest->bits[OPERAND_W]) layer->weight += size[DIM_G] * size[DIM_M] * partial;
    layer->output = nest_output_elems(nest) * (nest->bits[OPERAND_O] / unit);
    layer->spill = 2 * partial * size[DIM_N] * size[DIM_G] * size[DIM_M] * size[DIM_OD] * size[DIM_OH] * size[DIM_OW];
    const int64_t most = INT64_C(1) << 58, per_byte = 8 / unit;
    layer->capacity = least(target->capacity_bytes, most) * per_byte;
    for (int x = 0; x < OPERAND_COUNT; x++) layer->partition[x] = least(target->partition_bytes[x], most) * per_byte;
    layer->inputs = nest_input_elems(nest) * layer->input_width;
    layer->compulsory = layer->inputs + layer->weight + layer->output;
    for (int x = 0; x < OPERAND_COUNT; x++) layer->factor[x] = target->double_buffer[x] ? 2 : 1;
}

/* The axes of a plane that are cut, from inner to outer, and what they do to I (space.h): sum, shared by steps, shared by the turn back. */
struct stack {
    uint32_t count;
    struct {
        int64_t sum, step, wrap, trips;
    } axis[NEST_AXES];
};

/* Elements of a window's walk over the stack, m standing outside its `inner` innermost axes (0: m innermost or once): the part that
 * comes again with each trip of m (scale) and the part that does not (rebate). */
static struct way walk(const struct stack *stack, uint32_t inner) {
    int64_t all = 1, wraps = 1, scale, rebate = 0;
    for (uint32_t i = 0; i < stack->count; i++) all *= stack->axis[i].sum;
    scale = all;
    for (uint32_t i = 0; i <= stack->count; i++) {
        int64_t others = 1;
        for (uint32_t k = i + 1; k < stack->count; k++) others *= stack->axis[k].sum;
        if (i == inner) {
            const int64_t turned = wraps * others * (i < stack->count ? stack->axis[i].sum : 1);
            scale -= turned;
            rebate -= turned;
        }
        if (i == stack->count) break;
        *(i < inner ? &scale : &rebate) += (i < inner ? -1 : 1) * wraps * stack->axis[i].step * others;
        wraps *= stack->axis[i].wrap;
    }
    int64_t sweeps = 1;
    for (uint32_t i = inner; i < stack->count; i++) sweeps *= stack->axis[i].trips;
    return (struct way){scale, rebate, sweeps};
}

static void add_way(struct spot *spot, struct way way) { spot->ways[spot->way_count++] = way; }

/* One order of the axes. `unit` = bytes of I per element of the axes in the stack. */
static void take_order(struct spot *spot, const struct stack *stack, int64_t unit) {
    const struct way once = walk(stack, 0);
    spot->sliding = least(spot->sliding, -once.rebate * unit);
    int64_t wraps = 1;
    for (uint32_t inner = 1; inner <= stack->count; inner++) {
        wraps *= stack->axis[inner - 1].wrap;
        if (wraps == 0) return;
        const struct way between = walk(stack, inner);
        add_way(spot, (struct way){between.scale * unit, between.rebate * unit, between.sweeps * spot->cut[DIM_N].trips});
    }
}

static void take_orders(struct spot *spot, struct stack *stack, uint32_t at, int64_t unit) {
    if (at == stack->count) {
        take_order(spot, stack, unit);
        return;
    }
    for (uint32_t i = at; i < stack->count; i++) {
        struct stack swapped = *stack;
        swapped.axis[at] = stack->axis[i];
        swapped.axis[i] = stack->axis[at];
        take_orders(spot, &swapped, at + 1, unit);
    }
}

void spot_buffers(struct spot *spot, const struct layer_units *layer) {
    const struct nest *nest = layer->nest;
    const int64_t unit = nest_whole_bytes(nest) ? 8 : 1, partial = nest->partial_bits / unit;
    int64_t rows = spot->cut[DIM_N].tile, outputs = rows;
    for (int d = DIM_OD; d < DIM_COUNT; d++) {
        rows *= spot->cut[d].rows_max;
        outputs *= spot->cut[d].tile;
    }
    spot->input_unit = rows * layer->input_width * layer->factor[OPERAND_I];
    spot->weight_unit = nest_kernel_elems(nest) * (nest->bits[OPERAND_W] / unit) * layer->factor[OPERAND_W];
    spot->bias_unit = nest->has_bias && nest->bits[OPERAND_W] ? partial * layer->factor[OPERAND_W] : 0;
    spot->output_unit = outputs * partial * layer->factor[OPERAND_O];
}

/* I comes once for each trip of m, or W for each tile of the rest; unless windows find part of themselves at a turn. */
int64_t spot_least(const struct layer_units *layer, const struct spot *spot, int64_t trips_m) {
    int64_t sweeps = spot->cut[DIM_N].trips;
    for (int d = DIM_OD; d < DIM_COUNT; d++) {
        if (spot->cut[d].trips == 1) continue;
        if (spot->cut[d].rows_wrap) return layer->compulsory;
        sweeps *= spot->cut[d].trips;
    }
    return layer->compulsory + least((trips_m - 1) * layer->inputs, (sweeps - 1) * layer->weight);
}

int64_t spot_most_c(const struct layer_units *layer, const struct spot *spot, int64_t m) {
    const int64_t per_c = spot->input_unit + spot->weight_unit * m, rest = (spot->bias_unit + spot->output_unit) * m;
    const int64_t size = layer->nest->size[DIM_C];
    if (!layer->target->is_split) {
        const int64_t room = layer->capacity - rest;
        if (room < per_c) return 0;
        return per_c ? least(room / per_c, size) : size;
    }
    const int64_t *room = layer->partition;
    if (spot->output_unit * m > room[OPERAND_O] || spot->bias_unit * m > room[OPERAND_W]) return 0;
    int64_t most = size;
    if (spot->input_unit) most = least(most, room[OPERAND_I] / spot->input_unit);
    if (spot->weight_unit) most = least(most, (room[OPERAND_W] - spot->bias_unit * m) / (spot->weight_unit * m));
    return most;
}

int64_t spot_most_m(const struct layer_units *layer, const struct spot *spot) {
    const int64_t weight = spot->weight_unit + spot->bias_unit, size = layer->nest->size[DIM_M];
    if (!layer->target->is_split) {
        const int64_t room = layer->capacity - spot->input_unit;
        return room < weight + spot->output_unit ? 0 : least(room / (weight + spot->output_unit), size);
    }
    const int64_t *room = layer->partition;
    if (spot->input_unit > room[OPERAND_I]) return 0;
    int64_t most = least(size, room[OPERAND_O] / spot->output_unit);
    return weight ? least(most, room[OPERAND_W] / weight) : most;
}

void spot_init(struct spot *spot, const struct layer_units *layer) {
    struct stack stack = {0};
    int64_t unit = layer->images * layer->input_width;
    bool wraps = false;
    spot->sweeps = spot->cut[DIM_N].trips;
    spot->windows = unit;
    for (int d = DIM_COUNT - 1; d >= DIM_OD; d--) {
        const struct cut *cut = &spot->cut[d];
        spot->sweeps *= cut->trips;
        spot->windows *= cut->rows_sum;
        if (cut->trips == 1) {
            unit *= cut->rows_sum;
            continue;
        }
        stack.axis[stack.count].sum = cut->rows_sum;
        stack.axis[stack.count].step = cut->rows_sum - cut->rows_touched;
        stack.axis[stack.count].wrap = cut->rows_wrap;
        stack.axis[stack.count++].trips = cut->trips;
        wraps = wraps || cut->rows_wrap;
    }
    spot->sliding = spot->windows;
    spot->way_count = 0;
    if (layer->target->halo_reuse) take_orders(spot, &stack, 0, unit);
    add_way(spot, (struct way){spot->sliding, 0, 1});
}

static int compare_tiles(const int64_t *a, const int64_t *b) {
    for (int d = 0; d < DIM_COUNT; d++)
        if (a[d] != b[d]) return a[d] < b[d] ? -1 : 1;
    return 0;
}

/* Ties: smaller footprint, fewer steps, smaller tiles in dim order (cost-model.md 5). */
void best_offer(struct best *best, const struct nest *nest, int64_t bytes, int64_t footprint, const int64_t *tile) {
    if (best->any && bytes > best->bytes) return;
    if (best->any && bytes == best->bytes && footprint > best->footprint) return;
    int64_t steps = 1;
    for (int d = 0; d < DIM_COUNT; d++) steps *= trips_of(nest->size[d], tile[d]);
    if (best->any && bytes == best->bytes && footprint == best->footprint) {
        if (steps > best->steps) return;
        if (steps == best->steps && compare_tiles(tile, best->tile) >= 0) return;
    }
    *best = (struct best){.any = true, .bytes = bytes, .footprint = footprint, .steps = steps};
    memcpy(best->tile, tile, sizeof best->tile);
}

/* ---- all spots ---- */

enum { OUTER_DIMS = 4 };

/* The cuts of each outer dim, a block at a time, so that the stack stays small however long a dim is; one block holds most. */
struct walker {
    const struct nest *nest;
    enum space_kind kind;
    void (*visit)(void *context, struct spot *spot);
    void *context;
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
    block->count = space_cuts(walker->nest, outer_dims[at], walker->kind, &block->next, block->cuts);
}

static void fill_first_block(struct walker *walker, int at) {
    walker->block[at].next = walker->nest->size[outer_dims[at]] + 1;
    fill_block(walker, at);
}

static void walk_blocks(struct walker *walker, int at) {
    if (at == OUTER_DIMS) {
        walker->visit(walker->context, &walker->spot);
        return;
    }
    struct block *block = &walker->block[at];
    for (bool is_first = true;; is_first = false) {
        for (uint32_t i = 0; i < block->count; i++) {
            walker->spot.cut[outer_dims[at]] = block->cuts[i];
            walk_blocks(walker, at + 1);
        }
        if (block->next == 0) {
            if (!is_first) fill_first_block(walker, at);
            return;
        }
        fill_block(walker, at);
    }
}

void spot_walk(const struct nest *nest, enum space_kind kind, void (*visit)(void *context, struct spot *spot), void *context) {
    struct walker walker;
    walker.nest = nest;
    walker.kind = kind;
    walker.visit = visit;
    walker.context = context;
    walker.spot = (struct spot){0};
    for (int at = 0; at < OUTER_DIMS; at++) fill_first_block(&walker, at);
    walk_blocks(&walker, 0);
}
