/* onnx: files come back as they were but for what an edit touched; external data; hostile bytes; memory that runs out. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "ir/cut.h"
#include "ir/edit.h"
#include "ir/verify.h"
#include "onnx/model.h"
#include "unit/failing.h"

static struct heap heap;
static struct arena *arena;
static struct diag diag;
static char folder[64];

static void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    diag = (struct diag){0};
    strcpy(folder, "/tmp/superslash-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *in_folder(const char *name) { return arena_print(arena, "%s/%s", folder, name); }

static void tear_down(void) {
    static const char *const left[] = {"out.onnx", "out.onnx.data"};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) unlink(in_folder(left[i]));
    const int is_empty = rmdir(folder); /* a temporary file that stayed would keep it */
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
    ck_assert_int_eq(is_empty, 0);
}

/* ---- helpers of this file ---- */

static struct onnx_model *open_model(const char *path) {
    struct onnx_model *model = NULL;
    const status result = onnx_model_open(arena, path, &model, &diag);
    ck_assert_msg(result == STATUS_OK, "%s", diag.message);
    return model;
}

static struct onnx_model *reread(struct onnx_model *model) {
    uint8_t *bytes;
    size_t size;
    struct onnx_model *again = NULL;
    ck_assert_int_eq(verify_graph(onnx_model_graph(model), &diag), STATUS_OK);
    ck_assert_int_eq(onnx_model_write_bytes(model, arena, &bytes, &size, &diag), STATUS_OK);
    ck_assert_uint_eq(size, onnx_model_size(model));
    const status result = onnx_model_from_bytes(arena, bytes, size, NULL, &again, &diag);
    ck_assert_msg(result == STATUS_OK, "%s", diag.message);
    return again;
}

static void expect_same_bytes(struct onnx_model *model, const char *path) {
    struct os_file file;
    uint8_t *bytes;
    size_t size;
    ck_assert_int_eq(os_map_file(arena, path, &file, &diag), STATUS_OK);
    ck_assert_int_eq(onnx_model_write_bytes(model, arena, &bytes, &size, &diag), STATUS_OK);
    ck_assert_uint_eq(size, file.size);
    ck_assert_mem_eq(bytes, file.bytes, size);
}

static const struct tensor *constant_of(const struct graph *graph, const char *name) {
    const value_id value = graph_find_value(graph, name);
    ck_assert_uint_ne(value.at, 0);
    return graph_tensor(graph, graph_value(graph, value)->constant);
}

static node_id node_of(const struct graph *graph, const char *op_type, uint32_t which) {
    for (uint32_t i = 0; i < graph->order.count; i++)
        if (strcmp(graph_node(graph, graph->order.items[i])->op_type, op_type) == 0 && which-- == 0) return graph->order.items[i];
    ck_abort_msg("no such node");
    return NODE_NONE;
}

static void expect_same_tensors(const struct graph *a, const struct graph *b) {
    ck_assert_uint_eq(a->initializers.count, b->initializers.count);
    for (uint32_t i = 0; i < a->initializers.count; i++) {
        const struct tensor *x = constant_of(a, graph_value(a, a->initializers.items[i])->name);
        const struct tensor *y = constant_of(b, x->name);
        ck_assert_uint_eq(x->rank, y->rank);
        ck_assert_mem_eq(x->dims, y->dims, x->rank * sizeof *x->dims);
        ck_assert_uint_eq(x->byte_count, y->byte_count);
        ck_assert(x->has_bytes && y->has_bytes);
        ck_assert_mem_eq(x->bytes, y->bytes, x->byte_count);
    }
}

/* ---- edits ---- */

static const char *const networks[] = {"models/mobilenet.onnx", "models/resnet.onnx", "models/vgg.onnx"};

START_TEST(untouched_is_byte_identical) {
    for (size_t i = 0; i < 3; i++) expect_same_bytes(open_model(networks[i]), networks[i]);
}
END_TEST

