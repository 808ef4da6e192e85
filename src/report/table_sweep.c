#include <inttypes.h>
#include <stdlib.h>

#include "report/grid.h"
#include "report/sweep.h"

/* ---- the verdict ---- */

static void verdict_range(const struct table_style *style, const struct record_sweep *sweep) {
    char from[32], to[32], knees[32], compulsory[32], bound[32];
    grid_print_label(style, "on chip");
    fprintf(style->file, "%s to %s B: ", table_number(sweep->from_bytes, from), table_number(sweep->to_bytes, to));
    if (sweep->sampled) fprintf(style->file, "with fusion sampled at %s capacities\n", table_number(sweep->sampled, knees));
    else fprintf(style->file, "%s knee%s\n", table_number(sweep->step_count - 1, knees), sweep->step_count == 2 ? "" : "s");
    grid_print_label(style, "bounds");
    fprintf(style->file, "compulsory %s B, lower bound %s B (%s)\n", table_number(sweep->compulsory_bytes, compulsory),
            table_number(sweep->lower_bound_bytes, bound), sweep->lower_bound);
}

static void verdict_fits(const struct table_style *style, const struct record_sweep *sweep) {
    const bool is_short = sweep->infeasible_layers > 0;
    char fits[32];
    grid_print_label(style, "fits");
    grid_tone_on(style, is_short ? TONE_BAD : TONE_PLAIN);
    if (is_short)
        fprintf(style->file, "%" PRIu32 " of %" PRIu32 " layers fit nowhere in the range; all ", sweep->infeasible_layers,
                sweep->layer_count);
    else fputs("all ", style->file);
    fprintf(style->file, "from %s B on", table_number(sweep->fits_bytes, fits));
    grid_tone_off(style, is_short ? TONE_BAD : TONE_PLAIN);
    if (sweep->fits_layer) {
        fputs(", which ", style->file);
        grid_print_text(style->file, sweep->fits_layer, style->columns ? 24 : 0);
        fputs(" needs", style->file);
    }
    fputc('\n', style->file);
}

static void verdict_least(const struct table_style *style, const struct record_sweep *sweep) {
    char least[32], rounded[32], from[32];
    if (sweep->infeasible_layers) return;
    grid_print_label(style, "least");
    fprintf(style->file, "%s B (%s) from %s B on", table_number(sweep->least_bytes, least), table_bytes(sweep->least_bytes, rounded),
            table_number(sweep->least_from_bytes, from));
    if (sweep->lower_bound_bytes > 0)
        fprintf(style->file, ", %.2f x the lower bound", (double)sweep->least_bytes / (double)sweep->lower_bound_bytes);
    fputc('\n', style->file);
}

static void verdict_knees(const struct table_style *style, const struct record_sweep *sweep) {
    const struct record_knee *largest[3];
    const uint32_t count = sweep_largest(sweep, largest, 3);
    char capacity[32], saved[32];
    if (!count) return;
    grid_print_label(style, "knees");
    for (uint32_t i = 0; i < count; i++)
        fprintf(style->file, "%s%s B saves %s B", i ? ", " : "", table_number(largest[i]->capacity_bytes, capacity),
                table_number(largest[i]->saved_bytes, saved));
    fputc('\n', style->file);
}

/* ---- the table ---- */

enum { KNEES_SHOWN = 20, SWEEP_ROWS = 96, BAR_CELLS = 32 }; /* a range has at most 64 samples */

enum { SWEEP_CAPACITY, SWEEP_ROUNDED, SWEEP_OFFCHIP, SWEEP_RATIO, SWEEP_SAVED, SWEEP_SHARE, SWEEP_LAYER, SWEEP_BAR, SWEEP_COLUMNS };

static const struct grid_column sweep_columns[SWEEP_COLUMNS] = {
    [SWEEP_CAPACITY] = {"on chip B", true, 0, 0},    [SWEEP_ROUNDED] = {"", true, 0, 2},
    [SWEEP_OFFCHIP] = {"off chip B", true, 0, 0},    [SWEEP_RATIO] = {"x bound", true, 0, 4},
    [SWEEP_SAVED] = {"knee saves B", true, 0, 0},    [SWEEP_SHARE] = {"share", true, 0, 3},
    [SWEEP_LAYER] = {"most of it in", false, 12, 5}, [SWEEP_BAR] = {"", false, 0, 1},
};

struct sweep_table {
    const struct record_sweep *sweep;
    const struct record_knee *rows[SWEEP_ROWS];
    uint32_t count;
    int64_t most_bytes;
};

/* A knee comes before the sample at the same capacity: it says more. */
static int compare_rows(const void *left, const void *right) {
    const struct record_knee *a = *(const struct record_knee *const *)left, *b = *(const struct record_knee *const *)right;
    if (a->capacity_bytes != b->capacity_bytes) return a->capacity_bytes < b->capacity_bytes ? -1 : 1;
    return (a->layers == 0) - (b->layers == 0);
}

