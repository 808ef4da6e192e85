/* Nests, traffic and footprints of any mapping, plain or uneven, against the reference machine. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cost/mapping.h"
#include "cost/space.h"
#include "oracle/machine.h"
#include "unit/random.h"

static uint64_t seed = 4711;

static void random_nest(struct nest *nest) {
    static const uint32_t widths[] = {8, 8, 8, 16, 32, 4, 3, 12};
    const bool transposed = one_in(4);
    nest_init(nest);
    for (int d = 0; d < DIM_COUNT; d++)
        if (!one_in(3)) nest->size[d] = from_to(1, d >= DIM_OH ? 12 : 4);
    for (int a = 0; a < NEST_AXES; a++) {
        struct nest_axis *axis = &nest->axis[a];
        const int64_t size = nest->size[DIM_OD + a];
        axis->kernel = from_to(1, one_in(3) ? 9 : 3);
        axis->stride = one_in(2) ? 1 : from_to(1, 5);
        axis->dilation = one_in(3) ? from_to(1, 3) : 1;
        axis->pad = one_in(2) ? from_to(0, axis->kernel * axis->dilation) : 0;
        axis->plane = (size - 1) * axis->stride + (axis->kernel - 1) * axis->dilation + 1 - axis->pad - from_to(0, axis->kernel) + 1;
        if (axis->plane < 1) axis->plane = 1;
        axis->transposed = transposed;
        if (transposed) axis->plane = from_to(1, (size + axis->pad) / axis->stride + 2);
        axis->pool = one_in(4) ? from_to(1, 3) : 1;
        if (axis->pool > size) axis->pool = size;
        axis->pooled = one_in(2) ? size / axis->pool : (size + axis->pool - 1) / axis->pool;
        if (axis->pool == 1) axis->pooled = size;
    }
    const int64_t last = one_in(2) ? 4 : 7; /* whole bytes, or any */
    for (int x = 0; x < OPERAND_COUNT; x++) nest->bits[x] = widths[from_to(0, last)];
    if (one_in(9)) nest->bits[OPERAND_W] = 0;
    nest->partial_bits = widths[from_to(0, last)];
    nest->has_bias = nest->bits[OPERAND_W] && one_in(3);
}

static void random_target(struct target *target) {
    *target = (struct target){.name = "random", .halo_reuse = !one_in(4)};
    for (int x = 0; x < OPERAND_COUNT; x++) target->double_buffer[x] = one_in(4);
}

static void add_loop(struct mapping *mapping, enum nest_dim dim, int64_t step, bool snake) {
    mapping->loops[mapping->loop_count++] = (struct mapping_loop){dim, step, snake};
}

static void random_plain(const struct nest *nest, struct mapping *mapping) {
    unsigned used = 0;
    *mapping = (struct mapping){0};
    for (int i = 0; i < 3 * DIM_COUNT; i++) {
        const unsigned d = (unsigned)from_to(0, DIM_COUNT - 1);
        const int64_t unit = d >= DIM_OD ? nest->axis[d - DIM_OD].pool : 1;
        if (used & 1u << d || nest->size[d] <= unit || one_in(5)) continue;
        used |= 1u << d;
        add_loop(mapping, (enum nest_dim)d, from_to(1, (nest->size[d] - 1) / unit) * unit, false);
    }
    for (int x = 0; x < OPERAND_COUNT; x++) mapping->depth[x] = mapping->loop_count;
}

/* Nested tiles, snakes, depths. */
static void random_uneven(const struct nest *nest, struct mapping *mapping) {
    int64_t inner[DIM_COUNT];
    memcpy(inner, nest->size, sizeof inner);
    *mapping = (struct mapping){0};
    for (int i = 0; i < 2 * DIM_COUNT && mapping->loop_count < 9; i++) {
        const enum nest_dim dim = (enum nest_dim)from_to(0, DIM_COUNT - 1);
        const int64_t unit = dim >= DIM_OD ? nest->axis[dim - DIM_OD].pool : 1;
        if (inner[dim] <= unit) continue;
        inner[dim] = from_to(1, (inner[dim] - 1) / unit) * unit;
        add_loop(mapping, dim, inner[dim], one_in(3));
    }
    for (int x = 0; x < OPERAND_COUNT; x++) mapping->depth[x] = (uint32_t)from_to(0, mapping->loop_count);
}

