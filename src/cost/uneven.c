#include "cost/uneven.h"

#include <string.h>

#include "base/checked.h"
#include "cost/space.h"
#include "cost/uneven_tree.h"

/* ---- tiles ---- */

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
    struct cut single;
    if (!is_nested) space_cut(nest, dim, step, &single);
    cutting->rows_max[dim - DIM_OD] = is_nested ? mapping_rows(nest, &tree->mapping, tree->mapping.loop_count, dim) : single.rows_max;
}

static void view_tile(const struct tree *tree, const struct cutting *cutting, int x, struct view *view) {
    view->tile_bytes = mapping_buffer_bytes(tree->nest, (enum operand)x, cutting->step, cutting->rows_max);
    view->footprint_bytes = view->tile_bytes * (tree->target->double_buffer[x] ? 2 : 1);
}

/* ---- nodes ---- */

static int64_t steps_of(const struct cutting *cutting, int x) {
    int64_t steps = x == OPERAND_O ? 2 : 1;
    for (int d = 0; d < DIM_COUNT; d++) steps *= cutting->pieces[d];
    return steps;
}

/* An operand that the new loop does not index finds its tile until a loop stands inside that does. */
static void repeat(struct view *view, const struct cutting *cutting, enum nest_dim dim, int64_t pieces_before, int64_t steps_before) {
    const int64_t total = view->walked.total_bytes;
    view->walked.total_bytes = total / pieces_before * cutting->pieces[dim];
    view->walked.kept_bytes += view->walked.total_bytes - total;
    view->walked.kept_times += view->steps - steps_before;
    view->turns = cutting->levels[dim] > 1 ? 1 : view->turns * cutting->pieces[dim];
}

static void step_down(struct tree *tree, const struct node *parent, struct node *node, enum nest_dim dim, int64_t step) {
    *node = *parent;
    tree->nodes_left--;
    cut(tree, &node->cutting, dim, step);
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1)) continue;
        struct view *view = &node->view[x];
        view->steps = steps_of(&node->cutting, x);
        if (operand_dims[x] >> dim & 1) {
            view->turns = 1;
            view_tile(tree, &node->cutting, x, view);
        } else repeat(view, &node->cutting, dim, parent->cutting.pieces[dim], parent->view[x].steps);
    }
}

/* W and O, where nothing was found on chip twice, move the same in smaller tiles of whole bytes. */
static void walk_down(const struct tree *tree, struct node *node, enum nest_dim dim) {
    const struct mapping *mapping = &tree->mapping;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (!(tree->open >> x & 1) || !(operand_dims[x] >> dim & 1)) continue;
        if (x != OPERAND_I && tree->has_whole_bytes && !node->view[x].walked.kept_times) continue;
        walk_operand(tree->nest, tree->target->halo_reuse, mapping->loops, mapping->loop_count, (enum operand)x, &node->view[x].walked);
    }
}

static void visit(struct tree *tree, const struct node *node, int next, unsigned used, uint32_t from);

static void offer(struct tree *tree) {
    struct uneven *best = tree->best;
    if (tree->closed_bytes > tree->most_bytes || tree->closed_footprint_bytes > tree->most_footprint_bytes) return;
    *best = (struct uneven){tree->closed_bytes, tree->closed_footprint_bytes, tree->mapping, best->nodes};
    tree->most_bytes = tree->closed_bytes - (tree->is_shrinking ? 0 : 1);
    if (tree->is_shrinking) tree->most_footprint_bytes = tree->closed_footprint_bytes - 1;
}

/* An operand stops here. */
static void close_operand(struct tree *tree, const struct node *node, int x, uint32_t from) {
    const struct view *view = &node->view[x];
    const uint32_t count = tree->mapping.loop_count;
    if (view->footprint_bytes > tree_room_for(tree, x)) return;
    if (!tree->is_whole && count > from && !(operand_dims[x] >> tree->mapping.loops[count - 1].dim & 1)) return;
    tree->mapping.depth[x] = tree->mapping.loop_count;
    tree->closed_bytes += view->walked.bytes;
    tree->closed_footprint_bytes += view->footprint_bytes;
    tree->open &= ~(1u << x);
    if (!tree->open) offer(tree);
    else if (tree_may_win(tree, node))
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
    if (is_first || unit > 1 || (tree->is_whole && !(tree->is_flat && tree->has_whole_bytes))) return step;
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
    if (tree_may_win_at_all(tree, parent, &node, loop.dim)) {
        walk_down(tree, &node, loop.dim);
        if (tree_may_win(tree, &node)) visit(tree, &node, next, tree->is_whole && !tree->is_flat ? 0 : used | 1u << loop.dim, from);
    }
    tree->mapping.loop_count--;
}

static void add_step(struct tree *tree, const struct node *parent, int next, unsigned used, uint32_t from, enum nest_dim dim,
                     int64_t step) {
    if (tree->nodes_left < 0) return;
    if (!tree->is_straight) add_loop(tree, parent, next, used, from, (struct mapping_loop){dim, step, true});
    if (may_go_straight(tree, parent, dim)) add_loop(tree, parent, next, used, from, (struct mapping_loop){dim, step, false});
}

/* From large steps to small, which move less; from small to large where footprint counts. */
enum { STEPS_LIMIT = 160 };

