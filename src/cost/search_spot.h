/* The inside of the search: one choice of the tiles of n, od, oh, ow (a spot), and what is left to choose there.
 *
 * Of all loop orders of a tiling these are never beaten (g outermost always; a loop moved outwards over one it does not index with can
 * only save transfers of the others):
 *   c inmost       sums stay:     I m-trips times, whole windows; W once per tile of n od oh ow
 *   m inmost       windows stay:  I once, sliding; W once per tile of n od oh ow; sums spill where c is cut
 *   plane inmost   weights stay:  I m-trips times, sliding; W once; sums spill where c is cut
 *   m in between   where a window's last tile overlaps its first, a step of m finds part of I on chip: n and outer axes stand outside m
 * each with the axes of the plane in every order. So I = trips_of_m x scale - rebate, W = sweeps x |W|, and O. */
#ifndef SS_COST_SEARCH_SPOT_H
#define SS_COST_SEARCH_SPOT_H

#include "cost/search.h"
#include "cost/traffic.h"

enum { SPOT_WAYS = 20 };

/* One kind of order with m not innermost: what it moves as a function of m's trips, in units of the spot's layer. */
struct way {
    int64_t scale, rebate; /* I */
    int64_t sweeps;        /* W */
};

/* Constants of a layer, in units (bytes, or bits where a width is no whole number of bytes). */
struct layer_units {
    const struct nest *nest;
    const struct target *target;
    int64_t input_width, images;   /* images: n g c elements per element of a plane */
    int64_t weight, output, spill; /* a sweep of W with bias; O written; all sums out and in once more */
    int64_t inputs, compulsory;    /* I touched; with W and its bias and O */
    int64_t capacity, partition[OPERAND_COUNT];
    int64_t factor[OPERAND_COUNT]; /* 2 where double-buffered */
};

struct spot {
    struct cut cut[DIM_COUNT]; /* of n od oh ow */
    int64_t sweeps;            /* of W, where n od oh ow stand outside it */
    int64_t windows, sliding;  /* I once: whole windows; less what slides */
    uint32_t way_count;
    struct way ways[SPOT_WAYS];
    int64_t input_unit, weight_unit, bias_unit, output_unit; /* buffers, per c, per m and c, per m, per m */
};

/* The best so far. */
struct best {
    bool any;
    int64_t bytes, footprint, steps;
    int64_t tile[DIM_COUNT];
};

/* Visits all spots of a space, from large tiles to small: their cuts set, nothing else. */
void spot_walk(const struct nest *nest, enum space_kind kind, void (*visit)(void *context, struct spot *spot), void *context);

void layer_units_init(struct layer_units *layer, const struct nest *nest, const struct target *target);
/* The sizes of the buffers, and what I and W move, once the cuts are set. */
void spot_buffers(struct spot *spot, const struct layer_units *layer);
void spot_init(struct spot *spot, const struct layer_units *layer);

/* A quick bound of what any tiling of the spot moves, its m cut into at least so many trips, before spot_init. */
int64_t spot_least(const struct layer_units *layer, const struct spot *spot, int64_t trips_m);

/* The largest tile of m beside one c, of c beside a tile of m, that fits unrounded; 0 = none. */
int64_t spot_most_m(const struct layer_units *layer, const struct spot *spot);
int64_t spot_most_c(const struct layer_units *layer, const struct spot *spot, int64_t m);

void best_offer(struct best *best, const struct nest *nest, int64_t bytes, int64_t footprint, const int64_t *tile);

void search_whole_bytes(const struct layer_units *layer, struct best *best);
void search_parts_of_bytes(const struct layer_units *layer, struct best *best);

#endif
