/* Aligned columns on a terminal: as wide as their cells, cut or left out where the terminal is narrower. Takes no memory: every cell is
 * made twice, to measure and to print. */
#ifndef SS_REPORT_GRID_H
#define SS_REPORT_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "report/table.h"

enum { GRID_COLUMNS = 16, GRID_CELL_BYTES = 512 };

enum grid_tone { TONE_PLAIN, TONE_STRONG, TONE_FAINT, TONE_GOOD, TONE_BAD };

struct grid_cell {
    char text[GRID_CELL_BYTES];
    const char *name; /* shown in place of text where set: a borrowed string of any length */
    enum grid_tone tone;
};

struct grid_column {
    const char *title;
    bool is_right;
    unsigned narrowest; /* it may be cut in the middle down to this; 0 = it may not */
    unsigned drop;      /* 1 is left out first where there is no room; 0 = never */
};

struct grid {
    const struct table_style *style;
    const struct grid_column *columns; /* a column whose cells are all empty is not shown */
    unsigned column_count;
    uint32_t row_count;
    bool has_total; /* the last row is one */
    void (*cell)(void *data, uint32_t row, unsigned column, struct grid_cell *cell);
    void *data;
};

void grid_print(const struct grid *grid);

void cell_print(struct grid_cell *cell, const char *format, ...) DIAG_PRINTF(2, 3);
void cell_number(struct grid_cell *cell, int64_t number);
void cell_unless_zero(struct grid_cell *cell, int64_t number);
/* "-30.1 %"; empty where before is 0. */
void cell_change(struct grid_cell *cell, int64_t before, int64_t after);

/* "m64 c3 112x112 k7x7", with n and g where they are not 1 and without plane and kernel where all are. */
void cell_dims(struct grid_cell *cell, const struct nest *nest);

/* Foreign text: what is not printable becomes '?'. Beyond `width` characters (0 = no limit) the middle becomes "…". */
void grid_print_text(FILE *file, const char *text, unsigned width);
/* What a line of the verdict is about. */
void grid_print_label(const struct table_style *style, const char *label);
void grid_tone_on(const struct table_style *style, enum grid_tone tone);
void grid_tone_off(const struct table_style *style, enum grid_tone tone);

#endif
