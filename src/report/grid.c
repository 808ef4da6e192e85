#include "report/grid.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "report/text.h"

enum { GRID_GAP = 2 };

/* ---- text ---- */

static bool grid_is_control(const char *at) {
    const unsigned char byte = (unsigned char)at[0];
    return byte < 0x20 || byte == 0x7F || (byte == 0xC2 && (unsigned char)at[1] < 0xA0);
}

static unsigned grid_width(const char *text) {
    unsigned width = 0;
    for (; *text; width++) {
        const size_t length = text_utf8_length(text);
        text += length ? length : 1;
    }
    return width;
}

/* Characters [from, to). */
static void grid_print_part(FILE *file, const char *text, unsigned from, unsigned to) {
    for (unsigned at = 0; *text && at < to; at++) {
        const size_t length = text_utf8_length(text);
        if (at >= from && (!length || grid_is_control(text))) fputc('?', file);
        else if (at >= from) fwrite(text, 1, length, file);
        text += length ? length : 1;
    }
}

void grid_print_text(FILE *file, const char *text, unsigned width) {
    const unsigned whole = grid_width(text);
    if (!width || whole <= width) {
        grid_print_part(file, text, 0, whole);
        return;
    }
    const unsigned tail = (width - 1) / 2, head = width - 1 - tail;
    grid_print_part(file, text, 0, head);
    fputs("\xE2\x80\xA6", file);
    grid_print_part(file, text, whole - tail, whole);
}

void grid_tone_on(const struct table_style *style, enum grid_tone tone) {
    static const char *const codes[] = {"", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m"};
    if (style->colour) fputs(codes[tone], style->file);
}

void grid_tone_off(const struct table_style *style, enum grid_tone tone) {
    if (style->colour && tone != TONE_PLAIN) fputs("\x1b[0m", style->file);
}

void grid_print_label(const struct table_style *style, const char *label) {
    grid_tone_on(style, TONE_STRONG);
    fprintf(style->file, "%-9s", label);
    grid_tone_off(style, TONE_STRONG);
}

/* ---- cells ---- */

/* What does not fit ends in "…", on a whole character. */
void cell_print(struct grid_cell *cell, const char *format, ...) {
    static const char ellipsis[] = "\xE2\x80\xA6";
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(cell->text, sizeof cell->text, format, arguments);
    va_end(arguments);
    if (length < (int)sizeof cell->text) return;
    size_t end = sizeof cell->text - sizeof ellipsis;
    while (end && ((unsigned char)cell->text[end] & 0xC0) == 0x80) end--;
    memcpy(cell->text + end, ellipsis, sizeof ellipsis);
}

void cell_number(struct grid_cell *cell, int64_t number) {
    char text[32];
    cell_print(cell, "%s", table_number(number, text));
}

void cell_unless_zero(struct grid_cell *cell, int64_t number) {
    if (number) cell_number(cell, number);
}

void cell_change(struct grid_cell *cell, int64_t before, int64_t after) {
    if (before <= 0) return;
    if (before == after) {
        cell_print(cell, "=");
        return;
    }
    cell_print(cell, "%+.1f %%", 100 * ((double)after / (double)before - 1));
    cell->tone = after < before ? TONE_GOOD : TONE_BAD;
}

const char *table_number(int64_t number, char text[32]) {
    char digits[24];
    const int count = snprintf(digits, sizeof digits, "%" PRIu64, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    char *at = text;
    if (number < 0) *at++ = '-';
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0) *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

const char *table_bytes(int64_t bytes, char text[32]) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes > -1024 && bytes < 1024) {
        snprintf(text, 32, "%" PRId64 " B", bytes);
        return text;
    }
    double amount = (double)bytes / 1024;
    int unit = 0;
    for (; unit < 5 && (amount >= 1023.95 || amount <= -1023.95); unit++) amount /= 1024;
    snprintf(text, 32, "%.1f %s", amount, units[unit]);
    return text;
}

/* ---- layout ---- */

struct grid_layout {
    unsigned width[GRID_COLUMNS];
    bool is_shown[GRID_COLUMNS];
    bool is_dropped[GRID_COLUMNS]; /* for want of room */
};

static const char *grid_cell_text(const struct grid *grid, uint32_t row, unsigned column, struct grid_cell *cell) {
    cell->text[0] = '\0';
    cell->name = NULL;
    cell->tone = TONE_PLAIN;
    grid->cell(grid->data, row, column, cell);
    return cell->name ? cell->name : cell->text;
}

static void grid_measure(const struct grid *grid, struct grid_layout *layout) {
    struct grid_cell cell;
    for (uint32_t row = 0; row < grid->row_count; row++) {
        for (unsigned column = 0; column < grid->column_count; column++) {
            const unsigned width = grid_width(grid_cell_text(grid, row, column, &cell));
            if (width) layout->is_shown[column] = true;
            if (width > layout->width[column]) layout->width[column] = width;
        }
    }
    for (unsigned column = 0; column < grid->column_count; column++) {
        const unsigned width = grid_width(grid->columns[column].title);
        if (width > layout->width[column]) layout->width[column] = width;
    }
}

static unsigned grid_narrowest(const struct grid_column *column, unsigned width) {
    return column->narrowest && column->narrowest < width ? column->narrowest : width;
}

