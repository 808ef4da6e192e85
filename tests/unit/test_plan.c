/* report/plan: what is written is read back the same; every kind of wrong plan is refused with its place. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "report/plan.h"
#include "unit/failing.h"
#include "unit/scratch.h"

static const char whole[] = "{\"superslash_plan\": 1, \"fingerprint\": \"12ab\",\n"
                            " \"spaces\": [\n"
                            "  {\"id\": \"conv1\", \"size\": 8, \"remove\": [0,3,7]},\n"
                            "  {\"id\": \"conv2\", \"size\": 4, \"remove\": []}],\n"
                            " \"slices\": [\n"
                            "  {\"tensor\": \"w1\", \"axis\": 0, \"size\": 8, \"remove\": [0,3,7], \"role\": \"makes\"},\n"
                            "  {\"tensor\": \"bn\", \"axis\": 0, \"size\": 8, \"remove\": [0,3,7], \"role\": \"carries\"},\n"
                            "  {\"tensor\": \"w2\", \"axis\": 1, \"size\": 4, \"remove\": [1], \"role\": \"reads\", \"rows\": [0,4], "
                            "\"node\": \"conv2\"}]}\n";

START_TEST(plans_come_back_the_same) {
    struct plan plan;
    ck_assert_int_eq(plan_parse(arena, whole, strlen(whole), &plan, &diag), STATUS_OK);
    ck_assert_uint_eq(plan.spaces.count, 2);
    ck_assert_uint_eq(plan.spaces.items[0].remove[2], 7);
    ck_assert_uint_eq(plan.slices.count, 3);
    ck_assert_int_eq(plan.slices.items[2].role, PLAN_READS);
    ck_assert_int_eq(plan.slices.items[2].rows_to, 4);
    ck_assert_ptr_null(plan.slices.items[0].node);
    ck_assert_str_eq(plan_print(arena, &plan), whole);
}
END_TEST

START_TEST(hand_written_plans) {
    static const char keep[] = "{\"superslash_plan\": 1, \"keep\": {\"conv1\": 48, \"conv0\": 3}}";
    static const char unsorted[] = "{\"superslash_plan\": 1, \"spaces\": [{\"id\": \"a\", \"size\": 9, \"remove\": [5, 2, 8]}]}";
    struct plan plan;
    ck_assert_int_eq(plan_parse(arena, keep, strlen(keep), &plan, &diag), STATUS_OK);
    ck_assert_uint_eq(plan.keeps.count, 2);
    ck_assert_str_eq(plan.keeps.items[0].node, "conv1");
    ck_assert_uint_eq(plan.keeps.items[0].keep, 48);
    ck_assert_ptr_null(plan.fingerprint);
    struct plan again;
    const char *printed = plan_print(arena, &plan);
    ck_assert_int_eq(plan_parse(arena, printed, strlen(printed), &again, &diag), STATUS_OK);
    ck_assert_str_eq(plan_print(arena, &again), printed);
    ck_assert_int_eq(plan_parse(arena, unsorted, strlen(unsorted), &plan, &diag), STATUS_OK);
    ck_assert_uint_eq(plan.spaces.items[0].remove[0], 2);
    ck_assert_uint_eq(plan.spaces.items[0].remove[2], 8);
}
END_TEST

#define SPACES(text) "{\"superslash_plan\": 1, \"spaces\": " text "}"
#define SLICE(text) "{\"superslash_plan\": 1, \"slices\": [{\"tensor\": \"w\", \"axis\": 0, \"size\": 4, \"remove\": [1]" text "}]}"

static const struct {
    const char *text, *message;
} wrong[] = {
    {"", "plan: line 1"},
    {"{\n\"superslash_plan\": 1,,}", "plan: line 2, column "},
    {"{\"superslash_plan\": 1, \"spaces\": []} x", "plan: line 1"},
    {"[]", "plan: the whole is an array, expected an object"},
    {"{}", "plan: superslash_plan is missing"},
    {"{\"superslash_plan\": 2, \"spaces\": []}", "plan: superslash_plan is 2, this version reads 1"},
    {"{\"superslash_plan\": true}", "plan: superslash_plan is true or false, expected an integer"},
    {"{\"superslash_plan\": 1}", "plan: neither spaces nor keep"},
    {"{\"superslash_plan\": 1, \"space\": []}", "plan: space is not a key"},
    {"{\"superslash_plan\": 1, \"superslash_plan\": 1}", "plan: line 1"},
    {"{\"superslash_plan\": 1, \"fingerprint\": 3, \"spaces\": []}", "plan: fingerprint is an integer, expected a string"},
    {SPACES("{}"), "plan: spaces is an object, expected an array"},
    {SPACES("[3]"), "plan: spaces[0] is an integer, expected an object"},
    {SPACES("[{\"id\": \"a\", \"size\": 4}]"), "plan: spaces[0].remove is missing"},
    {SPACES("[{\"id\": \"a\", \"size\": 4, \"remove\": 1}]"), "plan: spaces[0].remove is an integer, expected an array"},
    {SPACES("[{\"id\": \"\", \"size\": 4, \"remove\": []}]"), "plan: spaces[0].id is empty"},
    {SPACES("[{\"id\": \"a\", \"size\": 0, \"remove\": []}]"), "plan: spaces[0].size is 0, expected 1 to 4294967295"},
    {SPACES("[{\"id\": \"a\", \"size\": 99999999999999999999, \"remove\": []}]"), "plan: line 1"},
    {SPACES("[{\"id\": \"a\", \"size\": 4, \"remove\": [1, 2, 4]}]"), "plan: spaces[0].remove[2] is 4, expected 0 to 3"},
    {SPACES("[{\"id\": \"a\", \"size\": 4, \"remove\": [-1]}]"), "plan: spaces[0].remove[0] is -1, expected 0 to 3"},
    {SPACES("[{\"id\": \"a\", \"size\": 4, \"remove\": [1.0]}]"), "plan: spaces[0].remove[0] is a number with a fraction"},
    {SPACES("[{\"id\": \"a\", \"size\": 4, \"remove\": [2, 1, 2]}]"), "plan: spaces[0].remove names 2 twice"},
    {SPACES("[{\"id\": \"a\", \"size\": 1, \"remove\": [0, 0]}]"), "plan: spaces[0].remove has 2 entries, size is 1"},
    {SPACES("[{\"id\": \"a\", \"size\": 4, \"remove\": [], \"keep\": 1}]"), "plan: spaces[0].keep is not a key"},
    {SPACES("[{\"id\": \"a\", \"size\": 4, \"remove\": []}, {\"id\": \"a\", \"size\": 4, \"remove\": []}]"), "plan: spaces[1].id is 'a'"},
    {SLICE(""), "plan: slices[0].role is missing"},
    {SLICE(", \"role\": \"cuts\""), "plan: slices[0].role is 'cuts'"},
    {SLICE(", \"role\": \"makes\", \"rows\": 3"), "plan: slices[0].rows is an integer"},
    {SLICE(", \"role\": \"makes\", \"rows\": [1]"), "plan: slices[0].rows has 1 entries, expected 2"},
    {SLICE(", \"role\": \"makes\", \"rows\": [4, 4]"), "plan: slices[0].rows[1] is 4, expected 5 to"},
    {SLICE(", \"role\": \"makes\", \"node\": null"), "plan: slices[0].node is null, expected a string"},
    {"{\"superslash_plan\": 1, \"keep\": [1]}", "plan: keep is an array, expected an object"},
    {"{\"superslash_plan\": 1, \"keep\": {\"a\": 0}}", "plan: keep.a is 0, expected 1 to"},
    {"{\"superslash_plan\": 1, \"keep\": {\"a\": 1}, \"spaces\": [{\"id\": \"a\", \"size\": 2, \"remove\": []}]}",
     "plan: keep stands beside"},
};

START_TEST(wrong_plans_are_refused) {
    struct plan plan = {.fingerprint = "untouched"};
    ck_assert_int_eq(plan_parse(arena, wrong[_i].text, strlen(wrong[_i].text), &plan, &diag), STATUS_USAGE);
    ck_assert_msg(strncmp(diag.message, wrong[_i].message, strlen(wrong[_i].message)) == 0, "%s\nwanted %s", diag.message,
                  wrong[_i].message);
    ck_assert_str_eq(plan.fingerprint, "untouched");
}
END_TEST

/* ---- memory ---- */

static status parse_and_print(void *argument) {
    struct arena *own = arena_new(argument);
    struct plan plan;
    struct diag failure = {0};
    const status result = plan_parse(own, whole, strlen(whole), &plan, &failure);
    if (!result) plan_print(own, &plan);
    arena_free(own);
    return result;
}

START_TEST(every_failing_allocation_unwinds) {
    status result = STATUS_LIMIT;
    for (size_t tried = 0; result != STATUS_OK; tried++) {
        struct failing failing = {.left = tried};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap small;
        struct diag failure = {0};
        heap_init(&small, &allocator, 0);
        result = heap_run(&small, &failure, parse_and_print, &small);
        ck_assert(result == STATUS_OK || result == STATUS_LIMIT);
        ck_assert_uint_eq(small.used_bytes, 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plan");
    TCase *test = tcase_create("plan");
    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_add_test(test, plans_come_back_the_same);
    tcase_add_test(test, hand_written_plans);
    tcase_add_loop_test(test, wrong_plans_are_refused, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(test, every_failing_allocation_unwinds);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
