/* report: the JSON says what the record says; annotating twice changes nothing; the tables look as people see them. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "ir/edit.h"
#include "onnx/model.h"
#include "report/annotate.h"
#include "report/json.h"
#include "report/schedule.h"
#include "report/table.h"
#include "report_sample.h"
#include "unit/failing.h"

static struct heap heap;
static struct arena *arena;
static struct report_sample sample;

static void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    sample_make(&sample);
}

static void tear_down(void) {
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
}

/* ---- JSON ---- */

static json_t *parse(const char *text) {
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(root != NULL, "%s at line %d: %s", error.text, error.line, text);
    return root;
}

/* "layers.0.dims.m" */
static json_t *at(json_t *root, const char *path) {
    char copy[128], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *key = strtok_r(copy, ".", &rest); key && root; key = strtok_r(NULL, ".", &rest))
        root = json_is_array(root) ? json_array_get(root, (size_t)atoi(key)) : json_object_get(root, key);
    return root;
}

static void check_int(json_t *root, const char *path, int64_t expected) {
    ck_assert_msg(json_is_integer(at(root, path)), "%s", path);
    ck_assert_msg(json_integer_value(at(root, path)) == expected, "%s", path);
}

static void check_text(json_t *root, const char *path, const char *expected) {
    ck_assert_msg(json_is_string(at(root, path)), "%s", path);
    ck_assert_str_eq(json_string_value(at(root, path)), expected);
}

static void check_real(json_t *root, const char *path, double expected) {
    ck_assert_msg(json_is_number(at(root, path)), "%s", path);
    ck_assert_double_eq(json_number_value(at(root, path)), expected);
}

START_TEST(report_says_what_the_record_says) {
    json_t *root = parse(json_report(arena, &sample.record));
    check_text(root, "superslash.command", "explore");
    check_int(root, "model.macs", 9000000000000000001);
    check_int(root, "target.on_chip.capacity", 131072);
    check_text(root, "target.on_chip.double_buffer.1", "weight");
    check_int(root, "target.bits.partial_sum", 32);
    check_real(root, "target.off_chip.bandwidth", 3.2e9);
    ck_assert_ptr_null(at(root, "target.off_chip.energy_pj_per_byte"));
    check_int(root, "totals.offchip_bytes", 2499932);
    check_real(root, "totals.energy_uj", 200.5);
    ck_assert_ptr_null(at(root, "totals.compute_ms"));
    check_int(root, "layers.0.dims.m", 256);
    check_int(root, "layers.0.dims.kh", 3);
    ck_assert_ptr_null(at(root, "layers.0.dims.od"));
    check_int(root, "layers.0.macs", 9000000000000000001);
    check_text(root, "layers.0.epilogue.0", "relu1");
    check_text(root, "layers.0.mapping.loops.1.dim", "oh");
    ck_assert(json_is_true(at(root, "layers.0.mapping.loops.1.snake")));
    ck_assert_ptr_null(at(root, "layers.0.mapping.loops.0.snake"));
    check_int(root, "layers.0.mapping.depth.w", 1);
    check_real(root, "layers.0.energy_uj", 0.1);
    ck_assert_ptr_null(at(root, "layers.1.energy_uj"));
    ck_assert_ptr_null(at(root, "layers.2.dims"));
    ck_assert_ptr_null(at(root, "layers.2.mapping"));
    check_text(root, "groups.0.nodes.1", "relu1");
    check_int(root, "groups.2.offchip_bytes", 1500);
    check_text(root, "opaque.0.op", "Foo\"\n");
    check_real(root, "timings_ms.explore", 2.25);
    ck_assert_ptr_null(at(root, "pruning"));
    json_decref(root);
}
END_TEST

START_TEST(a_layer_that_does_not_fit_has_no_costs) {
    sample_break(&sample);
    sample.record.model = NULL;
    json_t *root = parse(json_report(arena, &sample.record));
    ck_assert(json_is_null(at(root, "model")));
    check_int(root, "infeasible_layers", 1);
    check_int(root, "layers.1.infeasible.demand_bytes", 9412);
    check_int(root, "layers.1.infeasible.weight_bytes", 4608);
    check_int(root, "layers.1.infeasible.short_bytes", 1220);
    ck_assert_ptr_null(at(root, "layers.1.offchip_bytes"));
    ck_assert_ptr_null(at(root, "layers.1.rank"));
    ck_assert_ptr_null(at(root, "groups.1.offchip_bytes"));
    check_int(root, "groups.0.offchip_bytes", 1750272);
    json_decref(root);
}
END_TEST

