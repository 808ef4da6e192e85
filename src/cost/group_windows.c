/* Rows (or columns) of each tensor that each tile of the walk wants, propagated back from the outputs without a consumer here. The two axes
 * do not know each other: what is wanted, made and kept is a product of rows and columns.
 *
 * Kept: a member's output at a position is made in the first tile that wants it, so what it touches is touched in that tile alone.
 * Not kept: every tile makes all that it wants, and all that this touches. */
#include <stdlib.h>
#include <string.h>

#include "cost/group_parts.h"

struct group_span {
    int64_t from, to; /* to <= from: empty */
};

struct group_axis {
    struct arena *arena;
    const struct group *group;
    struct group_walk *walk;
    uint32_t axis;
};

static int64_t group_plane(const struct group_axis *axis, uint32_t tensor) { return axis->group->tensors[tensor].plane[axis->axis]; }

static int64_t group_extent(const struct group_window *window) { return (window->kernel - 1) * window->dilation + 1; }

/* ceil(a / b), for a of either sign. */
static int64_t group_ceil_of(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

static struct group_span group_touched_by(const struct group_window *window, int64_t output, int64_t plane) {
    if (window->is_transposed) {
        const int64_t at = output + window->pad;
        return (struct group_span){group_most(group_ceil_of(at - group_extent(window) + 1, window->stride), 0),
                                   group_least(at / window->stride + 1, plane)};
    }
    const int64_t from = output * window->stride - window->pad;
    return (struct group_span){group_most(from, 0), group_least(from + group_extent(window), plane)};
}

static bool group_is_empty(struct group_span span) { return span.to <= span.from; }

/* From the first to the last input that outputs [from, to) touch; a window may lie in the padding, all of it. */
static struct group_span group_touched(const struct group_window *window, int64_t from, int64_t to, int64_t plane) {
    while (from < to - 1 && group_is_empty(group_touched_by(window, from, plane))) from++;
    while (from < to - 1 && group_is_empty(group_touched_by(window, to - 1, plane))) to--;
    return (struct group_span){group_touched_by(window, from, plane).from, group_touched_by(window, to - 1, plane).to};
}

static struct group_count *group_count_at(const struct group_axis *axis, int64_t tile, uint32_t tensor) {
    return axis->walk->counts + tile * axis->group->tensor_count + tensor;
}

static void group_widen(struct group_span *span, struct group_span by) {
    if (group_is_empty(by)) return;
    if (group_is_empty(*span)) *span = by;
    span->from = group_least(span->from, by.from);
    span->to = group_most(span->to, by.to);
}

/* ---- kept ---- */

/* first, last: [tensor][position], first = -1: not wanted. */
struct group_kept {
    int32_t **first, **last;
    struct group_span *spans; /* by tile: hull of several consumers */
};

static void group_want(const struct group_kept *kept, uint32_t tensor, struct group_span span, int32_t tile) {
    int32_t *first = kept->first[tensor], *last = kept->last[tensor];
    for (int64_t at = span.from; at < span.to; at++) {
        if (first[at] < 0 || tile < first[at]) first[at] = tile;
        if (tile > last[at]) last[at] = tile;
    }
}

static void group_kept_input(const struct group_axis *axis, const struct group_kept *kept, const struct group_member *member,
                             const struct group_input *input) {
    const struct group_window *window = &input->window[axis->axis];
    const bool is_hull = axis->group->tensors[input->tensor].use_count > 1;
    const int32_t *made_in = kept->first[member->output];
    const int64_t plane = group_plane(axis, input->tensor);
    for (int64_t at = 0; at < group_plane(axis, member->output); at++) {
        if (made_in[at] < 0) continue;
        const struct group_span span = group_touched_by(window, at, plane);
        if (is_hull) group_widen(&kept->spans[made_in[at]], span);
        else group_want(kept, input->tensor, span, made_in[at]);
    }
}

static void group_kept_tensor(const struct group_axis *axis, const struct group_kept *kept, uint32_t tensor) {
    const struct group *group = axis->group;
    const struct group_tensor *of = &group->tensors[tensor];
    memset(kept->spans, 0, (size_t)axis->walk->tiles * sizeof kept->spans[0]);
    for (uint32_t m = of->first_use; of->use_count && m <= of->last_use; m++)
        for (uint32_t i = 0; i < group->members[m].input_count; i++)
            if (group->members[m].input[i].tensor == tensor) group_kept_input(axis, kept, &group->members[m], &group->members[m].input[i]);
    if (of->use_count < 2) return;
    for (int64_t tile = 0; tile < axis->walk->tiles; tile++) group_want(kept, tensor, kept->spans[tile], (int32_t)tile);
}

static void group_count_kept(const struct group_axis *axis, const struct group_kept *kept, uint32_t tensor) {
    for (int64_t at = 0; at < group_plane(axis, tensor); at++) {
        const int32_t first = kept->first[tensor][at], last = kept->last[tensor][at];
        if (first < 0) continue;
        axis->walk->touched[tensor]++;
        if (first == last) {
            group_count_at(axis, first, tensor)->f_now_l_now++;
            continue;
        }
        group_count_at(axis, first, tensor)->f_now_l_later++;
        group_count_at(axis, last, tensor)->f_past_l_now++;
        for (int64_t tile = first + 1; tile < last; tile++) group_count_at(axis, tile, tensor)->f_past_l_later++;
    }
}

/* An input that is there before the first tile leaves in the last one that wants it; an output is there from the tile that makes it on.
 * last: by position, the only tile of an output, -1: not wanted. Other counts of the tensor are replaced. */
static void group_count_staying(const struct group_axis *axis, uint32_t tensor, const int32_t *last) {
    const bool is_input = axis->group->tensors[tensor].producer == GROUP_OFF_CHIP;
    for (int64_t tile = 0; tile < axis->walk->tiles; tile++) *group_count_at(axis, tile, tensor) = (struct group_count){0};
    for (int64_t at = 0; at < group_plane(axis, tensor); at++) {
        if (last[at] < 0) continue;
        axis->walk->touched[tensor]++;
        for (int64_t tile = 0; tile < axis->walk->tiles; tile++) {
            struct group_count *count = group_count_at(axis, tile, tensor);
            if (is_input && tile <= last[at]) (*(tile < last[at] ? &count->f_past_l_later : &count->f_past_l_now))++;
            if (is_input && tile < last[at]) count->l_later++;
            if (!is_input && tile >= last[at]) (*(tile > last[at] ? &count->f_past_l_later : &count->f_now_l_later))++;
            if (is_input || tile > last[at]) count->f_past++;
        }
    }
}

static void group_walk_kept(const struct group_axis *axis) {
    const struct group *group = axis->group;
    struct group_kept kept = {.first = ARENA_ARRAY(axis->arena, int32_t *, group->tensor_count),
                              .last = ARENA_ARRAY(axis->arena, int32_t *, group->tensor_count),
                              .spans = ARENA_ARRAY(axis->arena, struct group_span, axis->walk->tiles)};
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        kept.first[t] = ARENA_ARRAY(axis->arena, int32_t, group_plane(axis, t));
        kept.last[t] = ARENA_ARRAY(axis->arena, int32_t, group_plane(axis, t));
        for (int64_t at = 0; at < group_plane(axis, t); at++) kept.first[t][at] = kept.last[t][at] = -1;
    }
    for (uint32_t t = 0; t < group->tensor_count; t++)
        for (int64_t at = 0; !group->tensors[t].use_count && at < group_plane(axis, t); at++)
            kept.first[t][at] = kept.last[t][at] = (int32_t)(at / axis->walk->tile);
    for (uint32_t m = group->member_count - 1; m-- > 0;) group_kept_tensor(axis, &kept, group->members[m].output);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        if (group->tensors[t].producer == GROUP_OFF_CHIP) group_kept_tensor(axis, &kept, t);
        if (group->tensors[t].stays) group_count_staying(axis, t, kept.last[t]);
        else group_count_kept(axis, &kept, t);
    }
}

