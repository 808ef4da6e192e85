/* search_best and search_whole against brute force over the whole space of cost-model.md 2 and over parts of it: nested tiles, depths,
 * snakes. On random small layers, each with a number: SUPERSLASH_SEED, SUPERSLASH_CLASS, SUPERSLASH_FROM (a number) and SUPERSLASH_LAYERS
 * (how many) choose others. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "cost/uneven.h"
#include "oracle/brute_uneven.h"
#include "oracle/random_layers.h"
#include "oracle/reported.h"

static uint64_t seed = 20261125;

#define SIZES(most)                                                                                                                        \
    { most, most, most, most, most, most, most }

/* What the brute force enumerates, and of how many layers. */
struct class {
    struct layer_class layers;
    struct brute_kind kind;
    int64_t wanted;
};

#define UNEVEN {.depths = true}
#define SNAKES {.snakes = true}
#define BOTH {.depths = true, .snakes = true}

static const int64_t no_end = INT64_C(1) << 40;

struct counts {
    struct layer_counts of;
    int64_t failed, infeasible, below_plain, plain_infeasible, regular_above, whole_below, footprints;
    double mappings;
};

struct answers {
    struct found plain, regular, whole;
    struct uneven part; /* what the search finds where the brute force looks */
    bool is_proved;
    struct brute_uneven brute;
};

static bool is_all(const struct class *class) { return class->kind.depths && class->kind.snakes; }

static enum uneven_space space_of(const struct class *class) {
    return is_all(class) ? UNEVEN_WHOLE : class->kind.snakes ? UNEVEN_SNAKES : UNEVEN_STRAIGHT;
}

/* Where the brute force looks the search finds the fewest bytes, and knows it. */
static bool is_best_of_part(const struct nest *nest, const struct target *target, const struct answers *answers) {
    const struct uneven *part = &answers->part;
    struct found found = {.is_feasible = true, .mapping = part->mapping};
    if (!answers->is_proved || part->bytes != (answers->brute.any ? answers->brute.bytes : INT64_MAX)) return false;
    if (answers->plain.is_feasible && traffic_total(&answers->plain.traffic) == part->bytes) return true;
    if (!answers->brute.any) return true;
    mapping_traffic(nest, target, &found.mapping, &found.traffic);
    mapping_footprint(nest, target, &found.mapping, &found.footprint);
    return machine_confirms(nest, target, &found) && traffic_total(&found.traffic) == part->bytes;
}

/* No search reports what does not execute so, or more bytes than one that looks at less. */
static bool is_in_order(const struct nest *nest, const struct target *target, const struct answers *answers) {
    const struct found *ordered[] = {&answers->plain, &answers->regular, &answers->whole};
    for (int i = 0; i < 3; i++) {
        const struct found *found = ordered[i];
        if (!found->is_feasible && i > 0 && ordered[i - 1]->is_feasible) return false;
        if (!found->is_feasible) continue;
        const int64_t bytes = traffic_total(&found->traffic);
        if (!machine_confirms(nest, target, found) || bytes < found->bound_bytes) return false;
        if (i > 0 && ordered[i - 1]->is_feasible && bytes > traffic_total(&ordered[i - 1]->traffic)) return false;
    }
    return true;
}

static bool is_right(const struct class *class, const struct nest *nest, const struct target *target, const struct answers *answers) {
    const struct found *regular = &answers->regular, *whole = &answers->whole;
    const struct brute_uneven *brute = &answers->brute;
    if (!is_in_order(nest, target, answers)) return false;
    if (!is_best_of_part(nest, target, answers)) return false;
    if (regular->proof == PROOF_WHOLE && traffic_total(&regular->traffic) != traffic_total(&whole->traffic)) return false;
    if (!is_all(class)) return true;
    return whole->proof == PROOF_WHOLE && whole->is_feasible == brute->any &&
           (!brute->any || (traffic_total(&whole->traffic) == brute->bytes && footprint_total(&whole->footprint) == brute->footprint_bytes));
}

static void print_found(const char *what, const struct found *found) {
    if (!found->is_feasible) fprintf(stderr, "  %s: infeasible, %lld bytes\n", what, (long long)found->infeasible.demand_bytes);
    else print_mapping(stderr, what, &found->mapping, traffic_total(&found->traffic), footprint_total(&found->footprint));
}

static void print_answers(const struct nest *nest, const struct target *target, const struct answers *answers) {
    print_layer(stderr, nest, target);
    print_found("plain", &answers->plain);
    print_found("best", &answers->regular);
    print_found("whole", &answers->whole);
    if (answers->brute.any) print_mapping(stderr, "brute", &answers->brute.mapping, answers->brute.bytes, answers->brute.footprint_bytes);
}

