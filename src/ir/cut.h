/* A cut: which parts of a tensor stay, axis by axis, without copying any of it.
 *
 *   base: [6, 4]   keep of axis 0: {0,2,3,5}   rows [0,3) keep columns {0,1}, rows [3,6) keep columns {1,3}
 *   cut:  [4, 2]
 *
 * The contents are made row by row (a row = one index of axis 0 with all that lies below it), so a cut of any size needs one row of
 * scratch. Bytes are borrowed from the base for as long as the cut lives. Elements of less than a byte cannot be cut (cut_possible). */
#ifndef SS_IR_CUT_H
#define SS_IR_CUT_H

#include "ir/ir.h"

/* What stays along one axis: ascending indices into the base. indices NULL = everything. */
struct cut_keep {
    const uint32_t *indices;
    uint32_t count;
};

/* Rows [from, to) of the base keep these of axis `axis` (>= 1), in place of the cut's own keep. */
struct cut_block {
    int64_t from, to;
    uint32_t axis;
    struct cut_keep keep;
};

struct cut {
    const uint8_t *base;
    enum data_type type;
    uint32_t rank;
    const int64_t *base_dims;
    struct cut_keep *keeps; /* rank of them */
    ARRAY(struct cut_block) blocks;
};

bool cut_possible(enum data_type type);

/* A cut of a tensor that has contents, with nothing removed yet; a tensor that is a cut already is gathered first. */
struct cut *cut_new(struct arena *arena, const struct tensor *tensor);

/* Removes indices (ascending) along an axis; all coordinates are the base's, whatever has been removed before.
 * rows_from = rows_to = 0: in every row; else, with axis >= 1, only in those rows of axis 0. In the end every row must keep equally
 * many: cut_is_even says so. */
void cut_remove(struct arena *arena, struct cut *cut, uint32_t axis, const uint32_t *remove, uint32_t remove_count, int64_t rows_from,
                int64_t rows_to);
bool cut_is_even(const struct cut *cut);

int64_t cut_dim(const struct cut *cut, uint32_t axis);
int64_t cut_rows(const struct cut *cut); /* 1 for a scalar */
size_t cut_row_bytes(const struct cut *cut);
/* Row `row` (of the cut) into `out`, cut_row_bytes of them. */
void cut_row(const struct cut *cut, int64_t row, uint8_t *out);

/* The contents of any tensor: borrowed where it has bytes, gathered into the arena where it is a cut, NULL where there are none. */
const uint8_t *tensor_contents(struct arena *arena, const struct tensor *tensor);

/* Element `index` as a number; the tensor must have bytes. float, float16, bfloat16, double, integers, bool; false for other types. */
bool tensor_number(const struct tensor *tensor, int64_t index, double *number);
bool tensor_integer(const struct tensor *tensor, int64_t index, int64_t *number);

/* The other way: `count` elements of float, float16, bfloat16 or double, little-endian, rounded to nearest even; false for other types. */
bool tensor_write_floats(enum data_type type, const float *numbers, int64_t count, uint8_t *bytes);

#endif