/* Nothing has happened since the sample before, nor is it the end. */
static bool sample_is_dull(const struct record_sweep *sweep, uint32_t i) {
    const struct record_knee *sample = &sweep->samples[i];
    return i && i + 1 < sweep->sample_count && !sample->infeasible_layers && !sample[-1].infeasible_layers &&
           sample->offchip_bytes == sample[-1].offchip_bytes;
}

/* The samples, the knees that save most, the one from which on everything fits, and the last. */
static void sweep_choose_rows(struct sweep_table *table) {
    const struct record_sweep *sweep = table->sweep;
    uint32_t count = sweep_largest(sweep, table->rows, KNEES_SHOWN), kept = 0;
    for (uint32_t i = 1; i < sweep->step_count; i++)
        if (!sweep->steps[i].infeasible_layers && sweep->steps[i - 1].infeasible_layers) table->rows[count++] = &sweep->steps[i];
    if (sweep->step_count > 1) table->rows[count++] = &sweep->steps[sweep->step_count - 1];
    for (uint32_t i = 0; i < sweep->sample_count && count < SWEEP_ROWS; i++)
        if (!sample_is_dull(sweep, i)) table->rows[count++] = &sweep->samples[i];
    qsort(table->rows, count, sizeof table->rows[0], compare_rows);
    for (uint32_t i = 0; i < count; i++) {
        const struct record_knee *row = table->rows[i];
        if (kept && table->rows[kept - 1]->capacity_bytes == row->capacity_bytes) continue;
        table->rows[kept++] = row;
        if (!row->infeasible_layers && row->offchip_bytes > table->most_bytes) table->most_bytes = row->offchip_bytes;
    }
    table->count = kept;
}

static void cell_bar(struct grid_cell *cell, int64_t bytes, int64_t most_bytes) {
    const int length = most_bytes > 0 ? (int)((double)bytes / (double)most_bytes * BAR_CELLS + 0.5) : 0;
    for (int i = 0; i < length; i++) snprintf(cell->text + 3 * i, sizeof cell->text - 3 * (size_t)i, "\xE2\x96\x88");
    cell->tone = TONE_FAINT;
}

static void cell_layer(struct grid_cell *cell, const struct record_knee *row) {
    if (!row->layer) return;
    if (row->layers > 1) cell_print(cell, "%s, %" PRIu32 " more", row->layer, row->layers - 1);
    else cell->name = row->layer;
}

static void sweep_cell(void *data, uint32_t at, unsigned column, struct grid_cell *cell) {
    const struct sweep_table *table = data;
    const struct record_knee *row = table->rows[at];
    const bool fits = !row->infeasible_layers;
    const int64_t bound_bytes = table->sweep->lower_bound_bytes;
    char number[32];
    if (row->layers) cell->tone = TONE_STRONG;
    switch (column) {
    case SWEEP_CAPACITY:
        cell_number(cell, row->capacity_bytes);
        return;
    case SWEEP_ROUNDED:
        cell_print(cell, "%s", table_bytes(row->capacity_bytes, number));
        return;
    case SWEEP_OFFCHIP:
        if (fits) cell_number(cell, row->offchip_bytes);
        else cell_print(cell, "%" PRIu32 " unfit", row->infeasible_layers);
        if (!fits) cell->tone = TONE_BAD;
        return;
    case SWEEP_RATIO:
        if (fits && bound_bytes > 0) cell_print(cell, "%.2f", (double)row->offchip_bytes / (double)bound_bytes);
        return;
    case SWEEP_SAVED:
        cell_unless_zero(cell, row->saved_bytes);
        return;
    case SWEEP_SHARE:
        if (row->saved_bytes) cell_print(cell, "%.1f %%", 100 * (double)row->saved_bytes / (double)(row->offchip_bytes + row->saved_bytes));
        return;
    case SWEEP_LAYER:
        if (row->saved_bytes) cell_layer(cell, row);
        return;
    case SWEEP_BAR:
        if (fits) cell_bar(cell, row->offchip_bytes, table->most_bytes);
        return;
    default:
        return;
    }
}

void table_sweep(const struct table_style *style, const struct record *record) {
    struct sweep_table table = {.sweep = record->sweep};
    verdict_range(style, record->sweep);
    verdict_fits(style, record->sweep);
    verdict_least(style, record->sweep);
    verdict_knees(style, record->sweep);
    sweep_choose_rows(&table);
    const struct grid grid = {style, sweep_columns, SWEEP_COLUMNS, table.count, false, sweep_cell, &table};
    grid_print(&grid);
}
