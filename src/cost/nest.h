/* One layer as a loop nest over n g m c od oh ow (kernel dims are never tiled), and what its operands are in these loops.
 *
 *   I: [n, g, c, rows(od), rows(oh), rows(ow)]   W: [g, m, c, kd, kh, kw]   O: [n, g, m, od, oh, ow]
 *
 * A nest says all that decides a layer's traffic; two layers with equal nests move equally many bytes (nest_equal: memcmp). */
#ifndef SS_COST_NEST_H
#define SS_COST_NEST_H

#include "cost/target.h"

enum nest_dim { DIM_N, DIM_G, DIM_M, DIM_C, DIM_OD, DIM_OH, DIM_OW, DIM_COUNT };
enum { NEST_AXES = 3 }; /* axis 0, 1, 2 belong to od, oh, ow */

/* The window along one spatial axis: output o touches inputs o stride - pad + k dilation, 0 <= k < kernel, that lie in [0, plane).
 * Transposed: input i touches outputs i stride - pad + k dilation; outputs hold the inputs whose spans (from k = 0 to the last) meet them.
 */
struct nest_axis {
    int64_t plane, kernel, stride, dilation, pad;
    int64_t pool;       /* merged pool: its stride = kernel; 1 = none */
    int64_t pooled;     /* how many outputs the merged pool writes along the axis; the loop's size where pool = 1 */
    int64_t transposed; /* 0 or 1; as wide as the others, so that axes have no unused bytes */
};

struct nest {
    int64_t size[DIM_COUNT]; /* every one >= 1 */
    struct nest_axis axis[NEST_AXES];
    uint32_t bits[OPERAND_COUNT]; /* of I, W, finished O; W 0 = there is no weight (a pool) */
    uint32_t partial_bits;        /* of unfinished sums, and of O on chip, and of the bias */
    bool has_bias;
};

/* Zeroed, then sizes 1 and axes plane = kernel = stride = dilation = pool = pooled = 1: so unused bytes compare equal. */
void nest_init(struct nest *nest);

/* STATUS_LIMIT where a product of it (MACs, elements of an operand, bits) leaves 63 bits; `what` names the layer in the message. */
status nest_check(const struct nest *nest, const char *what, struct diag *diag);

/* How many inputs outputs [from, to) hold along an axis: their windows' hulls (extent = (kernel - 1) dilation + 1 each), clipped to the
 * plane. With stride > extent the untouched inputs between windows are not counted (rows() of cost-model.md 2, clipped); there, and only
 * there, windows are disjoint. */
bool nest_is_disjoint(const struct nest_axis *axis);
int64_t nest_rows(const struct nest_axis *axis, int64_t from, int64_t to);

/* (kernel - 1) dilation + 1; the first input of outputs [from, ...), the end of the inputs of outputs [..., to), clipped. */
int64_t nest_extent(const struct nest_axis *axis);
int64_t nest_first_row(const struct nest_axis *axis, int64_t from);
int64_t nest_end_row(const struct nest_axis *axis, int64_t to);

/* Where the plane's ends clip no window: the outputs [nest_whole_from, nest_whole_to). Tiles of `step` outputs in there hold equally many
 * inputs each nest_period tiles (1, but for a transposed axis whose stride does not divide the step). */
int64_t nest_whole_from(const struct nest_axis *axis);
int64_t nest_whole_to(const struct nest_axis *axis);
int64_t nest_period(const struct nest_axis *axis, int64_t step);

/* Pool outputs written by outputs [from, to) along an axis: those whose window starts in there. Without a pool: to - from. */
int64_t nest_written(const struct nest_axis *axis, int64_t from, int64_t to);

/* MACs, padding counted as the ONNX tools count it: n g m c od oh ow kd kh kw (transposed: inputs in place of outputs). 0 for a pool. */
int64_t nest_macs(const struct nest *nest);
/* MACs that touch real elements. */
int64_t nest_real_macs(const struct nest *nest);

/* Elements that are touched (I), of W without bias, written (O). */
int64_t nest_input_elems(const struct nest *nest);
int64_t nest_weight_elems(const struct nest *nest);
int64_t nest_output_elems(const struct nest *nest);

int64_t nest_kernel_elems(const struct nest *nest); /* kd kh kw */

/* Every width is a whole number of bytes: nothing rounds up. */
bool nest_whole_bytes(const struct nest *nest);

/* There is a third axis: od and kd are worth a word. */
bool nest_is_volume(const struct nest *nest);

/* ceil(elems * bits / 8) */
int64_t nest_bytes(int64_t elems, uint32_t bits);

/* I touched + W with bias + O written, each moved once. */
int64_t nest_compulsory_bytes(const struct nest *nest);

extern const char *const nest_dim_names[DIM_COUNT]; /* "n", "g", "m", "c", "od", "oh", "ow" */

#endif
