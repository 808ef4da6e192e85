#include "eval/eliminate.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "eval/lapack.h"
#include "eval/ridge.h"

enum { ELIMINATE_STEPS = 128, ELIMINATE_TILE = 64, ELIMINATE_WIDE = 128 /* columns from which threads pay off */ };

/* A reader while channels go. */
struct eliminate_state {
    const struct eliminate_reader *reader;
    double *inverse;          /* [d, d], lower triangle: P; NULL = counts for nothing */
    double *weights;          /* [d, m]: W^T as solved so far */
    double variance;          /* of the output */
    uint32_t *columns, *from; /* of channel c: columns[from[c] .. from[c + 1]) */
    uint32_t widest;          /* columns of a channel, at most */
    double *blocks, *solved;  /* scratch of the scores: [d, widest], [d, m], channels side by side */
};

static double eliminate_entry(const struct eliminate_state *state, uint32_t i, uint32_t k) {
    return i > k ? state->inverse[(size_t)i * state->reader->d + k] : state->inverse[(size_t)k * state->reader->d + i];
}

/* ---- beginning ---- */

static void eliminate_group_columns(struct arena *arena, uint32_t channel_count, struct eliminate_state *state) {
    const struct eliminate_reader *reader = state->reader;
    state->from = ARENA_ARRAY(arena, uint32_t, channel_count + 2);
    state->columns = ARENA_ARRAY(arena, uint32_t, reader->d);
    for (uint32_t i = 0; i < reader->d; i++)
        if (reader->channel_of[i] != ELIMINATE_STAYS) state->from[reader->channel_of[i] + 2]++;
    for (uint32_t c = 0; c < channel_count; c++) {
        if (state->from[c + 2] > state->widest) state->widest = state->from[c + 2];
        state->from[c + 2] += state->from[c + 1];
    }
    for (uint32_t i = 0; i < reader->d; i++)
        if (reader->channel_of[i] != ELIMINATE_STAYS) state->columns[state->from[reader->channel_of[i] + 1]++] = i;
}

/* Summed over the outputs: w C w^T. scratch: [d, m] */
static double eliminate_variance(const struct eliminate_state *state, double *scratch) {
    const uint32_t d = state->reader->d, m = state->reader->m;
    double variance = 0;
    memset(scratch, 0, (size_t)d * m * sizeof *scratch);
    lapack_subtract(d, m, d, state->reader->covariance, d, state->weights, m, scratch, m);
    for (size_t i = 0; i < (size_t)d * m; i++) variance -= state->weights[i] * scratch[i];
    return variance;
}

static void eliminate_begin(struct arena *arena, const struct eliminate_request *request, const struct eliminate_reader *reader,
                            struct eliminate_state *state) {
    const uint32_t d = reader->d, m = reader->m;
    struct ridge ridge;
    *state = (struct eliminate_state){.reader = reader};
    eliminate_group_columns(arena, request->channel_count, state);
    state->weights = ARENA_ARRAY(arena, double, (size_t)d *m);
    state->solved = ARENA_ARRAY(arena, double, (size_t)d *m);
    state->blocks = ARENA_ARRAY(arena, double, (size_t)d * state->widest);
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t k = 0; k < m; k++) state->weights[(size_t)i * m + k] = (double)reader->weights[(size_t)k * d + i];
    state->variance = eliminate_variance(state, state->solved);
    if (!(state->variance > 0) || !ridge_factor(reader->covariance, d, reader->rate, ARENA_ARRAY(arena, double, d), &ridge)) return;
    ridge_invert(&ridge);
    state->inverse = ridge.factor;
}

/* ---- what a channel would cost ---- */

