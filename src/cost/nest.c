#include "cost/nest.h"

#include <string.h>

#include "base/checked.h"

const char *const nest_dim_names[DIM_COUNT] = {"n", "g", "m", "c", "od", "oh", "ow"};

/* What later sums may add up stays below this: bytes, or bits where a width is no whole number of bytes. */
static const int64_t most = INT64_C(1) << 61;

static int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
static int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

void nest_init(struct nest *nest) {
    memset(nest, 0, sizeof *nest);
    for (int d = 0; d < DIM_COUNT; d++) nest->size[d] = 1;
    for (int a = 0; a < NEST_AXES; a++) {
        struct nest_axis *axis = &nest->axis[a];
        axis->plane = axis->kernel = axis->stride = axis->dilation = axis->pool = axis->pooled = 1;
    }
}

int64_t nest_extent(const struct nest_axis *axis) { return (axis->kernel - 1) * axis->dilation + 1; }

bool nest_whole_bytes(const struct nest *nest) {
    return nest->bits[OPERAND_I] % 8 == 0 && nest->bits[OPERAND_W] % 8 == 0 && nest->bits[OPERAND_O] % 8 == 0 &&
           nest->partial_bits % 8 == 0;
}

bool nest_is_volume(const struct nest *nest) { return nest->size[DIM_OD] > 1 || nest->axis[0].kernel > 1 || nest->axis[0].plane > 1; }

/* ---- limits ---- */

static bool axis_in_range(const struct nest *nest, int a) {
    const struct nest_axis *axis = &nest->axis[a];
    int64_t reach, start;
    const int64_t places = axis->transposed ? greatest(axis->plane, nest->size[DIM_OD + a]) : nest->size[DIM_OD + a];
    if (axis->plane < 1 || axis->kernel < 1 || axis->stride < 1 || axis->dilation < 1 || axis->pad < 0 || axis->pool < 1) return false;
    return checked_mul(axis->kernel, axis->dilation, &reach) && checked_mul(places, axis->stride, &start) &&
           checked_add(reach, start, &reach) && checked_add(reach, axis->plane, &reach) && checked_add(reach, axis->pad, &reach) &&
           reach < most;
}

static bool multiply_all(const int64_t *factors, int count, int64_t *product) {
    *product = 1;
    for (int i = 0; i < count; i++)
        if (!checked_mul(*product, factors[i], product)) return false;
    return true;
}

/* The most each operand can move: I in windows of one output for each m, W for each n od oh ow, O for each c in and out. */
static bool moves_in_range(const struct nest *nest) {
    const int64_t *size = nest->size;
    const bool whole = nest_whole_bytes(nest);
    int64_t loops, input, weight, output, kernel = 1, window = 1, places[DIM_COUNT];
    for (int d = 0; d < DIM_COUNT; d++) {
        const struct nest_axis *axis = d >= DIM_OD ? &nest->axis[d - DIM_OD] : NULL;
        places[d] = axis && axis->transposed ? greatest(size[d], axis->plane) : size[d];
    }
    if (!multiply_all(places, DIM_COUNT, &loops)) return false;
    for (int a = 0; a < NEST_AXES; a++) {
        if (!checked_mul(kernel, nest->axis[a].kernel, &kernel)) return false;
        if (!checked_mul(window, least(nest->axis[a].plane, nest_extent(&nest->axis[a])), &window)) return false;
    }
    const int64_t unit = whole ? 8 : 1;
    const int64_t of_input[] = {loops, window, nest->bits[OPERAND_I] / unit, 2};
    const int64_t of_weight[] = {loops, kernel, nest->bits[OPERAND_W] / unit + 1, 2};
    const int64_t of_output[] = {loops, nest->partial_bits / unit + nest->bits[OPERAND_O] / unit, 8};
    return multiply_all(of_input, 4, &input) && multiply_all(of_weight, 4, &weight) && multiply_all(of_output, 3, &output) &&
           checked_add(input, weight, &input) && checked_add(input, output, &input) && input < most * 2;
}

