/* base and ir: memory that runs out, names, edits and their use lists, order, cuts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/cut.h"
#include "ir/edit.h"
#include "ir/order.h"
#include "ir/verify.h"
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

/* ---- memory ---- */

static int undone;
static void count_undone(void *argument) {
    (void)argument;
    undone++;
}

static status build_names(void *argument) {
    struct arena *own = arena_new(argument);
    arena_defer(own, count_undone, NULL);
    struct names *names = names_new(own);
    char text[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "name%d", i);
        names_intern(names, text);
    }
    arena_free(own);
    return STATUS_OK;
}

START_TEST(every_failing_allocation_unwinds) {
    status result = STATUS_LIMIT;
    size_t tried = 0;
    for (; result != STATUS_OK; tried++) {
        struct failing failing = {.left = tried};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap small;
        heap_init(&small, &allocator, 0);
        struct diag failure = {0};
        undone = 0;
        result = heap_run(&small, &failure, build_names, &small);
        if (result != STATUS_OK) ck_assert_int_eq(result, STATUS_LIMIT);
        ck_assert_uint_eq(small.used_bytes, 0);
        ck_assert(tried < 3 || undone == 1);
    }
    ck_assert_uint_gt(tried, 5);
}
END_TEST

START_TEST(limit_is_a_status) {
    struct heap small;
    heap_init(&small, NULL, 20000);
    ck_assert_int_eq(heap_run(&small, &diag, build_names, &small), STATUS_LIMIT);
    ck_assert(strstr(diag.message, "limit 20000 B"));
    ck_assert_uint_eq(small.used_bytes, 0);
}
END_TEST

START_TEST(messages_are_one_line) {
    diag_fail(&diag, STATUS_INVALID, "node '%s'", "a\nb\x1b[31m");
    ck_assert_str_eq(diag.message, "node 'a?b?[31m'");
    diag_fail(&diag, STATUS_BUG, "second");
    ck_assert_int_eq(diag.code, STATUS_INVALID);
    diag_prefix(&diag, "model.onnx");
    ck_assert_str_eq(diag.message, "model.onnx: node 'a?b?[31m'");
}
END_TEST

START_TEST(equal_names_are_one_pointer) {
    struct names *names = names_new(arena);
    const char *first = names_intern(names, "conv1");
    for (int i = 0; i < 500; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        names_intern(names, text);
    }
    ck_assert_ptr_eq(first, names_intern_bytes(names, "conv1x", 5));
    ck_assert_ptr_null(names_find(names, "conv2"));
}
END_TEST

/* ---- edits ---- */

/* x -> a -> b -> y, w read by both */
struct chain {
    struct graph *graph;
    value_id x, w, h, y;
    node_id a, b;
};

static struct chain make_chain(void) {
    struct chain c = {.graph = graph_new(arena)};
    c.x = edit_add_value(c.graph, "x");
    c.w = edit_add_value(c.graph, "w");
    c.h = edit_add_value(c.graph, "h");
    c.y = edit_add_value(c.graph, "y");
    static const int64_t dims[2] = {2, 2};
    static const float bytes[4] = {1, 2, 3, 4};
    struct tensor tensor = {.name = "w", .type = TYPE_FLOAT, .elements = 1};
    const tensor_id id = edit_add_tensor(c.graph, &tensor);
    edit_set_tensor(c.graph, id, dims, 2, (const uint8_t *)bytes, sizeof bytes);
    edit_add_initializer(c.graph, c.w, id);
    c.a = edit_add_node(c.graph, NODE_NONE, "", "MatMul", "a", (value_id[]){c.x, c.w}, 2, &c.h, 1);
    c.b = edit_add_node(c.graph, NODE_NONE, "", "MatMul", "b", (value_id[]){c.h, c.w}, 2, &c.y, 1);
    edit_mark_input(c.graph, c.x);
    edit_mark_output(c.graph, c.y);
    return c;
}

