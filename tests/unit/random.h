/* Random numbers that are the same on every machine: xorshift64* (Vigna). Set `state` to a seed above 0 first, and print it; or, where
 * draws are numbered, so that any of them can be made by itself and by any thread, begin each with its number. */
#ifndef SS_TEST_RANDOM_H
#define SS_TEST_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

static _Thread_local uint64_t state;

static inline uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(2685821657736338717) >> 16;
}

static inline int64_t from_to(int64_t from, int64_t to) { return from + (int64_t)(next_random() % (uint64_t)(to - from + 1)); }
static inline bool one_in(int64_t times) { return from_to(1, times) == 1; }

/* Seeds one apart must not look alike: mixed as SplitMix64 does (Steele, Lea and Flood). */
static inline void begin_draw(uint64_t seed, uint64_t number) {
    uint64_t mixed = seed + (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    state = (mixed ^ mixed >> 31) | 1;
}

#endif
