/* A fused group drawn: the loops over tiles, and in them its layers in turn, with the tensors that they take and make. */
#include <inttypes.h>
#include <string.h>

#include "report/grid.h"

enum { GROUP_STEP, GROUP_AT, GROUP_TRIPS, GROUP_HOLDS, GROUP_MOVES, GROUP_WEIGHTS, GROUP_OFFCHIP, GROUP_COLUMNS };

static const struct grid_column group_columns[GROUP_COLUMNS] = {
    [GROUP_STEP] = {"from outer to inner", false, 12, 0},
    [GROUP_AT] = {"step", true, 0, 0},
    [GROUP_TRIPS] = {"trips", true, 0, 0},
    [GROUP_HOLDS] = {"holds", false, 12, 2},
    [GROUP_MOVES] = {"moves", false, 12, 0},
    [GROUP_WEIGHTS] = {"weights", false, 0, 0},
    [GROUP_OFFCHIP] = {"off chip B", true, 0, 0},
};

/* Rows: the loops, over tiles and around them over output blocks where there are several, then each layer behind the tensors that it is the
 * first to take and before the one that it makes, then the total. */
enum { LOOP_BLOCKS, LOOP_OUTER, LOOP_INNER, GROUP_LOOPS };

struct group_table {
    const struct record *record;
    const struct record_group *group;
};

/* What a row shows; one of them, or the total. */
struct group_row {
    uint32_t loop; /* GROUP_LOOPS = none */
    const struct record_tensor *tensor;
    const struct record_layer *layer;
};

/* The loop of row 0, and how many there are. */
static uint32_t group_first_loop(const struct record_group *group) { return group->out_blocks > 1 ? LOOP_BLOCKS : LOOP_OUTER; }
static uint32_t group_loops(const struct record_group *group) { return GROUP_LOOPS - group_first_loop(group); }

static uint32_t group_layers(const struct group_table *table) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->record->layer_count; i++) count += table->record->layers[i].group == table->group->id;
    return count;
}

/* The place of a layer's own row: tensors of layers before it, those that come to it, and the layers before. */
static uint32_t group_place(const struct group_table *table, uint32_t layer) {
    uint32_t place = group_loops(table->group);
    for (uint32_t i = 0; i < table->group->tensor_count; i++) {
        const struct record_tensor *tensor = &table->group->tensors[i];
        place += tensor->layer < layer || (tensor->layer == layer && !tensor->is_made);
    }
    for (uint32_t i = 0; i < layer; i++) place += table->record->layers[i].group == table->group->id;
    return place;
}

static uint32_t group_tensor_place(const struct group_table *table, uint32_t at) {
    const struct record_tensor *tensor = &table->group->tensors[at];
    uint32_t same = 0, after = 0;
    for (uint32_t i = 0; i < table->group->tensor_count; i++) {
        const struct record_tensor *other = &table->group->tensors[i];
        if (other->layer != tensor->layer || other->is_made != tensor->is_made) continue;
        same += i < at;
        after += i >= at;
    }
    const uint32_t place = group_place(table, tensor->layer);
    return tensor->is_made ? place + 1 + same : place - after;
}

static struct group_row group_row_at(const struct group_table *table, uint32_t row) {
    const uint32_t loops = group_loops(table->group);
    struct group_row found = {.loop = row < loops ? group_first_loop(table->group) + row : GROUP_LOOPS};
    if (row < loops) return found;
    for (uint32_t i = 0; i < table->group->tensor_count; i++)
        if (group_tensor_place(table, i) == row) found.tensor = &table->group->tensors[i];
    for (uint32_t i = 0; !found.tensor && i < table->record->layer_count; i++)
        if (table->record->layers[i].group == table->group->id && group_place(table, i) == row) found.layer = &table->record->layers[i];
    return found;
}

static void group_append(struct grid_cell *cell, const char *text) {
    const size_t used = strlen(cell->text);
    snprintf(cell->text + used, sizeof cell->text - used, "%s", text);
}

/* The axis of a loop over tiles. */
static int group_axis(const struct record_group *group, uint32_t loop) {
    return (strcmp(group->walk, "down") == 0) == (loop == LOOP_OUTER);
}

/* A bar for each loop around the row. */
static void group_indent(struct grid_cell *cell, uint32_t loops) {
    while (loops-- > 0) group_append(cell, "\xE2\x94\x82 ");
}

static void group_loop_cell(const struct record_group *group, uint32_t loop, unsigned column, struct grid_cell *cell) {
    const int axis = group_axis(group, loop);
    if (column == GROUP_STEP) {
        group_indent(cell, loop - group_first_loop(group));
        group_append(cell, loop == LOOP_BLOCKS ? "for output blocks" : "for ");
        if (loop != LOOP_BLOCKS) group_append(cell, nest_dim_names[DIM_OH + axis]);
    } else if (column == GROUP_AT && loop != LOOP_BLOCKS) {
        cell_print(cell, "%" PRId64 " of %" PRId64, group->tile[axis], group->plane[axis]);
    } else if (column == GROUP_TRIPS) {
        cell_number(cell, loop == LOOP_BLOCKS ? group->out_blocks : (group->plane[axis] - 1) / group->tile[axis] + 1);
    }
}

