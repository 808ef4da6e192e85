/* The header of a numpy array file (.npy, format 1 to 3), and its elements as numbers.
 * Source of the format: numpy.lib.format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef SS_EVAL_NPY_H
#define SS_EVAL_NPY_H

#include "op/shapes.h"

enum { NPY_MAX_HEADER_BYTES = 1 << 16 };

struct npy {
    char kind;           /* 'f', 'i', 'u', 'b' (bool) */
    uint32_t item_bytes; /* 1, 2, 4 or 8 */
    bool is_big_endian, is_fortran;
    uint32_t rank; /* at most SHAPE_MAX_RANK */
    int64_t dims[SHAPE_MAX_RANK];
    int64_t elements, data_bytes;
    size_t header_bytes; /* the data start there */
};

/* From the first bytes of a file: all of it, or NPY_MAX_HEADER_BYTES. what: how messages call the array. STATUS_USAGE where it is not an
 * array of numbers. */
status npy_parse(const uint8_t *bytes, size_t size, const char *what, struct npy *npy, struct diag *diag);

bool npy_is_float(const struct npy *npy);
/* "float32" */
const char *npy_type_name(const struct npy *npy);

/* `count` elements from raw bytes; whole numbers for the second, false for an unsigned one above 63 bits. */
void npy_floats(const struct npy *npy, const uint8_t *bytes, int64_t count, float *floats);
bool npy_integers(const struct npy *npy, const uint8_t *bytes, int64_t count, int64_t *integers);

#endif
