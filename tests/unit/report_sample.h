/* A small record that uses every kind of field: two convolutions, one lone Add, one layer that does not fit on demand. */
#ifndef REPORT_SAMPLE_H
#define REPORT_SAMPLE_H

#include "report/record.h"

struct report_sample {
    struct target target;
    struct nest nests[2];
    struct mapping mapping;
    struct infeasible infeasible;
    struct record_model model;
    struct record_layer layers[3];
    struct record_group groups[3];
    struct record_timing timings[3];
    struct record_opaque opaque;
    struct record record;
};

static const char *const sample_epilogue[] = {"relu1"};
static const char *const sample_nodes_1[] = {"conv1", "relu1"};
static const char *const sample_nodes_2[] = {"conv2"};
static const char *const sample_nodes_3[] = {"add"};

static void sample_nest(struct nest *nest, int64_t m, int64_t c) {
    *nest = (struct nest){.size = {1, 1, m, c, 1, 56, 56}, .bits = {8, 8, 8}, .partial_bits = 32};
    for (int i = 0; i < NEST_AXES; i++) nest->axis[i] = (struct nest_axis){1, 1, 1, 1, 0, 1, 1, 0};
    for (int i = 1; i < NEST_AXES; i++) nest->axis[i] = (struct nest_axis){56, 3, 1, 1, 1, 1, 56, 0};
}

static struct record_layer sample_layer(uint32_t index, const char *name, const char *op, int64_t input, int64_t weight, int64_t output) {
    return (struct record_layer){.index = index,
                                 .name = name,
                                 .op = op,
                                 .group = index,
                                 .rank = index + 1,
                                 .input_bytes = input,
                                 .weight_bytes = weight,
                                 .output_bytes = output,
                                 .offchip_bytes = input + weight + output,
                                 .bound_bytes = input + weight + output,
                                 .energy_uj = -1,
                                 .offchip_ms = -1,
                                 .compute_ms = -1};
}

static struct record_group sample_group(const struct record_layer *layer, const char *const *nodes, uint32_t count) {
    return (struct record_group){.id = layer->group,
                                 .nodes = nodes,
                                 .node_count = count,
                                 .mapping = layer->mapping,
                                 .footprint_bytes = layer->footprint_bytes,
                                 .offchip_bytes = layer->offchip_bytes,
                                 .input_bytes = layer->input_bytes,
                                 .weight_bytes = layer->weight_bytes,
                                 .output_bytes = layer->output_bytes,
                                 .partial_sum_bytes = layer->partial_sum_bytes,
                                 .macs = layer->macs};
}

static void sample_layers(struct report_sample *sample) {
    sample_nest(&sample->nests[0], 256, 64);
    sample_nest(&sample->nests[1], 64, 256);
    sample->mapping = (struct mapping){2, {{DIM_M, 32, false}, {DIM_OH, 8, true}}, {2, 1, 2}};
    sample->layers[0] = sample_layer(0, "conv1", "Conv", 800000, 147456, 802816);
    sample->layers[0].nest = &sample->nests[0];
    sample->layers[0].mapping = &sample->mapping;
    sample->layers[0].reuse = "output+weight";
    sample->layers[0].macs = 9000000000000000001;
    sample->layers[0].parameters = 147456;
    sample->layers[0].epilogue = sample_epilogue;
    sample->layers[0].epilogue_count = 1;
    sample->layers[0].footprint_bytes = 100000;
    sample->layers[0].bound_bytes = 1700000;
    sample->layers[0].pruned = "300 -> 256";
    sample->layers[0].energy_uj = 0.1;
    sample->layers[1] = sample_layer(1, "conv2", "Conv", 400000, 147456, 200704);
    sample->layers[1].nest = &sample->nests[1];
    sample->layers[1].mapping = &sample->mapping;
    sample->layers[1].reuse = "input";
    sample->layers[1].footprint_bytes = 9412;
    sample->layers[2] = sample_layer(2, "add", "Add", 1000, 0, 500);
    sample->groups[0] = sample_group(&sample->layers[0], sample_nodes_1, 2);
    sample->groups[1] = sample_group(&sample->layers[1], sample_nodes_2, 1);
    sample->groups[2] = sample_group(&sample->layers[2], sample_nodes_3, 1);
}

