/* Layer tables: columns in any order, defaults, quotes, errors with line and column, a long one. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cost/table.h"

static struct heap heap;
static struct arena *arena;
static struct diag diag;
static struct target target;
static struct layer_table table;

static void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    diag = (struct diag){0};
    ck_assert_int_eq(target_load(arena, "plain", &target, &diag), STATUS_OK);
}

static void tear_down(void) {
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
}

static status read(const char *text) { return layer_table_read(arena, "t.csv", text, strlen(text), &target, &table, &diag); }

static void read_well(const char *text) {
    const status result = read(text);
    ck_assert_msg(result == STATUS_OK, "%s", diag.message);
}

START_TEST(needed_columns_are_enough) {
    target.batch = 3;
    read_well("m,c,oh,ow,kh,kw\n256,128,56,28,3,1\n");
    ck_assert_uint_eq(table.row_count, 1);
    const struct layer_row *row = &table.rows[0];
    const struct nest *nest = &row->nest;
    ck_assert_str_eq(row->name, "layer1");
    ck_assert(row->line == 2 && row->pool == 1);
    ck_assert(nest->size[DIM_N] == 3 && nest->size[DIM_G] == 1 && nest->size[DIM_M] == 256 && nest->size[DIM_C] == 128);
    ck_assert(nest->size[DIM_OD] == 1 && nest->size[DIM_OH] == 56 && nest->size[DIM_OW] == 28);
    ck_assert(nest->axis[1].plane == 58 && nest->axis[1].kernel == 3 && nest->axis[1].pooled == 56);
    ck_assert(nest->axis[2].plane == 28 && nest->axis[2].kernel == 1 && nest->axis[2].pooled == 28);
    ck_assert(nest->bits[OPERAND_I] == 8 && nest->bits[OPERAND_W] == 8 && nest->bits[OPERAND_O] == 8 && nest->partial_bits == 32);
    ck_assert(!nest->has_bias);
    ck_assert(row->input_factor >= 1 && row->output_factor >= 1 && row->weight_factor >= 1);
}
END_TEST

START_TEST(any_order_and_every_column) {
    read_well("cw,kw,kh,ow,oh,c,m,name,n,g,stride,dilation,pad,ih,iw,pool,ci,co\n"
              "0.5,5,5,7,8,4,6,\"conv \"\"1\"\", a\",2,3,2,2,4,18,17,2,0.25,1.5\n");
    const struct layer_row *row = &table.rows[0];
    const struct nest_axis *rows = &row->nest.axis[1], *columns = &row->nest.axis[2];
    ck_assert_str_eq(row->name, "conv \"1\", a");
    ck_assert(row->nest.size[DIM_N] == 2 && row->nest.size[DIM_G] == 3 && row->nest.size[DIM_M] == 6 && row->nest.size[DIM_C] == 4);
    ck_assert(rows->plane == 18 && rows->stride == 2 && rows->dilation == 2 && rows->pad == 4 && rows->pool == 2 && rows->pooled == 4);
    ck_assert(columns->plane == 17 && columns->pool == 2 && columns->pooled == 3);
    ck_assert_double_eq(row->input_factor, 0.25);
    ck_assert_double_eq(row->output_factor, 1.5);
    ck_assert_double_eq(row->weight_factor, 0.5);
    ck_assert_int_eq(row->pool, 2);
}
END_TEST

START_TEST(planes_follow_from_windows) {
    read_well("m,c,oh,ow,kh,kw,stride,dilation,pad\n1,1,112,112,7,7,2,1,3\n1,1,10,10,3,3,1,2,2\n10,20,1,1,1,1,1,1,5\n");
    ck_assert_int_eq(table.rows[0].nest.axis[1].plane, 111 * 2 + 6 + 1 - 6);
    ck_assert_int_eq(table.rows[1].nest.axis[2].plane, 9 + 4 + 1 - 4);
    ck_assert_int_eq(table.rows[2].nest.axis[2].plane, 1);
    ck_assert_int_eq(table.rows[2].nest.axis[2].pad, 0);
}
END_TEST

START_TEST(files_as_programs_write_them) {
    read_well("\xEF\xBB\xBFname, m ,c,oh,ow,kh,kw,pool\r\n\r\n a , 1,2,3,4,1,1,\r\n\n,5,6,7,8,1,1, 2 \r\n\"b\" ,1,1,1,1,1,1,1");
    ck_assert_uint_eq(table.row_count, 3);
    ck_assert_str_eq(table.rows[0].name, "a");
    ck_assert_str_eq(table.rows[1].name, "layer2");
    ck_assert_str_eq(table.rows[2].name, "b");
    ck_assert(table.rows[0].pool == 1 && table.rows[1].pool == 2 && table.rows[1].line == 5);
}
END_TEST

static const struct {
    const char *text;
    status result;
    const char *says;
} faults[] = {
    {"", STATUS_USAGE, "t.csv:1: column 'm' is missing"},
    {"m,c,oh,ow,kh\n", STATUS_USAGE, "t.csv:1: column 'kw' is missing (m,c,oh,ow,kh,kw are needed)"},
    {"m,c,oh,ow,kh,kw,strde\n", STATUS_USAGE, "t.csv:1: unknown column 'strde', did you mean 'stride'?"},
    {"m,c,oh,ow,kh,kw,m\n", STATUS_USAGE, "t.csv:1: column 'm' stands there twice"},
    {"m,c,oh,ow,kh,kw\n", STATUS_USAGE, "t.csv: has no rows"},
    {"m,c,oh,ow,kh,kw\n1,2,3,4,5\n", STATUS_USAGE, "t.csv:2: 5 fields, the header has 6"},
    {"m,c,oh,ow,kh,kw\n\n1,2,3,4,5,6,7\n", STATUS_USAGE, "t.csv:3: 7 fields, the header has 6"},
    {"m,c,oh,ow,kh,kw\n1,2,3,4,3x,1\n", STATUS_USAGE, "t.csv:2: column 'kh': '3x' is not allowed: expected a whole number from 1"},
    {"m,c,oh,ow,kh,kw\n1,2,3,4,,1\n", STATUS_USAGE, "t.csv:2: column 'kh': '' is not allowed"},
    {"m,c,oh,ow,kh,kw\n0,2,3,4,1,1\n", STATUS_USAGE, "column 'm': '0' is not allowed"},
    {"m,c,oh,ow,kh,kw\n-1,2,3,4,1,1\n", STATUS_USAGE, "column 'm': '-1' is not allowed"},
    {"m,c,oh,ow,kh,kw\n1.5,2,3,4,1,1\n", STATUS_USAGE, "column 'm': '1.5' is not allowed"},
    {"m,c,oh,ow,kh,kw\n2147483648,2,3,4,1,1\n", STATUS_USAGE, "column 'm': '2147483648' is not allowed"},
    {"m,c,oh,ow,kh,kw,ci\n1,2,3,4,1,1,0\n", STATUS_USAGE, "column 'ci': '0' is not allowed: expected a number above 0"},
    {"m,c,oh,ow,kh,kw,pool\n1,2,3,4,1,1,4\n", STATUS_USAGE, "column 'pool': 4 is more than the 3 of 'oh'"},
    {"m,c,oh,ow,kh,kw,ih\n1,1,8,8,3,3,5\n", STATUS_USAGE, "column 'ih': windows do not lie in the plane of 5: 8 outputs, kernel 3"},
    {"m,c,oh,ow,kh,kw,pad\n1,1,2,2,3,3,2\n", STATUS_USAGE, "column 'ih': windows do not lie in the plane of 0"},
    {"m,c,oh,ow,kh,kw,pad,ih,iw\n1,1,2,2,3,3,9,8,8\n", STATUS_USAGE, "column 'ih': windows do not lie in the plane of 8"},
    {"m,c,oh,ow,kh,kw\n\"1,2,3,4,5,6\n", STATUS_USAGE, "t.csv:2: a quote is not closed"},
    {"m,c,oh,ow,kh,kw\n\"1\"x,2,3,4,5,6\n", STATUS_USAGE, "t.csv:2: text behind a closing quote"},
    {"m,c,oh,ow,kh,kw\n2147483647,2147483647,2147483647,1,1,1\n", STATUS_LIMIT, "t.csv:2: layer1"},
};

START_TEST(faults_are_named) {
    table = (struct layer_table){0};
    ck_assert_int_eq(read(faults[_i].text), faults[_i].result);
    ck_assert_msg(strstr(diag.message, faults[_i].says) != NULL, "'%s' does not say '%s'", diag.message, faults[_i].says);
    ck_assert_ptr_null(table.rows);
}
END_TEST

START_TEST(a_zero_byte_is_refused) { ck_assert_int_eq(layer_table_read(arena, "t.csv", "m\0,c", 4, &target, &table, &diag), STATUS_USAGE); }
END_TEST

START_TEST(a_long_table) {
    enum { ROWS = 100000 };
    char *text = arena_alloc(arena, 32 + ROWS * 40), *at = text + sprintf(text, "name,m,c,oh,ow,kh,kw\n");
    for (int row = 0; row < ROWS; row++) at += sprintf(at, "l%d,%d,64,14,14,3,3\n", row, row + 1);
    read_well(text);
    ck_assert_uint_eq(table.row_count, ROWS);
    ck_assert_int_eq(table.rows[ROWS - 1].nest.size[DIM_M], ROWS);
    ck_assert_str_eq(table.rows[ROWS - 1].name, "l99999");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("layer table");
    TCase *test = tcase_create("layer table");
    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_add_test(test, needed_columns_are_enough);
    tcase_add_test(test, any_order_and_every_column);
    tcase_add_test(test, planes_follow_from_windows);
    tcase_add_test(test, files_as_programs_write_them);
    tcase_add_loop_test(test, faults_are_named, 0, (int)(sizeof faults / sizeof faults[0]));
    tcase_add_test(test, a_zero_byte_is_refused);
    tcase_add_test(test, a_long_table);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
