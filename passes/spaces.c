/* From labels to spaces: atoms of equal standing side by side, numbered by their first maker, named after it. */
#include "passes/spaces.h"

#include <stdlib.h>
#include <string.h>

#include "passes/labels.h"

struct spaces_build {
    struct arena *arena;
    const struct graph *graph;
    const struct options *options;
    struct labels *labels;
    struct spaces *spaces;
    uint64_t *standing;              /* by root atom: the sum over its bindings and Slices; 0 = in none */
    uint32_t *space_of, *channel_of; /* by root atom */
    const struct channel **channels; /* by label number; made when asked for */
};

static uint64_t spaces_mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return (x ^ x >> 31) | 1;
}

static uint64_t spaces_text_hash(const char *text) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
    return hash;
}

/* ---- atoms of equal standing ---- */

static void spaces_weigh_label(struct spaces_build *build, const struct label *label, uint64_t weight, bool is_bound) {
    for (uint32_t i = 0; label && i < label->count; i++) {
        uint64_t *standing = &build->standing[labels_root(build->labels, label->atoms[i])];
        if (is_bound || *standing) *standing += weight;
    }
}

/* What a Slice takes has a standing of its own: something of it must stay. */
static void spaces_weigh(struct spaces_build *build) {
    struct labels *labels = build->labels;
    build->standing = ARENA_ARRAY(build->arena, uint64_t, labels->parent.count);
    for (uint32_t i = 0; i < labels->bounds.count; i++)
        spaces_weigh_label(build, labels->bounds.items[i].label, spaces_mix(2 * (uint64_t)labels->bounds.items[i].site), true);
    for (uint32_t i = 0; i < labels->fixups.count; i++)
        spaces_weigh_label(build, labels->fixups.items[i].taken, spaces_mix(2 * (uint64_t)i + 1), false);
    for (uint32_t atom = 1; atom < labels->parent.count; atom++) {
        const char *reason = labels_reason(labels, atom);
        if (labels_root(labels, atom) == atom && build->standing[atom] && reason)
            build->standing[atom] += spaces_mix(spaces_text_hash(reason));
    }
}

struct spaces_atom {
    uint64_t standing;
    uint32_t root;
};

static int spaces_compare(const void *a, const void *b) {
    const struct spaces_atom *x = a, *y = b;
    if (x->standing != y->standing) return x->standing < y->standing ? -1 : 1;
    return x->root < y->root ? -1 : x->root > y->root;
}

/* Sorted by standing, then by age; the spaces then stand in the order of their oldest atoms. */
static void spaces_group(struct spaces_build *build) {
    struct labels *labels = build->labels;
    struct spaces_atom *atoms = ARENA_ARRAY(build->arena, struct spaces_atom, labels->parent.count);
    uint32_t *group_of = ARENA_ARRAY(build->arena, uint32_t, labels->parent.count), count = 0;
    for (uint32_t atom = 1; atom < labels->parent.count; atom++)
        if (labels_root(labels, atom) == atom && build->standing[atom]) atoms[count++] = (struct spaces_atom){build->standing[atom], atom};
    qsort(atoms, count, sizeof *atoms, spaces_compare);
    for (uint32_t i = 0; i < count; i++)
        group_of[atoms[i].root] = i && atoms[i].standing == atoms[i - 1].standing ? group_of[atoms[i - 1].root] : atoms[i].root;
    for (uint32_t atom = 0; atom < labels->parent.count; atom++) {
        build->space_of[atom] = CHANNEL_NONE;
        if (labels_root(labels, atom) != atom || !build->standing[atom]) continue;
        const uint32_t oldest = group_of[atom];
        if (oldest == atom) {
            build->space_of[atom] = build->spaces->items.count;
            const struct space space = {.fixed = labels_reason(labels, atom)};
            array_push(build->arena, &build->spaces->items, space);
        }
        build->space_of[atom] = build->space_of[oldest];
        build->channel_of[atom] = build->spaces->items.items[build->space_of[atom]].size++;
    }
}

