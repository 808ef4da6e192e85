/* Mappings with operands at their own depth, dims tiled at more than one level, loops that snake: a search by branch and bound.
 *
 * A mapping is three beginnings of one row of loops: what the first operand to stop sees (its depth), then the second, the third. What an
 * operand moves and holds is decided by the loops that it sees. So loops are added one by one, from outer to inner; at each an operand may
 * stop; and a node is left where what the operands move at least, each seen alone, is no better than the best found.
 *
 * What is left out (in brute force over the whole space, tests/unit/test_uneven.c, that loses nothing):
 *   - of n g m c sizes other than the smallest of each number of trips through the step around it;
 *   - once one operand has stopped, loops that do not index the one that stops next: they only bring others more often.
 * Regular mappings besides
 *   - have g in ones outermost: it indexes all three operands;
 *   - turn in every loop: at its turn a snake finds all that is found the other way, and more. But for an axis inside another cut of it,
 * where the step around goes on to overlapping windows: there both ways are tried;
 *   - have a dim at most once between two stops, the last loop there indexing the operand that stops;
 *   - have planes cut into sizes that space.h finds useful; inside another cut, the smallest of each number of trips.
 * That leaves out a few better ones: dims cut several times in a row make pieces of unequal size (m/4 m/3 m/2 of 5: 2 1 1 1), between which
 * orders can be mixed; and which tiles a snake finds at its turns depends on how often it has started. Of 5050 small random layers 7 have a
 * better mapping than the best regular one.
 *
 * The search of the whole space ends within any patience only for small layers and for those that the bounds close early.
 *
 * Whole bytes only (nest_whole_bytes). No heap; deterministic; thread-safe. */
#ifndef SS_COST_UNEVEN_H
#define SS_COST_UNEVEN_H

#include "cost/mapping.h"

/* Regular mappings; the whole space without snakes; of the whole space the plain mappings and those that are plain but for snakes; all. */
enum uneven_space { UNEVEN_REGULAR, UNEVEN_STRAIGHT, UNEVEN_SNAKES, UNEVEN_WHOLE };

struct uneven {
    int64_t bytes; /* what there is to beat: INT64_MAX = nothing yet */
    struct mapping mapping;
    int64_t nodes; /* looked at */
};

/* Takes a mapping that moves fewer bytes than *best. True where the space was searched to its end, false where it stopped after so many
 * nodes. */
bool uneven_search(const struct nest *nest, const struct target *target, enum uneven_space space, int64_t nodes, struct uneven *best);

#endif