/* block: [b, b] the factor of P_BB, solved: [b, m] L^-1 W_B^T. The loss, or infinity where rounding has spoilt the block. */
static double eliminate_solve_block(const struct eliminate_state *state, const uint32_t *columns, uint32_t b, double *block,
                                    double *solved) {
    const uint32_t m = state->reader->m;
    double loss = 0;
    for (uint32_t i = 0; i < b; i++) {
        for (uint32_t k = 0; k <= i; k++) block[(size_t)i * b + k] = eliminate_entry(state, columns[i], columns[k]);
        memcpy(solved + (size_t)i * m, state->weights + (size_t)columns[i] * m, m * sizeof *solved);
    }
    if (!lapack_cholesky(block, b)) return HUGE_VAL;
    lapack_forward(block, b, solved, m);
    for (size_t i = 0; i < (size_t)b * m; i++) loss += solved[i] * solved[i];
    return loss;
}

static double eliminate_score(struct eliminate_state *states, uint32_t count, uint32_t channel) {
    double score = 0;
    for (uint32_t r = 0; r < count; r++) {
        struct eliminate_state *state = &states[r];
        const uint32_t from = state->from[channel], b = state->from[channel + 1] - from;
        if (!state->inverse || !b) continue;
        score += eliminate_solve_block(state, state->columns + from, b, state->blocks + (size_t)from * state->widest,
                                       state->solved + (size_t)from * state->reader->m) /
                 state->variance;
    }
    return score;
}

/* ---- removing ---- */

struct eliminate_change {
    const struct eliminate_state *state;
    const double *rows, *solved;
    uint32_t b;
};

static void eliminate_update_block(const void *context, int64_t block, unsigned worker) {
    const struct eliminate_change *change = context;
    const struct eliminate_state *state = change->state;
    const uint32_t d = state->reader->d, m = state->reader->m, at = (uint32_t)block * ELIMINATE_TILE;
    const uint32_t count = (uint32_t)least(ELIMINATE_TILE, d - at);
    (void)worker;
    lapack_subtract(count, at + count, change->b, change->rows + at, d, change->rows, d, state->inverse + (size_t)at * d, d);
    lapack_subtract(count, m, change->b, change->rows + at, d, change->solved, m, state->weights + (size_t)at * m, m);
}

/* rows: [b, d] = L^-1 P_B; then P -= rows^T rows, W^T -= rows^T solved. */
static void eliminate_update(struct eliminate_state *state, const double *rows, const double *solved, uint32_t b,
                             struct parallel *threads) {
    const uint32_t d = state->reader->d;
    parallel_run(d >= ELIMINATE_WIDE ? threads : NULL, (d + ELIMINATE_TILE - 1) / ELIMINATE_TILE, eliminate_update_block,
                 &(struct eliminate_change){state, rows, solved, b});
}

/* The loss; 0 where rounding has spoilt the block: those columns are zeroed, and nothing is solved. */
static double eliminate_columns(struct arena *arena, struct eliminate_state *state, const uint32_t *columns, uint32_t b,
                                struct parallel *threads) {
    const uint32_t d = state->reader->d, m = state->reader->m;
    double *block = ARENA_ARRAY(arena, double, (size_t)b *b), *solved = ARENA_ARRAY(arena, double, (size_t)b *m);
    double *rows = ARENA_ARRAY(arena, double, (size_t)b *d);
    const double loss = eliminate_solve_block(state, columns, b, block, solved);
    if (isfinite(loss)) {
        for (uint32_t i = 0; i < b; i++)
            for (uint32_t k = 0; k < d; k++) rows[(size_t)i * d + k] = eliminate_entry(state, columns[i], k);
        lapack_forward(block, b, rows, d);
        eliminate_update(state, rows, solved, b, threads);
    }
    return isfinite(loss) ? loss : 0;
}

/* Channels [0, count) of the list leave one reader. Its loss, relative. */
static double eliminate_from_reader(struct arena *arena, struct eliminate_state *state, const uint32_t *channels, uint32_t count,
                                    struct parallel *threads) {
    struct arena *scratch = arena_new(arena_heap(arena));
    uint32_t *columns = ARENA_ARRAY(scratch, uint32_t, state->reader->d), b = 0;
    double loss = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = state->from[channels[i]]; k < state->from[channels[i] + 1]; k++) columns[b++] = state->columns[k];
    if (b && state->inverse) loss = eliminate_columns(scratch, state, columns, b, threads) / state->variance;
    for (uint32_t i = 0; i < b; i++) memset(state->weights + (size_t)columns[i] * state->reader->m, 0, state->reader->m * sizeof(double));
    arena_free(scratch);
    return loss;
}

