#include "passes/fingerprint.h"

#include <inttypes.h>
#include <string.h>

/* FNV-1a, 64 bits: Fowler, Noll, Vo. */
static void fingerprint_add(uint64_t *hash, const void *bytes, size_t count) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) *hash = (*hash ^ at[i]) * 1099511628211u;
}

static void fingerprint_text(uint64_t *hash, const char *text) { fingerprint_add(hash, text, strlen(text) + 1); }

/* Little-endian on every machine. */
static void fingerprint_number(uint64_t *hash, int64_t number) {
    unsigned char bytes[8];
    for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)number >> 8 * i);
    fingerprint_add(hash, bytes, sizeof bytes);
}

static void fingerprint_value(uint64_t *hash, const struct graph *graph, const struct shapes *shapes, value_id value) {
    const struct shape *shape = shapes_of(shapes, value);
    fingerprint_text(hash, value.at ? graph_value(graph, value)->name : "");
    fingerprint_number(hash, shape->type);
    fingerprint_number(hash, shape->known ? (int64_t)shape->rank : -1);
    for (uint32_t i = 0; shape->known && i < shape->rank; i++) fingerprint_number(hash, shape->dims[i]);
}

static void fingerprint_attribute(uint64_t *hash, const struct attribute *attribute) {
    fingerprint_text(hash, attribute->name);
    fingerprint_number(hash, attribute->type);
    fingerprint_number(hash, attribute->i);
    fingerprint_add(hash, &attribute->f, sizeof attribute->f);
    if (attribute->s) fingerprint_add(hash, attribute->s, attribute->s_length);
    for (uint32_t i = 0; attribute->ints && i < attribute->count; i++) fingerprint_number(hash, attribute->ints[i]);
}

const char *fingerprint_of_graph(struct arena *arena, const struct graph *graph, const struct shapes *shapes) {
    uint64_t hash = 14695981039346656037u;
    for (uint32_t i = 0; i < graph->order.count; i++) {
        const struct node *node = graph_node(graph, graph->order.items[i]);
        fingerprint_text(&hash, node->name);
        fingerprint_text(&hash, node->domain);
        fingerprint_text(&hash, node->op_type);
        for (uint32_t k = 0; k < node->attributes.count; k++) fingerprint_attribute(&hash, &node->attributes.items[k]);
        for (uint32_t k = 0; k < node->input_count; k++) fingerprint_value(&hash, graph, shapes, node->inputs[k]);
        for (uint32_t k = 0; k < node->output_count; k++) fingerprint_value(&hash, graph, shapes, node->outputs[k]);
    }
    return arena_print(arena, "%016" PRIx64, hash);
}
