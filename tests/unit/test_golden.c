/* The search on large layers: known totals, what other tools found, extremes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle/reported.h"
#include "unit/golden_layers.h"

static int64_t network_bytes(const char *network, int64_t on_chip_bytes) {
    const struct target target = {.name = "plain", .capacity_bytes = on_chip_bytes, .halo_reuse = true};
    FILE *file = open_table("golden/networks.csv");
    int64_t bytes = 0;
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);) {
        struct nest nest;
        struct found found;
        if (!read_layer(line, network, &nest)) continue;
        search_plain(&nest, &target, &found);
        ck_assert(found.is_feasible);
        ck_assert_int_le(found.bound_bytes, traffic_total(&found.traffic));
        ck_assert_int_le(footprint_total(&found.footprint), on_chip_bytes);
        ck_assert(machine_confirms(&nest, &target, &found));
        bytes += traffic_total(&found.traffic);
    }
    fclose(file);
    return bytes;
}

START_TEST(networks_move_what_is_known) {
    FILE *file = open_table("golden/totals.csv");
    int rows = 0;
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);) {
        char network[32];
        long long on_chip_bytes, bytes;
        if (sscanf(line, "%31[^,],%lld,%lld", network, &on_chip_bytes, &bytes) != 3) continue;
        ck_assert_int_eq(network_bytes(network, on_chip_bytes), bytes);
        rows++;
    }
    fclose(file);
    ck_assert_int_eq(rows, 8);
}
END_TEST

/* Four of ZigZag's rows are uneven mappings, which move less than any plain one: the first two layers of VGG16, refetch. */
START_TEST(no_tool_finds_less) {
    FILE *file = open_table("golden/peers.csv");
    int rows = 0, below = 0, above = 0, better = 0;
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);) {
        char name[64], halo[16], tool[32];
        long long g, m, c, oh, ow, kh, kw, stride, pad, on_chip, bits, bytes;
        if (sscanf(line, "%63[^,],%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%15[^,],%31[^,],%lld", name, &g, &m, &c, &oh, &ow,
                   &kh, &kw, &stride, &pad, &on_chip, &bits, halo, tool, &bytes) != 15)
            continue;
        struct nest nest;
        struct found found;
        const struct target target = {.name = "plain", .capacity_bytes = on_chip, .halo_reuse = strcmp(halo, "reuse") == 0};
        nest_init(&nest);
        nest.size[DIM_G] = g;
        nest.size[DIM_M] = m;
        nest.size[DIM_C] = c;
        set_plane(&nest, 1, oh, (oh - 1) * stride + kh - 2 * pad, kh, stride, pad);
        set_plane(&nest, 2, ow, (ow - 1) * stride + kw - 2 * pad, kw, stride, pad);
        set_widths(&nest, (uint32_t)bits, (uint32_t)bits);
        search_plain(&nest, &target, &found);
        const int64_t ours = traffic_total(&found.traffic);
        ck_assert(found.is_feasible);
        above += ours > bytes;
        if (ours > bytes) ck_assert_msg(strncmp(name, "vgg16.conv1_", 12) == 0 && !target.halo_reuse, "%s: %lld", name, (long long)ours);
        ck_assert_int_ge(ours, found.bound_bytes);
        search_best(&nest, &target, &found);
        ck_assert(footprint_fits(&found.footprint, &target));
        ck_assert_msg(traffic_total(&found.traffic) <= bytes, "%s: %lld", name, (long long)traffic_total(&found.traffic));
        better += traffic_total(&found.traffic) < ours;
        rows++;
        below += ours < bytes;
    }
    fclose(file);
    printf("peers: %d rows, below %d, above %d; uneven below plain %d, above no row\n", rows, below, above, better);
    ck_assert_int_eq(above, 4);
    ck_assert_int_eq(rows, 134);
}
END_TEST

