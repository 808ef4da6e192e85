/* The reference machine of cost-model.md 3, step by step: it remembers what each buffer holds, element by element along each axis, and
 * counts what it transfers. It shares no formula with src/cost. For small layers: planes of at most MACHINE_PLANE elements. */
#ifndef SS_ORACLE_MACHINE_H
#define SS_ORACLE_MACHINE_H

#include "cost/mapping.h"

enum { MACHINE_PLANE = 256, MACHINE_WORDS = MACHINE_PLANE / 64, MACHINE_TABLE = 9 };

/* Elements along one axis of the plane. */
struct machine_set {
    uint64_t word[MACHINE_WORDS];
};

/* A layer made ready to run: the windows of short ranges of outputs. */
struct machine {
    const struct nest *nest;
    const struct target *target;
    uint32_t words;                                                     /* in use */
    struct machine_set window[NEST_AXES][MACHINE_TABLE][MACHINE_TABLE]; /* [axis][from][to] */
    int64_t *added;                                                     /* per O element: what was added to the tile that starts there */
    bool *is_spilled;
};

void machine_init(struct machine *machine, const struct nest *nest, const struct target *target);
void machine_release(struct machine *machine);

struct machine_run {
    struct traffic traffic;
    struct footprint footprint;              /* largest tile of each operand, as held; double buffers twice */
    int64_t steps, transfers[OPERAND_COUNT]; /* how often the tile on chip became another */
};

/* Any mapping: nested tiles, snakes, depths. False where it stopped because more than `limit` bytes had moved. */
bool machine_execute(struct machine *machine, const struct mapping *mapping, int64_t limit, struct machine_run *run);

#endif