/* ---- the whole ---- */

struct eliminate_run {
    struct arena *arena;
    const struct eliminate_request *request;
    struct elimination *out;
    struct eliminate_state *states;
    double *scores; /* by channel */
    bool *gone;
    uint32_t removed;
};

static void eliminate_score_block(const void *context, int64_t channel, unsigned worker) {
    const struct eliminate_run *run = context;
    (void)worker;
    if (!run->gone[channel]) run->scores[channel] = eliminate_score(run->states, run->request->reader_count, (uint32_t)channel);
}

static void eliminate_score_all(struct eliminate_run *run) {
    bool is_wide = false;
    for (uint32_t r = 0; r < run->request->reader_count; r++) is_wide |= run->request->readers[r].d >= ELIMINATE_WIDE;
    parallel_run(is_wide ? run->request->threads : NULL, run->request->channel_count, eliminate_score_block, run);
}

/* The cheapest of a cell, or of all. */
static uint32_t eliminate_cheapest(const struct eliminate_run *run, uint32_t cell) {
    const bool is_free = !run->request->cell_count;
    const uint32_t count = is_free ? run->request->channel_count : run->request->cell_size;
    uint32_t best = ELIMINATE_STAYS;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t channel = is_free ? i : run->request->cells[cell][i];
        if (!run->gone[channel] && (best == ELIMINATE_STAYS || run->scores[channel] < run->scores[best])) best = channel;
    }
    return best;
}

/* How many go before all are scored again: more than one where there are very many. */
static uint32_t eliminate_step(const struct eliminate_run *run) {
    const struct eliminate_request *request = run->request;
    const uint32_t step = (request->channel_count + ELIMINATE_STEPS - 1) / ELIMINATE_STEPS;
    return (uint32_t)least(step, request->channel_count - run->removed);
}

static void eliminate_some(struct eliminate_run *run) {
    const struct eliminate_request *request = run->request;
    const uint32_t step = eliminate_step(run), first = run->removed;
    double loss = 0;
    if (!request->order) eliminate_score_all(run);
    for (uint32_t i = 0; i < step; i++) {
        const uint32_t cell = request->cell_count ? run->removed % request->cell_count : 0;
        const uint32_t channel = request->order ? request->order[run->removed] : eliminate_cheapest(run, cell);
        run->gone[channel] = true;
        run->out->order[run->removed++] = channel;
    }
    for (uint32_t r = 0; r < request->reader_count; r++)
        loss += eliminate_from_reader(run->arena, &run->states[r], run->out->order + first, step, request->threads);
    for (uint32_t i = 1; i <= step; i++) run->out->error[first + i] = run->out->error[first] + loss * i / step;
}

void eliminate(struct arena *arena, const struct eliminate_request *request, struct elimination *elimination) {
    struct arena *scratch = arena_new(arena_heap(arena));
    struct eliminate_run run = {.arena = arena, .request = request, .out = elimination};
    run.states = ARENA_ARRAY(scratch, struct eliminate_state, request->reader_count);
    run.scores = ARENA_ARRAY(scratch, double, request->channel_count);
    run.gone = ARENA_ARRAY(scratch, bool, request->channel_count);
    elimination->order = ARENA_ARRAY(arena, uint32_t, request->channel_count);
    elimination->error = ARENA_ARRAY(arena, double, request->channel_count + 1);
    for (uint32_t r = 0; r < request->reader_count; r++) eliminate_begin(scratch, request, &request->readers[r], &run.states[r]);
    while (run.removed < request->channel_count) eliminate_some(&run);
    arena_free(scratch);
}
