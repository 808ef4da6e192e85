/* Threads that share out blocks: each block once, whatever the number of threads and blocks, call after call. */
#include <check.h>
#include <stdlib.h>

#include "base/heaps.h"
#include "base/parallel.h"

enum { MOST_BLOCKS = 1000, CALLS = 2000 };

static struct heap heap;

static void set_up(void) { heap_init(&heap, NULL, 0); }
static void tear_down(void) { heap_release(&heap); }

struct visits {
    int *times; /* by block */
    unsigned threads;
};

static void visit(const void *context, int64_t block, unsigned worker) {
    const struct visits *visits = context;
    ck_assert_uint_lt(worker, visits->threads);
    visits->times[block]++;
}

START_TEST(each_block_once) {
    struct arena *arena = arena_new(&heap);
    struct parallel *parallel = parallel_new(arena, (unsigned)_i);
    int *times = ARENA_ARRAY(arena, int, MOST_BLOCKS);
    const struct visits visits = {times, parallel_threads(parallel)};
    ck_assert_uint_ge(visits.threads, 1);
    ck_assert_uint_le(visits.threads, _i ? (unsigned)_i : 1);
    for (int call = 1; call <= CALLS; call++) {
        const int64_t count = call * 7 % 29;
        parallel_run(parallel, count, visit, &visits);
        for (int64_t block = 0; block < count; block++, times[block - 1] = 0) ck_assert_int_eq(times[block], 1);
    }
    parallel_run(parallel, MOST_BLOCKS, visit, &visits);
    for (int64_t block = 0; block < MOST_BLOCKS; block++) ck_assert_int_eq(times[block], 1);
    arena_free(arena);
}
END_TEST

/* Two at once, each with threads of its own, as two evaluators have them. */
START_TEST(several_side_by_side) {
    struct arena *arena = arena_new(&heap);
    struct parallel *one = parallel_new(arena, 3), *other = parallel_new(arena, 2);
    int *times = ARENA_ARRAY(arena, int, MOST_BLOCKS);
    const struct visits visits = {times, 3};
    for (int call = 0; call < CALLS; call++) {
        parallel_run(one, 10, visit, &visits);
        parallel_run(other, 10, visit, &visits);
    }
    for (int64_t block = 0; block < 10; block++) ck_assert_int_eq(times[block], 2 * CALLS);
    arena_free(arena);
}
END_TEST

/* ---- memory of their own ---- */

struct taking {
    struct heaps *heaps;
    int64_t *sums; /* by block */
};

struct taken {
    int64_t block, *sum;
};

static void take(struct arena *arena, void *argument) {
    const struct taken *taken = argument;
    for (int64_t i = 0; i < taken->block; i++) {
        int64_t *numbers = ARENA_ARRAY(arena, int64_t, 1000 + i);
        numbers[999 + i] = i;
        *taken->sum += numbers[0] + numbers[999 + i];
    }
}

static void take_block(const void *context, int64_t block, unsigned worker) {
    const struct taking *taking = context;
    heaps_run(taking->heaps, worker, take, &(struct taken){block, &taking->sums[block]});
}

enum { TAKING_BLOCKS = 200 };

static status take_all(void *argument) {
    struct arena *arena = arena_new(&heap);
    struct parallel *parallel = parallel_new(arena, *(unsigned *)argument);
    struct taking taking = {heaps_new(arena, parallel_threads(parallel)), ARENA_ARRAY(arena, int64_t, TAKING_BLOCKS)};
    parallel_run(parallel, TAKING_BLOCKS, take_block, &taking);
    heaps_check(taking.heaps);
    for (int64_t block = 0; block < TAKING_BLOCKS; block++) ck_assert_int_eq(taking.sums[block], block * (block - 1) / 2);
    arena_free(arena);
    return STATUS_OK;
}

/* All that is taken counts where it comes from; where there is no more, everything is given back and it is said so. */
START_TEST(each_in_its_heap) {
    unsigned threads = (unsigned)_i;
    struct diag diag = {0};
    ck_assert_int_eq(heap_run(&heap, &diag, take_all, &threads), STATUS_OK);
    ck_assert_uint_eq(heap.used_bytes, 0);
    ck_assert_uint_gt(heap.peak_bytes, (TAKING_BLOCKS - 1) * 1000 * sizeof(int64_t));
    heap.limit_bytes = 1000000;
    heap.peak_bytes = 0;
    ck_assert_int_eq(heap_run(&heap, &diag, take_all, &threads), STATUS_LIMIT);
    ck_assert_uint_eq(heap.used_bytes, 0);
    ck_assert_uint_le(heap.peak_bytes, 1000000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parallel");
    TCase *tests = tcase_create("blocks");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, each_block_once, 0, 6);
    tcase_add_test(tests, several_side_by_side);
    tcase_add_loop_test(tests, each_in_its_heap, 1, 5);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
