/* The best schedule of a group: blocks x overlap x direction x tile, then which weights stay, then where to cut it into phases.
 *
 * What a tiling moves beside weights that stream is a product of rows and columns. Two tiles give a bound of
 * the footprint, so of the weights that have to stream; tilings stand in the order of these bounds, and the search ends where they reach
 * the best so far. Tile sizes: all of a short axis, of a long one the smallest of each number of tiles. */
#include <stdlib.h>
#include <string.h>

#include "cost/group_stays.h"

enum { SEARCH_ALL_TILES = 32, SEARCH_NODES = 200000 };

/* More than any network moves; sums of it do not overflow. */
#define SEARCH_MOST_BYTES ((int64_t)1 << 60)

struct group_tiling {
    int64_t tile[GROUP_AXES];
    enum group_overlap overlap;
    bool down_first;
    int64_t once_bytes, each_bytes; /* moved beside weights that stream: once, and by each output block */
    int64_t once_macs, each_macs;
    int64_t least_bytes;        /* on the chip beside weights that stay, for output blocks of any size, at least */
    int64_t tiles_used;         /* by the member of fewest that has weights which may stream, all images together; 0: not known yet */
    bool is_sampled;            /* least_bytes is of a tile in the middle, too */
    int64_t bytes, macs, bound; /* for the number of output blocks at hand; bound: with weights that have to stream */
};

/* A tile that fits, and moves too much whatever the overlap. */
struct group_dropped {
    int64_t tile[GROUP_AXES], least_bytes;
};

struct group_best {
    int64_t bytes, macs, footprint, tiles, t_ow;
};

struct group_seeking {
    struct arena *arena; /* scratch */
    const struct group *group;
    const struct target *target;
    bool with_ties;
    bool ends_once; /* no output beside the last one */
    bool has_hulls; /* of a tensor with several uses */
    bool is_listed; /* tilings that may fit are */
    uint32_t mixing;
    const struct group_walk **walks[GROUP_AXES][2]; /* [axis][kept][tile size] */
    ARRAY(struct group_tiling) tilings;
    ARRAY(struct group_dropped) dropped;
    struct group_least least;
    struct group_excess excess;  /* of the tiles, the least */
    struct group_tiling **tried; /* those that may win, for the number of output blocks at hand */
    int64_t weight_bytes;        /* each once, of members that make anything */
    int64_t blocked_bytes;       /* of the last mixing layer and the members behind it */
    int64_t blocked_idle_bytes;  /* of them, of members that make nothing */
    int64_t out_blocks;
    struct target relaxed;          /* without double buffers of inputs: what members in front make has none */
    struct group narrow;            /* with output blocks of one channel, where there may be any */
    struct group_options narrowest; /* of output blocks of one channel, relaxed */
    struct group_options options;
    struct group_stays stays;
    struct group_peak_bits *peaks;
    uint32_t peak_room;
    struct group_cell *cells;
    struct group_best best;
    struct group_found *found;
    int64_t *piece, *block; /* of found */
};

static const struct group_walk *group_walk_of(struct group_seeking *seeking, uint32_t axis, int64_t tile, bool is_kept) {
    const struct group_walk **walk = &seeking->walks[axis][is_kept][tile];
    if (*walk) return *walk;
    struct group_walk *made = ARENA_NEW(seeking->arena, struct group_walk);
    group_walk_make(seeking->arena, seeking->group, axis, tile, is_kept, false, made);
    *walk = made;
    return made;
}

static const int64_t *group_last_plane(const struct group *group) { return group->tensors[group_last_output(group)].plane; }

static bool group_keeps(const struct group_tiling *tiling, uint32_t axis) {
    const bool is_outer = tiling->down_first == (axis == 1);
    return tiling->overlap == OVERLAP_FULL || (tiling->overlap == OVERLAP_ROWS && !is_outer);
}

/* ---- what a tiling moves ---- */

static bool group_is_blocked_member(const struct group_seeking *seeking, uint32_t member) {
    return seeking->out_blocks > 1 && member >= seeking->mixing;
}

/* Positions of each tensor made along an axis, all tiles together. What is kept is made once, in tiles of any size; but hulls over several
 * consumers may leave gaps between small tiles. */
