/* Balance: grouped layers need equally many channels in each group.
 *
 *   array   [a b c d | e f g h]     two groups of conv1's output
 *   array   [a b | c d | e f | g h] four groups of conv2's input
 *   cells   {a b} {c d} {e f} {g h} the common refinement: as many from each keeps both even
 *
 * Before: atoms sorted into spaces. After: the cells of each space, or the reason why it cannot be balanced. */
#include "passes/labels.h"

#include <stdlib.h>
#include <string.h>

struct cells {
    struct arena *arena;
    struct labels *labels;
    struct spaces *spaces;
    const uint32_t *space_of, *channel_of;
    uint64_t **key;     /* [space][channel]: which blocks of which arrays it is in; NULL: in none */
    uint32_t **cell_of; /* [space][channel] */
};

static uint64_t cells_mix(uint64_t a, uint64_t b) {
    uint64_t x = a * 0x9E3779B97F4A7C15u + b + 1;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    return x ^ x >> 32;
}

static bool cells_place(const struct cells *cells, const struct label *label, uint32_t i, uint32_t *space, uint32_t *channel) {
    const uint32_t root = labels_root(cells->labels, label->atoms[i]);
    *space = cells->space_of[root];
    *channel = cells->channel_of[root];
    return *space != CHANNEL_NONE && !cells->spaces->items.items[*space].fixed;
}

static void cells_add_keys(struct cells *cells, uint32_t number) {
    const struct balance *balance = &cells->labels->balances.items[number];
    const uint32_t block = balance->label->count / balance->blocks;
    for (uint32_t i = 0; i < balance->label->count; i++) {
        uint32_t s, c;
        if (!cells_place(cells, balance->label, i, &s, &c)) continue;
        if (!cells->key[s]) cells->key[s] = ARENA_ARRAY(cells->arena, uint64_t, cells->spaces->items.items[s].size);
        cells->key[s][c] += cells_mix(number, i / block);
    }
}

/* Channels of one key are one cell; cells are numbered by their first channel. */
static void cells_number(struct cells *cells, uint32_t s) {
    struct space *space = &cells->spaces->items.items[s];
    ARRAY(uint64_t) keys = {0};
    ARRAY(uint32_t) sizes = {0};
    cells->cell_of[s] = ARENA_ARRAY(cells->arena, uint32_t, space->size);
    for (uint32_t c = 0; c < space->size; c++) {
        uint32_t at = 0;
        while (at < keys.count && keys.items[at] != cells->key[s][c]) at++;
        if (at == keys.count) {
            array_push(cells->arena, &keys, cells->key[s][c]);
            array_push(cells->arena, &sizes, 0);
        }
        sizes.items[at]++;
        cells->cell_of[s][c] = at;
    }
    space->cell_count = keys.count;
    space->cell_size = space->size / keys.count;
    for (uint32_t i = 0; i < sizes.count; i++)
        if (sizes.items[i] != space->cell_size) space->fixed = "the groups of several layers overlap unevenly";
}

/* As many from each cell must take as many from each block. */
static void cells_check(struct cells *cells, uint32_t number) {
    const struct balance *balance = &cells->labels->balances.items[number];
    const uint32_t block = balance->label->count / balance->blocks;
    uint32_t(*seen)[2] = arena_alloc_array(cells->arena, cells->spaces->items.count, sizeof *seen); /* in block 0, in this block */
    for (uint32_t b = 0; b < balance->blocks; b++) {
        for (uint32_t k = 0; k < 2; k++)
            for (uint32_t i = 0; i < block; i++) {
                uint32_t s, c;
                if (cells_place(cells, balance->label, (k ? b : 0) * block + i, &s, &c)) seen[s][k]++;
            }
        for (uint32_t s = 0; s < cells->spaces->items.count; s++) {
            struct space *space = &cells->spaces->items.items[s];
            if (!space->fixed && seen[s][0] != seen[s][1])
                space->fixed = arena_print(cells->arena, "its channels lie unevenly in the groups of node '%s'",
                                           graph_node_label(cells->labels->graph, balance->node));
            seen[s][0] = seen[s][1] = 0;
        }
    }
}

static void cells_list(struct cells *cells, uint32_t s) {
    struct space *space = &cells->spaces->items.items[s];
    uint32_t **lists = arena_alloc_array(cells->arena, space->cell_count, sizeof *lists);
    uint32_t *counts = ARENA_ARRAY(cells->arena, uint32_t, space->cell_count);
    for (uint32_t i = 0; i < space->cell_count; i++) lists[i] = ARENA_ARRAY(cells->arena, uint32_t, space->cell_size);
    for (uint32_t c = 0; c < space->size; c++) {
        const uint32_t cell = cells->cell_of[s][c];
        lists[cell][counts[cell]++] = c;
    }
    space->cells = (const uint32_t *const *)lists;
}

void cells_find(struct arena *arena, struct labels *labels, struct spaces *spaces, const uint32_t *space_of, const uint32_t *channel_of) {
    struct cells cells = {arena, labels, spaces, space_of, channel_of, NULL, NULL};
    cells.key = arena_alloc_array(arena, spaces->items.count, sizeof *cells.key);
    cells.cell_of = arena_alloc_array(arena, spaces->items.count, sizeof *cells.cell_of);
    for (uint32_t i = 0; i < labels->balances.count; i++) cells_add_keys(&cells, i);
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        spaces->items.items[s].cell_count = 1;
        spaces->items.items[s].cell_size = spaces->items.items[s].size;
        if (cells.key[s]) cells_number(&cells, s);
    }
    for (uint32_t i = 0; i < labels->balances.count; i++) cells_check(&cells, i);
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        struct space *space = &spaces->items.items[s];
        if (!space->fixed && space->cell_size == 1)
            space->fixed = space->cell_count == 1 ? "its only channel must stay" : "each group has one channel of it, which must stay";
        if (space->cell_count > 1 && !space->fixed) cells_list(&cells, s);
        if (!space->fixed) continue;
        space->cell_count = 1;
        space->cell_size = space->size;
    }
}
