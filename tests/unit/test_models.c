/* The two published cost models: published numbers, brute force over all integer tiles, extremes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "cost/model_superslash.h"
#include "cost/table.h"
#include "oracle/published.h"
#include "unit/scratch.h"

enum { LINE_BYTES = 256 };

static void read_table(const char *name, struct layer_table *table) {
    struct os_file file;
    struct target target;
    ck_assert_int_eq(target_load(arena, "plain", &target, &diag), STATUS_OK);
    ck_assert_msg(os_map_file(arena, arena_print(arena, "golden/tables/%s.csv", name), &file, &diag) == STATUS_OK, "%s", diag.message);
    ck_assert_msg(layer_table_read(arena, name, (const char *)file.bytes, file.size, &target, table, &diag) == STATUS_OK, "%s",
                  diag.message);
}

static FILE *open_golden(const char *path) {
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    return file;
}

/* ---- published numbers ---- */

/* iro, oro, wro, rule, min */
static void superslash_sums(const struct layer_table *table, int64_t on_chip_bytes, double sums[5]) {
    for (int i = 0; i < 5; i++) sums[i] = 0;
    for (uint32_t row = 0; row < table->row_count; row++) {
        struct published found;
        model_superslash(&table->rows[row].nest, on_chip_bytes, &found);
        ck_assert(found.is_feasible);
        for (int i = 0; i < STRATEGY_COUNT; i++) sums[i] += published_total(&found.ways[i]);
        sums[3] += published_total(&found.ways[found.rule]);
        sums[4] += published_total(&found.ways[found.best]);
    }
}

START_TEST(superslash_to_the_byte) {
    FILE *file = open_golden("golden/superslash.csv");
    int rows = 0;
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);) {
        char name[64];
        long long on_chip_bytes;
        double expected[5], sums[5];
        struct layer_table table;
        if (sscanf(line, "%63[^,],%lld,%lf,%lf,%lf,%lf,%lf", name, &on_chip_bytes, &expected[0], &expected[1], &expected[2], &expected[3],
                   &expected[4]) != 7)
            continue;
        read_table(name, &table);
        superslash_sums(&table, on_chip_bytes, sums);
        for (int i = 0; i < 5; i++)
            ck_assert_msg(sums[i] >= expected[i] && sums[i] <= expected[i], "%s, %lld B, %d: %.17g", name, on_chip_bytes, i, sums[i]);
        rows++;
    }
    fclose(file);
    ck_assert_int_eq(rows, 60);
}
END_TEST

static const struct layer_row *row_of(const struct layer_table *table, const char *name) {
    for (uint32_t row = 0; row < table->row_count; row++)
        if (strcmp(table->rows[row].name, name) == 0) return &table->rows[row];
    ck_abort_msg("%s", name);
    return NULL;
}

START_TEST(smartshuttle_as_published) {
    FILE *file = open_golden("golden/smartshuttle-vgg16.csv");
    struct layer_table table;
    int rows = 0;
    read_table("vgg16-smartshuttle", &table);
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);) {
        char name[64];
        long long mem_kib;
        double by_others, optimum;
        struct published found, wide;
        if (sscanf(line, "%63[^,],%lld,%lf,%lf", name, &mem_kib, &by_others, &optimum) != 4) continue;
        const struct layer_row *row = row_of(&table, name);
        const struct compression factors = {row->input_factor, row->output_factor, row->weight_factor};
        model_smartshuttle(&row->nest, &factors, mem_kib * 1024, 8, &found);
        const double mi_elems = published_total(&found.ways[found.best]) / 1048576;
        ck_assert_double_eq_tol(mi_elems, optimum, 0.0001);
        ck_assert_double_le(mi_elems, by_others + 0.005);
        ck_assert(found.rule == STRATEGY_COUNT);
        model_smartshuttle(&row->nest, &factors, mem_kib * 2048, 16, &wide);
        ck_assert_double_eq_tol(published_total(&wide.ways[wide.best]) / 2097152, mi_elems, 1e-9);
        rows++;
    }
    fclose(file);
    ck_assert_int_eq(rows, 39);
}
END_TEST

/* Cost-model.md 11: VGG16's conv3_2 at 32 KiB from 173 to 172 filters. */
START_TEST(volume_is_a_staircase) {
    struct layer_table table;
    double bytes[2];
    read_table("vgg16-imagenet", &table);
    struct nest nest = row_of(&table, "L6")->nest;
    for (int i = 0; i < 2; i++) {
        struct published found;
        nest.size[DIM_M] = 173 - i;
        model_superslash(&nest, 32768, &found);
        bytes[i] = published_total(&found.ways[found.best]);
    }
    ck_assert_double_eq(bytes[0] - bytes[1], 833664);
}
END_TEST