status nest_check(const struct nest *nest, const char *what, struct diag *diag) {
    bool ok = true;
    for (int d = 0; d < DIM_COUNT; d++) ok = ok && nest->size[d] >= 1;
    for (int a = 0; a < NEST_AXES; a++) ok = ok && axis_in_range(nest, a);
    if (ok && moves_in_range(nest)) return STATUS_OK;
    return diag_fail(diag, STATUS_LIMIT, "%s: n %lld, g %lld, m %lld, c %lld, oh %lld, ow %lld: beyond what is counted in 63 bits", what,
                     (long long)nest->size[DIM_N], (long long)nest->size[DIM_G], (long long)nest->size[DIM_M], (long long)nest->size[DIM_C],
                     (long long)nest->size[DIM_OH], (long long)nest->size[DIM_OW]);
}

/* ---- windows ---- */

int64_t nest_first_row(const struct nest_axis *axis, int64_t from) {
    const int64_t row =
        axis->transposed ? ceil_div(from + axis->pad - nest_extent(axis) + 1, axis->stride) : from * axis->stride - axis->pad;
    return least(greatest(row, 0), axis->plane);
}

int64_t nest_end_row(const struct nest_axis *axis, int64_t to) {
    const int64_t row =
        axis->transposed ? floor_div(to - 1 + axis->pad, axis->stride) + 1 : (to - 1) * axis->stride - axis->pad + nest_extent(axis);
    return least(greatest(row, 0), axis->plane);
}

bool nest_is_disjoint(const struct nest_axis *axis) { return !axis->transposed && axis->stride >= nest_extent(axis); }

int64_t nest_whole_from(const struct nest_axis *axis) {
    return axis->transposed ? greatest(0, nest_extent(axis) - axis->pad - axis->stride) : ceil_div(axis->pad, axis->stride);
}

int64_t nest_whole_to(const struct nest_axis *axis) {
    if (axis->transposed) return greatest(0, axis->plane * axis->stride - axis->pad);
    return greatest(0, floor_div(axis->plane + axis->pad - nest_extent(axis), axis->stride) + 1);
}

int64_t nest_period(const struct nest_axis *axis, int64_t step) {
    int64_t a = axis->transposed ? axis->stride : 1, b = step;
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (axis->transposed ? axis->stride : 1) / a;
}

static int64_t one_window(const struct nest_axis *axis, int64_t from, int64_t to, int64_t output) {
    if (output < from || output >= to) return 0;
    return greatest(0, nest_end_row(axis, output + 1) - nest_first_row(axis, output));
}

/* stride >= extent: the windows are disjoint, so at most one is cut by each end of the plane. */
static int64_t disjoint_rows(const struct nest_axis *axis, int64_t from, int64_t to) {
    const int64_t extent = nest_extent(axis);
    const int64_t whole_from = ceil_div(axis->pad, axis->stride);
    const int64_t whole_to = floor_div(axis->plane + axis->pad - extent, axis->stride) + 1;
    const int64_t whole = greatest(0, least(to, whole_to) - greatest(from, whole_from));
    int64_t rows = whole * extent + one_window(axis, from, to, whole_from - 1);
    if (whole_to != whole_from - 1) rows += one_window(axis, from, to, whole_to);
    return rows;
}

int64_t nest_rows(const struct nest_axis *axis, int64_t from, int64_t to) {
    if (nest_is_disjoint(axis)) return disjoint_rows(axis, from, to);
    return greatest(0, nest_end_row(axis, to) - nest_first_row(axis, from));
}

int64_t nest_written(const struct nest_axis *axis, int64_t from, int64_t to) {
    if (axis->pool == 1) return to - from;
    const int64_t first = least(ceil_div(from, axis->pool), axis->pooled), end = least(ceil_div(to, axis->pool), axis->pooled);
    return end - first;
}

