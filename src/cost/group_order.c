/* A walk from the outputs back, depth first. */
#include "cost/group_order.h"

#include <stdlib.h>
#include <string.h>

struct ordering {
    struct arena *arena;
    const struct group *network;
    enum group_order kind;
    uint32_t *unit_of, *count_of; /* by member: the first of its unit; by first member: how many */
    uint32_t *depth;              /* by first member of a unit: units on the longest way to it */
    bool *is_placed;              /* by first member */
    uint32_t *order, placed;
};

static void order_find_units(const struct ordering *ordering, const uint32_t *units) {
    for (uint32_t m = 0; m < ordering->network->member_count; m += ordering->count_of[m]) {
        ordering->count_of[m] = units && units[m] > 1 ? units[m] : 1;
        for (uint32_t k = 0; k < ordering->count_of[m]; k++) ordering->unit_of[m + k] = m;
    }
}

/* Units that one needs, each once; returns how many. */
static uint32_t order_needs(const struct ordering *ordering, uint32_t unit, uint32_t *needs) {
    const struct group *network = ordering->network;
    uint32_t count = 0;
    for (uint32_t m = unit; m < unit + ordering->count_of[unit]; m++)
        for (uint32_t i = 0; i < network->members[m].input_count; i++) {
            const int32_t producer = network->tensors[network->members[m].input[i].tensor].producer;
            const uint32_t needed = producer == GROUP_OFF_CHIP ? unit : ordering->unit_of[producer];
            bool is_known = needed == unit;
            for (uint32_t k = 0; k < count; k++) is_known |= needs[k] == needed;
            if (!is_known) needs[count++] = needed;
        }
    return count;
}

static bool order_comes_first(const struct ordering *ordering, uint32_t a, uint32_t b) {
    if (ordering->depth[a] == ordering->depth[b]) return a < b;
    return (ordering->depth[a] > ordering->depth[b]) == (ordering->kind == ORDER_DEEP_FIRST);
}

static void order_sort(const struct ordering *ordering, uint32_t *units, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k > 0 && order_comes_first(ordering, units[k], units[k - 1]); k--) {
            const uint32_t swap = units[k];
            units[k] = units[k - 1];
            units[k - 1] = swap;
        }
}

/* A unit that is being visited: its needs, and the next of them. */
struct order_frame {
    uint32_t unit, *needs, count, next;
};

static void order_enter(const struct ordering *ordering, uint32_t unit, struct order_frame *frame) {
    *frame = (struct order_frame){.unit = unit};
    frame->needs = ARENA_ARRAY(ordering->arena, uint32_t, ordering->count_of[unit] * GROUP_MAX_INPUTS);
    frame->count = order_needs(ordering, unit, frame->needs);
    order_sort(ordering, frame->needs, frame->count);
}

static void order_place(struct ordering *ordering, uint32_t unit) {
    ordering->is_placed[unit] = true;
    for (uint32_t k = 0; k < ordering->count_of[unit]; k++) ordering->order[ordering->placed++] = unit + k;
}

/* Everything that the unit needs, then it; with a stack of its own, as networks are deep. */
static void order_visit(struct ordering *ordering, uint32_t unit, struct order_frame *stack) {
    uint32_t depth = 0;
    if (ordering->is_placed[unit]) return;
    order_enter(ordering, unit, &stack[depth++]);
    while (depth > 0) {
        struct order_frame *top = &stack[depth - 1];
        while (top->next < top->count && ordering->is_placed[top->needs[top->next]]) top->next++;
        if (top->next < top->count) {
            order_enter(ordering, top->needs[top->next++], &stack[depth++]);
        } else {
            order_place(ordering, top->unit);
            depth--;
        }
    }
}

static void order_find_depths(const struct ordering *ordering) {
    uint32_t *needs = ARENA_ARRAY(ordering->arena, uint32_t, ordering->network->member_count * GROUP_MAX_INPUTS);
    for (uint32_t unit = 0; unit < ordering->network->member_count; unit += ordering->count_of[unit]) {
        const uint32_t count = order_needs(ordering, unit, needs);
        for (uint32_t k = 0; k < count; k++)
            if (ordering->depth[needs[k]] >= ordering->depth[unit]) ordering->depth[unit] = ordering->depth[needs[k]] + 1;
    }
}

/* No other member needs it. */
static bool order_is_end(const struct ordering *ordering, uint32_t unit) {
    for (uint32_t m = unit; m < unit + ordering->count_of[unit]; m++) {
        const struct group_tensor *tensor = &ordering->network->tensors[ordering->network->members[m].output];
        if (tensor->use_count && tensor->last_use >= unit + ordering->count_of[unit]) return false;
    }
    return true;
}

bool group_order_find(struct arena *arena, const struct group *network, const uint32_t *units, enum group_order kind, uint32_t *order) {
    const uint32_t members = network->member_count;
    struct arena *scratch = arena_new(arena_heap(arena));
    struct ordering ordering = {.arena = scratch,
                                .network = network,
                                .kind = kind,
                                .unit_of = ARENA_ARRAY(scratch, uint32_t, members),
                                .count_of = ARENA_ARRAY(scratch, uint32_t, members),
                                .depth = ARENA_ARRAY(scratch, uint32_t, members),
                                .is_placed = ARENA_ARRAY(scratch, bool, members),
                                .order = order};
    struct order_frame *stack = ARENA_ARRAY(scratch, struct order_frame, members);
    bool is_new = false;
    order_find_units(&ordering, units);
    order_find_depths(&ordering);
    for (uint32_t unit = 0; unit < members; unit += ordering.count_of[unit])
        if (order_is_end(&ordering, unit)) order_visit(&ordering, unit, stack);
    for (uint32_t k = 0; k < members; k++) is_new |= order[k] != k;
    arena_free(scratch);
    return is_new;
}

void group_order_apply(struct arena *arena, const struct group *network, const uint32_t *order, struct group *ordered) {
    *ordered = *network;
    ordered->tensors = arena_copy(arena, network->tensors, network->tensor_count * sizeof network->tensors[0]);
    ordered->members = ARENA_ARRAY(arena, struct group_member, network->member_count);
    for (uint32_t k = 0; k < network->member_count; k++) {
        ordered->members[k] = network->members[order[k]];
        ordered->tensors[ordered->members[k].output].producer = (int32_t)k;
    }
    group_count_uses(ordered);
}