/* ---- brute force ---- */

static uint64_t random_state;
static int64_t random_to(int64_t most) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (int64_t)((random_state >> 33) % (uint64_t)most);
}

static void random_layer(struct nest *nest) {
    nest_init(nest);
    nest->size[DIM_N] = random_to(3);
    nest->size[DIM_G] = random_to(4) == 1 ? 3 : 1;
    nest->size[DIM_M] = random_to(9);
    nest->size[DIM_C] = random_to(9);
    for (int axis = 1; axis < NEST_AXES; axis++) {
        struct nest_axis *a = &nest->axis[axis];
        nest->size[DIM_OD + axis] = random_to(9);
        a->kernel = random_to(4);
        a->stride = random_to(3);
        a->dilation = random_to(2);
        a->pool = random_to(nest->size[DIM_OD + axis] < 3 ? 1 : 3);
    }
}

/* Equal up to the order of sums. */
static void check_bytes(double bytes, double expected) { ck_assert_double_eq_tol(bytes, expected, 1e-12 * expected + 1e-12); }

static void check_layer(const struct nest *nest, const struct compression *factors, int64_t on_chip_bytes, uint32_t bits, int *feasible) {
    struct published found;
    if (factors) model_smartshuttle(nest, factors, on_chip_bytes, bits, &found);
    else model_superslash(nest, on_chip_bytes, &found);
    const double times = (double)(factors ? nest->size[DIM_G] : nest->size[DIM_G] * nest->size[DIM_N]);
    for (int at = 0; at < STRATEGY_COUNT; at++) {
        const enum published_strategy strategy = (enum published_strategy)at;
        const double least = oracle_published(nest, factors, on_chip_bytes, bits, strategy);
        ck_assert_int_eq(found.is_feasible, least >= 0);
        if (least < 0) continue;
        const struct published_way *way = &found.ways[at];
        check_bytes(published_total(way), least * times);
        check_bytes(factors ? oracle_smartshuttle(nest, factors, on_chip_bytes, bits, strategy, way->tile)
                            : oracle_superslash(nest, on_chip_bytes, strategy, way->tile),
                    least);
        ck_assert_double_le(way->footprint_bytes, (double)on_chip_bytes);
        ck_assert_double_ge(published_total(way), found.compulsory_bytes * (1 - 1e-12));
        ck_assert_double_ge(published_total(way), published_total(&found.ways[found.best]));
    }
    *feasible += found.is_feasible;
    if (found.is_feasible) return;
    ck_assert_int_eq(found.infeasible.short_bytes, found.infeasible.demand_bytes - on_chip_bytes);
    ck_assert_int_eq(footprint_total(&found.infeasible.demand), found.infeasible.demand_bytes);
    const int64_t enough = found.infeasible.smallest_capacity_bytes;
    ck_assert_double_ge(oracle_published(nest, factors, enough, bits, STRATEGY_ORO), 0);
    ck_assert_double_lt(oracle_published(nest, factors, enough - 1, bits, STRATEGY_ORO), 0);
}

enum { LAYERS = 10000 };

START_TEST(brute_force_finds_no_less) {
    static const uint32_t widths[] = {4, 8, 16, 3};
    int feasible[2] = {0, 0};
    random_state = 20260101;
    for (int i = 0; i < LAYERS; i++) {
        struct nest nest;
        random_layer(&nest);
        const int64_t on_chip_bytes = random_to(random_to(3) == 1 ? 4000 : 500);
        const struct compression factors = {(double)random_to(10) / 10, (double)random_to(10) / 10, (double)random_to(10) / 10};
        check_layer(&nest, NULL, on_chip_bytes, 16, &feasible[0]);
        check_layer(&nest, &factors, on_chip_bytes, widths[i % 4], &feasible[1]);
    }
    printf("brute force: %d layers, feasible by superslash %d, by smartshuttle %d\n", LAYERS, feasible[0], feasible[1]);
    ck_assert_int_gt(feasible[0], LAYERS / 2);
    ck_assert_int_lt(feasible[0], LAYERS);
    ck_assert_int_gt(feasible[1], LAYERS / 2);
    ck_assert_int_lt(feasible[1], LAYERS);
}
END_TEST

/* ---- the rest ---- */

