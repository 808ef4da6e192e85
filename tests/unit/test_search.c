/* The search against brute force on the reference machine, its properties, and known totals of large layers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cost/search.h"
#include "oracle/brute.h"
#include "unit/random.h"

/* ---- random layers ---- */

static uint64_t seed = 20261124;

static void random_sizes(struct nest *nest, bool is_pool) {
    static const int64_t largest[DIM_COUNT] = {4, 4, 6, 6, 4, 7, 6};
    int64_t steps = 1, cut = 0;
    for (int tries = 0; tries < 9 && cut < 4; tries++) {
        const int d = (int)(one_in(3) ? from_to(0, DIM_COUNT - 1) : one_in(2) ? from_to(DIM_M, DIM_C) : from_to(DIM_OH, DIM_OW));
        if (nest->size[d] > 1 || (is_pool && (d == DIM_M || d == DIM_C))) continue;
        const int64_t size = from_to(2, largest[d]);
        if (steps * size > 300) continue;
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
    if (is_transposed) {
        const int64_t all = size + axis->pad - (axis->kernel - 1) * axis->dilation - 1 - from_to(0, 2);
        axis->plane = (all > 0 ? all : 0) / axis->stride + 1 + (one_in(4) ? from_to(0, 2) : 0);
        return;
    }
    const int64_t span = (size - 1) * axis->stride + (axis->kernel - 1) * axis->dilation + 1 - axis->pad;
    axis->plane = span + from_to(one_in(2) ? -axis->kernel : 0, 1);
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

static void random_nest(struct nest *nest) {
    const bool is_pool = one_in(12), is_transposed = !is_pool && one_in(4);
    nest_init(nest);
    random_sizes(nest, is_pool);
    for (int a = 0; a < NEST_AXES; a++) random_axis(nest, a, is_transposed);
    random_widths(nest, is_pool);
    if (is_pool) return;
    nest->has_bias = one_in(4);
    if (one_in(6)) random_pool(nest);
}

static void random_target(const struct nest *nest, struct target *target) {
    struct infeasible smallest;
    struct found found;
    *target = (struct target){.name = "random", .halo_reuse = !one_in(3)};
    search_plain(nest, target, &found); /* nothing fits into 0 bytes: the demand of the smallest tile */
    smallest = found.infeasible;
    for (int x = 0; x < OPERAND_COUNT; x++) target->double_buffer[x] = one_in(9);
    const struct mapping whole = {0};
    struct footprint all;
    mapping_footprint(nest, target, &whole, &all);
    const bool is_tight = one_in(2);
    const int64_t most = is_tight ? smallest.demand_bytes * 3 : footprint_total(&all) + 4;
    target->capacity_bytes =
        from_to(smallest.demand_bytes - (one_in(30) ? 2 : 0), most > smallest.demand_bytes ? most : smallest.demand_bytes);
    target->is_split = one_in(8);
    for (int x = 0; x < OPERAND_COUNT && target->is_split; x++) {
        const int64_t least = smallest.demand.bytes[x] * (target->double_buffer[x] ? 2 : 1);
        target->partition_bytes[x] = from_to(least, is_tight ? least * 3 : (all.bytes[x] > least ? all.bytes[x] : least));
    }
}

/* ---- against brute force ---- */

struct counts {
    int64_t layers, infeasible, executed, tiled, spilled, kept, clipped, split, doubled, parts, grouped, batched, biased, merged, pools,
        compulsory, partition, uneven, transposed;
};

static void count_layer(const struct nest *nest, const struct target *target, const struct found *found, struct counts *counts) {
    struct target refetch = *target;
    struct traffic without;
    int tiled = 0;
    bool clips = false, merged = false, transposed = false, parts = nest->partial_bits % 8 != 0;
    for (int d = 0; d < DIM_COUNT; d++) tiled += mapping_tile(nest, &found->mapping, (enum nest_dim)d) < nest->size[d];
    for (int a = 0; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        clips = clips || axis->pad > 0 || (nest->size[DIM_OD + a] - 1) * axis->stride + (axis->kernel - 1) * axis->dilation >= axis->plane;
        merged = merged || axis->pool > 1;
        transposed = transposed || (axis->transposed && (axis->kernel > 1 || axis->stride > 1));
    }
    for (int x = 0; x < OPERAND_COUNT; x++) parts = parts || nest->bits[x] % 8 != 0;
    refetch.halo_reuse = false;
    mapping_traffic(nest, &refetch, &found->mapping, &without);
    counts->tiled += tiled >= 2;
    counts->spilled += found->traffic.partial_sum_bytes > 0;
    counts->kept += found->traffic.input_bytes < without.input_bytes;
    counts->clipped += clips;
    counts->split += target->is_split;
    counts->doubled += target->double_buffer[0] || target->double_buffer[1] || target->double_buffer[2];
    counts->parts += parts;
    counts->grouped += nest->size[DIM_G] > 1;
    counts->batched += nest->size[DIM_N] > 1;
    counts->biased += nest->has_bias;
    counts->merged += merged;
    counts->transposed += transposed;
    counts->pools += nest->bits[OPERAND_W] == 0;
    counts->compulsory += traffic_total(&found->traffic) == found->compulsory_bytes;
    counts->partition += found->bound_bytes > found->compulsory_bytes;
}

static void print_layer(const struct nest *nest, const struct target *target) {
    for (int d = 0; d < DIM_COUNT; d++) fprintf(stderr, "%s %lld ", nest_dim_names[d], (long long)nest->size[d]);
    for (int a = 0; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        fprintf(stderr, "\n  plane %lld k %lld s %lld d %lld pad %lld pool %lld pooled %lld%s", (long long)axis->plane,
                (long long)axis->kernel, (long long)axis->stride, (long long)axis->dilation, (long long)axis->pad, (long long)axis->pool,
                (long long)axis->pooled, axis->transposed ? " transposed" : "");
    }
    fprintf(stderr, "\n  bits %u %u %u %u bias %d; halo %d, capacity %lld, split %d: %lld %lld %lld; double %d %d %d\n", nest->bits[0],
            nest->bits[1], nest->bits[2], nest->partial_bits, nest->has_bias, target->halo_reuse, (long long)target->capacity_bytes,
            target->is_split, (long long)target->partition_bytes[0], (long long)target->partition_bytes[1],
            (long long)target->partition_bytes[2], target->double_buffer[0], target->double_buffer[1], target->double_buffer[2]);
}

static void print_mapping(const char *what, const struct mapping *mapping, int64_t bytes) {
    fprintf(stderr, "  %s: %lld bytes:", what, (long long)bytes);
    for (uint32_t i = 0; i < mapping->loop_count; i++)
        fprintf(stderr, " %s/%lld", nest_dim_names[mapping->loops[i].dim], (long long)mapping->loops[i].step);
    fprintf(stderr, "\n");
}

static bool same_traffic(const struct traffic *a, const struct traffic *b) {
    return a->input_bytes == b->input_bytes && a->weight_bytes == b->weight_bytes && a->output_bytes == b->output_bytes &&
           a->partial_sum_bytes == b->partial_sum_bytes;
}

static bool same_mapping(const struct mapping *a, const struct mapping *b) {
    bool is_same = a->loop_count == b->loop_count;
    for (uint32_t i = 0; is_same && i < a->loop_count; i++)
        is_same = a->loops[i].dim == b->loops[i].dim && a->loops[i].step == b->loops[i].step;
    return is_same;
}

/* The reported mapping, executed, moves and holds what was reported, and that is the best there is. */
static bool is_right(const struct nest *nest, const struct target *target, const struct found *found, const struct brute *brute) {
    struct machine machine;
    struct machine_run run;
    if (found->is_feasible != brute->any) return false;
    if (!found->is_feasible) return found->infeasible.short_bytes > 0;
    machine_init(&machine, nest, target);
    const bool ran = machine_execute(&machine, &found->mapping, INT64_MAX, &run);
    machine_release(&machine);
    bool ok = ran && same_traffic(&run.traffic, &found->traffic) && footprint_fits(&run.footprint, target);
    for (int x = 0; x < OPERAND_COUNT; x++) ok = ok && run.footprint.bytes[x] == found->footprint.bytes[x];
    ok = ok && traffic_total(&found->traffic) == brute->bytes && same_mapping(&found->mapping, &brute->mapping);
    return ok && found->compulsory_bytes <= found->bound_bytes && found->bound_bytes <= brute->bytes;
}

/* An uneven mapping is taken where it moves less, fits, and the machine moves and holds what is reported. */
static bool is_uneven_right(const struct nest *nest, const struct target *target, const struct found *plain, struct counts *counts) {
    struct found found;
    struct machine machine;
    struct machine_run run;
    search_best(nest, target, &found);
    if (!found.is_feasible) return !plain->is_feasible;
    machine_init(&machine, nest, target);
    bool ok = machine_execute(&machine, &found.mapping, INT64_MAX, &run);
    machine_release(&machine);
    ok = ok && same_traffic(&run.traffic, &found.traffic) && footprint_fits(&run.footprint, target);
    for (int x = 0; x < OPERAND_COUNT; x++) ok = ok && run.footprint.bytes[x] == found.footprint.bytes[x];
    if (!ok) print_mapping("uneven", &found.mapping, traffic_total(&found.traffic));
    counts->uneven += !plain->is_feasible || traffic_total(&found.traffic) < traffic_total(&plain->traffic);
    ok = ok && (!plain->is_feasible || traffic_total(&found.traffic) <= traffic_total(&plain->traffic));
    return ok && found.bound_bytes <= traffic_total(&found.traffic);
}

/* The same again, and with more room never more bytes. */
static bool has_properties(const struct nest *nest, const struct target *target, const struct found *found) {
    struct target larger = *target;
    struct found again, more;
    search_plain(nest, target, &again);
    larger.capacity_bytes += from_to(1, 100);
    larger.partition_bytes[from_to(0, OPERAND_COUNT - 1)] += from_to(1, 50);
    search_plain(nest, &larger, &more);
    if (again.is_feasible != found->is_feasible) return false;
    if (!found->is_feasible) return again.infeasible.demand_bytes == found->infeasible.demand_bytes;
    return more.is_feasible && traffic_total(&more.traffic) <= traffic_total(&found->traffic) && more.bound_bytes <= found->bound_bytes &&
           same_mapping(&again.mapping, &found->mapping) && same_traffic(&again.traffic, &found->traffic);
}

static void check_layer(struct counts *counts) {
    struct nest nest;
    struct target target;
    struct found found;
    struct brute brute;
    random_nest(&nest);
    random_target(&nest, &target);
    struct diag diag = {0};
    ck_assert_int_eq(nest_check(&nest, "random", &diag), STATUS_OK);
    search_plain(&nest, &target, &found);
    brute_search(&nest, &target, &brute);
    counts->layers++;
    counts->executed += brute.executed;
    counts->infeasible += !found.is_feasible;
    if (!is_right(&nest, &target, &found, &brute) || !is_uneven_right(&nest, &target, &found, counts) ||
        !has_properties(&nest, &target, &found)) {
        print_layer(&nest, &target);
        print_mapping("search", &found.mapping, found.is_feasible ? traffic_total(&found.traffic) : -1);
        print_mapping("brute", &brute.mapping, brute.any ? brute.bytes : -1);
        fprintf(stderr, "  bound %lld %s\n", (long long)found.bound_bytes, found.bound_name);
        ck_abort_msg("layer %lld of seed %llu", (long long)counts->layers, (unsigned long long)seed);
    }
    if (found.is_feasible) count_layer(&nest, &target, &found, counts);
}

START_TEST(search_is_brute_force) {
    struct counts counts = {0};
    const char *layers = getenv("SUPERSLASH_LAYERS");
    const int64_t wanted = layers ? strtoll(layers, NULL, 10) : 6000;
    state = seed;
    while (counts.layers < wanted) check_layer(&counts);
    printf("seed %llu: %lld layers, %lld infeasible, %lld mappings executed; tiled in two dims %lld, spilled %lld, kept halo %lld, "
           "clipped %lld, split %lld, double %lld, parts of bytes %lld, groups %lld, batch %lld, bias %lld, merged pool %lld, pools %lld, "
           "at compulsory %lld, bound above compulsory %lld, uneven below plain %lld, transposed %lld\n",
           (unsigned long long)seed, (long long)counts.layers, (long long)counts.infeasible, (long long)counts.executed,
           (long long)counts.tiled, (long long)counts.spilled, (long long)counts.kept, (long long)counts.clipped, (long long)counts.split,
           (long long)counts.doubled, (long long)counts.parts, (long long)counts.grouped, (long long)counts.batched,
           (long long)counts.biased, (long long)counts.merged, (long long)counts.pools, (long long)counts.compulsory,
           (long long)counts.partition, (long long)counts.uneven, (long long)counts.transposed);
    if (layers) return;
    ck_assert_int_ge(counts.tiled * 3, counts.layers);
    ck_assert_int_ge(counts.spilled, 500);
    ck_assert_int_ge(counts.kept, 500);
    ck_assert_int_ge(counts.clipped, 500);
    ck_assert_int_ge(counts.split, 300);
    ck_assert_int_ge(counts.doubled, 300);
}
END_TEST

int main(void) {
    const char *given = getenv("SUPERSLASH_SEED");
    if (given) seed = strtoull(given, NULL, 10) | 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("search");
    TCase *exact = tcase_create("exact");
    tcase_set_timeout(exact, 600);
    tcase_add_test(exact, search_is_brute_force);
    suite_add_tcase(suite, exact);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
