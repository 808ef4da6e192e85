/* search_best and search_whole against brute force over the whole space: nested tiles, depths, snakes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cost/search.h"
#include "oracle/brute_uneven.h"
#include "unit/random.h"

static uint64_t seed = 20261125;

struct class {
    const char *name;
    int dims;
    int64_t largest, layers;
};

/* ---- random layers ---- */

static void random_axis(struct nest *nest, int a) {
    struct nest_axis *axis = &nest->axis[a];
    const int64_t size = nest->size[DIM_OD + a];
    axis->pooled = size;
    if (size == 1 && !one_in(4)) return;
    axis->kernel = one_in(4) ? from_to(1, 7) : from_to(1, 3);
    axis->stride = one_in(3) ? from_to(1, 4) : 1;
    axis->dilation = one_in(5) ? 2 : 1;
    axis->pad = one_in(2) ? from_to(0, axis->kernel) : one_in(2) ? axis->kernel / 2 : 0;
    const int64_t span = (size - 1) * axis->stride + (axis->kernel - 1) * axis->dilation + 1 - axis->pad;
    axis->plane = span + from_to(one_in(2) ? -axis->kernel : 0, 1);
    axis->transposed = one_in(6);
    if (axis->transposed) axis->plane = (size + axis->pad - (axis->kernel - 1) * axis->dilation - 1) / axis->stride + from_to(0, 2);
    if (axis->plane < 1) axis->plane = 1;
    axis->pool = one_in(6) ? one_in(5) ? size : from_to(1, 2) : 1;
    if (axis->pool > 1) axis->pooled = one_in(2) ? size / axis->pool : (size + axis->pool - 1) / axis->pool;
    if (axis->pooled == 0) axis->pooled = 1;
}

static void random_nest(const struct class *class, struct nest *nest) {
    static const uint32_t widths[][4] = {{8, 8, 8, 32}, {8, 8, 8, 8}, {16, 16, 16, 16}, {8, 16, 8, 32}, {32, 32, 32, 32}, {16, 8, 16, 64}};
    const bool is_pool = one_in(20);
    const int dims = one_in(9) ? class->dims - 1 : class->dims;
    const uint32_t *bits = widths[from_to(0, 5)];
    nest_init(nest);
    for (int tries = 0, cut = 0; tries < 50 && cut < dims; tries++) {
        const int d = (int)(one_in(4) ? from_to(0, DIM_COUNT - 1) : one_in(2) ? from_to(DIM_M, DIM_C) : from_to(DIM_OH, DIM_OW));
        if (nest->size[d] > 1 || (is_pool && (d == DIM_M || d == DIM_C))) continue;
        nest->size[d] = from_to(2, class->largest);
        cut++;
    }
    memcpy(nest->bits, bits, sizeof nest->bits);
    nest->partial_bits = bits[3];
    for (int a = 0; a < NEST_AXES; a++) random_axis(nest, a);
    nest->has_bias = !is_pool && one_in(4);
    if (!is_pool) return;
    nest->bits[OPERAND_W] = 0;
    nest->partial_bits = bits[0];
    for (int a = 0; a < NEST_AXES; a++) {
        nest->axis[a].pool = 1;
        nest->axis[a].pooled = nest->size[DIM_OD + a];
    }
}

static void random_target(const struct nest *nest, struct target *target) {
    struct found found;
    struct footprint all;
    const struct mapping whole = {0};
    *target = (struct target){.name = "random", .halo_reuse = !one_in(3)};
    search_plain(nest, target, &found); /* nothing fits into 0 bytes: the demand of the smallest tile */
    const struct footprint least = found.infeasible.demand;
    for (int x = 0; x < OPERAND_COUNT; x++) target->double_buffer[x] = one_in(9);
    mapping_footprint(nest, target, &whole, &all);
    const bool is_tight = one_in(2);
    int64_t from = 0;
    for (int x = 0; x < OPERAND_COUNT; x++) from += least.bytes[x] * (target->double_buffer[x] ? 2 : 1);
    const int64_t most = is_tight ? from * 3 : footprint_total(&all) + 4;
    target->capacity_bytes = from_to(from - (one_in(30) ? 2 : 0), most > from ? most : from);
    target->is_split = one_in(8);
    for (int x = 0; x < OPERAND_COUNT && target->is_split; x++) {
        const int64_t small = least.bytes[x] * (target->double_buffer[x] ? 2 : 1);
        target->partition_bytes[x] = from_to(small, is_tight ? small * 3 : (all.bytes[x] > small ? all.bytes[x] : small));
    }
}