static const int64_t *group_made_along(struct group_seeking *seeking, const struct group_tiling *tiling, uint32_t axis) {
    const bool keeps = group_keeps(tiling, axis);
    if (seeking->has_hulls) return group_walk_of(seeking, axis, tiling->tile[axis], keeps)->made;
    return group_walk_of(seeking, axis, keeps ? group_last_plane(seeking->group)[axis] : tiling->tile[axis], keeps)->made;
}

static void group_tiling_moves(struct group_seeking *seeking, struct group_tiling *tiling) {
    const struct group *group = seeking->group;
    const int64_t *made_h = group_made_along(seeking, tiling, 0), *made_w = group_made_along(seeking, tiling, 1);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *of = &group->tensors[t];
        const int64_t bytes = of->stays ? 0 : group->images * nest_bytes(made_h[t] * made_w[t] * of->channels, of->bits);
        if (of->producer == GROUP_OFF_CHIP) tiling->each_bytes += bytes;
        else if (of->is_output) tiling->once_bytes += bytes;
    }
    for (uint32_t m = 0; m < group->member_count; m++) {
        const struct group_member *member = &group->members[m];
        const int64_t elems = made_h[member->output] * made_w[member->output] * group->tensors[member->output].channels;
        const bool is_once = m >= seeking->mixing;
        *(is_once ? &tiling->once_macs : &tiling->each_macs) += group->images * elems * member->macs;
        *(is_once ? &tiling->once_bytes : &tiling->each_bytes) += group->images * nest_bytes(elems, member->operand_bits);
    }
}

static int group_compare_tilings(const void *a, const void *b) {
    const struct group_tiling *x = *(struct group_tiling *const *)a, *y = *(struct group_tiling *const *)b;
    const int64_t keys[][2] = {{x->bound, y->bound},     {x->macs, y->macs},       {y->tile[0] * y->tile[1], x->tile[0] * x->tile[1]},
                               {y->tile[1], x->tile[1]}, {x->overlap, y->overlap}, {x->down_first, y->down_first}};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        if (keys[k][0] != keys[k][1]) return keys[k][0] < keys[k][1] ? -1 : 1;
    return 0;
}

static bool group_is_tile_size(int64_t plane, int64_t tile) {
    if (plane <= SEARCH_ALL_TILES || tile == 1) return true;
    return group_ceil(plane, tile) != group_ceil(plane, tile - 1);
}

/* Outputs beside the last one are made once, all of them. */
static bool group_makes_outputs_once(struct group_seeking *seeking, const struct group_tiling *tiling) {
    const struct group *group = seeking->group;
    if (seeking->ends_once) return true;
    const int64_t *made_h = group_made_along(seeking, tiling, 0), *made_w = group_made_along(seeking, tiling, 1);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *of = &group->tensors[t];
        if (of->is_output && made_h[t] * made_w[t] != of->plane[0] * of->plane[1]) return false;
    }
    return true;
}

/* ---- one tiling ---- */

struct group_walks {
    const struct group_walk *outer, *inner;
};

static struct group_walks group_walks_of(struct group_seeking *seeking, const struct group_tiling *tiling) {
    const uint32_t outer = tiling->down_first ? 1 : 0, inner = 1 - outer;
    return (struct group_walks){group_walk_of(seeking, outer, tiling->tile[outer], group_keeps(tiling, outer)),
                                group_walk_of(seeking, inner, tiling->tile[inner], group_keeps(tiling, inner))};
}

static void group_raise_at(struct group_seeking *seeking, const struct group_options *options, const struct group_walks *walks, uint32_t y,
                           uint32_t x) {
    const struct group_cells_at at = {group_counts(walks->outer, walks->outer->picks[y]),
                                      group_counts(walks->inner, walks->inner->picks[x]), walks->inner->touched};
    group_cells(seeking->group, &at, seeking->cells);
    group_options_raise(options, seeking->cells, seeking->peaks);
}

