/* The curve of a sweep against a search at every single capacity, on random small layers and networks of them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/sweep.h"
#include "report/json.h"
#include "report/sweep.h"

enum { LAYERS = 400, NETWORKS = 60, NETWORK_LAYERS = 5, WAYS = 3 };

static uint64_t seed = 20261124;
static uint64_t state;
static struct heap heap;
static struct arena *arena;

static void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    state = seed;
}

static void tear_down(void) {
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
}

/* ---- random layers ---- */

static int64_t from_to(int64_t from, int64_t to) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return from + (int64_t)((state * UINT64_C(2685821657736338717) >> 16) % (uint64_t)(to - from + 1));
}

static bool one_in(int64_t times) { return from_to(1, times) == 1; }

static void random_nest(struct nest *nest) {
    static const uint32_t widths[][4] = {{8, 8, 8, 32}, {16, 16, 16, 16}, {8, 4, 8, 32}, {4, 4, 4, 16}, {5, 1, 4, 7}};
    static const int64_t largest[DIM_COUNT] = {2, 3, 9, 9, 1, 8, 8};
    const uint32_t *bits = widths[one_in(3) ? from_to(2, 4) : from_to(0, 1)];
    nest_init(nest);
    for (int d = 0; d < DIM_COUNT; d++)
        if (d >= DIM_M ? !one_in(4) : one_in(4)) nest->size[d] = from_to(1, largest[d]);
    for (int a = 1; a < NEST_AXES; a++) {
        struct nest_axis *axis = &nest->axis[a];
        const int64_t size = axis->pooled = nest->size[DIM_OD + a];
        axis->kernel = from_to(1, 3);
        axis->stride = one_in(3) ? 2 : 1;
        axis->pad = one_in(2) ? axis->kernel / 2 : 0;
        axis->plane = (size - 1) * axis->stride + axis->kernel - axis->pad;
        if (size % 2 == 0 && one_in(5)) axis->pool = 2, axis->pooled = size / 2;
    }
    memcpy(nest->bits, bits, sizeof nest->bits);
    nest->partial_bits = bits[3];
    nest->has_bias = one_in(3);
}

static void random_target(struct target *target) {
    *target = (struct target){.name = "random", .capacity_bytes = 1, .halo_reuse = !one_in(3)};
    for (int x = 0; x < OPERAND_COUNT; x++) target->double_buffer[x] = one_in(6);
}

/* From below the smallest tile to above the whole layer, more or less. */
static struct sweep_range random_range(const struct nest *nest, const struct target *target) {
    const struct mapping whole = {0};
    struct footprint all;
    mapping_footprint(nest, target, &whole, &all);
    const int64_t most = footprint_total(&all) + 3, from = one_in(2) ? 1 : from_to(1, most / 2 + 1), to = most < 600 ? most : 600;
    return (struct sweep_range){from, to > from ? to : from};
}

static int64_t searched_bytes(const struct nest *nest, const struct target *target, int64_t capacity_bytes) {
    struct target at = *target;
    struct found found;
    at.capacity_bytes = capacity_bytes;
    search_plain(nest, &at, &found);
    return found.is_feasible ? traffic_total(&found.traffic) : -1;
}

/* ---- one layer ---- */

static const struct sweep_progress silent = {0};

static void check_curve(const struct nest *nest, const struct target *target, const struct sweep_range *range, const struct curve *curve) {
    int64_t last_bytes = -1;
    uint32_t changes = 0;
    for (int64_t capacity = range->from_bytes; capacity <= range->to_bytes; capacity++) {
        const struct curve_step *step = curve_at(curve, capacity);
        const int64_t bytes = searched_bytes(nest, target, capacity);
        ck_assert_int_eq(step ? step->offchip_bytes : -1, bytes);
        ck_assert(last_bytes < 0 || (bytes >= 0 && bytes <= last_bytes));
        changes += bytes != last_bytes;
        last_bytes = bytes;
    }
    ck_assert_uint_eq(changes, curve->steps.count);
}

