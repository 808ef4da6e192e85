#include "report/table.h"

#include <inttypes.h>
#include <string.h>

#include "report/grid.h"

/* ---- layers ---- */

enum {
    LAYER_NAME,
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
    [LAYER_NAME] = {"layer", false, 12, 0},  [LAYER_OP] = {"op", false, 8, 3},          [LAYER_DIMS] = {"dims", false, 0, 2},
    [LAYER_INPUT] = {"input B", true, 0, 0}, [LAYER_WEIGHT] = {"weight B", true, 0, 0}, [LAYER_OUTPUT] = {"output B", true, 0, 0},
    [LAYER_SUMS] = {"sums B", true, 0, 0},   [LAYER_TOTAL] = {"total B", true, 0, 0},   [LAYER_SHARE] = {"share", true, 0, 4},
    [LAYER_REUSE] = {"reuse", false, 0, 7},  [LAYER_TILE] = {"tile", false, 0, 6},      [LAYER_FOOTPRINT] = {"on chip B", true, 0, 5},
    [LAYER_RATIO] = {"x bound", true, 0, 8}, [LAYER_RANK] = {"rank", true, 0, 1},
};

/* Appends; what does not fit is cut. */
static void cell_append(struct grid_cell *cell, const char *before, const char *name, int64_t number) {
    const size_t used = strlen(cell->text);
    snprintf(cell->text + used, sizeof cell->text - used, "%s%s%" PRId64, used ? before : "", name, number);
}

static bool cell_is_volume(const struct nest *nest) {
    return nest->size[DIM_OD] > 1 || nest->axis[0].kernel > 1 || nest->axis[0].plane > 1;
}

