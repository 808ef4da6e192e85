#include "cost/uneven.h"

#include <string.h>

#include "base/checked.h"
#include "cost/space.h"
#include "cost/traffic_walk.h"

enum { DIMS_I = 1 << DIM_N | 1 << DIM_G | 1 << DIM_C | 1 << DIM_OD | 1 << DIM_OH | 1 << DIM_OW };
enum { DIMS_W = 1 << DIM_G | 1 << DIM_M | 1 << DIM_C };
enum { DIMS_O = 1 << DIM_N | 1 << DIM_G | 1 << DIM_M | 1 << DIM_OD | 1 << DIM_OH | 1 << DIM_OW };
static const unsigned dims_of[OPERAND_COUNT] = {DIMS_I, DIMS_W, DIMS_O};
enum { ALL_OPEN = 1 << OPERAND_I | 1 << OPERAND_W | 1 << OPERAND_O };

/* An operand at the end of the loops so far, were it held there. */
struct view {
    struct walked walked;
    int64_t tile_bytes, footprint_bytes; /* double buffers counted in the second */
    int64_t steps, total_bytes;          /* as if each step brought the whole tile; sums count twice */
    int64_t turns;                       /* trips of the innermost loops, those that do not index it and whose dim stands once */
};

/* The loops so far, dim by dim. */
struct cutting {
    int64_t step[DIM_COUNT];
    int64_t pieces[DIM_COUNT];                        /* of the innermost step */
    int64_t rows_max[NEST_AXES], rows_sum[NEST_AXES]; /* of I, over the pieces */
    uint32_t levels[DIM_COUNT];
    bool is_clipped[DIM_COUNT]; /* not all pieces are equal */
};

struct node {
    struct cutting cutting;
    struct view view[OPERAND_COUNT];
};

enum { USEFUL_LIMIT = 128 };

struct tree {
    const struct nest *nest;
    const struct target *target;
    struct uneven *best;
    struct mapping mapping;
    int64_t smallest_bytes[OPERAND_COUNT];
    int64_t width[OPERAND_COUNT], bias_width; /* bytes of I, of a filter's slice, of a sum on chip; of a bias */
    int64_t written_bytes, sums_bytes;        /* O finished, O as sums */
    int64_t weight_bytes;
    bool is_even;                                 /* windows of I do not overlap, and the plane's ends clip none */
    unsigned open;                                /* operands that have not stopped yet */
    int64_t closed_bytes, closed_footprint_bytes; /* of those that have stopped */
    bool is_whole;                                /* the whole space or one of its parts, not only regular mappings */
    bool is_straight, is_flat;                    /* without snakes; each dim at most once, all operands stopping at the end */
    bool is_cut_short;                            /* a mapping may need more loops than there is room for */
    int64_t nodes_left;                           /* negative: no more */
    uint32_t useful_count[NEST_AXES];
    int64_t useful[NEST_AXES][USEFUL_LIMIT];
};

/* ---- tiles ---- */

static int64_t rows_sum_of(const struct nest *nest, const struct mapping *mapping, uint32_t at, enum nest_dim dim, int64_t from,
                           int64_t to) {
    while (at < mapping->loop_count && mapping->loops[at].dim != dim) at++;
    if (at == mapping->loop_count) return nest_rows(&nest->axis[dim - DIM_OD], from, to);
    int64_t rows = 0;
    const int64_t step = mapping->loops[at].step;
    for (; from < to; from += step) rows += rows_sum_of(nest, mapping, at + 1, dim, from, least(to, from + step));
    return rows;
}

static int64_t pieces_of(const struct mapping *mapping, uint32_t at, enum nest_dim dim, int64_t size) {
    while (at < mapping->loop_count && mapping->loops[at].dim != dim) at++;
    if (at == mapping->loop_count) return 1;
    const int64_t step = mapping->loops[at].step, rest = size % step;
    int64_t pieces = size / step * pieces_of(mapping, at + 1, dim, step);
    if (rest) pieces += pieces_of(mapping, at + 1, dim, rest);
    return pieces;
}

