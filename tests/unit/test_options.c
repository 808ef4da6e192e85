/* Options: every row of options.def, their values, refusals, and the target they make. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "passes/options.h"

static struct heap heap;
static struct arena *arena;
static struct diag diag;
static struct options options;

static void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    diag = (struct diag){0};
    options_init(arena, &options);
}

static void tear_down(void) {
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
}

/* ---- one value each ---- */

static const struct {
    const char *name, *value;
    status result;
    const char *says;
} values[] = {
    {"o", "out.onnx", STATUS_OK, NULL},
    {"o", "", STATUS_USAGE, "-o: '' is not allowed: expected FILE"},
    {"o", NULL, STATUS_USAGE, "-o needs a value: FILE"},
    {"json", "-", STATUS_OK, NULL},
    {"plan-out", "plan.json", STATUS_OK, NULL},
    {"csv", "curve.csv", STATUS_OK, NULL},
    {"svg", "-", STATUS_OK, NULL},
    {"svg", "", STATUS_USAGE, "--svg: '' is not allowed: expected FILE"},
    {"plan", "plan.json", STATUS_OK, NULL},
    {"layers", "table.csv", STATUS_OK, NULL},
    {"target", "edge-npu", STATUS_OK, NULL},
    {"on-chip", "64KiB", STATUS_OK, NULL},
    {"on-chip", "16KiB:4MiB", STATUS_OK, NULL},
    {"on-chip", "16KiB:16KiB", STATUS_OK, NULL},
    {"on-chip", "4MiB:16KiB", STATUS_USAGE, "--on-chip: '4MiB:16KiB' is not allowed: expected a range like 16KiB:4MiB"},
    {"on-chip", "0:16KiB", STATUS_USAGE, "a range like 16KiB:4MiB"},
    {"on-chip", ":16KiB", STATUS_USAGE, "a range like 16KiB:4MiB"},
    {"on-chip", "16KiB:", STATUS_USAGE, "a range like 16KiB:4MiB"},
    {"on-chip", "1:2:3", STATUS_USAGE, "a range like 16KiB:4MiB"},
    {"on-chip", "input=64KiB:1MiB,weight=48KiB,output=16KiB", STATUS_USAGE, "a range like 16KiB:4MiB"},
    {"on-chip", "64KB", STATUS_USAGE, "--on-chip: '64KB' is not allowed: expected a size"},
    {"double-buffer", "input,weight", STATUS_OK, NULL},
    {"double-buffer", "all", STATUS_USAGE, "--double-buffer: 'all' is not allowed"},
    {"bits", "model", STATUS_OK, NULL},
    {"bits", "65", STATUS_USAGE, "expected a width of 1 to 64 bits, or model"},
    {"activation-bits", "4", STATUS_OK, NULL},
    {"weight-bits", "4", STATUS_OK, NULL},
    {"partial-sum-bits", "24", STATUS_OK, NULL},
    {"halo", "refetch", STATUS_OK, NULL},
    {"mappings", "uneven", STATUS_OK, NULL},
    {"cost-model", "exact", STATUS_OK, NULL},
    {"cost-model", "superslash", STATUS_OK, NULL},
    {"cost-model", "smartshuttle", STATUS_OK, NULL},
    {"cost-model", "best", STATUS_USAGE, "--cost-model: 'best' is not allowed: expected exact, superslash or smartshuttle"},
    {"batch", "2", STATUS_OK, NULL},
    {"batch", "0", STATUS_USAGE, "--batch: '0' is not allowed"},
    {"channel-multiple", "8", STATUS_OK, NULL},
    {"input-shape", "data:0:1,3,224,224", STATUS_OK, NULL},
    {"input-shape", "data", STATUS_USAGE, "NAME:DIM,DIM,..."},
    {"input-shape", "data:", STATUS_USAGE, "NAME:DIM,DIM,..."},
    {"input-shape", ":1,3", STATUS_USAGE, "NAME:DIM,DIM,..."},
    {"input-shape", "data:1,,3", STATUS_USAGE, "NAME:DIM,DIM,..."},
    {"input-shape", "data:1,0", STATUS_USAGE, "NAME:DIM,DIM,..."},
    {"input-shape", "data:1,-1", STATUS_USAGE, "NAME:DIM,DIM,..."},
    {"input-shape", "data:1,2,3,4,5,6,7,8,9", STATUS_USAGE, "1 to 8 dims"},
    {"no-fusion", NULL, STATUS_OK, NULL},
    {"no-fusion", "yes", STATUS_USAGE, "--no-fusion takes no value, 'yes' was given"},
    {"no-annotations", NULL, STATUS_OK, NULL},
    {"from-annotations", NULL, STATUS_OK, NULL},
    {"explain", "conv1", STATUS_OK, NULL},
    {"explain", "", STATUS_USAGE, "--explain: '' is not allowed"},
    {"at-most", "1MiB", STATUS_OK, NULL},
    {"at-most", "0", STATUS_USAGE, "--at-most: '0' is not allowed"},
    {"at-most", "-30%", STATUS_USAGE, "--at-most: '-30%' is not allowed"},
    {"offchip", "-30%", STATUS_OK, NULL},
    {"offchip", "-12.5%", STATUS_OK, NULL},
    {"offchip", "12MiB", STATUS_OK, NULL},
    {"offchip", "30%", STATUS_USAGE, "--offchip: '30%' is not allowed: expected a cut like -30%"},
    {"offchip", "-0%", STATUS_USAGE, "above 0, below 100"},
    {"offchip", "-100%", STATUS_USAGE, "above 0, below 100"},
    {"offchip", "-%", STATUS_USAGE, "above 0, below 100"},
    {"offchip", "-30", STATUS_USAGE, "--offchip: '-30' is not allowed"},
    {"offchip", "0", STATUS_USAGE, "--offchip: '0' is not allowed"},
    {"offchip", "2M", STATUS_USAGE, "an amount like 12MiB"},
    {"params", "-30%", STATUS_UNSUPPORTED, "--params: not built yet"},
    {"params", "2M", STATUS_UNSUPPORTED, "--params: not built yet"},
    {"params", "30%", STATUS_USAGE, "an amount like 2M"},
    {"macs", "1.5G", STATUS_UNSUPPORTED, "--macs: not built yet"},
    {"model-size", "12MiB", STATUS_UNSUPPORTED, "--model-size: not built yet"},
    {"max-error", "0.01", STATUS_OK, NULL},
    {"max-error", "much", STATUS_USAGE, "--max-error: 'much' is not allowed"},
    {"keep", "conv1", STATUS_OK, NULL},
    {"only", "conv1", STATUS_OK, NULL},
    {"only", "", STATUS_USAGE, "--only: '' is not allowed"},
    {"min-share", "0.2", STATUS_OK, NULL},
    {"min-share", "1.1", STATUS_USAGE, "a number from 0 to 1"},
    {"min-share", "20%", STATUS_USAGE, "a number from 0 to 1"},
    {"ranking", "volume", STATUS_OK, NULL},
    {"ranking", "volum", STATUS_USAGE, "one of marginal, volume, params, macs, uniform, magnitude, did you mean 'volume'?"},
    {"importance", "l1", STATUS_OK, NULL},
    {"importance", "l2", STATUS_OK, NULL},
    {"importance", "fpgm", STATUS_UNSUPPORTED, "--importance fpgm: not built yet"},
    {"importance", "bn", STATUS_UNSUPPORTED, "--importance bn: not built yet"},
    {"importance", "product", STATUS_UNSUPPORTED, "--importance product: not built yet"},
    {"importance", "activation", STATUS_OK, NULL},
    {"importance", "css", STATUS_OK, NULL},
    {"importance", "l3", STATUS_USAGE, "one of l2, l1, fpgm, bn, product, activation, css"},
    {"calibrate", "samples.npz", STATUS_OK, NULL},
    {"mean", "0.5,-1,0", STATUS_OK, NULL},
    {"mean", "0.5,", STATUS_USAGE, "--mean: '0.5,' is not allowed"},
    {"scale", "0.5", STATUS_OK, NULL},
    {"scale", "1,0", STATUS_USAGE, "--scale: '1,0' is not allowed"},
    {"labels", "labels.npy", STATUS_OK, NULL},
    {"memory", "1GiB", STATUS_OK, NULL},
    {"memory", "much", STATUS_USAGE, "--memory: 'much' is not allowed"},
    {"recover", "none", STATUS_OK, NULL},
    {"recover", "auto", STATUS_OK, NULL},
    {"recover", "bias", STATUS_OK, NULL},
    {"recover", "map", STATUS_OK, NULL},
    {"recover", "ls", STATUS_OK, NULL},
    {"recover", "all", STATUS_USAGE, "one of none, auto, bias, map, ls"},
    {"max-memory", "2GiB", STATUS_OK, NULL},
    {"threads", "4", STATUS_OK, NULL},
    {"threads", "0", STATUS_USAGE, "--threads: '0' is not allowed"},
    {"quiet", NULL, STATUS_OK, NULL},
    {"verbose", NULL, STATUS_OK, NULL},
    {"print-after", "explore", STATUS_OK, NULL},
    {"verify-each", NULL, STATUS_OK, NULL},
    {"quite", NULL, STATUS_USAGE, "unknown option --quite, did you mean '--quiet'?"},
    {"", NULL, STATUS_USAGE, "unknown option"},
};
enum { VALUE_COUNT = sizeof values / sizeof values[0] };

