#include "report/grid.h"

enum { ACCURACY_NAME, ACCURACY_ELEMENTS, ACCURACY_ERROR, ACCURACY_LARGEST, ACCURACY_TOP1, ACCURACY_COLUMNS };

static const struct grid_column accuracy_columns[ACCURACY_COLUMNS] = {
    [ACCURACY_NAME] = {"output", false, 12, 0},
    [ACCURACY_ELEMENTS] = {"elements", true, 0, 1},
    [ACCURACY_ERROR] = {"relative squared error", true, 0, 0},
    [ACCURACY_LARGEST] = {"largest difference", true, 0, 2},
    [ACCURACY_TOP1] = {"same class", true, 0, 0},
};

static void accuracy_share(struct grid_cell *cell, double share) {
    if (share >= 0) cell_print(cell, "%.2f %%", 100 * share);
}

static void accuracy_cell(void *data, uint32_t row, unsigned column, struct grid_cell *cell) {
    const struct record_output *output = &((const struct record_accuracy *)data)->outputs[row];
    if (column == ACCURACY_NAME) cell->name = output->name;
    if (column == ACCURACY_ELEMENTS) cell_number(cell, output->elements);
    if (column == ACCURACY_ERROR && output->relative_error >= 0) cell_print(cell, "%.3g", output->relative_error);
    if (column == ACCURACY_LARGEST) cell_print(cell, "%.3g", output->largest_difference);
    if (column == ACCURACY_TOP1) accuracy_share(cell, output->top1_agreement);
}

void table_accuracy(const struct table_style *style, const struct record *record) {
    const struct record_accuracy *accuracy = record->accuracy;
    struct record_accuracy data = *accuracy;
    char number[32];
    if (!style->file) return;
    grid_print_label(style, "samples");
    fprintf(style->file, "%s of ", table_number(accuracy->sample_count, number));
    grid_print_text(style->file, accuracy->samples, 0);
    fputc('\n', style->file);
    if (accuracy->accuracy >= 0) {
        grid_print_label(style, "accuracy");
        fprintf(style->file, "%.2f %% -> %.2f %%\n", 100 * accuracy->reference_accuracy, 100 * accuracy->accuracy);
    }
    fputc('\n', style->file);
    const struct grid grid = {.style = style,
                              .columns = accuracy_columns,
                              .column_count = ACCURACY_COLUMNS,
                              .row_count = accuracy->output_count,
                              .cell = accuracy_cell,
                              .data = &data};
    grid_print(&grid);
}
