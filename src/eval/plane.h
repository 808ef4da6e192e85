/* Windows over up to three axes of a plane, always seen as three: depth, height, width (missing ones are of size 1). */
#ifndef SS_EVAL_PLANE_H
#define SS_EVAL_PLANE_H

#include "eval/kernel.h"
#include "op/window.h"

enum { PLANE_AXES = 3 };

struct plane {
    struct window_axis axis[PLANE_AXES];
    int64_t in_elems, out_elems, taps; /* of one channel's plane; kernel positions */
};

/* From a window of 1 to 3 axes, all sizes known. */
void plane_init(struct plane *plane, const struct window *window);

/* Output positions of an axis at which a tap is inside the plane: [*from, *to). */
void plane_inside(const struct window_axis *axis, int64_t tap, int64_t *from, int64_t *to);

/* The input position that a tap of an output position touches; may be outside. */
static inline int64_t plane_touch(const struct window_axis *axis, int64_t out, int64_t tap) {
    return out * axis->stride - axis->pad_begin + tap * axis->dilation;
}

#endif
