#include <inttypes.h>

#include "report/grid.h"

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

enum { MEMBERS_SHOWN = 3 }; /* the JSON report has all */

static void cell_members(struct grid_cell *cell, const struct record_space *space) {
    size_t used = 0;
    for (uint32_t i = 0; i < space->member_count; i++) {
        const size_t room = sizeof cell->text - used;
        const int more = snprintf(cell->text + used, room, "%s%s", i ? ", " : "", space->members[i]);
        if (more < 0 || (size_t)more + 32 >= room || (i == MEMBERS_SHOWN && i + 1 < space->member_count)) {
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
