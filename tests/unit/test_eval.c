/* The evaluator as its callers use it: stepping, keeping, replacing, memory, threads. What the kernels compute is compared with ONNX
 * Runtime's results in cli/test_eval.py. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval.h"
#include "failing.h"
#include "onnx/model.h"
#include "op/op.h"
#include "unit/scratch.h"

static struct graph *open_graph(const char *path) {
    struct onnx_model *model;
    ck_assert_msg(onnx_model_open(arena, path, &model, &diag) == STATUS_OK, "%s", diag.message);
    ck_assert_int_eq(op_resolve(onnx_model_graph(model), &diag), STATUS_OK);
    return onnx_model_graph(model);
}

static struct eval *new_eval(const struct graph *graph, unsigned threads, int64_t memory_bytes) {
    return eval_new(arena, graph, &(struct eval_settings){parallel_new(arena, threads), memory_bytes});
}

/* Images [from, from + count) of an endless row of pictures. */
static void give_images(struct eval *eval, const struct graph *graph, int64_t from, int64_t count) {
    const struct shape shape = {true, TYPE_FLOAT, 4, {count, 1, 28, 28}};
    struct eval_tensor *images;
    eval_next(eval);
    ck_assert_int_eq(eval_set_blank(eval, graph->inputs.items[0], &shape, &images, &diag), STATUS_OK);
    for (int64_t i = 0; i < images->elements; i++) images->floats[i] = (float)((from * 784 + i) * 7919 % 1013) / 1013 - 0.5f;
}

static void run(struct eval *eval) { ck_assert_msg(eval_run(eval, 0, eval_node_count(eval), &diag) == STATUS_OK, "%s", diag.message); }

static const struct eval_tensor *output_of(struct eval *eval, const struct graph *graph) { return eval_get(eval, graph->outputs.items[0]); }

static const char *const networks[] = {"models/vgg.onnx", "models/resnet.onnx", "models/mobilenet.onnx"};

START_TEST(threads_change_nothing) {
    const struct graph *graph = open_graph(networks[_i]);
    struct eval *one = new_eval(graph, 1, 0), *three = new_eval(graph, 3, 0);
    ck_assert_msg(eval_check(graph, &diag) == STATUS_OK, "%s", diag.message);
    give_images(one, graph, 0, 5);
    give_images(three, graph, 0, 5);
    run(one);
    run(three);
    const struct eval_tensor *a = output_of(one, graph), *b = output_of(three, graph);
    ck_assert_int_eq(a->elements, 50);
    ck_assert_int_eq(b->elements, 50);
    ck_assert(memcmp(a->floats, b->floats, 50 * sizeof(float)) == 0);
}
END_TEST

START_TEST(steps_give_what_a_run_gives) {
    const struct graph *graph = open_graph(networks[_i]);
    struct eval *whole = new_eval(graph, 2, 0), *steps = new_eval(graph, 2, 0);
    give_images(whole, graph, 3, 2);
    give_images(steps, graph, 3, 2);
    run(whole);
    for (uint32_t at = 0; at < eval_node_count(steps); at++) ck_assert_int_eq(eval_run(steps, at, at + 1, &diag), STATUS_OK);
    ck_assert(memcmp(output_of(whole, graph)->floats, output_of(steps, graph)->floats, 20 * sizeof(float)) == 0);
    ck_assert_int_eq(eval_peak_bytes(whole), eval_peak_bytes(steps));
}
END_TEST

/* From a kept value on, again and again: the same. With the value replaced: what the rest makes of it. */
START_TEST(the_rest_runs_again) {
    const struct graph *graph = open_graph(networks[0]);
    struct eval *eval = new_eval(graph, 1, 0);
    const value_id middle = graph_node(graph, graph->order.items[4])->outputs[0];
    float first[20];
    eval_keep(eval, middle, true);
    give_images(eval, graph, 0, 2);
    run(eval);
    memcpy(first, output_of(eval, graph)->floats, sizeof first);
    const struct eval_tensor *kept = eval_get(eval, middle);
    ck_assert_ptr_nonnull(kept);
    ck_assert_int_eq(eval_run(eval, 5, eval_node_count(eval), &diag), STATUS_OK);
    ck_assert(memcmp(first, output_of(eval, graph)->floats, sizeof first) == 0);
    struct eval_tensor zero = *kept;
    zero.floats = arena_alloc(arena, (size_t)zero.elements * sizeof(float));
    ck_assert_int_eq(eval_set(eval, middle, &zero, &diag), STATUS_OK);
    ck_assert_int_eq(eval_run(eval, 5, eval_node_count(eval), &diag), STATUS_OK);
    const float *second = output_of(eval, graph)->floats;
    ck_assert(memcmp(first, second, sizeof first) != 0);
    ck_assert(memcmp(second, second + 10, 10 * sizeof(float)) == 0);
    eval_next(eval);
    ck_assert_ptr_null(eval_get(eval, middle));
}
END_TEST