/* What stands on the chip in a tile in the middle, and in the first: a deep group makes most of its tensors there. */
static int64_t group_sample_bytes(struct group_seeking *seeking, const struct group_options *options, const struct group_walks *walks) {
    memset(seeking->peaks, 0, options->peak_count * sizeof seeking->peaks[0]);
    group_raise_at(seeking, options, walks, walks->outer->pick_count / 2, walks->inner->pick_count / 2);
    const int64_t middle = group_options_cut(options, seeking->peaks, NULL, seeking->stays.cut);
    if (middle > seeking->stays.room_bytes) return middle;
    group_raise_at(seeking, options, walks, 0, 0);
    return group_options_cut(options, seeking->peaks, NULL, seeking->stays.cut);
}

/* In the first tile a larger one makes more, whatever the overlap, of as much as stood there before; what it leaves for later tiles aside.
 */
static int64_t group_first_tile_bytes(struct group_seeking *seeking, const int64_t tile[GROUP_AXES]) {
    const struct group_walk *rows = group_walk_of(seeking, 0, tile[0], true), *columns = group_walk_of(seeking, 1, tile[1], true);
    const struct group_cells_at at = {group_counts(rows, 0), group_counts(columns, 0), columns->touched};
    group_cells(seeking->group, &at, seeking->cells);
    for (uint32_t t = 0; t < seeking->group->tensor_count; t++) seeking->cells[t].after = 0;
    memset(seeking->peaks, 0, seeking->narrowest.peak_count * sizeof seeking->peaks[0]);
    group_options_raise(&seeking->narrowest, seeking->cells, seeking->peaks);
    return group_options_cut(&seeking->narrowest, seeking->peaks, NULL, seeking->stays.cut);
}

/* What `full` keeps between the tiles of two rows (columns, if down first), of any length. */
static int64_t group_lines_bytes(struct group_seeking *seeking, const int64_t tile[GROUP_AXES], bool down_first) {
    const uint32_t outer = down_first ? 1 : 0, inner = 1 - outer;
    const struct group *group = &seeking->narrow;
    const struct group_walk *lines = group_walk_of(seeking, outer, tile[outer], true),
                            *along = group_walk_of(seeking, inner, tile[inner], true);
    int64_t bytes = 0;
    if (seeking->target->is_split) return 0;
    for (uint32_t k = 0; k < lines->pick_count; k++) {
        const struct group_count *count = group_counts(lines, lines->picks[k]);
        int64_t bits = 0;
        for (uint32_t t = 0; t < group->tensor_count; t++)
            bits += (count[t].f_past_l_later + count[t].f_now_l_later) * along->touched[t] * group->tensors[t].channels *
                    group->tensors[t].bits;
        bytes = group_most(bytes, group_ceil(bits, 8));
    }
    return bytes;
}

/* Bounds that hold for any number of output blocks. */
static void group_sample(struct group_seeking *seeking, struct group_tiling *tiling) {
    const struct group_walks walks = group_walks_of(seeking, tiling);
    if (!tiling->is_sampled)
        tiling->least_bytes = group_most(tiling->least_bytes, group_sample_bytes(seeking, &seeking->narrowest, &walks));
    tiling->is_sampled = true;
}

static void group_count_used(struct group_seeking *seeking, struct group_tiling *tiling) {
    const struct group_walks walks = group_walks_of(seeking, tiling);
    tiling->tiles_used = INT64_MAX;
    for (uint32_t i = 0; i < seeking->stays.item_count; i++) {
        const uint32_t tensor = seeking->group->members[seeking->stays.items[i]].output;
        tiling->tiles_used =
            group_least(tiling->tiles_used, walks.outer->busy[tensor] * walks.inner->busy[tensor] * seeking->group->images);
    }
}

static void group_add_tilings(struct group_seeking *seeking, const int64_t tile[GROUP_AXES], int64_t least_bytes) {
    const int64_t *plane = group_last_plane(seeking->group);
    const bool is_whole = tile[0] == plane[0] && tile[1] == plane[1];
    for (int overlap = OVERLAP_RECOMPUTE; overlap <= OVERLAP_FULL; overlap++)
        for (int down = 0; down < 2; down++) {
            struct group_tiling tiling = {
                .tile = {tile[0], tile[1]}, .overlap = (enum group_overlap)overlap, .down_first = down, .least_bytes = least_bytes};
            if (down && (overlap == OVERLAP_RECOMPUTE || is_whole)) continue;
            if (overlap != OVERLAP_FULL && is_whole) continue;
            if (overlap == OVERLAP_FULL) {
                tiling.least_bytes = group_most(least_bytes, group_lines_bytes(seeking, tile, down));
                if (tiling.least_bytes > seeking->stays.room_bytes) continue;
            }
            if (!group_makes_outputs_once(seeking, &tiling)) continue;
            group_tiling_moves(seeking, &tiling);
            array_push(seeking->arena, &seeking->tilings, tiling);
        }
}

