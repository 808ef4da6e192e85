/* The geometry of windows over a plane: what Conv and the pools read from their attributes. */
#ifndef SS_OP_WINDOW_H
#define SS_OP_WINDOW_H

#include "op/shapes.h"

enum { WINDOW_MAX_AXES = 3 };

struct window_axis {
    int64_t in, out; /* -1 = not known */
    int64_t kernel,  /* -1 = not known: a weight of unknown shape */
        stride, dilation, pad_begin, pad_end;
};

struct window {
    uint32_t axes;
    struct window_axis axis[WINDOW_MAX_AXES];
};

/* input: [N, C, spatial...]. kernel: the weight's spatial dims, or NULL to read kernel_shape. STATUS_INVALID with the numbers where
 * attributes contradict each other, STATUS_UNSUPPORTED for more than 3 spatial axes. */
status window_of_node(const struct graph *graph, node_id id, const struct shape *input, const int64_t *kernel, struct window *window,
                      struct diag *diag);

/* The same of a ConvTranspose, whose inputs are spread over its outputs: input i touches outputs i stride - pad_begin + k dilation. Pads
 * are those that output_shape or auto_pad come to; out may reach beyond the last output touched. */
status window_of_transposed(const struct graph *graph, node_id id, const struct shape *input, const int64_t *kernel, struct window *window,
                            struct diag *diag);

#endif