/* conv1_1, 16 bit, 64 KiB: with all weights on chip and outputs one channel at a time, I comes in 8 parts and W once. */
START_TEST(what_uneven_mappings_save) {
    struct nest nest;
    struct found found;
    struct machine machine;
    struct machine_run run;
    const struct target target = {.name = "plain", .capacity_bytes = 65536};
    const struct mapping uneven = {2, {{DIM_OH, 28, false}, {DIM_M, 1, false}}, {2, 0, 2}};
    nest_init(&nest);
    nest.size[DIM_M] = 64;
    nest.size[DIM_C] = 3;
    set_plane(&nest, 1, 224, 224, 3, 1, 1);
    set_plane(&nest, 2, 224, 224, 3, 1, 1);
    set_widths(&nest, 16, 16);
    search_plain(&nest, &target, &found);
    machine_init(&machine, &nest, &target);
    ck_assert(machine_execute(&machine, &uneven, INT64_MAX, &run));
    machine_release(&machine);
    ck_assert(footprint_fits(&run.footprint, &target));
    ck_assert_int_eq(traffic_total(&run.traffic), 6745856);
    ck_assert_int_eq(traffic_total(&found.traffic), 6762056);
    search_best(&nest, &target, &found);
    ck_assert_int_le(traffic_total(&found.traffic), 6737864); /* all orders and depths with one tile a dim: separately enumerated */
    ck_assert(machine_confirms(&nest, &target, &found));
}
END_TEST

/* Cost-model.md 5: tiles that are not the smallest of their trips win where pads clip the last window. */
START_TEST(larger_tiles_win_at_pads) {
    struct nest nest;
    struct found found;
    const struct target target = {.name = "plain", .capacity_bytes = 150};
    nest_init(&nest);
    nest.size[DIM_M] = nest.size[DIM_C] = 4;
    set_plane(&nest, 1, 8, 8, 5, 1, 2);
    set_plane(&nest, 2, 8, 8, 5, 1, 2);
    set_widths(&nest, 8, 8);
    search_plain(&nest, &target, &found);
    ck_assert_int_eq(traffic_total(&found.traffic), 2464);
    ck_assert(machine_confirms(&nest, &target, &found));
}
END_TEST

/* Where a dim is cut again and again, sizes that are not the smallest of their trips can win: 8 in 5, 4, 3 is 3 1 1 3, of which single
 * channels stay whole. With the smallest alone nothing moves less than 32 bytes. */
START_TEST(unequal_pieces_win) {
    struct nest nest;
    struct found found;
    const struct target target = {.name = "plain", .capacity_bytes = 8};
    nest_init(&nest);
    nest.size[DIM_C] = 8;
    set_plane(&nest, 1, 2, 2, 1, 1, 0);
    set_widths(&nest, 8, 32);
    search_whole(&nest, &target, INT64_C(1) << 30, &found);
    ck_assert(found.proof == PROOF_WHOLE);
    ck_assert_int_eq(traffic_total(&found.traffic), 31);
    ck_assert(machine_confirms(&nest, &target, &found));
}
END_TEST

/* ---- properties ---- */

START_TEST(more_memory_never_moves_more) {
    FILE *file = open_table("golden/networks.csv");
    static const char *const networks[] = {"resnet50", "mobilenetv2"};
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);)
        for (int i = 0; i < 2; i++) {
            struct nest nest;
            if (!read_layer(line, networks[i], &nest)) continue;
            int64_t before = INT64_MAX;
            for (int64_t on_chip = 1024; on_chip <= INT64_C(1) << 24; on_chip = on_chip * 5 / 4) {
                const struct target target = {.name = "plain", .capacity_bytes = on_chip, .halo_reuse = true};
                struct found found;
                search_plain(&nest, &target, &found);
                if (!found.is_feasible) continue;
                const int64_t bytes = traffic_total(&found.traffic);
                ck_assert_int_le(bytes, before);
                ck_assert_int_ge(bytes, found.bound_bytes);
                ck_assert(footprint_fits(&found.footprint, &target));
                before = bytes;
            }
            ck_assert_int_eq(before, nest_compulsory_bytes(&nest));
        }
    fclose(file);
}
END_TEST

