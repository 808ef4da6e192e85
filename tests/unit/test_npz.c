/* Files of numpy arrays: every header that numpy writes, every element type; damaged ones are refused, wherever they are damaged. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/npz.h"
#include "failing.h"
#include "random.h"
#include "unit/scratch.h"

/* ---- headers ---- */

enum { FILE_BYTES = 4096 };

/* A .npy of format 1 with this header text, then `data_bytes` of data that count up from 1. Returns its size. */
static size_t make_npy(const char *header, size_t data_bytes, uint8_t *file) {
    const size_t length = strlen(header);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (uint8_t)(length & 255);
    file[9] = (uint8_t)(length >> 8);
    memcpy(file + 10, header, length);
    for (size_t i = 0; i < data_bytes; i++) file[10 + length + i] = (uint8_t)(i + 1);
    return 10 + length + data_bytes;
}

static const struct {
    const char *header;
    char kind;
    uint32_t item_bytes, rank;
    int64_t elements;
    bool is_big_endian, is_fortran;
} good_headers[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 'f', 4, 2, 6, false, false},
    {"{'descr': '>f8', 'fortran_order': True, 'shape': (5,), }\n", 'f', 8, 1, 5, true, true},
    {"{'shape': (), 'descr': '|u1', 'fortran_order': False}", 'u', 1, 0, 1, false, false},
    {"{\"descr\": \"<i8\", \"fortran_order\": False, \"shape\": (4L, 0L)}", 'i', 8, 2, 0, false, false},
    {"{'descr':'|b1','fortran_order':False,'shape':(1,2,3,4,5,6,7,1)}", 'b', 1, 8, 5040, false, false},
    {"{'descr': '<f2', 'fortran_order': False, 'shape': (7)}", 'f', 2, 1, 7, false, false},
};

START_TEST(headers_are_read) {
    uint8_t file[FILE_BYTES];
    struct npy npy;
    const size_t size = make_npy(good_headers[_i].header, 0, file);
    ck_assert_msg(npy_parse(file, size, "x", &npy, &diag) == STATUS_OK, "%s", diag.message);
    ck_assert_int_eq(npy.kind, good_headers[_i].kind);
    ck_assert_uint_eq(npy.item_bytes, good_headers[_i].item_bytes);
    ck_assert_uint_eq(npy.rank, good_headers[_i].rank);
    ck_assert_int_eq(npy.elements, good_headers[_i].elements);
    ck_assert_int_eq(npy.data_bytes, good_headers[_i].elements * good_headers[_i].item_bytes);
    ck_assert(npy.is_big_endian == good_headers[_i].is_big_endian && npy.is_fortran == good_headers[_i].is_fortran);
    ck_assert_uint_eq(npy.header_bytes, size);
}
END_TEST

static const char *const bad_headers[] = {
    "",
    "{",
    "{}",
    "{'descr': '<f4'}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
    "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f3', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f1', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<U4', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f16', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
};

START_TEST(wrong_headers_are_refused) {
    uint8_t file[FILE_BYTES];
    struct npy npy;
    ck_assert_int_eq(npy_parse(file, make_npy(bad_headers[_i], 0, file), "x", &npy, &diag), STATUS_USAGE);
    ck_assert_ptr_nonnull(strstr(diag.message, "x: "));
}
END_TEST

/* ---- elements ---- */

static void read_element(char kind, uint32_t item_bytes, bool is_big_endian, uint64_t bits, float *number, int64_t *whole, bool *fits) {
    const struct npy npy = {.kind = kind, .item_bytes = item_bytes, .is_big_endian = is_big_endian};
    uint8_t bytes[8];
    for (uint32_t i = 0; i < item_bytes; i++) bytes[is_big_endian ? item_bytes - 1 - i : i] = (uint8_t)(bits >> 8 * i);
    npy_floats(&npy, bytes, 1, number);
    *fits = npy_integers(&npy, bytes, 1, whole);
}

