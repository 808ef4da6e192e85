/* Sizes, near names, targets: presets, files and their errors, overrides. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/size.h"
#include "cost/target.h"
#include "unit/failing.h"

static struct heap heap;
static struct arena *arena;
static struct diag diag;

static void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    diag = (struct diag){0};
}

static void tear_down(void) {
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
}

/* ---- numbers with units ---- */

static const struct {
    const char *text;
    int64_t bytes; /* -1 = refused */
} sizes[] = {
    {"0", 0},
    {"65536", 65536},
    {"12B", 12},
    {"64KiB", 65536},
    {"64 KiB", 65536},
    {"1.5MiB", 1572864},
    {"2GiB", INT64_C(1) << 31},
    {"3kB", 3000},
    {"12MB", 12000000},
    {"1GB", 1000000000},
    {"0.5KiB", 512},
    {"4611686018427387903", (INT64_C(1) << 62) - 1},
    {"4611686018427387904", -1},
    {"0.1B", -1},
    {"0.3KiB", -1},
    {"", -1},
    {" 1", -1},
    {"1 ", -1},
    {"1  B", -1},
    {"64KB", -1},
    {"64K", -1},
    {"64kib", -1},
    {"-1", -1},
    {"+1", -1},
    {"1.", -1},
    {".5KiB", -1},
    {"1.2.3", -1},
    {"0x10", -1},
    {"1e3", -1},
    {"nan", -1},
    {"inf", -1},
    {"99999999999999999999", -1},
    {"9999999999GiB", -1},
    {"KiB", -1},
    {"1MiBx", -1},
    {"128KiB;", -1},
};

START_TEST(sizes_are_exact) {
    int64_t bytes = -1;
    const bool taken = size_parse(sizes[_i].text, &bytes);
    ck_assert_msg(taken == (sizes[_i].bytes >= 0) && bytes == sizes[_i].bytes, "'%s' gave %lld", sizes[_i].text, (long long)bytes);
}
END_TEST

START_TEST(amounts_rates_and_frequencies) {
    int64_t number = 0;
    double real = 0;
    ck_assert(size_parse_amount("2M", &number) && number == 2000000);
    ck_assert(size_parse_amount("1.5k", &number) && number == 1500);
    ck_assert(size_parse_amount("3G", &number) && number == 3000000000);
    ck_assert(!size_parse_amount("3KiB", &number) && !size_parse_amount("1.0005k", &number));
    ck_assert(size_parse_integer("7", &number) && number == 7);
    ck_assert(!size_parse_integer("7.0", &number) && !size_parse_integer("7k", &number));
    ck_assert(size_parse_rate("3.2GB/s", &real) && real >= 3.2e9 && real <= 3.2e9);
    ck_assert(size_parse_rate("1 MiB/s", &real) && real >= 1048576 && real <= 1048576);
    ck_assert(!size_parse_rate("3.2GB", &real) && !size_parse_rate("3", &real));
    ck_assert(size_parse_frequency("500MHz", &real) && real >= 5e8 && real <= 5e8);
    ck_assert(!size_parse_frequency("500", &real) && !size_parse_frequency("500mhz", &real));
    ck_assert(size_parse_decimal("0.2", &real) && real >= 0.2 && real <= 0.2);
    ck_assert(!size_parse_decimal("-0.2", &real) && !size_parse_decimal("1e-3", &real));
}
END_TEST

static const struct {
    const char *text, *best; /* of target, on-chip, only, offchip */
} meant[] = {{"targt", "target"}, {"traget", "target"}, {"ofchip", "offchip"}, {"onchip", "on-chip"}, {"ony", "only"}, {"zebra", NULL},
             {"", NULL},          {"x", NULL}};

START_TEST(near_names) {
    struct nearest nearest = {.text = meant[_i].text};
    nearest_offer(&nearest, "target");
    nearest_offer(&nearest, "on-chip");
    nearest_offer(&nearest, "only");
    nearest_offer(&nearest, "offchip");
    if (meant[_i].best) ck_assert_str_eq(nearest.best ? nearest.best : "nothing", meant[_i].best);
    else ck_assert_ptr_null(nearest.best);
}
END_TEST