/* ---- not kept ---- */

/* What one tile wants of each tensor: a span, with a mark per position where there are gaps in it. */
struct group_again {
    struct group_span *span;
    bool *has_gaps;
    bool **mark;
    int32_t **last; /* of what stays: the last tile that wants a position, -1 = none */
};

static void group_mark(const struct group_again *again, uint32_t tensor, struct group_span span) {
    for (int64_t at = span.from; at < span.to; at++) again->mark[tensor][at] = true;
}

/* From the first mark to the last. */
static void group_trim(const struct group_again *again, uint32_t tensor) {
    struct group_span *span = &again->span[tensor];
    while (span->from < span->to && !again->mark[tensor][span->from]) span->from++;
    while (span->from < span->to && !again->mark[tensor][span->to - 1]) span->to--;
}

static void group_again_input(const struct group_axis *axis, const struct group_again *again, const struct group_member *member,
                              const struct group_input *input) {
    const struct group_window *window = &input->window[axis->axis];
    const struct group_span made = again->span[member->output];
    const int64_t plane = group_plane(axis, input->tensor);
    if (made.to <= made.from) return;
    if (!again->has_gaps[member->output]) group_widen(&again->span[input->tensor], group_touched(window, made.from, made.to, plane));
    for (int64_t at = made.from; again->has_gaps[member->output] && at < made.to; at++)
        if (again->mark[member->output][at]) group_widen(&again->span[input->tensor], group_touched_by(window, at, plane));
    const bool is_dense = (window->is_transposed || window->stride <= group_extent(window)) && !again->has_gaps[member->output];
    if (axis->group->tensors[input->tensor].use_count > 1 || is_dense) return;
    again->has_gaps[input->tensor] = true;
    for (int64_t at = made.from; at < made.to; at++)
        if (!again->has_gaps[member->output] || again->mark[member->output][at])
            group_mark(again, input->tensor, group_touched_by(window, at, plane));
    group_trim(again, input->tensor);
}

