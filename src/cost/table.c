#include "cost/table.h"

#include <string.h>

#include "base/array.h"
#include "base/nearest.h"
#include "base/size.h"

/* ---- columns ---- */

enum column {
    COLUMN_M,
    COLUMN_C,
    COLUMN_OH,
    COLUMN_OW,
    COLUMN_KH,
    COLUMN_KW,
    COLUMN_N,
    COLUMN_G,
    COLUMN_STRIDE,
    COLUMN_DILATION,
    COLUMN_PAD,
    COLUMN_IH,
    COLUMN_IW,
    COLUMN_POOL,
    COLUMN_INTEGERS,
    COLUMN_CI = COLUMN_INTEGERS,
    COLUMN_CO,
    COLUMN_CW,
    COLUMN_NAME,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
    [COLUMN_M] = "m",     [COLUMN_C] = "c",   [COLUMN_OH] = "oh",    [COLUMN_OW] = "ow",         [COLUMN_KH] = "kh",
    [COLUMN_KW] = "kw",   [COLUMN_N] = "n",   [COLUMN_G] = "g",      [COLUMN_STRIDE] = "stride", [COLUMN_DILATION] = "dilation",
    [COLUMN_PAD] = "pad", [COLUMN_IH] = "ih", [COLUMN_IW] = "iw",    [COLUMN_POOL] = "pool",     [COLUMN_CI] = "ci",
    [COLUMN_CO] = "co",   [COLUMN_CW] = "cw", [COLUMN_NAME] = "name"};
enum { COLUMNS_NEEDED = COLUMN_KW + 1, TABLE_MAX_COLUMNS = 64 };

struct table_reader {
    struct arena *arena;
    struct diag *diag;
    const char *path;
    const char *at, *end;
    uint32_t line;
    const struct target *target;
    uint32_t field_count;
    enum column columns[TABLE_MAX_COLUMNS];
    const char *fields[TABLE_MAX_COLUMNS];
    const char *cells[COLUMN_COUNT]; /* of the row at hand; NULL = not given */
};

/* ---- fields of a line ---- */

static bool is_end_of_line(const struct table_reader *reader) {
    return reader->at == reader->end || *reader->at == '\n' || *reader->at == '\r';
}

/* A quoted field; "" in it is one quote. `at` stands behind the opening quote, and afterwards behind the closing one. */
static status take_quoted(struct table_reader *reader, char *text) {
    for (;;) {
        if (reader->at == reader->end || *reader->at == '\n')
            return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: a quote is not closed", reader->path, reader->line);
        if (*reader->at == '"' && (++reader->at == reader->end || *reader->at != '"')) break;
        *text++ = *reader->at++;
    }
    *text = '\0';
    return STATUS_OK;
}

static void take_plain(struct table_reader *reader, char *text) {
    char *last = text;
    for (; !is_end_of_line(reader) && *reader->at != ','; reader->at++) {
        *text++ = *reader->at;
        if (*reader->at != ' ' && *reader->at != '\t') last = text;
    }
    *last = '\0';
}

static status take_field(struct table_reader *reader, const char **field) {
    while (!is_end_of_line(reader) && (*reader->at == ' ' || *reader->at == '\t')) reader->at++;
    const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    const char *comma = memchr(reader->at, ',', (size_t)((newline ? newline : reader->end) - reader->at));
    const bool quoted = !is_end_of_line(reader) && *reader->at == '"';
    const char *longest = comma && !quoted ? comma : newline ? newline : reader->end;
    char *text = arena_alloc(reader->arena, (size_t)(longest - reader->at) + 1);
    *field = text;
    if (!quoted) {
        take_plain(reader, text);
        return STATUS_OK;
    }
    reader->at++;
    const status result = take_quoted(reader, text);
    while (!is_end_of_line(reader) && (*reader->at == ' ' || *reader->at == '\t')) reader->at++;
    return result;
}

/* The next line that is not blank, in fields; field_count 0 at the end. */
static status take_line(struct table_reader *reader) {
    reader->field_count = 0;
    while (reader->at < reader->end && reader->field_count == 0) {
        reader->line++;
        for (bool more = true; more;) {
            if (reader->field_count == TABLE_MAX_COLUMNS)
                return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: more than %d columns", reader->path, reader->line, TABLE_MAX_COLUMNS);
            const status result = take_field(reader, &reader->fields[reader->field_count++]);
            if (result != STATUS_OK) return result;
            more = reader->at < reader->end && *reader->at == ',';
            if (!more && !is_end_of_line(reader))
                return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: text behind a closing quote", reader->path, reader->line);
            if (more) reader->at++;
        }
        if (reader->at < reader->end && *reader->at == '\r') reader->at++;
        if (reader->at < reader->end && *reader->at == '\n') reader->at++;
        if (reader->field_count == 1 && !reader->fields[0][0]) reader->field_count = 0;
    }
    return STATUS_OK;
}

