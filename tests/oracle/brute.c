#include "oracle/brute.h"

#include <stdint.h>
#include <string.h>

struct trial {
    struct machine machine;
    const struct nest *nest;
    const struct target *target;
    int64_t tiles[DIM_COUNT];
    struct mapping mapping;
    struct brute *brute;
    bool is_known, fits; /* of these tiles: every order holds the same */
};

static bool fits(const struct footprint *footprint, const struct target *target) {
    int64_t sum = 0;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (target->is_split && footprint->bytes[x] > target->partition_bytes[x]) return false;
        sum += footprint->bytes[x];
    }
    return target->is_split || sum <= target->capacity_bytes;
}

/* Orders come smallest first, tiles from small to large with n outermost: so what is equal in all else and found first is first. */
static bool is_better(const struct trial *trial, const struct machine_run *run, int64_t bytes, int64_t footprint) {
    const struct brute *best = trial->brute;
    if (!best->any || bytes != best->bytes) return !best->any || bytes < best->bytes;
    if (footprint != best->footprint_bytes) return footprint < best->footprint_bytes;
    return run->steps < best->run.steps;
}

static void execute(struct trial *trial) {
    struct brute *brute = trial->brute;
    struct machine_run run;
    const int64_t limit = brute->any && trial->is_known ? brute->bytes : INT64_MAX;
    if (trial->is_known && !trial->fits) return;
    for (int x = 0; x < OPERAND_COUNT; x++) trial->mapping.depth[x] = trial->mapping.loop_count;
    brute->executed++;
    if (!machine_execute(&trial->machine, &trial->mapping, limit, &run)) return;
    trial->is_known = true;
    trial->fits = fits(&run.footprint, trial->target);
    if (!trial->fits) return;
    const int64_t bytes = run.traffic.input_bytes + run.traffic.weight_bytes + run.traffic.output_bytes + run.traffic.partial_sum_bytes;
    const int64_t footprint = run.footprint.bytes[OPERAND_I] + run.footprint.bytes[OPERAND_W] + run.footprint.bytes[OPERAND_O];
    if (!is_better(trial, &run, bytes, footprint)) return;
    brute->any = true;
    brute->mapping = trial->mapping;
    brute->run = run;
    brute->bytes = bytes;
    brute->footprint_bytes = footprint;
    memcpy(brute->tiles, trial->tiles, sizeof brute->tiles);
}

static void orders(struct trial *trial, unsigned used) {
    bool is_complete = true;
    for (unsigned d = 0; d < DIM_COUNT; d++) {
        if (used & 1u << d || trial->tiles[d] == trial->nest->size[d]) continue;
        is_complete = false;
        trial->mapping.loops[trial->mapping.loop_count++] = (struct mapping_loop){(enum nest_dim)d, trial->tiles[d], false};
        orders(trial, used | 1u << d);
        trial->mapping.loop_count--;
    }
    if (is_complete) execute(trial);
}

static void tilings(struct trial *trial, int dim) {
    if (dim == DIM_COUNT) {
        trial->is_known = false;
        orders(trial, 0);
        return;
    }
    const int64_t size = trial->nest->size[dim], unit = dim >= DIM_OD ? trial->nest->axis[dim - DIM_OD].pool : 1;
    for (int64_t tile = 1; tile <= size; tile++) {
        if (tile % unit != 0 && tile != size) continue;
        trial->tiles[dim] = tile;
        tilings(trial, dim + 1);
    }
}

void brute_search(const struct nest *nest, const struct target *target, struct brute *brute) {
    struct trial trial = {.nest = nest, .target = target, .brute = brute};
    *brute = (struct brute){0};
    machine_init(&trial.machine, nest, target);
    tilings(&trial, 0);
    machine_release(&trial.machine);
}