START_TEST(a_curve_is_a_search_at_every_byte) {
    int64_t steps = 0, capacities = 0;
    for (int i = 0; i < LAYERS; i++) {
        struct nest nest;
        struct target target;
        random_nest(&nest);
        random_target(&target);
        const struct sweep_range range = random_range(&nest, &target);
        const struct nest *const nests[] = {&nest, &nest};
        struct arena *own = arena_new(&heap);
        const struct sweep_curves *curves = sweep_curves_find(own, nests, 2, &target, &range, 1 + (unsigned)(i % 3), &silent);
        const struct curve *curve = sweep_curves_get(curves, &nest);
        check_curve(&nest, &target, &range, curve);
        if (range.from_bytes == 1 && curve->steps.count)
            ck_assert_int_eq(curve->steps.items[0].capacity_bytes, curve_fits_bytes(&nest, &target));
        steps += curve->steps.count;
        capacities += range.to_bytes - range.from_bytes + 1;
        arena_free(own);
    }
    printf("seed %llu: %d layers, %lld capacities, %lld steps\n", (unsigned long long)seed, LAYERS, (long long)capacities,
           (long long)steps);
    ck_assert_int_ge(steps, 3 * LAYERS);
}
END_TEST

/* ---- a network ---- */

struct network {
    struct cost_way ways[NETWORK_LAYERS][WAYS];
    struct sweep_layer layers[NETWORK_LAYERS];
    struct target target;
    struct sweep_range range;
};

static void random_way(struct cost_way *way, const struct target *target) {
    *way = (struct cost_way){.has_nest = !one_in(6), .extra_bytes = one_in(3) ? from_to(0, 300) : 0};
    if (!way->has_nest) return;
    random_nest(&way->nest);
    way->may_stream = one_in(4);
    if (!way->may_stream) return;
    struct mapping some = {0};
    mapping_footprint(&way->nest, target, &some, &way->stream);
    way->stream.bytes[OPERAND_I] /= 3;
    way->stream.bytes[OPERAND_O] /= 3;
}

static void random_network(struct network *network) {
    static const char *const names[NETWORK_LAYERS] = {"a", "b,\"c\"", "d<&>", "e\n\xFF", "f"};
    memset(network, 0, sizeof *network);
    random_target(&network->target);
    network->range = (struct sweep_range){from_to(1, 60), from_to(61, 900)};
    for (int i = 0; i < NETWORK_LAYERS; i++) {
        const uint32_t count = one_in(3) ? 3 : 1;
        for (uint32_t k = 0; k < count; k++) random_way(&network->ways[i][k], &network->target);
        if (i && one_in(4)) memcpy(network->ways[i], network->ways[i - 1], sizeof network->ways[i]);
        network->layers[i] = (struct sweep_layer){names[i], network->ways[i], network->ways[i][1].has_nest ? count : 1};
    }
}

static int64_t way_bytes(const struct cost_way *way, const struct target *target, int64_t capacity_bytes) {
    if (!way->has_nest) return way->extra_bytes;
    if (way->may_stream && footprint_total(&way->stream) <= capacity_bytes) return nest_compulsory_bytes(&way->nest) + way->extra_bytes;
    const int64_t bytes = searched_bytes(&way->nest, target, capacity_bytes);
    return bytes < 0 ? -1 : bytes + way->extra_bytes;
}

/* The whole, or the parts where that is better; -1 = does not fit. */
static int64_t layer_bytes(const struct sweep_layer *layer, const struct target *target, int64_t capacity_bytes) {
    const int64_t whole = way_bytes(&layer->ways[0], target, capacity_bytes);
    int64_t parts = layer->way_count > 1 ? 0 : -1;
    for (uint32_t i = 1; i < layer->way_count; i++) {
        const int64_t bytes = way_bytes(&layer->ways[i], target, capacity_bytes);
        parts = bytes < 0 || parts < 0 ? -1 : parts + bytes;
    }
    return parts < 0 || (whole >= 0 && whole <= parts) ? whole : parts;
}