/* ---- presets ---- */

static const struct {
    const char *name;
    int64_t capacity_bytes;
    uint32_t activation_bits, weight_bits, partial_sum_bits;
    bool buffers_input_and_weight;
    int64_t channel_multiple;
} presets[] = {{"plain", 131072, 8, 8, 32, false, 1},
               {"edge-npu", 131072, 8, 8, 32, true, 8},
               {"eyeriss", 110592, 16, 16, 16, false, 1},
               {"mcu", 65536, 8, 8, 32, false, 1},
               {"fpga", 524288, 16, 16, 16, true, 1}};

START_TEST(presets_are_as_promised) {
    struct target target;
    ck_assert_int_eq(target_load(arena, presets[_i].name, &target, &diag), STATUS_OK);
    ck_assert_int_eq(target_check(&target, &diag), STATUS_OK);
    ck_assert_str_eq(target.name, presets[_i].name);
    ck_assert_int_eq(target.capacity_bytes, presets[_i].capacity_bytes);
    ck_assert(!target.is_split && !target.bits_of_model && target.halo_reuse && target.cost_model == COST_EXACT);
    ck_assert_uint_eq(target.activation_bits, presets[_i].activation_bits);
    ck_assert_uint_eq(target.weight_bits, presets[_i].weight_bits);
    ck_assert_uint_eq(target.partial_sum_bits, presets[_i].partial_sum_bits);
    ck_assert(target.double_buffer[OPERAND_I] == presets[_i].buffers_input_and_weight);
    ck_assert(target.double_buffer[OPERAND_W] == presets[_i].buffers_input_and_weight);
    ck_assert(!target.double_buffer[OPERAND_O]);
    ck_assert_int_eq(target.channel_multiple, presets[_i].channel_multiple);
    ck_assert_int_eq(target.batch, 1);
}
END_TEST

START_TEST(edge_npu_has_time_and_energy) {
    struct target target;
    ck_assert_uint_eq(target_preset_count, 5);
    ck_assert_int_eq(target_load(arena, "edge-npu", &target, &diag), STATUS_OK);
    ck_assert_double_eq(target.bandwidth_bytes_per_s, 3.2e9);
    ck_assert_double_eq(target.energy_pj_per_byte, 80);
    ck_assert_double_eq(target.clock_hz, 5e8);
    ck_assert_int_eq(target.macs_per_cycle, 256);
}
END_TEST

/* ---- files ---- */

static status load_text(const char *text, struct target *target) {
    char path[] = "/tmp/superslash-target-XXXXXX";
    const int descriptor = mkstemp(path);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
    const status result = target_load(arena, path, target, &diag);
    unlink(path);
    return result;
}

START_TEST(a_file_may_say_everything) {
    struct target target;
    ck_assert_int_eq(load_text("name: chip\n"
                               "on_chip: {input: 64KiB, weight: 48KiB, output: 16KiB, double_buffer: [output]}\n"
                               "bits: model\nhalo: refetch\nbatch: 4\ncost_model: superslash\nchannel_multiple: 16\n",
                               &target),
                     STATUS_OK);
    ck_assert_str_eq(target.name, "chip");
    ck_assert(target.is_split && target.bits_of_model && !target.halo_reuse);
    ck_assert_int_eq(target.partition_bytes[OPERAND_I], 65536);
    ck_assert_int_eq(target.partition_bytes[OPERAND_W], 49152);
    ck_assert_int_eq(target.partition_bytes[OPERAND_O], 16384);
    ck_assert(target.double_buffer[OPERAND_O] && !target.double_buffer[OPERAND_I]);
    ck_assert_uint_eq(target.partial_sum_bits, 32);
    ck_assert_int_eq(target.batch, 4);
    ck_assert_int_eq(target_check(&target, &diag), STATUS_USAGE);
    ck_assert_str_eq(diag.message, "cost_model superslash: knows one memory for all operands: give --on-chip SIZE");
}
END_TEST