/* After a loop of dim was added to the mapping. */
static void cut(const struct tree *tree, struct cutting *cutting, enum nest_dim dim, int64_t step) {
    const struct nest *nest = tree->nest;
    const bool is_nested = cutting->levels[dim]++ > 0;
    cutting->is_clipped[dim] = cutting->is_clipped[dim] || cutting->step[dim] % step != 0;
    cutting->step[dim] = step;
    cutting->pieces[dim] = is_nested ? pieces_of(&tree->mapping, 0, dim, nest->size[dim]) : trips_of(nest->size[dim], step);
    if (!dim_is_spatial(dim)) return;
    const int a = (int)dim - DIM_OD;
    struct cut single;
    if (!is_nested) space_cut(nest, dim, step, &single);
    cutting->rows_max[a] = is_nested ? mapping_rows(nest, &tree->mapping, tree->mapping.loop_count, dim) : single.rows_max;
    cutting->rows_sum[a] = is_nested ? rows_sum_of(nest, &tree->mapping, 0, dim, 0, nest->size[dim]) : single.rows_sum;
}

static int64_t tile_bytes(const struct tree *tree, const struct cutting *cutting, enum operand operand) {
    const int64_t *step = cutting->step;
    if (operand == OPERAND_W) return step[DIM_G] * step[DIM_M] * (step[DIM_C] * tree->width[OPERAND_W] + tree->bias_width);
    if (operand == OPERAND_O)
        return step[DIM_N] * step[DIM_G] * step[DIM_M] * step[DIM_OD] * step[DIM_OH] * step[DIM_OW] * tree->width[OPERAND_O];
    const int64_t *rows = cutting->rows_max;
    return step[DIM_N] * step[DIM_G] * step[DIM_C] * rows[0] * rows[1] * rows[2] * tree->width[OPERAND_I];
}

/* Whole windows of all steps. */
static int64_t windows_bytes(const struct tree *tree, const struct cutting *cutting) {
    const int64_t *size = tree->nest->size, *rows = cutting->rows_sum;
    return size[DIM_N] * size[DIM_G] * size[DIM_C] * rows[0] * rows[1] * rows[2] * tree->width[OPERAND_I] * cutting->pieces[DIM_M];
}

/* ---- bounds ---- */

static int64_t room_for(const struct tree *tree, int operand) {
    if (tree->target->is_split) return tree->target->partition_bytes[operand];
    int64_t room = tree->target->capacity_bytes - tree->closed_footprint_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (tree->open >> x & 1 && x != operand) room -= tree->smallest_bytes[x];
    return room;
}

/* Of so many bytes found on chip in so many steps: what tiles of at most this size leave. */
static int64_t at_most(int64_t bytes, int64_t times, int64_t tile) {
    if (tile <= 0) return 0;
    return times > bytes / tile ? bytes : least(bytes, times * tile);
}

/* The part of W or O that lies in full tiles; 0 where that is not known. */
static int64_t bytes_in_full_tiles(const struct cutting *cutting, const struct nest *nest, int x, int64_t bytes) {
    for (int d = 0; d < DIM_COUNT; d++) {
        if (!(dims_of[x] >> d & 1) || !cutting->is_clipped[d]) continue;
        if (x == OPERAND_I || cutting->levels[d] > 1) return 0;
        bytes = bytes / nest->size[d] * (nest->size[d] - nest->size[d] % cutting->step[d]); /* W, O: divisible by the sizes of their dims */
    }
    return bytes;
}

/* What an operand moves at least once its full tiles are cut further, to at most so large ones. A turn saves no more than the tile it is
 * at.
 *
 * The turns of the innermost loops, where these do not index the operand and stand once (so they turn equally often each time): a loop that
 * cuts the tile has its last piece there, then its first, in turn, beginning with the last: together no more than the tile, so half of it
 * over all turns, if no windows overlap. Tiles clipped at the end of a dim may stay whole. */
