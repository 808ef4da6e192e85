/* passes: which channels live and die together, what is pinned and why, plans, and what pruning makes of a graph. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/cut.h"
#include "ir/edit.h"
#include "ir/verify.h"
#include "op/op.h"
#include "passes/spaces.h"
#include "unit/failing.h"

static struct heap heap;
static struct arena *arena;
static struct diag diag;
static struct graph *graph;
static struct spaces *spaces;
static struct options options;

static void start_graph(int64_t opset) {
    graph = graph_new(arena);
    const struct opset own = {"", opset};
    array_push(arena, &graph->opsets, own);
}

static void set_up(void) {
    heap_init(&heap, NULL, 0);
    arena = arena_new(&heap);
    diag = (struct diag){0};
    options = (struct options){.arena = arena};
    start_graph(17);
}

static void tear_down(void) {
    heap_release(&heap);
    ck_assert_uint_eq(heap.used_bytes, 0);
}

/* ---- graphs: values by name, lists of names and numbers in one text ---- */

static uint32_t numbers_of(const char *text, int64_t *numbers) {
    uint32_t count = 0;
    char *end;
    for (; *text; text = end) numbers[count++] = strtoll(text, &end, 10);
    return count;
}

static value_id value_of(const char *name) {
    const value_id found = graph_find_value(graph, name);
    return found.at ? found : edit_add_value(graph, name);
}

static uint32_t values_of(const char *names, value_id *values) {
    uint32_t count = 0;
    char *copy = arena_copy_text(arena, names), *rest = copy;
    for (char *name; (name = strtok_r(rest, " ", &rest)) != NULL;) values[count++] = strcmp(name, "-") ? value_of(name) : VALUE_NONE;
    return count;
}

static void declare(const char *name, const char *shape) {
    struct value *value = graph_value(graph, value_of(name));
    int64_t dims[8];
    value->rank = numbers_of(shape, dims);
    value->dims = ARENA_ARRAY(arena, struct dim, value->rank);
    for (uint32_t i = 0; i < value->rank; i++) value->dims[i].size = dims[i];
    value->has_type = value->has_shape = value->is_declared = true;
    value->type = TYPE_FLOAT;
}

static void input(const char *name, const char *shape) {
    declare(name, shape);
    edit_mark_input(graph, value_of(name));
}

static void add_tensor(const char *name, const char *shape, enum data_type type, const void *bytes, size_t byte_count) {
    int64_t dims[8];
    const uint32_t rank = numbers_of(shape, dims);
    const struct tensor tensor = {.name = name, .type = type};
    const tensor_id id = edit_add_tensor(graph, &tensor);
    edit_set_tensor(graph, id, dims, rank, arena_copy(arena, bytes, byte_count), byte_count);
    edit_add_initializer(graph, value_of(name), id);
}

/* Element i is i. */
static void weight(const char *name, const char *shape) {
    int64_t dims[8], count = 1;
    const uint32_t rank = numbers_of(shape, dims);
    for (uint32_t i = 0; i < rank; i++) count *= dims[i];
    float *bytes = ARENA_ARRAY(arena, float, count);
    for (int64_t i = 0; i < count; i++) bytes[i] = (float)i;
    add_tensor(name, shape, TYPE_FLOAT, bytes, (size_t)count * sizeof *bytes);
}

static void bytes_of(const char *name, const char *shape, enum data_type type) {
    int64_t dims[8], count = 1;
    const uint32_t rank = numbers_of(shape, dims);
    for (uint32_t i = 0; i < rank; i++) count *= dims[i];
    int8_t *bytes = ARENA_ARRAY(arena, int8_t, count);
    for (int64_t i = 0; i < count; i++) bytes[i] = (int8_t)i;
    add_tensor(name, shape, type, bytes, type == TYPE_INT4 ? (size_t)(count + 1) / 2 : (size_t)count);
}

static void integers(const char *name, const char *list) {
    int64_t numbers[16];
    const uint32_t count = numbers_of(list, numbers);
    add_tensor(name, arena_print(arena, "%u", count), TYPE_INT64, numbers, count * sizeof *numbers);
}

/* The node is called as its first output. */
static node_id node(const char *op, const char *inputs, const char *outputs) {
    value_id in[8], out[8];
    const uint32_t in_count = values_of(inputs, in), out_count = values_of(outputs, out);
    return edit_add_node(graph, NODE_NONE, "", op, graph_value(graph, out[0])->name, in, in_count, out, out_count);
}

static void conv(const char *inputs, const char *output, const char *shape, int64_t group) {
    value_id in[3];
    values_of(inputs, in);
    weight(graph_value(graph, in[1])->name, shape);
    edit_set_int(graph, node("Conv", inputs, output), "group", group);
}

