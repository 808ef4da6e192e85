/* One layer's schedule drawn: its loops from outer to inner, a row each, and between them the buffers, where they sit. */
#include <inttypes.h>
#include <string.h>

#include "base/nearest.h"
#include "report/grid.h"

enum { EXPLAIN_STEP, EXPLAIN_AT, EXPLAIN_TRIPS, EXPLAIN_HOLDS, EXPLAIN_BYTES, EXPLAIN_MOVES, EXPLAIN_OFFCHIP, EXPLAIN_COLUMNS };

static const struct grid_column explain_columns[EXPLAIN_COLUMNS] = {
    [EXPLAIN_STEP] = {"from outer to inner", false, 0, 0},
    [EXPLAIN_AT] = {"step", true, 0, 0},
    [EXPLAIN_TRIPS] = {"trips", true, 0, 0},
    [EXPLAIN_HOLDS] = {"holds", false, 12, 2},
    [EXPLAIN_BYTES] = {"on chip B", true, 0, 0},
    [EXPLAIN_MOVES] = {"moves", false, 12, 0},
    [EXPLAIN_OFFCHIP] = {"off chip B", true, 0, 0},
};

/* ---- which layer ---- */

static bool explain_is_of(const struct record_layer *layer, const char *name) {
    bool is_of = strcmp(layer->name, name) == 0;
    for (uint32_t i = 0; i < layer->epilogue_count && !is_of; i++) is_of = strcmp(layer->epilogue[i], name) == 0;
    return is_of;
}

const struct record_layer *table_explain_find(const struct record *record, const char *name, struct diag *diag) {
    struct nearest nearest = {.text = name};
    char hint[96];
    for (uint32_t i = 0; i < record->layer_count; i++) {
        const struct record_layer *layer = &record->layers[i];
        if (explain_is_of(layer, name)) return layer;
        nearest_offer(&nearest, layer->name);
        for (uint32_t k = 0; k < layer->epilogue_count; k++) nearest_offer(&nearest, layer->epilogue[k]);
    }
    diag_fail(diag, STATUS_USAGE, "--explain: '%s' is none of the %" PRIu32 " layers, nor a node of an epilogue%s", name,
              record->layer_count, nearest_hint(&nearest, "", hint));
    return NULL;
}

/* ---- rows ---- */

enum explain_kind { ROW_BUFFER, ROW_LOOP, ROW_COMPUTE, ROW_BESIDE, ROW_TOTAL };

struct explain_row {
    enum explain_kind kind;
    uint32_t level; /* how many loops are around it */
    int operand;    /* of a buffer; of what is read beside the nest */
    int64_t bytes;  /* beside the nest, in all */
};

enum { EXPLAIN_ROWS = MAPPING_MAX_LOOPS + 2 * OPERAND_COUNT + 2 };

struct explain {
    const struct record_layer *layer;
    const struct nest *nest;
    const struct mapping *mapping;
    const struct target *target;
    struct traffic traffic; /* of the nest alone */
    struct footprint footprint;
    struct explain_row rows[EXPLAIN_ROWS];
    uint32_t row_count;
};

static void explain_add(struct explain *explain, enum explain_kind kind, uint32_t level, int operand, int64_t bytes) {
    explain->rows[explain->row_count++] = (struct explain_row){kind, level, operand, bytes};
}

static void explain_lay_out(struct explain *explain) {
    const struct mapping *mapping = explain->mapping;
    const struct record_layer *layer = explain->layer;
    for (uint32_t level = 0; level <= mapping->loop_count; level++) {
        for (int x = 0; x < OPERAND_COUNT; x++)
            if ((x != OPERAND_W || explain->nest->bits[OPERAND_W]) && mapping_sits(mapping, (enum operand)x) == level)
                explain_add(explain, ROW_BUFFER, level, x, 0);
        explain_add(explain, level < mapping->loop_count ? ROW_LOOP : ROW_COMPUTE, level, 0, 0);
    }
    const int64_t inputs = layer->input_bytes - explain->traffic.input_bytes, weights = layer->weight_bytes - explain->traffic.weight_bytes;
    if (inputs > 0) explain_add(explain, ROW_BESIDE, 0, OPERAND_I, inputs);
    if (weights > 0) explain_add(explain, ROW_BESIDE, 0, OPERAND_W, weights);
    explain_add(explain, ROW_TOTAL, 0, 0, 0);
}

/* ---- cells ---- */

static void explain_append(struct grid_cell *cell, const char *text) {
    const size_t used = strlen(cell->text);
    snprintf(cell->text + used, sizeof cell->text - used, "%s", text);
}

static void explain_append_extent(struct grid_cell *cell, const char *before, const char *name, int64_t extent) {
    char number[48];
    snprintf(number, sizeof number, "%s%s%" PRId64, before, name, extent);
    explain_append(cell, number);
}