static void run(const struct nest *nest, const struct target *target, const struct mapping *mapping, struct machine_run *run) {
    struct machine machine;
    machine_init(&machine, nest, target);
    ck_assert(machine_execute(&machine, mapping, INT64_MAX, run));
    machine_release(&machine);
}

static void print(const struct nest *nest, const struct target *target, const struct mapping *mapping) {
    for (int d = 0; d < DIM_COUNT; d++) fprintf(stderr, "%s %lld ", nest_dim_names[d], (long long)nest->size[d]);
    for (int a = 0; a < NEST_AXES; a++)
        fprintf(stderr, "\n  plane %lld k %lld s %lld d %lld pad %lld pool %lld", (long long)nest->axis[a].plane,
                (long long)nest->axis[a].kernel, (long long)nest->axis[a].stride, (long long)nest->axis[a].dilation,
                (long long)nest->axis[a].pad, (long long)nest->axis[a].pool);
    fprintf(stderr, "\n  bits %u %u %u %u, bias %d, halo %d:", nest->bits[0], nest->bits[1], nest->bits[2], nest->partial_bits,
            nest->has_bias, target->halo_reuse);
    for (uint32_t i = 0; i < mapping->loop_count; i++)
        fprintf(stderr, " %s/%lld", nest_dim_names[mapping->loops[i].dim], (long long)mapping->loops[i].step);
    fprintf(stderr, "\n");
}

static bool same_footprint(const struct footprint *a, const struct footprint *b) {
    return a->bytes[0] == b->bytes[0] && a->bytes[1] == b->bytes[1] && a->bytes[2] == b->bytes[2];
}

START_TEST(closed_form_is_the_machine) {
    int64_t kept = 0, spilled = 0, with_m_between = 0;
    state = seed;
    for (int i = 0; i < 20000; i++) {
        struct nest nest;
        struct target target;
        struct mapping mapping;
        struct machine_run machine;
        struct traffic traffic, refetched;
        struct footprint footprint;
        random_nest(&nest);
        random_target(&target);
        random_plain(&nest, &mapping);
        mapping_traffic(&nest, &target, &mapping, &traffic);
        mapping_footprint(&nest, &target, &mapping, &footprint);
        run(&nest, &target, &mapping, &machine);
        if (memcmp(&traffic, &machine.traffic, sizeof traffic) != 0 || !same_footprint(&footprint, &machine.footprint)) {
            print(&nest, &target, &mapping);
            ck_abort_msg("mapping %d of seed %llu: %lld %lld %lld %lld, machine %lld %lld %lld %lld", i, (unsigned long long)seed,
                         (long long)traffic.input_bytes, (long long)traffic.weight_bytes, (long long)traffic.output_bytes,
                         (long long)traffic.partial_sum_bytes, (long long)machine.traffic.input_bytes,
                         (long long)machine.traffic.weight_bytes, (long long)machine.traffic.output_bytes,
                         (long long)machine.traffic.partial_sum_bytes);
        }
        ck_assert_int_ge(traffic_total(&traffic), nest_compulsory_bytes(&nest));
        target.halo_reuse = !target.halo_reuse;
        mapping_traffic(&nest, &target, &mapping, &refetched);
        kept += refetched.input_bytes != traffic.input_bytes;
        spilled += traffic.partial_sum_bytes > 0;
        with_m_between += mapping.loop_count > 2 && mapping.loops[1].dim == DIM_M;
    }
    printf("seed %llu: 20000 plain mappings: kept halo %lld, spilled %lld, m in between %lld\n", (unsigned long long)seed, (long long)kept,
           (long long)spilled, (long long)with_m_between);
    ck_assert_int_ge(kept, 2000);
    ck_assert_int_ge(spilled, 2000);
}
END_TEST

