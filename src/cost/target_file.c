/* A target from YAML: a mapping of scalars and of sections that are mappings of scalars. Whatever is not known is an error with its line.
 */
#include <string.h>
#include <yaml.h>

#include "base/nearest.h"
#include "cost/target_entry.h"

enum { TARGET_FILE_LIMIT_BYTES = 1 << 20 };

struct target_file {
    struct arena *arena;
    struct diag *diag;
    const char *path;
    yaml_document_t *document;
    struct target target;
};

static status file_fail(const struct target_file *file, const yaml_node_t *at, const char *format, ...) DIAG_PRINTF(3, 4);
static status file_fail(const struct target_file *file, const yaml_node_t *at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const status result = diag_fail_list(file->diag, STATUS_USAGE, format, arguments);
    va_end(arguments);
    diag_prefix(file->diag, arena_print(file->arena, "%s:%zu", file->path, at->start_mark.line + 1));
    return result;
}

static yaml_node_t *file_node(const struct target_file *file, int index) { return yaml_document_get_node(file->document, index); }

/* The text of a scalar; NULL where the node is none, or holds a NUL. */
static const char *scalar_text(const yaml_node_t *node) {
    if (node->type != YAML_SCALAR_NODE) return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

static const char *path_of(const struct target_file *file, const char *section, const char *key) {
    return *section ? arena_print(file->arena, "%s.%s", section, key) : key;
}

/* ---- which keys there are ---- */

/* The sections, and the keys that no scalar entry of target_entries says. */
static const char *const sections[] = {"on_chip", "bits", "off_chip", "compute"};
enum { SECTION_COUNT = 4 };

static bool is_section(const char *key) {
    for (uint32_t at = 0; at < SECTION_COUNT; at++)
        if (strcmp(sections[at], key) == 0) return true;
    return false;
}

static const struct target_entry *entry_find(const char *section, const char *key) {
    for (uint32_t at = 0; at < target_entry_count; at++) {
        const struct target_entry *entry = &target_entries[at];
        if (entry->key && strcmp(entry->section, section) == 0 && strcmp(entry->key, key) == 0) return entry;
    }
    return NULL;
}

static int partition_find(const char *section, const char *key) {
    if (strcmp(section, "on_chip") != 0) return -1;
    for (int at = 0; at < OPERAND_COUNT; at++)
        if (strcmp(target_operand_names[at], key) == 0) return at;
    return -1;
}

/* Every key of a section in turn; NULL at the end. */
static const char *known_key(const char *section, uint32_t at) {
    for (uint32_t entry = 0; entry < target_entry_count; entry++)
        if (target_entries[entry].key && strcmp(target_entries[entry].section, section) == 0 && at-- == 0) return target_entries[entry].key;
    if (!*section) return at < SECTION_COUNT ? sections[at] : NULL;
    return strcmp(section, "on_chip") == 0 && at < OPERAND_COUNT ? target_operand_names[at] : NULL;
}

static status unknown_key(const struct target_file *file, const yaml_node_t *at, const char *section, const char *key) {
    struct nearest nearest = {.text = key};
    const char *list = "", *known;
    char hint[96];
    for (uint32_t index = 0; (known = known_key(section, index)); index++) {
        nearest_offer(&nearest, known);
        list = arena_print(file->arena, "%s%s%s", list, index ? ", " : "", known);
    }
    return file_fail(file, at, "unknown key '%s'%s (allowed here: %s)", path_of(file, section, key), nearest_hint(&nearest, "", hint),
                     list);
}

/* ---- values ---- */

static struct target_place place_of(const struct target_file *file, const yaml_node_t *at, const char *path) {
    return (struct target_place){arena_print(file->arena, "%s:%zu: %s", file->path, at->start_mark.line + 1, path), file->arena,
                                 file->diag};
}

/* [input, weight] as "input,weight"; NULL where an item is no scalar. */
static const char *joined(const struct target_file *file, const yaml_node_t *sequence) {
    const char *list = NULL;
    for (const yaml_node_item_t *item = sequence->data.sequence.items.start; item < sequence->data.sequence.items.top; item++) {
        const char *text = scalar_text(file_node(file, *item));
        if (!text) return NULL;
        list = list ? arena_print(file->arena, "%s,%s", list, text) : text;
    }
    return list ? list : "none";
}

static status set_scalar(struct target_file *file, const char *section, const char *key, const yaml_node_t *value) {
    const char *path = path_of(file, section, key);
    const struct target_entry *entry = entry_find(section, key);
    const bool is_list = strcmp(key, "double_buffer") == 0 && value->type == YAML_SEQUENCE_NODE;
    const char *text = is_list ? joined(file, value) : scalar_text(value);
    if (!text) return file_fail(file, value, "%s: a plain value is expected", path);
    const struct target_place place = place_of(file, value, path);
    const int partition = partition_find(section, key);
    if (partition < 0) return entry->set(&file->target, &place, text);
    file->target.is_split = true;
    return target_set_partition(&file->target, (enum operand)partition, &place, text);
}

/* ---- sections ---- */

static bool has_key(const struct target_file *file, const yaml_node_t *mapping, const char *key) {
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
        const char *name = scalar_text(file_node(file, pair->key));
        if (name && strcmp(name, key) == 0) return true;
    }
    return false;
}