START_TEST(a_cut_is_what_is_read_back) {
    struct onnx_model *model = open_model(networks[0]);
    struct graph *graph = onnx_model_graph(model);
    const value_id weight = graph_node(graph, node_of(graph, "Conv", 0))->inputs[1];
    const tensor_id id = graph_value(graph, weight)->constant;
    const struct tensor *whole = graph_tensor(graph, id);
    const uint8_t *bytes = whole->bytes;
    const size_t row = whole->byte_count / (size_t)whole->dims[0];
    struct cut *cut = cut_new(arena, whole);
    cut_remove(arena, cut, 0, (uint32_t[]){1, 5}, 2, 0, 0);
    edit_cut_tensor(graph, id, cut);
    const struct graph *again = onnx_model_graph(reread(model));
    const struct tensor *left = constant_of(again, graph_value(graph, weight)->name);
    ck_assert_int_eq(left->dims[0], 22);
    ck_assert_mem_eq(left->bytes, bytes, row);
    ck_assert_mem_eq(left->bytes + row, bytes + 2 * row, 3 * row);
    ck_assert_mem_eq(left->bytes + 4 * row, bytes + 6 * row, 18 * row);
}
END_TEST

START_TEST(attributes_are_patched) {
    struct onnx_model *model = open_model(networks[0]);
    struct graph *graph = onnx_model_graph(model);
    const node_id conv = node_of(graph, "Conv", 1);
    edit_set_int(graph, conv, "group", 7);
    edit_set_ints(graph, conv, "pads", (int64_t[]){4, 3, 2, 1}, 4);
    edit_set_int(graph, conv, "fresh", -1);
    const struct graph *again = onnx_model_graph(reread(model));
    const struct node *node = graph_node(again, node_of(again, "Conv", 1));
    ck_assert_int_eq(node_int(node, "group", 0), 7);
    ck_assert_int_eq(node_int(node, "fresh", 0), -1);
    ck_assert_uint_eq(node_attribute(node, "pads")->count, 4);
    ck_assert_int_eq(node_attribute(node, "pads")->ints[1], 3);
    ck_assert_uint_eq(node->attributes.count, graph_node(graph, conv)->attributes.count);
}
END_TEST

START_TEST(a_split_constant_has_a_name_of_its_own) {
    struct onnx_model *model = open_model(networks[0]);
    struct graph *graph = onnx_model_graph(model);
    const node_id conv = node_of(graph, "Conv", 0);
    const char *old = graph_value(graph, graph_node(graph, conv)->inputs[1])->name;
    graph->ir_version = 3; /* where initializers are inputs too */
    const char *fresh = graph_value(graph, edit_split_constant(graph, conv, 1))->name;
    ck_assert_str_ne(old, fresh);
    const struct graph *again = onnx_model_graph(reread(model));
    const struct tensor *a = constant_of(again, old), *b = constant_of(again, fresh);
    ck_assert_uint_eq(a->byte_count, b->byte_count);
    ck_assert_mem_eq(a->bytes, b->bytes, a->byte_count);
    const struct value *value = graph_value(again, graph_find_value(again, fresh));
    ck_assert(value->is_input && value->has_shape && value->rank == b->rank && value->dims[0].size == b->dims[0]);
    ck_assert_uint_eq(graph_node(again, node_of(again, "Conv", 0))->inputs[1].at, graph_find_value(again, fresh).at);
}
END_TEST

START_TEST(properties_come_and_go) {
    struct onnx_model *model = open_model(networks[0]);
    struct graph *graph = onnx_model_graph(model);
    const node_id conv = node_of(graph, "Conv", 0);
    edit_set_property(graph, NODE_NONE, "superslash.totals", "{}");
    edit_set_property(graph, conv, "superslash.rank", "1");
    struct onnx_model *second = reread(model);
    struct graph *again = onnx_model_graph(second);
    ck_assert_uint_eq(again->properties.count, 1);
    ck_assert_str_eq(again->properties.items[0].value, "{}");
    ck_assert_str_eq(graph_node(again, node_of(again, "Conv", 0))->properties.items[0].key, "superslash.rank");
    edit_drop_properties(again, NODE_NONE, "superslash.");
    edit_drop_properties(again, node_of(again, "Conv", 0), "superslash.");
    expect_same_bytes(second, networks[0]);
}
END_TEST

/* ---- external data ---- */

START_TEST(external_data_are_written_and_read_back) {
    const char *path = in_folder("out.onnx");
    struct onnx_written written;
    struct onnx_model *inside = open_model(networks[2]);
    ck_assert_int_eq(onnx_model_write(inside, path, 100000, &written, &diag), STATUS_OK);
    ck_assert_uint_gt(written.external_bytes, 100000);
    ck_assert_uint_lt(written.model_bytes, 100000);
    struct onnx_model *outside = open_model(path);
    expect_same_tensors(onnx_model_graph(inside), onnx_model_graph(outside));
    ck_assert_int_eq(onnx_model_write(outside, path, 100000, &written, &diag), STATUS_OK); /* onto the files it reads from */
    struct onnx_model *again = open_model(path);
    expect_same_tensors(onnx_model_graph(inside), onnx_model_graph(again));
    ck_assert_int_eq(onnx_model_write(again, path, ONNX_INLINE_LIMIT_BYTES, &written, &diag), STATUS_OK);
    ck_assert_uint_eq(written.external_bytes, 0);
    expect_same_bytes(inside, path);
}
END_TEST