static void sample_make(struct report_sample *sample) {
    *sample = (struct report_sample){0};
    sample->target = (struct target){.name = "edge",
                                     .capacity_bytes = 131072,
                                     .double_buffer = {true, true, false},
                                     .activation_bits = 8,
                                     .weight_bits = 8,
                                     .partial_sum_bits = 32,
                                     .halo_reuse = true,
                                     .batch = 1,
                                     .channel_multiple = 8,
                                     .bandwidth_bytes_per_s = 3.2e9,
                                     .macs_per_cycle = 256,
                                     .clock_hz = 5e8};
    sample->model = (struct record_model){"in.onnx", 8, 17, 4, 294912, 9000000000000000001, 1200000};
    sample_layers(sample);
    sample->timings[0] = (struct record_timing){"explore", 1.25};
    sample->timings[1] = (struct record_timing){"read", 0.5};
    sample->timings[2] = (struct record_timing){"explore", 1.0};
    sample->opaque = (struct record_opaque){"Foo\"\n", "com.acme", "unknown operator", 2};
    sample->record = (struct record){.command = "explore",
                                     .model = &sample->model,
                                     .target = &sample->target,
                                     .layers = sample->layers,
                                     .layer_count = 3,
                                     .groups = sample->groups,
                                     .group_count = 3,
                                     .opaque = &sample->opaque,
                                     .opaque_count = 1,
                                     .timings = sample->timings,
                                     .timing_count = 3,
                                     .fingerprint = "f00d"};
    sample->record.totals =
        (struct record_totals){2499932, 1201000, 294912, 1004020, 0, 2499932, 2400000, 2400000, "compulsory", 200.5, 0.78, -1, NULL};
}

/* conv1 and conv2 in one group, what is between them on the chip. */
static void sample_fuse(struct report_sample *sample) {
    static const char *const nodes[] = {"conv1", "relu1", "conv2"};
    static const int64_t tile[] = {8, 56};
    static const struct record_tensor tensors[] = {
        {.name = "x\"", .channels = 64, .window = {12, 56}, .moves = true},
        {.name = "relu1", .block = 16, .channels = 256, .window = {10, 56}, .is_made = true},
        {.name = "conv2", .stays = true, .channels = 64, .window = {8, 56}, .layer = 1, .is_made = true}};
    static const struct record_weights weights[] = {{"conv1", 0}, {"conv2", 8}};
    sample->groups[0] = (struct record_group){.nodes = nodes,
                                              .node_count = 3,
                                              .tile = tile,
                                              .walk = "right",
                                              .overlap = "rows",
                                              .out_blocks = 1,
                                              .tensors = tensors,
                                              .tensor_count = 3,
                                              .weights = weights,
                                              .weight_count = 2,
                                              .plane = {56, 56},
                                              .footprint_bytes = 120000,
                                              .offchip_bytes = 1094912,
                                              .input_bytes = 800000,
                                              .weight_bytes = 294912,
                                              .macs = 1500,
                                              .recomputed_macs = 500};
    sample->groups[1] = sample->groups[2];
    sample->groups[1].id = 1;
    sample->layers[0].output_bytes = sample->layers[1].input_bytes = sample->layers[1].output_bytes = 0;
    sample->layers[0].offchip_bytes = 947456;
    sample->layers[1].offchip_bytes = 147456;
    sample->layers[1].group = 0;
    sample->layers[2].group = 1;
    sample->layers[0].mapping = sample->layers[1].mapping = NULL;
    sample->layers[0].reuse = sample->layers[1].reuse = NULL;
    sample->record.group_count = 2;
    sample->layers[0].footprint_bytes = sample->layers[1].footprint_bytes = 120000;
    sample->record.totals.offchip_bytes = 1096412;
    sample->record.totals.lower_bound_bytes = 1000000;
}

/* conv2 lacks room. */
static void sample_break(struct report_sample *sample) {
    sample->infeasible = (struct infeasible){{{3780, 4608, 1024}}, 9412, 8192, 1220, OPERAND_I, 9412};
    sample->target.capacity_bytes = 8192;
    sample->layers[1].infeasible = &sample->infeasible;
    sample->layers[1].mapping = sample->groups[1].mapping = NULL;
    sample->layers[1].reuse = NULL;
    sample->record.infeasible_count = 1;
}

#endif