/* Weights that find no room beside the first tile come again, in each tile in which their member makes anything: fewest where all is kept.
 */
static struct group_excess group_tile_excess(struct group_seeking *seeking, const int64_t tile[GROUP_AXES], int64_t least_bytes) {
    const struct group_stays *stays = &seeking->stays;
    const struct group_walk *rows = group_walk_of(seeking, 0, tile[0], true), *columns = group_walk_of(seeking, 1, tile[1], true);
    int64_t tiles = INT64_MAX, front_tiles = INT64_MAX, front_bytes = 0;
    for (uint32_t i = 0; i < stays->item_count; i++) {
        const uint32_t tensor = seeking->group->members[stays->items[i]].output;
        const int64_t busy = rows->busy[tensor] * columns->busy[tensor] * seeking->group->images;
        tiles = group_least(tiles, busy);
        if (stays->items[i] >= seeking->mixing) continue;
        front_tiles = group_least(front_tiles, busy);
        front_bytes += stays->weight_bytes[stays->items[i]];
    }
    const int64_t room = stays->room_bytes - least_bytes, left = group_items_bytes(stays) + stays->fixed_bytes - room;
    const bool is_blocked = seeking->mixing < seeking->group->member_count && front_bytes > room;
    return (struct group_excess){left > 0 && stays->item_count ? left * (tiles - 1) : 0,
                                 is_blocked ? (front_bytes - room) * (2 * front_tiles - 1) : 0};
}

static bool group_is_reached(const struct group_seeking *seeking, int64_t bytes) {
    return bytes > seeking->best.bytes || (bytes == seeking->best.bytes && seeking->found->is_found && !seeking->with_ties);
}

static void group_list_tile(struct group_seeking *seeking, const int64_t tile[GROUP_AXES], int64_t least_bytes) {
    const struct group_excess excess = group_tile_excess(seeking, tile, least_bytes);
    seeking->excess = group_smaller_excess(seeking->excess, excess);
    if (group_is_reached(seeking, group_least_bytes(&seeking->least, &excess))) {
        const struct group_dropped dropped = {{tile[0], tile[1]}, least_bytes};
        array_push(seeking->arena, &seeking->dropped, dropped);
        return;
    }
    group_add_tilings(seeking, tile, least_bytes);
}

/* Those whose bound of the footprint leaves room. It grows with the tile along both axes. */
static void group_list_tilings(struct group_seeking *seeking) {
    const int64_t *plane = group_last_plane(seeking->group);
    int64_t tile[GROUP_AXES], widest = plane[1];
    seeking->excess = (struct group_excess){SEARCH_MOST_BYTES, SEARCH_MOST_BYTES};
    for (tile[0] = 1; tile[0] <= plane[0]; tile[0]++)
        for (tile[1] = 1; tile[1] <= widest && group_is_tile_size(plane[0], tile[0]); tile[1]++) {
            if (!group_is_tile_size(plane[1], tile[1])) continue;
            const int64_t least_bytes = group_first_tile_bytes(seeking, tile);
            if (least_bytes <= seeking->stays.room_bytes) group_list_tile(seeking, tile, least_bytes);
            else widest = tile[1] - 1;
        }
    if (seeking->mixing == seeking->group->member_count) seeking->excess.blocked_bytes = 0; /* members in front may be blocked */
}