/* ---- what is known of a space ---- */

static uint32_t spaces_of_atom(const struct spaces_build *build, uint32_t atom) {
    return build->space_of[labels_root(build->labels, atom)];
}

static bool spaces_is_listed(const struct spaces_build *build, node_id id) {
    for (uint32_t i = 0; i < build->options->only.count; i++)
        if (graph_find_node(build->graph, build->options->only.items[i]).at == id.at) return true;
    return false;
}

struct spaces_member {
    uint32_t role, node;
};

static void spaces_add_member(struct spaces_build *build, struct space *space, const struct bound *bound) {
    static const char *const roles[] = {[PLAN_MAKES] = "makes", [PLAN_CARRIES] = "carries", [PLAN_READS] = "reads"};
    const char *text = arena_print(build->arena, "%s %s", roles[bound->role], graph_node_label(build->graph, bound->reader));
    for (uint32_t i = space->member_count; i-- > 0;)
        if (strcmp(space->members[i], text) == 0) return;
    const char **members = arena_alloc_array(build->arena, space->member_count + 1, sizeof *members);
    if (space->member_count) memcpy(members, space->members, space->member_count * sizeof *members);
    members[space->member_count++] = text;
    space->members = members;
    if (bound->role != PLAN_MAKES) return;
    if (!space->maker.at) space->maker = bound->reader;
    if (build->options && build->options->only.count && !space->fixed && !spaces_is_listed(build, bound->reader))
        space->fixed = arena_print(build->arena, "not listed: --only leaves out %s", graph_node_label(build->graph, bound->reader));
}

static void spaces_add_members(struct spaces_build *build) {
    uint32_t *seen = ARENA_ARRAY(build->arena, uint32_t, build->spaces->items.count); /* 1 + the last binding that named it */
    for (uint32_t i = 0; i < build->labels->bounds.count; i++) {
        const struct bound *bound = &build->labels->bounds.items[i];
        if (bound->is_scale) continue;
        for (uint32_t k = 0; k < bound->label->count; k++) {
            const uint32_t s = spaces_of_atom(build, bound->label->atoms[k]);
            if (seen[s] == i + 1) continue;
            seen[s] = i + 1;
            spaces_add_member(build, &build->spaces->items.items[s], bound);
        }
    }
    for (uint32_t s = 0; build->options && build->options->only.count && s < build->spaces->items.count; s++) {
        struct space *space = &build->spaces->items.items[s];
        if (!space->maker.at && !space->fixed) space->fixed = "not listed: --only names layers, none makes it";
    }
}

/* The first maker's label, with a suffix where an older space has it; "READER.input" where no layer makes it. */
static void spaces_name(struct spaces_build *build) {
    struct name_map *taken = name_map_new(build->arena);
    for (int made = 1; made >= 0; made--)
        for (uint32_t s = 0; s < build->spaces->items.count; s++) {
            struct space *space = &build->spaces->items.items[s];
            if ((space->maker.at != 0) != made) continue;
            const char *base = made ? graph_node_label(build->graph, space->maker)
                                    : arena_print(build->arena, "%s.input", strchr(space->members[0], ' ') + 1);
            space->id = base;
            for (uint32_t suffix = 2; name_map_get(taken, space->id); suffix++)
                space->id = arena_print(build->arena, "%s#%u", base, suffix);
            name_map_set(taken, space->id, s + 1);
        }
}

/* ---- channels in place of atoms ---- */

static const struct channel *spaces_channels(struct spaces_build *build, const struct label *label) {
    if (build->channels[label->number]) return build->channels[label->number];
    struct channel *channels = ARENA_ARRAY(build->arena, struct channel, label->count);
    for (uint32_t i = 0; i < label->count; i++) {
        const uint32_t root = labels_root(build->labels, label->atoms[i]), s = build->space_of[root];
        channels[i] = (struct channel){CHANNEL_NONE, 0};
        if (s != CHANNEL_NONE && !build->spaces->items.items[s].fixed) channels[i] = (struct channel){s, build->channel_of[root]};
    }
    return build->channels[label->number] = channels;
}

