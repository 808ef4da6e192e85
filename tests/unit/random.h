/* Random numbers that are the same on every machine: xorshift64* (Vigna). Set `state` to a seed above 0 first, and print it. */
#ifndef SS_TEST_RANDOM_H
#define SS_TEST_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t state;

static inline uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(2685821657736338717) >> 16;
}

static inline int64_t from_to(int64_t from, int64_t to) { return from + (int64_t)(next_random() % (uint64_t)(to - from + 1)); }
static inline bool one_in(int64_t times) { return from_to(1, times) == 1; }

#endif