/* conv1 by a published model, conv2 does not fit it. */
static const struct published_tile published_tiles[] = {{16, 64, 8, 9}, {256, 1, 8, 9}, {32, 16, 1, 1}};
static const struct record_published published_layer = {
    .strategy = "oro",
    .rule = "wro",
    .tile = &published_tiles[STRATEGY_ORO],
    .tiles = {&published_tiles[STRATEGY_IRO], &published_tiles[STRATEGY_ORO], &published_tiles[STRATEGY_WRO]},
    .footprint_bytes = 1000.25,
    .offchip_bytes = 2000.5,
    .input_bytes = 1000,
    .weight_bytes = 800.25,
    .output_bytes = 200.25,
    .strategy_bytes = {3000, 2000.5, 1e17 / 9},
    .rule_bytes = 1e17 / 9,
    .compulsory_bytes = 1600,
    .rank = 1};

static void sample_publish(void) {
    static struct record_published totals;
    totals = published_layer;
    totals.strategy = totals.rule = NULL;
    totals.tile = NULL;
    totals.rank = 0;
    sample_break(&sample);
    sample.target.cost_model = COST_SUPERSLASH;
    sample.layers[0].published = &published_layer;
    sample.layers[0].group = sample.layers[1].group = RECORD_NO_GROUP;
    sample.record.layer_count = 2;
    sample.record.group_count = 0;
    sample.record.published = &totals;
}

START_TEST(a_published_model_keeps_fractions) {
    sample_publish();
    json_t *root = parse(json_report(arena, &sample.record));
    check_text(root, "target.cost_model", "superslash");
    check_text(root, "layers.0.strategy", "oro");
    check_text(root, "layers.0.rule", "wro");
    check_int(root, "layers.0.tile.m", 256);
    check_int(root, "layers.0.iro_tile.ow", 9);
    check_real(root, "layers.0.offchip_bytes", 2000.5);
    check_int(root, "layers.0.input_bytes", 1000);
    check_real(root, "layers.0.wro_bytes", 1e17 / 9);
    check_int(root, "layers.0.rank", 1);
    ck_assert_ptr_null(at(root, "layers.0.group"));
    check_int(root, "layers.1.infeasible.short_bytes", 1220);
    ck_assert_ptr_null(at(root, "layers.1.offchip_bytes"));
    check_real(root, "totals.offchip_bytes", 2000.5);
    check_real(root, "totals.min_bytes", 2000.5);
    check_int(root, "totals.iro_bytes", 3000);
    check_text(root, "totals.lower_bound", "compulsory");
    json_decref(root);
}
END_TEST

START_TEST(pruning_and_spaces) {
    static const char *const members[] = {"makes conv1", "reads conv2"};
    static const uint32_t first[] = {0, 1}, second[] = {2, 3};
    static const uint32_t *const cells[] = {first, second};
    const struct record_space spaces[] = {{"conv1", members, 2, 4, 2, 100, 200, 0.25, NULL, cells, 2, 2},
                                          {"fc", NULL, 0, 10, 10, 0, 0, 0, "graph output", NULL, 0, 0}};
    const struct record_pruning pruning = {.budget = "offchip -30%",
                                           .ranking = "marginal",
                                           .importance = "l2",
                                           .budget_bytes = 10,
                                           .reached_bytes = 9,
                                           .before = &sample.record.totals,
                                           .after = &sample.record.totals};
    sample.record.spaces = spaces;
    sample.record.space_count = 2;
    json_t *root = parse(json_report(arena, &sample.record));
    check_int(root, "spaces.0.size", 4);
    check_int(root, "spaces.0.blocks.1.0", 2);
    check_text(root, "spaces.0.members.1", "reads conv2");
    ck_assert(json_is_null(at(root, "spaces.0.fixed")));
    check_text(root, "spaces.1.fixed", "graph output");
    ck_assert_ptr_null(at(root, "spaces.1.blocks"));
    json_decref(root);
    sample.record.pruning = &pruning;
    root = parse(json_report(arena, &sample.record));
    ck_assert_ptr_null(at(root, "spaces"));
    check_int(root, "pruning.reached", 9);
    check_int(root, "pruning.spaces.0.kept", 2);
    check_real(root, "pruning.spaces.0.importance_lost", 0.25);
    check_int(root, "pruning.before.offchip_bytes", 2499932);
    json_decref(root);
}
END_TEST

