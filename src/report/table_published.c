#include <math.h>

#include "report/grid.h"

enum {
    PUBLISHED_NAME,
    PUBLISHED_OP,
    PUBLISHED_DIMS,
    PUBLISHED_IRO,
    PUBLISHED_ORO,
    PUBLISHED_WRO,
    PUBLISHED_RULE,
    PUBLISHED_BEST,
    PUBLISHED_TOTAL,
    PUBLISHED_SHARE,
    PUBLISHED_TILE,
    PUBLISHED_FOOTPRINT,
    PUBLISHED_RATIO,
    PUBLISHED_RANK,
    PUBLISHED_COLUMNS
};

static const struct grid_column published_columns[PUBLISHED_COLUMNS] = {
    [PUBLISHED_NAME] = {"layer", false, 12, 0},  [PUBLISHED_OP] = {"op", false, 8, 3},
    [PUBLISHED_DIMS] = {"dims", false, 0, 2},    [PUBLISHED_IRO] = {"iro B", true, 0, 0},
    [PUBLISHED_ORO] = {"oro B", true, 0, 0},     [PUBLISHED_WRO] = {"wro B", true, 0, 0},
    [PUBLISHED_RULE] = {"rule", false, 0, 7},    [PUBLISHED_BEST] = {"best", false, 0, 0},
    [PUBLISHED_TOTAL] = {"total B", true, 0, 0}, [PUBLISHED_SHARE] = {"share", true, 0, 4},
    [PUBLISHED_TILE] = {"tile", false, 0, 6},    [PUBLISHED_FOOTPRINT] = {"on chip B", true, 0, 5},
    [PUBLISHED_RATIO] = {"x bound", true, 0, 8}, [PUBLISHED_RANK] = {"rank", true, 0, 1},
};

static void cell_whole(struct grid_cell *cell, double bytes) {
    if (bytes < 0x1p62) cell_number(cell, (int64_t)ceil(bytes));
    else cell_print(cell, "%.6g", bytes);
}

static void published_tile_cell(struct grid_cell *cell, const struct published_tile *tile) {
    cell_print(cell, "m%lld c%lld %lldx%lld", (long long)tile->m, (long long)tile->c, (long long)tile->oh, (long long)tile->ow);
}

/* Of a layer or of the totals. */
static void published_cost_cell(const struct record *record, const struct record_published *cost, unsigned column, struct grid_cell *cell) {
    const double all = record->published->offchip_bytes;
    switch (column) {
    case PUBLISHED_IRO:
    case PUBLISHED_ORO:
    case PUBLISHED_WRO:
        cell_whole(cell, cost->strategy_bytes[column - PUBLISHED_IRO]);
        return;
    case PUBLISHED_RULE:
        cell->name = cost->rule;
        return;
    case PUBLISHED_BEST:
        cell->name = cost->strategy;
        return;
    case PUBLISHED_TOTAL:
        cell_whole(cell, cost->offchip_bytes);
        return;
    case PUBLISHED_SHARE:
        if (all > 0) cell_print(cell, "%.1f %%", 100 * cost->offchip_bytes / all);
        return;
    case PUBLISHED_TILE:
        if (cost->tile) published_tile_cell(cell, cost->tile);
        return;
    case PUBLISHED_FOOTPRINT:
        if (cost->tile) cell_whole(cell, cost->footprint_bytes);
        return;
    case PUBLISHED_RATIO:
        if (cost->compulsory_bytes > 0) cell_print(cell, "%.2f", cost->offchip_bytes / cost->compulsory_bytes);
        return;
    case PUBLISHED_RANK:
        cell_unless_zero(cell, cost->rank);
        return;
    default:
        return;
    }
}

static void published_unfit_cell(unsigned column, struct grid_cell *cell) {
    cell->tone = TONE_BAD;
    if (column == PUBLISHED_TOTAL) cell_print(cell, "does not fit");
}

static void published_cell(void *data, uint32_t row, unsigned column, struct grid_cell *cell) {
    const struct record *record = data;
    if (row == record->layer_count) {
        cell->tone = TONE_STRONG;
        if (column == PUBLISHED_NAME) cell_print(cell, "total");
        else published_cost_cell(record, record->published, column, cell);
        return;
    }
    const struct record_layer *layer = &record->layers[row];
    if (column == PUBLISHED_NAME) cell->name = layer->name;
    else if (column == PUBLISHED_OP) cell->name = layer->op;
    else if (column == PUBLISHED_DIMS) cell_dims(cell, layer->nest);
    else if (!layer->published) published_unfit_cell(column, cell);
    else published_cost_cell(record, layer->published, column, cell);
}

void table_published(const struct table_style *style, const struct record *record) {
    struct record shown = *record;
    const struct grid grid = {style, published_columns, PUBLISHED_COLUMNS, record->layer_count + 1, true, published_cell, &shown};
    grid_print(&grid);
}
