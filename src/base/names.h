/* Interned strings and a map from them to small numbers.
 *
 * Two names with the same bytes are the same pointer, so names compare with ==. Names are NUL-terminated, hold no NUL, and live as
 * long as the arena. The empty name is a valid name. */
#ifndef SS_BASE_NAMES_H
#define SS_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct names;

struct names *names_new(struct arena *arena);
const char *names_intern(struct names *names, const char *text);
const char *names_intern_bytes(struct names *names, const char *text, size_t length);

/* NULL where nobody interned that text. */
const char *names_find(const struct names *names, const char *text);

/* text -> number. The number 0 means absent. */
struct name_map;

struct name_map *name_map_new(struct arena *arena);
uint32_t name_map_get(const struct name_map *map, const char *text);
void name_map_set(struct name_map *map, const char *text, uint32_t number); /* keeps the pointer, not the bytes */

#endif