static void spaces_add_bindings(struct spaces_build *build) {
    for (uint32_t i = 0; i < build->labels->bounds.count; i++) {
        const struct bound *bound = &build->labels->bounds.items[i];
        const struct binding binding = {bound->constant,    bound->axis,   bound->rows_from, bound->rows_to,
                                        bound->role,        bound->reader, bound->input,     spaces_channels(build, bound->label),
                                        bound->label->count};
        array_push(build->arena, &build->spaces->bindings, binding);
    }
}

typedef ARRAY(struct space_axis) spaces_axis_list;

/* How often each channel of each space stands in a label. */
struct spaces_share {
    uint32_t space;
    struct space_axis of;
    struct spaces_share *next;
};

static struct spaces_share *spaces_shares(struct spaces_build *build, const struct label *label, uint32_t *scratch) {
    struct spaces_share *shares = NULL;
    for (uint32_t i = 0; i < label->count; i++) {
        const uint32_t s = spaces_of_atom(build, label->atoms[i]);
        if (s == CHANNEL_NONE || scratch[s] == label->number + 1) continue;
        scratch[s] = label->number + 1;
        struct spaces_share *share = ARENA_NEW(build->arena, struct spaces_share);
        uint32_t *counts = ARENA_ARRAY(build->arena, uint32_t, build->spaces->items.items[s].size);
        bool same = true;
        for (uint32_t k = i; k < label->count; k++)
            if (spaces_of_atom(build, label->atoms[k]) == s) counts[build->channel_of[labels_root(build->labels, label->atoms[k])]]++;
        for (uint32_t c = 1; c < build->spaces->items.items[s].size; c++) same = same && counts[c] == counts[0];
        *share = (struct spaces_share){s, {0, counts[0], same ? NULL : counts}, shares};
        shares = share;
    }
    return shares;
}

static void spaces_add_axis(struct spaces_build *build, spaces_axis_list *lists, value_id value, uint32_t axis,
                            const struct spaces_share *shares) {
    const struct label *label = build->labels->of_value[value.at][axis];
    const uint32_t at = build->spaces->axes.count;
    const struct labelled_axis labelled = {value, axis, spaces_channels(build, label), label->count};
    array_push(build->arena, &build->spaces->axes, labelled);
    for (; shares; shares = shares->next) {
        struct space_axis entry = shares->of;
        entry.axis = at;
        array_push(build->arena, &lists[shares->space], entry);
    }
}

static void spaces_add_axes(struct spaces_build *build, uint32_t *axis_of) {
    struct labels *labels = build->labels;
    spaces_axis_list *lists = arena_alloc_array(build->arena, build->spaces->items.count, sizeof *lists);
    uint32_t *scratch = ARENA_ARRAY(build->arena, uint32_t, build->spaces->items.count);
    struct spaces_share **shares = arena_alloc_array(build->arena, labels->all.count, sizeof *shares); /* by label: values share them */
    for (uint32_t value = 1; value < build->graph->values.count; value++)
        for (uint32_t axis = 0; axis < SHAPE_MAX_RANK; axis++) {
            const struct label *label = labels->of_value[value][axis];
            axis_of[value * SHAPE_MAX_RANK + axis] = CHANNEL_NONE;
            if (!label) continue;
            axis_of[value * SHAPE_MAX_RANK + axis] = build->spaces->axes.count;
            if (!shares[label->number]) shares[label->number] = spaces_shares(build, label, scratch);
            spaces_add_axis(build, lists, (value_id){value}, axis, shares[label->number]);
        }
    for (uint32_t s = 0; s < build->spaces->items.count; s++) {
        build->spaces->items.items[s].axes = lists[s].items;
        build->spaces->items.items[s].axis_count = lists[s].count;
    }
}

