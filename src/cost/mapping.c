#include "cost/mapping.h"

#include "base/checked.h"
#include "cost/traffic.h"

const unsigned operand_dims[OPERAND_COUNT] = {
    1 << DIM_N | 1 << DIM_G | 1 << DIM_C | 1 << DIM_OD | 1 << DIM_OH | 1 << DIM_OW, /* I */
    1 << DIM_G | 1 << DIM_M | 1 << DIM_C,                                           /* W */
    1 << DIM_N | 1 << DIM_G | 1 << DIM_M | 1 << DIM_OD | 1 << DIM_OH | 1 << DIM_OW  /* O */
};

int64_t mapping_tile(const struct nest *nest, const struct mapping *mapping, enum nest_dim dim) {
    int64_t tile = nest->size[dim];
    for (uint32_t i = 0; i < mapping->loop_count; i++)
        if (mapping->loops[i].dim == dim) tile = mapping->loops[i].step;
    return tile;
}

uint32_t mapping_sits(const struct mapping *mapping, enum operand operand) {
    uint32_t depth = mapping->depth[operand];
    while (depth > 0 && !(operand_dims[operand] >> mapping->loops[depth - 1].dim & 1)) depth--;
    return depth;
}

/* ---- footprint ---- */

int64_t footprint_total(const struct footprint *footprint) {
    return footprint->bytes[OPERAND_I] + footprint->bytes[OPERAND_W] + footprint->bytes[OPERAND_O];
}

bool footprint_fits(const struct footprint *footprint, const struct target *target) {
    if (!target->is_split) return footprint_total(footprint) <= target->capacity_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (footprint->bytes[x] > target->partition_bytes[x]) return false;
    return true;
}

int64_t mapping_buffer_bytes(const struct nest *nest, enum operand operand, const int64_t *extent, const int64_t *rows) {
    const int64_t filters = extent[DIM_G] * extent[DIM_M];
    if (operand == OPERAND_I)
        return nest_bytes(extent[DIM_N] * extent[DIM_G] * extent[DIM_C] * rows[0] * rows[1] * rows[2], nest->bits[OPERAND_I]);
    if (operand == OPERAND_O)
        return nest_bytes(extent[DIM_N] * filters * extent[DIM_OD] * extent[DIM_OH] * extent[DIM_OW], nest->partial_bits);
    if (!nest->bits[OPERAND_W]) return 0;
    return nest_bytes(filters * extent[DIM_C] * nest_kernel_elems(nest), nest->bits[OPERAND_W]) +
           (nest->has_bias ? nest_bytes(filters, nest->partial_bits) : 0);
}

static void double_buffers(const struct target *target, struct footprint *footprint) {
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (target->double_buffer[x]) footprint->bytes[x] *= 2;
}

void tiling_footprint(const struct nest *nest, const struct target *target, const struct tiling *tiling, struct footprint *footprint) {
    int64_t extent[DIM_COUNT], rows[NEST_AXES];
    for (int d = 0; d < DIM_COUNT; d++) extent[d] = tiling->cut[d].tile;
    for (int a = 0; a < NEST_AXES; a++) rows[a] = tiling->cut[DIM_OD + a].rows_max;
    for (int x = 0; x < OPERAND_COUNT; x++) footprint->bytes[x] = mapping_buffer_bytes(nest, (enum operand)x, extent, rows);
    double_buffers(target, footprint);
}

int64_t mapping_extent(const struct nest *nest, const struct mapping *mapping, uint32_t depth, enum nest_dim dim) {
    int64_t extent = nest->size[dim];
    for (uint32_t i = 0; i < depth; i++)
        if (mapping->loops[i].dim == dim) extent = least(extent, mapping->loops[i].step);
    return extent;
}