static void group_weigh_members(struct group_seeking *seeking, const struct group_walks *walks) {
    struct group_stays *stays = &seeking->stays;
    stays->least_rate = 1e18;
    for (uint32_t i = 0; i < stays->item_count; i++) {
        const uint32_t m = stays->items[i];
        const uint32_t tensor = seeking->group->members[m].output;
        const int64_t tiles = walks->outer->busy[tensor] * walks->inner->busy[tensor] * seeking->group->images;
        const bool is_blocked = group_is_blocked_member(seeking, m);
        if (is_blocked) stays->penalty_bytes[m] = group_stay_bytes(seeking->group, m) * (tiles - seeking->group->images);
        else stays->penalty_bytes[m] = stays->weight_bytes[m] * (tiles * seeking->out_blocks - 1);
        const double rate = (double)stays->penalty_bytes[m] / (double)stays->weight_bytes[m];
        if (rate < stays->least_rate) stays->least_rate = rate;
    }
}

/* The best so far, in the order of cost-model.md 8: bytes, MACs, footprint, tiles, t_ow. */
static bool group_comes_first(const struct group_best *a, const struct group_best *b) {
    if (a->bytes != b->bytes) return a->bytes < b->bytes;
    if (a->macs != b->macs) return a->macs < b->macs;
    if (a->footprint != b->footprint) return a->footprint < b->footprint;
    if (a->tiles != b->tiles) return a->tiles < b->tiles;
    return a->t_ow > b->t_ow;
}

static void group_keep_best(struct group_seeking *seeking, const struct group_tiling *tiling, const struct group_best *best) {
    const struct group *group = seeking->group;
    const struct group_stays *stays = &seeking->stays;
    seeking->best = *best;
    seeking->found->is_found = true;
    seeking->found->schedule = (struct group_schedule){.tile = {tiling->tile[0], tiling->tile[1]},
                                                       .down_first = tiling->down_first,
                                                       .overlap = tiling->overlap,
                                                       .out_blocks = seeking->out_blocks,
                                                       .piece = seeking->piece,
                                                       .block = seeking->block};
    for (uint32_t m = 0; m < group->member_count; m++) seeking->piece[m] = stays->streams[m];
    for (uint32_t t = 0; t < group->tensor_count; t++) seeking->block[t] = 0;
    const struct group_option *option;
    for (uint32_t m = 0; m < group->member_count; m = option->end) {
        option = &seeking->options.items.items[stays->cut->option[m]];
        for (uint32_t i = 0; i < option->tensor_count; i++)
            if (option->block[option->tensors[i]]) seeking->block[option->tensors[i]] = option->block[option->tensors[i]];
    }
}

/* False where the bound of the footprint says that nothing better can come of it. */
static bool group_may_win(const struct group_seeking *seeking, const struct group_tiling *tiling) {
    const struct group_stays *stays = &seeking->stays;
    const struct group_best *best = &seeking->best;
    if (stays->least_bytes == INT64_MAX || stays->fixed_bytes + stays->least_bytes > stays->room_bytes) return false;
    const int64_t bytes = tiling->bytes + group_stays_bound(stays);
    if (bytes > best->bytes) return false;
    if (bytes < best->bytes || !seeking->found->is_found) return true;
    if (!seeking->with_ties || tiling->macs != best->macs) return seeking->with_ties && tiling->macs < best->macs;
    return stays->fixed_bytes + stays->least_bytes <= best->footprint;
}

static void group_try_tiling(struct group_seeking *seeking, const struct group_tiling *tiling) {
    const struct group_walks walks = group_walks_of(seeking, tiling);
    struct group_stays *stays = &seeking->stays;
    group_weigh_members(seeking, &walks);
    stays->least_bytes = group_sample_bytes(seeking, &seeking->options, &walks);
    if (!group_may_win(seeking, tiling)) return;
    for (uint32_t y = 0; y < walks.outer->pick_count; y++)
        for (uint32_t x = 0; x < walks.inner->pick_count; x++) group_raise_at(seeking, &seeking->options, &walks, y, x);
    stays->least_bytes = group_options_cut(&seeking->options, seeking->peaks, NULL, stays->cut);
    if (!group_may_win(seeking, tiling)) return;
    struct group_best here = {tiling->bytes, tiling->macs, 0, walks.outer->tiles * walks.inner->tiles, tiling->tile[1]};
    stays->below_penalty = seeking->best.bytes - tiling->bytes;
    const bool by_footprint = tiling->macs == seeking->best.macs && seeking->best.footprint < INT64_MAX;
    stays->below_footprint = by_footprint ? seeking->best.footprint + 1 : tiling->macs < seeking->best.macs ? INT64_MAX : 0;
    stays->nodes_left = SEARCH_NODES;
    group_stays_search(stays);
    seeking->found->is_cut |= stays->nodes_left < 0;
    if (!stays->is_found) return;
    here.bytes += stays->below_penalty;
    here.footprint = stays->below_footprint;
    if (group_comes_first(&here, &seeking->best)) group_keep_best(seeking, tiling, &here);
}

