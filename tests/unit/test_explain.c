/* What --explain draws, to the letter. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/table.h"

static char *shown;
static size_t shown_bytes;

/* conv: m64 c32 28x28 k3x3, m tiled twice, every operand at a depth of its own. */
static struct nest nest;
static const struct mapping uneven = {
    .loop_count = 4, .loops = {{DIM_M, 24, false}, {DIM_OH, 4, false}, {DIM_C, 1, false}, {DIM_M, 1, false}}, .depth = {3, 4, 2}};
static const struct target target = {.name = "any", .capacity_bytes = 65536, .halo_reuse = true, .double_buffer = {true, false, false}};
static const char *const epilogue[] = {"bn", "add"};

static struct record_layer layer_of(const struct mapping *mapping) {
    nest_init(&nest);
    nest.size[DIM_M] = 64;
    nest.size[DIM_C] = 32;
    for (int a = 1; a < NEST_AXES; a++) {
        nest.size[DIM_OD + a] = 28;
        nest.axis[a] = (struct nest_axis){.plane = 28, .kernel = 3, .stride = 1, .dilation = 1, .pad = 1, .pool = 1, .pooled = 28};
    }
    for (int x = 0; x < OPERAND_COUNT; x++) nest.bits[x] = 8;
    nest.partial_bits = 32;
    nest.has_bias = true;
    struct traffic traffic;
    struct footprint footprint;
    mapping_traffic(&nest, &target, mapping, &traffic);
    mapping_footprint(&nest, &target, mapping, &footprint);
    traffic.input_bytes += 50176;
    return (struct record_layer){.name = "conv",
                                 .op = "Conv",
                                 .nest = &nest,
                                 .macs = nest_macs(&nest),
                                 .reuse = mapping_reuse(&nest, &target, mapping),
                                 .mapping = mapping,
                                 .epilogue = epilogue,
                                 .epilogue_count = 2,
                                 .footprint_bytes = footprint_total(&footprint),
                                 .offchip_bytes = traffic_total(&traffic),
                                 .input_bytes = traffic.input_bytes,
                                 .weight_bytes = traffic.weight_bytes,
                                 .output_bytes = traffic.output_bytes,
                                 .partial_sum_bytes = traffic.partial_sum_bytes};
}

static void check_drawn(const struct record_layer *layer, unsigned columns, const char *expected) {
    const struct record record = {.target = &target, .layers = layer, .layer_count = 1};
    const struct table_style style = {open_memstream(&shown, &shown_bytes), columns, false};
    table_explain(&style, &record, layer);
    fclose(style.file);
    ck_assert_str_eq(shown, expected);
    free(shown);
}

START_TEST(operands_at_their_depths) {
    const struct record_layer layer = layer_of(&uneven);
    check_drawn(&layer, 0,
                "layer    conv (Conv), m64 c32 28x28 k3x3, 14,450,688 MACs, reuse of output\n"
                "then     bn, add\n"
                "from outer to inner      step  trips  holds             on chip B  moves                 off chip B\n"
                "───────────────────────────────────────────────────────────────────────────────────────────────────\n"
                "for m                24 of 64      3\n"
                "│ for oh              4 of 28      7\n"
                "│ │ [output]                          m24, 4x28            10,752  written 21 times          50,176\n"
                "│ │ for c             1 of 32     32\n"
                "│ │ │ [input]                         c1, 6x28, twice         336  fetched 672 times        107,520\n"
                "│ │ │ for m           1 of 24     24\n"
                "│ │ │ │ [weight]                      m1 c1, 3x3, bias         13  fetched 14,336 times     130,816\n"
                "│ │ │ │ compute                       m1 c1, 4x28\n"
                "second inputs                                                      read once                 50,176\n"
                "───────────────────────────────────────────────────────────────────────────────────────────────────\n"
                "total                                                      11,101                           338,688\n");
}
END_TEST

START_TEST(a_narrow_terminal) {
    const struct record_layer layer = layer_of(&uneven);
    check_drawn(&layer, 80,
                "layer    conv (Conv), m64 c32 28x28 k3x3, 14,450,688 MACs, reuse of output\n"
                "then     bn, add\n"
                "from outer to inner      step  trips  on chip B  moves                off chip B\n"
                "────────────────────────────────────────────────────────────────────────────────\n"
                "for m                24 of 64      3\n"
                "│ for oh              4 of 28      7\n"
                "│ │ [output]                             10,752  written 21 times         50,176\n"
                "│ │ for c             1 of 32     32\n"
                "│ │ │ [input]                               336  fetched 672 times       107,520\n"
                "│ │ │ for m           1 of 24     24\n"
                "│ │ │ │ [weight]                             13  fetched 1…336 times     130,816\n"
                "│ │ │ │ compute\n"
                "second inputs                                    read once                50,176\n"
                "────────────────────────────────────────────────────────────────────────────────\n"
                "total                                    11,101                          338,688\n"
                "no room for: holds\n");
}
END_TEST

