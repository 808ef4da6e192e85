#include "oracle/random_layers.h"

#include <string.h>

#include "cost/search.h"
#include "unit/random.h"

/* ---- the layer ---- */

/* Half of them spatial, the other half mostly channels. */
static void random_sizes(const struct layer_class *class, bool is_pool, struct nest *nest) {
    const int dims = one_in(9) ? class->dims - 1 : class->dims;
    int64_t steps = 1;
    for (int tries = 0, cut = 0; tries < 50 && cut < dims; tries++) {
        const int d = (int)(one_in(4) ? from_to(0, DIM_COUNT - 1) : one_in(2) ? from_to(DIM_M, DIM_C) : from_to(DIM_OH, DIM_OW));
        if (nest->size[d] > 1 || (is_pool && (d == DIM_M || d == DIM_C))) continue;
        const int64_t size = from_to(2, class->largest[d]);
        if (steps * size > class->steps) continue;
        nest->size[d] = size;
        steps *= size;
        cut++;
    }
}

static void random_axis(struct nest *nest, int a, bool is_transposed) {
    struct nest_axis *axis = &nest->axis[a];
    const int64_t size = nest->size[DIM_OD + a];
    axis->pooled = size;
    if (size == 1 && !one_in(4)) return;
    axis->kernel = one_in(4) ? from_to(1, 7) : from_to(1, 3);
    axis->stride = one_in(3) ? from_to(1, 4) : 1;
    axis->dilation = one_in(5) ? 2 : 1;
    axis->pad = one_in(2) ? from_to(0, axis->kernel) : one_in(2) ? axis->kernel / 2 : 0;
    axis->transposed = is_transposed;
    const int64_t extent = (axis->kernel - 1) * axis->dilation + 1;
    if (is_transposed) {
        const int64_t all = size + axis->pad - extent - from_to(0, 2);
        axis->plane = (all > 0 ? all : 0) / axis->stride + 1 + (one_in(4) ? from_to(0, 2) : 0);
        return;
    }
    axis->plane = (size - 1) * axis->stride + extent - axis->pad + from_to(one_in(2) ? -axis->kernel : 0, 1);
    if (axis->plane < 1) axis->plane = 1;
}

static void random_pool(struct nest *nest) {
    for (int a = 0; a < NEST_AXES; a++) {
        struct nest_axis *axis = &nest->axis[a];
        const int64_t size = nest->size[DIM_OD + a];
        axis->pool = one_in(5) ? size : from_to(1, 2);
        axis->pooled = one_in(2) ? size / axis->pool : (size + axis->pool - 1) / axis->pool;
        if (axis->pooled == 0) axis->pooled = 1;
    }
}

static void random_widths(struct nest *nest, bool is_pool) {
    static const uint32_t widths[][4] = {{8, 8, 8, 32},   {8, 8, 8, 8},  {16, 16, 16, 16}, {8, 16, 8, 32}, {32, 32, 32, 32},
                                         {16, 8, 16, 64}, {8, 4, 8, 32}, {4, 4, 4, 16},    {1, 2, 3, 12},  {5, 1, 4, 7}};
    const uint32_t *bits = widths[one_in(4) ? from_to(6, 9) : from_to(0, 5)];
    memcpy(nest->bits, bits, sizeof nest->bits);
    nest->partial_bits = bits[3];
    if (!is_pool) return;
    nest->bits[OPERAND_W] = 0;
    nest->partial_bits = bits[0];
}

static void random_nest(const struct layer_class *class, struct nest *nest) {
    const bool is_pool = one_in(12), is_transposed = !is_pool && one_in(4);
    nest_init(nest);
    random_sizes(class, is_pool, nest);
    for (int a = 0; a < NEST_AXES; a++) random_axis(nest, a, is_transposed);
    random_widths(nest, is_pool);
    if (is_pool) return;
    nest->has_bias = one_in(4);
    if (one_in(6)) random_pool(nest);
}

/* ---- the target ---- */

/* Half of them have room for little more than the smallest tiles, a few for not even these. */
static void random_target(const struct nest *nest, struct target *target) {
    struct found found;
    *target = (struct target){.name = "random", .halo_reuse = !one_in(3)};
    search_plain(nest, target, &found); /* nothing fits into 0 bytes: the demand of the smallest tile */
    const struct footprint least = found.infeasible.demand;
    for (int x = 0; x < OPERAND_COUNT; x++) target->double_buffer[x] = one_in(9);
    const struct mapping whole = {0};
    struct footprint all;
    mapping_footprint(nest, target, &whole, &all);
    const bool is_tight = one_in(2);
    int64_t from = 0;
    for (int x = 0; x < OPERAND_COUNT; x++) from += least.bytes[x] * (target->double_buffer[x] ? 2 : 1);
    const int64_t most = is_tight ? from * 3 : footprint_total(&all) + 4;
    target->capacity_bytes = one_in(30) ? from - from_to(0, 2) : from_to(from, most > from ? most : from);
    target->is_split = one_in(8);
    for (int x = 0; x < OPERAND_COUNT && target->is_split; x++) {
        const int64_t small = least.bytes[x] * (target->double_buffer[x] ? 2 : 1);
        target->partition_bytes[x] =
            from_to(small - (small && one_in(90)), is_tight ? small * 3 : (all.bytes[x] > small ? all.bytes[x] : small));
    }
}