/* ---- all of them ---- */

/* All windows on its output lie in the padding. */
static bool group_is_idle(struct group_seeking *seeking, uint32_t member) {
    const int64_t *plane = group_last_plane(seeking->group);
    const uint32_t tensor = seeking->group->members[member].output;
    return group_walk_of(seeking, 0, plane[0], true)->touched[tensor] * group_walk_of(seeking, 1, plane[1], true)->touched[tensor] == 0;
}

static void group_prepare_stays(struct group_seeking *seeking, const struct group *group) {
    struct group_stays *stays = &seeking->stays;
    stays->options = &seeking->options;
    stays->item_count = 0;
    stays->fixed_bytes = 0;
    for (uint32_t m = 0; m < group->member_count; m++) {
        stays->weight_bytes[m] = group_stay_bytes(group, m);
        stays->streams[m] = stays->trying[m] = false;
        if (!group_has_weights(&group->members[m])) {
            stays->fixed_bytes += stays->weight_bytes[m];
            continue;
        }
        if (group_is_idle(seeking, m)) { /* its weights never come */
            stays->weight_bytes[m] = 0;
            stays->streams[m] = stays->trying[m] = true;
            continue;
        }
        uint32_t at = stays->item_count++;
        for (; at > 0 && stays->weight_bytes[stays->items[at - 1]] < stays->weight_bytes[m]; at--) stays->items[at] = stays->items[at - 1];
        stays->items[at] = m;
    }
}

/* Bytes fetched again per byte of weights that does not stay: of a member before the blocks, or of one that is blocked. */
static int64_t group_least_rate(const struct group_seeking *seeking, const struct group_tiling *tiling) {
    if (seeking->out_blocks == 1) return tiling->tiles_used - 1;
    return group_least(seeking->out_blocks * tiling->tiles_used - 1, tiling->tiles_used - seeking->group->images);
}

/* False where the tiling cannot win with so many output blocks. */
static bool group_bound_tiling(struct group_seeking *seeking, struct group_tiling *tiling) {
    const struct group_stays *stays = &seeking->stays;
    const int64_t again = seeking->blocked_idle_bytes + (seeking->group->images - 1) * seeking->blocked_bytes;
    tiling->bytes = tiling->once_bytes + seeking->out_blocks * tiling->each_bytes + seeking->weight_bytes;
    if (seeking->out_blocks > 1) tiling->bytes += again;
    tiling->macs = tiling->once_macs + seeking->out_blocks * tiling->each_macs;
    if (group_is_reached(seeking, tiling->bytes)) return false;
    if (!tiling->tiles_used) group_count_used(seeking, tiling);
    if (tiling->least_bytes > stays->room_bytes - stays->fixed_bytes) return false;
    const int64_t left = group_items_bytes(stays) - (stays->room_bytes - stays->fixed_bytes - tiling->least_bytes);
    tiling->bound = tiling->bytes + (left > 0 ? (int64_t)((double)left * (double)group_least_rate(seeking, tiling)) : 0);
    return !group_is_reached(seeking, tiling->bound);
}

static void group_room_for_peaks(struct group_seeking *seeking, uint32_t count) {
    if (count <= seeking->peak_room) return;
    seeking->peaks = ARENA_ARRAY(seeking->arena, struct group_peak_bits, count);
    seeking->peak_room = count;
    seeking->stays.peaks = seeking->peaks;
}