START_TEST(missing_external_data_stay_references) {
    const char *path = in_folder("out.onnx");
    ck_assert_int_eq(onnx_model_write(open_model(networks[2]), path, 100000, NULL, &diag), STATUS_OK);
    unlink(in_folder("out.onnx.data"));
    struct onnx_model *model = open_model(path);
    ck_assert(onnx_model_lacks_data(model));
    expect_same_bytes(model, path);
    struct graph *graph = onnx_model_graph(model);
    const node_id conv = node_of(graph, "Conv", 1);
    ck_assert(!constant_of(graph, graph_value(graph, graph_node(graph, conv)->inputs[1])->name)->has_bytes);
    const char *fresh = graph_value(graph, edit_split_constant(graph, conv, 1))->name;
    struct onnx_model *again = reread(model);
    ck_assert(onnx_model_lacks_data(again));
    ck_assert(!constant_of(onnx_model_graph(again), fresh)->has_bytes);
}
END_TEST

START_TEST(standard_output_takes_no_external_data) {
    ck_assert_int_eq(onnx_model_write(open_model(networks[2]), "-", 100000, NULL, &diag), STATUS_LIMIT);
    ck_assert_ptr_nonnull(strstr(diag.message, "-o FILE"));
}
END_TEST

/* ---- hostile bytes ---- */

#define BYTES(text) text, sizeof(text) - 1
/* IR 8; a graph (field 7) of the given length follows. */
#define HEAD "\x08\x08\x3a"

static const struct hostile {
    const char *bytes;
    size_t size;
    const char *message;
} hostiles[] = {
    {BYTES(""), "empty"},
    {BYTES("not a model"), "byte"},
    {BYTES("\x08"), "past the end"},
    {BYTES("\x08\x08"), "without a graph"},
    {BYTES(HEAD "\x05\x12"), "a length runs past the end"},
    {BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "more than 64 bits"},
    {BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "more than 64 bits"},
    {BYTES(HEAD "\x02\x0b\x0c"), "wire type"},
    {BYTES("\x0b\x0c"), "wire type"},
    {BYTES("\x03\x04"), "field number"},
    {BYTES("\x0d\x01\x02\x03\x04"), "wire type 5, expected 0"},
    {BYTES(HEAD "\x03\x12\x01\x00"), "NUL byte"},
    {BYTES("\x3a\x00\x3a\x00"), "stands twice"},
    {BYTES(HEAD "\x06\x2a\x04\x22\x02\x01\x02"), "no multiple"},
    {BYTES(HEAD "\x02\x2a\x00"), "no name"},
    {BYTES(HEAD "\x0b\x2a\x09\x08\x03\x10\x01\x42\x01w\x4a\x00"), "need 12 B"},
    {BYTES(HEAD "\x14\x2a\x12\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01\x42\x01w\x4a\x00"), "dim 0 is -1"},
    {BYTES(HEAD "\x0b\x0a\x09\x0a\x01x\x22\x04Relu"), "is missing"},
    {BYTES(HEAD "\x0d\x0a\x0b\x0a\x01x\x12\x01x\x22\x03"
                "Abs"),
     "cycle"},
};

START_TEST(hostile_bytes_are_refused_with_a_reason) {
    const struct hostile *hostile = &hostiles[_i];
    struct onnx_model *model = NULL;
    ck_assert_int_eq(onnx_model_from_bytes(arena, hostile->bytes, hostile->size, NULL, &model, &diag), STATUS_INVALID);
    ck_assert_ptr_null(model);
    ck_assert_msg(strstr(diag.message, hostile->message), "'%s' does not say '%s'", diag.message, hostile->message);
}
END_TEST