static void norm(const char *x, const char *y, const char *channels) {
    static const char *const parts[] = {"scale", "shift", "mean", "var"};
    const char *inputs = x;
    for (int i = 0; i < 4; i++) {
        const char *name = arena_print(arena, "%s.%s", y, parts[i]);
        weight(name, channels);
        inputs = arena_print(arena, "%s %s", inputs, name);
    }
    node("BatchNormalization", inputs, y);
}

/* ---- questions ---- */

static status find(const char *output) {
    struct shapes *shapes;
    if (*output) edit_mark_output(graph, value_of(output));
    ck_assert_msg(op_resolve(graph, &diag) == STATUS_OK, "%s", diag.message);
    ck_assert_msg(shapes_infer(arena, graph, 1, NULL, 0, &shapes, &diag) == STATUS_OK, "%s", diag.message);
    return spaces_find(arena, graph, shapes, &options, &spaces, &diag);
}

static void find_spaces(const char *output) {
    const status result = find(output);
    ck_assert_msg(result == STATUS_OK, "%s", diag.message);
}

static uint32_t at_of(const char *id) {
    for (uint32_t s = 0; s < spaces->items.count; s++)
        if (strcmp(spaces->items.items[s].id, id) == 0) return s;
    ck_abort_msg("no space '%s'", id);
    return 0;
}

static const struct space *space_of(const char *id) { return &spaces->items.items[at_of(id)]; }

static void ck_free(const char *id, uint32_t size) {
    ck_assert_msg(!space_of(id)->fixed, "%s: %s", id, space_of(id)->fixed);
    ck_assert_uint_eq(space_of(id)->size, size);
}

static void ck_fixed(const char *id, const char *reason) {
    ck_assert_ptr_nonnull(space_of(id)->fixed);
    ck_assert_msg(strstr(space_of(id)->fixed, reason) != NULL, "%s", space_of(id)->fixed);
}

static void ck_members(const char *id, const char *members) {
    const char *text = "";
    for (uint32_t i = 0; i < space_of(id)->member_count; i++)
        text = arena_print(arena, "%s%s%s", text, i ? ", " : "", space_of(id)->members[i]);
    ck_assert_str_eq(text, members);
}

/* "conv1: 1 3; conv2: 0" */
static struct removal removal_of(const char *text) {
    struct removal removal;
    removal_init(arena, spaces, &removal);
    char *copy = arena_copy_text(arena, text), *rest = copy;
    for (char *part; (part = strtok_r(rest, ";", &rest)) != NULL;) {
        int64_t channels[64];
        char *colon = strchr(part, ':');
        *colon = 0;
        const uint32_t s = at_of(part + strspn(part, " ")), count = numbers_of(colon + 1, channels);
        for (uint32_t i = 0; i < count; i++) removal.removed[s][channels[i]] = true;
        removal.counts[s] = count;
    }
    return removal;
}

static void prune(const char *text) {
    const struct removal removal = removal_of(text);
    ck_assert_msg(spaces_apply(arena, graph, spaces, &removal, &diag) == STATUS_OK, "%s", diag.message);
    ck_assert_msg(verify_graph(graph, &diag) == STATUS_OK, "%s", diag.message);
}

static const char *dims_of(const char *name) {
    const value_id id = graph_find_value(graph, name);
    const struct tensor *tensor = graph_tensor(graph, graph_value(graph, id)->constant);
    const char *text = "";
    for (uint32_t i = 0; i < tensor->rank; i++) text = arena_print(arena, "%s%s%d", text, i ? " " : "", (int)tensor->dims[i]);
    return text;
}

static const char *contents_of(const char *name) {
    struct tensor tensor = *graph_tensor(graph, graph_value(graph, graph_find_value(graph, name))->constant);
    const char *text = "";
    tensor.bytes = tensor_contents(arena, &tensor);
    tensor.cut = NULL;
    for (int64_t i = 0; i < tensor.elements; i++) {
        double number = 0;
        tensor_number(&tensor, i, &number);
        text = arena_print(arena, "%s%s%g", text, i ? " " : "", number);
    }
    return text;
}

static int64_t declared(const char *name, uint32_t axis) { return graph_value(graph, graph_find_value(graph, name))->dims[axis].size; }
static int64_t group_of(const char *name) { return node_int(graph_node(graph, graph_find_node(graph, name)), "group", 1); }
static const char *input_of(const char *name, uint32_t at) {
    return graph_value(graph, graph_node(graph, graph_find_node(graph, name))->inputs[at])->name;
}

/* ---- what belongs together ---- */

