/* Files of numpy arrays: .npz (a zip of .npy files, stored or deflated) and .npy, read row by row (a row = one index of axis 0).
 *
 * Rows are streamed: nothing but an array in Fortran order is held whole. STATUS_IO where a file cannot be read, STATUS_USAGE where it is
 * not what it should be. Everything lives in the arena. */
#ifndef SS_EVAL_NPZ_H
#define SS_EVAL_NPZ_H

#include "eval/npy.h"

struct npz;

struct npz_array {
    const char *name; /* "" for a .npy file */
    struct npy npy;
};

status npz_open(struct arena *arena, const char *path, struct npz **npz, struct diag *diag);

uint32_t npz_count(const struct npz *npz);
const struct npz_array *npz_array(const struct npz *npz, uint32_t index);

/* Elements of one row; 1 for a scalar, which is one row. */
int64_t npz_row_elems(const struct npz_array *array);
int64_t npz_rows(const struct npz_array *array);

/* Rows [from, from + count) in C order, as floats or as whole numbers (exactly one of the two is given). Reading forward is cheap, going
 * back starts over. */
status npz_read(struct npz *npz, uint32_t index, int64_t from, int64_t count, float *floats, int64_t *integers, struct diag *diag);

#endif
