/* What a mapping moves at least that begins with some loops.
 *
 * What all steps bring, were nothing ever found on chip, less what they find there. Cutting a tile further makes no step bring less, so
 * only what is found matters: as it is where the tile stays as it is, else no more than smaller tiles can leave. Operands that have not
 * stopped share the room: so much of it to each that together they find most. */
#include <string.h>

#include "base/checked.h"
#include "cost/uneven_tree.h"

int64_t tree_room_for(const struct tree *tree, int operand) {
    int64_t room = tree->most_footprint_bytes - tree->closed_footprint_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (tree->open >> x & 1 && x != operand) room -= tree->smallest_bytes[x];
    return tree->target->is_split ? least(room, tree->target->partition_bytes[operand]) : room;
}

/* ---- what is found on chip ---- */

/* The part of W or O that lies in full tiles; 0 where that is not known. */
static int64_t bytes_in_full_tiles(const struct cutting *cutting, const struct nest *nest, int x, int64_t bytes) {
    for (int d = 0; d < DIM_COUNT; d++) {
        if (!(operand_dims[x] >> d & 1) || !cutting->is_clipped[d]) continue;
        if (x == OPERAND_I || cutting->levels[d] > 1) return 0;
        bytes = bytes / nest->size[d] * (nest->size[d] - nest->size[d] % cutting->step[d]); /* W, O: divisible by the sizes of their dims */
    }
    return bytes;
}

/* What room for an operand saves it: so many bytes per byte, over so many bytes of room. */
struct slope {
    int64_t times, room_bytes;
};

enum { SLOPES_PER_OPERAND = 2 + NEST_AXES };

/* So many steps find at most cap_bytes on chip together, and each no more than there is room for. */
struct finds {
    int64_t times, cap_bytes;
};

/* min(cap, times x room), summed, as slopes that fall. */
static uint32_t slopes_of(struct finds *finds, uint32_t count, int64_t tile, int64_t factor, struct slope *slopes) {
    int64_t full[SLOPES_PER_OPERAND], from = 0;
    uint32_t slope_count = 0;
    for (uint32_t i = 0; i < count; i++) full[i] = least(tile, (finds[i].cap_bytes - 1) / finds[i].times + 1);
    while (count) {
        uint32_t first = 0;
        int64_t times = 0;
        for (uint32_t i = 0; i < count; i++) {
            times += finds[i].times;
            if (full[i] < full[first]) first = i;
        }
        if (full[first] > from) slopes[slope_count++] = (struct slope){times, (full[first] - from) * factor};
        from = full[first];
        count--;
        finds[first] = finds[count];
        full[first] = full[count];
    }
    return slope_count;
}

/* Rows that tiles of an axis share at most, if they do not have the same outputs. */
static int64_t overlap_rows(const struct nest_axis *axis) {
    if (axis->transposed) return (nest_extent(axis) - 1 + axis->stride - 1) / axis->stride;
    return greatest(0, nest_extent(axis) - axis->stride);
}

/* What a window finds at most of another, that differs along an axis first: of a tile cut like this. */
static int64_t overlap_bytes(const struct tree *tree, const struct cutting *cutting, int axis) {
    const int64_t *rows = cutting->rows_max;
    int64_t elems = cutting->step[DIM_N] * cutting->step[DIM_G] * cutting->step[DIM_C];
    for (int a = 0; a < NEST_AXES; a++) elems *= a == axis ? least(rows[a], overlap_rows(&tree->nest->axis[a])) : rows[a];
    return nest_bytes(elems, tree->nest->bits[OPERAND_I]);
}

/* What an operand finds on chip, once its full tiles are cut further, to at most so large ones, as a concave function of its room. A turn
 * saves no more than the tile it is at; a window that slides no more than tiles share.
 *
 * The turns of the innermost loops, where these do not index the operand and stand once (so they turn equally often each time): a loop that
 * cuts the tile has its last piece there, then its first, in turn, beginning with the last: together no more than the tile, so half of it
 * over all turns, if no windows overlap. Tiles clipped at the end of a dim may stay whole. */
static uint32_t slopes_if_cut(const struct tree *tree, const struct node *node, int x, int64_t tile, const struct cutting *cutting,
                              struct slope *slopes) {
    const struct view *view = &node->view[x];
    const struct walked *walked = &view->walked;
    struct finds finds[SLOPES_PER_OPERAND], kept = {walked->kept_times, walked->kept_bytes};
    uint32_t count = 0;
    if (tile <= 0) return 0;
    if (kept.times && view->turns > 1 && tree->has_whole_bytes && (x != OPERAND_I || tree->is_even)) {
        const int64_t inner = walked->total_bytes - walked->total_bytes / view->turns;
        finds[count].cap_bytes = inner - bytes_in_full_tiles(&node->cutting, tree->nest, x, inner) / 2;
        finds[count++].times = view->steps - view->steps / view->turns;
        kept.cap_bytes -= inner;
        kept.times -= finds[0].times;
    }
    if (kept.times > 0 && kept.cap_bytes > 0) finds[count++] = kept;
    for (int a = 0; x == OPERAND_I && a < NEST_AXES; a++) {
        const int64_t each = overlap_bytes(tree, cutting, a), times = walked->slid_times[a];
        if (!times || !each) continue;
        finds[count++] = (struct finds){times, times > walked->slid_bytes[a] / each ? walked->slid_bytes[a] : times * each};
    }
    return slopes_of(finds, count, tile, tree->target->double_buffer[x] ? 2 : 1, slopes);
}