START_TEST(uneven_traffic_is_the_machine) {
    const char *given = getenv("SUPERSLASH_MAPPINGS");
    const int64_t wanted = given ? strtoll(given, NULL, 10) : 20000;
    int64_t nested = 0, snaking = 0, deep = 0, spilled = 0;
    state = seed;
    for (int64_t i = 0; i < wanted; i++) {
        struct nest nest;
        struct target target;
        struct mapping mapping;
        struct machine_run machine;
        struct footprint footprint;
        struct traffic traffic;
        random_nest(&nest);
        random_target(&target);
        random_uneven(&nest, &mapping);
        mapping_footprint(&nest, &target, &mapping, &footprint);
        mapping_traffic(&nest, &target, &mapping, &traffic);
        run(&nest, &target, &mapping, &machine);
        if (!same_footprint(&footprint, &machine.footprint) || memcmp(&traffic, &machine.traffic, sizeof traffic) != 0) {
            print(&nest, &target, &mapping);
            ck_abort_msg("mapping %lld of seed %llu: %lld %lld %lld %lld, machine %lld %lld %lld %lld", (long long)i,
                         (unsigned long long)seed, (long long)traffic.input_bytes, (long long)traffic.weight_bytes,
                         (long long)traffic.output_bytes, (long long)traffic.partial_sum_bytes, (long long)machine.traffic.input_bytes,
                         (long long)machine.traffic.weight_bytes, (long long)machine.traffic.output_bytes,
                         (long long)machine.traffic.partial_sum_bytes);
        }
        unsigned seen = 0;
        bool is_nested = false, snakes = false;
        for (uint32_t k = 0; k < mapping.loop_count; k++) {
            is_nested = is_nested || seen >> mapping.loops[k].dim & 1;
            snakes = snakes || mapping.loops[k].snake;
            seen |= 1u << mapping.loops[k].dim;
        }
        nested += is_nested;
        snaking += snakes;
        deep += mapping.depth[0] != mapping.depth[1] || mapping.depth[1] != mapping.depth[2];
        spilled += traffic.partial_sum_bytes > 0;
    }
    printf("seed %llu: %lld uneven mappings: nested %lld, snaking %lld, operands at several depths %lld, spilled %lld\n",
           (unsigned long long)seed, (long long)wanted, (long long)nested, (long long)snaking, (long long)deep, (long long)spilled);
}
END_TEST

/* ---- windows, one by one ---- */

static int64_t rows_by_hand(const struct nest_axis *axis, int64_t from, int64_t to, int64_t *pairs) {
    bool held[512] = {false};
    int64_t rows = 0;
    for (int64_t i = 0; axis->transposed && i < axis->plane; i++)
        for (int64_t k = 0; k < (axis->kernel - 1) * axis->dilation + 1; k++) {
            const int64_t o = i * axis->stride - axis->pad + k;
            if (o < from || o >= to) continue;
            rows += !held[i];
            held[i] = true;
            *pairs += k % axis->dilation == 0;
        }
    for (int64_t o = from; !axis->transposed && o < to; o++)
        for (int64_t k = 0; k < (axis->kernel - 1) * axis->dilation + 1; k++) {
            const int64_t at = o * axis->stride - axis->pad + k;
            if (at < 0 || at >= axis->plane) continue;
            rows += !held[at];
            held[at] = true;
            *pairs += k % axis->dilation == 0;
        }
    return rows;
}

START_TEST(windows_are_clipped) {
    state = seed;
    for (int i = 0; i < 20000; i++) {
        struct nest nest;
        random_nest(&nest);
        const struct nest_axis *axis = &nest.axis[2];
        int64_t pairs = 0, of_all = 1;
        const int64_t from = from_to(0, nest.size[DIM_OW] - 1), to = from_to(from + 1, nest.size[DIM_OW]);
        ck_assert_int_eq(nest_rows(axis, from, to), rows_by_hand(axis, from, to, &pairs));
        for (int a = 0; a < NEST_AXES; a++) {
            pairs = 0;
            rows_by_hand(&nest.axis[a], 0, nest.size[DIM_OD + a], &pairs);
            of_all *= pairs;
        }
        of_all *= nest.size[DIM_N] * nest.size[DIM_G] * nest.size[DIM_M] * nest.size[DIM_C];
        ck_assert_int_eq(nest_real_macs(&nest), nest.bits[OPERAND_W] ? of_all : 0);
    }
}
END_TEST

static uint32_t all_cuts(const struct nest *nest, enum nest_dim dim, enum space_kind kind, struct cut *cuts) {
    uint32_t count = 0;
    for (int64_t tile = nest->size[dim] + 1; tile > 0;) count += space_cuts(nest, dim, kind, &tile, cuts + count);
    return count;
}

static bool is_no_worse(const struct cut *a, const struct cut *b) {
    return a->trips == b->trips && a->tile <= b->tile && a->rows_sum <= b->rows_sum && a->rows_max <= b->rows_max &&
           a->rows_wrap >= b->rows_wrap;
}

