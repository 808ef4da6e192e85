/* search_plain against brute force on the reference machine; properties of all searches. On random small layers, each with a number:
 * SUPERSLASH_SEED, SUPERSLASH_FROM (a number) and SUPERSLASH_LAYERS (how many) choose others. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "oracle/brute.h"
#include "oracle/random_layers.h"
#include "oracle/reported.h"

static uint64_t seed = 20261124;
static int64_t first = 0, wanted = 2000;

static const struct layer_class plain = {"plain", 4, {4, 4, 6, 6, 4, 7, 6}, 300};

struct counts {
    struct layer_counts of;
    int64_t failed, infeasible, executed, tiled, spilled, kept, compulsory, partition, uneven;
};

/* ---- against brute force ---- */

/* The mapping with the fewest bytes and, of these, the first by cost-model.md 5. */
static bool is_right(const struct nest *nest, const struct target *target, const struct found *found, const struct brute *brute) {
    if (found->is_feasible != brute->any) return false;
    if (!found->is_feasible) return found->infeasible.short_bytes > 0;
    return machine_confirms(nest, target, found) && traffic_total(&found->traffic) == brute->bytes &&
           same_mapping(&found->mapping, &brute->mapping) && found->compulsory_bytes <= found->bound_bytes &&
           found->bound_bytes <= brute->bytes;
}

/* An uneven mapping is taken where it moves less, fits, and the machine moves and holds what is reported. */
static bool is_uneven_right(const struct nest *nest, const struct target *target, const struct found *even, const struct found *found) {
    if (!found->is_feasible) return !even->is_feasible;
    return machine_confirms(nest, target, found) && found->compulsory_bytes <= found->bound_bytes &&
           found->bound_bytes <= traffic_total(&found->traffic) &&
           (!even->is_feasible || traffic_total(&found->traffic) <= traffic_total(&even->traffic));
}

static void count_found(const struct nest *nest, const struct target *target, const struct found *found, struct counts *counts) {
    struct target refetch = *target;
    struct traffic without;
    int tiled = 0;
    for (int d = 0; d < DIM_COUNT; d++) tiled += mapping_tile(nest, &found->mapping, (enum nest_dim)d) < nest->size[d];
    refetch.halo_reuse = false;
    mapping_traffic(nest, &refetch, &found->mapping, &without);
    counts->tiled += tiled >= 2;
    counts->spilled += found->traffic.partial_sum_bytes > 0;
    counts->kept += found->traffic.input_bytes < without.input_bytes;
    counts->compulsory += traffic_total(&found->traffic) == found->compulsory_bytes;
    counts->partition += found->bound_bytes > found->compulsory_bytes;
}

static void print_found(const char *what, const struct found *found) {
    if (!found->is_feasible) fprintf(stderr, "  %s: infeasible, %lld bytes\n", what, (long long)found->infeasible.demand_bytes);
    else print_mapping(stderr, what, &found->mapping, traffic_total(&found->traffic), footprint_total(&found->footprint));
}

static void check_layer(int64_t number, struct counts *counts) {
    struct nest nest;
    struct target target;
    struct found even, again, uneven;
    struct brute brute;
    struct diag diag = {0};
    random_layer(&plain, seed, number, &nest, &target);
    bool ok = nest_check(&nest, "random", &diag) == STATUS_OK;
    search_plain(&nest, &target, &even);
    search_plain(&nest, &target, &again);
    search_best(&nest, &target, &uneven);
    brute_search(&nest, &target, &brute);
    ok = ok && is_right(&nest, &target, &even, &brute) && same_found(&even, &again) && is_uneven_right(&nest, &target, &even, &uneven);
#pragma omp critical
    {
        count_layer(&nest, &target, &counts->of);
        counts->executed += brute.executed;
        counts->infeasible += !even.is_feasible;
        counts->uneven += uneven.is_feasible && (!even.is_feasible || traffic_total(&uneven.traffic) < traffic_total(&even.traffic));
        if (even.is_feasible) count_found(&nest, &target, &even, counts);
        if (!ok && counts->failed++ < 3) {
            fprintf(stderr, "layer %lld of seed %llu: ", (long long)number, (unsigned long long)seed);
            print_layer(stderr, &nest, &target);
            print_found("plain", &even);
            print_found("uneven", &uneven);
            if (brute.any) print_mapping(stderr, "brute", &brute.mapping, brute.bytes, brute.footprint_bytes);
        }
    }
}