START_TEST(edits_keep_use_lists) {
    struct chain c = make_chain();
    ck_assert_int_eq(verify_graph(c.graph, &diag), STATUS_OK);
    ck_assert_uint_eq(graph_value(c.graph, c.w)->uses.count, 2);
    const value_id copy = edit_split_constant(c.graph, c.b, 1);
    ck_assert_str_eq(graph_value(c.graph, copy)->name, "w_1");
    ck_assert_uint_eq(graph_value(c.graph, c.w)->uses.count, 1);
    const value_id r = edit_add_value(c.graph, "h");
    ck_assert_str_eq(graph_value(c.graph, r)->name, "h_1");
    const node_id relu = edit_add_node(c.graph, c.b, "", "Relu", "a", &c.h, 1, &r, 1);
    edit_set_input(c.graph, c.b, 0, r);
    ck_assert_int_eq(verify_graph(c.graph, &diag), STATUS_OK);
    ck_assert_uint_eq(c.graph->order.items[1].at, relu.at);
    edit_replace_uses(c.graph, r, c.h);
    edit_remove_node(c.graph, relu);
    ck_assert_int_eq(verify_graph(c.graph, &diag), STATUS_OK);
    ck_assert_uint_eq(c.graph->order.count, 2);
}
END_TEST

START_TEST(labels_are_unique) {
    struct chain c = make_chain();
    ck_assert_str_eq(graph_node_label(c.graph, c.a), "a");
    ck_assert_uint_eq(graph_find_node(c.graph, "b").at, c.b.at);
    const value_id z = edit_add_value(c.graph, "z");
    const node_id twin = edit_add_node(c.graph, NODE_NONE, "", "Relu", "a", &c.y, 1, &z, 1);
    ck_assert_str_eq(graph_node_label(c.graph, twin), "z");
    ck_assert_str_eq(graph_node_label(c.graph, c.a), "h");
    ck_assert_uint_eq(graph_find_node(c.graph, "z").at, twin.at);
    ck_assert_uint_eq(graph_find_node(c.graph, "a").at, 0);
}
END_TEST

START_TEST(a_cycle_is_named) {
    struct chain c = make_chain();
    edit_set_input(c.graph, c.a, 0, c.y);
    ck_assert_int_eq(order_sort(c.graph, &diag), STATUS_INVALID);
    ck_assert(strstr(diag.message, "cycle"));
    edit_set_input(c.graph, c.a, 0, c.x);
    node_id swapped = c.graph->order.items[0];
    c.graph->order.items[0] = c.graph->order.items[1];
    c.graph->order.items[1] = swapped;
    ck_assert_int_eq(verify_graph(c.graph, &(struct diag){0}), STATUS_BUG);
    ck_assert_int_eq(order_sort(c.graph, &diag), STATUS_OK);
    ck_assert_uint_eq(c.graph->order.items[0].at, c.a.at);
}
END_TEST

START_TEST(properties_replace_and_go) {
    struct chain c = make_chain();
    edit_set_property(c.graph, c.a, "superslash.rank", "1");
    edit_set_property(c.graph, c.a, "theirs", "x");
    edit_set_property(c.graph, c.a, "superslash.rank", "2");
    ck_assert_uint_eq(graph_node(c.graph, c.a)->properties.count, 2);
    ck_assert_str_eq(graph_node(c.graph, c.a)->properties.items[0].value, "2");
    edit_drop_properties(c.graph, c.a, "superslash.");
    ck_assert_uint_eq(graph_node(c.graph, c.a)->properties.count, 1);
    ck_assert_str_eq(graph_node(c.graph, c.a)->properties.items[0].key, "theirs");
}
END_TEST

/* ---- cuts ---- */