status spaces_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, const struct options *options,
                   struct spaces **out, struct diag *diag) {
    struct spaces *spaces = ARENA_NEW(arena, struct spaces);
    struct spaces_build build = {.arena = arena, .graph = graph, .options = options, .spaces = spaces};
    const status result = labels_find(arena, graph, shapes, options, &build.labels, diag);
    if (result != STATUS_OK) return result;
    build.space_of = ARENA_ARRAY(arena, uint32_t, build.labels->parent.count);
    build.channel_of = ARENA_ARRAY(arena, uint32_t, build.labels->parent.count);
    build.channels = arena_alloc_array(arena, build.labels->all.count, sizeof *build.channels);
    spaces_weigh(&build);
    spaces_group(&build);
    spaces_add_members(&build);
    cells_find(arena, build.labels, spaces, build.space_of, build.channel_of);
    spaces_name(&build);
    uint32_t *axis_of = ARENA_ARRAY(arena, uint32_t, graph->values.count * SHAPE_MAX_RANK);
    spaces_add_bindings(&build);
    spaces_add_axes(&build, axis_of);
    for (uint32_t i = 0; i < build.labels->fixups.count; i++) spaces_channels(&build, build.labels->fixups.items[i].label);
    spaces->private_ = ARENA_NEW(arena, struct spaces_private);
    *spaces->private_ = (struct spaces_private){build.labels, build.channels, axis_of};
    *out = spaces;
    return STATUS_OK;
}

uint32_t spaces_axis_of(const struct spaces *spaces, value_id value, uint32_t axis) {
    return axis < SHAPE_MAX_RANK ? spaces->private_->axis_of[value.at * SHAPE_MAX_RANK + axis] : CHANNEL_NONE;
}

/* ---- which channels go ---- */

void removal_init(struct arena *arena, const struct spaces *spaces, struct removal *removal) {
    removal->removed = arena_alloc_array(arena, spaces->items.count, sizeof *removal->removed);
    removal->counts = ARENA_ARRAY(arena, uint32_t, spaces->items.count);
    for (uint32_t s = 0; s < spaces->items.count; s++) removal->removed[s] = ARENA_ARRAY(arena, bool, spaces->items.items[s].size);
}

static status removal_check_space(const struct space *space, const bool *removed, uint32_t count, struct diag *diag) {
    if (count && space->fixed) return diag_fail(diag, STATUS_USAGE, "space '%s' cannot be pruned: %s", space->id, space->fixed);
    if (count >= space->size)
        return diag_fail(diag, STATUS_USAGE, "space '%s': all %u channels are removed, at least one must stay", space->id, space->size);
    for (uint32_t cell = 0; space->cell_count > 1 && cell < space->cell_count; cell++) {
        uint32_t gone = 0;
        for (uint32_t i = 0; i < space->cell_size; i++) gone += removed[space->cells[cell][i]];
        if (gone * space->cell_count != count)
            return diag_fail(diag, STATUS_USAGE,
                             "space '%s': %u of %u removed channels lie in group %u of %u, every group must lose equally many", space->id,
                             gone, count, cell, space->cell_count);
    }
    return STATUS_OK;
}

status removal_check(const struct graph *graph, const struct spaces *spaces, const struct removal *removal, struct diag *diag) {
    bool some = false;
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        const status result = removal_check_space(&spaces->items.items[s], removal->removed[s], removal->counts[s], diag);
        if (result != STATUS_OK) return result;
        some = some || removal->counts[s];
    }
    for (uint32_t i = 0; some && i < spaces->axes.count; i++) {
        const struct labelled_axis *axis = &spaces->axes.items[i];
        bool stays = false;
        for (uint32_t k = 0; k < axis->channel_count && !stays; k++) stays = !removal_has(removal, axis->channels[k]);
        if (!stays)
            return diag_fail(diag, STATUS_USAGE, "axis %u of '%s' loses all of its %u channels, at least one must stay", axis->axis,
                             graph_value(graph, axis->value)->name, axis->channel_count);
    }
    return STATUS_OK;
}