/* The tree: a bar for each loop around the row. */
static void explain_tree_cell(const struct explain *explain, const struct explain_row *row, struct grid_cell *cell) {
    static const char *const buffers[OPERAND_COUNT] = {"[input]", "[weight]", "[output]"};
    static const char *const beside[OPERAND_COUNT] = {"second inputs", "parameters", ""};
    for (uint32_t i = 0; i < row->level; i++) explain_append(cell, "\xE2\x94\x82 ");
    if (row->kind == ROW_LOOP) {
        const struct mapping_loop *loop = &explain->mapping->loops[row->level];
        explain_append(cell, "for ");
        explain_append(cell, nest_dim_names[loop->dim]);
        if (loop->snake) explain_append(cell, ", to and fro");
    } else if (row->kind == ROW_BUFFER) {
        explain_append(cell, buffers[row->operand]);
    } else {
        explain_append(cell, row->kind == ROW_COMPUTE ? "compute" : row->kind == ROW_BESIDE ? beside[row->operand] : "total");
    }
}

/* What is around a loop: the next outer step of its dim. */
static int64_t explain_around(const struct explain *explain, uint32_t level) {
    const enum nest_dim dim = explain->mapping->loops[level].dim;
    int64_t around = explain->nest->size[dim];
    for (uint32_t i = 0; i < level; i++)
        if (explain->mapping->loops[i].dim == dim) around = explain->mapping->loops[i].step;
    return around;
}

static void explain_loop_cell(const struct explain *explain, const struct explain_row *row, unsigned column, struct grid_cell *cell) {
    const int64_t step = explain->mapping->loops[row->level].step, around = explain_around(explain, row->level);
    if (column == EXPLAIN_AT) cell_print(cell, "%" PRId64 " of %" PRId64, step, around);
    if (column == EXPLAIN_TRIPS) cell_number(cell, (around - 1) / step + 1);
}

/* "n2 g3 m8 c16", those that the operand has and the layer has more than one of, then the plane "3x30". */
static void explain_extents(const struct explain *explain, uint32_t depth, unsigned dims, const int64_t *plane, struct grid_cell *cell) {
    for (int d = DIM_N; d <= DIM_C; d++)
        if (dims >> d & 1 && explain->nest->size[d] > 1)
            explain_append_extent(cell, cell->text[0] ? " " : "", nest_dim_names[d],
                                  mapping_extent(explain->nest, explain->mapping, depth, (enum nest_dim)d));
    const int first = nest_is_volume(explain->nest) ? 0 : 1;
    if (plane[0] * plane[1] * plane[2] == 1) return;
    for (int a = first; a < NEST_AXES; a++) explain_append_extent(cell, a > first ? "x" : cell->text[0] ? ", " : "", "", plane[a]);
}

static void explain_holds(const struct explain *explain, int operand, uint32_t depth, struct grid_cell *cell) {
    enum { PLANE = 1 << DIM_OD | 1 << DIM_OH | 1 << DIM_OW };
    int64_t plane[NEST_AXES];
    for (int a = 0; a < NEST_AXES; a++) {
        const enum nest_dim dim = (enum nest_dim)(DIM_OD + a);
        if (operand == OPERAND_W) plane[a] = explain->nest->axis[a].kernel;
        else if (operand == OPERAND_I) plane[a] = mapping_rows(explain->nest, explain->mapping, depth, dim);
        else plane[a] = mapping_extent(explain->nest, explain->mapping, depth, dim);
    }
    explain_extents(explain, depth, operand_dims[operand] & ~(unsigned)PLANE, plane, cell);
    if (operand == OPERAND_W && explain->nest->has_bias) explain_append(cell, ", bias");
    if (!cell->text[0]) explain_append(cell, "1");
    if (explain->target->double_buffer[operand]) explain_append(cell, ", twice");
}

/* "fetched 28 times", "written 112 times, read 84 times" */
static void explain_moves(const struct explain *explain, int operand, struct grid_cell *cell) {
    int64_t first = 0;
    const int64_t moves = mapping_transfers(explain->nest, explain->mapping, (enum operand)operand, &first);
    char number[32], back[32];
    if (moves == 1) cell_print(cell, "%s once", operand == OPERAND_O ? "written" : "fetched");
    else cell_print(cell, "%s %s times", operand == OPERAND_O ? "written" : "fetched", table_number(moves, number));
    if (operand == OPERAND_O && moves > first)
        cell_print(cell, "written %s, read back %s times", table_number(moves, number), table_number(moves - first, back));
}

static void explain_buffer_cell(const struct explain *explain, const struct explain_row *row, unsigned column, struct grid_cell *cell) {
    const struct traffic *moved = &explain->traffic;
    const int64_t bytes[OPERAND_COUNT] = {moved->input_bytes, moved->weight_bytes, moved->output_bytes + moved->partial_sum_bytes};
    if (column == EXPLAIN_HOLDS) explain_holds(explain, row->operand, row->level, cell);
    if (column == EXPLAIN_BYTES) cell_number(cell, explain->footprint.bytes[row->operand]);
    if (column == EXPLAIN_MOVES) explain_moves(explain, row->operand, cell);
    if (column == EXPLAIN_OFFCHIP) cell_number(cell, bytes[row->operand]);
}