/* ---- the header ---- */

static status column_unknown(const struct table_reader *reader, const char *name) {
    struct nearest nearest = {.text = name};
    char hint[96];
    for (uint32_t column = 0; column < COLUMN_COUNT; column++) nearest_offer(&nearest, column_names[column]);
    return diag_fail(reader->diag, STATUS_USAGE,
                     "%s:%u: unknown column '%s'%s (m,c,oh,ow,kh,kw are needed; "
                     "name,n,g,stride,dilation,pad,ih,iw,pool,ci,co,cw optional)",
                     reader->path, reader->line, name, nearest_hint(&nearest, "", hint));
}

static status read_header(struct table_reader *reader) {
    bool seen[COLUMN_COUNT] = {false};
    const status result = take_line(reader);
    if (result != STATUS_OK) return result;
    for (uint32_t field = 0; field < reader->field_count; field++) {
        uint32_t column = 0;
        while (column < COLUMN_COUNT && strcmp(column_names[column], reader->fields[field]) != 0) column++;
        if (column == COLUMN_COUNT) return column_unknown(reader, reader->fields[field]);
        if (seen[column])
            return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: column '%s' stands there twice", reader->path, reader->line,
                             column_names[column]);
        seen[column] = true;
        reader->columns[field] = (enum column)column;
    }
    for (uint32_t column = 0; column < COLUMNS_NEEDED; column++)
        if (!seen[column])
            return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: column '%s' is missing (m,c,oh,ow,kh,kw are needed)", reader->path,
                             reader->line ? reader->line : 1, column_names[column]);
    return STATUS_OK;
}

/* ---- a row ---- */

static status cell_wrong(const struct table_reader *reader, enum column column, const char *text, const char *allowed) {
    return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: column '%s': '%s' is not allowed: expected %s", reader->path, reader->line,
                     column_names[column], text, allowed);
}

static status cell_integer(const struct table_reader *reader, enum column column, int64_t *number) {
    const int64_t first = column == COLUMN_PAD ? 0 : 1;
    const char *text = reader->cells[column];
    int64_t parsed;
    if (!text && (uint32_t)column >= COLUMNS_NEEDED) return STATUS_OK;
    if (!text || !size_parse_integer(text, &parsed) || parsed < first || parsed > INT32_MAX)
        return cell_wrong(reader, column, text ? text : "",
                          first ? "a whole number from 1 to 2147483647" : "a whole number from 0 to 2147483647");
    *number = parsed;
    return STATUS_OK;
}

static status cell_factor(const struct table_reader *reader, enum column column, double *factor) {
    const char *text = reader->cells[column];
    double parsed;
    *factor = 1;
    if (!text) return STATUS_OK;
    if (!size_parse_decimal(text, &parsed) || parsed <= 0) return cell_wrong(reader, column, text, "a number above 0");
    *factor = parsed;
    return STATUS_OK;
}

struct axis_columns {
    enum column outputs, kernel, plane;
};

/* An axis without extent (a GEMM's columns) has no pads. Every factor is below 2^31, so that nothing here overflows. */
static status set_axis(const struct table_reader *reader, const struct axis_columns *columns, const int64_t *numbers,
                       struct nest_axis *axis) {
    const int64_t outputs = numbers[columns->outputs], pool = numbers[COLUMN_POOL];
    const bool flat = outputs == 1 && numbers[columns->kernel] == 1;
    axis->kernel = numbers[columns->kernel];
    axis->stride = numbers[COLUMN_STRIDE];
    axis->dilation = numbers[COLUMN_DILATION];
    axis->pad = flat ? 0 : numbers[COLUMN_PAD];
    const int64_t last = (outputs - 1) * axis->stride - axis->pad;
    const int64_t extent = (axis->kernel - 1) * axis->dilation + 1;
    axis->plane = numbers[columns->plane] ? numbers[columns->plane] : last + extent - axis->pad;
    if (axis->plane < 1 || last >= axis->plane || last + extent < 1)
        return diag_fail(
            reader->diag, STATUS_USAGE,
            "%s:%u: column '%s': windows do not lie in the plane of %lld: %lld outputs, kernel %lld, stride %lld, dilation %lld, pad %lld",
            reader->path, reader->line, column_names[columns->plane], (long long)axis->plane, (long long)outputs, (long long)axis->kernel,
            (long long)axis->stride, (long long)axis->dilation, (long long)axis->pad);
    if (pool > outputs)
        return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: column 'pool': %lld is more than the %lld of '%s'", reader->path, reader->line,
                         (long long)pool, (long long)outputs, column_names[columns->outputs]);
    axis->pool = pool;
    axis->pooled = outputs / pool;
    return STATUS_OK;
}