/* "m64 c3 112x112 k7x7", with n and g where they are not 1 and without plane and kernel where all are. */
static void cell_dims(struct grid_cell *cell, const struct nest *nest) {
    const int first = cell_is_volume(nest) ? 0 : 1;
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

static void cell_ratio(struct grid_cell *cell, int64_t bytes, int64_t bound_bytes) {
    if (bound_bytes > 0) cell_print(cell, "%.2f", (double)bytes / (double)bound_bytes);
}

static void cell_share(struct grid_cell *cell, int64_t bytes, int64_t total_bytes) {
    if (total_bytes > 0) cell_print(cell, "%.1f %%", 100 * (double)bytes / (double)total_bytes);
}

static void cell_unless_zero(struct grid_cell *cell, int64_t number) {
    if (number) cell_number(cell, number);
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
    case LAYER_RATIO:
        cell_ratio(cell, layer->offchip_bytes, layer->bound_bytes);
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
    const struct record_layer sum = {.offchip_bytes = totals->offchip_bytes,
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
    if (column == LAYER_NAME) cell->name = layer->name;
    else if (column == LAYER_OP) cell->name = layer->op;
    else if (column == LAYER_DIMS && layer->nest) cell_dims(cell, layer->nest);
    else if (layer->infeasible) layer_unfit_cell(column, cell);
    else if (column == LAYER_REUSE) cell->name = layer->reuse;
    else if (column == LAYER_TILE && layer->mapping) cell_tile(cell, layer->mapping);
    else layer_cost_cell(record, layer, column, cell);
}

void table_layers(const struct table_style *style, const struct record *record) {
    struct record shown = *record;
    const struct grid grid = {style, layer_columns, LAYER_COLUMNS, record->layer_count + 1, true, layer_cell, &shown};
    grid_print(&grid);
}

/* ---- spaces ---- */

enum { SPACE_ID, SPACE_CHANNELS, SPACE_KEPT, SPACE_SAVED, SPACE_LOST, SPACE_SAVING, SPACE_CELLS, SPACE_MEMBERS, SPACE_COLUMNS };

static const struct grid_column space_columns[SPACE_COLUMNS] = {
    [SPACE_ID] = {"space", false, 12, 0},
    [SPACE_CHANNELS] = {"channels", true, 0, 0},
    [SPACE_KEPT] = {"kept", true, 0, 0},
    [SPACE_SAVED] = {"saved B", true, 0, 0},
    [SPACE_LOST] = {"importance lost", true, 0, 2},
    [SPACE_SAVING] = {"B per channel", true, 0, 3},
    [SPACE_CELLS] = {"cells", false, 0, 1},
    [SPACE_MEMBERS] = {"members, or why it stays", false, 24, 0},
};

static void cell_members(struct grid_cell *cell, const struct record_space *space) {
    size_t used = 0;
    for (uint32_t i = 0; i < space->member_count; i++) {
        const size_t room = sizeof cell->text - used;
        const int more = snprintf(cell->text + used, room, "%s%s", i ? ", " : "", space->members[i]);
        if (more < 0 || (size_t)more + 32 >= room) {
            snprintf(cell->text + used, room, "%s%" PRIu32 " more", i ? ", " : "", space->member_count - i);
            return;
        }
        used += (size_t)more;
    }
}

static void space_cell(void *data, uint32_t row, unsigned column, struct grid_cell *cell) {
    const struct record *record = data;
    const struct record_space *space = &record->spaces[row];
    const bool is_pruned = record->pruning != NULL;
    if (space->fixed) cell->tone = TONE_FAINT;
    switch (column) {
    case SPACE_ID:
        cell->name = space->id;
        return;
    case SPACE_CHANNELS:
        cell_number(cell, space->channels);
        return;
    case SPACE_KEPT:
        if (is_pruned) cell_number(cell, space->kept);
        return;
    case SPACE_SAVED:
        if (is_pruned && !space->fixed) cell_number(cell, space->bytes_saved);
        return;
    case SPACE_LOST:
        if (is_pruned && !space->fixed) cell_print(cell, "%.1f %%", 100 * space->importance_lost);
        return;
    case SPACE_SAVING:
        if (!space->fixed) cell_unless_zero(cell, space->bytes_per_channel);
        return;
    case SPACE_CELLS:
        if (space->blocks && space->block_count > 1) cell_print(cell, "%" PRIu32 " x %" PRIu32, space->block_count, space->block_size);
        return;
    case SPACE_MEMBERS:
        if (space->fixed) cell_print(cell, "fixed: %s", space->fixed);
        else cell_members(cell, space);
        return;
    default:
        return;
    }
}

void table_spaces(const struct table_style *style, const struct record *record) {
    struct record shown = *record;
    const struct grid grid = {style, space_columns, SPACE_COLUMNS, record->space_count, false, space_cell, &shown};
    if (record->space_count) grid_print(&grid);
    else fputs("no channel spaces\n", style->file);
}

/* ---- what is not modelled ---- */

enum { OPAQUE_OP, OPAQUE_DOMAIN, OPAQUE_COUNT, OPAQUE_REASON, OPAQUE_COLUMNS };

static const struct grid_column opaque_columns[OPAQUE_COLUMNS] = {
    [OPAQUE_OP] = {"not modelled", false, 12, 0},
    [OPAQUE_DOMAIN] = {"domain", false, 12, 1},
    [OPAQUE_COUNT] = {"nodes", true, 0, 0},
    [OPAQUE_REASON] = {"why", false, 24, 0},
};

static void opaque_cell(void *data, uint32_t row, unsigned column, struct grid_cell *cell) {
    const struct record_opaque *opaque = &((const struct record *)data)->opaque[row];
    if (column == OPAQUE_OP) cell->name = opaque->op;
    else if (column == OPAQUE_DOMAIN) cell->name = opaque->domain;
    else if (column == OPAQUE_COUNT) cell_number(cell, opaque->count);
    else cell->name = opaque->reason;
}

void table_opaque(const struct table_style *style, const struct record *record) {
    struct record shown = *record;
    const struct grid grid = {style, opaque_columns, OPAQUE_COLUMNS, record->opaque_count, false, opaque_cell, &shown};
    if (record->opaque_count) grid_print(&grid);
}

/* ---- what does not fit ---- */

void table_infeasible_line(const struct record_layer *layer, const struct target *target, char *line, size_t size) {
    static const char *const names[OPERAND_COUNT] = {"input", "weight", "output"};
    const struct infeasible *lack = layer->infeasible;
    const char *part = target && target->is_split ? names[lack->short_operand] : NULL;
    char demand[32], input[32], weight[32], output[32], capacity[32], lacking[32];
    snprintf(line, size, "%s: smallest legal tile needs %s B (input %s + weight %s + output %s), on chip %s B%s%s, %s B short", layer->name,
             table_number(lack->demand_bytes, demand), table_number(lack->demand.bytes[OPERAND_I], input),
             table_number(lack->demand.bytes[OPERAND_W], weight), table_number(lack->demand.bytes[OPERAND_O], output),
             table_number(lack->capacity_bytes, capacity), part ? " for " : "", part ? part : "", table_number(lack->short_bytes, lacking));
}

void table_infeasible(const struct table_style *style, const struct record *record) {
    char line[DIAG_MESSAGE_BYTES];
    for (uint32_t i = 0; i < record->layer_count; i++) {
        if (!record->layers[i].infeasible) continue;
        table_infeasible_line(&record->layers[i], record->target, line, sizeof line);
        grid_tone_on(style, TONE_BAD);
        grid_print_text(style->file, line, 0);
        grid_tone_off(style, TONE_BAD);
        fputc('\n', style->file);
    }
}