START_TEST(infeasible_says_what_would_do) {
    struct nest nest;
    struct found found;
    struct target target = {.name = "plain", .capacity_bytes = 21, .halo_reuse = true, .double_buffer = {false, true, false}};
    nest_init(&nest);
    nest.size[DIM_M] = nest.size[DIM_C] = 16;
    set_plane(&nest, 1, 8, 8, 3, 1, 1);
    set_plane(&nest, 2, 8, 8, 3, 1, 1);
    set_widths(&nest, 8, 32);
    nest.has_bias = true;
    search_plain(&nest, &target, &found);
    ck_assert(!found.is_feasible);
    ck_assert_int_eq(found.infeasible.demand.bytes[OPERAND_I], 9);
    ck_assert_int_eq(found.infeasible.demand.bytes[OPERAND_W], 2 * (9 + 4));
    ck_assert_int_eq(found.infeasible.demand.bytes[OPERAND_O], 4);
    ck_assert_int_eq(found.infeasible.demand_bytes, 39);
    ck_assert_int_eq(found.infeasible.short_bytes, 18);
    target.capacity_bytes = found.infeasible.smallest_capacity_bytes;
    search_plain(&nest, &target, &found);
    ck_assert(found.is_feasible);
    target.is_split = true;
    target.partition_bytes[OPERAND_I] = 9;
    target.partition_bytes[OPERAND_W] = 25;
    target.partition_bytes[OPERAND_O] = 3;
    search_plain(&nest, &target, &found);
    ck_assert_int_eq(found.infeasible.short_operand, OPERAND_W);
    ck_assert_int_eq(found.infeasible.short_bytes, 1);
    ck_assert_int_eq(found.infeasible.smallest_capacity_bytes, 26);
}
END_TEST

/* ---- extremes ---- */

typedef void (*search_function)(const struct nest *nest, const struct target *target, struct found *found);

static void check_extreme_with(const struct nest *nest, search_function search) {
    int64_t before = INT64_MAX;
    for (int64_t on_chip = 4096; on_chip <= INT64_C(1) << 40; on_chip *= 256) {
        const struct target target = {.name = "plain", .capacity_bytes = on_chip, .halo_reuse = true};
        struct found found;
        search(nest, &target, &found);
        ck_assert(found.is_feasible);
        ck_assert_int_ge(traffic_total(&found.traffic), found.bound_bytes);
        ck_assert_int_ge(found.bound_bytes, nest_compulsory_bytes(nest));
        ck_assert_int_le(traffic_total(&found.traffic), before);
        ck_assert(footprint_fits(&found.footprint, &target));
        before = traffic_total(&found.traffic);
    }
}

static void check_extreme(const struct nest *nest) {
    struct diag diag = {0};
    ck_assert_int_eq(nest_check(nest, "large", &diag), STATUS_OK);
    check_extreme_with(nest, search_plain);
    check_extreme_with(nest, search_best);
}

START_TEST(extreme_channels_are_counted) {
    struct nest nest;
    nest_init(&nest);
    set_widths(&nest, 8, 32);
    check_extreme(&nest); /* every dim 1 */
    nest.size[DIM_M] = nest.size[DIM_C] = 65536;
    check_extreme(&nest); /* 1x1 of 65,536 channels */
    set_plane(&nest, 1, 4096, 4096, 1, 1, 0);
    check_extreme(&nest);
    nest.size[DIM_M] = nest.size[DIM_C] = 1;
    nest.size[DIM_G] = 65536;
    set_plane(&nest, 1, 112, 112, 3, 1, 1);
    set_plane(&nest, 2, 112, 112, 3, 1, 1);
    check_extreme(&nest); /* depthwise */
}
END_TEST