static int64_t bytes_if_cut(const struct tree *tree, const struct node *node, int x, int64_t tile) {
    const struct view *view = &node->view[x];
    const struct walked *walked = &view->walked;
    const int64_t all = walked->bytes + walked->kept_bytes;
    if (!walked->kept_times) return all;
    if (view->turns == 1 || (x == OPERAND_I && !tree->is_even)) return all - at_most(walked->kept_bytes, walked->kept_times, tile);
    const int64_t steps = view->steps, total = view->total_bytes;
    const int64_t inner_times = steps - steps / view->turns, inner_bytes = total - total / view->turns;
    const int64_t halved = bytes_in_full_tiles(&node->cutting, tree->nest, x, inner_bytes) / 2;
    const int64_t inner = least(inner_bytes - halved, at_most(inner_bytes, inner_times, tile));
    return all - inner - at_most(walked->kept_bytes - inner_bytes, walked->kept_times - inner_times, tile);
}

/* What an operand that has seen these loops moves at least, whatever stands inside: its tile as it is, where that fits; else it is cut. */
static int64_t open_bytes(const struct tree *tree, const struct node *node, int x) {
    const int64_t room = room_for(tree, x);
    if (node->view[x].footprint_bytes <= room) return node->view[x].walked.bytes;
    return bytes_if_cut(tree, node, x, tree->target->double_buffer[x] ? room / 2 : room);
}

static bool may_win(const struct tree *tree, const struct node *node) {
    int64_t bytes = tree->closed_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (tree->open >> x & 1) bytes += open_bytes(tree, node, x);
    return bytes < tree->best->bytes;
}

/* ---- nodes ---- */

static int64_t steps_of(const struct cutting *cutting) {
    int64_t steps = 1;
    for (int d = 0; d < DIM_COUNT; d++) steps *= cutting->pieces[d];
    return steps;
}

static int64_t total_of(const struct tree *tree, const struct cutting *cutting, int x) {
    if (x == OPERAND_I) return windows_bytes(tree, cutting);
    if (x == OPERAND_O) return 2 * tree->sums_bytes * cutting->pieces[DIM_C];
    return tree->weight_bytes * cutting->pieces[DIM_N] * cutting->pieces[DIM_OD] * cutting->pieces[DIM_OH] * cutting->pieces[DIM_OW];
}

static void count_steps(const struct tree *tree, const struct cutting *cutting, int x, struct view *view) {
    view->steps = steps_of(cutting) * (x == OPERAND_O ? 2 : 1);
    view->total_bytes = total_of(tree, cutting, x);
}

static void step_down(struct tree *tree, const struct node *parent, struct node *node, enum nest_dim dim, int64_t step) {
    *node = *parent;
    tree->nodes_left--;
    cut(tree, &node->cutting, dim, step);
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1)) continue;
        struct view *view = &node->view[x];
        const int64_t steps = view->steps, total = view->total_bytes;
        count_steps(tree, &node->cutting, x, view);
        if (dims_of[x] >> dim & 1) {
            view->turns = 1;
            view->tile_bytes = tile_bytes(tree, &node->cutting, (enum operand)x);
            view->footprint_bytes = view->tile_bytes * (tree->target->double_buffer[x] ? 2 : 1);
            continue;
        }
        /* nothing more comes until a loop stands inside that indexes it */
        view->walked.kept_times += view->steps - steps;
        view->walked.kept_bytes += view->total_bytes - total;
        view->turns = node->cutting.levels[dim] > 1 ? 1 : view->turns * node->cutting.pieces[dim];
    }
}

/* The same before anything is walked: an operand that the new loop of dim indexes moves at least what its parent would with such tiles. */
static bool may_win_at_all(const struct tree *tree, const struct node *parent, const struct node *node, enum nest_dim dim) {
    int64_t bytes = tree->closed_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1)) continue;
        const struct view *view = &node->view[x];
        if (!(dims_of[x] >> dim & 1)) bytes += open_bytes(tree, node, x);
        else {
            const int64_t room = room_for(tree, x) / (tree->target->double_buffer[x] ? 2 : 1);
            bytes += bytes_if_cut(tree, parent, x, least(view->tile_bytes, room));
        }
    }
    return bytes < tree->best->bytes;
}