/* Of all that is shown; at_narrowest: with every column cut as far as it may be. */
static unsigned grid_total_width(const struct grid *grid, const struct grid_layout *layout, bool at_narrowest) {
    unsigned total = 0;
    for (unsigned column = 0; column < grid->column_count; column++) {
        if (!layout->is_shown[column]) continue;
        const unsigned width = layout->width[column];
        total += (total ? GRID_GAP : 0) + (at_narrowest ? grid_narrowest(&grid->columns[column], width) : width);
    }
    return total;
}

static bool grid_drop_one(const struct grid *grid, struct grid_layout *layout) {
    unsigned first = GRID_COLUMNS;
    for (unsigned column = 0; column < grid->column_count; column++) {
        const unsigned drop = grid->columns[column].drop;
        if (!layout->is_shown[column] || !drop) continue;
        if (first == GRID_COLUMNS || drop < grid->columns[first].drop) first = column;
    }
    if (first == GRID_COLUMNS) return false;
    layout->is_shown[first] = false;
    layout->is_dropped[first] = true;
    return true;
}

/* One character off the column that has most to give. */
static bool grid_cut_one(const struct grid *grid, struct grid_layout *layout) {
    unsigned widest = GRID_COLUMNS;
    for (unsigned column = 0; column < grid->column_count; column++) {
        const unsigned width = layout->width[column];
        if (!layout->is_shown[column] || grid_narrowest(&grid->columns[column], width) == width) continue;
        if (widest == GRID_COLUMNS || width > layout->width[widest]) widest = column;
    }
    if (widest == GRID_COLUMNS) return false;
    layout->width[widest]--;
    return true;
}

static void grid_fit(const struct grid *grid, struct grid_layout *layout) {
    const unsigned limit = grid->style->columns;
    if (!limit) return;
    while (grid_total_width(grid, layout, true) > limit && grid_drop_one(grid, layout)) continue;
    while (grid_total_width(grid, layout, false) > limit && grid_cut_one(grid, layout)) continue;
}

/* ---- printing ---- */

static void grid_pad(FILE *file, unsigned count) {
    while (count--) fputc(' ', file);
}

static bool grid_is_last(const struct grid *grid, const struct grid_layout *layout, unsigned column) {
    for (unsigned next = column + 1; next < grid->column_count; next++)
        if (layout->is_shown[next]) return false;
    return true;
}

/* `pending` blanks stand before the next text only: no line ends in blanks. */
static void grid_print_cell(const struct grid *grid, const struct grid_layout *layout, unsigned column, const char *text,
                            enum grid_tone tone, unsigned *pending) {
    const unsigned room = layout->width[column], whole = grid_width(text), width = whole < room ? whole : room;
    if (grid->columns[column].is_right) *pending += room - width;
    if (width) {
        grid_pad(grid->style->file, *pending);
        *pending = 0;
        grid_tone_on(grid->style, tone);
        grid_print_text(grid->style->file, text, room);
        grid_tone_off(grid->style, tone);
    }
    if (!grid->columns[column].is_right) *pending += room - width;
    if (!grid_is_last(grid, layout, column)) *pending += GRID_GAP;
}

static void grid_print_titles(const struct grid *grid, const struct grid_layout *layout) {
    unsigned pending = 0;
    for (unsigned column = 0; column < grid->column_count; column++)
        if (layout->is_shown[column]) grid_print_cell(grid, layout, column, grid->columns[column].title, TONE_STRONG, &pending);
    fputc('\n', grid->style->file);
}

static void grid_print_row(const struct grid *grid, const struct grid_layout *layout, uint32_t row) {
    struct grid_cell cell;
    unsigned pending = 0;
    for (unsigned column = 0; column < grid->column_count; column++) {
        if (!layout->is_shown[column]) continue;
        const char *text = grid_cell_text(grid, row, column, &cell);
        grid_print_cell(grid, layout, column, text, cell.tone, &pending);
    }
    fputc('\n', grid->style->file);
}

static void grid_print_rule(const struct grid *grid, const struct grid_layout *layout) {
    grid_tone_on(grid->style, TONE_FAINT);
    for (unsigned left = grid_total_width(grid, layout, false); left; left--) fputs("\xE2\x94\x80", grid->style->file);
    grid_tone_off(grid->style, TONE_FAINT);
    fputc('\n', grid->style->file);
}

static void grid_print_dropped(const struct grid *grid, const struct grid_layout *layout) {
    const char *before = "no room for: ";
    for (unsigned column = 0; column < grid->column_count; column++) {
        if (!layout->is_dropped[column]) continue;
        fprintf(grid->style->file, "%s%s", before, grid->columns[column].title);
        before = ", ";
    }
    if (before[0] == ',') fputc('\n', grid->style->file);
}

void grid_print(const struct grid *grid) {
    struct grid_layout layout = {0};
    grid_measure(grid, &layout);
    grid_fit(grid, &layout);
    grid_print_titles(grid, &layout);
    grid_print_rule(grid, &layout);
    for (uint32_t row = 0; row < grid->row_count; row++) {
        if (grid->has_total && row + 1 == grid->row_count) grid_print_rule(grid, &layout);
        grid_print_row(grid, &layout, row);
    }
    grid_print_dropped(grid, &layout);
}
