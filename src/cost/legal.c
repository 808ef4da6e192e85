#include "cost/legal.h"

#include <inttypes.h>

#include "cost/space.h"

bool mapping_is_plain(const struct mapping *mapping) {
    unsigned seen = 0;
    for (uint32_t i = 0; i < mapping->loop_count; i++) {
        if (mapping->loops[i].snake || seen & 1u << mapping->loops[i].dim) return false;
        seen |= 1u << mapping->loops[i].dim;
    }
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (mapping->depth[x] != mapping->loop_count) return false;
    return true;
}

static status check_steps(const struct nest *nest, const struct mapping *mapping, const char *what, struct diag *diag) {
    int64_t around[DIM_COUNT];
    bool is_tiled[DIM_COUNT] = {false};
    for (int d = 0; d < DIM_COUNT; d++) around[d] = nest->size[d];
    for (uint32_t i = 0; i < mapping->loop_count; i++) {
        const enum nest_dim dim = mapping->loops[i].dim;
        const int64_t step = mapping->loops[i].step;
        if (step < 1 || step > nest->size[dim])
            return diag_fail(diag, STATUS_USAGE, "%s: loop %" PRIu32 " steps %" PRId64 " of %s, which has %" PRId64, what, i, step,
                             nest_dim_names[dim], nest->size[dim]);
        if (is_tiled[dim] && step >= around[dim])
            return diag_fail(diag, STATUS_USAGE,
                             "%s: loop %" PRIu32 " steps %" PRId64 " of %s inside a step of %" PRId64 ": steps of a dim must fall", what, i,
                             step, nest_dim_names[dim], around[dim]);
        around[dim] = step;
        is_tiled[dim] = true;
    }
    return STATUS_OK;
}

/* A tile of O holds whole windows of a merged pool; inside O's depth they may be cut. */
static status check_pool(const struct nest *nest, const struct mapping *mapping, const char *what, struct diag *diag) {
    for (uint32_t i = 0; i < mapping->depth[OPERAND_O]; i++) {
        const enum nest_dim dim = mapping->loops[i].dim;
        const int64_t step = mapping->loops[i].step, pool = dim_is_spatial(dim) ? nest->axis[dim - DIM_OD].pool : 1;
        if (step % pool && step < nest->size[dim])
            return diag_fail(diag, STATUS_USAGE,
                             "%s: loop %" PRIu32 " steps %" PRId64 " of %s, which cuts windows of the pool: must be a multiple of %" PRId64
                             " or all %" PRId64,
                             what, i, step, nest_dim_names[dim], pool, nest->size[dim]);
    }
    return STATUS_OK;
}

static status check_depths(const struct mapping *mapping, const char *what, struct diag *diag) {
    static const char names[OPERAND_COUNT] = {'i', 'w', 'o'};
    for (int x = 0; x < OPERAND_COUNT; x++)
        if (mapping->depth[x] > mapping->loop_count)
            return diag_fail(diag, STATUS_USAGE, "%s: depth of %c is %" PRIu32 ", there are %" PRIu32 " loops", what, names[x],
                             mapping->depth[x], mapping->loop_count);
    return STATUS_OK;
}

static status check_fit(const struct nest *nest, const struct target *target, const struct mapping *mapping, const char *what,
                        struct diag *diag) {
    static const char *const names[OPERAND_COUNT] = {"input", "weight", "output"};
    struct footprint footprint;
    mapping_footprint(nest, target, mapping, &footprint);
    if (footprint_fits(&footprint, target)) return STATUS_OK;
    for (int x = 0; x < OPERAND_COUNT && target->is_split; x++)
        if (footprint.bytes[x] > target->partition_bytes[x])
            return diag_fail(diag, STATUS_USAGE, "%s: needs %" PRId64 " B for the %s, on chip %" PRId64 " B, %" PRId64 " B short", what,
                             footprint.bytes[x], names[x], target->partition_bytes[x], footprint.bytes[x] - target->partition_bytes[x]);
    return diag_fail(diag, STATUS_USAGE,
                     "%s: needs %" PRId64 " B (input %" PRId64 " + weight %" PRId64 " + output %" PRId64 "), on chip %" PRId64
                     " B, %" PRId64 " B short",
                     what, footprint_total(&footprint), footprint.bytes[OPERAND_I], footprint.bytes[OPERAND_W], footprint.bytes[OPERAND_O],
                     target->capacity_bytes, footprint_total(&footprint) - target->capacity_bytes);
}

status mapping_check(const struct nest *nest, const struct target *target, const struct mapping *mapping, const char *what,
                     struct diag *diag) {
    status result = check_steps(nest, mapping, what, diag);
    if (result == STATUS_OK) result = check_depths(mapping, what, diag);
    if (result == STATUS_OK) result = check_pool(nest, mapping, what, diag);
    return result == STATUS_OK ? check_fit(nest, target, mapping, what, diag) : result;
}
