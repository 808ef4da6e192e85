#include "report/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_FIRST_BYTES = 1024, TEXT_NUMBER_BYTES = 40 };

void text_begin(struct text *text, struct arena *arena) {
    struct arena *scratch = arena_new(arena_heap(arena));
    *text = (struct text){.scratch = scratch, .bytes = arena_alloc(scratch, TEXT_FIRST_BYTES), .capacity = TEXT_FIRST_BYTES};
}

char *text_finish(struct text *text, struct arena *arena) {
    text->bytes[text->count] = '\0';
    char *whole = arena_copy(arena, text->bytes, text->count + 1);
    arena_free(text->scratch);
    *text = (struct text){0};
    return whole;
}

/* The old block goes as soon as its bytes are copied: each block has a scratch arena of its own. */
static void text_room(struct text *text, size_t more) {
    if (more < text->capacity - text->count) return;
    struct arena *wider = arena_new(arena_heap(text->scratch));
    size_t capacity = text->capacity;
    while (capacity - text->count <= more) {
        if (capacity > SIZE_MAX / 2) heap_fail(arena_heap(wider), more);
        capacity *= 2;
    }
    char *bytes = arena_alloc(wider, capacity);
    memcpy(bytes, text->bytes, text->count);
    arena_free(text->scratch);
    *text = (struct text){wider, bytes, text->count, capacity};
}

void text_add_bytes(struct text *text, const char *bytes, size_t count) {
    if (!count) return;
    text_room(text, count);
    memcpy(text->bytes + text->count, bytes, count);
    text->count += count;
}

void text_add(struct text *text, const char *plain) { text_add_bytes(text, plain, strlen(plain)); }

void text_add_int(struct text *text, int64_t number) {
    char digits[TEXT_NUMBER_BYTES];
    snprintf(digits, sizeof digits, "%" PRId64, number);
    text_add(text, digits);
}

/* A locale's decimal point, one byte or several, becomes '.'. */
static void text_plain_point(char *digits) {
    char *from = digits, *to = digits;
    while (*from) {
        if (strchr("0123456789+-e", *from)) {
            *to++ = *from++;
            continue;
        }
        *to++ = '.';
        while (*from && !strchr("0123456789+-e", *from)) from++;
    }
    *to = '\0';
}

void text_add_double(struct text *text, double number) {
    if (!isfinite(number)) {
        text_add(text, "null");
        return;
    }
    char digits[TEXT_NUMBER_BYTES];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        const double back = strtod(digits, NULL);
        if (back >= number && back <= number) break;
    }
    text_plain_point(digits);
    text_add(text, digits);
}

static bool text_continues(const char *at, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (((unsigned char)at[i] & 0xC0) != 0x80) return false;
    return true;
}

size_t text_utf8_length(const char *at) {
    const unsigned char lead = (unsigned char)at[0];
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return text_continues(at, 2) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (!text_continues(at, 3)) return 0;
        const unsigned char second = (unsigned char)at[1];
        const bool is_overlong = lead == 0xE0 && second < 0xA0, is_surrogate = lead == 0xED && second > 0x9F;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (!text_continues(at, 4)) return 0;
        const unsigned char second = (unsigned char)at[1];
        return (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F) ? 0 : 4;
    }
    return 0;
}

static void text_add_control(struct text *text, unsigned char byte) {
    char escaped[8];
    snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)byte);
    text_add(text, byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : escaped);
}

void text_add_quoted(struct text *text, const char *plain) {
    text_add(text, "\"");
    for (const char *at = plain; *at;) {
        const size_t length = text_utf8_length(at);
        if (!length) text_add(text, "\xEF\xBF\xBD");
        else if ((unsigned char)*at < 0x20) text_add_control(text, (unsigned char)*at);
        else {
            if (*at == '"' || *at == '\\') text_add(text, "\\");
            text_add_bytes(text, at, length);
        }
        at += length ? length : 1;
    }
    text_add(text, "\"");
}

void text_add_comma(struct text *text, bool *first) {
    if (!*first) text_add(text, ", ");
    *first = false;
}

void text_add_key(struct text *text, bool *first, const char *key) {
    text_add_comma(text, first);
    text_add_quoted(text, key);
    text_add(text, ": ");
}
