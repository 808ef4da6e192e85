#include "report/parse.h"

#include <inttypes.h>
#include <string.h>

static const char *parse_kind(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

const char *parse_path(const struct parse *parse, const char *key) {
    return parse->place ? arena_print(parse->arena, "%s.%s", parse->place, key) : key;
}

status parse_wrong_type(const struct parse *parse, const char *path, const json_t *value, const char *wanted) {
    if (!value) return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is missing", parse->what, path);
    return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is %s, expected %s", parse->what, path, parse_kind(value), wanted);
}

status parse_keys(const struct parse *parse, json_t *object, const char *const *known) {
    const char *key;
    json_t *value;
    if (!json_is_object(object)) return parse_wrong_type(parse, parse->place ? parse->place : "the whole", object, "an object");
    json_object_foreach(object, key, value) {
        const char *const *at = known;
        while (*at && strcmp(*at, key) != 0) at++;
        if (!*at)
            return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is not a key of a %s", parse->what, parse_path(parse, key), parse->what);
    }
    return STATUS_OK;
}

status parse_string(const struct parse *parse, const json_t *object, const char *key, const char **text) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return parse_wrong_type(parse, parse_path(parse, key), value, "a string");
    if (!json_string_length(value)) return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is empty", parse->what, parse_path(parse, key));
    *text = arena_copy_text(parse->arena, json_string_value(value));
    return STATUS_OK;
}

status parse_word(const struct parse *parse, const json_t *object, const char *key, const char *const *words, int *at) {
    const char *word;
    const status result = parse_string(parse, object, key, &word);
    if (result) return result;
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *at = i;
        return STATUS_OK;
    }
    return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is '%s', which is not known", parse->what, parse_path(parse, key), word);
}

status parse_number_at(const struct parse *parse, const char *path, const json_t *value, int64_t from, int64_t to, int64_t *number) {
    if (!json_is_integer(value)) return parse_wrong_type(parse, path, value, "an integer");
    const int64_t read = json_integer_value(value);
    if (read < from || read > to)
        return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is %" PRId64 ", expected %" PRId64 " to %" PRId64, parse->what, path, read,
                         from, to);
    *number = read;
    return STATUS_OK;
}

status parse_number(const struct parse *parse, const json_t *object, const char *key, int64_t from, int64_t to, int64_t *number) {
    return parse_number_at(parse, parse_path(parse, key), json_object_get(object, key), from, to, number);
}

status parse_array(const struct parse *parse, const json_t *object, const char *key, json_t **array) {
    json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) return parse_wrong_type(parse, parse_path(parse, key), value, "an array");
    *array = value;
    return STATUS_OK;
}

status parse_version(const struct parse *parse, const json_t *root, const char *version_key) {
    int64_t version = 0;
    const status result = parse_number(parse, root, version_key, 1, INT64_MAX, &version);
    if (result || version == 1) return result;
    return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is %" PRId64 ", this version reads 1", parse->what, version_key, version);
}

/* Jansson's tree ends with the arena it is tied to, whichever way that one goes. */
struct parse_tree {
    json_t *root;
};

static void parse_free_tree(void *argument) { json_decref(((struct parse_tree *)argument)->root); }

status parse_text(struct parse *parse, struct arena *scratch, const char *text, size_t length, json_t **root) {
    struct parse_tree *tree = ARENA_NEW(scratch, struct parse_tree);
    json_error_t error;
    arena_defer(scratch, parse_free_tree, tree);
    tree->root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!tree->root)
        return diag_fail(parse->diag, STATUS_USAGE, "%s: line %d, column %d: %s", parse->what, error.line, error.column, error.text);
    *root = tree->root;
    return STATUS_OK;
}