/* W and O, where nothing was found on chip twice, move the same in smaller tiles. */
static void walk_down(const struct tree *tree, struct node *node, enum nest_dim dim) {
    const struct mapping *mapping = &tree->mapping;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1) || !(dims_of[x] >> dim & 1)) continue;
        if (x != OPERAND_I && !node->view[x].walked.kept_times) continue;
        walk_operand(tree->nest, tree->target->halo_reuse, mapping->loops, mapping->loop_count, (enum operand)x, &node->view[x].walked);
    }
}

static void visit(struct tree *tree, const struct node *node, int next, unsigned used, uint32_t from);

static void offer(struct tree *tree) {
    struct uneven *best = tree->best;
    if (tree->closed_bytes >= best->bytes) return;
    best->bytes = tree->closed_bytes;
    best->mapping = tree->mapping;
}

/* An operand stops here. */
static void close_operand(struct tree *tree, const struct node *node, int x, uint32_t from) {
    const struct view *view = &node->view[x];
    const uint32_t count = tree->mapping.loop_count;
    if (view->footprint_bytes > room_for(tree, x)) return;
    if (!tree->is_whole && count > from && !(dims_of[x] >> tree->mapping.loops[count - 1].dim & 1)) return;
    tree->mapping.depth[x] = tree->mapping.loop_count;
    tree->closed_bytes += view->walked.bytes;
    tree->closed_footprint_bytes += view->footprint_bytes;
    tree->open &= ~(1u << x);
    if (!tree->open) offer(tree);
    else if (may_win(tree, node))
        for (int y = 0; y < OPERAND_COUNT; y++)
            if (tree->open >> y & 1) visit(tree, node, y, 0, count);
    tree->open |= 1u << x;
    tree->closed_bytes -= view->walked.bytes;
    tree->closed_footprint_bytes -= view->footprint_bytes;
}

/* The useful cuts of a dim not cut yet, from large to small. */
static void list_useful(struct tree *tree, enum nest_dim dim) {
    struct cut cuts[SPACE_BLOCK];
    uint32_t count = 0;
    for (int64_t tile = tree->nest->size[dim]; tile > 0 && count < USEFUL_LIMIT;) {
        const uint32_t more = space_cuts(tree->nest, dim, SPACE_USEFUL, &tile, cuts);
        for (uint32_t i = 0; i < more && count < USEFUL_LIMIT; i++) tree->useful[dim - DIM_OD][count++] = cuts[i].tile;
    }
    tree->useful_count[dim - DIM_OD] = count;
}

static int64_t next_useful(const struct tree *tree, enum nest_dim dim, int64_t step) {
    const int64_t *useful = tree->useful[dim - DIM_OD];
    for (uint32_t i = 0; i < tree->useful_count[dim - DIM_OD]; i++)
        if (useful[i] < step) return useful[i];
    return 0;
}

/* The next smaller step of a dim worth a look (uneven.h); 0 = none. whole: the step around it. */
static int64_t next_step(const struct tree *tree, enum nest_dim dim, int64_t whole, int64_t step) {
    const int64_t unit = dim_is_spatial(dim) && tree->open >> OPERAND_O & 1 ? tree->nest->axis[dim - DIM_OD].pool : 1;
    if (step <= unit) return 0;
    const bool is_first = dim_is_spatial(dim) && whole == tree->nest->size[dim];
    if (is_first && !tree->is_whole && unit == tree->nest->axis[dim - DIM_OD].pool) return next_useful(tree, dim, step);
    step = (step - 1) / unit * unit;
    if (is_first || unit > 1 || tree->is_straight || (dim_is_spatial(dim) && tree->is_whole)) return step;
    return step ? trips_of(whole, trips_of(whole, step)) : 0;
}

