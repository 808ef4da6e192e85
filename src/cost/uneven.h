/* Mappings with operands at their own depth, dims tiled at more than one level, loops that snake: a search by branch and bound.
 *
 * A mapping is three beginnings of one row of loops: what the first operand to stop sees (its depth), then the second, the third. What an
 * operand moves and holds is decided by the loops that it sees. So loops are added one by one, from outer to inner; at each an operand may
 * stop; and a node is left where what the operands move at least, sharing the room (uneven_bound.c), is no better than the best found.
 *
 * What is left out of the whole space (against brute force, tests/unit/test_uneven.c, that loses nothing): once one operand has stopped,
 * loops that do not index the one that stops next; they only bring others more often.
 * Regular mappings besides
 *   - have of n g m c the smallest sizes of each number of trips through the step around them;
 *   - have g in ones outermost: it indexes all three operands;
 *   - turn in every loop: at its turn a snake finds all that is found the other way, and more. But for an axis inside another cut of it,
 *     where the step around goes on to overlapping windows: there both ways are tried;
 *   - have a dim at most once between two stops, the last loop there indexing the operand that stops;
 *   - have planes cut into sizes that space.h finds useful; inside another cut, the smallest of each number of trips.
 * That leaves out a few better ones: dims cut several times in a row make pieces of unequal size (m/4 m/3 m/2 of 5: 2 1 1 1), between which
 * orders can be mixed; and which tiles a snake finds at its turns depends on how often it has started. Of 100 random layers of two dims to
 * 6 three have a better mapping than the best regular one, of 100 of four dims to 3 one.
 *
 * The whole space can be searched to its end for small layers and for those that the bounds close early: dims cut again and again make it
 * grow faster than any bound here cuts it.
 *
 * No heap; deterministic; thread-safe. */
#ifndef SS_COST_UNEVEN_H
#define SS_COST_UNEVEN_H

#include "cost/mapping.h"

/* Regular mappings; the whole space without snakes; of the whole space the plain mappings and those that are plain but for snakes; all. */
enum uneven_space { UNEVEN_REGULAR, UNEVEN_STRAIGHT, UNEVEN_SNAKES, UNEVEN_WHOLE };

struct uneven {
    int64_t bytes, footprint_bytes; /* what there is to beat: bytes INT64_MAX = nothing yet */
    struct mapping mapping;
    int64_t nodes; /* looked at */
};

/* Takes the mapping that moves fewest bytes, fewer than *best. True where the space was searched to its end, false where it stopped after
 * so many nodes. */
bool uneven_search(const struct nest *nest, const struct target *target, enum uneven_space space, int64_t nodes, struct uneven *best);

/* Takes the mapping with the least footprint, less than that of *best, among those that move no more bytes. */
bool uneven_shrink(const struct nest *nest, const struct target *target, enum uneven_space space, int64_t nodes, struct uneven *best);

/* The smallest buffer that each operand can have in any mapping; together they fit where any does. */
void uneven_demand(const struct nest *nest, const struct target *target, struct footprint *demand);

#endif
