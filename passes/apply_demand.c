/* Which constants lose what, and whose readers part. */
#include <stdlib.h>
#include <string.h>

#include "passes/apply.h"

/* A place where a constant ends up, through what stands between: an operand of a node that computes. node none: read by what we do not
 * see (a body, the graph's outputs). */
struct demand_use {
    node_id reader;
    uint32_t input;
};
typedef ARRAY(struct demand_use) demand_uses;

static void demand_find_uses(struct arena *arena, const struct graph *graph, value_id id, uint32_t depth, demand_uses *uses) {
    const struct value *value = graph_value(graph, id);
    if (value->is_output) array_push(arena, uses, (struct demand_use){0});
    for (uint32_t i = 0; i < value->uses.count; i++) {
        const struct use use = value->uses.items[i];
        if (use.input == USE_CAPTURE) {
            array_push(arena, uses, (struct demand_use){0});
            continue;
        }
        const value_id out = node_output(graph_node(graph, use.node), 0);
        const struct demand_use final = {use.node, use.input};
        if (depth < RESOLVE_MAX_STEPS && out.at && resolve_constant(graph, out).tensor.at)
            demand_find_uses(arena, graph, out, depth + 1, uses);
        else array_push(arena, uses, final);
    }
}

static bool demand_is_of(const struct demand *demand, value_id constant, struct demand_use use) {
    return demand->bound->constant.at == constant.at && demand->bound->reader.at == use.reader.at && demand->bound->input == use.input;
}

static bool demand_equal(const struct demand *a, const struct demand *b) {
    return a->bound->axis == b->bound->axis && a->bound->rows_from == b->bound->rows_from && a->bound->rows_to == b->bound->rows_to &&
           a->remove_count == b->remove_count && memcmp(a->remove, b->remove, a->remove_count * sizeof *a->remove) == 0;
}

/* Every demand of use a stands among those of use b. list: the demands on one constant. */
static bool demand_is_within(struct demand **list, uint32_t count, value_id constant, struct demand_use a, struct demand_use b) {
    for (uint32_t i = 0; i < count; i++) {
        bool found = !demand_is_of(list[i], constant, a);
        for (uint32_t k = 0; k < count && !found; k++) found = demand_is_of(list[k], constant, b) && demand_equal(list[i], list[k]);
        if (!found) return false;
    }
    return true;
}

static void demand_part(struct arena *arena, const struct graph *graph, value_id constant, struct demand **list, uint32_t count) {
    demand_uses uses = {0};
    bool parted = false;
    demand_find_uses(arena, graph, constant, 0, &uses);
    for (uint32_t i = 1; i < uses.count && !parted; i++)
        parted = !demand_is_within(list, count, constant, uses.items[0], uses.items[i]) ||
                 !demand_is_within(list, count, constant, uses.items[i], uses.items[0]);
    for (uint32_t i = 0; i < count; i++) list[i]->is_parted = parted;
}

static int demand_compare(const void *a, const void *b) {
    const struct demand *x = *(struct demand *const *)a, *y = *(struct demand *const *)b;
    if (x->bound->constant.at != y->bound->constant.at) return x->bound->constant.at < y->bound->constant.at ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void demands_part(struct arena *arena, const struct graph *graph, struct demands *demands) {
    struct demand **sorted = arena_alloc_array(arena, demands->count, sizeof *sorted);
    for (uint32_t i = 0; i < demands->count; i++) sorted[i] = &demands->items[i];
    qsort(sorted, demands->count, sizeof *sorted, demand_compare);
    for (uint32_t from = 0, to; from < demands->count; from = to) {
        const value_id constant = sorted[from]->bound->constant;
        for (to = from; to < demands->count && sorted[to]->bound->constant.at == constant.at;) to++;
        demand_part(arena, graph, constant, sorted + from, to - from);
    }
}

struct demands demands_of(struct arena *arena, const struct graph *graph, const struct spaces *spaces, const struct removal *removal) {
    const struct labels *labels = spaces->private_->labels;
    struct demands demands = {ARENA_ARRAY(arena, struct demand, labels->bounds.count), 0};
    for (uint32_t i = 0; i < labels->bounds.count; i++) {
        const struct bound *bound = &labels->bounds.items[i];
        const struct channel *channels = spaces->private_->channels[bound->label->number];
        uint32_t count = 0;
        for (uint32_t k = 0; k < bound->label->count; k++) count += removal_has(removal, channels[k]);
        if (!count) continue;
        uint32_t *remove = ARENA_ARRAY(arena, uint32_t, count), at = 0;
        for (uint32_t k = 0; k < bound->label->count; k++)
            if (removal_has(removal, channels[k])) remove[at++] = k;
        demands.items[demands.count++] = (struct demand){bound, remove, count, false};
    }
    demands_part(arena, graph, &demands);
    return demands;
}