/* ---- sizes ---- */

int64_t nest_kernel_elems(const struct nest *nest) { return nest->axis[0].kernel * nest->axis[1].kernel * nest->axis[2].kernel; }

int64_t nest_macs(const struct nest *nest) {
    if (!nest->bits[OPERAND_W]) return 0;
    int64_t macs = nest_kernel_elems(nest);
    for (int d = 0; d < DIM_OD; d++) macs *= nest->size[d];
    for (int a = 0; a < NEST_AXES; a++) macs *= nest->axis[a].transposed ? nest->axis[a].plane : nest->size[DIM_OD + a];
    return macs;
}

/* How many of 0 .. count - 1, times step, plus start, lie in [0, plane). */
static int64_t count_inside(int64_t start, int64_t step, int64_t count, int64_t plane) {
    const int64_t from = greatest(0, ceil_div(-start, step)), end = least(count, floor_div(plane - 1 - start, step) + 1);
    return greatest(0, end - from);
}

/* Pairs of an output and a kernel element whose input is in the plane; transposed, of an input and a kernel element whose output is made.
 */
static int64_t real_pairs(const struct nest_axis *given, int64_t made) {
    struct nest_axis turned = *given;
    if (given->transposed) turned.plane = made;
    const struct nest_axis *axis = &turned;
    const int64_t size = given->transposed ? given->plane : made;
    int64_t pairs = 0;
    if (axis->kernel <= size)
        for (int64_t k = 0; k < axis->kernel; k++) pairs += count_inside(k * axis->dilation - axis->pad, axis->stride, size, axis->plane);
    else
        for (int64_t o = 0; o < size; o++) pairs += count_inside(o * axis->stride - axis->pad, axis->dilation, axis->kernel, axis->plane);
    return pairs;
}

int64_t nest_real_macs(const struct nest *nest) {
    if (!nest->bits[OPERAND_W]) return 0;
    int64_t macs = nest->size[DIM_N] * nest->size[DIM_G] * nest->size[DIM_M] * nest->size[DIM_C];
    for (int a = 0; a < NEST_AXES; a++) macs *= real_pairs(&nest->axis[a], nest->size[DIM_OD + a]);
    return macs;
}

int64_t nest_input_elems(const struct nest *nest) {
    int64_t elems = nest->size[DIM_N] * nest->size[DIM_G] * nest->size[DIM_C];
    for (int a = 0; a < NEST_AXES; a++) elems *= nest_rows(&nest->axis[a], 0, nest->size[DIM_OD + a]);
    return elems;
}

int64_t nest_weight_elems(const struct nest *nest) {
    if (!nest->bits[OPERAND_W]) return 0;
    return nest->size[DIM_G] * nest->size[DIM_M] * nest->size[DIM_C] * nest_kernel_elems(nest);
}

int64_t nest_output_elems(const struct nest *nest) {
    int64_t elems = nest->size[DIM_N] * nest->size[DIM_G] * nest->size[DIM_M];
    for (int a = 0; a < NEST_AXES; a++) elems *= nest_written(&nest->axis[a], 0, nest->size[DIM_OD + a]);
    return elems;
}

int64_t nest_bytes(int64_t elems, uint32_t bits) { return elems / 8 * (int64_t)bits + (elems % 8 * (int64_t)bits + 7) / 8; }

int64_t nest_compulsory_bytes(const struct nest *nest) {
    int64_t bytes = nest_bytes(nest_input_elems(nest), nest->bits[OPERAND_I]);
    bytes += nest_bytes(nest_weight_elems(nest), nest->bits[OPERAND_W]);
    bytes += nest_bytes(nest_output_elems(nest), nest->bits[OPERAND_O]);
    if (nest->has_bias) bytes += nest_bytes(nest->size[DIM_G] * nest->size[DIM_M], nest->partial_bits);
    return bytes;
}