static const struct {
    char kind;
    uint32_t item_bytes;
    uint64_t bits;
    double number;
    bool is_whole; /* its integer is the number */
} elements[] = {
    {'f', 4, 0x3fc00000, 1.5, false},
    {'f', 8, 0xbfd0000000000000, -0.25, false},
    {'f', 2, 0x3c00, 1, false},
    {'f', 2, 0x0001, 0x1p-24, false},
    {'f', 2, 0xfbff, -65504, false},
    {'i', 1, 0xff, -1, true},
    {'i', 2, 0x8000, -32768, true},
    {'i', 4, 0xfffffffe, -2, true},
    {'i', 8, 0xfffffffffffffff6, -10, true},
    {'u', 1, 0xff, 255, true},
    {'u', 4, 0xffffffff, 4294967295.0, true},
    {'b', 1, 1, 1, true},
};

START_TEST(elements_are_read) {
    for (int big = 0; big < 2; big++) {
        float number;
        int64_t whole;
        bool fits;
        read_element(elements[_i].kind, elements[_i].item_bytes, big, elements[_i].bits, &number, &whole, &fits);
        ck_assert(fabs((double)number - elements[_i].number) <= 1e-7 * fabs(elements[_i].number));
        if (elements[_i].is_whole) ck_assert(fits && whole == (int64_t)elements[_i].number);
    }
}
END_TEST

START_TEST(numbers_beyond_63_bits_are_refused) {
    float number;
    int64_t whole;
    bool fits;
    read_element('u', 8, false, UINT64_C(1) << 63, &number, &whole, &fits);
    ck_assert(!fits);
}
END_TEST

/* ---- files ---- */

static const char *write_file(const uint8_t *bytes, size_t size) {
    static char path[] = "test_npz.tmp";
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

/* Opens and reads all that is there, row by row and then once more from the start. */
static status read_all(struct arena *work, const char *path, struct diag *why) {
    struct npz *npz;
    status result = npz_open(work, path, &npz, why);
    for (uint32_t i = 0; result == STATUS_OK && i < npz_count(npz); i++) {
        const struct npz_array *array = npz_array(npz, i);
        const int64_t rows = npz_rows(array), row = npz_row_elems(array);
        if (rows * row > FILE_BYTES) return STATUS_OK;
        float *floats = ARENA_ARRAY(work, float, rows *row + 1);
        for (int64_t at = 0; at < rows && result == STATUS_OK; at++) result = npz_read(npz, i, at, 1, floats, NULL, why);
        if (result == STATUS_OK) result = npz_read(npz, i, 0, rows, floats, NULL, why);
    }
    return result;
}

START_TEST(fortran_order_is_turned) {
    uint8_t file[FILE_BYTES];
    struct npz *npz;
    int64_t found[6];
    const size_t size = make_npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", 6, file);
    ck_assert_int_eq(npz_open(arena, write_file(file, size), &npz, &diag), STATUS_OK);
    ck_assert_int_eq(npz_read(npz, 0, 0, 2, NULL, found, &diag), STATUS_OK);
    const int64_t expected[] = {1, 3, 5, 2, 4, 6};
    ck_assert(memcmp(found, expected, sizeof expected) == 0);
    unlink("test_npz.tmp");
}
END_TEST

/* What numpy writes, stored and deflated: golden/README.md. */
static size_t load(const char *path, uint8_t *bytes) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    const size_t size = fread(bytes, 1, FILE_BYTES, file);
    fclose(file);
    ck_assert_uint_lt(size, FILE_BYTES);
    return size;
}

static const char *const small_files[] = {"golden/numpy-stored.npz", "golden/numpy-deflated.npz"};