START_TEST(chain) {
    input("x", "1 3 4 4");
    conv("x w1 b1", "conv1", "4 3 1 1", 1);
    weight("b1", "4");
    norm("conv1", "bn1", "4");
    node("Relu", "bn1", "relu1");
    declare("relu1", "1 4 4 4");
    conv("relu1 w2", "conv2", "2 4 1 1", 1);
    find_spaces("conv2");
    ck_free("conv1", 4);
    ck_members("conv1", "makes conv1, carries bn1, reads conv2");
    ck_fixed("conv2", "graph output 'conv2'");
    ck_fixed("conv1.input", "graph input 'x'");
    prune("conv1: 1 3");
    ck_assert_str_eq(contents_of("w1"), "0 1 2 6 7 8");
    ck_assert_str_eq(contents_of("b1"), "0 2");
    ck_assert_str_eq(contents_of("bn1.var"), "0 2");
    ck_assert_str_eq(contents_of("w2"), "0 2 4 6");
    ck_assert_str_eq(dims_of("w2"), "2 2 1 1");
    ck_assert_int_eq(declared("relu1", 1), 2);
}
END_TEST

START_TEST(residual) {
    input("x", "1 3 4 4");
    conv("x w1", "conv1", "4 3 1 1", 1);
    conv("conv1 w2", "conv2", "4 4 1 1", 1);
    node("Add", "conv2 conv1", "add");
    conv("add w3", "conv3", "2 4 1 1", 1);
    find_spaces("conv3");
    ck_free("conv1", 4);
    ck_members("conv1", "makes conv1, reads conv2, makes conv2, reads conv3");
    prune("conv1: 0");
    ck_assert_str_eq(dims_of("w2"), "3 3 1 1");
    ck_assert_str_eq(contents_of("w2"), "5 6 7 9 10 11 13 14 15");
}
END_TEST

START_TEST(concat_offsets) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "3 1 1 1", 1);
    conv("x w2", "conv2", "4 1 1 1", 1);
    edit_set_int(graph, node("Concat", "conv1 conv2 conv1", "cat"), "axis", 1);
    conv("cat w3", "conv3", "1 10 1 1", 1);
    find_spaces("conv3");
    ck_free("conv1", 3);
    ck_free("conv2", 4);
    prune("conv1: 0; conv2: 2");
    ck_assert_str_eq(contents_of("w3"), "1 2 3 4 6 8 9");
}
END_TEST

START_TEST(depthwise_multiplier) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "3 1 1 1", 1);
    conv("conv1 wd bd", "dw", "6 1 1 1", 3);
    weight("bd", "6");
    conv("dw w2", "conv2", "1 6 1 1", 1);
    find_spaces("conv2");
    ck_members("conv1", "makes conv1, carries dw, reads conv2");
    prune("conv1: 1");
    ck_assert_int_eq(group_of("dw"), 2);
    ck_assert_str_eq(contents_of("wd"), "0 1 4 5");
    ck_assert_str_eq(contents_of("w2"), "0 1 4 5");
}
END_TEST

START_TEST(flatten_gemm) {
    input("x", "1 1 1 2");
    conv("x w1", "conv1", "3 1 1 1", 1);
    node("Flatten", "conv1", "flat");
    weight("w2", "6 2");
    node("Gemm", "flat w2", "fc");
    find_spaces("fc");
    prune("conv1: 1");
    ck_assert_str_eq(contents_of("w2"), "0 1 2 3 8 9 10 11");
}
END_TEST

START_TEST(gate) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "4 1 1 1", 1);
    node("GlobalAveragePool", "conv1", "pool");
    conv("pool w2", "down", "2 4 1 1", 1);
    conv("down w3", "up", "4 2 1 1", 1);
    node("Sigmoid", "up", "gate");
    node("Mul", "conv1 gate", "scaled");
    conv("scaled w4", "conv4", "1 4 1 1", 1);
    find_spaces("conv4");
    ck_members("conv1", "makes conv1, reads down, makes up, reads conv4");
    ck_free("down", 2);
}
END_TEST

START_TEST(groups_keep_their_balance) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "4 1 1 1", 1);
    conv("conv1 wg", "grouped", "2 2 1 1", 2);
    conv("grouped w2", "conv2", "1 2 1 1", 1);
    find_spaces("conv2");
    ck_assert_uint_eq(space_of("conv1")->cell_count, 2);
    ck_assert_uint_eq(space_of("conv1")->cells[1][0], 2);
    ck_fixed("grouped", "each group has one channel");
    struct removal uneven = removal_of("conv1: 0 1");
    ck_assert_int_eq(removal_check(graph, spaces, &uneven, &diag), STATUS_USAGE);
    diag = (struct diag){0};
    prune("conv1: 0 3");
    ck_assert_str_eq(contents_of("wg"), "1 2");
    ck_assert_int_eq(group_of("grouped"), 2);
}
END_TEST