static status set_nest(const struct table_reader *reader, const int64_t *numbers, struct nest *nest) {
    static const struct axis_columns rows = {COLUMN_OH, COLUMN_KH, COLUMN_IH}, columns = {COLUMN_OW, COLUMN_KW, COLUMN_IW};
    nest_init(nest);
    nest->size[DIM_N] = numbers[COLUMN_N];
    nest->size[DIM_G] = numbers[COLUMN_G];
    nest->size[DIM_M] = numbers[COLUMN_M];
    nest->size[DIM_C] = numbers[COLUMN_C];
    nest->size[DIM_OH] = numbers[COLUMN_OH];
    nest->size[DIM_OW] = numbers[COLUMN_OW];
    nest->bits[OPERAND_I] = nest->bits[OPERAND_O] = reader->target->activation_bits;
    nest->bits[OPERAND_W] = reader->target->weight_bits;
    nest->partial_bits = reader->target->partial_sum_bits;
    status result = set_axis(reader, &rows, numbers, &nest->axis[1]);
    if (result == STATUS_OK) result = set_axis(reader, &columns, numbers, &nest->axis[2]);
    return result;
}

static status read_row(struct table_reader *reader, uint32_t number, struct layer_row *row) {
    int64_t numbers[COLUMN_INTEGERS];
    for (uint32_t column = 0; column < COLUMN_INTEGERS; column++) numbers[column] = 1;
    numbers[COLUMN_N] = reader->target->batch;
    numbers[COLUMN_PAD] = numbers[COLUMN_IH] = numbers[COLUMN_IW] = 0;
    status result = STATUS_OK;
    for (uint32_t column = 0; result == STATUS_OK && column < COLUMN_INTEGERS; column++)
        result = cell_integer(reader, (enum column)column, &numbers[column]);
    if (result == STATUS_OK) result = cell_factor(reader, COLUMN_CI, &row->input_factor);
    if (result == STATUS_OK) result = cell_factor(reader, COLUMN_CO, &row->output_factor);
    if (result == STATUS_OK) result = cell_factor(reader, COLUMN_CW, &row->weight_factor);
    if (result == STATUS_OK) result = set_nest(reader, numbers, &row->nest);
    if (result != STATUS_OK) return result;
    const char *name = reader->cells[COLUMN_NAME];
    row->name = name ? name : arena_print(reader->arena, "layer%u", number);
    row->line = reader->line;
    row->pool = numbers[COLUMN_POOL];
    return nest_check(&row->nest, arena_print(reader->arena, "%s:%u: %s", reader->path, reader->line, row->name), reader->diag);
}

static status assign_cells(struct table_reader *reader, uint32_t column_count) {
    memset(reader->cells, 0, sizeof reader->cells);
    if (reader->field_count != column_count)
        return diag_fail(reader->diag, STATUS_USAGE, "%s:%u: %u fields, the header has %u", reader->path, reader->line, reader->field_count,
                         column_count);
    for (uint32_t field = 0; field < column_count; field++)
        if (reader->fields[field][0]) reader->cells[reader->columns[field]] = reader->fields[field];
    return STATUS_OK;
}

/* ---- the file ---- */

status layer_table_read(struct arena *arena, const char *path, const char *text, size_t length, const struct target *target,
                        struct layer_table *table, struct diag *diag) {
    ARRAY(struct layer_row) rows = {0};
    struct table_reader *reader = ARENA_NEW(arena, struct table_reader);
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3, length -= 3;
    *reader = (struct table_reader){.arena = arena, .diag = diag, .path = path, .at = text, .end = text + length, .target = target};
    if (memchr(text, '\0', length)) return diag_fail(diag, STATUS_USAGE, "%s: is not text: it holds a zero byte", path);
    status result = read_header(reader);
    const uint32_t column_count = reader->field_count;
    while (result == STATUS_OK && (result = take_line(reader)) == STATUS_OK && reader->field_count) {
        struct layer_row row = {0};
        result = assign_cells(reader, column_count);
        if (result == STATUS_OK) result = read_row(reader, rows.count + 1, &row);
        if (result == STATUS_OK) array_push(arena, &rows, row);
    }
    if (result == STATUS_OK && rows.count == 0) result = diag_fail(diag, STATUS_USAGE, "%s: has no rows", path);
    if (result == STATUS_OK) *table = (struct layer_table){rows.items, rows.count};
    return result;
}