static void count_answers(const struct answers *answers, struct counts *counts) {
    const struct found *plain = &answers->plain, *regular = &answers->regular, *whole = &answers->whole;
    const struct brute_uneven *brute = &answers->brute;
    counts->mappings += brute->mappings;
    counts->infeasible += !brute->any;
    if (!brute->any) return;
    counts->plain_infeasible += !plain->is_feasible;
    counts->below_plain += plain->is_feasible && brute->bytes < traffic_total(&plain->traffic);
    counts->regular_above += !regular->is_feasible || traffic_total(&regular->traffic) > brute->bytes;
    counts->whole_below += traffic_total(&whole->traffic) < brute->bytes;
    counts->footprints += traffic_total(&whole->traffic) == brute->bytes && footprint_total(&whole->footprint) > brute->footprint_bytes;
}

static void check_layer(const struct class *class, uint64_t of_class, int64_t number, struct counts *counts) {
    struct nest nest;
    struct target target;
    struct answers answers;
    struct found again;
    random_layer(&class->layers, of_class, number, &nest, &target);
    search_plain(&nest, &target, &answers.plain);
    search_best(&nest, &target, &answers.regular);
    answers.whole = answers.regular;
    if (is_all(class)) search_whole(&nest, &target, no_end, &answers.whole);
    answers.part = (struct uneven){.bytes = answers.plain.is_feasible ? traffic_total(&answers.plain.traffic) : INT64_MAX};
    answers.is_proved = uneven_search(&nest, &target, space_of(class), no_end, &answers.part);
    search_best(&nest, &target, &again);
    brute_uneven_search(&nest, &target, class->kind, &answers.brute);
    const bool ok = is_right(class, &nest, &target, &answers) && same_found(&answers.regular, &again);
#pragma omp critical
    {
        count_layer(&nest, &target, &counts->of);
        count_answers(&answers, counts);
        if (!ok && counts->failed++ < 3) {
            fprintf(stderr, "%s, layer %lld of seed %llu: ", class->layers.name, (long long)number, (unsigned long long)of_class);
            print_answers(&nest, &target, &answers);
        }
    }
}

static const struct class classes[] = {
    {{"uneven, one or two dims to 6", 2, SIZES(6), 36}, UNEVEN, 2000},
    {{"snakes, plain tiles", 4, {4, 4, 6, 6, 4, 7, 6}, 100}, SNAKES, 2000},
    {{"both, four dims to 3", 4, SIZES(3), 81}, BOTH, 20},
    {{"both, one or two dims to 6", 2, SIZES(6), 36}, BOTH, 60},
    {{"both, three dims to 3", 3, SIZES(3), 27}, BOTH, 1000},
    {{"both, four dims to 2", 4, SIZES(2), 16}, BOTH, 1000},
    {{"both, channels to 8 and another dim of 2", 2, {2, 2, 8, 8, 2, 2, 2}, 16}, BOTH, 2000},
};

static int64_t given(const char *name, int64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

START_TEST(search_is_brute_force) {
    const struct class *class = &classes[_i];
    struct counts counts = {0};
    const int64_t from = given("SUPERSLASH_FROM", 0), wanted = given("SUPERSLASH_LAYERS", class->wanted);
    const uint64_t of_class = seed + (uint64_t)_i;
    if (given("SUPERSLASH_CLASS", _i) != _i) return;
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = from; i < from + wanted; i++) check_layer(class, of_class, i, &counts);
    printf("%s, seed %llu, from %lld, ", class->layers.name, (unsigned long long)of_class, (long long)from);
    print_counts(stdout, &counts.of);
    printf("; %.3g mappings, %lld infeasible; below plain %lld, plain infeasible %lld, best regular above %lld, best of all below %lld, a "
           "smaller footprint elsewhere %lld\n",
           counts.mappings, (long long)counts.infeasible, (long long)counts.below_plain, (long long)counts.plain_infeasible,
           (long long)counts.regular_above, (long long)counts.whole_below, (long long)counts.footprints);
    ck_assert_int_eq(counts.failed, 0);
    if (wanted < 20) return;
    ck_assert_int_ge(counts.below_plain * 20, wanted);
    if (is_all(class)) ck_assert_int_le((counts.regular_above - counts.of.parts) * 10, wanted);
}
END_TEST

int main(void) {
    seed = (uint64_t)given("SUPERSLASH_SEED", (int64_t)seed);
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("uneven");
    TCase *exact = tcase_create("exact");
    tcase_set_timeout(exact, 3600);
    tcase_add_loop_test(exact, search_is_brute_force, 0, sizeof classes / sizeof *classes);
    suite_add_tcase(suite, exact);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
