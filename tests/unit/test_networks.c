/* Uneven mappings of real layers: what search_best reports at 16 KiB to 1 MiB is what the reference machine does, falls with capacity, and
 * lies between the bound and the best plain mapping. */
#include <check.h>
#include <stdlib.h>

#include "oracle/reported.h"
#include "unit/golden_layers.h"

enum { MAX_LAYERS = 128, CAPACITIES = 7 };
static const int64_t smallest_bytes = 16 * 1024;

/* Of the machine, in one mapping: more take too long. */
static const int64_t patience_steps = 4000000;

struct counts {
    int64_t searched, uneven, executed, steps, failed;
};

/* The different layers of a network. */
static int read_layers(const char *network, struct nest *layers) {
    FILE *file = open_table("golden/networks.csv");
    int count = 0;
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);) {
        struct nest nest;
        bool is_new = read_layer(line, network, &nest);
        for (int i = 0; i < count; i++) is_new = is_new && memcmp(&layers[i], &nest, sizeof nest) != 0;
        if (!is_new) continue;
        ck_assert_int_lt(count, MAX_LAYERS);
        layers[count++] = nest;
    }
    fclose(file);
    return count;
}

/* At most: the pieces at the ends may have fewer inside. */
static int64_t steps_of(const struct nest *nest, const struct mapping *mapping) {
    int64_t around[DIM_COUNT], steps = 1;
    memcpy(around, nest->size, sizeof around);
    for (uint32_t i = 0; i < mapping->loop_count; i++) {
        const struct mapping_loop *loop = &mapping->loops[i];
        steps *= (around[loop->dim] + loop->step - 1) / loop->step;
        around[loop->dim] = loop->step;
    }
    return steps;
}

static bool is_right(const struct target *target, const struct found *plain, const struct found *found, int64_t before) {
    const int64_t bytes = traffic_total(&found->traffic);
    return found->is_feasible && bytes >= found->bound_bytes && bytes <= before && bytes <= traffic_total(&plain->traffic) &&
           footprint_total(&found->footprint) <= target->capacity_bytes;
}

static void check_layer(const char *network, int number, const struct nest *nest, struct counts *counts) {
    int64_t before = INT64_MAX;
    for (int i = 0; i < CAPACITIES; i++) {
        const struct target target = {.name = "plain", .capacity_bytes = smallest_bytes << i, .halo_reuse = true};
        struct found plain, found;
        search_plain(nest, &target, &plain);
        search_best(nest, &target, &found);
        const int64_t steps = steps_of(nest, &found.mapping);
        const bool is_short = steps <= patience_steps;
        const bool ok =
            plain.is_feasible && is_right(&target, &plain, &found, before) && (!is_short || machine_confirms(nest, &target, &found));
        before = traffic_total(&found.traffic);
#pragma omp critical
        {
            counts->searched++;
            counts->uneven += traffic_total(&found.traffic) < traffic_total(&plain.traffic);
            counts->executed += is_short;
            counts->steps += is_short ? steps : 0;
            counts->failed += !ok;
            if (!ok) fprintf(stderr, "%s, different layer %d, %lld bytes on chip\n", network, number, (long long)target.capacity_bytes);
        }
    }
}

static const char *const networks[] = {"resnet50", "vgg16", "vgg16-fc", "mobilenetv2"};

START_TEST(reports_are_what_the_machine_does) {
    static struct nest layers[MAX_LAYERS];
    const int count = read_layers(networks[_i], layers);
    struct counts counts = {0};
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < count; i++) check_layer(networks[_i], i, &layers[i], &counts);
    printf("%s: %d different layers, %lld searches, below plain %lld, executed %lld, %.3g steps\n", networks[_i], count,
           (long long)counts.searched, (long long)counts.uneven, (long long)counts.executed, (double)counts.steps);
    ck_assert_int_gt(count, 0);
    ck_assert_int_eq(counts.failed, 0);
    /* Fully connected layers move each byte once through buffers of a few bytes: a step per weight, too many to execute. */
    if (strcmp(networks[_i], "vgg16-fc") != 0) ck_assert_int_ge(counts.executed * 10, counts.searched * 9);
}
END_TEST

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("networks");
    TCase *tests = tcase_create("networks");
    tcase_set_timeout(tests, 1200);
    tcase_add_loop_test(tests, reports_are_what_the_machine_does, 0, sizeof networks / sizeof *networks);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