static void explain_compute_cell(const struct explain *explain, const struct explain_row *row, unsigned column, struct grid_cell *cell) {
    int64_t plane[NEST_AXES];
    for (int a = 0; a < NEST_AXES; a++) plane[a] = mapping_extent(explain->nest, explain->mapping, row->level, (enum nest_dim)(DIM_OD + a));
    if (column != EXPLAIN_HOLDS) return;
    explain_extents(explain, row->level, 1 << DIM_N | 1 << DIM_G | 1 << DIM_M | 1 << DIM_C, plane, cell);
    if (!cell->text[0]) explain_append(cell, "1");
}

static void explain_cell(void *data, uint32_t at, unsigned column, struct grid_cell *cell) {
    const struct explain *explain = data;
    const struct explain_row *row = &explain->rows[at];
    if (row->kind == ROW_BUFFER) cell->tone = TONE_GOOD;
    if (row->kind == ROW_TOTAL) cell->tone = TONE_STRONG;
    if (column == EXPLAIN_STEP) explain_tree_cell(explain, row, cell);
    else if (row->kind == ROW_LOOP) explain_loop_cell(explain, row, column, cell);
    else if (row->kind == ROW_BUFFER) explain_buffer_cell(explain, row, column, cell);
    else if (row->kind == ROW_COMPUTE) explain_compute_cell(explain, row, column, cell);
    else if (row->kind == ROW_BESIDE && column == EXPLAIN_MOVES) cell_print(cell, "read once");
    else if (row->kind == ROW_BESIDE && column == EXPLAIN_OFFCHIP) cell_number(cell, row->bytes);
    else if (row->kind == ROW_TOTAL && column == EXPLAIN_BYTES) cell_number(cell, explain->layer->footprint_bytes);
    else if (row->kind == ROW_TOTAL && column == EXPLAIN_OFFCHIP) cell_number(cell, explain->layer->offchip_bytes);
}

/* ---- the whole ---- */

static void explain_label(const struct table_style *style, const char *label) {
    grid_tone_on(style, TONE_STRONG);
    fprintf(style->file, "%-9s", label);
    grid_tone_off(style, TONE_STRONG);
}

static void explain_head(const struct table_style *style, const struct record_layer *layer) {
    char number[32];
    struct grid_cell dims = {.text = ""};
    explain_label(style, "layer");
    grid_print_text(style->file, layer->name, 0);
    fprintf(style->file, " (%s)", layer->op);
    if (layer->nest) {
        cell_dims(&dims, layer->nest);
        fprintf(style->file, ", %s", dims.text);
    }
    if (layer->macs) fprintf(style->file, ", %s MACs", table_number(layer->macs, number));
    if (layer->reuse && strcmp(layer->reuse, "none") != 0) fprintf(style->file, ", reuse of %s", layer->reuse);
    fputc('\n', style->file);
    if (!layer->epilogue_count) return;
    explain_label(style, "then");
    for (uint32_t i = 0; i < layer->epilogue_count; i++) {
        if (i) fputs(", ", style->file);
        grid_print_text(style->file, layer->epilogue[i], 0);
    }
    fputc('\n', style->file);
}

static void explain_stream(const struct table_style *style, const struct record_layer *layer) {
    char number[32];
    explain_label(style, "moves");
    fprintf(style->file, "no tile loops: %s B in, ", table_number(layer->input_bytes, number));
    if (layer->weight_bytes) fprintf(style->file, "%s B of parameters, ", table_number(layer->weight_bytes, number));
    fprintf(style->file, "%s B out, each once\n", table_number(layer->output_bytes, number));
}

void table_explain(const struct table_style *style, const struct record *record, const struct record_layer *layer) {
    struct explain explain = {.layer = layer, .nest = layer->nest, .mapping = layer->mapping, .target = record->target};
    const struct record_group *fused = record_fused_group(record, layer);
    char line[512];
    explain_head(style, layer);
    if (fused) {
        table_explain_group(style, record, fused);
    } else if (layer->infeasible) {
        table_infeasible_line(layer, record->target, line, sizeof line);
        fprintf(style->file, "%s\n", line);
    } else if (!layer->mapping) {
        explain_stream(style, layer);
    } else {
        mapping_traffic(explain.nest, record->target, explain.mapping, &explain.traffic);
        mapping_footprint(explain.nest, record->target, explain.mapping, &explain.footprint);
        explain_lay_out(&explain);
        const struct grid grid = {style, explain_columns, EXPLAIN_COLUMNS, explain.row_count, true, explain_cell, &explain};
        grid_print(&grid);
    }
}