void random_layer(const struct layer_class *class, uint64_t seed, int64_t number, struct nest *nest, struct target *target) {
    begin_draw(seed, (uint64_t)number);
    random_nest(class, nest);
    random_target(nest, target);
}

/* ---- printing ---- */

void print_layer(FILE *file, const struct nest *nest, const struct target *target) {
    for (int d = 0; d < DIM_COUNT; d++) fprintf(file, "%s %lld ", nest_dim_names[d], (long long)nest->size[d]);
    for (int a = 0; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        fprintf(file, "\n  plane %lld k %lld s %lld d %lld pad %lld pool %lld pooled %lld%s", (long long)axis->plane,
                (long long)axis->kernel, (long long)axis->stride, (long long)axis->dilation, (long long)axis->pad, (long long)axis->pool,
                (long long)axis->pooled, axis->transposed ? " transposed" : "");
    }
    fprintf(file, "\n  bits %u %u %u %u bias %d; halo %d, capacity %lld, split %d: %lld %lld %lld; double %d %d %d\n", nest->bits[0],
            nest->bits[1], nest->bits[2], nest->partial_bits, nest->has_bias, target->halo_reuse, (long long)target->capacity_bytes,
            target->is_split, (long long)target->partition_bytes[0], (long long)target->partition_bytes[1],
            (long long)target->partition_bytes[2], target->double_buffer[0], target->double_buffer[1], target->double_buffer[2]);
}

void print_mapping(FILE *file, const char *what, const struct mapping *mapping, int64_t bytes, int64_t footprint_bytes) {
    fprintf(file, "  %s: %lld bytes, %lld on chip:", what, (long long)bytes, (long long)footprint_bytes);
    for (uint32_t i = 0; i <= mapping->loop_count; i++) {
        for (int x = 0; x < OPERAND_COUNT; x++)
            if (mapping->depth[x] == i) fprintf(file, " [%c]", "IWO"[x]);
        if (i == mapping->loop_count) break;
        fprintf(file, " %s/%lld%s", nest_dim_names[mapping->loops[i].dim], (long long)mapping->loops[i].step,
                mapping->loops[i].snake ? "~" : "");
    }
    fprintf(file, "\n");
}

/* ---- counting ---- */

static bool has_parts_of_bytes(const struct nest *nest) {
    bool has = nest->partial_bits % 8 != 0;
    for (int x = 0; x < OPERAND_COUNT; x++) has = has || nest->bits[x] % 8 != 0;
    return has;
}

void count_layer(const struct nest *nest, const struct target *target, struct layer_counts *counts) {
    bool clips = false, merged = false, transposed = false, slides = false;
    for (int a = 0; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        const int64_t size = nest->size[DIM_OD + a], extent = (axis->kernel - 1) * axis->dilation + 1;
        clips = clips || axis->pad > 0 || (size - 1) * axis->stride + extent > axis->plane;
        slides = slides || (target->halo_reuse && size > 1 && (axis->transposed || axis->stride < extent));
        merged = merged || axis->pool > 1;
        transposed = transposed || (axis->transposed && (axis->kernel > 1 || axis->stride > 1));
    }
    counts->layers++;
    counts->split += target->is_split;
    counts->doubled += target->double_buffer[0] || target->double_buffer[1] || target->double_buffer[2];
    counts->slides += slides;
    counts->clipped += clips;
    counts->parts += has_parts_of_bytes(nest);
    counts->grouped += nest->size[DIM_G] > 1;
    counts->batched += nest->size[DIM_N] > 1;
    counts->biased += nest->has_bias;
    counts->merged += merged;
    counts->pools += nest->bits[OPERAND_W] == 0;
    counts->transposed += transposed;
}

void print_counts(FILE *file, const struct layer_counts *counts) {
    fprintf(file,
            "%lld layers: split %lld, double %lld, sliding %lld, clipped %lld, parts of bytes %lld, groups %lld, batch %lld, bias %lld, "
            "merged pool %lld, pools %lld, transposed %lld",
            (long long)counts->layers, (long long)counts->split, (long long)counts->doubled, (long long)counts->slides,
            (long long)counts->clipped, (long long)counts->parts, (long long)counts->grouped, (long long)counts->batched,
            (long long)counts->biased, (long long)counts->merged, (long long)counts->pools, (long long)counts->transposed);
}