/* Of equal bytes the smaller footprint: rows that nothing is gained from are not held. */
START_TEST(ties_take_less_room) {
    struct nest nest;
    struct published found;
    nest_init(&nest);
    nest.size[DIM_M] = nest.size[DIM_C] = 10;
    nest.size[DIM_OH] = nest.size[DIM_OW] = 4;
    model_superslash(&nest, 1000000, &found);
    ck_assert_int_eq(found.ways[STRATEGY_IRO].tile.m, 1);
    ck_assert_int_eq(found.ways[STRATEGY_ORO].tile.c, 1);
    ck_assert_int_eq(found.ways[STRATEGY_WRO].tile.oh * found.ways[STRATEGY_WRO].tile.ow, 1);
    ck_assert(found.best == STRATEGY_IRO);
    ck_assert_double_eq(published_total(&found.ways[found.best]), found.compulsory_bytes);
    ck_assert_double_eq(found.ways[STRATEGY_WRO].footprint_bytes, 2 * (10 + 10 + 100));
}
END_TEST

START_TEST(the_rule_of_superslash) {
    static const struct {
        int64_t m, c, oh, kernel;
        enum published_strategy rule;
    } cases[] = {
        {64, 32, 24, 3, STRATEGY_WRO}, /* r_w 576 = r_in 576: ties to WRO */
        {64, 32, 23, 3, STRATEGY_IRO}, {32, 64, 23, 3, STRATEGY_ORO}, {64, 64, 23, 3, STRATEGY_ORO}, {1, 1, 1, 1, STRATEGY_WRO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nest nest;
        struct published found;
        nest_init(&nest);
        nest.size[DIM_M] = cases[i].m;
        nest.size[DIM_C] = cases[i].c;
        nest.size[DIM_OH] = nest.size[DIM_OW] = cases[i].oh;
        nest.axis[1].kernel = nest.axis[2].kernel = cases[i].kernel;
        model_superslash(&nest, 65536, &found);
        ck_assert_msg(found.rule == cases[i].rule, "case %zu", i);
    }
}
END_TEST

START_TEST(three_dims_are_refused) {
    struct nest nest;
    nest_init(&nest);
    ck_assert_int_eq(published_check(&nest, "conv", &diag), STATUS_OK);
    nest.size[DIM_OD] = 4;
    ck_assert_int_eq(published_check(&nest, "conv", &diag), STATUS_UNSUPPORTED);
    ck_assert(strstr(diag.message, "conv: has three spatial dims") == diag.message);
}
END_TEST

static void check_extreme(int64_t m, int64_t c, int64_t oh, int64_t ow, int64_t kernel, int64_t stride) {
    static const struct compression none = {1, 1, 1};
    struct nest nest;
    double before[2] = {1e300, 1e300};
    nest_init(&nest);
    nest.size[DIM_M] = m;
    nest.size[DIM_C] = c;
    nest.size[DIM_OH] = oh;
    nest.size[DIM_OW] = ow;
    for (int axis = 1; axis < NEST_AXES; axis++) nest.axis[axis].kernel = kernel, nest.axis[axis].stride = stride;
    for (int bits = 12; bits <= 60; bits += 12) {
        const int64_t on_chip_bytes = INT64_C(1) << bits;
        for (int model = 0; model < 2; model++) {
            struct published found;
            if (model) model_smartshuttle(&nest, &none, on_chip_bytes, 8, &found);
            else model_superslash(&nest, on_chip_bytes, &found);
            const double bytes = published_total(&found.ways[found.best]);
            ck_assert(found.is_feasible);
            ck_assert_double_ge(bytes, found.compulsory_bytes * (1 - 1e-12));
            ck_assert_double_le(bytes, before[model]);
            before[model] = bytes;
        }
    }
}

START_TEST(extreme_layers_end_soon) {
    check_extreme(65536, 65536, 1, 1, 1, 1);
    check_extreme(65536, 65536, 4096, 1, 1, 1);
    check_extreme(4096, 4096, INT64_C(1) << 22, 1, 1, 1);
    check_extreme(3, 64, 8192, 8192, 3, 1);
    check_extreme(512, 512, 512, 512, 3, 1);
    check_extreme(1024, 1024, 512, 512, 1, 2);
    check_extreme(1, 1, INT64_C(1) << 30, 1, 3, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("published models");
    TCase *tests = tcase_create("published models");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, superslash_to_the_byte);
    tcase_add_test(tests, smartshuttle_as_published);
    tcase_add_test(tests, volume_is_a_staircase);
    tcase_add_test(tests, brute_force_finds_no_less);
    tcase_add_test(tests, ties_take_less_room);
    tcase_add_test(tests, the_rule_of_superslash);
    tcase_add_test(tests, three_dims_are_refused);
    tcase_add_test(tests, extreme_layers_end_soon);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