START_TEST(names_that_are_not_text) {
    sample.layers[0].name = "a\x01\xff\xc3\xa9\xed\xa0\x80\\";
    json_t *root = parse(json_report(arena, &sample.record));
    const char *fffd = "\xEF\xBF\xBD";
    check_text(root, "layers.0.name", arena_print(arena, "a\x01%s\xc3\xa9%s%s%s\\", fffd, fffd, fffd, fffd));
    json_decref(root);
}
END_TEST

START_TEST(split_target_of_model_widths) {
    sample.target.is_split = true;
    sample.target.partition_bytes[OPERAND_W] = 48;
    sample.target.bits_of_model = true;
    json_t *root = parse(json_target(arena, &sample.target));
    check_int(root, "on_chip.weight", 48);
    ck_assert_ptr_null(at(root, "on_chip.capacity"));
    check_text(root, "bits", "model");
    json_decref(root);
}
END_TEST

/* ---- annotations ---- */

static struct graph *sample_graph(node_id ids[4]) {
    static const char *const names[] = {"conv1", "relu1", "conv2", "add"};
    struct graph *graph = graph_new(arena);
    value_id value = edit_add_value(graph, "x");
    for (int i = 0; i < 4; i++) {
        const value_id made = edit_add_value(graph, names[i]);
        ids[i] = edit_add_node(graph, NODE_NONE, "", "Relu", names[i], &value, 1, &made, 1);
        value = made;
    }
    return graph;
}

static const char *property(const property_array *properties, const char *key) {
    for (uint32_t i = 0; i < properties->count; i++)
        if (strcmp(properties->items[i].key, key) == 0) return properties->items[i].value;
    return NULL;
}

static node_id sample_ids[4];

static struct graph *annotated(void) {
    struct graph *graph = sample_graph(sample_ids);
    edit_set_property(graph, sample_ids[0], "superslash.rank", "99");
    edit_set_property(graph, sample_ids[0], "superslash.old", "1");
    edit_set_property(graph, sample_ids[0], "other", "kept");
    edit_set_property(graph, sample_ids[3], "superslash.mapping", "stale");
    sample.layers[0].node = sample_ids[0];
    sample.layers[1].node = sample_ids[2];
    sample.layers[2].node = sample_ids[3];
    sample.groups[0].node_ids = &sample_ids[0];
    sample.groups[1].node_ids = &sample_ids[2];
    sample.groups[2].node_ids = &sample_ids[3];
    annotate_graph(graph, &sample.record);
    return graph;
}

START_TEST(annotations_replace_ours_and_keep_others) {
    struct graph *graph = annotated();
    const property_array *conv = &graph_node(graph, sample_ids[0])->properties;
    ck_assert_str_eq(property(conv, "other"), "kept");
    ck_assert_ptr_null(property(conv, "superslash.old"));
    ck_assert_str_eq(property(conv, "superslash.group"), "0");
    ck_assert_str_eq(property(conv, "superslash.rank"), "1");
    ck_assert_str_eq(property(conv, "superslash.reuse"), "output+weight");
    ck_assert_str_eq(property(conv, "superslash.offchip_bytes"), "1750272");
    ck_assert_str_eq(property(conv, "superslash.pruned"), "300 -> 256");
    ck_assert_str_eq(property(conv, "superslash.mapping"), json_mapping(arena, &sample.mapping));
    const property_array *relu = &graph_node(graph, sample_ids[1])->properties;
    ck_assert_uint_eq(relu->count, 1);
    ck_assert_str_eq(property(relu, "superslash.group"), "0");
    ck_assert_ptr_null(property(&graph_node(graph, sample_ids[3])->properties, "superslash.mapping"));
    ck_assert_str_eq(property(&graph->properties, "superslash.fingerprint"), "f00d");
    ck_assert_str_eq(property(&graph->properties, "superslash.schedule"), json_schedule(arena, &sample.record));
    ck_assert_ptr_null(property(&graph->properties, "superslash.plan"));
}
END_TEST