START_TEST(published_models_know_one_memory_and_one_width) {
    static const struct {
        const char *text, *says;
    } cases[] = {{"on_chip: {capacity: 1KiB, double_buffer: [weight]}\ncost_model: smartshuttle\n",
                  "cost_model smartshuttle: knows no double buffering: give --double-buffer none"},
                 {"on_chip: {capacity: 1KiB}\nbits: model\ncost_model: superslash\n",
                  "cost_model superslash: knows one width for all operands, not bits: model: give --bits 16"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct target target;
        diag = (struct diag){0};
        ck_assert_int_eq(load_text(cases[i].text, &target), STATUS_OK);
        ck_assert_int_eq(target_check(&target, &diag), STATUS_USAGE);
        ck_assert_str_eq(diag.message, cases[i].says);
    }
}
END_TEST

START_TEST(a_file_may_leave_out_the_memory_if_an_option_gives_it) {
    struct target target;
    ck_assert_int_eq(load_text("name: chip\n", &target), STATUS_OK);
    struct diag missing = {0};
    ck_assert_int_eq(target_check(&target, &missing), STATUS_USAGE);
    ck_assert(strstr(missing.message, "--on-chip"));
    ck_assert_int_eq(target_override(arena, &target, "on-chip", "1MiB", &diag), STATUS_OK);
    ck_assert_int_eq(target_check(&target, &diag), STATUS_OK);
}
END_TEST

static const struct {
    const char *text, *says; /* the line is part of it */
} faults[] = {
    {"on_chip: {capacity: 1KiB}\nhallo: reuse\n", ":2: unknown key 'hallo', did you mean 'halo'? (allowed here: name, channel_multiple"},
    {"on_chip:\n  capcity: 1KiB\n", ":2: unknown key 'on_chip.capcity', did you mean 'capacity'?"},
    {"bits: {input: 8}\n", ":1: unknown key 'bits.input' (allowed here: activation, weight, partial_sum)"},
    {"batch: 1\nname: a\nbatch: 2\n", ":3: key 'batch' stands here again, first in line 1"},
    {"bits: {weight: 8,\n weight: 8}\n", ":2: key 'bits.weight' stands here again, first in line 1"},
    {"on_chip: {capacity: 1KiB, input: 1KiB}\n", ":1: on_chip: capacity and input, weight, output contradict each other"},
    {"\non_chip: {input: 1KiB, output: 1KiB}\n", ":2: on_chip: a split memory needs all of input, weight, output"},
    {"on_chip: {double_buffer: [input]}\n", ":1: on_chip: give capacity, or input, weight and output"},
    {"on_chip: 64KiB\n", ":1: on_chip: a mapping like {capacity: ...} is expected"},
    {"on_chip: {capacity: 0}\n", ":1: on_chip.capacity: '0' is not allowed: expected a size"},
    {"on_chip: {capacity: 64KB}\n", "units B, KiB, MiB, GiB, kB, MB, GB"},
    {"on_chip: {capacity: 4611686018427387904}\n", ":1: on_chip.capacity:"},
    {"on_chip: {capacity: 1KiB, double_buffer: [input, input]}\n", ":1: on_chip.double_buffer: 'input,input' is not allowed"},
    {"on_chip: {capacity: 1KiB, double_buffer: [bias]}\n", "expected none, or some of input, weight, output"},
    {"on_chip: {capacity: 1KiB, double_buffer: [[input]]}\n", ":1: on_chip.double_buffer: a plain value is expected"},
    {"bits: 16\n", ":1: bits: a mapping like {activation: ...} is expected, or model"},
    {"bits: {weight: 0}\n", ":1: bits.weight: '0' is not allowed: expected a width of 1 to 64 bits"},
    {"bits: {weight: 65}\n", "expected a width of 1 to 64 bits"},
    {"bits: {weight: 8.5}\n", "expected a width of 1 to 64 bits"},
    {"batch: 0\n", ":1: batch: '0' is not allowed: expected a whole number from 1"},
    {"batch: [1]\n", ":1: batch: a plain value is expected"},
    {"channel_multiple:\n", ":1: channel_multiple: '' is not allowed"},
    {"halo: maybe\n", ":1: halo: 'maybe' is not allowed: expected reuse or refetch"},
    {"cost_model: best\n", "expected exact, superslash or smartshuttle"},
    {"off_chip: {bandwidth: 3.2}\n", ":1: off_chip.bandwidth: '3.2' is not allowed: expected a rate"},
    {"off_chip: {energy_pj_per_byte: 0}\n", ":1: off_chip.energy_pj_per_byte"},
    {"compute: {macs_per_cycle: 256}\n", ":1: compute: both macs_per_cycle and clock are needed"},
    {"compute: {macs_per_cycle: 256, clock: 5}\n", ":1: compute.clock: '5' is not allowed: expected a frequency"},
    {"name: ''\n", ":1: name: '' is not allowed"},
    {"name: \"a\\0b\"\n", ":1: name: a plain value is expected"},
    {"- 1\n- 2\n", ":1: a mapping like"},
    {"[a]: 1\n", "a key is not a plain name"},
    {"", ": is empty, a target was expected"},
    {"# nothing\n", ": is empty, a target was expected"},
    {"name: a\nbits: {\n", ": not YAML: "},
    {"name: a\n---\nname: b\n", ":3: a second document"},
    {"name: a\nx: &x {y: *x}\n", "unknown key 'x'"},
};

START_TEST(faults_of_a_file_are_named) {
    struct target target = {.name = "before"};
    ck_assert_int_eq(load_text(faults[_i].text, &target), STATUS_USAGE);
    ck_assert_msg(strstr(diag.message, faults[_i].says) != NULL, "'%s' does not say '%s'", diag.message, faults[_i].says);
    ck_assert_str_eq(target.name, "before");
}
END_TEST

START_TEST(a_name_that_is_neither) {
    struct target target;
    ck_assert_int_eq(target_load(arena, "edge-np", &target, &diag), STATUS_USAGE);
    ck_assert(strstr(diag.message, "edge-npu, eyeriss, fpga, mcu, plain"));
    ck_assert(strstr(diag.message, "did you mean 'edge-npu'?"));
    struct diag missing = {0};
    ck_assert_int_eq(target_load(arena, "/no/such/file.yaml", &target, &missing), STATUS_IO);
}
END_TEST

/* ---- overrides ---- */

static const struct {
    const char *option, *value;
    status result;
} overrides[] = {
    {"on-chip", "108KiB", STATUS_OK},
    {"on-chip", "input=64KiB,weight=48KiB,output=16KiB", STATUS_OK},
    {"on-chip", "output=1,input=2,weight=3", STATUS_OK},
    {"on-chip", "input=64KiB,weight=48KiB", STATUS_USAGE},
    {"on-chip", "input=1,input=2,weight=3,output=4", STATUS_USAGE},
    {"on-chip", "input=1,bias=2,output=3", STATUS_USAGE},
    {"on-chip", "input=1,weight=2,output=0", STATUS_USAGE},
    {"on-chip", "108KiB,input=1", STATUS_USAGE},
    {"on-chip", "", STATUS_USAGE},
    {"on-chip", "0", STATUS_USAGE},
    {"double-buffer", "none", STATUS_OK},
    {"double-buffer", "weight,input", STATUS_OK},
    {"double-buffer", "input,none", STATUS_USAGE},
    {"double-buffer", "", STATUS_USAGE},
    {"double-buffer", "input,", STATUS_USAGE},
    {"bits", "16", STATUS_OK},
    {"bits", "model", STATUS_OK},
    {"bits", "float", STATUS_USAGE},
    {"activation-bits", "64", STATUS_OK},
    {"activation-bits", "65", STATUS_USAGE},
    {"weight-bits", "1", STATUS_OK},
    {"weight-bits", "model", STATUS_USAGE},
    {"partial-sum-bits", "24", STATUS_OK},
    {"halo", "refetch", STATUS_OK},
    {"halo", "Reuse", STATUS_USAGE},
    {"mappings", "uneven", STATUS_OK},
    {"mappings", "even", STATUS_USAGE},
    {"cost-model", "smartshuttle", STATUS_OK},
    {"cost-model", "", STATUS_USAGE},
    {"batch", "2147483647", STATUS_OK},
    {"batch", "2147483648", STATUS_USAGE},
    {"channel-multiple", "0", STATUS_USAGE},
};

START_TEST(overrides_are_checked) {
    struct target target;
    ck_assert_int_eq(target_load(arena, "edge-npu", &target, &diag), STATUS_OK);
    const status result = target_override(arena, &target, overrides[_i].option, overrides[_i].value, &diag);
    ck_assert_msg(result == overrides[_i].result, "--%s %s gave %d: %s", overrides[_i].option, overrides[_i].value, result, diag.message);
    if (result == STATUS_OK) return;
    char start[64];
    snprintf(start, sizeof start, "--%s: '%s' is not allowed: expected ", overrides[_i].option, overrides[_i].value);
    if (!strchr(overrides[_i].value, '=') || !strstr(diag.message, "'0'"))
        ck_assert_msg(strncmp(diag.message, start, strlen(start)) == 0, "%s", diag.message);
}
END_TEST

START_TEST(overrides_take_effect) {
    struct target target;
    ck_assert_int_eq(target_load(arena, "edge-npu", &target, &diag), STATUS_OK);
    ck_assert_int_eq(target_override(arena, &target, "on-chip", "input=64KiB,weight=48KiB,output=16KiB", &diag), STATUS_OK);
    ck_assert(target.is_split && target.partition_bytes[OPERAND_W] == 49152 && target.double_buffer[OPERAND_W]);
    ck_assert_int_eq(target_override(arena, &target, "on-chip", "64KiB", &diag), STATUS_OK);
    ck_assert(!target.is_split && target.capacity_bytes == 65536 && target.partition_bytes[OPERAND_W] == 0);
    ck_assert_int_eq(target_override(arena, &target, "double-buffer", "output", &diag), STATUS_OK);
    ck_assert(target.double_buffer[OPERAND_O] && !target.double_buffer[OPERAND_I]);
    ck_assert_int_eq(target_override(arena, &target, "double-buffer", "none", &diag), STATUS_OK);
    ck_assert(!target.double_buffer[OPERAND_O]);
    ck_assert_int_eq(target_override(arena, &target, "bits", "model", &diag), STATUS_OK);
    ck_assert(target.bits_of_model);
    ck_assert_int_eq(target_override(arena, &target, "bits", "16", &diag), STATUS_OK);
    ck_assert(!target.bits_of_model && target.activation_bits == 16 && target.weight_bits == 16 && target.partial_sum_bits == 32);
}
END_TEST

/* ---- memory that runs out ---- */

static status load_in_heap(void *argument) {
    struct target target;
    struct diag failure = {0};
    return target_load(arena_new(argument), "edge-npu", &target, &failure);
}

START_TEST(every_failing_allocation_unwinds) {
    status result = STATUS_LIMIT;
    for (size_t tried = 0; result != STATUS_OK; tried++) {
        struct failing failing = {.left = tried};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap small;
        heap_init(&small, &allocator, 0);
        struct diag failure = {0};
        result = heap_run(&small, &failure, load_in_heap, &small);
        ck_assert(result == STATUS_OK || result == STATUS_LIMIT);
        heap_release(&small);
        ck_assert_uint_eq(small.used_bytes, 0);
    }
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void) {
    Suite *suite = suite_create("target");
    TCase *test = tcase_create("target");
    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_add_loop_test(test, sizes_are_exact, 0, COUNT(sizes));
    tcase_add_test(test, amounts_rates_and_frequencies);
    tcase_add_loop_test(test, near_names, 0, COUNT(meant));
    tcase_add_loop_test(test, presets_are_as_promised, 0, COUNT(presets));
    tcase_add_test(test, edge_npu_has_time_and_energy);
    tcase_add_test(test, a_file_may_say_everything);
    tcase_add_test(test, published_models_know_one_memory_and_one_width);
    tcase_add_test(test, a_file_may_leave_out_the_memory_if_an_option_gives_it);
    tcase_add_loop_test(test, faults_of_a_file_are_named, 0, COUNT(faults));
    tcase_add_test(test, a_name_that_is_neither);
    tcase_add_loop_test(test, overrides_are_checked, 0, COUNT(overrides));
    tcase_add_test(test, overrides_take_effect);
    tcase_add_test(test, every_failing_allocation_unwinds);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