START_TEST(shuffle_goes_by_columns) {
    input("x", "1 1 2 2");
    conv("x w1", "conv1", "6 1 1 1", 1);
    integers("apart", "1 2 3 2 2");
    integers("together", "1 6 2 2");
    node("Reshape", "conv1 apart", "grid");
    edit_set_ints(graph, node("Transpose", "grid", "turned"), "perm", (int64_t[]){0, 2, 1, 3, 4}, 5);
    node("Reshape", "turned together", "mixed");
    conv("mixed w2", "conv2", "1 6 1 1", 1);
    find_spaces("conv2");
    ck_free("conv1", 3);
    prune("conv1: 1");
    ck_assert_str_eq(contents_of("w1"), "0 2 3 5");
    ck_assert_str_eq(contents_of("apart"), "1 2 2 2 2");
    ck_assert_str_eq(contents_of("together"), "1 4 2 2");
    ck_assert_str_eq(contents_of("w2"), "0 1 4 5");
}
END_TEST

START_TEST(sizes_are_computed) {
    input("x", "2 1 2 2");
    conv("x w1", "conv1", "8 1 1 1", 1);
    node("Shape", "conv1", "sizes");
    integers("0", "0");
    integers("1", "1");
    integers("2", "2");
    integers("rest", "2 2");
    node("Gather", "sizes 0", "n");
    node("Gather", "sizes 1", "c");
    node("Div", "c 2", "half");
    edit_set_int(graph, node("Concat", "n 2 half rest", "apart"), "axis", 0);
    edit_set_int(graph, node("Concat", "n c rest", "together"), "axis", 0);
    node("Reshape", "conv1 apart", "grid");
    edit_set_ints(graph, node("Transpose", "grid", "turned"), "perm", (int64_t[]){0, 2, 1, 3, 4}, 5);
    node("Reshape", "turned together", "mixed");
    node("Slice", "mixed half c 1", "upper");
    conv("upper w2", "conv2", "1 4 1 1", 1);
    find_spaces("conv2");
    ck_free("conv1#2", 2);
    prune("conv1#2: 0");
    ck_assert_str_eq(contents_of("w1"), "0 1 3 4 5 7");
    ck_assert_str_eq(input_of("apart", 0), "n"); /* only a run knows the batch */
    ck_assert_str_eq(contents_of(input_of("apart", 2)), "3");
    ck_assert_str_eq(contents_of(input_of("upper", 1)), "4");
    ck_assert_str_eq(contents_of(input_of("upper", 2)), "6");
    ck_assert_str_eq(contents_of("w2"), "2 3");
}
END_TEST

START_TEST(expanded_gate) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "4 1 1 1", 1);
    node("GlobalAveragePool", "conv1", "mean");
    conv("mean w2", "gate", "4 4 1 1", 1);
    node("Shape", "conv1", "sizes");
    node("Expand", "gate sizes", "wide");
    node("Mul", "conv1 wide", "gated");
    conv("gated w3", "conv3", "1 4 1 1", 1);
    conv("x w4", "conv4", "2 1 1 1", 1);
    integers("list", "1 2 4 4");
    node("Expand", "conv4 list", "fixed");
    conv("fixed w5", "conv5", "1 2 1 1", 1);
    find_spaces("conv3");
    ck_free("conv1", 4);
    ck_fixed("conv4", "its shape is computed for node 'fixed' (Expand)");
    prune("conv1: 2");
    ck_assert_str_eq(contents_of("w3"), "0 1 3");
    ck_assert_str_eq(dims_of("w2"), "3 3 1 1");
}
END_TEST

START_TEST(scales_are_joined) {
    const float ones[] = {1, 1}, twos[] = {2, 2};
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "3 1 1 1", 1);
    add_tensor("ones", "2", TYPE_FLOAT, ones, sizeof ones);
    add_tensor("twos", "2", TYPE_FLOAT, twos, sizeof twos);
    edit_set_int(graph, node("Concat", "ones twos", "scales"), "axis", 0);
    node("Resize", "conv1 - scales", "large");
    conv("large w2", "conv2", "1 3 1 1", 1);
    find_spaces("conv2");
    ck_free("conv1", 3);
}
END_TEST