/* ---- printing ---- */

static void print_layer(const struct nest *nest, const struct target *target) {
    for (int d = 0; d < DIM_COUNT; d++) fprintf(stderr, "%s %lld ", nest_dim_names[d], (long long)nest->size[d]);
    for (int a = 0; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        fprintf(stderr, "\n  plane %lld k %lld s %lld d %lld pad %lld pool %lld pooled %lld transposed %lld", (long long)axis->plane,
                (long long)axis->kernel, (long long)axis->stride, (long long)axis->dilation, (long long)axis->pad, (long long)axis->pool,
                (long long)axis->pooled, (long long)axis->transposed);
    }
    fprintf(stderr, "\n  bits %u %u %u %u bias %d; halo %d, capacity %lld, split %d: %lld %lld %lld; double %d %d %d\n", nest->bits[0],
            nest->bits[1], nest->bits[2], nest->partial_bits, nest->has_bias, target->halo_reuse, (long long)target->capacity_bytes,
            target->is_split, (long long)target->partition_bytes[0], (long long)target->partition_bytes[1],
            (long long)target->partition_bytes[2], target->double_buffer[0], target->double_buffer[1], target->double_buffer[2]);
}

static void print_mapping(const char *what, const struct nest *nest, const struct target *target, const struct mapping *mapping) {
    struct traffic traffic;
    struct footprint footprint;
    mapping_traffic(nest, target, mapping, &traffic);
    mapping_footprint(nest, target, mapping, &footprint);
    fprintf(stderr, "  %-6s %lld bytes (%lld %lld %lld %lld), footprint %lld (%lld %lld %lld):", what, (long long)traffic_total(&traffic),
            (long long)traffic.input_bytes, (long long)traffic.weight_bytes, (long long)traffic.output_bytes,
            (long long)traffic.partial_sum_bytes, (long long)footprint_total(&footprint), (long long)footprint.bytes[0],
            (long long)footprint.bytes[1], (long long)footprint.bytes[2]);
    for (uint32_t i = 0; i <= mapping->loop_count; i++) {
        for (int x = 0; x < OPERAND_COUNT; x++)
            if (mapping->depth[x] == i) fprintf(stderr, " [%c]", "IWO"[x]);
        if (i == mapping->loop_count) break;
        const struct mapping_loop *loop = &mapping->loops[i];
        fprintf(stderr, " %s/%lld%s", nest_dim_names[loop->dim], (long long)loop->step, loop->snake ? "~" : "");
    }
    fprintf(stderr, "\n");
}

/* ---- against brute force ---- */

struct counts {
    int64_t layers, infeasible, below_plain, plain_infeasible, regular_above, footprints, split, doubled, slides, grouped, batched, biased,
        merged, pools, transposed;
    double mappings;
};

static bool executes(const struct nest *nest, const struct target *target, const struct found *found) {
    struct machine machine;
    struct machine_run run;
    machine_init(&machine, nest, target);
    bool ok = machine_execute(&machine, &found->mapping, INT64_MAX, &run);
    machine_release(&machine);
    ok = ok && memcmp(&run.traffic, &found->traffic, sizeof run.traffic) == 0 && footprint_fits(&run.footprint, target);
    for (int x = 0; x < OPERAND_COUNT; x++) ok = ok && run.footprint.bytes[x] == found->footprint.bytes[x];
    return ok;
}

static void count_layer(const struct nest *nest, const struct target *target, struct counts *counts) {
    bool merged = false, transposed = false, slides = false;
    for (int a = 0; a < NEST_AXES; a++) {
        merged = merged || nest->axis[a].pool > 1;
        transposed = transposed || nest->axis[a].transposed;
        slides = slides || (target->halo_reuse && nest->size[DIM_OD + a] > 1 && !nest_is_disjoint(&nest->axis[a]));
    }
    counts->split += target->is_split;
    counts->doubled += target->double_buffer[0] || target->double_buffer[1] || target->double_buffer[2];
    counts->slides += slides;
    counts->grouped += nest->size[DIM_G] > 1;
    counts->batched += nest->size[DIM_N] > 1;
    counts->biased += nest->has_bias;
    counts->merged += merged;
    counts->pools += nest->bits[OPERAND_W] == 0;
    counts->transposed += transposed;
}