START_TEST(whole_files_are_read) {
    struct npz *npz;
    float floats[6];
    int64_t integers[3];
    ck_assert_msg(npz_open(arena, small_files[_i], &npz, &diag) == STATUS_OK, "%s", diag.message);
    ck_assert_uint_eq(npz_count(npz), 2);
    ck_assert_str_eq(npz_array(npz, 0)->name, "image");
    ck_assert_str_eq(npz_array(npz, 1)->name, "label");
    ck_assert_int_eq(npz_read(npz, 0, 2, 1, floats, NULL, &diag), STATUS_OK);
    ck_assert(floats[0] == 4 && floats[1] == 5);
    ck_assert_int_eq(npz_read(npz, 0, 0, 3, floats, NULL, &diag), STATUS_OK);
    for (int i = 0; i < 6; i++) ck_assert(floats[i] == (float)i);
    ck_assert_int_eq(npz_read(npz, 1, 0, 3, NULL, integers, &diag), STATUS_OK);
    ck_assert(integers[0] == 7 && integers[1] == -8 && integers[2] == 9);
}
END_TEST

START_TEST(files_cut_off_are_refused) {
    uint8_t bytes[FILE_BYTES];
    const size_t size = load(small_files[_i], bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct arena *work = arena_new(&heap);
        struct diag why = {0};
        ck_assert_msg(read_all(work, write_file(bytes, cut), &why) == STATUS_USAGE, "cut to %zu of %zu B", cut, size);
        ck_assert_uint_gt(strlen(why.message), 0);
        arena_free(work);
    }
    unlink("test_npz.tmp");
}
END_TEST

/* A byte changed: read or refused, never worse; data that changed are seen by their checksum. */
START_TEST(files_with_a_wrong_byte_do_no_harm) {
    uint8_t bytes[FILE_BYTES];
    const size_t size = load(small_files[_i], bytes);
    state = 1;
    for (size_t at = 0; at < size; at++) {
        const uint8_t kept = bytes[at];
        struct arena *work = arena_new(&heap);
        struct diag why = {0};
        bytes[at] ^= (uint8_t)from_to(1, 255);
        const status result = read_all(work, write_file(bytes, size), &why);
        ck_assert_msg(result == STATUS_OK || result == STATUS_USAGE || result == STATUS_LIMIT, "byte %zu: %d", at, (int)result);
        bytes[at] = kept;
        arena_free(work);
    }
    unlink("test_npz.tmp");
}
END_TEST

struct short_read {
    struct heap *heap;
    const char *path;
};

static status read_short(void *argument) {
    const struct short_read *read = argument;
    struct diag ignored = {0};
    struct arena *work = arena_new(read->heap);
    const status result = read_all(work, read->path, &ignored);
    arena_free(work);
    return result;
}

START_TEST(every_allocation_may_fail) {
    status result = STATUS_LIMIT;
    for (size_t allowed = 0; result != STATUS_OK; allowed++) {
        struct failing failing = {.left = allowed};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap own;
        struct diag failed = {0};
        heap_init(&own, &allocator, 0);
        struct short_read read = {&own, small_files[_i]};
        result = heap_run(&own, &failed, read_short, &read);
        ck_assert(result == STATUS_OK || result == STATUS_LIMIT);
        ck_assert_uint_eq(own.used_bytes, 0);
        heap_release(&own);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("npz");
    TCase *tests = tcase_create("files");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, headers_are_read, 0, sizeof good_headers / sizeof good_headers[0]);
    tcase_add_loop_test(tests, wrong_headers_are_refused, 0, sizeof bad_headers / sizeof bad_headers[0]);
    tcase_add_loop_test(tests, elements_are_read, 0, sizeof elements / sizeof elements[0]);
    tcase_add_test(tests, numbers_beyond_63_bits_are_refused);
    tcase_add_test(tests, fortran_order_is_turned);
    tcase_add_loop_test(tests, whole_files_are_read, 0, 2);
    tcase_add_loop_test(tests, files_cut_off_are_refused, 0, 2);
    tcase_add_loop_test(tests, files_with_a_wrong_byte_do_no_harm, 0, 2);
    tcase_add_loop_test(tests, every_allocation_may_fail, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