START_TEST(padded_shortcut) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "2 1 1 1", 1);
    integers("pads", "0 1 0 0 0 2 0 0");
    node("Pad", "conv1 pads", "pad");
    conv("conv1 w2", "conv2", "5 2 1 1", 1);
    node("Add", "conv2 pad", "add");
    conv("add w3", "conv3", "1 5 1 1", 1);
    find_spaces("conv3");
    ck_free("conv1", 2);
    ck_free("conv2", 3);
    prune("conv1: 0; conv2: 0 2");
    ck_assert_str_eq(contents_of("pads"), "0 0 0 0 0 1 0 0");
    ck_assert_str_eq(contents_of("w2"), "5 7");
    ck_assert_str_eq(contents_of("w3"), "2 3");
}
END_TEST

START_TEST(slices_and_splits) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "6 1 1 1", 1);
    integers("from", "1");
    integers("to", "4");
    integers("axis", "1");
    node("Slice", "conv1 from to axis", "part");
    conv("part w2", "conv2", "1 3 1 1", 1);
    edit_set_int(graph, node("Split", "conv1", "low high"), "axis", 1);
    conv("high w3", "conv3", "1 3 1 1", 1);
    node("Add", "conv2 conv3", "sum");
    find_spaces("sum");
    const struct channel *channels = spaces->axes.items[spaces_axis_of(spaces, value_of("conv1"), 1)].channels;
    struct removal removal;
    removal_init(arena, spaces, &removal);
    removal.removed[channels[2].space][channels[2].index] = true; /* 1 and 2 are in the slice and the low half */
    removal.counts[channels[2].space] = 1;
    ck_assert_uint_eq(channels[1].space, channels[2].space);
    ck_assert_int_eq(spaces_apply(arena, graph, spaces, &removal, &diag), STATUS_OK);
    ck_assert_str_eq(contents_of("from"), "1");
    ck_assert_str_eq(contents_of("to"), "3");
    ck_assert_str_eq(contents_of("w2"), "0 2");
    ck_assert_str_eq(contents_of(input_of("low", 1)), "2 3");
}
END_TEST

START_TEST(reshape_with_numbers) {
    input("x", "1 1 2 2");
    conv("x w1", "conv1", "3 1 1 1", 1);
    integers("shape", "1 3 4");
    node("Reshape", "conv1 shape", "flat");
    edit_set_ints(graph, node("Transpose", "flat", "turned"), "perm", (int64_t[]){0, 2, 1}, 3);
    weight("w2", "3 2");
    node("MatMul", "turned w2", "product");
    find_spaces("product");
    prune("conv1: 2");
    ck_assert_str_eq(contents_of("shape"), "1 2 4");
    ck_assert_str_eq(contents_of("w2"), "0 1 2 3");
}
END_TEST

START_TEST(constants_behind_other_nodes) {
    input("x", "2 3");
    weight("w1", "4 3");
    node("Transpose", "w1", "w1t");
    declare("w1t", "3 4");
    node("MatMul", "x w1t", "a");
    weight("bias", "4");
    node("Add", "bias a", "b");
    weight("w2", "4 2");
    node("Identity", "w2", "w2i");
    node("MatMul", "b w2i", "y");
    find_spaces("y");
    ck_members("a", "makes a, carries b, reads y");
    prune("a: 0");
    ck_assert_str_eq(dims_of("w1"), "3 3");
    ck_assert_str_eq(dims_of("w2"), "3 2");
    ck_assert_str_eq(contents_of("bias"), "1 2 3");
    ck_assert_int_eq(declared("w1t", 1), 3);
}
END_TEST

START_TEST(float_weight_rounded_on_the_way) {
    input("x", "1 1 4 4");
    weight("w", "3 1 1 1");
    weight("s", "3");
    bytes_of("z", "3", TYPE_INT8);
    edit_set_int(graph, node("QuantizeLinear", "w s z", "q"), "axis", 0);
    edit_set_int(graph, node("DequantizeLinear", "q s z", "d"), "axis", 0);
    node("Conv", "x d", "conv1");
    conv("conv1 w2", "conv2", "1 3 1 1", 1);
    find_spaces("conv2");
    ck_free("conv1", 3);
    double **importance;
    ck_assert_int_eq(importance_of_spaces(arena, graph, spaces, IMPORTANCE_L1, &importance, &diag), STATUS_OK);
    ck_assert(fabs(importance[at_of("conv1")][2] - 2) < 1e-9);
    prune("conv1: 1");
    ck_assert_str_eq(contents_of("w"), "0 2");
    ck_assert_str_eq(contents_of("s"), "0 2");
    ck_assert_str_eq(contents_of("z"), "0 2");
    ck_assert_str_eq(contents_of("w2"), "0 2");
}
END_TEST