static void group_try_blocks(struct group_seeking *seeking, int64_t channels) {
    struct group narrow;
    uint32_t count = 0;
    group_narrow(seeking->arena, seeking->group, seeking->mixing, channels, &narrow);
    group_prepare_stays(seeking, &narrow);
    for (uint32_t i = 0; i < seeking->tilings.count; i++)
        if (group_bound_tiling(seeking, &seeking->tilings.items[i])) seeking->tried[count++] = &seeking->tilings.items[i];
    if (!count) return;
    qsort(seeking->tried, count, sizeof seeking->tried[0], group_compare_tilings);
    group_options_make(seeking->arena, &narrow, seeking->target, false, &seeking->options);
    group_room_for_peaks(seeking, seeking->options.peak_count);
    for (uint32_t i = 0; i < count && !group_is_reached(seeking, seeking->tried[i]->bound); i++) {
        group_sample(seeking, seeking->tried[i]);
        if (group_bound_tiling(seeking, seeking->tried[i])) group_try_tiling(seeking, seeking->tried[i]);
    }
}

/* Of the last mixing layer's output. */
static int64_t group_mixed_channels(const struct group_seeking *seeking) {
    const struct group *group = seeking->group;
    return seeking->mixing < group->member_count ? group->tensors[group->members[seeking->mixing].output].channels : 0;
}

static void group_prepare(struct group_seeking *seeking) {
    for (uint32_t m = 0; m < seeking->group->member_count; m++) {
        const int64_t bytes = group_stay_bytes(seeking->group, m);
        const bool is_idle = group_is_idle(seeking, m);
        if (!is_idle) seeking->weight_bytes += bytes;
        if (m >= seeking->mixing) seeking->blocked_bytes += bytes;
        if (m >= seeking->mixing && is_idle) seeking->blocked_idle_bytes += bytes;
    }
    group_narrow(seeking->arena, seeking->group, seeking->mixing, seeking->least.can_block ? 1 : group_mixed_channels(seeking),
                 &seeking->narrow);
    group_options_make(seeking->arena, &seeking->narrow, &seeking->relaxed, true, &seeking->narrowest);
    group_room_for_peaks(seeking, seeking->narrowest.peak_count);
    group_prepare_stays(seeking, seeking->group);
    group_list_tilings(seeking);
    seeking->is_listed = true;
    seeking->tried = ARENA_ARRAY(seeking->arena, struct group_tiling *, seeking->tilings.count);
}

static void group_try_all(struct group_seeking *seeking) {
    const int64_t channels = group_mixed_channels(seeking);
    if (group_is_reached(seeking, seeking->least.once_bytes)) return;
    group_prepare(seeking);
    for (int64_t blocks = 1; blocks == 1 || (seeking->least.can_block && blocks <= channels); blocks++) {
        if (group_is_reached(seeking, seeking->least.once_bytes + (blocks - 1) * seeking->least.again_bytes)) break;
        if (blocks > 1 && group_ceil(channels, group_ceil(channels, blocks)) != blocks) continue;
        seeking->out_blocks = blocks;
        group_try_blocks(seeking, blocks > 1 ? group_ceil(channels, blocks) : channels);
    }
}

/* Square planes, square windows: a walk along one axis is one along the other. */
static bool group_is_square(const struct group *group) {
    for (uint32_t t = 0; t < group->tensor_count; t++)
        if (group->tensors[t].plane[0] != group->tensors[t].plane[1]) return false;
    for (uint32_t m = 0; m < group->member_count; m++)
        for (uint32_t i = 0; i < group->members[m].input_count; i++) {
            const struct group_window *window = group->members[m].input[i].window;
            if (!group_same_window(&window[0], &window[1])) return false;
        }
    return true;
}

static void group_make_room(struct group_seeking *seeking) {
    const uint32_t members = seeking->group->member_count;
    for (int kept = 0; kept < 2; kept++) {
        for (uint32_t a = 0; a < GROUP_AXES; a++)
            seeking->walks[a][kept] = ARENA_ARRAY(seeking->arena, const struct group_walk *, group_last_plane(seeking->group)[a] + 1);
        if (group_is_square(seeking->group)) seeking->walks[1][kept] = seeking->walks[0][kept];
    }
    seeking->cells = ARENA_ARRAY(seeking->arena, struct group_cell, seeking->group->tensor_count);
    struct group_stays *stays = &seeking->stays;
    stays->room_bytes = seeking->target->is_split ? seeking->target->partition_bytes[OPERAND_W] : seeking->target->capacity_bytes;
    stays->items = ARENA_ARRAY(seeking->arena, uint32_t, members);
    stays->weight_bytes = ARENA_ARRAY(seeking->arena, int64_t, members);
    stays->penalty_bytes = ARENA_ARRAY(seeking->arena, int64_t, members);
    stays->streams = ARENA_ARRAY(seeking->arena, bool, members);
    stays->trying = ARENA_ARRAY(seeking->arena, bool, members);
    stays->cut = ARENA_NEW(seeking->arena, struct group_cut);
    stays->cut->best = ARENA_ARRAY(seeking->arena, int64_t, members + 1);
    stays->cut->option = ARENA_ARRAY(seeking->arena, uint32_t, members + 1);
}

