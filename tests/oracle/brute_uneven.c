#include "oracle/brute_uneven.h"

#include <stdint.h>
#include <string.h>

/* One operand at the end of a sequence of loops. */
struct view {
    int64_t bytes, footprint_bytes;
    bool is_legal;
};

struct trial {
    struct machine machine;
    const struct nest *nest;
    const struct target *target;
    struct brute_kind kind;
    struct mapping mapping;
    int64_t step[DIM_COUNT]; /* innermost so far */
    bool is_seen;            /* the sequence was executed to its end */
    struct view view[MAPPING_MAX_LOOPS + 1][OPERAND_COUNT];
    struct brute_uneven *brute;
};

/* A merged pool: tiles of O start and end where windows do (or at the end of the plane). */
static bool keeps_windows(const struct trial *trial) {
    for (uint32_t i = 0; i < trial->mapping.loop_count; i++) {
        const struct mapping_loop *loop = &trial->mapping.loops[i];
        if (loop->dim >= DIM_OD && loop->step % trial->nest->axis[loop->dim - DIM_OD].pool != 0) return false;
    }
    return true;
}

/* Where all operands are held at the end, a sequence that moves more than the best is of no use. */
static int64_t limit(const struct trial *trial) { return !trial->kind.depths && trial->brute->any ? trial->brute->bytes : INT64_MAX; }

static void look(struct trial *trial) {
    struct machine_run run;
    const uint32_t count = trial->mapping.loop_count;
    struct view *view = trial->view[count];
    for (int x = 0; x < OPERAND_COUNT; x++) trial->mapping.depth[x] = count;
    trial->brute->executed++;
    trial->is_seen = machine_execute(&trial->machine, &trial->mapping, limit(trial), &run);
    if (!trial->is_seen) return;
    view[OPERAND_I].bytes = run.traffic.input_bytes;
    view[OPERAND_W].bytes = run.traffic.weight_bytes;
    view[OPERAND_O].bytes = run.traffic.output_bytes + run.traffic.partial_sum_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        view[x].footprint_bytes = run.footprint.bytes[x];
        view[x].is_legal = !trial->target->is_split || view[x].footprint_bytes <= trial->target->partition_bytes[x];
    }
    view[OPERAND_O].is_legal = view[OPERAND_O].is_legal && keeps_windows(trial);
}

struct sum {
    int64_t bytes, footprint_bytes;
};

/* With one operand more, held at a depth: may that still be legal, and move no more than the best? */
static bool add(const struct trial *trial, const struct sum *others, int x, uint32_t depth, struct sum *sum) {
    const struct view *view = &trial->view[depth][x];
    sum->bytes = others->bytes + view->bytes;
    sum->footprint_bytes = others->footprint_bytes + view->footprint_bytes;
    return view->is_legal && (trial->target->is_split || sum->footprint_bytes <= trial->target->capacity_bytes) &&
           (!trial->brute->any || sum->bytes <= trial->brute->bytes);
}

static void offer(struct trial *trial, const struct sum *sum, uint32_t i, uint32_t w, uint32_t o) {
    struct brute_uneven *brute = trial->brute;
    if (brute->any && sum->bytes == brute->bytes && sum->footprint_bytes >= brute->footprint_bytes) return;
    brute->any = true;
    brute->mapping = trial->mapping;
    brute->mapping.depth[OPERAND_I] = i;
    brute->mapping.depth[OPERAND_W] = w;
    brute->mapping.depth[OPERAND_O] = o;
    brute->bytes = sum->bytes;
    brute->footprint_bytes = sum->footprint_bytes;
}

/* All depths of which the deepest is the end of the sequence: shorter sequences had theirs. */
static void all_depths(struct trial *trial) {
    const uint32_t count = trial->mapping.loop_count, least = trial->kind.depths ? 0 : count;
    const struct sum none = {0};
    struct sum one, two, all;
    for (uint32_t i = least; i <= count; i++) {
        if (!add(trial, &none, OPERAND_I, i, &one)) continue;
        for (uint32_t w = least; w <= count; w++) {
            if (!add(trial, &one, OPERAND_W, w, &two)) continue;
            for (uint32_t o = i == count || w == count ? least : count; o <= count; o++)
                if (add(trial, &two, OPERAND_O, o, &all)) offer(trial, &all, i, w, o);
        }
    }
    const double depths = count + 1.0;
    trial->brute->mappings += trial->kind.depths ? depths * depths * depths - count * (double)count * count : 1;
}

static void sequences(struct trial *trial);

static void with_loop(struct trial *trial, enum nest_dim dim, int64_t step) {
    const int64_t whole = trial->step[dim];
    struct mapping_loop *loop = &trial->mapping.loops[trial->mapping.loop_count++];
    trial->step[dim] = step;
    for (int snake = 0; snake <= (int)trial->kind.snakes; snake++) {
        *loop = (struct mapping_loop){dim, step, snake};
        sequences(trial);
    }
    trial->step[dim] = whole;
    trial->mapping.loop_count--;
}

static void sequences(struct trial *trial) {
    look(trial);
    if (trial->is_seen) all_depths(trial);
    for (int d = 0; d < DIM_COUNT; d++) {
        if (!trial->kind.depths && trial->step[d] < trial->nest->size[d]) continue;
        for (int64_t step = trial->step[d] - 1; step > 0; step--) with_loop(trial, (enum nest_dim)d, step);
    }
}

void brute_uneven_search(const struct nest *nest, const struct target *target, struct brute_kind kind, struct brute_uneven *brute) {
    struct trial trial = {.nest = nest, .target = target, .kind = kind, .brute = brute};
    *brute = (struct brute_uneven){0};
    memcpy(trial.step, nest->size, sizeof trial.step);
    machine_init(&trial.machine, nest, target);
    sequences(&trial);
    machine_release(&trial.machine);
}
