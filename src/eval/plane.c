#include "eval/plane.h"

void plane_init(struct plane *plane, const struct window *window) {
    *plane = (struct plane){.in_elems = 1, .out_elems = 1, .taps = 1};
    for (uint32_t i = 0; i < PLANE_AXES; i++) {
        const bool is_missing = i + window->axes < PLANE_AXES;
        plane->axis[i] = is_missing ? (struct window_axis){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1}
                                    : window->axis[i + window->axes - PLANE_AXES];
        plane->in_elems *= plane->axis[i].in;
        plane->out_elems *= plane->axis[i].out;
        plane->taps *= plane->axis[i].kernel;
    }
}

void plane_inside(const struct window_axis *axis, int64_t tap, int64_t *from, int64_t *to) {
    const int64_t shift = tap * axis->dilation - axis->pad_begin; /* input = out * stride + shift */
    const int64_t first = shift >= 0 ? 0 : (-shift + axis->stride - 1) / axis->stride;
    const int64_t room = axis->in - 1 - shift, end = room < 0 ? 0 : room / axis->stride + 1;
    *from = first < axis->out ? first : axis->out;
    *to = end < axis->out ? end : axis->out;
    if (*to < *from) *to = *from;
}