static int64_t group_again_count(const struct group_again *again, uint32_t tensor) {
    const struct group_span span = again->span[tensor];
    if (!again->has_gaps[tensor]) return group_most(span.to - span.from, 0);
    int64_t count = 0;
    for (int64_t at = span.from; at < span.to; at++) {
        count += again->mark[tensor][at];
        again->mark[tensor][at] = false;
    }
    again->has_gaps[tensor] = false;
    return count;
}

static void group_again_tile(const struct group_axis *axis, const struct group_again *again, int64_t tile) {
    const struct group *group = axis->group;
    const int64_t from = tile * axis->walk->tile;
    memset(again->span, 0, group->tensor_count * sizeof again->span[0]);
    for (uint32_t t = 0; t < group->tensor_count; t++)
        if (!group->tensors[t].use_count)
            again->span[t] = (struct group_span){from, group_least(from + axis->walk->tile, group_plane(axis, t))};
    for (uint32_t m = group->member_count; m-- > 0;)
        for (uint32_t i = 0; i < group->members[m].input_count; i++)
            group_again_input(axis, again, &group->members[m], &group->members[m].input[i]);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        for (int64_t at = again->span[t].from; group->tensors[t].stays && at < again->span[t].to; at++)
            if (!again->has_gaps[t] || again->mark[t][at]) again->last[t][at] = (int32_t)tile;
        group_count_at(axis, tile, t)->f_now_l_now = group_again_count(again, t);
    }
}

static void group_walk_again(const struct group_axis *axis) {
    const struct group *group = axis->group;
    struct group_again again = {.span = ARENA_ARRAY(axis->arena, struct group_span, group->tensor_count),
                                .has_gaps = ARENA_ARRAY(axis->arena, bool, group->tensor_count),
                                .mark = ARENA_ARRAY(axis->arena, bool *, group->tensor_count),
                                .last = ARENA_ARRAY(axis->arena, int32_t *, group->tensor_count)};
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        again.mark[t] = ARENA_ARRAY(axis->arena, bool, group_plane(axis, t));
        again.last[t] = ARENA_ARRAY(axis->arena, int32_t, group_plane(axis, t));
        for (int64_t at = 0; at < group_plane(axis, t); at++) again.last[t][at] = -1;
    }
    for (int64_t tile = 0; tile < axis->walk->tiles; tile++) group_again_tile(axis, &again, tile);
    for (uint32_t t = 0; t < group->tensor_count; t++)
        if (group->tensors[t].stays) group_count_staying(axis, t, again.last[t]);
}

/* ---- what the ends depend on ---- */

/* No hull: a small tile may touch less than a large one where several consumers leave gaps. */
static void group_depend_input(const struct group *group, uint32_t axis, const struct group_member *member, const struct group_input *input,
                               bool **wanted) {
    for (int64_t at = 0; at < group->tensors[member->output].plane[axis]; at++) {
        if (!wanted[member->output][at]) continue;
        const struct group_span span = group_touched_by(&input->window[axis], at, group->tensors[input->tensor].plane[axis]);
        for (int64_t k = span.from; k < span.to; k++) wanted[input->tensor][k] = true;
    }
}