/* Every way to cut a [4, 3, 2] tensor of bytes 0..23 by removing subsets of axis 0 and axis 1, against plain loops. */
START_TEST(cuts_equal_plain_loops) {
    uint8_t base[24];
    for (uint8_t i = 0; i < 24; i++) base[i] = i;
    int64_t dims[3] = {4, 3, 2};
    const struct tensor tensor = {
        .name = "t", .type = TYPE_UINT8, .rank = 3, .dims = dims, .elements = 24, .has_bytes = true, .bytes = base, .byte_count = 24};
    for (unsigned rows = 0; rows < 16; rows++)
        for (unsigned columns = 0; columns < 8; columns++) {
            uint32_t gone_rows[4], gone_columns[3], row_count = 0, column_count = 0;
            for (uint32_t i = 0; i < 4; i++)
                if (rows >> i & 1) gone_rows[row_count++] = i;
            for (uint32_t i = 0; i < 3; i++)
                if (columns >> i & 1) gone_columns[column_count++] = i;
            struct cut *cut = cut_new(arena, &tensor);
            cut_remove(arena, cut, 1, gone_columns, column_count, 0, 0);
            cut_remove(arena, cut, 0, gone_rows, row_count, 0, 0);
            ck_assert_int_eq(cut_rows(cut), 4 - row_count);
            ck_assert_int_eq(cut_dim(cut, 1), 3 - column_count);
            uint8_t wanted[24], got[24];
            size_t wanted_count = 0;
            for (unsigned r = 0; r < 4; r++)
                for (unsigned c = 0; c < 3; c++)
                    for (unsigned k = 0; k < 2; k++)
                        if (!(rows >> r & 1) && !(columns >> c & 1)) wanted[wanted_count++] = base[(r * 3 + c) * 2 + k];
            for (int64_t row = 0; row < cut_rows(cut); row++) cut_row(cut, row, got + (size_t)row * cut_row_bytes(cut));
            ck_assert_uint_eq(cut_row_bytes(cut) * (size_t)cut_rows(cut), wanted_count);
            ck_assert_mem_eq(got, wanted, wanted_count);
        }
}
END_TEST

/* Rows [0,2) lose column 0, rows [2,4) lose column 2; row 1 goes too. */
START_TEST(cut_blocks_lose_their_own_columns) {
    uint16_t base[12];
    for (uint16_t i = 0; i < 12; i++) base[i] = i;
    int64_t dims[2] = {4, 3};
    const struct tensor tensor = {
        .type = TYPE_UINT16, .rank = 2, .dims = dims, .elements = 12, .has_bytes = true, .bytes = (uint8_t *)base, .byte_count = 24};
    struct cut *cut = cut_new(arena, &tensor);
    cut_remove(arena, cut, 1, (uint32_t[]){0}, 1, 0, 2);
    ck_assert(!cut_is_even(cut));
    cut_remove(arena, cut, 1, (uint32_t[]){2}, 1, 2, 4);
    cut_remove(arena, cut, 0, (uint32_t[]){1}, 1, 0, 0);
    ck_assert(cut_is_even(cut));
    static const uint16_t wanted[] = {1, 2, 6, 7, 9, 10};
    uint16_t got[6];
    for (int64_t row = 0; row < 3; row++) cut_row(cut, row, (uint8_t *)got + row * 4);
    ck_assert_mem_eq(got, wanted, sizeof wanted);
}
END_TEST

START_TEST(numbers_of_every_type) {
    static const uint8_t half[] = {0x00, 0xc0, 0x01, 0x00}, nibbles[] = {0x8f}, brain[] = {0x80, 0x3f};
    double number;
    struct tensor tensor = {.type = TYPE_FLOAT16, .elements = 2, .bytes = half, .has_bytes = true};
    ck_assert(tensor_number(&tensor, 0, &number) && number == -2.0);
    ck_assert(tensor_number(&tensor, 1, &number) && number == 0x1p-24);
    tensor = (struct tensor){.type = TYPE_INT4, .elements = 2, .bytes = nibbles, .has_bytes = true};
    int64_t integer;
    ck_assert(tensor_integer(&tensor, 0, &integer) && integer == -1);
    ck_assert(tensor_integer(&tensor, 1, &integer) && integer == -8);
    ck_assert(!tensor_integer(&tensor, 2, &integer));
    tensor = (struct tensor){.type = TYPE_BFLOAT16, .elements = 1, .bytes = brain, .has_bytes = true};
    ck_assert(tensor_number(&tensor, 0, &number) && number == 1.0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ir");
    TCase *cases = tcase_create("base and ir");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, every_failing_allocation_unwinds);
    tcase_add_test(cases, limit_is_a_status);
    tcase_add_test(cases, messages_are_one_line);
    tcase_add_test(cases, equal_names_are_one_pointer);
    tcase_add_test(cases, edits_keep_use_lists);
    tcase_add_test(cases, labels_are_unique);
    tcase_add_test(cases, a_cycle_is_named);
    tcase_add_test(cases, properties_replace_and_go);
    tcase_add_test(cases, cuts_equal_plain_loops);
    tcase_add_test(cases, cut_blocks_lose_their_own_columns);
    tcase_add_test(cases, numbers_of_every_type);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