START_TEST(values_are_taken_or_refused) {
    const status result = options_set(&options, values[_i].name, values[_i].value, &diag);
    ck_assert_msg(result == values[_i].result, "--%s %s gave %d: %s", values[_i].name, values[_i].value, result, diag.message);
    if (values[_i].says) ck_assert_msg(strstr(diag.message, values[_i].says) != NULL, "%s", diag.message);
}
END_TEST

START_TEST(every_row_is_tried_above) {
    for (uint32_t row = 0; row < option_row_count; row++) {
        bool tried = false;
        for (uint32_t at = 0; at < VALUE_COUNT; at++) tried |= strcmp(values[at].name, option_rows[row].name) == 0;
        ck_assert_msg(tried, "--%s", option_rows[row].name);
        ck_assert_uint_ne(option_rows[row].commands, 0);
        for (uint32_t other = 0; other < row; other++) ck_assert_str_ne(option_rows[row].name, option_rows[other].name);
    }
}
END_TEST

/* ---- several ---- */

static void set(const char *name, const char *value) {
    const status result = options_set(&options, name, value, &diag);
    ck_assert_msg(result == STATUS_OK, "%s", diag.message);
}

START_TEST(values_arrive) {
    char text[] = "conv1";
    set("keep", text);
    text[0] = 'x';
    set("keep", "conv2");
    set("only", "conv3");
    ck_assert(options.keep.count == 2 && strcmp(options.keep.items[0], "conv1") == 0 && options.only.count == 1);
    set("offchip", "-30%");
    ck_assert(options.offchip.is_given && options.offchip.is_relative && options.offchip.cut > 0.2999 && options.offchip.cut < 0.3001);
    ck_assert_str_eq(options.offchip.text, "-30%");
    set("input-shape", "data:0:1,3,224,225");
    ck_assert_str_eq(options.input_shapes.items[0].input, "data:0");
    ck_assert(options.input_shapes.items[0].rank == 4 && options.input_shapes.items[0].dims[3] == 225);
    set("ranking", "magnitude");
    set("importance", "l1");
    set("threads", "3");
    set("max-memory", "1GiB");
    set("at-most", "5kB");
    set("min-share", "0.25");
    set("quiet", NULL);
    ck_assert(options.ranking == RANKING_MAGNITUDE && options.importance == IMPORTANCE_L1 && options.threads == 3);
    ck_assert(options.max_memory_bytes == INT64_C(1) << 30 && options.at_most_bytes == 5000 && options.quiet);
    ck_assert_double_eq(options.min_share, 0.25);
}
END_TEST

