/* Windows at chosen places: what a layer reads there, as rows of a matrix.
 *
 *   Conv: input [N, C, spatial...], a row = the window under one output place, [channels, taps], zeros where it is padding
 *   else: a row = the channels at one place
 *
 * A place is an index into the plane of one image, row-major. */
#ifndef SS_EVAL_WINDOWS_H
#define SS_EVAL_WINDOWS_H

#include "eval/eval.h"
#include "op/window.h"

struct spot {
    int64_t image, place;
};

/* Places of a plane, `count` of them at random without repetition, ascending, the same for the same seed; all where there are no more.
 * Returns how many. places: room for least(count, plane). scratch: plane of them. */
int64_t spots_draw(uint64_t seed, int64_t plane, int64_t count, int64_t *places, int64_t *scratch);

/* A tensor seen as [images, channels, plane], or [images, plane, channels]. */
struct channel_view {
    const float *data;
    int64_t images, channels, plane;
    bool is_channel_last;
};
/* axis: 1, or the last. Rank at least 2. */
struct channel_view channel_view_of(const struct eval_tensor *tensor, uint32_t axis);

/* rows: [count, channel_count]. */
void points_gather(const struct channel_view *view, const uint32_t *channels, uint32_t channel_count, const struct spot *spots,
                   int64_t count, float *rows, struct parallel *threads);

/* rows: [count, channel_count x taps]. places are the output's. window->in and out are known. */
void windows_gather(const struct channel_view *input, const struct window *window, const uint32_t *channels, uint32_t channel_count,
                    const struct spot *spots, int64_t count, float *rows, struct parallel *threads);

int64_t window_taps(const struct window *window);

#endif
