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

static void look(struct trial *trial) {
    struct machine_run run;
    const uint32_t count = trial->mapping.loop_count;
    struct view *view = trial->view[count];
    for (int x = 0; x < OPERAND_COUNT; x++) trial->mapping.depth[x] = count;
    trial->brute->executed++;
    machine_execute(&trial->machine, &trial->mapping, INT64_MAX, &run);
    view[OPERAND_I].bytes = run.traffic.input_bytes;
    view[OPERAND_W].bytes = run.traffic.weight_bytes;
    view[OPERAND_O].bytes = run.traffic.output_bytes + run.traffic.partial_sum_bytes;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        view[x].footprint_bytes = run.footprint.bytes[x];
        view[x].is_legal = !trial->target->is_split || view[x].footprint_bytes <= trial->target->partition_bytes[x];
    }
    view[OPERAND_O].is_legal = view[OPERAND_O].is_legal && keeps_windows(trial);
}

static void offer(struct trial *trial, const uint32_t *depth) {
    struct brute_uneven *brute = trial->brute;
    int64_t bytes = 0, footprint = 0;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        const struct view *view = &trial->view[depth[x]][x];
        if (!view->is_legal) return;
        bytes += view->bytes;
        footprint += view->footprint_bytes;
    }
    if (!trial->target->is_split && footprint > trial->target->capacity_bytes) return;
    if (brute->any && (bytes > brute->bytes || (bytes == brute->bytes && footprint >= brute->footprint_bytes))) return;
    brute->any = true;
    brute->mapping = trial->mapping;
    memcpy(brute->mapping.depth, depth, sizeof brute->mapping.depth);
    brute->bytes = bytes;
    brute->footprint_bytes = footprint;
}

/* All depths of which the deepest is the end of the sequence: shorter sequences had theirs. */
static void all_depths(struct trial *trial) {
    const uint32_t count = trial->mapping.loop_count;
    uint32_t depth[OPERAND_COUNT] = {count, count, count};
    if (!trial->kind.depths) {
        trial->brute->mappings += 1;
        offer(trial, depth);
        return;
    }
    for (depth[0] = 0; depth[0] <= count; depth[0]++)
        for (depth[1] = 0; depth[1] <= count; depth[1]++)
            for (depth[2] = 0; depth[2] <= count; depth[2]++) {
                if (depth[0] != count && depth[1] != count && depth[2] != count) continue;
                trial->brute->mappings += 1;
                offer(trial, depth);
            }
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
    all_depths(trial);
    for (int d = 0; d < DIM_COUNT; d++) {
        if (!trial->kind.depths && trial->step[d] < trial->nest->size[d]) continue;
        for (int64_t step = trial->step[d] - 1; step > 0; step--) with_loop(trial, (enum nest_dim)d, step);
    }
}

void brute_uneven_search(const struct nest *nest, const struct target *target, struct brute_kind kind, struct brute_uneven *brute) {
    static struct trial trial;
    trial = (struct trial){.nest = nest, .target = target, .kind = kind, .brute = brute};
    *brute = (struct brute_uneven){0};
    memcpy(trial.step, nest->size, sizeof trial.step);
    machine_init(&trial.machine, nest, target);
    sequences(&trial);
    machine_release(&trial.machine);
}