/* The most rows that outputs [from, to), cut by the loops from `at` to the depth, hold at once. */
static int64_t most_rows(const struct nest_axis *axis, const struct mapping *mapping, uint32_t at, uint32_t depth, enum nest_dim dim,
                         int64_t from, int64_t to) {
    while (at < depth && mapping->loops[at].dim != dim) at++;
    if (at == depth) return nest_rows(axis, from, to);
    int64_t rows = 0;
    for (int64_t start = from; start < to; start += mapping->loops[at].step)
        rows = greatest(rows, most_rows(axis, mapping, at + 1, depth, dim, start, least(to, start + mapping->loops[at].step)));
    return rows;
}

int64_t mapping_rows(const struct nest *nest, const struct mapping *mapping, uint32_t depth, enum nest_dim dim) {
    uint32_t levels = 0;
    for (uint32_t i = 0; i < depth; i++) levels += mapping->loops[i].dim == dim;
    if (levels > 1) return most_rows(&nest->axis[dim - DIM_OD], mapping, 0, depth, dim, 0, nest->size[dim]);
    struct cut cut;
    space_cut(nest, dim, mapping_extent(nest, mapping, depth, dim), &cut);
    return cut.rows_max;
}

void mapping_footprint(const struct nest *nest, const struct target *target, const struct mapping *mapping, struct footprint *footprint) {
    int64_t extent[OPERAND_COUNT][DIM_COUNT], rows[NEST_AXES];
    for (int x = 0; x < OPERAND_COUNT; x++)
        for (int d = 0; d < DIM_COUNT; d++) extent[x][d] = mapping_extent(nest, mapping, mapping->depth[x], (enum nest_dim)d);
    for (int a = 0; a < NEST_AXES; a++) rows[a] = mapping_rows(nest, mapping, mapping->depth[OPERAND_I], (enum nest_dim)(DIM_OD + a));
    for (int x = 0; x < OPERAND_COUNT; x++) footprint->bytes[x] = mapping_buffer_bytes(nest, (enum operand)x, extent[x], rows);
    double_buffers(target, footprint);
}

/* ---- names and ties ---- */

const char *mapping_reuse(const struct nest *nest, const struct target *target, const struct mapping *mapping) {
    static const char *const names[8] = {"none",   "input",        "weight",        "input+weight",
                                         "output", "input+output", "weight+output", "input+weight+output"};
    struct nest in_elems = *nest; /* widths of a byte: nothing rounds */
    for (int x = 0; x < OPERAND_COUNT; x++) in_elems.bits[x] = nest->bits[x] ? 8 : 0;
    in_elems.has_bias = false;
    struct traffic traffic;
    mapping_traffic(&in_elems, target, mapping, &traffic);
    const unsigned input = traffic.input_bytes == nest_input_elems(nest);
    const unsigned weight = nest->bits[OPERAND_W] && traffic.weight_bytes == nest_weight_elems(nest);
    const unsigned output = traffic.partial_sum_bytes == 0;
    return names[input + 2 * weight + 4 * output];
}

static int compare(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int64_t steps_of(const struct nest *nest, const struct mapping *mapping) {
    int64_t steps = 1;
    for (int d = 0; d < DIM_COUNT; d++) steps *= trips_of(nest->size[d], mapping_tile(nest, mapping, (enum nest_dim)d));
    return steps;
}

int mapping_compare(const struct nest *nest, const struct target *target, const struct mapping *a, const struct mapping *b) {
    struct footprint of_a, of_b;
    mapping_footprint(nest, target, a, &of_a);
    mapping_footprint(nest, target, b, &of_b);
    int order = compare(footprint_total(&of_a), footprint_total(&of_b));
    if (!order) order = compare(steps_of(nest, a), steps_of(nest, b));
    for (int d = 0; d < DIM_COUNT && !order; d++)
        order = compare(mapping_tile(nest, a, (enum nest_dim)d), mapping_tile(nest, b, (enum nest_dim)d));
    for (uint32_t i = 0; i < a->loop_count && i < b->loop_count && !order; i++)
        order = compare((int64_t)a->loops[i].dim, (int64_t)b->loops[i].dim);
    return order ? order : compare((int64_t)a->loop_count, (int64_t)b->loop_count);
}