/* Two loops of one dim in a row, neither turning, the inner dividing the outer: one would do. In regular mappings also where they turn. */
static bool is_idle(const struct tree *tree, uint32_t from, const struct mapping_loop *loop) {
    const struct mapping *mapping = &tree->mapping;
    if (mapping->loop_count == from) return false;
    const struct mapping_loop *outer = &mapping->loops[mapping->loop_count - 1];
    return outer->dim == loop->dim && outer->step % loop->step == 0 && (!tree->is_whole || !(outer->snake || loop->snake));
}

/* A loop inside another of its axis: not turning, its first window may overlap the last of the step before. */
static bool may_go_straight(const struct tree *tree, const struct node *node, enum nest_dim dim) {
    return tree->is_whole || (dim_is_spatial(dim) && node->cutting.levels[dim] > 0 && tree->target->halo_reuse &&
                              tree->open >> OPERAND_I & 1 && !nest_is_disjoint(&tree->nest->axis[dim - DIM_OD]));
}

static void add_loop(struct tree *tree, const struct node *parent, int next, unsigned used, uint32_t from, struct mapping_loop loop) {
    struct node node;
    if (is_idle(tree, from, &loop)) return;
    tree->mapping.loops[tree->mapping.loop_count++] = loop;
    step_down(tree, parent, &node, loop.dim, loop.step);
    if (may_win_at_all(tree, parent, &node, loop.dim)) {
        walk_down(tree, &node, loop.dim);
        if (may_win(tree, &node)) visit(tree, &node, next, tree->is_whole && !tree->is_flat ? 0 : used | 1u << loop.dim, from);
    }
    tree->mapping.loop_count--;
}

static void add_loops(struct tree *tree, const struct node *parent, int next, unsigned used, uint32_t from, enum nest_dim dim) {
    const struct mapping *mapping = &tree->mapping;
    const int64_t whole = parent->cutting.step[dim];
    if (mapping->loop_count == MAPPING_MAX_LOOPS) {
        tree->is_cut_short = true;
        return;
    }
    for (int64_t step = next_step(tree, dim, whole, whole); step > 0 && tree->nodes_left >= 0; step = next_step(tree, dim, whole, step)) {
        if (!tree->is_straight) add_loop(tree, parent, next, used, from, (struct mapping_loop){dim, step, true});
        if (may_go_straight(tree, parent, dim)) add_loop(tree, parent, next, used, from, (struct mapping_loop){dim, step, false});
    }
}

/* next: the operand that stops next, and whose dims the loops from here on index; -1: any. */
static void visit(struct tree *tree, const struct node *node, int next, unsigned used, uint32_t from) {
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (tree->open >> x & 1 && (next < 0 || next == x)) close_operand(tree, node, x, from);
    if (next >= 0 && tree->is_flat) return;
    if (next >= 0 && tree->open == 1u << next && node->view[next].footprint_bytes <= room_for(tree, next)) return;
    for (int d = 0; d < DIM_COUNT; d++)
        if (!(used >> d & 1) && (next < 0 || dims_of[next] >> d & 1)) add_loops(tree, node, next, used, from, (enum nest_dim)d);
}

/* ---- the root ---- */

