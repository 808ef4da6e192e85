#include <inttypes.h>
#include <string.h>

#include "report/grid.h"

enum {
    LAYER_NAME,
    LAYER_GROUP,
    LAYER_OP,
    LAYER_DIMS,
    LAYER_INPUT,
    LAYER_WEIGHT,
    LAYER_OUTPUT,
    LAYER_SUMS,
    LAYER_TOTAL,
    LAYER_SHARE,
    LAYER_REUSE,
    LAYER_TILE,
    LAYER_FOOTPRINT,
    LAYER_RATIO,
    LAYER_RANK,
    LAYER_COLUMNS
};

static const struct grid_column layer_columns[LAYER_COLUMNS] = {
    [LAYER_GROUP] = {"group", true, 0, 9},         [LAYER_NAME] = {"layer", false, 12, 0},  [LAYER_OP] = {"op", false, 8, 3},
    [LAYER_DIMS] = {"dims", false, 0, 2},          [LAYER_INPUT] = {"input B", true, 0, 0}, [LAYER_WEIGHT] = {"weight B", true, 0, 0},
    [LAYER_OUTPUT] = {"output B", true, 0, 0},     [LAYER_SUMS] = {"sums B", true, 0, 0},   [LAYER_TOTAL] = {"total B", true, 0, 0},
    [LAYER_SHARE] = {"share", true, 0, 4},         [LAYER_REUSE] = {"reuse", false, 0, 7},  [LAYER_TILE] = {"tile", false, 0, 6},
    [LAYER_FOOTPRINT] = {"on chip B", true, 0, 5}, [LAYER_RATIO] = {"x bound", true, 0, 8}, [LAYER_RANK] = {"rank", true, 0, 1},
};

/* Appends; what does not fit is cut. */
static void cell_append(struct grid_cell *cell, const char *before, const char *name, int64_t number) {
    const size_t used = strlen(cell->text);
    snprintf(cell->text + used, sizeof cell->text - used, "%s%s%" PRId64, used ? before : "", name, number);
}

void cell_dims(struct grid_cell *cell, const struct nest *nest) {
    const int first = nest_is_volume(nest) ? 0 : 1;
    int64_t plane = 1, kernel = 1;
    for (int axis = 0; axis < NEST_AXES; axis++) {
        if (nest->size[DIM_OD + axis] > plane) plane = nest->size[DIM_OD + axis];
        if (nest->axis[axis].kernel > kernel) kernel = nest->axis[axis].kernel;
    }
    if (nest->size[DIM_N] > 1) cell_append(cell, " ", "n", nest->size[DIM_N]);
    if (nest->size[DIM_G] > 1) cell_append(cell, " ", "g", nest->size[DIM_G]);
    cell_append(cell, " ", "m", nest->size[DIM_M]);
    cell_append(cell, " ", "c", nest->size[DIM_C]);
    for (int axis = first; plane > 1 && axis < NEST_AXES; axis++)
        cell_append(cell, axis == first ? " " : "x", "", nest->size[DIM_OD + axis]);
    for (int axis = first; kernel > 1 && axis < NEST_AXES; axis++)
        cell_append(cell, axis == first ? " " : "x", axis == first ? "k" : "", nest->axis[axis].kernel);
}

/* The loops from outer to inner with their steps; '~' where one snakes. */
static void cell_tile(struct grid_cell *cell, const struct mapping *mapping) {
    if (!mapping->loop_count) cell_print(cell, "whole");
    for (uint32_t i = 0; i < mapping->loop_count; i++) {
        const struct mapping_loop *loop = &mapping->loops[i];
        cell_append(cell, loop->snake ? " ~" : " ", nest_dim_names[loop->dim], loop->step);
    }
}

/* "8x56 rows": the tile of the group's last output, and what is kept between tiles. */
static void cell_group_tile(struct grid_cell *cell, const struct record_group *group) {
    cell_print(cell, "%" PRId64 "x%" PRId64 " %s", group->tile[0], group->tile[1], group->overlap);
    if (group->out_blocks > 1) cell_append(cell, ", ", "blocks ", group->out_blocks);
}