START_TEST(annotating_again_changes_nothing) {
    struct graph *graph = annotated();
    const uint64_t edits = graph->edit_count;
    graph->properties_changed = false;
    for (int i = 0; i < 4; i++) graph_node(graph, sample_ids[i])->properties_changed = false;
    sample.timings[0].ms = 77;
    annotate_graph(graph, &sample.record);
    ck_assert(!graph->properties_changed);
    for (int i = 0; i < 4; i++) ck_assert(!graph_node(graph, sample_ids[i])->properties_changed);
    ck_assert_uint_eq(graph->edit_count, edits);
    annotate_strip(graph);
    ck_assert_uint_eq(graph->properties.count, 0);
    ck_assert_uint_eq(graph_node(graph, sample_ids[0])->properties.count, 1);
}
END_TEST

/* Reads, annotates the first node, writes. */
static void rewrite(const void *from, size_t from_bytes, uint8_t **bytes, size_t *size) {
    struct onnx_model *model;
    struct diag diag = {0};
    ck_assert_int_eq(onnx_model_from_bytes(arena, from, from_bytes, NULL, &model, &diag), STATUS_OK);
    struct graph *graph = onnx_model_graph(model);
    sample.layers[0].node = graph->order.items[0];
    sample.groups[0].node_ids = graph->order.items;
    annotate_graph(graph, &sample.record);
    ck_assert_int_eq(onnx_model_write_bytes(model, arena, bytes, size, &diag), STATUS_OK);
}

START_TEST(a_written_model_annotates_to_the_same_bytes) {
    struct os_file file;
    struct diag diag = {0};
    uint8_t *once, *twice, *later;
    size_t once_bytes, twice_bytes, later_bytes;
    ck_assert_int_eq(os_map_file(arena, "models/resnet.onnx", &file, &diag), STATUS_OK);
    rewrite(file.bytes, file.size, &once, &once_bytes);
    ck_assert_uint_gt(once_bytes, file.size);
    rewrite(once, once_bytes, &twice, &twice_bytes);
    ck_assert_uint_eq(once_bytes, twice_bytes);
    ck_assert_mem_eq(once, twice, once_bytes);
    sample.layers[0].rank = 7;
    rewrite(twice, twice_bytes, &later, &later_bytes);
    sample.layers[0].rank = 1;
    rewrite(later, later_bytes, &twice, &twice_bytes);
    ck_assert_uint_eq(once_bytes, twice_bytes);
    ck_assert_mem_eq(once, twice, once_bytes);
}
END_TEST

START_TEST(schedule_is_plain_json) {
    ck_assert_str_eq(json_schedule(arena, &sample.record),
                     "{\"superslash_schedule\": 1, \"groups\": [{\"id\": 0, \"nodes\": [\"conv1\", \"relu1\"], \"mapping\": {\"loops\": "
                     "[{\"dim\": \"m\", \"step\": 32}, {\"dim\": \"oh\", \"step\": 8, \"snake\": true}], \"depth\": {\"i\": 2, \"w\": 1, "
                     "\"o\": 2}}}, {\"id\": 1, \"nodes\": [\"conv2\"], \"mapping\": {\"loops\": [{\"dim\": \"m\", \"step\": 32}, "
                     "{\"dim\": \"oh\", \"step\": 8, \"snake\": true}], \"depth\": {\"i\": 2, \"w\": 1, \"o\": 2}}}, {\"id\": 2, "
                     "\"nodes\": [\"add\"]}]}");
}
END_TEST

static const char fused_entry[] =
    "{\"id\": 0, \"nodes\": [\"conv1\", \"relu1\", \"conv2\"], \"tile\": {\"oh\": 8, \"ow\": 56}, \"walk\": \"right\", \"overlap\": \"rows\", "
    "\"out_blocks\": 1, \"tensors\": {\"x\\\"\": \"held\", \"relu1\": {\"passing\": 16}, \"conv2\": \"stays\"}, \"weights\": {\"conv1\": "
    "\"stays\", \"conv2\": {\"streams\": 8}}}";

