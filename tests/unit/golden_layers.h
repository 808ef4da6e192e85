/* Layers by hand, and those of the tables in golden/. */
#ifndef SS_TEST_GOLDEN_LAYERS_H
#define SS_TEST_GOLDEN_LAYERS_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cost/nest.h"

enum { LINE_BYTES = 256 };

static inline void set_plane(struct nest *nest, int a, int64_t outputs, int64_t plane, int64_t kernel, int64_t stride, int64_t pad) {
    nest->size[DIM_OD + a] = outputs;
    nest->axis[a] =
        (struct nest_axis){.plane = plane, .kernel = kernel, .stride = stride, .dilation = 1, .pad = pad, .pool = 1, .pooled = outputs};
}

static inline void set_widths(struct nest *nest, uint32_t bits, uint32_t partial_bits) {
    for (int x = 0; x < OPERAND_COUNT; x++) nest->bits[x] = bits;
    nest->partial_bits = partial_bits;
}

static inline FILE *open_table(const char *path) {
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    return file;
}

/* A line of networks.csv, 8/8/32 bit. False where it is of another network. */
static inline bool read_layer(const char *line, const char *network, struct nest *nest) {
    char of[32], name[32];
    long long g, m, c, oh, ow, k, stride, pad, ih, iw, is_pool;
    if (sscanf(line, "%31[^,],%31[^,],%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld", of, name, &g, &m, &c, &oh, &ow, &k, &stride,
               &pad, &ih, &iw, &is_pool) != 13)
        return false;
    nest_init(nest);
    nest->size[DIM_G] = g;
    nest->size[DIM_M] = m;
    nest->size[DIM_C] = c;
    set_plane(nest, 1, oh, ih, k, stride, pad);
    set_plane(nest, 2, ow, iw, k, stride, pad);
    set_widths(nest, 8, is_pool ? 8 : 32);
    if (is_pool) nest->bits[OPERAND_W] = 0;
    return strcmp(of, network) == 0;
}

#endif