START_TEST(a_range_is_no_target) {
    set("on-chip", "1KiB:2KiB");
    ck_assert(options.range_from_bytes == 1024 && options.range_to_bytes == 2048 && options.overrides.count == 0);
    ck_assert_int_eq(options_set(&options, "on-chip", "64KiB", &diag), STATUS_USAGE);
}
END_TEST

START_TEST(amounts_are_absolute) {
    set("offchip", "12MiB");
    ck_assert(options.offchip.is_given && !options.offchip.is_relative && options.offchip.amount == 12 << 20);
}
END_TEST

START_TEST(single_options_stand_once) {
    set("batch", "2");
    ck_assert_int_eq(options_set(&options, "batch", "2", &diag), STATUS_USAGE);
    ck_assert_str_eq(diag.message, "--batch is given twice");
}
END_TEST

START_TEST(an_input_has_one_shape) {
    set("input-shape", "a:1");
    set("input-shape", "b:1");
    ck_assert_int_eq(options_set(&options, "input-shape", "a:2", &diag), STATUS_USAGE);
    ck_assert_str_eq(diag.message, "--input-shape: input 'a' is given twice");
}
END_TEST

START_TEST(options_make_a_target) {
    struct target target;
    ck_assert_int_eq(options_target(&options, arena, &target, &diag), STATUS_OK);
    ck_assert_str_eq(target.name, "plain");
    set("target", "edge-npu");
    set("on-chip", "64KiB");
    set("double-buffer", "none");
    set("bits", "16");
    set("weight-bits", "4");
    ck_assert_int_eq(options_target(&options, arena, &target, &diag), STATUS_OK);
    ck_assert(target.capacity_bytes == 65536 && !target.double_buffer[OPERAND_I] && target.channel_multiple == 8);
    ck_assert(target.activation_bits == 16 && target.weight_bits == 4 && target.partial_sum_bits == 32);
}
END_TEST

