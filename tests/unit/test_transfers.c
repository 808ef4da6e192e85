/* Where buffers sit, what they hold and how often they change, against the reference machine. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "oracle/machine.h"
#include "unit/random.h"

static void random_nest(struct nest *nest) {
    nest_init(nest);
    for (int d = 0; d < DIM_COUNT; d++)
        if (from_to(1, 3) > 1) nest->size[d] = from_to(1, d >= DIM_OH ? 12 : 5);
    for (int a = 0; a < NEST_AXES; a++) {
        struct nest_axis *axis = &nest->axis[a];
        axis->plane = axis->pooled = nest->size[DIM_OD + a];
        axis->kernel = 2 * from_to(0, 1) + 1;
        axis->pad = axis->kernel / 2;
    }
    for (int x = 0; x < OPERAND_COUNT; x++) nest->bits[x] = 8;
    nest->partial_bits = 32;
}

static void random_mapping(const struct nest *nest, struct mapping *mapping) {
    int64_t inner[DIM_COUNT];
    memcpy(inner, nest->size, sizeof inner);
    *mapping = (struct mapping){0};
    for (int i = 0; i < 2 * DIM_COUNT && mapping->loop_count < 9; i++) {
        const enum nest_dim dim = (enum nest_dim)from_to(0, DIM_COUNT - 1);
        inner[dim] = from_to(1, inner[dim]);
        mapping->loops[mapping->loop_count++] = (struct mapping_loop){dim, inner[dim], one_in(3)};
    }
    for (int x = 0; x < OPERAND_COUNT; x++) mapping->depth[x] = (uint32_t)from_to(0, mapping->loop_count);
}

START_TEST(transfers_are_the_machine) {
    const struct target target = {.name = "any", .halo_reuse = true};
    state = 4711;
    for (int i = 0; i < 20000; i++) {
        struct nest nest;
        struct mapping mapping, sitting;
        struct machine machine;
        struct machine_run run, same;
        random_nest(&nest);
        random_mapping(&nest, &mapping);
        machine_init(&machine, &nest, &target);
        ck_assert(machine_execute(&machine, &mapping, INT64_MAX, &run));
        sitting = mapping;
        for (int x = 0; x < OPERAND_COUNT; x++) {
            int64_t tiles;
            ck_assert_int_eq(mapping_transfers(&nest, &mapping, (enum operand)x, &tiles), run.transfers[x]);
            ck_assert_int_le(tiles, run.transfers[x]);
            if (x == OPERAND_O) ck_assert((tiles < run.transfers[x]) == (run.traffic.partial_sum_bytes > 0));
            sitting.depth[x] = mapping_sits(&mapping, (enum operand)x);
        }
        ck_assert(machine_execute(&machine, &sitting, INT64_MAX, &same));
        ck_assert_mem_eq(&same.traffic, &run.traffic, sizeof same.traffic);
        ck_assert_mem_eq(&same.footprint, &run.footprint, sizeof same.footprint);
        machine_release(&machine);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transfers");
    TCase *tests = tcase_create("transfers");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, transfers_are_the_machine);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
