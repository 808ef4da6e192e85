/* The best schedule of a chain: blocks x overlap x direction x tile, then which weights stay, then where to cut it into phases.
 *
 * What a tiling moves beside weights that stream is a product of rows and columns. Tilings stand in the order of that; the search ends where it
 * reaches the best so far. One tile in the middle gives a bound of the footprint before all that matter are looked at. Tile sizes: all of a
 * short axis, of a long one the smallest of each number of tiles. */
#include <stdlib.h>
#include <string.h>

#include "cost/group_stays.h"

enum { SEARCH_ALL_TILES = 32, SEARCH_NODES = 200000 };

struct group_tiling {
    int64_t bytes; /* beside weights that stream, at least */
    int64_t macs;
    int64_t tile[GROUP_AXES];
    enum group_overlap overlap;
    bool down_first;
};

struct group_best {
    int64_t bytes, macs, footprint, tiles, t_ow;
};

struct group_seeking {
    struct arena *arena; /* scratch */
    const struct group *group;
    const struct target *target;
    bool with_ties;
    uint32_t mixing;
    const struct group_walk **walks[GROUP_AXES][2]; /* [axis][kept][tile size] */
    struct group narrow;
    int64_t out_blocks;
    struct group_options options;
    struct group_stays stays;
    struct group_peak_bits *peaks;
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

static const int64_t *group_last_plane(const struct group *group) { return group->tensors[group->member_count].plane; }

static bool group_keeps(const struct group_tiling *tiling, uint32_t axis) {
    const bool is_outer = tiling->down_first == (axis == 1);
    return tiling->overlap == OVERLAP_FULL || (tiling->overlap == OVERLAP_ROWS && !is_outer);
}

/* ---- what a tiling moves ---- */

static bool group_is_blocked_member(const struct group_seeking *seeking, uint32_t member) {
    return seeking->out_blocks > 1 && member >= seeking->mixing;
}

/* Positions of each tensor made along an axis, all tiles together. What is kept is made once, in tiles of any size. */
static const int64_t *group_made_along(struct group_seeking *seeking, const struct group_tiling *tiling, uint32_t axis) {
    const bool keeps = group_keeps(tiling, axis);
    return group_walk_of(seeking, axis, keeps ? group_last_plane(seeking->group)[axis] : tiling->tile[axis], keeps)->made;
}

static void group_tiling_moves(struct group_seeking *seeking, struct group_tiling *tiling) {
    const struct group *group = seeking->group;
    const int64_t *made_h = group_made_along(seeking, tiling, 0), *made_w = group_made_along(seeking, tiling, 1);
    const int64_t blocks = seeking->out_blocks, images = group->images;
    tiling->bytes = blocks * images * nest_bytes(made_h[0] * made_w[0] * group->tensors[0].channels, group->tensors[0].bits);
    tiling->macs = 0;
    for (uint32_t m = 0; m < group->member_count; m++) {
        const struct group_member *member = &group->members[m];
        const bool is_blocked = group_is_blocked_member(seeking, m);
        const int64_t times = images * (is_blocked ? 1 : blocks), elems = made_h[m + 1] * made_w[m + 1] * group->tensors[m + 1].channels;
        tiling->macs += times * elems * member->macs;
        tiling->bytes += times * nest_bytes(elems, member->operand_bits);
        if (elems || is_blocked) tiling->bytes += (is_blocked ? images : 1) * group_stay_bytes(group, m);
    }
    const struct group_tensor *last = &group->tensors[group->member_count];
    tiling->bytes += images * nest_bytes(last->plane[0] * last->plane[1] * last->channels, last->bits);
}

static int group_compare_tilings(const void *a, const void *b) {
    const struct group_tiling *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    if (x->macs != y->macs) return x->macs < y->macs ? -1 : 1;
    const int64_t area_x = x->tile[0] * x->tile[1], area_y = y->tile[0] * y->tile[1];
    if (area_x != area_y) return area_x > area_y ? -1 : 1;
    if (x->tile[1] != y->tile[1]) return x->tile[1] > y->tile[1] ? -1 : 1;
    return x->down_first - y->down_first;
}

typedef ARRAY(struct group_tiling) group_tilings;

static bool group_is_tile_size(int64_t plane, int64_t tile) {
    if (plane <= SEARCH_ALL_TILES || tile == 1) return true;
    return group_ceil(plane, tile) != group_ceil(plane, tile - 1);
}

static void group_add_tilings(struct group_seeking *seeking, const int64_t tile[GROUP_AXES], group_tilings *tilings) {
    const int64_t *plane = group_last_plane(seeking->group);
    const bool is_whole = tile[0] == plane[0] && tile[1] == plane[1];
    for (int overlap = OVERLAP_RECOMPUTE; overlap <= OVERLAP_FULL; overlap++)
        for (int down = 0; down < 2; down++) {
            struct group_tiling tiling = {0, 0, {tile[0], tile[1]}, (enum group_overlap)overlap, down};
            if (down && (overlap == OVERLAP_RECOMPUTE || is_whole)) continue;
            if (overlap != OVERLAP_FULL && is_whole) continue;
            group_tiling_moves(seeking, &tiling);
            if (tiling.bytes <= seeking->best.bytes) array_push(seeking->arena, tilings, tiling);
        }
}

/* ---- one tiling ---- */

static void group_raise_at(struct group_seeking *seeking, const struct group_walk *outer, uint32_t y, const struct group_walk *inner,
                           uint32_t x) {
    const struct group_cells_at at = {group_counts(outer, outer->picks[y]), group_counts(inner, inner->picks[x]), inner->touched};
    group_cells(seeking->group, &at, seeking->cells);
    group_options_raise(&seeking->options, seeking->cells, seeking->peaks);
}

static void group_weigh_members(struct group_seeking *seeking, const struct group_walk *outer, const struct group_walk *inner) {
    struct group_stays *stays = &seeking->stays;
    stays->least_rate = 1e18;
    for (uint32_t i = 0; i < stays->item_count; i++) {
        const uint32_t m = stays->items[i];
        const int64_t times = outer->busy[m + 1] * inner->busy[m + 1] * seeking->group->images * seeking->out_blocks;
        stays->penalty_bytes[m] = stays->weight_bytes[m] * (times - 1);
        if ((double)(times - 1) < stays->least_rate) stays->least_rate = (double)(times - 1);
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
    const struct group_option *option;
    for (uint32_t m = 0; m < group->member_count; m = option->end) {
        option = &seeking->options.items.items[stays->cut->option[m]];
        for (uint32_t t = option->first + (m > 0); t <= option->end; t++) seeking->block[t] = option->block[t];
    }
}

/* False where the bound of the footprint says that nothing better can come of it. */
static bool group_bound_tiling(struct group_seeking *seeking, const struct group_tiling *tiling, const struct group_best *best) {
    struct group_stays *stays = &seeking->stays;
    stays->least_bytes = group_options_cut(&seeking->options, seeking->peaks, NULL, stays->cut);
    if (stays->least_bytes == INT64_MAX || stays->fixed_bytes + stays->least_bytes > stays->room_bytes) return false;
    const int64_t bytes = tiling->bytes + group_stays_bound(stays);
    if (bytes > best->bytes) return false;
    if (bytes < best->bytes || !seeking->found->is_found) return true;
    if (!seeking->with_ties || tiling->macs != best->macs) return seeking->with_ties && tiling->macs < best->macs;
    return stays->fixed_bytes + stays->least_bytes <= best->footprint;
}

static void group_try_tiling(struct group_seeking *seeking, const struct group_tiling *tiling) {
    const uint32_t outer_axis = tiling->down_first ? 1 : 0, inner_axis = 1 - outer_axis;
    const struct group_walk *outer = group_walk_of(seeking, outer_axis, tiling->tile[outer_axis], group_keeps(tiling, outer_axis));
    const struct group_walk *inner = group_walk_of(seeking, inner_axis, tiling->tile[inner_axis], group_keeps(tiling, inner_axis));
    struct group_stays *stays = &seeking->stays;
    memset(seeking->peaks, 0, seeking->options.peak_count * sizeof seeking->peaks[0]);
    group_weigh_members(seeking, outer, inner);
    group_raise_at(seeking, outer, outer->pick_count / 2, inner, inner->pick_count / 2);
    if (!group_bound_tiling(seeking, tiling, &seeking->best)) return;
    for (uint32_t y = 0; y < outer->pick_count; y++)
        for (uint32_t x = 0; x < inner->pick_count; x++) group_raise_at(seeking, outer, y, inner, x);
    if (!group_bound_tiling(seeking, tiling, &seeking->best)) return;
    struct group_best here = {tiling->bytes, tiling->macs, 0, outer->tiles * inner->tiles, tiling->tile[1]};
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
    return group_walk_of(seeking, 0, plane[0], true)->touched[member + 1] * group_walk_of(seeking, 1, plane[1], true)->touched[member + 1] == 0;
}

static void group_prepare_stays(struct group_seeking *seeking) {
    const struct group *group = &seeking->narrow;
    struct group_stays *stays = &seeking->stays;
    stays->options = &seeking->options;
    stays->peaks = seeking->peaks;
    stays->room_bytes = seeking->target->is_split ? seeking->target->partition_bytes[OPERAND_W] : seeking->target->capacity_bytes;
    stays->item_count = 0;
    stays->fixed_bytes = 0;
    for (uint32_t m = 0; m < group->member_count; m++) {
        stays->weight_bytes[m] = group_stay_bytes(group, m);
        stays->streams[m] = stays->trying[m] = false;
        if (!group->members[m].kernel_elems || group_is_blocked_member(seeking, m)) {
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

static void group_try_blocks(struct group_seeking *seeking, int64_t channels) {
    group_tilings tilings = {0};
    const int64_t *plane = group_last_plane(seeking->group);
    int64_t tile[GROUP_AXES];
    for (tile[0] = 1; tile[0] <= plane[0]; tile[0]++)
        for (tile[1] = 1; tile[1] <= plane[1] && group_is_tile_size(plane[0], tile[0]); tile[1]++)
            if (group_is_tile_size(plane[1], tile[1])) group_add_tilings(seeking, tile, &tilings);
    if (!tilings.count) return;
    qsort(tilings.items, tilings.count, sizeof tilings.items[0], group_compare_tilings);
    group_narrow(seeking->arena, seeking->group, seeking->mixing, channels, &seeking->narrow);
    group_options_make(seeking->arena, &seeking->narrow, seeking->target, &seeking->options);
    seeking->peaks = ARENA_ARRAY(seeking->arena, struct group_peak_bits, seeking->options.peak_count);
    group_prepare_stays(seeking);
    for (uint32_t i = 0; i < tilings.count; i++) {
        const bool may_tie = seeking->with_ties || !seeking->found->is_found;
        if (tilings.items[i].bytes + !may_tie > seeking->best.bytes) break;
        group_try_tiling(seeking, &tilings.items[i]);
    }
}

/* The members behind the last mixing layer take channels one by one. */
static bool group_can_block(const struct group_seeking *seeking) {
    const struct group *group = seeking->group;
    for (uint32_t m = seeking->mixing + 1; m < group->member_count; m++)
        if (group->tensors[m].channels != group->members[m].groups || group->tensors[m + 1].channels != group->members[m].groups) return false;
    return seeking->mixing < group->member_count;
}

static void group_try_all(struct group_seeking *seeking) {
    const struct group *group = seeking->group;
    const int64_t least = group_compulsory_bytes(seeking->arena, group);
    const struct group_tensor *input = &group->tensors[0];
    const int64_t channels = seeking->mixing < group->member_count ? group->tensors[seeking->mixing + 1].channels : 0;
    const int64_t *touched_h = group_walk_of(seeking, 0, group_last_plane(group)[0], true)->touched;
    const int64_t *touched_w = group_walk_of(seeking, 1, group_last_plane(group)[1], true)->touched;
    const int64_t again = group->images * nest_bytes(touched_h[0] * touched_w[0] * input->channels, input->bits);
    seeking->out_blocks = 1;
    if (least <= seeking->best.bytes) group_try_blocks(seeking, channels);
    for (int64_t blocks = 2; group_can_block(seeking) && blocks <= channels; blocks++) {
        if (least + (blocks - 1) * again > seeking->best.bytes) break;
        if (group_ceil(channels, group_ceil(channels, blocks)) != blocks) continue;
        seeking->out_blocks = blocks;
        group_try_blocks(seeking, group_ceil(channels, blocks));
    }
}

static void group_make_room(struct group_seeking *seeking) {
    const uint32_t members = seeking->group->member_count;
    for (uint32_t a = 0; a < GROUP_AXES; a++)
        for (int kept = 0; kept < 2; kept++)
            seeking->walks[a][kept] = ARENA_ARRAY(seeking->arena, const struct group_walk *, group_last_plane(seeking->group)[a] + 1);
    seeking->cells = ARENA_ARRAY(seeking->arena, struct group_cell, seeking->group->tensor_count);
    struct group_stays *stays = &seeking->stays;
    stays->items = ARENA_ARRAY(seeking->arena, uint32_t, members);
    stays->weight_bytes = ARENA_ARRAY(seeking->arena, int64_t, members);
    stays->penalty_bytes = ARENA_ARRAY(seeking->arena, int64_t, members);
    stays->streams = ARENA_ARRAY(seeking->arena, bool, members);
    stays->trying = ARENA_ARRAY(seeking->arena, bool, members);
    stays->cut = ARENA_NEW(seeking->arena, struct group_cut);
    stays->cut->best = ARENA_ARRAY(seeking->arena, int64_t, members + 1);
    stays->cut->option = ARENA_ARRAY(seeking->arena, uint32_t, members + 1);
}

static bool group_is_chain(const struct group *group) {
    if (group->tensor_count != group->member_count + 1) return false;
    for (uint32_t m = 0; m < group->member_count; m++) {
        const struct group_member *member = &group->members[m];
        if (member->input_count != 1 || member->input[0].tensor != m || member->output != m + 1) return false;
        if (group->tensors[m].is_output) return false;
    }
    return true;
}

void group_search(struct arena *arena, const struct group *group, const struct target *target, int64_t below, bool with_ties,
                  struct group_found *found) {
    *found = (struct group_found){0};
    if (!group_is_chain(group) || below <= 0) return;
    struct arena *scratch = arena_new(arena_heap(arena));
    struct group_seeking seeking = {
        .arena = scratch, .group = group, .target = target, .with_ties = with_ties, .mixing = group_last_mixing(group), .found = found};
    seeking.piece = ARENA_ARRAY(arena, int64_t, group->member_count);
    seeking.block = ARENA_ARRAY(arena, int64_t, group->tensor_count);
    seeking.best = (struct group_best){.bytes = below - 1, .macs = INT64_MAX, .footprint = INT64_MAX, .tiles = INT64_MAX};
    group_make_room(&seeking);
    group_try_all(&seeking);
    found->bytes = seeking.best.bytes;
    if (found->is_found) group_cost(scratch, group, target, &found->schedule, &found->cost);
    if (found->is_found) found->bytes = traffic_total(&found->cost.traffic);
    arena_free(scratch);
}