/* For every tile there is one in the space with the same trips that is in no way worse. */
START_TEST(space_leaves_no_winner_out) {
    static struct cut all[1024], useful[1024];
    int64_t of_all = 0, of_useful = 0;
    state = seed;
    for (int i = 0; i < 5000; i++) {
        struct nest nest;
        random_nest(&nest);
        struct nest_axis *axis = &nest.axis[2];
        nest.size[DIM_OW] = from_to(1, one_in(9) ? 500 : 90);
        axis->plane = (nest.size[DIM_OW] - 1) * axis->stride + axis->kernel - axis->pad - from_to(-1, axis->kernel);
        if (axis->plane < 1) axis->plane = 1;
        axis->pool = one_in(3) ? from_to(1, 4) : 1;
        const enum nest_dim dim = one_in(5) ? DIM_M : DIM_OW;
        const uint32_t count = all_cuts(&nest, dim, SPACE_ALL, all), kept = all_cuts(&nest, dim, SPACE_USEFUL, useful);
        for (uint32_t k = 0; k < count; k++) {
            bool is_covered = false;
            for (uint32_t u = 0; u < kept && !is_covered; u++) is_covered = is_no_worse(&useful[u], &all[k]);
            ck_assert_msg(is_covered, "tile %lld of layer %d, seed %llu", (long long)all[k].tile, i, (unsigned long long)seed);
        }
        of_all += count;
        of_useful += kept;
    }
    printf("space: %lld of %lld tiles\n", (long long)of_useful, (long long)of_all);
}
END_TEST

START_TEST(names_and_sizes) {
    struct nest nest;
    const struct target target = {.name = "plain", .halo_reuse = true};
    nest_init(&nest);
    nest.size[DIM_M] = 8;
    nest.size[DIM_C] = 4;
    nest.size[DIM_OH] = nest.size[DIM_OW] = 6;
    nest.axis[1] = nest.axis[2] =
        (struct nest_axis){.plane = 12, .kernel = 1, .stride = 2, .dilation = 1, .pad = 0, .pool = 1, .pooled = 6};
    nest.bits[0] = nest.bits[1] = nest.bits[2] = 8;
    nest.partial_bits = 32;
    ck_assert_int_eq(nest_input_elems(&nest), 4 * 36); /* a strided 1x1 reads a quarter of its plane */
    ck_assert_int_eq(nest_macs(&nest), 8 * 4 * 36);
    const struct mapping sums_stay = {3, {{DIM_M, 4, false}, {DIM_OH, 3, false}, {DIM_C, 1, false}}, {3, 3, 3}};
    const struct mapping weights_stay = {2, {{DIM_M, 4, false}, {DIM_OH, 3, false}}, {2, 2, 2}};
    const struct mapping inputs_stay = {3, {{DIM_C, 2, false}, {DIM_OH, 3, false}, {DIM_M, 4, false}}, {3, 3, 3}};
    const struct mapping whole = {0};
    ck_assert_str_eq(mapping_reuse(&nest, &target, &sums_stay), "output");
    ck_assert_str_eq(mapping_reuse(&nest, &target, &weights_stay), "weight+output");
    ck_assert_str_eq(mapping_reuse(&nest, &target, &inputs_stay), "input");
    ck_assert_str_eq(mapping_reuse(&nest, &target, &whole), "input+weight+output");
    ck_assert_int_eq(nest_bytes(3, 4), 2);
    ck_assert_int_eq(mapping_tile(&nest, &inputs_stay, DIM_C), 2);
    ck_assert_int_eq(mapping_tile(&nest, &inputs_stay, DIM_OW), 6);
    ck_assert_int_eq(mapping_compare(&nest, &target, &inputs_stay, &inputs_stay), 0);
    ck_assert_int_lt(mapping_compare(&nest, &target, &sums_stay, &whole), 0);
}
END_TEST

int main(void) {
    const char *given = getenv("SUPERSLASH_SEED");
    if (given) seed = strtoull(given, NULL, 10) | 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("traffic");
    TCase *tests = tcase_create("traffic");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, closed_form_is_the_machine);
    tcase_add_test(tests, uneven_traffic_is_the_machine);
    tcase_add_test(tests, windows_are_clipped);
    tcase_add_test(tests, space_leaves_no_winner_out);
    tcase_add_test(tests, names_and_sizes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
