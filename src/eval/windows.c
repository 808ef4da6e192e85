#include "eval/windows.h"

#include "base/checked.h"

static uint64_t spots_next(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 (Steele, Lea & Flood 2014) */
    uint64_t x = *state;
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

static void spots_sort(int64_t *places, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        const int64_t place = places[i];
        int64_t at = i;
        for (; at && places[at - 1] > place; at--) places[at] = places[at - 1];
        places[at] = place;
    }
}

int64_t spots_draw(uint64_t seed, int64_t plane, int64_t count, int64_t *places, int64_t *scratch) {
    const int64_t wanted = least(count, plane);
    uint64_t state = seed;
    for (int64_t i = 0; i < plane; i++) scratch[i] = i;
    for (int64_t i = 0; i < wanted; i++) {
        const int64_t at = wanted == plane ? i : i + (int64_t)(spots_next(&state) % (uint64_t)(plane - i));
        places[i] = scratch[at];
        scratch[at] = scratch[i];
    }
    if (wanted < plane) spots_sort(places, wanted);
    return wanted;
}

struct channel_view channel_view_of(const struct eval_tensor *tensor, uint32_t axis) {
    const struct shape *shape = &tensor->shape;
    struct channel_view view = {.data = tensor->floats, .images = shape->dims[0], .channels = shape->dims[axis], .plane = 1};
    for (uint32_t i = 1; i < shape->rank; i++)
        if (i != axis) view.plane *= shape->dims[i];
    view.is_channel_last = axis != 1;
    return view;
}

enum { GATHER_ROWS = 64, GATHER_ALONE_ELEMS = 1 << 16 }; /* rows of a block; so few elements are no work for threads */

/* What both kinds of gathering take; window NULL: points. */
struct gather {
    const struct channel_view *view;
    const struct window *window;
    const uint32_t *channels;
    uint32_t channel_count;
    const struct spot *spots;
    int64_t count, taps;
    float *rows;
};

static void gather_run(const struct gather *gather, struct parallel *threads,
                       void (*body)(const void *context, int64_t block, unsigned worker)) {
    const bool is_alone = gather->count * gather->channel_count * gather->taps <= GATHER_ALONE_ELEMS;
    parallel_run(is_alone ? NULL : threads, (gather->count + GATHER_ROWS - 1) / GATHER_ROWS, body, gather);
}

static void points_gather_block(const void *context, int64_t block, unsigned worker) {
    const struct gather *gather = context;
    const struct channel_view *view = gather->view;
    const int64_t stride = view->is_channel_last ? 1 : view->plane, to = least(gather->count, (block + 1) * GATHER_ROWS);
    (void)worker;
    for (int64_t row = block * GATHER_ROWS; row < to; row++) {
        const float *image = view->data + gather->spots[row].image * view->channels * view->plane;
        const float *at = image + gather->spots[row].place * (view->is_channel_last ? view->channels : 1);
        for (uint32_t i = 0; i < gather->channel_count; i++)
            gather->rows[row * gather->channel_count + i] = at[gather->channels[i] * stride];
    }
}

void points_gather(const struct channel_view *view, const uint32_t *channels, uint32_t channel_count, const struct spot *spots,
                   int64_t count, float *rows, struct parallel *threads) {
    const struct gather gather = {view, NULL, channels, channel_count, spots, count, 1, rows};
    gather_run(&gather, threads, points_gather_block);
}

int64_t window_taps(const struct window *window) {
    int64_t taps = 1;
    for (uint32_t a = 0; a < window->axes; a++) taps *= window->axis[a].kernel;
    return taps;
}

/* Where tap `tap` of the window under `place` falls in the input's plane; -1 = padding. */
static int64_t window_source(const struct window *window, int64_t place, int64_t tap) {
    int64_t source = 0, scale = 1;
    for (uint32_t a = window->axes; a-- > 0;) {
        const struct window_axis *axis = &window->axis[a];
        const int64_t at = place % axis->out * axis->stride - axis->pad_begin + tap % axis->kernel * axis->dilation;
        if (at < 0 || at >= axis->in) return -1;
        source += at * scale;
        scale *= axis->in;
        place /= axis->out;
        tap /= axis->kernel;
    }
    return source;
}

enum { WINDOW_TAPS = 64 }; /* at a time */

static void window_gather_taps(const struct channel_view *input, const struct window *window, const uint32_t *channels,
                               uint32_t channel_count, struct spot spot, int64_t taps, int64_t from, float *row) {
    int64_t sources[WINDOW_TAPS];
    const int64_t count = least(WINDOW_TAPS, taps - from);
    const float *image = input->data + spot.image * input->channels * input->plane;
    for (int64_t t = 0; t < count; t++) sources[t] = window_source(window, spot.place, from + t);
    for (uint32_t i = 0; i < channel_count; i++) {
        const float *plane = image + channels[i] * input->plane;
        for (int64_t t = 0; t < count; t++) row[i * taps + from + t] = sources[t] < 0 ? 0 : plane[sources[t]];
    }
}

static void windows_gather_block(const void *context, int64_t block, unsigned worker) {
    const struct gather *gather = context;
    const int64_t taps = gather->taps, to = least(gather->count, (block + 1) * GATHER_ROWS);
    (void)worker;
    for (int64_t row = block * GATHER_ROWS; row < to; row++)
        for (int64_t from = 0; from < taps; from += WINDOW_TAPS)
            window_gather_taps(gather->view, gather->window, gather->channels, gather->channel_count, gather->spots[row], taps, from,
                               gather->rows + row * gather->channel_count * taps);
}

void windows_gather(const struct channel_view *input, const struct window *window, const uint32_t *channels, uint32_t channel_count,
                    const struct spot *spots, int64_t count, float *rows, struct parallel *threads) {
    const struct gather gather = {input, window, channels, channel_count, spots, count, window_taps(window), rows};
    gather_run(&gather, threads, windows_gather_block);
}