static void cell_ratio(struct grid_cell *cell, int64_t bytes, int64_t bound_bytes) {
    if (bound_bytes > 0) cell_print(cell, "%.2f", (double)bytes / (double)bound_bytes);
}

static void cell_share(struct grid_cell *cell, int64_t bytes, int64_t total_bytes) {
    if (total_bytes > 0) cell_print(cell, "%.1f %%", 100 * (double)bytes / (double)total_bytes);
}

/* What a layer moves; a layer that does not fit has none of it. */
static void layer_cost_cell(const struct record *record, const struct record_layer *layer, unsigned column, struct grid_cell *cell) {
    switch (column) {
    case LAYER_INPUT:
        cell_number(cell, layer->input_bytes);
        return;
    case LAYER_WEIGHT:
        cell_number(cell, layer->weight_bytes);
        return;
    case LAYER_OUTPUT:
        cell_number(cell, layer->output_bytes);
        return;
    case LAYER_SUMS:
        cell_unless_zero(cell, layer->partial_sum_bytes);
        return;
    case LAYER_TOTAL:
        cell_number(cell, layer->offchip_bytes);
        return;
    case LAYER_SHARE:
        cell_share(cell, layer->offchip_bytes, record->totals.offchip_bytes);
        return;
    case LAYER_FOOTPRINT:
        cell_unless_zero(cell, layer->footprint_bytes);
        return;
    case LAYER_RATIO: /* a bound of the layer alone */
        if (!record_fused_group(record, layer)) cell_ratio(cell, layer->offchip_bytes, layer->bound_bytes);
        return;
    case LAYER_RANK:
        cell_unless_zero(cell, layer->rank);
        return;
    default:
        return;
    }
}

static void layer_unfit_cell(unsigned column, struct grid_cell *cell) {
    cell->tone = TONE_BAD;
    if (column == LAYER_TOTAL) cell_print(cell, "does not fit");
}

static void layer_total_cell(const struct record *record, unsigned column, struct grid_cell *cell) {
    const struct record_totals *totals = &record->totals;
    const struct record_layer sum = {.group = RECORD_NO_GROUP,
                                     .offchip_bytes = totals->offchip_bytes,
                                     .input_bytes = totals->input_bytes,
                                     .weight_bytes = totals->weight_bytes,
                                     .output_bytes = totals->output_bytes,
                                     .partial_sum_bytes = totals->partial_sum_bytes,
                                     .bound_bytes = record->infeasible_count ? 0 : totals->lower_bound_bytes};
    cell->tone = TONE_STRONG;
    if (column == LAYER_NAME) cell_print(cell, "total");
    else layer_cost_cell(record, &sum, column, cell);
}

static void layer_cell(void *data, uint32_t row, unsigned column, struct grid_cell *cell) {
    const struct record *record = data;
    if (row == record->layer_count) {
        layer_total_cell(record, column, cell);
        return;
    }
    const struct record_layer *layer = &record->layers[row];
    const struct record_group *fused = record_fused_group(record, layer);
    if (column == LAYER_NAME) cell->name = layer->name;
    else if (column == LAYER_GROUP && fused) cell_print(cell, "%" PRIu32, fused->id);
    else if (column == LAYER_OP) cell->name = layer->op;
    else if (column == LAYER_DIMS && layer->nest) cell_dims(cell, layer->nest);
    else if (layer->infeasible) layer_unfit_cell(column, cell);
    else if (column == LAYER_REUSE) cell->name = layer->reuse;
    else if (column == LAYER_TILE && layer->mapping) cell_tile(cell, layer->mapping);
    else if (column == LAYER_TILE && fused) cell_group_tile(cell, fused);
    else layer_cost_cell(record, layer, column, cell);
}

void table_layers(const struct table_style *style, const struct record *record) {
    struct record shown = *record;
    const struct grid grid = {style, layer_columns, LAYER_COLUMNS, record->layer_count + 1, true, layer_cell, &shown};
    grid_print(&grid);
}