/* A key of a mapping that is a scalar, known, and stands there once. */
static status check_key(const struct target_file *file, const yaml_node_t *mapping, const yaml_node_pair_t *pair, const char *section) {
    const yaml_node_t *key = file_node(file, pair->key);
    const char *name = scalar_text(key);
    if (!name) return file_fail(file, key, "a key is not a plain name");
    if (!entry_find(section, name) && partition_find(section, name) < 0 && (*section || !is_section(name)))
        return unknown_key(file, key, section, name);
    for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
        const yaml_node_t *before = file_node(file, other->key);
        if (strcmp(scalar_text(before), name) == 0)
            return file_fail(file, key, "key '%s' stands here again, first in line %zu", path_of(file, section, name),
                             before->start_mark.line + 1);
    }
    return STATUS_OK;
}

static status check_on_chip(const struct target_file *file, const yaml_node_t *mapping) {
    const bool whole = has_key(file, mapping, "capacity");
    uint32_t parts = 0;
    for (uint32_t at = 0; at < OPERAND_COUNT; at++) parts += has_key(file, mapping, target_operand_names[at]);
    if (whole && parts)
        return file_fail(file, mapping, "on_chip: capacity and input, weight, output contradict each other: give one or the other");
    if (!whole && parts > 0 && parts < OPERAND_COUNT)
        return file_fail(file, mapping, "on_chip: a split memory needs all of input, weight, output");
    if (!whole && !parts) return file_fail(file, mapping, "on_chip: give capacity, or input, weight and output");
    return STATUS_OK;
}

static status check_section(const struct target_file *file, const yaml_node_t *mapping, const char *section) {
    if (strcmp(section, "on_chip") == 0) return check_on_chip(file, mapping);
    if (strcmp(section, "compute") == 0 && !(has_key(file, mapping, "macs_per_cycle") && has_key(file, mapping, "clock")))
        return file_fail(file, mapping, "compute: both macs_per_cycle and clock are needed");
    return STATUS_OK;
}

static status read_section(struct target_file *file, const yaml_node_t *mapping, const char *section) {
    const char *text = scalar_text(mapping);
    if (text && strcmp(section, "bits") == 0 && strcmp(text, "model") == 0) {
        file->target.bits_of_model = true;
        return STATUS_OK;
    }
    if (mapping->type != YAML_MAPPING_NODE) {
        const char *or_model = strcmp(section, "bits") == 0 ? ", or model" : "";
        return file_fail(file, mapping, "%s: a mapping like {%s: ...} is expected%s", section, known_key(section, 0), or_model);
    }
    status result = STATUS_OK;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; result == STATUS_OK && pair < mapping->data.mapping.pairs.top;
         pair++) {
        result = check_key(file, mapping, pair, section);
        if (result == STATUS_OK) result = set_scalar(file, section, scalar_text(file_node(file, pair->key)), file_node(file, pair->value));
    }
    return result == STATUS_OK ? check_section(file, mapping, section) : result;
}

