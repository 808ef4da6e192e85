#include "oracle/reported.h"

#include <stdint.h>

static bool same_traffic(const struct traffic *a, const struct traffic *b) {
    return a->input_bytes == b->input_bytes && a->weight_bytes == b->weight_bytes && a->output_bytes == b->output_bytes &&
           a->partial_sum_bytes == b->partial_sum_bytes;
}

static bool same_footprint(const struct footprint *a, const struct footprint *b) {
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (a->bytes[x] != b->bytes[x]) return false;
    return true;
}

static bool fits(const struct footprint *footprint, const struct target *target) {
    int64_t sum = 0;
    for (int x = 0; x < OPERAND_COUNT; x++) {
        if (target->is_split && footprint->bytes[x] > target->partition_bytes[x]) return false;
        sum += footprint->bytes[x];
    }
    return target->is_split || sum <= target->capacity_bytes;
}

bool machine_confirms(const struct nest *nest, const struct target *target, const struct found *found) {
    struct machine machine;
    struct machine_run run;
    machine_init(&machine, nest, target);
    const bool ran = machine_execute(&machine, &found->mapping, INT64_MAX, &run);
    machine_release(&machine);
    return ran && same_traffic(&run.traffic, &found->traffic) && same_footprint(&run.footprint, &found->footprint) &&
           fits(&run.footprint, target);
}

bool same_mapping(const struct mapping *a, const struct mapping *b) {
    if (a->loop_count != b->loop_count) return false;
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (a->depth[x] != b->depth[x]) return false;
    for (uint32_t i = 0; i < a->loop_count; i++)
        if (a->loops[i].dim != b->loops[i].dim || a->loops[i].step != b->loops[i].step || a->loops[i].snake != b->loops[i].snake)
            return false;
    return true;
}

bool same_found(const struct found *a, const struct found *b) {
    if (a->is_feasible != b->is_feasible) return false;
    if (!a->is_feasible) return a->infeasible.demand_bytes == b->infeasible.demand_bytes;
    return same_mapping(&a->mapping, &b->mapping) && same_traffic(&a->traffic, &b->traffic) && same_footprint(&a->footprint, &b->footprint);
}