/* Neither search reports what does not execute so; the one of the whole space finds the fewest bytes there are, and knows it. */
static bool is_right(const struct nest *nest, const struct target *target, const struct found *regular, const struct found *whole,
                     const struct brute_uneven *brute) {
    if (whole->is_feasible != brute->any || (regular->is_feasible && !brute->any)) return false;
    if (!brute->any) return true;
    bool ok = executes(nest, target, whole) && traffic_total(&whole->traffic) == brute->bytes && whole->proof == PROOF_WHOLE;
    if (regular->is_feasible) {
        ok = ok && executes(nest, target, regular) && traffic_total(&regular->traffic) >= brute->bytes;
        ok = ok && (regular->proof != PROOF_WHOLE || traffic_total(&regular->traffic) == brute->bytes);
    }
    return ok && whole->bound_bytes <= brute->bytes;
}

static void check_layer(const struct class *class, struct counts *counts) {
    struct nest nest;
    struct target target;
    struct found plain, regular, whole;
    struct brute_uneven brute;
    const struct brute_kind kind = {.depths = true, .snakes = true};
    random_nest(class, &nest);
    random_target(&nest, &target);
    search_plain(&nest, &target, &plain);
    search_best(&nest, &target, &regular);
    search_whole(&nest, &target, INT64_C(1) << 40, &whole);
    brute_uneven_search(&nest, &target, kind, &brute);
    counts->layers++;
    counts->mappings += brute.mappings;
    counts->infeasible += !brute.any;
    count_layer(&nest, &target, counts);
    if (!is_right(&nest, &target, &regular, &whole, &brute)) {
        print_layer(&nest, &target);
        if (plain.is_feasible) print_mapping("plain", &nest, &target, &plain.mapping);
        if (regular.is_feasible) print_mapping("best", &nest, &target, &regular.mapping);
        if (whole.is_feasible) print_mapping("whole", &nest, &target, &whole.mapping);
        if (brute.any) print_mapping("brute", &nest, &target, &brute.mapping);
        ck_abort_msg("%s: layer %lld of seed %llu", class->name, (long long)counts->layers, (unsigned long long)seed);
    }
    if (!brute.any) return;
    counts->plain_infeasible += !plain.is_feasible;
    counts->below_plain += plain.is_feasible && brute.bytes < traffic_total(&plain.traffic);
    counts->regular_above += !regular.is_feasible || traffic_total(&regular.traffic) > brute.bytes;
    counts->footprints += footprint_total(&whole.footprint) > brute.footprint_bytes;
}

static const struct class classes[] = {
    {"one or two dims to 6", 2, 6, 10}, {"one or two dims to 5", 2, 5, 100}, {"one or two dims to 4", 2, 4, 2000},
    {"three dims to 3", 3, 3, 1000},    {"four dims to 2", 4, 2, 2000},      {"four dims to 3", 4, 3, 10},
};

START_TEST(search_is_brute_force) {
    const struct class *class = &classes[_i];
    struct counts counts = {0};
    const char *layers = getenv("SUPERSLASH_LAYERS"), *only = getenv("SUPERSLASH_CLASS");
    const int64_t wanted = layers ? strtoll(layers, NULL, 10) : class->layers;
    if (only && atoi(only) != _i) return;
    state = seed + (uint64_t)_i * 2;
    while (counts.layers < wanted) check_layer(class, &counts);
    printf(
        "%s, seed %llu: %lld layers, %.3g mappings, %lld infeasible; below plain %lld, plain infeasible %lld, best regular above %lld, "
        "a smaller footprint elsewhere %lld; split %lld, double %lld, sliding %lld, groups %lld, batch %lld, bias %lld, merged pool %lld, "
        "pools %lld, transposed %lld\n",
        class->name, (unsigned long long)seed, (long long)counts.layers, counts.mappings, (long long)counts.infeasible,
        (long long)counts.below_plain, (long long)counts.plain_infeasible, (long long)counts.regular_above, (long long)counts.footprints,
        (long long)counts.split, (long long)counts.doubled, (long long)counts.slides, (long long)counts.grouped, (long long)counts.batched,
        (long long)counts.biased, (long long)counts.merged, (long long)counts.pools, (long long)counts.transposed);
    if (layers) return;
    ck_assert_int_ge(counts.below_plain * 20, counts.layers);
    ck_assert_int_le(counts.regular_above * 10, counts.layers);
}
END_TEST

int main(void) {
    const char *given = getenv("SUPERSLASH_SEED");
    if (given) seed = strtoull(given, NULL, 10) | 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("uneven");
    TCase *exact = tcase_create("exact");
    tcase_set_timeout(exact, 600);
    tcase_add_loop_test(exact, search_is_brute_force, 0, sizeof classes / sizeof *classes);
    suite_add_tcase(suite, exact);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
