/* A text that grows, and how JSON's strings and numbers look in it. Grows in a scratch arena; text_finish copies it out whole. */
#ifndef SS_REPORT_TEXT_H
#define SS_REPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct text {
    struct arena *scratch;
    char *bytes;
    size_t count, capacity;
};

void text_begin(struct text *text, struct arena *arena);
/* NUL-terminated, in the arena; the scratch goes. */
char *text_finish(struct text *text, struct arena *arena);

void text_add(struct text *text, const char *plain);
void text_add_bytes(struct text *text, const char *bytes, size_t count);
void text_add_int(struct text *text, int64_t number);
/* The fewest digits that read back as the same number, with a point in every locale; null for what JSON cannot say. */
void text_add_double(struct text *text, double number);
/* In quotes, escaped; bytes that are not UTF-8 become U+FFFD. */
void text_add_quoted(struct text *text, const char *plain);
/* `"key": `, after ", " where something of the object stands already (*first says whether not, and turns false). */
void text_add_key(struct text *text, bool *first, const char *key);
void text_add_comma(struct text *text, bool *first);

/* Bytes of the UTF-8 sequence that starts here; 0 where none does. */
size_t text_utf8_length(const char *at);

#endif
