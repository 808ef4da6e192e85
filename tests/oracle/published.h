/* The two published cost models in the letters of cost-model.md 6, tried on every integer tile of one group of a layer. */
#ifndef SS_ORACLE_PUBLISHED_H
#define SS_ORACLE_PUBLISHED_H

#include "cost/model_smartshuttle.h"

/* Bytes, -1 where the tile does not fit (or is none). */
double oracle_superslash(const struct nest *nest, int64_t on_chip_bytes, enum published_strategy strategy, struct published_tile tile);
double oracle_smartshuttle(const struct nest *nest, const struct compression *factor, int64_t on_chip_bytes, uint32_t bits,
                           enum published_strategy strategy, struct published_tile tile);

/* The fewest over all tiles, -1 where none fits. factor NULL = superslash. */
double oracle_published(const struct nest *nest, const struct compression *factor, int64_t on_chip_bytes, uint32_t bits,
                        enum published_strategy strategy);

#endif