/* ---- sharing the room ---- */

/* One of the ways to share it. */
struct shares {
    struct slope slopes[OPERAND_COUNT * SLOPES_PER_OPERAND];
    uint32_t count;
    int64_t room_bytes, saved_bytes;
};

static int64_t most_saved(struct shares *shares) {
    int64_t room = shares->room_bytes, saved = shares->saved_bytes;
    for (; shares->count && room > 0; shares->count--) {
        uint32_t steepest = 0;
        for (uint32_t i = 1; i < shares->count; i++)
            if (shares->slopes[i].times > shares->slopes[steepest].times) steepest = i;
        const struct slope *slope = &shares->slopes[steepest];
        const int64_t part = least(room, slope->room_bytes);
        saved += part * slope->times;
        room -= part;
        shares->slopes[steepest] = shares->slopes[shares->count - 1];
    }
    return saved;
}

/* An operand that is still open: what it moves if nothing stays on chip, and what may stay. */
struct claim {
    int64_t all_bytes;
    bool may_stay_whole; /* the tile as it is */
    int64_t whole_room_bytes, whole_saved_bytes;
    struct slope slopes[SLOPES_PER_OPERAND];
    uint32_t slope_count;
};

static int64_t least_bytes_split(const struct tree *tree, const struct claim *claims) {
    int64_t bytes = tree->closed_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1)) continue;
        struct shares shares = {.room_bytes = tree->target->partition_bytes[x], .count = claims[x].slope_count};
        memcpy(shares.slopes, claims[x].slopes, sizeof claims[x].slopes);
        int64_t saved = most_saved(&shares);
        if (claims[x].may_stay_whole) saved = greatest(saved, claims[x].whole_saved_bytes);
        bytes += claims[x].all_bytes - saved;
    }
    return bytes;
}

/* Whole tiles of these operands, the others cut. */
static int64_t most_saved_with(const struct tree *tree, const struct claim *claims, unsigned whole) {
    struct shares shares = {.room_bytes = tree->most_footprint_bytes - tree->closed_footprint_bytes};
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1)) continue;
        if (whole >> x & 1) {
            shares.saved_bytes += claims[x].whole_saved_bytes;
            shares.room_bytes -= claims[x].whole_room_bytes;
            continue;
        }
        memcpy(&shares.slopes[shares.count], claims[x].slopes, sizeof claims[x].slopes);
        shares.count += claims[x].slope_count;
        if (!claims[x].slope_count) shares.room_bytes -= tree->smallest_bytes[x];
    }
    return shares.room_bytes < 0 ? -1 : most_saved(&shares);
}

static int64_t least_bytes(const struct tree *tree, const struct claim *claims) {
    if (tree->target->is_split) return least_bytes_split(tree, claims);
    int64_t bytes = tree->closed_bytes, saved = -1;
    unsigned may = 0;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1)) continue;
        bytes += claims[x].all_bytes;
        if (claims[x].may_stay_whole) may |= 1u << x;
    }
    for (unsigned whole = may;; whole = (whole - 1) & may) {
        saved = greatest(saved, most_saved_with(tree, claims, whole));
        if (whole == 0) break;
    }
    return saved < 0 ? INT64_MAX : bytes - saved;
}

/* An operand that has seen these loops: its tile as it is, where that fits, or cut. */
static void claim_as_is(const struct tree *tree, const struct node *node, int x, struct claim *claim) {
    const struct view *view = &node->view[x];
    int64_t found = view->walked.kept_bytes;
    for (int a = 0; a < NEST_AXES; a++) found += view->walked.slid_bytes[a];
    claim->all_bytes = view->walked.bytes + found;
    claim->may_stay_whole = view->footprint_bytes <= tree_room_for(tree, x);
    claim->whole_room_bytes = view->footprint_bytes;
    claim->whole_saved_bytes = found;
    claim->slope_count = slopes_if_cut(tree, node, x, view->tile_bytes, &node->cutting, claim->slopes);
}

bool tree_may_win(const struct tree *tree, const struct node *node) {
    struct claim claims[OPERAND_COUNT];
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (tree->open >> x & 1) claim_as_is(tree, node, x, &claims[x]);
    return least_bytes(tree, claims) <= tree->most_bytes;
}

/* The same before anything is walked: an operand that the new loop of dim indexes moves at least what its parent would with such tiles. */
bool tree_may_win_at_all(const struct tree *tree, const struct node *parent, const struct node *node, enum nest_dim dim) {
    struct claim claims[OPERAND_COUNT];
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1)) continue;
        claim_as_is(tree, operand_dims[x] >> dim & 1 ? parent : node, x, &claims[x]);
        if (!(operand_dims[x] >> dim & 1)) continue;
        claims[x].may_stay_whole = false;
        claims[x].slope_count = slopes_if_cut(tree, parent, x, node->view[x].tile_bytes, &node->cutting, claims[x].slopes);
    }
    return least_bytes(tree, claims) <= tree->most_bytes;
}