START_TEST(blocks_and_channels) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "2 1 1 1", 1);
    edit_set_int(graph, node("SpaceToDepth", "conv1", "deep"), "blocksize", 2);
    conv("deep w2", "conv2", "8 8 1 1", 1);
    edit_set_int(graph, node("DepthToSpace", "conv2", "wide"), "blocksize", 2);
    conv("wide w3", "conv3", "1 2 1 1", 1);
    find_spaces("conv3");
    ck_free("conv1", 2);
    ck_free("conv2", 2);
    prune("conv1: 1; conv2: 0");
    ck_assert_str_eq(dims_of("w2"), "4 4 1 1");
    ck_assert_str_eq(contents_of("w2"), "8 10 12 14 24 26 28 30 40 42 44 46 56 58 60 62");
    ck_assert_str_eq(contents_of("w3"), "1");
}
END_TEST

START_TEST(recurrent_layer_reads) {
    input("x", "1 1 1 7");
    conv("x w1", "conv1", "3 1 1 1", 1);
    integers("axis", "2");
    node("Squeeze", "conv1 axis", "line");
    edit_set_ints(graph, node("Transpose", "line", "steps"), "perm", (int64_t[]){2, 0, 1}, 3);
    weight("w", "1 4 3");
    weight("r", "1 4 1");
    edit_set_int(graph, node("LSTM", "steps w r", "y"), "hidden_size", 1);
    find_spaces("y");
    ck_members("conv1", "makes conv1, reads y");
    prune("conv1: 1");
    ck_assert_str_eq(dims_of("w"), "1 4 2");
    ck_assert_str_eq(contents_of("w"), "0 2 3 5 6 8 9 11");
}
END_TEST

/* ---- shared tensors ---- */

START_TEST(shared_weight_unites) {
    input("x", "1 1 4 4");
    conv("x w0", "conv0", "3 1 1 1", 1);
    conv("conv0 w", "conv1", "3 3 1 1", 1);
    node("Relu", "conv1", "relu");
    node("Conv", "relu w", "conv2");
    conv("conv2 w3", "conv3", "1 3 1 1", 1);
    find_spaces("conv3");
    ck_free("conv0", 3);
    ck_members("conv0", "makes conv0, reads conv1, makes conv1, reads conv2, makes conv2, reads conv3");
    prune("conv0: 1");
    ck_assert_str_eq(contents_of("w"), "0 2 6 8");
    ck_assert_str_eq(input_of("conv2", 1), "w");
}
END_TEST

START_TEST(shared_weight_parts) {
    input("x", "1 2 4 4");
    conv("x w", "conv1", "2 2 1 1", 1);
    node("Conv", "conv1 w", "conv2");
    find_spaces("conv2");
    ck_free("conv1", 2);
    ck_fixed("conv2", "graph output");
    prune("conv1: 0");
    ck_assert_str_ne(input_of("conv1", 1), input_of("conv2", 1));
    ck_assert_str_eq(contents_of(input_of("conv1", 1)), "2 3");
    ck_assert_str_eq(contents_of(input_of("conv2", 1)), "1 3");
}
END_TEST

START_TEST(quantised_weight_read_twice_parts) {
    input("x", "1 1 4 4");
    bytes_of("q", "2 1 1 1", TYPE_INT8);
    weight("s", "2");
    bytes_of("z", "2", TYPE_INT8);
    edit_set_int(graph, node("DequantizeLinear", "q s z", "w"), "axis", 0);
    node("Conv", "x w", "conv1");
    node("Conv", "x w", "conv2");
    conv("conv1 w3", "conv3", "1 2 1 1", 1);
    find_spaces("conv2");
    ck_free("conv1", 2);
    prune("conv1: 0");
    ck_assert_str_eq(dims_of("q"), "2 1 1 1");
    const node_id dq = graph_value(graph, graph_node(graph, graph_find_node(graph, "conv1"))->inputs[1])->producer;
    ck_assert_str_ne(graph_describe_node(graph, dq), graph_describe_node(graph, graph_find_node(graph, "w")));
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(graph_tensor(graph, graph_value(graph, graph_node(graph, dq)->inputs[i])->constant)->dims[0], 1);
}
END_TEST

/* ---- what may not go ---- */

