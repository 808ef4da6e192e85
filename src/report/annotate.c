#include "report/annotate.h"

#include <string.h>

#include "ir/edit.h"
#include "report/fields.h"
#include "report/json.h"
#include "version.h"

#define ANNOTATE_PREFIX "superslash."

/* What the properties of each node, and of the model at [0], are to be. */
struct annotations {
    struct arena *arena;
    property_array *wanted;
    uint32_t count;
};

static void annotations_add(struct annotations *annotations, node_id node, const char *key, const char *value) {
    if (!value || node.at >= annotations->count) return;
    const struct property property = {arena_print(annotations->arena, ANNOTATE_PREFIX "%s", key), value};
    property_array *wanted = &annotations->wanted[node.at];
    for (uint32_t i = 0; i < wanted->count; i++) {
        if (strcmp(wanted->items[i].key, property.key) != 0) continue;
        wanted->items[i] = property;
        return;
    }
    array_push(annotations->arena, wanted, property);
}

/* ---- the model's ---- */

static const char *note_version(struct arena *arena, const struct record *record) {
    (void)arena;
    (void)record;
    return SUPERSLASH_VERSION_TEXT;
}

static const char *note_target(struct arena *arena, const struct record *record) {
    return record->target ? json_target(arena, record->target) : NULL;
}

static const char *note_totals(struct arena *arena, const struct record *record) { return json_totals(arena, &record->totals); }
static const char *note_schedule(struct arena *arena, const struct record *record) { return json_schedule(arena, record); }

static const char *note_plan(struct arena *arena, const struct record *record) {
    (void)arena;
    return record->plan;
}

static const char *note_fingerprint(struct arena *arena, const struct record *record) {
    (void)arena;
    return record->fingerprint;
}

/* A layer's mapping stands on its node. */
static const char *note_group(struct arena *arena, const struct record_group *group) {
    return group->tile ? json_group(arena, group) : NULL;
}

static void annotations_of_model(struct annotations *annotations, const struct record *record) {
#define NOTE(key, maker, meaning) annotations_add(annotations, NODE_NONE, key, maker(annotations->arena, record));
#include "report/record.def"
}

/* ---- the nodes' ---- */

/* A word stands as it is, everything else as in the JSON. */
static const char *annotations_value(struct arena *arena, const struct record_field *field, const void *base) {
    struct text text;
    if (field->kind == KIND_TEXT) {
        const char *word;
        memcpy(&word, (const char *)base + field->offset, sizeof word);
        return word;
    }
    text_begin(&text, arena);
    field_add_value(&text, field, base);
    return text_finish(&text, arena);
}

static void annotations_of_section(struct annotations *annotations, node_id node, enum record_section section, const void *base,
                                   bool is_feasible) {
    if (!node.at) return;
    for (uint32_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        if (field->section != section || !field->annotation[0] || !field_is_present(field, base, is_feasible)) continue;
        annotations_add(annotations, node, field->annotation, annotations_value(annotations->arena, field, base));
    }
}

static void annotations_of_group(struct annotations *annotations, node_id node, const struct record_group *group) {
    if (!node.at) return;
    annotations_of_section(annotations, node, SECTION_schedule, group, true);
#define GROUP_NOTE(key, maker, meaning) annotations_add(annotations, node, key, maker(annotations->arena, group));
#include "report/record.def"
}

static void annotations_of_nodes(struct annotations *annotations, const struct record *record) {
    for (uint32_t i = 0; i < record->group_count; i++) {
        const struct record_group *group = &record->groups[i];
        for (uint32_t k = 0; group->node_ids && k < group->node_count; k++) annotations_of_group(annotations, group->node_ids[k], group);
    }
    for (uint32_t i = 0; i < record->layer_count; i++) {
        const struct record_layer *layer = &record->layers[i];
        annotations_of_section(annotations, layer->node, SECTION_layer, layer, !layer->infeasible);
    }
}

/* ---- into the graph ---- */

static bool annotate_is_ours(const struct property *property) {
    return strncmp(property->key, ANNOTATE_PREFIX, strlen(ANNOTATE_PREFIX)) == 0;
}

/* Ours are there already, in this order and no others. */
static bool annotate_is_same(const property_array *present, const property_array *wanted) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < present->count; i++) {
        const struct property *property = &present->items[i];
        if (!annotate_is_ours(property)) continue;
        if (at == wanted->count) return false;
        const struct property *next = &wanted->items[at++];
        if (strcmp(property->key, next->key) != 0 || strcmp(property->value, next->value) != 0) return false;
    }
    return at == wanted->count;
}

static void annotate_replace(struct graph *graph, node_id node, const property_array *present, const property_array *wanted) {
    if (annotate_is_same(present, wanted)) return;
    edit_drop_properties(graph, node, ANNOTATE_PREFIX);
    for (uint32_t i = 0; i < wanted->count; i++) edit_set_property(graph, node, wanted->items[i].key, wanted->items[i].value);
}

static void annotate_all(struct graph *graph, const struct annotations *annotations) {
    annotate_replace(graph, NODE_NONE, &graph->properties, &annotations->wanted[0]);
    for (uint32_t at = 1; at < annotations->count; at++) {
        const struct node *node = graph->nodes.items[at];
        if (!node->removed) annotate_replace(graph, (node_id){at}, &node->properties, &annotations->wanted[at]);
    }
}

static void annotate_with(struct graph *graph, const struct record *record) {
    struct arena *scratch = arena_new(arena_heap(graph->arena));
    struct annotations annotations = {scratch, NULL, graph->nodes.count ? graph->nodes.count : 1};
    annotations.wanted = ARENA_ARRAY(scratch, property_array, annotations.count);
    if (record) {
        annotations_of_model(&annotations, record);
        annotations_of_nodes(&annotations, record);
    }
    annotate_all(graph, &annotations);
    arena_free(scratch);
}

void annotate_graph(struct graph *graph, const struct record *record) { annotate_with(graph, record); }
void annotate_strip(struct graph *graph) { annotate_with(graph, NULL); }