START_TEST(sums_that_come_back) {
    static const struct mapping spilling = {.loop_count = 2, .loops = {{DIM_C, 16, false}, {DIM_OH, 7, false}}, .depth = {2, 2, 2}};
    const struct record_layer layer = layer_of(&spilling);
    check_drawn(&layer, 0,
                "layer    conv (Conv), m64 c32 28x28 k3x3, 14,450,688 MACs, reuse of input+weight\n"
                "then     bn, add\n"
                "from outer to inner      step  trips  holds               on chip B  moves                         off chip B\n"
                "─────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                "for c                16 of 32      2\n"
                "│ [weight]                            m64 c16, 3x3, bias      9,472  fetched 2 times                   18,688\n"
                "│ for oh              7 of 28      4\n"
                "│ │ [input]                           c16, 9x28, twice        8,064  fetched 8 times                   25,088\n"
                "│ │ [output]                          m64, 7x28              50,176  written 8, read back 4 times     451,584\n"
                "│ │ compute                           m64 c16, 7x28\n"
                "second inputs                                                        read once                         50,176\n"
                "─────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                "total                                                        67,712                                   545,536\n");
}
END_TEST

/* The rows at a turn stay: 13 windows for 2 x 7 steps. */
START_TEST(a_snake) {
    static const struct mapping snaking = {.loop_count = 2, .loops = {{DIM_M, 32, false}, {DIM_OH, 4, true}}, .depth = {2, 2, 2}};
    const struct record_layer layer = layer_of(&snaking);
    check_drawn(&layer, 0,
                "layer    conv (Conv), m64 c32 28x28 k3x3, 14,450,688 MACs, reuse of weight+output\n"
                "then     bn, add\n"
                "from outer to inner       step  trips  holds               on chip B  moves             off chip B\n"
                "──────────────────────────────────────────────────────────────────────────────────────────────────\n"
                "for m                 32 of 64      2\n"
                "│ [weight]                             m32 c32, 3x3, bias      9,344  fetched 2 times       18,688\n"
                "│ for oh, to and fro   4 of 28      7\n"
                "│ │ [input]                            c32, 6x28, twice       10,752  fetched 13 times      45,696\n"
                "│ │ [output]                           m32, 4x28              14,336  written 14 times      50,176\n"
                "│ │ compute                            m32 c32, 4x28\n"
                "second inputs                                                         read once             50,176\n"
                "──────────────────────────────────────────────────────────────────────────────────────────────────\n"
                "total                                                         34,432                       164,736\n");
}
END_TEST

START_TEST(without_loops) {
    const struct record_layer add = {.name = "add", .op = "Add", .input_bytes = 2048, .weight_bytes = 64, .output_bytes = 1024};
    check_drawn(&add, 0,
                "layer    add (Add)\n"
                "moves    no tile loops: 2,048 B in, 64 B of parameters, 1,024 B out, each once\n");
}
END_TEST

START_TEST(without_room) {
    static const struct infeasible why = {
        .demand = {{3780, 4608, 1024}}, .demand_bytes = 9412, .capacity_bytes = 8192, .short_bytes = 1220};
    const struct record_layer layer = {.name = "conv5", .op = "Conv", .infeasible = &why};
    check_drawn(&layer, 0,
                "layer    conv5 (Conv)\n"
                "conv5: smallest legal tile needs 9,412 B (input 3,780 + weight 4,608 + output 1,024), on chip 8,192 B, 1,220 B short\n");
}
END_TEST

START_TEST(names) {
    const struct record_layer layer = layer_of(&uneven);
    const struct record record = {.target = &target, .layers = &layer, .layer_count = 1};
    struct diag diag = {0};
    ck_assert_ptr_eq(table_explain_find(&record, "conv", &diag), &layer);
    ck_assert_ptr_eq(table_explain_find(&record, "add", &diag), &layer);
    ck_assert_ptr_null(table_explain_find(&record, "conf", &diag));
    ck_assert_int_eq(diag.code, STATUS_USAGE);
    ck_assert_str_eq(diag.message, "--explain: 'conf' is none of the 1 layers, nor a node of an epilogue, did you mean 'conv'?");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("explain");
    TCase *tests = tcase_create("explain");
    tcase_add_test(tests, operands_at_their_depths);
    tcase_add_test(tests, a_narrow_terminal);
    tcase_add_test(tests, sums_that_come_back);
    tcase_add_test(tests, a_snake);
    tcase_add_test(tests, without_loops);
    tcase_add_test(tests, without_room);
    tcase_add_test(tests, names);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