START_TEST(pins_have_reasons) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "3 1 1 1", 1);
    edit_set_int(graph, node("Softmax", "conv1", "soft"), "axis", 1);
    conv("soft w2", "conv2", "2 3 1 1", 1);
    node("Mystery", "conv2", "odd");
    conv("x w3", "conv3", "2 1 1 1", 1);
    edit_set_ints(graph, node("ReduceMax", "conv3", "most"), "axes", (int64_t[]){1}, 1);
    bytes_of("q4", "2 1 1 1", TYPE_INT4);
    weight("s4", "1");
    node("DequantizeLinear", "q4 s4", "w4");
    node("Conv", "x w4", "conv4");
    conv("conv4 w5", "conv5", "1 2 1 1", 1);
    find_spaces("");
    ck_fixed("conv1", "normalised by node 'soft' (Softmax)");
    ck_fixed("conv2", "read by node 'odd' (Mystery)");
    ck_fixed("conv3", "reduced by node 'most' (ReduceMax)");
    ck_fixed("conv5.input", "input 1 cannot be cut: node 'conv4' (Conv)");
}
END_TEST

static void two_layers(const char *channels) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", arena_print(arena, "%s 1 1 1", channels), 1);
    conv("conv1 w2", "conv2", arena_print(arena, "4 %s 1 1", channels), 1);
    conv("conv2 w3", "conv3", "1 4 1 1", 1);
}

START_TEST(keep_and_only) {
    two_layers("4");
    array_push(arena, &options.keep, "conv1");
    find_spaces("conv3");
    ck_fixed("conv1", "--keep conv1");
    ck_free("conv2", 4);
    options.keep.count = 0;
    array_push(arena, &options.only, "conv1");
    find_spaces("");
    ck_free("conv1", 4);
    ck_fixed("conv2", "--only leaves out conv2");
    options.only.items[0] = "conv9";
    ck_assert_int_eq(find(""), STATUS_USAGE);
    ck_assert_str_eq(diag.message, "--only: the model has no node 'conv9'");
}
END_TEST

START_TEST(sizes_that_are_read) {
    input("x", "1 1 4 4");
    conv("x w1", "conv1", "3 1 1 1", 1);
    node("Shape", "conv1", "shape");
    edit_set_int(graph, node("Cast", "shape", "real"), "to", TYPE_FLOAT);
    node("Sqrt", "real", "root");
    conv("conv1 w2", "conv2", "4 3 1 1", 1);
    node("Shape", "conv2", "same");
    node("Reshape", "conv2 same", "again");
    conv("again w3", "conv3", "1 4 1 1", 1);
    find_spaces("conv3");
    ck_fixed("conv1", "its size is read by node 'root' (Sqrt)");
    ck_free("conv2", 4);
}
END_TEST

/* ---- plans ---- */

START_TEST(plans_there_and_back) {
    two_layers("4");
    find_spaces("conv3");
    struct plan plan, again;
    const struct removal removal = removal_of("conv1: 1 2; conv2: 3");
    ck_assert_int_eq(plan_make(arena, graph, spaces, &removal, &plan, &diag), STATUS_OK);
    ck_assert_uint_eq(plan.spaces.count, 2);
    ck_assert_uint_eq(plan.slices.count, 4);
    struct removal read;
    ck_assert_int_eq(plan_to_removal(arena, graph, spaces, &plan, NULL, &read, &diag), STATUS_OK);
    ck_assert(read.removed[at_of("conv1")][2] && !read.removed[at_of("conv1")][0] && read.counts[at_of("conv2")] == 1);
    edit_set_property(graph, NODE_NONE, "superslash.plan", "x");
    edit_set_property(graph, graph_find_node(graph, "conv1"), "superslash.rank", "1");
    find_spaces("");
    ck_assert_int_eq(plan_make(arena, graph, spaces, &read, &again, &diag), STATUS_OK);
    ck_assert_str_eq(plan.fingerprint, again.fingerprint);
    start_graph(17);
    two_layers("5");
    find_spaces("conv3");
    ck_assert_int_eq(plan_to_removal(arena, graph, spaces, &plan, NULL, &read, &diag), STATUS_USAGE);
    ck_assert_msg(strstr(diag.message, "axis 0 of tensor 'w1' has 4 indices in the plan, 5 here") != NULL, "%s", diag.message);
}
END_TEST

START_TEST(plans_that_only_keep) {
    two_layers("4");
    find_spaces("conv3");
    struct plan plan = {0};
    struct plan_keep keep = {"conv1", 1};
    array_push(arena, &plan.keeps, keep);
    double **importance;
    struct removal removal;
    ck_assert_int_eq(importance_of_spaces(arena, graph, spaces, IMPORTANCE_L1, &importance, &diag), STATUS_OK);
    ck_assert_int_eq(plan_to_removal(arena, graph, spaces, &plan, importance, &removal, &diag), STATUS_OK);
    ck_assert_uint_eq(removal.counts[at_of("conv1")], 3);
    ck_assert(!removal.removed[at_of("conv1")][3]);
    plan.keeps.items[0].keep = 0;
    ck_assert_int_eq(plan_to_removal(arena, graph, spaces, &plan, importance, &removal, &diag), STATUS_USAGE);
}
END_TEST

