/* The inside of the search of uneven.h: loops added from outer to inner, and what each operand would move were it held there. */
#ifndef SS_COST_UNEVEN_TREE_H
#define SS_COST_UNEVEN_TREE_H

#include "cost/traffic_walk.h"
#include "cost/uneven.h"

/* An operand at the end of the loops so far, were it held there. */
struct view {
    struct walked walked;
    int64_t tile_bytes, footprint_bytes; /* double buffers counted in the second */
    int64_t steps;                       /* sums count twice */
    int64_t turns;                       /* trips of the innermost loops, those that do not index it and whose dim stands once */
};

/* The loops so far, dim by dim. */
struct cutting {
    int64_t step[DIM_COUNT];
    int64_t pieces[DIM_COUNT];   /* of the innermost step */
    int64_t rows_max[NEST_AXES]; /* of I, over the pieces */
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
    bool has_whole_bytes;
    bool is_even;                                 /* windows of I do not overlap, and the plane's ends clip none */
    unsigned open;                                /* operands that have not stopped yet */
    int64_t closed_bytes, closed_footprint_bytes; /* of those that have stopped */
    int64_t most_bytes, most_footprint_bytes;     /* that a mapping may have to be taken */
    bool is_shrinking;                            /* looks for less footprint, else for fewer bytes */
    bool is_whole;                                /* the whole space or one of its parts, not only regular mappings */
    bool is_straight, is_flat;                    /* without snakes; each dim at most once, all operands stopping at the end */
    bool is_cut_short;                            /* a mapping may need more loops than there is room for */
    int64_t nodes_left;                           /* negative: no more */
    uint32_t useful_count[NEST_AXES];
    int64_t useful[NEST_AXES][USEFUL_LIMIT];
};

/* The most that is left for an operand beside those that have stopped and the smallest of the others. */
int64_t tree_room_for(const struct tree *tree, int operand);

/* Whether some mapping that begins with these loops may be taken: where it ends here or goes on in any way. */
bool tree_may_win(const struct tree *tree, const struct node *node);

/* The same before anything is walked: node is parent with one loop of dim more. */
bool tree_may_win_at_all(const struct tree *tree, const struct node *parent, const struct node *node, enum nest_dim dim);

#endif