/* A constant that is replaced holds for every batch. */
START_TEST(a_constant_is_replaced) {
    const struct graph *graph = open_graph(networks[0]);
    struct eval *eval = new_eval(graph, 1, 0);
    const struct node *last = graph_node(graph, graph->order.items[graph->order.count - 1]);
    const value_id weight = last->inputs[1], bias = last->inputs[2];
    struct eval_tensor zero = *eval_get(eval, weight);
    zero.floats = arena_alloc(arena, (size_t)zero.elements * sizeof(float));
    ck_assert_int_eq(eval_set(eval, weight, &zero, &diag), STATUS_OK);
    for (int64_t batch = 0; batch < 2; batch++) {
        give_images(eval, graph, batch, 1);
        run(eval);
        ck_assert(memcmp(output_of(eval, graph)->floats, eval_get(eval, bias)->floats, 10 * sizeof(float)) == 0);
    }
}
END_TEST

START_TEST(memory_has_a_limit) {
    const struct graph *graph = open_graph(networks[0]);
    struct eval *free_one = new_eval(graph, 2, 0);
    give_images(free_one, graph, 0, 4);
    run(free_one);
    const int64_t peak = eval_peak_bytes(free_one);
    struct eval *enough = new_eval(graph, 2, peak), *short_of = new_eval(graph, 2, peak - 1);
    give_images(enough, graph, 0, 4);
    run(enough);
    ck_assert_int_eq(eval_peak_bytes(enough), peak);
    give_images(short_of, graph, 0, 4);
    ck_assert_int_eq(eval_run(short_of, 0, eval_node_count(short_of), &diag), STATUS_LIMIT);
    ck_assert_ptr_nonnull(strstr(diag.message, "--memory"));
}
END_TEST

START_TEST(a_missing_input_is_named) {
    const struct graph *graph = open_graph(networks[0]);
    struct eval *eval = new_eval(graph, 1, 0);
    ck_assert_int_eq(eval_run(eval, 0, 1, &diag), STATUS_USAGE);
    ck_assert_ptr_nonnull(strstr(diag.message, "'image'"));
}
END_TEST

/* ---- memory that runs out ---- */

static status run_short(void *argument) {
    struct heap *own = argument;
    struct arena *work = arena_new(own);
    struct onnx_model *model;
    struct diag ignored = {0};
    status result = onnx_model_open(work, networks[1], &model, &ignored);
    if (result != STATUS_OK) return result;
    const struct graph *graph = onnx_model_graph(model);
    result = op_resolve(onnx_model_graph(model), &ignored);
    struct eval *eval = eval_new(work, graph, &(struct eval_settings){.threads = parallel_new(work, 2)});
    struct eval_tensor *images;
    if (result == STATUS_OK)
        result = eval_set_blank(eval, graph->inputs.items[0], &(struct shape){true, TYPE_FLOAT, 4, {1, 1, 28, 28}}, &images, &ignored);
    if (result != STATUS_OK) return result;
    memset(images->floats, 0, (size_t)images->elements * sizeof(float));
    result = eval_run(eval, 0, eval_node_count(eval), &ignored);
    arena_free(work);
    return result;
}

START_TEST(every_allocation_may_fail) {
    status result = STATUS_LIMIT;
    size_t allowed = 0;
    for (; result != STATUS_OK; allowed += 1 + allowed / 16) {
        struct failing failing = {.left = allowed};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap own;
        struct diag failed = {0};
        heap_init(&own, &allocator, 0);
        result = heap_run(&own, &failed, run_short, &own);
        ck_assert(result == STATUS_OK || result == STATUS_LIMIT);
        ck_assert_uint_eq(own.used_bytes, 0);
        heap_release(&own);
    }
    ck_assert_uint_gt(allowed, 100);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("eval");
    TCase *tests = tcase_create("networks");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, threads_change_nothing, 0, 3);
    tcase_add_loop_test(tests, steps_give_what_a_run_gives, 0, 3);
    tcase_add_test(tests, the_rest_runs_again);
    tcase_add_test(tests, a_constant_is_replaced);
    tcase_add_test(tests, memory_has_a_limit);
    tcase_add_test(tests, a_missing_input_is_named);
    tcase_add_test(tests, every_allocation_may_fail);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