static void group_name(struct grid_cell *cell, const struct record_group *group, const char *before, const char *name, const char *after) {
    group_indent(cell, group_loops(group));
    group_append(cell, before);
    group_append(cell, name);
    group_append(cell, after);
}

static void group_tensor_cell(const struct record_group *group, const struct record_tensor *tensor, unsigned column,
                              struct grid_cell *cell) {
    const int64_t channels = tensor->block ? tensor->block : tensor->channels;
    if (column == GROUP_STEP) {
        group_name(cell, group, "[", tensor->name, "]");
    } else if (column == GROUP_HOLDS) {
        cell_print(cell, "%" PRId64 " of %" PRId64 " channels, %" PRId64 "x%" PRId64, channels, tensor->channels, tensor->window[0],
                   tensor->window[1]);
    } else if (column == GROUP_MOVES) {
        static const char *const moves[2][2] = {{"", ", fetched"}, {"", ", written"}};
        cell_print(cell, "%s%s", tensor->stays ? "stays" : tensor->block ? "passes" : "held", moves[tensor->is_made][tensor->moves]);
    }
}

static void group_weights_cell(const struct group_table *table, const struct record_layer *layer, struct grid_cell *cell) {
    for (uint32_t i = 0; i < table->group->weight_count; i++) {
        const struct record_weights *weights = &table->group->weights[i];
        if (strcmp(weights->node, layer->name) != 0) continue;
        if (weights->piece) cell_print(cell, "stream by %" PRId64, weights->piece);
        else cell_print(cell, "stay");
    }
}

static void group_layer_cell(const struct group_table *table, const struct record_layer *layer, unsigned column, struct grid_cell *cell) {
    if (column == GROUP_STEP) group_name(cell, table->group, "", layer->name, "");
    else if (column == GROUP_WEIGHTS) group_weights_cell(table, layer, cell);
    else if (column == GROUP_OFFCHIP) cell_unless_zero(cell, layer->offchip_bytes);
}

static void group_total_cell(const struct record_group *group, unsigned column, struct grid_cell *cell) {
    char number[32];
    cell->tone = TONE_STRONG;
    if (column == GROUP_STEP) cell_print(cell, "total");
    else if (column == GROUP_HOLDS) cell_print(cell, "%s B on chip at most", table_number(group->footprint_bytes, number));
    else if (column == GROUP_OFFCHIP) cell_number(cell, group->offchip_bytes);
}

static void group_cell_of(void *data, uint32_t at, unsigned column, struct grid_cell *cell) {
    const struct group_table *table = data;
    const struct group_row row = group_row_at(table, at);
    if (row.tensor) cell->tone = TONE_GOOD;
    if (row.loop < GROUP_LOOPS) group_loop_cell(table->group, row.loop, column, cell);
    else if (row.tensor) group_tensor_cell(table->group, row.tensor, column, cell);
    else if (row.layer) group_layer_cell(table, row.layer, column, cell);
    else group_total_cell(table->group, column, cell);
}

static void group_head(const struct table_style *style, const struct record_group *group, uint32_t layers) {
    static const char *const kept[][2] = {{"recompute", "nothing is kept between tiles"},
                                          {"rows", "what the next tiles of a row need is kept"},
                                          {"full", "all that later tiles need is kept"}};
    char macs[32], again[32];
    grid_print_label(style, "group");
    fprintf(style->file, "%" PRIu32 ": %" PRIu32 " layers, tiles go %s", group->id, layers,
            strcmp(group->walk, "down") == 0 ? "down, then right" : "right, then down");
    for (int i = 0; i < 3; i++)
        if (strcmp(kept[i][0], group->overlap) == 0) fprintf(style->file, "; %s (%s)", group->overlap, kept[i][1]);
    fprintf(style->file, "; %s MACs", table_number(group->macs, macs));
    if (group->recomputed_macs) fprintf(style->file, ", %s of them again", table_number(group->recomputed_macs, again));
    fputc('\n', style->file);
}

void table_explain_group(const struct table_style *style, const struct record *record, const struct record_group *group) {
    struct group_table table = {record, group};
    const uint32_t layers = group_layers(&table);
    const struct grid grid = {style, group_columns, GROUP_COLUMNS, group_loops(group) + group->tensor_count + layers + 1,
                              true,  group_cell_of, &table};
    group_head(style, group, layers);
    grid_print(&grid);
}