static void add_loops(struct tree *tree, const struct node *parent, int next, unsigned used, uint32_t from, enum nest_dim dim) {
    const struct mapping *mapping = &tree->mapping;
    const int64_t whole = parent->cutting.step[dim];
    if (mapping->loop_count == MAPPING_MAX_LOOPS) {
        tree->is_cut_short = true;
        return;
    }
    int64_t steps[STEPS_LIMIT];
    uint32_t count = 0;
    for (int64_t step = next_step(tree, dim, whole, whole); step > 0; step = next_step(tree, dim, whole, step)) {
        if (count == STEPS_LIMIT) add_step(tree, parent, next, used, from, dim, step);
        else steps[count++] = step;
    }
    for (uint32_t i = 0; i < count; i++) add_step(tree, parent, next, used, from, dim, steps[tree->is_shrinking ? count - 1 - i : i]);
}

/* next: the operand that stops next, and whose dims the loops from here on index; -1: any. */
static void visit(struct tree *tree, const struct node *node, int next, unsigned used, uint32_t from) {
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (tree->open >> x & 1 && (next < 0 || next == x)) close_operand(tree, node, x, from);
    if (next >= 0 && tree->is_flat) return;
    if (next >= 0 && tree->open == 1u << next && node->view[next].footprint_bytes <= tree_room_for(tree, next)) return;
    for (int d = 0; d < DIM_COUNT; d++)
        if (!(used >> d & 1) && (next < 0 || operand_dims[next] >> d & 1)) add_loops(tree, node, next, used, from, (enum nest_dim)d);
}

/* ---- the root ---- */

static void start(struct tree *tree, struct node *node) {
    const struct nest *nest = tree->nest;
    tree->has_whole_bytes = nest_whole_bytes(nest);
    tree->is_even = true;
    tree->open = 1u << OPERAND_I | 1u << OPERAND_O | (nest->bits[OPERAND_W] ? 1u << OPERAND_W : 0);
    for (int d = 0; d < DIM_COUNT; d++) {
        node->cutting.step[d] = nest->size[d];
        node->cutting.pieces[d] = 1;
    }
    for (int a = 0; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        tree->is_even =
            tree->is_even && nest_is_disjoint(axis) && nest_whole_from(axis) == 0 && nest_whole_to(axis) >= nest->size[DIM_OD + a];
        node->cutting.rows_max[a] = nest_rows(axis, 0, nest->size[DIM_OD + a]);
    }
    for (int x = 0; x < OPERAND_COUNT; x++) {
        struct view *view = &node->view[x];
        view_tile(tree, &node->cutting, x, view);
        view->turns = 1;
        view->steps = steps_of(&node->cutting, x);
        walk_operand(nest, tree->target->halo_reuse, NULL, 0, (enum operand)x, &view->walked);
    }
}

void uneven_demand(const struct nest *nest, const struct target *target, struct footprint *demand) {
    struct mapping mapping = {0};
    for (int d = 0; d < DIM_COUNT; d++) {
        const int64_t step = space_smallest(nest, (enum nest_dim)d);
        if (step < nest->size[d]) mapping.loops[mapping.loop_count++] = (struct mapping_loop){(enum nest_dim)d, step, false};
    }
    mapping.depth[OPERAND_W] = mapping.depth[OPERAND_O] = mapping.loop_count;
    for (int d = DIM_OD; d < DIM_COUNT; d++) /* inside O's depth a merged pool does not bind I */
        if (mapping_tile(nest, &mapping, (enum nest_dim)d) > 1)
            mapping.loops[mapping.loop_count++] = (struct mapping_loop){(enum nest_dim)d, 1, false};
    mapping.depth[OPERAND_I] = mapping.loop_count;
    mapping_footprint(nest, target, &mapping, demand);
}

static bool search(struct tree *tree, enum uneven_space space, int64_t nodes) {
    struct node root = {0}, node;
    tree->is_whole = space != UNEVEN_REGULAR;
    tree->is_straight = space == UNEVEN_STRAIGHT;
    tree->is_flat = space == UNEVEN_SNAKES;
    tree->nodes_left = nodes;
    struct footprint demand;
    uneven_demand(tree->nest, tree->target, &demand);
    memcpy(tree->smallest_bytes, demand.bytes, sizeof demand.bytes);
    for (int a = 0; a < NEST_AXES; a++) list_useful(tree, (enum nest_dim)(DIM_OD + a));
    start(tree, &root);
    node = root;
    if (tree->nest->size[DIM_G] > 1 && !tree->is_whole) {
        tree->mapping.loops[tree->mapping.loop_count++] = (struct mapping_loop){DIM_G, 1, false};
        step_down(tree, &root, &node, DIM_G, 1);
        walk_down(tree, &node, DIM_G);
    }
    if (tree_may_win(tree, &node)) visit(tree, &node, -1, 0, tree->mapping.loop_count);
    tree->best->nodes += nodes - tree->nodes_left;
    return tree->nodes_left >= 0 && !tree->is_cut_short;
}

/* More than any sum of footprints: a split memory has no limit but its parts'. */
static const int64_t no_limit = INT64_MAX / 4;

bool uneven_search(const struct nest *nest, const struct target *target, enum uneven_space space, int64_t nodes, struct uneven *best) {
    struct tree tree = {.nest = nest, .target = target, .best = best};
    tree.most_bytes = best->bytes - 1;
    tree.most_footprint_bytes = target->is_split ? no_limit : target->capacity_bytes;
    return search(&tree, space, nodes);
}

bool uneven_shrink(const struct nest *nest, const struct target *target, enum uneven_space space, int64_t nodes, struct uneven *best) {
    struct tree tree = {.nest = nest, .target = target, .best = best, .is_shrinking = true};
    tree.most_bytes = best->bytes;
    tree.most_footprint_bytes = best->footprint_bytes - 1;
    return search(&tree, space, nodes);
}
