#include "base/nearest.h"

#include <stdio.h>
#include <string.h>

enum { NEAREST_MAX_LENGTH = 40 };

static unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

/* Optimal string alignment over three rows. Both lengths are at most NEAREST_MAX_LENGTH. */
static unsigned nearest_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    unsigned rows[3][NEAREST_MAX_LENGTH + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_length; j++) last[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = smaller(last[j - 1] + (a[i - 1] != b[j - 1]), smaller(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = smaller(now[j], before[j - 2] + 1);
        }
        unsigned *const free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_length];
}

void nearest_offer(struct nearest *nearest, const char *name) {
    const size_t length = strlen(nearest->text), name_length = strlen(name);
    if (length > NEAREST_MAX_LENGTH || name_length > NEAREST_MAX_LENGTH) return;
    const unsigned distance = nearest_distance(nearest->text, length, name, name_length);
    const unsigned allowed = length < 3 ? 1 : (unsigned)(length + 2) / 3;
    if (distance > allowed || distance >= length || (nearest->best && distance >= nearest->distance)) return;
    nearest->best = name;
    nearest->distance = distance;
}

const char *nearest_hint(const struct nearest *nearest, const char *prefix, char text[96]) {
    text[0] = '\0';
    if (nearest->best) snprintf(text, 96, ", did you mean '%s%s'?", prefix, nearest->best);
    return text;
}