START_TEST(extreme_planes_are_counted) {
    struct nest nest;
    nest_init(&nest);
    set_widths(&nest, 8, 32);
    nest.size[DIM_M] = nest.size[DIM_C] = 3;
    set_plane(&nest, 1, 8192, 8192, 3, 1, 1);
    set_plane(&nest, 2, 8192, 8192, 3, 1, 1);
    check_extreme(&nest);
    nest.size[DIM_M] = 1;
    nest.size[DIM_C] = 16;
    check_extreme(&nest);
    nest.size[DIM_C] = 1;
    set_plane(&nest, 1, INT64_C(1) << 22, INT64_C(1) << 22, 1, 1, 0);
    set_plane(&nest, 2, 1, 1, 1, 1, 0);
    check_extreme(&nest); /* more sizes than one block holds */
    nest.size[DIM_M] = nest.size[DIM_C] = 8;
    set_plane(&nest, 1, 15, 5, 11, 1, 10);
    set_plane(&nest, 2, 1, 4, 9, 3, 3);
    check_extreme(&nest); /* kernels larger than the input */
}
END_TEST

/* As large as is counted: what is searched adds up to less than 2^63 by what nest_check lets pass. */
START_TEST(the_largest_layers_are_counted) {
    static const enum nest_dim grown[][2] = {{DIM_M, DIM_C}, {DIM_N, DIM_C}, {DIM_OH, DIM_M}, {DIM_OW, DIM_C}, {DIM_G, DIM_N}};
    for (size_t i = 0; i < sizeof grown / sizeof *grown; i++) {
        struct nest nest, next;
        struct diag diag = {0};
        nest_init(&next);
        set_widths(&next, 8, 32);
        set_plane(&next, 1, 7, 7, 3, 1, 1);
        set_plane(&next, 2, 7, 7, 3, 1, 1);
        next.size[DIM_M] = next.size[DIM_C] = 5;
        for (int64_t size = 8; nest_check(&next, "large", &diag) == STATUS_OK; size *= 2) {
            nest = next;
            for (int k = 0; k < 2; k++) {
                const enum nest_dim dim = grown[i][k];
                if (dim < DIM_OD) next.size[dim] = size;
                else if (size <= 65536) set_plane(&next, (int)dim - DIM_OD, size, size, 3, 1, 1);
            }
        }
        check_extreme(&nest);
    }
}
END_TEST

START_TEST(beyond_63_bits_is_a_limit) {
    struct nest nest;
    struct diag diag = {0};
    nest_init(&nest);
    set_widths(&nest, 8, 32);
    nest.size[DIM_M] = nest.size[DIM_C] = 65536;
    set_plane(&nest, 1, 65536, 65536, 1, 1, 0);
    set_plane(&nest, 2, 65536, 65536, 1, 1, 0);
    ck_assert_int_eq(nest_check(&nest, "conv", &diag), STATUS_LIMIT);
    ck_assert(strstr(diag.message, "conv: n 1, g 1, m 65536, c 65536, oh 65536, ow 65536") == diag.message);
    diag = (struct diag){0};
    nest_init(&nest);
    set_widths(&nest, 8, 32);
    nest.axis[1].stride = INT64_MAX / 2;
    nest.size[DIM_OH] = 5;
    ck_assert_int_eq(nest_check(&nest, "conv", &diag), STATUS_LIMIT);
    diag = (struct diag){0};
    nest_init(&nest);
    set_widths(&nest, 8, 32);
    nest.size[DIM_N] = INT64_MAX;
    ck_assert_int_eq(nest_check(&nest, "conv", &diag), STATUS_LIMIT);
}
END_TEST

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("golden");
    TCase *tests = tcase_create("golden");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, networks_move_what_is_known);
    tcase_add_test(tests, no_tool_finds_less);
    tcase_add_test(tests, what_uneven_mappings_save);
    tcase_add_test(tests, larger_tiles_win_at_pads);
    tcase_add_test(tests, unequal_pieces_win);
    tcase_add_test(tests, more_memory_never_moves_more);
    tcase_add_test(tests, infeasible_says_what_would_do);
    tcase_add_test(tests, extreme_channels_are_counted);
    tcase_add_test(tests, extreme_planes_are_counted);
    tcase_add_test(tests, the_largest_layers_are_counted);
    tcase_add_test(tests, beyond_63_bits_is_a_limit);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