START_TEST(search_is_brute_force) {
    struct counts counts = {0};
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = first; i < first + wanted; i++) check_layer(i, &counts);
    printf("plain, seed %llu, from %lld, ", (unsigned long long)seed, (long long)first);
    print_counts(stdout, &counts.of);
    printf("; %lld infeasible, %lld mappings executed; tiled in two dims %lld, spilled %lld, kept halo %lld, at compulsory %lld, bound "
           "above compulsory %lld, uneven below plain %lld\n",
           (long long)counts.infeasible, (long long)counts.executed, (long long)counts.tiled, (long long)counts.spilled,
           (long long)counts.kept, (long long)counts.compulsory, (long long)counts.partition, (long long)counts.uneven);
    ck_assert_int_eq(counts.failed, 0);
    if (wanted < 1000) return;
    ck_assert_int_ge(counts.tiled * 3, wanted);
    ck_assert_int_ge(counts.spilled * 12, wanted);
    ck_assert_int_ge(counts.kept * 12, wanted);
    ck_assert_int_ge(counts.of.clipped * 12, wanted);
    ck_assert_int_ge(counts.of.split * 20, wanted);
    ck_assert_int_ge(counts.of.doubled * 20, wanted);
    ck_assert_int_ge(counts.of.parts * 20, wanted);
    ck_assert_int_ge(counts.uneven * 20, wanted);
}
END_TEST

/* ---- properties ---- */

typedef void (*search_function)(const struct nest *nest, const struct target *target, struct found *found);

/* From too little room to enough for all: never below a bound, never more bytes than with less room; twice the same. */
static bool falls(const struct nest *nest, struct target target, search_function search) {
    struct found found, again;
    int64_t before = INT64_MAX;
    bool was_feasible = false;
    for (int rung = 0; rung < 12; rung++) {
        search(nest, &target, &found);
        search(nest, &target, &again);
        if (!same_found(&found, &again) || (was_feasible && !found.is_feasible)) return false;
        if (found.is_feasible) {
            const int64_t bytes = traffic_total(&found.traffic);
            if (bytes > before || bytes < found.bound_bytes || found.bound_bytes < found.compulsory_bytes) return false;
            before = bytes;
        }
        was_feasible = found.is_feasible;
        target.capacity_bytes += 1 + target.capacity_bytes / 4;
        for (int x = 0; x < OPERAND_COUNT; x++) target.partition_bytes[x] += 1 + target.partition_bytes[x] / 4;
    }
    return was_feasible;
}

START_TEST(more_room_never_moves_more) {
    int64_t failed = 0;
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = first; i < first + wanted / 4; i++) {
        struct nest nest;
        struct target target;
        random_layer(&plain, seed + 1, i, &nest, &target);
        if (falls(&nest, target, search_plain) && falls(&nest, target, search_best)) continue;
#pragma omp critical
        if (failed++ < 3) {
            fprintf(stderr, "layer %lld of seed %llu: ", (long long)i, (unsigned long long)seed + 1);
            print_layer(stderr, &nest, &target);
        }
    }
    ck_assert_int_eq(failed, 0);
}
END_TEST

static int64_t given(const char *name, int64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

int main(void) {
    seed = (uint64_t)given("SUPERSLASH_SEED", (int64_t)seed);
    first = given("SUPERSLASH_FROM", first);
    wanted = given("SUPERSLASH_LAYERS", wanted);
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("search");
    TCase *exact = tcase_create("exact");
    tcase_set_timeout(exact, 1200);
    tcase_add_test(exact, search_is_brute_force);
    tcase_add_test(exact, more_room_never_moves_more);
    suite_add_tcase(suite, exact);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