/* ---- commands ---- */

static const struct {
    const char *command, *name;
    status result;
    bool takes_value;
    const char *says;
} uses[] = {
    {"optimize", "offchip", STATUS_OK, true, NULL},
    {"explore", "quiet", STATUS_OK, false, NULL},
    {"explore", "offchip", STATUS_USAGE, false, "--offchip is not an option of explore, but of optimize"},
    {"optimize", "at-most", STATUS_USAGE, false, "--at-most is not an option of optimize, but of explore"},
    {"inspect", "o", STATUS_USAGE, false, "-o is not an option of inspect, but of optimize, explore, prune"},
    {"prune", "plan", STATUS_OK, true, NULL},
    {"explore", "jsno", STATUS_USAGE, false, "unknown option --jsno, did you mean '--json'?"},
    {"verify", "calibrate", STATUS_OK, true, NULL},
    {"list", "quiet", STATUS_USAGE, false, "--quiet is not an option of list"},
};

START_TEST(options_belong_to_commands) {
    bool takes_value = false;
    ck_assert_int_eq(options_takes_value(uses[_i].command, uses[_i].name, &takes_value, &diag), uses[_i].result);
    ck_assert(takes_value == uses[_i].takes_value);
    if (uses[_i].says) ck_assert_msg(strstr(diag.message, uses[_i].says) != NULL, "%s", diag.message);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *test = tcase_create("options");
    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_add_loop_test(test, values_are_taken_or_refused, 0, VALUE_COUNT);
    tcase_add_test(test, every_row_is_tried_above);
    tcase_add_test(test, values_arrive);
    tcase_add_test(test, a_range_is_no_target);
    tcase_add_test(test, amounts_are_absolute);
    tcase_add_test(test, single_options_stand_once);
    tcase_add_test(test, an_input_has_one_shape);
    tcase_add_test(test, options_make_a_target);
    tcase_add_loop_test(test, options_belong_to_commands, 0, (int)(sizeof uses / sizeof uses[0]));
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