static void start(struct tree *tree, struct node *node) {
    const struct nest *nest = tree->nest;
    tree->is_even = true;
    tree->open = nest->bits[OPERAND_W] ? ALL_OPEN : ALL_OPEN & ~(1u << OPERAND_W);
    tree->width[OPERAND_I] = nest->bits[OPERAND_I] / 8;
    tree->width[OPERAND_W] = nest->bits[OPERAND_W] / 8 * nest_kernel_elems(nest);
    tree->width[OPERAND_O] = nest->partial_bits / 8;
    tree->bias_width = nest->has_bias && nest->bits[OPERAND_W] ? nest->partial_bits / 8 : 0;
    for (int d = 0; d < DIM_COUNT; d++) {
        node->cutting.step[d] = nest->size[d];
        node->cutting.pieces[d] = 1;
    }
    for (int a = 0; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        tree->is_even =
            tree->is_even && nest_is_disjoint(axis) && nest_whole_from(axis) == 0 && nest_whole_to(axis) >= nest->size[DIM_OD + a];
        node->cutting.rows_max[a] = node->cutting.rows_sum[a] = nest_rows(&nest->axis[a], 0, nest->size[DIM_OD + a]);
    }
    tree->weight_bytes = tile_bytes(tree, &node->cutting, OPERAND_W);
    tree->sums_bytes = tile_bytes(tree, &node->cutting, OPERAND_O);
    tree->written_bytes = nest_bytes(nest_output_elems(nest), nest->bits[OPERAND_O]);
    for (int x = 0; x < OPERAND_COUNT; x++) {
        node->view[x].tile_bytes = tile_bytes(tree, &node->cutting, (enum operand)x);
        node->view[x].footprint_bytes = node->view[x].tile_bytes * (tree->target->double_buffer[x] ? 2 : 1);
        node->view[x].walked = (struct walked){0};
        node->view[x].turns = 1;
        count_steps(tree, &node->cutting, x, &node->view[x]);
    }
    node->view[OPERAND_I].walked.bytes = node->view[OPERAND_I].tile_bytes;
    node->view[OPERAND_W].walked.bytes = tree->weight_bytes;
    node->view[OPERAND_O].walked.bytes = tree->written_bytes;
}

/* The smallest buffer of each operand; inside O's depth a merged pool does not bind I. */
static void smallest_buffers(struct tree *tree) {
    struct mapping mapping = {0};
    struct footprint footprint;
    for (int d = 0; d < DIM_COUNT; d++) {
        const int64_t step = space_smallest(tree->nest, (enum nest_dim)d);
        if (step < tree->nest->size[d]) mapping.loops[mapping.loop_count++] = (struct mapping_loop){(enum nest_dim)d, step, false};
    }
    for (int x = 0; x < OPERAND_COUNT; x++) mapping.depth[x] = mapping.loop_count;
    mapping_footprint(tree->nest, tree->target, &mapping, &footprint);
    memcpy(tree->smallest_bytes, footprint.bytes, sizeof tree->smallest_bytes);
    mapping.loop_count = 0;
    for (int d = 0; d < DIM_COUNT; d++)
        if (tree->nest->size[d] > 1) mapping.loops[mapping.loop_count++] = (struct mapping_loop){(enum nest_dim)d, 1, false};
    mapping.depth[OPERAND_I] = mapping.loop_count;
    mapping_footprint(tree->nest, tree->target, &mapping, &footprint);
    tree->smallest_bytes[OPERAND_I] = footprint.bytes[OPERAND_I];
}

bool uneven_search(const struct nest *nest, const struct target *target, enum uneven_space space, int64_t nodes, struct uneven *best) {
    struct tree tree = {.nest = nest, .target = target, .best = best, .is_whole = space != UNEVEN_REGULAR, .nodes_left = nodes};
    struct node root = {0}, node;
    tree.is_straight = space == UNEVEN_STRAIGHT;
    tree.is_flat = space == UNEVEN_SNAKES;
    smallest_buffers(&tree);
    for (int a = 0; a < NEST_AXES; a++) list_useful(&tree, (enum nest_dim)(DIM_OD + a));
    start(&tree, &root);
    node = root;
    if (nest->size[DIM_G] > 1 && !tree.is_whole) {
        tree.mapping.loops[tree.mapping.loop_count++] = (struct mapping_loop){DIM_G, 1, false};
        step_down(&tree, &root, &node, DIM_G, 1);
    }
    if (may_win(&tree, &node)) visit(&tree, &node, -1, 0, tree.mapping.loop_count);
    best->nodes += nodes - tree.nodes_left;
    return tree.nodes_left >= 0 && !tree.is_cut_short;
}