static void check_network(const struct network *network, const struct record_sweep *sweep) {
    int64_t last_bytes = 0;
    uint32_t at = 0, last_unfit = UINT32_MAX, sample = 0;
    for (int64_t capacity = network->range.from_bytes; capacity <= network->range.to_bytes; capacity++) {
        int64_t bytes = 0;
        uint32_t unfit = 0;
        for (int i = 0; i < NETWORK_LAYERS; i++) {
            const int64_t moved = layer_bytes(&network->layers[i], &network->target, capacity);
            unfit += moved < 0;
            bytes += moved;
        }
        const bool is_step = capacity == network->range.from_bytes || unfit != last_unfit || (!unfit && bytes != last_bytes);
        if (capacity > network->range.from_bytes && is_step) at++;
        ck_assert_uint_lt(at, sweep->step_count);
        const struct record_knee *step = &sweep->steps[at];
        ck_assert_uint_eq(step->infeasible_layers, unfit);
        if (!unfit) ck_assert_int_eq(step->offchip_bytes, bytes);
        if (is_step) ck_assert_int_eq(step->capacity_bytes, capacity);
        if (is_step && at) ck_assert_int_eq(step->saved_bytes, last_unfit ? 0 : last_bytes - bytes);
        if (is_step && at) ck_assert(step->layers >= 1 && step->layers <= NETWORK_LAYERS && step->layer);
        if (sample < sweep->sample_count && sweep->samples[sample].capacity_bytes == capacity) {
            ck_assert_uint_eq(sweep->samples[sample].infeasible_layers, unfit);
            if (!unfit) ck_assert_int_eq(sweep->samples[sample].offchip_bytes, bytes);
            sample++;
        }
        ck_assert(unfit || bytes >= sweep->lower_bound_bytes);
        ck_assert((unfit == 0) == (capacity >= sweep->fits_bytes));
        last_bytes = bytes;
        last_unfit = unfit;
    }
    ck_assert_uint_eq(at + 1, sweep->step_count);
    ck_assert_uint_eq(sample, sweep->sample_count);
}

START_TEST(a_network_is_the_sum_of_its_layers) {
    for (int i = 0; i < NETWORKS; i++) {
        struct network network;
        struct record_sweep one, four;
        struct arena *own = arena_new(&heap);
        random_network(&network);
        sweep_find(own, network.layers, NETWORK_LAYERS, &network.target, &network.range, 1, &silent, &one);
        sweep_find(own, network.layers, NETWORK_LAYERS, &network.target, &network.range, 4, &silent, &four);
        check_network(&network, &one);
        one.compulsory_bytes = four.compulsory_bytes = one.lower_bound_bytes;
        const struct record first = {.command = "sweep", .target = &network.target, .sweep = &one};
        const struct record second = {.command = "sweep", .target = &network.target, .sweep = &four};
        ck_assert_str_eq(csv_sweep(own, &first), csv_sweep(own, &second));
        ck_assert_str_eq(json_sweep(own, &first), json_sweep(own, &second));
        ck_assert_str_eq(svg_sweep(own, &first), svg_sweep(own, &second));
        arena_free(own);
    }
}
END_TEST

START_TEST(the_largest_knees_come_first) {
    const struct record_knee steps[] = {
        {.capacity_bytes = 1}, {.capacity_bytes = 2, .saved_bytes = 5}, {.capacity_bytes = 3, .saved_bytes = 9},
        {.capacity_bytes = 4}, {.capacity_bytes = 5, .saved_bytes = 5}, {.capacity_bytes = 6, .saved_bytes = 7}};
    const struct record_sweep sweep = {.steps = steps, .step_count = 6};
    const struct record_knee *largest[8];
    ck_assert_uint_eq(sweep_largest(&sweep, largest, 8), 4);
    ck_assert(largest[0] == &steps[2] && largest[1] == &steps[5] && largest[2] == &steps[1] && largest[3] == &steps[4]);
    ck_assert_uint_eq(sweep_largest(&sweep, largest, 3), 3);
    ck_assert(largest[0] == &steps[2] && largest[1] == &steps[5] && largest[2] == &steps[1]);
}
END_TEST

int main(void) {
    const char *given = getenv("SUPERSLASH_SEED");
    if (given) seed = strtoull(given, NULL, 10) | 1;
    Suite *suite = suite_create("sweep");
    TCase *exact = tcase_create("exact");
    tcase_add_checked_fixture(exact, set_up, tear_down);
    tcase_set_timeout(exact, 300);
    tcase_add_test(exact, a_curve_is_a_search_at_every_byte);
    tcase_add_test(exact, a_network_is_the_sum_of_its_layers);
    tcase_add_test(exact, the_largest_knees_come_first);
    suite_add_tcase(suite, exact);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