START_TEST(a_fused_group_and_its_notes) {
    sample_fuse(&sample);
    ck_assert_str_eq(json_group(arena, &sample.groups[0]), fused_entry);
    struct graph *graph = sample_graph(sample_ids);
    sample.groups[0].node_ids = &sample_ids[0];
    sample.groups[1].node_ids = &sample_ids[3];
    annotate_graph(graph, &sample.record);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(property(&graph_node(graph, sample_ids[i])->properties, "superslash.schedule"), fused_entry);
    ck_assert_ptr_null(property(&graph_node(graph, sample_ids[3])->properties, "superslash.schedule"));
}
END_TEST

/* What is written is read as it was. */
START_TEST(a_fused_group_is_read_back) {
    struct schedule schedule;
    struct diag diag = {0};
    sample_fuse(&sample);
    const char *text = json_schedule(arena, &sample.record);
    ck_assert_int_eq(schedule_parse(arena, text, strlen(text), &schedule, &diag), STATUS_OK);
    ck_assert_uint_eq(schedule.groups.count, 2);
    ck_assert_ptr_null(schedule.groups.items[1].fused);
    const struct schedule_fused *fused = schedule.groups.items[0].fused;
    ck_assert_int_eq(fused->tile[0], 8);
    ck_assert_int_eq(fused->tile[1], 56);
    ck_assert(!fused->down_first);
    ck_assert_int_eq(fused->overlap, OVERLAP_ROWS);
    ck_assert_int_eq(fused->out_blocks, 1);
    ck_assert_uint_eq(fused->tensors.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_str_eq(fused->tensors.items[i].name, sample.groups[0].tensors[i].name);
        ck_assert_int_eq(fused->tensors.items[i].block, sample.groups[0].tensors[i].block);
        ck_assert_int_eq(fused->tensors.items[i].stays, sample.groups[0].tensors[i].stays);
    }
    ck_assert_uint_eq(fused->weights.count, 2);
    ck_assert_str_eq(fused->weights.items[1].node, "conv2");
    ck_assert_int_eq(fused->weights.items[0].piece, 0);
    ck_assert_int_eq(fused->weights.items[1].piece, 8);
}
END_TEST

/* ---- tables ---- */

static char *shown;
static size_t shown_bytes;

static struct table_style open_style(unsigned columns) {
    return (struct table_style){open_memstream(&shown, &shown_bytes), columns, false};
}

static void check_shown(const struct table_style *style, const char *expected) {
    fclose(style->file);
    ck_assert_str_eq(shown, expected);
    free(shown);
}

/* The tables stand as people see them. */
/* clang-format off */
START_TEST(verdict_table) {
    const struct table_style style = open_style(0);
    table_verdict(&style, &sample.record);
    check_shown(&style, "off chip 2,499,932 B (2.4 MiB), 1.04 x the lower bound of 2,400,000 B (compulsory)\n"
                        "on chip  all 3 layers fit in 131,072 B\n"
                        "most     conv1 1,750,272 B (70.0 %), conv2 748,160 B (29.9 %), add 1,500 B (0.1 %)\n"
                        "speed    off chip 0.78 ms, off-chip energy 200.5 uJ\n");
}
END_TEST