void group_depend(struct arena *arena, const struct group *group, uint32_t axis, int64_t *touched) {
    bool **wanted = ARENA_ARRAY(arena, bool *, group->tensor_count);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *of = &group->tensors[t];
        wanted[t] = ARENA_ARRAY(arena, bool, of->plane[axis]);
        if (of->is_output || !of->use_count) memset(wanted[t], true, (size_t)of->plane[axis]);
    }
    for (uint32_t m = group->member_count; m-- > 0;)
        for (uint32_t i = 0; i < group->members[m].input_count; i++)
            group_depend_input(group, axis, &group->members[m], &group->members[m].input[i], wanted);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        touched[t] = 0;
        for (int64_t at = 0; at < group->tensors[t].plane[axis]; at++) touched[t] += wanted[t][at];
    }
}

/* ---- sums, and the tiles that matter ---- */

static void group_walk_sum(const struct group_axis *axis) {
    struct group_walk *walk = axis->walk;
    for (uint32_t t = 0; t < axis->group->tensor_count; t++) {
        int64_t later = walk->touched[t], past = 0;
        for (int64_t tile = 0; tile < walk->tiles; tile++) {
            struct group_count *count = group_count_at(axis, tile, t);
            const int64_t made = group_made(count);
            walk->made[t] += made;
            walk->busy[t] += made > 0;
            if (!walk->is_kept || axis->group->tensors[t].stays) continue;
            later -= count->f_past_l_now + count->f_now_l_now;
            count->f_past = past;
            count->l_later = later;
            past += made;
        }
    }
}

/* Every count goes on as it did: the same step from the tile before as to the tile after, and makes some where they do. */
static bool group_is_inner(const struct group_walk *walk, int64_t tile) {
    enum { FIELDS = sizeof(struct group_count) / sizeof(int64_t) };
    const struct group_count *here = group_counts(walk, tile), *before = here - walk->tensor_count, *after = here + walk->tensor_count;
    for (uint32_t t = 0; t < walk->tensor_count; t++) {
        int64_t a[FIELDS], b[FIELDS], c[FIELDS];
        memcpy(a, before + t, sizeof a);
        memcpy(b, here + t, sizeof b);
        memcpy(c, after + t, sizeof c);
        for (int k = 0; k < FIELDS; k++)
            if (b[k] - a[k] != c[k] - b[k]) return false;
        const bool makes = group_made(here + t) > 0;
        if (makes != (group_made(before + t) > 0) || makes != (group_made(after + t) > 0)) return false;
    }
    return true;
}

static void group_pick(const struct group_axis *axis, bool pick_all) {
    struct group_walk *walk = axis->walk;
    walk->picks = ARENA_ARRAY(axis->arena, uint32_t, walk->tiles);
    for (int64_t tile = 0; tile < walk->tiles; tile++)
        if (pick_all || tile == 0 || tile == walk->tiles - 1 || !group_is_inner(walk, tile))
            walk->picks[walk->pick_count++] = (uint32_t)tile;
}

void group_walk_make(struct arena *arena, const struct group *group, uint32_t axis, int64_t tile, bool is_kept, bool pick_all,
                     struct group_walk *walk) {
    const int64_t plane = group->tensors[group_last_output(group)].plane[axis];
    const uint32_t tensors = group->tensor_count;
    *walk = (struct group_walk){.tile = tile, .tiles = group_ceil(plane, tile), .is_kept = is_kept, .tensor_count = tensors};
    walk->touched = ARENA_ARRAY(arena, int64_t, tensors);
    walk->made = ARENA_ARRAY(arena, int64_t, tensors);
    walk->busy = ARENA_ARRAY(arena, int64_t, tensors);
    walk->counts = arena_alloc_array(arena, (size_t)walk->tiles * tensors, sizeof walk->counts[0]);
    const struct group_axis at = {arena, group, walk, axis};
    if (is_kept) group_walk_kept(&at);
    else group_walk_again(&at);
    group_walk_sum(&at);
    group_pick(&at, pick_all);
}