/* model.graph.node.attribute.g.node...: three levels a round, 12 bytes at most each. */
START_TEST(nesting_is_bounded) {
    enum { ROUNDS = 3000, SIZE = 16 * 3 * ROUNDS };
    static uint8_t bytes[SIZE];
    static const uint8_t tags[] = {0x0a, 0x2a, 0x32}; /* node, attribute, g */
    size_t at = SIZE;
    for (int level = 3 * ROUNDS; level-- > 0;) {
        const size_t length = SIZE - at;
        for (int i = 4; i >= 0; i--) bytes[--at] = (uint8_t)((length >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
        bytes[--at] = tags[level % 3];
    }
    const size_t length = SIZE - at;
    for (int i = 4; i >= 0; i--) bytes[--at] = (uint8_t)((length >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
    bytes[--at] = 0x3a;
    struct onnx_model *model;
    ck_assert_int_eq(onnx_model_from_bytes(arena, bytes + at, SIZE - at, NULL, &model, &diag), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.message, "nested too deep"));
}
END_TEST

/* ---- memory ---- */

static size_t peak_of_cut_and_write(const char *path, size_t *file_bytes) {
    struct onnx_model *model = open_model(path);
    struct graph *graph = onnx_model_graph(model);
    *file_bytes = onnx_model_file_bytes(model);
    for (uint32_t i = 0; i < graph->initializers.count; i++) {
        const tensor_id id = graph_value(graph, graph->initializers.items[i])->constant;
        const struct tensor *tensor = graph_tensor(graph, id);
        if (!tensor->rank || tensor->dims[0] < 2) continue;
        struct cut *cut = cut_new(arena, tensor);
        cut_remove(arena, cut, 0, (uint32_t[]){1}, 1, 0, 0);
        edit_cut_tensor(graph, id, cut);
    }
    ck_assert_int_eq(onnx_model_write(model, in_folder("out.onnx"), ONNX_INLINE_LIMIT_BYTES, NULL, &diag), STATUS_OK);
    return heap.peak_bytes;
}

START_TEST(cuts_are_streamed) {
    const char *given = getenv("SUPERSLASH_LARGE_MODEL"); /* to measure another one */
    size_t file_bytes;
    const size_t peak = peak_of_cut_and_write(given ? given : networks[2], &file_bytes);
    if (given) printf("%s: %zu B of memory, file %zu B\n", given, peak, file_bytes);
    ck_assert_msg(peak < file_bytes * 6 / 10, "%zu B of memory for a file of %zu B", peak, file_bytes);
}
END_TEST

struct open_and_write {
    struct heap *heap;
    const char *out;
    struct diag *diag;
};

static status open_and_write_body(void *argument) {
    const struct open_and_write *job = argument;
    struct arena *own = arena_new(job->heap);
    struct onnx_model *model;
    status result = onnx_model_open(own, networks[0], &model, job->diag);
    if (result != STATUS_OK) return result;
    edit_set_property(onnx_model_graph(model), NODE_NONE, "superslash.version", "0");
    result = onnx_model_write(model, job->out, 100000, NULL, job->diag);
    arena_free(own);
    return result;
}

START_TEST(every_failing_allocation_leaves_nothing) {
    const char *path = in_folder("out.onnx");
    size_t tried = 0;
    for (status result = STATUS_LIMIT; result != STATUS_OK; tried++) {
        struct failing failing = {.left = tried};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap small;
        struct diag failure = {0};
        heap_init(&small, &allocator, 0);
        struct open_and_write job = {&small, path, &failure};
        result = heap_run(&small, &failure, open_and_write_body, &job);
        heap_release(&small);
        ck_assert_uint_eq(small.used_bytes, 0);
        ck_assert_int_eq(result, result == STATUS_OK ? STATUS_OK : STATUS_LIMIT);
        ck_assert_int_eq(os_file_exists(path), result == STATUS_OK);
        ck_assert_int_eq(os_file_exists(in_folder("out.onnx.data")), result == STATUS_OK);
    }
    ck_assert_uint_gt(tried, 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("onnx");
    TCase *cases = tcase_create("onnx");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, untouched_is_byte_identical);
    tcase_add_test(cases, a_cut_is_what_is_read_back);
    tcase_add_test(cases, attributes_are_patched);
    tcase_add_test(cases, a_split_constant_has_a_name_of_its_own);
    tcase_add_test(cases, properties_come_and_go);
    tcase_add_test(cases, external_data_are_written_and_read_back);
    tcase_add_test(cases, missing_external_data_stay_references);
    tcase_add_test(cases, standard_output_takes_no_external_data);
    tcase_add_loop_test(cases, hostile_bytes_are_refused_with_a_reason, 0, (int)(sizeof hostiles / sizeof hostiles[0]));
    tcase_add_test(cases, nesting_is_bounded);
    tcase_add_test(cases, cuts_are_streamed);
    tcase_add_test(cases, every_failing_allocation_leaves_nothing);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
