/* A removal as a plan (product.md 5): what each tensor loses, and a fingerprint of the tensors that lose something. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "passes/apply.h"
#include "passes/plan_slices.h"

/* ---- slices ---- */

static struct plan_slice plan_slice_of(const struct graph *graph, const struct demand *demand) {
    const struct bound *bound = demand->bound;
    return (struct plan_slice){.tensor = graph_value(graph, bound->constant)->name,
                               .axis = bound->axis,
                               .size = bound->label->count,
                               .remove = demand->remove,
                               .remove_count = demand->remove_count,
                               .role = bound->role,
                               .rows_from = bound->rows_from,
                               .rows_to = bound->rows_to,
                               .node = demand->is_parted ? graph_node_label(graph, bound->reader) : NULL};
}

bool plan_slices_equal(const struct plan_slice *a, const struct plan_slice *b) {
    if (strcmp(a->tensor, b->tensor) != 0 || a->axis != b->axis || a->size != b->size || a->role != b->role) return false;
    if (a->rows_from != b->rows_from || a->rows_to != b->rows_to || a->remove_count != b->remove_count) return false;
    if (!a->node != !b->node || (a->node && strcmp(a->node, b->node) != 0)) return false;
    return memcmp(a->remove, b->remove, a->remove_count * sizeof *a->remove) == 0;
}

/* The slices of one tensor are chained, so that a reader that wants the same again adds nothing. */
static void plan_add_slice(struct arena *arena, struct plan *plan, uint32_t *last, const struct plan_slice *slice, uint32_t **before) {
    for (uint32_t at = *last; at; at = (*before)[at])
        if (plan_slices_equal(&plan->slices.items[at - 1], slice)) return;
    array_push(arena, &plan->slices, *slice);
    (*before)[plan->slices.count] = *last;
    *last = plan->slices.count;
}

static void plan_add_slices(struct arena *arena, const struct graph *graph, const struct demands *demands, struct plan *plan) {
    uint32_t *last = ARENA_ARRAY(arena, uint32_t, graph->values.count), *before = ARENA_ARRAY(arena, uint32_t, demands->count + 1);
    for (uint32_t i = 0; i < demands->count; i++) {
        const struct plan_slice slice = plan_slice_of(graph, &demands->items[i]);
        plan_add_slice(arena, plan, &last[demands->items[i].bound->constant.at], &slice, &before);
    }
}

/* ---- fingerprint ---- */

static int plan_compare_lines(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* "conv1.weight 1 64x3x7x7 conv1 Conv 1": name, type and dims of the tensor, its reader and which operand it is there */
static const char *plan_line(struct arena *arena, const struct graph *graph, const struct bound *bound) {
    const struct value *value = graph_value(graph, bound->constant);
    const struct tensor *tensor = graph_tensor(graph, value->constant);
    const char *dims = "";
    for (uint32_t i = 0; i < tensor->rank; i++) dims = arena_print(arena, "%s%s%" PRId64, dims, i ? "x" : "", tensor->dims[i]);
    return arena_print(arena, "%s %d %s %s %s %u\n", value->name, (int)tensor->type, dims, graph_node_label(graph, bound->reader),
                       graph_node(graph, bound->reader)->op_type, bound->input);
}

/* FNV-1a, 64 bits, over the sorted lines: annotations and the order of nodes do not matter. */
static const char *plan_fingerprint(struct arena *arena, const struct graph *graph, const struct demands *demands) {
    const char **lines = arena_alloc_array(arena, demands->count, sizeof *lines);
    uint64_t hash = 0xCBF29CE484222325u;
    for (uint32_t i = 0; i < demands->count; i++) lines[i] = plan_line(arena, graph, demands->items[i].bound);
    qsort(lines, demands->count, sizeof *lines, plan_compare_lines);
    for (uint32_t i = 0; i < demands->count; i++) {
        if (i && strcmp(lines[i], lines[i - 1]) == 0) continue;
        for (const char *c = lines[i]; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001B3u;
    }
    return arena_print(arena, "%016" PRIx64, hash);
}

static void plan_add_spaces(struct arena *arena, const struct spaces *spaces, const struct removal *removal, struct plan *plan) {
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        if (!removal->counts[s]) continue;
        uint32_t *remove = ARENA_ARRAY(arena, uint32_t, removal->counts[s]), count = 0;
        for (uint32_t c = 0; c < spaces->items.items[s].size; c++)
            if (removal->removed[s][c]) remove[count++] = c;
        const struct plan_space space = {spaces->items.items[s].id, spaces->items.items[s].size, remove, count};
        array_push(arena, &plan->spaces, space);
    }
}

status plan_make(struct arena *arena, const struct graph *graph, const struct spaces *spaces, const struct removal *removal,
                 struct plan *plan, struct diag *diag) {
    const status result = removal_check(graph, spaces, removal, diag);
    if (result != STATUS_OK) return result;
    const struct demands demands = demands_of(arena, graph, spaces, removal);
    *plan = (struct plan){0};
    plan_add_spaces(arena, spaces, removal, plan);
    plan_add_slices(arena, graph, &demands, plan);
    plan->fingerprint = plan_fingerprint(arena, graph, &demands);
    return STATUS_OK;
}
