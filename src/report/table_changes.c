#include <inttypes.h>
#include <string.h>

#include "report/grid.h"

enum {
    CHANGE_NAME,
    CHANGE_CHANNELS,
    CHANGE_BEFORE,
    CHANGE_AFTER,
    CHANGE_BYTES,
    CHANGE_MACS,
    CHANGE_MACS_BY,
    CHANGE_PARAMETERS,
    CHANGE_PARAMETERS_BY,
    CHANGE_COLUMNS
};

static const struct grid_column change_columns[CHANGE_COLUMNS] = {
    [CHANGE_NAME] = {"layer", false, 12, 0},         [CHANGE_CHANNELS] = {"channels", false, 0, 0},
    [CHANGE_BEFORE] = {"before B", true, 0, 0},      [CHANGE_AFTER] = {"after B", true, 0, 0},
    [CHANGE_BYTES] = {"change", true, 0, 0},         [CHANGE_MACS] = {"MACs", true, 0, 4},
    [CHANGE_MACS_BY] = {"change", true, 0, 2},       [CHANGE_PARAMETERS] = {"parameters", true, 0, 3},
    [CHANGE_PARAMETERS_BY] = {"change", true, 0, 1},
};

/* The rows: the layers before, with their likes after; then those that are new; then the totals. One row is looked up at a time. */
struct changes {
    const struct record *before, *after;
    uint32_t row_count; /* totals included */
    uint32_t row;       /* of the two below; UINT32_MAX = none yet */
    const struct record_layer *from, *to;
};

/* Layers mostly keep their places: the search starts there. */
static const struct record_layer *changes_find(const struct record *record, const char *name, uint32_t place) {
    for (uint32_t i = 0; i < record->layer_count; i++) {
        const struct record_layer *layer = &record->layers[(place + i) % record->layer_count];
        if (strcmp(layer->name, name) == 0) return layer;
    }
    return NULL;
}

/* The first new layer at or behind a place. */
static const struct record_layer *changes_next_new(const struct changes *changes, uint32_t place) {
    for (; place < changes->after->layer_count; place++) {
        const struct record_layer *layer = &changes->after->layers[place];
        if (!changes_find(changes->before, layer->name, place)) return layer;
    }
    return NULL;
}

static void changes_look_up(struct changes *changes, uint32_t row) {
    if (changes->row == row) return;
    if (row < changes->before->layer_count) {
        changes->from = &changes->before->layers[row];
        changes->to = changes_find(changes->after, changes->from->name, row);
    } else {
        const bool is_first = row == changes->before->layer_count;
        const uint32_t place = is_first || !changes->to ? 0 : (uint32_t)(changes->to - changes->after->layers) + 1;
        changes->from = NULL;
        changes->to = changes_next_new(changes, place);
    }
    changes->row = row;
}

static int64_t changes_width(const struct record_layer *layer) {
    return layer && layer->nest ? layer->nest->size[DIM_G] * layer->nest->size[DIM_M] : 0;
}

static void cell_channels(struct grid_cell *cell, const struct record_layer *from, const struct record_layer *to) {
    const int64_t before = changes_width(from), after = changes_width(to);
    if (!from) cell_print(cell, "new");
    else if (!to) cell_print(cell, "removed");
    else if (before && after && before != after) cell_print(cell, "%" PRId64 " -> %" PRId64, before, after);
    else if (after) cell_print(cell, "%" PRId64, after);
}

/* Of a layer, or of all. */
struct change_sums {
    bool is_feasible;
    int64_t bytes, macs, parameters;
};

static struct change_sums changes_of_layer(const struct record_layer *layer) {
    if (!layer) return (struct change_sums){.is_feasible = true};
    return (struct change_sums){!layer->infeasible, layer->offchip_bytes, layer->macs, layer->parameters};
}

static struct change_sums changes_of_record(const struct record *record) {
    struct change_sums sums = {!record->infeasible_count, record->totals.offchip_bytes, 0, 0};
    if (record->model) {
        sums.macs = record->model->macs;
        sums.parameters = record->model->parameters;
        return sums;
    }
    for (uint32_t i = 0; i < record->layer_count; i++) {
        sums.macs += record->layers[i].macs;
        sums.parameters += record->layers[i].parameters;
    }
    return sums;
}

static void change_bytes_cell(struct grid_cell *cell, const struct change_sums *sums) {
    if (sums->is_feasible) cell_number(cell, sums->bytes);
    else cell_print(cell, "does not fit");
    if (!sums->is_feasible) cell->tone = TONE_BAD;
}

static void change_sums_cell(unsigned column, const struct change_sums *before, const struct change_sums *after, struct grid_cell *cell) {
    const bool has_macs = before->macs || after->macs, has_parameters = before->parameters || after->parameters;
    switch (column) {
    case CHANGE_BEFORE:
        change_bytes_cell(cell, before);
        return;
    case CHANGE_AFTER:
        change_bytes_cell(cell, after);
        return;
    case CHANGE_BYTES:
        if (before->is_feasible && after->is_feasible) cell_change(cell, before->bytes, after->bytes);
        return;
    case CHANGE_MACS:
        if (has_macs) cell_number(cell, after->macs);
        return;
    case CHANGE_MACS_BY:
        cell_change(cell, before->macs, after->macs);
        return;
    case CHANGE_PARAMETERS:
        if (has_parameters) cell_number(cell, after->parameters);
        return;
    case CHANGE_PARAMETERS_BY:
        cell_change(cell, before->parameters, after->parameters);
        return;
    default:
        return;
    }
}

static void change_cell(void *data, uint32_t row, unsigned column, struct grid_cell *cell) {
    struct changes *changes = data;
    if (row + 1 == changes->row_count) {
        const struct change_sums before = changes_of_record(changes->before), after = changes_of_record(changes->after);
        if (column == CHANGE_NAME) cell_print(cell, "total");
        else change_sums_cell(column, &before, &after, cell);
        if (cell->tone == TONE_PLAIN) cell->tone = TONE_STRONG;
        return;
    }
    changes_look_up(changes, row);
    const struct change_sums before = changes_of_layer(changes->from), after = changes_of_layer(changes->to);
    if (column == CHANGE_NAME) cell->name = changes->from ? changes->from->name : changes->to ? changes->to->name : "";
    else if (column == CHANGE_CHANNELS) cell_channels(cell, changes->from, changes->to);
    else change_sums_cell(column, &before, &after, cell);
}

void table_changes(const struct table_style *style, const struct record *before, const struct record *after) {
    struct changes changes = {before, after, before->layer_count + 1, UINT32_MAX, NULL, NULL};
    for (uint32_t place = 0; place < after->layer_count; place++)
        if (!changes_find(before, after->layers[place].name, place)) changes.row_count++;
    const struct grid grid = {style, change_columns, CHANGE_COLUMNS, changes.row_count, true, change_cell, &changes};
    grid_print(&grid);
}