static bool group_fits_from(struct group_seeking *seeking, uint32_t from) {
    for (uint32_t i = from; i < seeking->tilings.count; i++) {
        group_sample(seeking, &seeking->tilings.items[i]);
        if (seeking->tilings.items[i].least_bytes <= seeking->stays.room_bytes) return true;
    }
    return false;
}

/* The least on the chip only grows with members in front: windows and channels of the others stay as they are. */
static bool group_is_hopeless(struct group_seeking *seeking) {
    if (seeking->found->is_found || seeking->mixing == seeking->group->member_count || !seeking->is_listed) return false;
    bool fits = group_fits_from(seeking, 0);
    for (uint32_t i = 0; !fits && i < seeking->dropped.count; i++) {
        const uint32_t from = seeking->tilings.count;
        group_add_tilings(seeking, seeking->dropped.items[i].tile, seeking->dropped.items[i].least_bytes);
        fits = group_fits_from(seeking, from);
    }
    return !fits;
}

/* What stays at a boundary: of one image, of a capacity that is not split. */
static bool group_may_stay(const struct group *group, const struct target *target) {
    bool stays = false;
    for (uint32_t t = 0; t < group->tensor_count; t++) stays |= group->tensors[t].stays;
    return !stays || (group->images == 1 && !target->is_split);
}

static void group_begin(struct arena *scratch, const struct group *group, const struct target *target, struct group_seeking *seeking) {
    *seeking = (struct group_seeking){.arena = scratch, .group = group, .target = target, .mixing = group_last_mixing(group)};
    seeking->relaxed = *target;
    seeking->relaxed.double_buffer[OPERAND_I] = false;
    seeking->ends_once = true;
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        seeking->has_hulls = seeking->has_hulls || group->tensors[t].use_count > 1;
        seeking->ends_once = seeking->ends_once && (!group->tensors[t].is_output || t == group_last_output(group));
    }
    seeking->best = (struct group_best){.bytes = INT64_MAX, .macs = INT64_MAX, .footprint = INT64_MAX, .tiles = INT64_MAX};
    seeking->least = group_least_moved(scratch, group);
    group_make_room(seeking);
}

void group_search(struct arena *arena, const struct group *group, const struct target *target, int64_t below, bool with_ties,
                  struct group_found *found) {
    *found = (struct group_found){0};
    if (!group_may_stay(group, target) || below <= 0) return;
    struct arena *scratch = arena_new(arena_heap(arena));
    struct group_seeking seeking;
    group_begin(scratch, group, target, &seeking);
    seeking.with_ties = with_ties;
    seeking.found = found;
    seeking.best.bytes = below - 1;
    seeking.piece = ARENA_ARRAY(arena, int64_t, group->member_count);
    seeking.block = ARENA_ARRAY(arena, int64_t, group->tensor_count);
    group_try_all(&seeking);
    found->is_hopeless = group_is_hopeless(&seeking);
    found->excess = seeking.excess;
    found->bytes = seeking.best.bytes;
    if (found->is_found) group_cost(scratch, group, target, &found->schedule, &found->cost);
    if (found->is_found) found->bytes = traffic_total(&found->cost.traffic);
    arena_free(scratch);
}

bool group_search_is_hopeless(struct arena *scratch, const struct group *group, const struct target *target) {
    struct group_found none = {0};
    struct group_seeking seeking;
    group_begin(scratch, group, target, &seeking);
    seeking.found = &none;
    group_prepare(&seeking);
    return group_is_hopeless(&seeking);
}