START_TEST(importance_folds_the_norm) {
    input("x", "1 2 4 4");
    conv("x w1", "conv1", "2 2 1 1", 1); /* rows 0 1 and 2 3 */
    norm("conv1", "bn1", "2");           /* scale 0 1, var 0 1 */
    conv("bn1 w2", "conv2", "1 2 1 1", 1);
    find_spaces("conv2");
    double **importance;
    ck_assert_int_eq(importance_of_spaces(arena, graph, spaces, IMPORTANCE_L2, &importance, &diag), STATUS_OK);
    const double *own = importance[at_of("conv1")];
    ck_assert(fabs(own[0]) < 1e-12 && fabs(own[1] - sqrt(13 / (1 + (double)1e-5f))) < 1e-9);
    ck_assert_int_eq(importance_of_spaces(arena, graph, spaces, IMPORTANCE_L1, &importance, &diag), STATUS_OK);
    ck_assert(fabs(importance[at_of("conv1")][1] - 5 / sqrt(1 + (double)1e-5f)) < 1e-9);
}
END_TEST

START_TEST(axes_count_channels) {
    input("x", "1 1 1 2");
    conv("x w1", "conv1", "3 1 1 1", 1);
    node("Flatten", "conv1", "flat");
    weight("w2", "6 2");
    node("Gemm", "flat w2", "fc");
    find_spaces("fc");
    const struct space *space = space_of("conv1");
    ck_assert_uint_eq(space->axis_count, 2);
    ck_assert_uint_eq(space->axes[0].each, 1);
    ck_assert_uint_eq(space->axes[1].each, 2);
    ck_assert_ptr_null(space->axes[1].counts);
}
END_TEST

/* ---- memory ---- */

static status find_and_prune(void *argument) {
    struct heap *small = argument;
    arena = arena_new(small);
    options = (struct options){.arena = arena};
    start_graph(17);
    two_layers("4");
    find_spaces("conv3");
    struct plan plan;
    const struct removal removal = removal_of("conv1: 1 2; conv2: 3");
    status result = plan_make(arena, graph, spaces, &removal, &plan, &diag);
    if (result == STATUS_OK) result = spaces_apply(arena, graph, spaces, &removal, &diag);
    arena_free(arena);
    return result;
}

START_TEST(every_failing_allocation_unwinds) {
    status result = STATUS_LIMIT;
    for (size_t tried = 0; result != STATUS_OK; tried++) {
        struct failing failing = {.left = tried};
        const struct allocator allocator = {&failing, failing_resize};
        struct heap small;
        struct diag failure = {0};
        heap_init(&small, &allocator, 0);
        result = heap_run(&small, &failure, find_and_prune, &small);
        if (result != STATUS_OK) ck_assert_int_eq(result, STATUS_LIMIT);
        ck_assert_uint_eq(small.used_bytes, 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("spaces");
    TCase *together = tcase_create("together"), *apart = tcase_create("shared"), *pins = tcase_create("pins"),
          *plans = tcase_create("plans");
    TCase *cases[] = {together, apart, pins, plans};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tcase_add_checked_fixture(cases[i], set_up, tear_down);
        suite_add_tcase(suite, cases[i]);
    }
    const TTest *together_tests[] = {chain,
                                     residual,
                                     concat_offsets,
                                     depthwise_multiplier,
                                     flatten_gemm,
                                     gate,
                                     groups_keep_their_balance,
                                     shuffle_goes_by_columns,
                                     sizes_are_computed,
                                     expanded_gate,
                                     scales_are_joined,
                                     padded_shortcut,
                                     slices_and_splits,
                                     reshape_with_numbers,
                                     constants_behind_other_nodes,
                                     float_weight_rounded_on_the_way,
                                     blocks_and_channels,
                                     recurrent_layer_reads};
    for (size_t i = 0; i < sizeof together_tests / sizeof together_tests[0]; i++) tcase_add_test(together, together_tests[i]);
    tcase_add_test(apart, shared_weight_unites);
    tcase_add_test(apart, shared_weight_parts);
    tcase_add_test(apart, quantised_weight_read_twice_parts);
    tcase_add_test(pins, pins_have_reasons);
    tcase_add_test(pins, keep_and_only);
    tcase_add_test(pins, sizes_that_are_read);
    tcase_add_test(plans, plans_there_and_back);
    tcase_add_test(plans, plans_that_only_keep);
    tcase_add_test(plans, importance_folds_the_norm);
    tcase_add_test(plans, axes_count_channels);
    tcase_add_test(plans, every_failing_allocation_unwinds);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
