/* What group_windows.c, group_phase.c, group_cost.c and group_search.c share. */
#ifndef SS_COST_GROUP_PARTS_H
#define SS_COST_GROUP_PARTS_H

#include "cost/group.h"

/* ---- group_windows.c: one axis of the walk ---- */

/* How many positions of a tensor along an axis are wanted first (f) and last (l) in which tile, seen from tile i: l = later than i, e = in
 * it, p = before it. What is not kept has f = l in every tile that wants it. */
struct group_count {
    int64_t f_past_l_later, f_past_l_now, f_now_l_later, f_now_l_now, f_past, l_later;
};

struct group_walk {
    int64_t tile, tiles;
    bool is_kept;
    uint32_t tensor_count;
    int64_t *touched;           /* by tensor: positions */
    int64_t *made;              /* by tensor: positions made or fetched, all tiles together */
    int64_t *busy;              /* by tensor: tiles that make any */
    struct group_count *counts; /* [tile][tensor] */
    uint32_t pick_count;        /* tiles between which every count is linear: the largest footprint is at one of them */
    uint32_t *picks;
};

static inline const struct group_count *group_counts(const struct group_walk *walk, int64_t tile) {
    return walk->counts + tile * walk->tensor_count;
}

static inline int64_t group_made(const struct group_count *count) { return count->f_now_l_later + count->f_now_l_now; }

void group_walk_make(struct arena *arena, const struct group *group, uint32_t axis, int64_t tile, bool is_kept, bool pick_all,
                     struct group_walk *walk);

/* By tensor: positions along an axis that any output depends on, at least; every tiling makes or fetches them. */
void group_depend(struct arena *arena, const struct group *group, uint32_t axis, int64_t *touched);
/* The same of both axes: elements per channel. */
const int64_t *group_touched_elems(struct arena *arena, const struct group *group);

/* ---- group_phase.c: what is on the chip while a run of members takes turns ---- */

/* Elements per channel of a tensor in one tile: on the chip before it is made there, made, while it is used, and after. */
struct group_cell {
    int64_t before, made, during, after;
};

struct group_cells_at {
    const struct group_count *outer, *inner;
    const int64_t *inner_touched;
};
void group_cells(const struct group *group, const struct group_cells_at *at, struct group_cell *cells);

/* Members [first, end) in one loop of turns over blocks of channels. */
struct group_phase {
    uint32_t first, end;
    int64_t turns;
};

/* The largest of each, in bytes: inputs and kept elements, outputs and unfinished sums, the piece staged, all three together. */
struct group_peak {
    int64_t in, out, staged, staged_all;
};

struct group_bytes {
    int64_t in, out;
};

/* A schedule's pieces and blocks, the widths that double, and the group in which channels are those of an output block. */
struct group_run {
    const struct group *group;
    const struct target *target;
    const int64_t *piece, *block;
    bool is_linear; /* no width has parts of a byte: bytes are linear in elements */
};

bool group_whole_bytes(const struct group *group);
bool group_same_window(const struct group_window *a, const struct group_window *b);

static inline bool group_has_weights(const struct group_member *member) { return member->kernel_elems || member->slope_elems; }
static inline uint32_t group_last_output(const struct group *group) { return group->members[group->member_count - 1].output; }

bool group_mixes(const struct group_member *member);
/* The output is summed up over turns. */
bool group_accumulates(const struct group_run *run, const struct group_phase *phase, uint32_t member);
/* Output channels that a member makes in a full turn; input channels that it takes. */
int64_t group_turn_channels(const struct group_run *run, const struct group_phase *phase, uint32_t member);
int64_t group_turn_inputs(const struct group_run *run, const struct group_phase *phase, uint32_t member);
/* The phase that starts at `first`. False where blocks and turns contradict section 8. */
bool group_phase_make(const struct group_run *run, uint32_t first, struct group_phase *phase);

/* Bytes of a tensor that no member of the running phase touches. */
int64_t group_idle_bytes(const struct group_tensor *tensor, int64_t elems_per_channel);

/* A channel of a step of a turn. */
struct group_moment {
    const struct group_run *run;
    const struct group_phase *phase;
    const struct group_cell *cells;
    uint32_t member;
    int64_t turn;
    int64_t step_channels; /* that the member makes or adds to in this step */
    int64_t at_channel;    /* which of them, from 1 */
};

/* Bytes of the tensors that the phase touches, and the piece staged. Linear in the cells where run.is_linear. */
struct group_level {
    int64_t in, out, staged;
};
struct group_level group_level_at(const struct group_moment *at, const struct group_cell *cells);

/* The moments at one of which the largest level is; all of them where not run.is_linear. */
typedef void group_visitor(void *context, const struct group_moment *at);
void group_phase_visit(const struct group_run *run, const struct group_phase *phase, group_visitor *visit, void *context);

/* Raises peaks[member - phase->first] by what stands on the chip in this tile, with `idle` of other tensors. */
void group_phase_peaks(const struct group_run *run, const struct group_phase *phase, const struct group_cell *cells,
                       struct group_bytes idle, struct group_peak *peaks);

/* A piece of weights: of `channels` output channels and `inputs` input channels. */
int64_t group_piece_bytes(const struct group *group, uint32_t member, int64_t channels, int64_t inputs, bool with_bias);

/* Weights and bias of a member. */
int64_t group_stay_bytes(const struct group *group, uint32_t member);

/* The members behind the last mixing layer take channels one by one, of nothing that is made or fetched before it. */
bool group_ends_by_channels(const struct group *group);
/* The same, and nothing stays, and nothing else leaves: it may have output blocks. */
bool group_can_block(const struct group *group);

/* The group as one output block of `channels` channels sees it: arrays in the arena. */
void group_narrow(struct arena *arena, const struct group *group, uint32_t from, int64_t channels, struct group *narrow);

static inline int64_t group_least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t group_most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline struct group_excess group_larger_excess(struct group_excess a, struct group_excess b) {
    return (struct group_excess){group_most(a.once_bytes, b.once_bytes), group_most(a.blocked_bytes, b.blocked_bytes)};
}
static inline struct group_excess group_smaller_excess(struct group_excess a, struct group_excess b) {
    return (struct group_excess){group_least(a.once_bytes, b.once_bytes), group_least(a.blocked_bytes, b.blocked_bytes)};
}
static inline int64_t group_ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