static status read_root(struct target_file *file, const yaml_node_t *root) {
    if (root->type != YAML_MAPPING_NODE) return file_fail(file, root, "a mapping like {name: ..., on_chip: ...} is expected");
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        status result = check_key(file, root, pair, "");
        if (result != STATUS_OK) return result;
        const char *key = scalar_text(file_node(file, pair->key));
        const yaml_node_t *value = file_node(file, pair->value);
        result = is_section(key) ? read_section(file, value, key) : set_scalar(file, "", key, value);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

/* ---- libyaml ---- */

struct yaml_objects {
    yaml_parser_t parser;
    yaml_document_t document;
    bool has_parser, has_document;
};

static void yaml_objects_delete(void *argument) {
    struct yaml_objects *yaml = argument;
    if (yaml->has_document) yaml_document_delete(&yaml->document);
    if (yaml->has_parser) yaml_parser_delete(&yaml->parser);
}

static status syntax_fail(const struct target_file *file, const yaml_parser_t *parser) {
    return diag_fail(file->diag, STATUS_USAGE, "%s:%zu: not YAML: %s", file->path, parser->problem_mark.line + 1,
                     parser->problem ? parser->problem : "no memory");
}

static status load_document(struct target_file *file, struct yaml_objects *yaml) {
    if (!yaml_parser_load(&yaml->parser, &yaml->document)) return syntax_fail(file, &yaml->parser);
    yaml->has_document = true;
    file->document = &yaml->document;
    if (!yaml_document_get_root_node(&yaml->document))
        return diag_fail(file->diag, STATUS_USAGE, "%s: is empty, a target was expected", file->path);
    yaml_document_t next;
    if (!yaml_parser_load(&yaml->parser, &next)) return syntax_fail(file, &yaml->parser);
    const yaml_node_t *second = yaml_document_get_root_node(&next);
    const size_t line = second ? second->start_mark.line + 1 : 0;
    yaml_document_delete(&next);
    if (!line) return STATUS_OK;
    return diag_fail(file->diag, STATUS_USAGE, "%s:%zu: a second document: a file holds one target", file->path, line);
}

static void target_defaults(struct target *target, const char *name) {
    *target = (struct target){.name = name,
                              .activation_bits = 8,
                              .weight_bits = 8,
                              .partial_sum_bits = 32,
                              .halo_reuse = true,
                              .cost_model = COST_EXACT,
                              .batch = 1,
                              .channel_multiple = 1};
}

status target_parse(struct arena *arena, const char *path, const char *text, size_t length, const char *name, struct target *target,
                    struct diag *diag) {
    if (length > TARGET_FILE_LIMIT_BYTES)
        return diag_fail(diag, STATUS_USAGE, "%s: %zu B are too long for a target, at most %d B", path, length, TARGET_FILE_LIMIT_BYTES);
    struct target_file file = {.arena = arena, .diag = diag, .path = path};
    target_defaults(&file.target, name);
    struct yaml_objects *yaml = ARENA_NEW(arena, struct yaml_objects);
    if (!yaml_parser_initialize(&yaml->parser)) return diag_fail(diag, STATUS_LIMIT, "%s: out of memory", path);
    yaml->has_parser = true;
    arena_defer(arena, yaml_objects_delete, yaml);
    yaml_parser_set_input_string(&yaml->parser, (const unsigned char *)text, length);
    status result = load_document(&file, yaml);
    if (result == STATUS_OK) result = read_root(&file, yaml_document_get_root_node(file.document));
    if (result == STATUS_OK) *target = file.target;
    return result;
}
