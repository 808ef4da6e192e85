/* Strict reading of JSON: every key is known, every number in range, and a message names the text and the place in it. */
#ifndef SS_REPORT_PARSE_H
#define SS_REPORT_PARSE_H

#include <jansson.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"

struct parse {
    struct arena *arena; /* of what is read */
    struct diag *diag;
    const char *what;  /* "plan" */
    const char *place; /* the object being read: "spaces[3]"; NULL = the whole */
};

/* The root, which lives until the scratch arena goes. STATUS_USAGE with line and column where the text is no JSON. */
status parse_text(struct parse *parse, struct arena *scratch, const char *text, size_t length, json_t **root);

/* "spaces[3].size", or "size" at the top. */
const char *parse_path(const struct parse *parse, const char *key);

/* "plan: size is missing", "plan: size is a string, expected an integer" */
status parse_wrong_type(const struct parse *parse, const char *path, const json_t *value, const char *wanted);

/* An object, with none but these keys; NULL ends the list. */
status parse_keys(const struct parse *parse, json_t *object, const char *const *known);

/* "version_key": 1 */
status parse_version(const struct parse *parse, const json_t *root, const char *version_key);

/* Members of the object. A text is not empty, and copied. */
status parse_string(const struct parse *parse, const json_t *object, const char *key, const char **text);
/* One of the words, of which NULL ends the list; its place among them. */
status parse_word(const struct parse *parse, const json_t *object, const char *key, const char *const *words, int *at);
status parse_number(const struct parse *parse, const json_t *object, const char *key, int64_t from, int64_t to, int64_t *number);
status parse_array(const struct parse *parse, const json_t *object, const char *key, json_t **array);

/* A value that stands at `path`. */
status parse_number_at(const struct parse *parse, const char *path, const json_t *value, int64_t from, int64_t to, int64_t *number);

#endif