START_TEST(layer_table) {
    const struct table_style style = open_style(0);
    table_layers(&style, &sample.record);
    check_shown(&style, "layer  op    dims                   input B  weight B   output B    total B    share  reuse          tile      on chip B  x bound  rank\n"
                        "───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "conv1  Conv  m256 c64 56x56 k3x3    800,000   147,456    802,816  1,750,272   70.0 %  output+weight  m32 ~oh8    100,000     1.03     1\n"
                        "conv2  Conv  m64 c256 56x56 k3x3    400,000   147,456    200,704    748,160   29.9 %  input          m32 ~oh8      9,412     1.00     2\n"
                        "add    Add                            1,000         0        500      1,500    0.1 %                                         1.00     3\n"
                        "───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "total                             1,201,000   294,912  1,004,020  2,499,932  100.0 %                                         1.04\n");
}
END_TEST

START_TEST(fused_layer_table) {
    sample_fuse(&sample);
    sample.layers[2].nest = NULL;
    const struct table_style style = open_style(0);
    table_verdict(&style, &sample.record);
    table_layers(&style, &sample.record);
    check_shown(&style, "off chip 1,096,412 B (1.0 MiB), 1.10 x the lower bound of 1,000,000 B (compulsory)\n"
                        "on chip  all 3 layers fit in 131,072 B\n"
                        "fused    2 of 3 layers in 1 group; layer by layer 2,499,932 B (-56.1 %)\n"
                        "most     conv1 947,456 B (86.4 %), conv2 147,456 B (13.4 %), add 1,500 B (0.1 %)\n"
                        "speed    off chip 0.78 ms, off-chip energy 200.5 uJ\n"
                        "layer  group  op    dims                   input B  weight B   output B    total B    share  tile       on chip B  x bound  rank\n"
                        "────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "conv1      0  Conv  m256 c64 56x56 k3x3    800,000   147,456          0    947,456   86.4 %  8x56 rows    120,000              1\n"
                        "conv2      0  Conv  m64 c256 56x56 k3x3          0   147,456          0    147,456   13.4 %  8x56 rows    120,000              2\n"
                        "add           Add                            1,000         0        500      1,500    0.1 %                           1.00     3\n"
                        "────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "total                                    1,201,000   294,912  1,004,020  1,096,412  100.0 %                           1.10\n");
}
END_TEST

START_TEST(fused_group_drawn) {
    sample_fuse(&sample);
    const struct table_style style = open_style(0);
    table_explain(&style, &sample.record, &sample.layers[1]);
    check_shown(&style, "layer    conv2 (Conv), m64 c256 56x56 k3x3\n"
                        "group    0: 2 layers, tiles go right, then down; rows (what the next tiles of a row need is kept); 1,500 MACs, 500 of them again\n"
                        "from outer to inner      step  trips  holds                      moves          weights      off chip B\n"
                        "───────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "for oh                8 of 56      7\n"
                        "│ for ow             56 of 56      1\n"
                        "│ │ [x\"]                              64 of 64 channels, 12x56   held, fetched\n"
                        "│ │ conv1                                                                       stay            947,456\n"
                        "│ │ [relu1]                           16 of 256 channels, 10x56  passes\n"
                        "│ │ conv2                                                                       stream by 8     147,456\n"
                        "│ │ [conv2]                           64 of 64 channels, 8x56    stays\n"
                        "───────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "total                                 120,000 B on chip at most                               1,094,912\n");
}
END_TEST

START_TEST(published_table) {
    sample_publish();
    const struct table_style style = open_style(0);
    table_published(&style, &sample.record);
    check_shown(&style, "layer  op    dims                 iro B  oro B                   wro B  rule  best       total B    share  tile         on chip B  x bound  rank\n"
                        "────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "conv1  Conv  m256 c64 56x56 k3x3  3,000  2,001  11,111,111,111,111,112  wro   oro          2,001  100.0 %  m256 c1 8x9      1,001     1.25     1\n"
                        "conv2  Conv  m64 c256 56x56 k3x3                                                    does not fit\n"
                        "────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "total                             3,000  2,001  11,111,111,111,111,112                     2,001  100.0 %                             1.25\n");
}
END_TEST

START_TEST(narrow_layer_table) {
    sample.layers[0].name = "features/stage1/block1/conv1";
    const struct table_style style = open_style(80);
    table_layers(&style, &sample.record);
    check_shown(&style, "layer            input B  weight B   output B    total B  reuse          x bound\n"
                        "────────────────────────────────────────────────────────────────────────────────\n"
                        "featur…/conv1    800,000   147,456    802,816  1,750,272  output+weight     1.03\n"
                        "conv2            400,000   147,456    200,704    748,160  input             1.00\n"
                        "add                1,000         0        500      1,500                    1.00\n"
                        "────────────────────────────────────────────────────────────────────────────────\n"
                        "total          1,201,000   294,912  1,004,020  2,499,932                    1.04\n"
                        "no room for: op, dims, share, tile, on chip B, rank\n");
}
END_TEST

START_TEST(infeasible_line) {
    sample_break(&sample);
    sample.layers[1].name = "conv5";
    const struct table_style style = open_style(0);
    table_infeasible(&style, &sample.record);
    check_shown(&style, "conv5: smallest legal tile needs 9,412 B (input 3,780 + weight 4,608 + output 1,024), on chip 8,192 B, "
                        "1,220 B short\n");
}
END_TEST

START_TEST(change_table) {
    struct report_sample after;
    sample_make(&after);
    after.nests[0].size[DIM_M] = 173;
    after.layers[0].offchip_bytes = 1200000;
    after.layers[2].name = "mul";
    after.record.totals.offchip_bytes = 1949660;
    after.model.parameters = 200000;
    const struct table_style style = open_style(0);
    table_changes(&style, &sample.record, &after.record);
    check_shown(&style, "layer  channels     before B    after B    change                       MACs  change  parameters   change\n"
                        "─────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "conv1  256 -> 173  1,750,272  1,200,000   -31.4 %  9,000,000,000,000,000,001       =     147,456        =\n"
                        "conv2  64            748,160    748,160         =\n"
                        "add    removed         1,500          0  -100.0 %\n"
                        "mul    new                 0      1,500\n"
                        "─────────────────────────────────────────────────────────────────────────────────────────────────────────\n"
                        "total              2,499,932  1,949,660   -22.0 %  9,000,000,000,000,000,001       =     200,000  -32.2 %\n");
}
END_TEST

START_TEST(space_table) {
    static const char *const members[] = {"makes conv1", "carries bn1", "reads conv2"};
    static const uint32_t first[] = {0, 1}, second[] = {2, 3};
    static const uint32_t *const cells[] = {first, second};
    const struct record_space spaces[] = {{"conv1", members, 3, 4, 3, 1234, 1234, 0.125, NULL, cells, 2, 2},
                                          {"fc", NULL, 0, 10, 10, 0, 0, 0, "graph output", NULL, 0, 0}};
    const struct record_pruning pruning = {0};
    sample.record.spaces = spaces;
    sample.record.space_count = 2;
    struct table_style style = open_style(0);
    table_spaces(&style, &sample.record);
    check_shown(&style, "space  channels  B per channel  cells  members, or why it stays\n"
                        "────────────────────────────────────────────────────────────────────────────\n"
                        "conv1         4          1,234  2 x 2  makes conv1, carries bn1, reads conv2\n"
                        "fc           10                        fixed: graph output\n");
    sample.record.pruning = &pruning;
    style = open_style(80);
    table_spaces(&style, &sample.record);
    check_shown(&style, "space  channels  kept  saved B  B per channel  members, or why it stays\n"
                        "────────────────────────────────────────────────────────────────────────────────\n"
                        "conv1         4     3    1,234          1,234  makes conv1, car…bn1, reads conv2\n"
                        "fc           10    10                          fixed: graph output\n"
                        "no room for: importance lost, cells\n");
}
END_TEST

START_TEST(opaque_table) {
    const struct table_style style = open_style(0);
    table_opaque(&style, &sample.record);
    check_shown(&style, "not modelled  domain    nodes  why\n"
                        "───────────────────────────────────────────────\n"
                        "Foo\"\?         com.acme      2  unknown operator\n");
}
END_TEST

START_TEST(infeasible_tables) {
    sample_break(&sample);
    sample.record.layer_count = 2;
    const struct table_style style = {open_memstream(&shown, &shown_bytes), 100, true};
    table_verdict(&style, &sample.record);
    table_infeasible(&style, &sample.record);
    table_layers(&style, &sample.record);
    check_shown(&style, "\x1b[1moff chip \x1b[0m2,499,932 B (2.4 MiB) without what does not fit\n"
                        "\x1b[1mon chip  \x1b[0m\x1b[31m1 of 2 layers do not fit in 8,192 B\x1b[0m\n"
                        "\x1b[1mmost     \x1b[0mconv1 1,750,272 B (70.0 %)\n"
                        "\x1b[1mspeed    \x1b[0moff chip 0.78 ms, off-chip energy 200.5 uJ\n"
                        "\x1b[31mconv2: smallest legal tile needs 9,412 B (input 3,780 + weight 4,608 + output 1,024), on chip 8,192 B, 1,220 B short\x1b[0m\n"
                        "\x1b[1mlayer\x1b[0m    \x1b[1minput B\x1b[0m  \x1b[1mweight B\x1b[0m   \x1b[1moutput B\x1b[0m       \x1b[1mtotal B\x1b[0m  \x1b[1mreuse\x1b[0m          \x1b[1mtile\x1b[0m      \x1b[1mon chip B\x1b[0m  \x1b[1mx bound\x1b[0m\n"
                        "\x1b[2m────────────────────────────────────────────────────────────────────────────────────────────────\x1b[0m\n"
                        "conv1    800,000   147,456    802,816     1,750,272  output+weight  m32 ~oh8    100,000     1.03\n"
                        "conv2                                  \x1b[31mdoes not fit\x1b[0m\n"
                        "\x1b[2m────────────────────────────────────────────────────────────────────────────────────────────────\x1b[0m\n"
                        "\x1b[1mtotal\x1b[0m  \x1b[1m1,201,000\x1b[0m   \x1b[1m294,912\x1b[0m  \x1b[1m1,004,020\x1b[0m     \x1b[1m2,499,932\x1b[0m\n"
                        "no room for: op, dims, share, rank\n");
}
END_TEST

/* clang-format on */

START_TEST(numbers) {
    char text[32];
    ck_assert_str_eq(table_number(0, text), "0");
    ck_assert_str_eq(table_number(-1234567, text), "-1,234,567");
    ck_assert_str_eq(table_number(INT64_MIN, text), "-9,223,372,036,854,775,808");
    ck_assert_str_eq(table_bytes(1023, text), "1023 B");
    ck_assert_str_eq(table_bytes(1048575, text), "1.0 MiB");
    ck_assert_str_eq(table_bytes(INT64_MAX, text), "8.0 EiB");
}
END_TEST

START_TEST(every_row_is_documented) {
    char *text;
    size_t bytes;
    FILE *file = open_memstream(&text, &bytes);
    ck_assert_uint_eq(record_describe(file, NULL), 6);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "layers[].infeasible"));
    ck_assert_ptr_nonnull(strstr(text, "superslash.fingerprint"));
    ck_assert_ptr_nonnull(strstr(text, "superslash.footprint_bytes"));
    free(text);
}
END_TEST

/* ---- memory ---- */

static status report_and_annotate(void *argument) {
    struct arena *const outer = arena;
    arena = arena_new(argument);
    json_report(arena, &sample.record);
    annotated();
    arena_free(arena);
    arena = outer;
    return STATUS_OK;
}

START_TEST(every_failing_allocation_unwinds) {
    struct arena *const outer = arena;
    status result = STATUS_LIMIT;
    for (size_t tried = 0; result != STATUS_OK; tried++) {
        struct failing failing = {.left = tried};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap small;
        struct diag failure = {0};
        heap_init(&small, &allocator, 0);
        result = heap_run(&small, &failure, report_and_annotate, &small);
        ck_assert_uint_eq(small.used_bytes, 0);
        arena = outer;
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report");
    TCase *test = tcase_create("report");
    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_add_test(test, report_says_what_the_record_says);
    tcase_add_test(test, a_layer_that_does_not_fit_has_no_costs);
    tcase_add_test(test, a_published_model_keeps_fractions);
    tcase_add_test(test, pruning_and_spaces);
    tcase_add_test(test, names_that_are_not_text);
    tcase_add_test(test, split_target_of_model_widths);
    tcase_add_test(test, annotations_replace_ours_and_keep_others);
    tcase_add_test(test, annotating_again_changes_nothing);
    tcase_add_test(test, a_written_model_annotates_to_the_same_bytes);
    tcase_add_test(test, schedule_is_plain_json);
    tcase_add_test(test, a_fused_group_and_its_notes);
    tcase_add_test(test, a_fused_group_is_read_back);
    tcase_add_test(test, verdict_table);
    tcase_add_test(test, layer_table);
    tcase_add_test(test, fused_layer_table);
    tcase_add_test(test, fused_group_drawn);
    tcase_add_test(test, published_table);
    tcase_add_test(test, narrow_layer_table);
    tcase_add_test(test, infeasible_line);
    tcase_add_test(test, change_table);
    tcase_add_test(test, space_table);
    tcase_add_test(test, opaque_table);
    tcase_add_test(test, infeasible_tables);
    tcase_add_test(test, every_failing_allocation_unwinds);
    tcase_add_test(test, numbers);
    tcase_add_test(test, every_row_is_documented);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
