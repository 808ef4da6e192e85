/* What fusion saves and how long it takes: bench_fusion [-p] [BYTES ON CHIP...] [MODEL.onnx...]
 *
 * Per model and capacity: layer by layer, fused, fused with boundary tensors that may stay, compulsory; seconds of CPU on one thread, of
 * the layer search and of fusion; the heap's peak. -p: the parts, too. Without a model: chains of 10 to 1,000 layers. 8/8/32 bit, batch 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cost/fusion.h"
#include "cost/partition.h"
#include "cost/search.h"
#include "onnx/model.h"
#include "op/op.h"
#include "passes/costs.h"

enum { MOST_CAPACITIES = 16 };

struct job {
    struct heap *heap;
    struct diag *diag;
    const char *path;
    struct target target;
    bool with_parts;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- models ---- */

static int64_t alone_bytes(const struct layers *layers, const struct fusion_singles *singles) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < layers->items.count; i++) {
        const struct layer *layer = &layers->items.items[i];
        int64_t parts = layer->alternative_count ? 0 : INT64_MAX;
        for (uint32_t k = 0; k < layer->alternative_count; k++) parts += singles->alternative_bytes[layer->alternative + k];
        bytes += parts < singles->item_bytes[i] ? parts : singles->item_bytes[i];
    }
    return bytes;
}

static void print_part(const struct graph *graph, const struct fusion_part *part) {
    const struct group_schedule *schedule = &part->found.schedule;
    printf("    %10" PRId64 "  %s", part->bytes, graph_node_label(graph, part->layers[0]->node));
    if (part->layer_count > 1)
        printf(" .. %s, %u layers", graph_node_label(graph, part->layers[part->layer_count - 1]->node), part->layer_count);
    if (part->is_fused)
        printf("; tile %" PRId64 "x%" PRId64 " %s overlap %d blocks %" PRId64 " on chip %" PRId64 "%s%s, %u tensors, %u operands",
               schedule->tile[0], schedule->tile[1], schedule->down_first ? "down" : "right", (int)schedule->overlap, schedule->out_blocks,
               part->found.cost.footprint_bytes, part->input_stays ? ", input stays" : "", part->output_stays ? ", output stays" : "",
               part->group.tensor_count, part->operand_count);
    printf("\n");
}

static status run_model(void *argument) {
    const struct job *job = argument;
    struct arena *arena = arena_new(job->heap);
    struct onnx_model *model;
    struct shapes *shapes;
    struct layers *layers;
    struct fusion_singles singles;
    status result = onnx_model_open(arena, job->path, &model, job->diag);
    if (result == STATUS_OK) result = op_resolve(onnx_model_graph(model), job->diag);
    if (result == STATUS_OK) result = shapes_infer(arena, onnx_model_graph(model), 1, NULL, 0, &shapes, job->diag);
    if (result == STATUS_OK) result = layers_find(arena, onnx_model_graph(model), shapes, &layers, job->diag);
    if (result != STATUS_OK) return result;
    double start = now();
    costs_singles(arena, cost_cache_new(arena, &job->target, 1, false), layers, shapes, &job->target, &singles);
    const double searching = now() - start;
    printf("%s, %" PRId64 " bytes: alone %" PRId64 " (%.2f s)", job->path, job->target.capacity_bytes, alone_bytes(layers, &singles),
           searching);
    for (int stays = 0; stays < 2; stays++) {
        const struct fusion_options options = {.boundaries_stay = stays};
        struct fusion *fusion;
        const size_t before = job->heap->used_bytes;
        job->heap->peak_bytes = before;
        start = now();
        fusion_find(arena, layers, &singles, shapes, &job->target, &options, &fusion);
        printf("; %s %" PRId64 " (%.3f s, %" PRId64 " groups, %.1f MB, %u fused%s%s)", stays ? "boundaries stay" : "fused",
               fusion->offchip_bytes, now() - start, fusion->groups_searched, (double)(job->heap->peak_bytes - before) / 1e6,
               fusion->fused_count, fusion->is_cut ? ", cut" : "", fusion->infeasible_count ? ", infeasible layers" : "");
        for (uint32_t i = 0; job->with_parts && i < fusion->parts.count; i++) {
            if (i == 0) printf("\n");
            print_part(layers->graph, &fusion->parts.items[i]);
        }
    }
    printf("\n");
    arena_free(arena);
    return STATUS_OK;
}

/* ---- growth ---- */

/* Blocks of two convolutions 3x3, 64 channels on 56 x 56, with biases of their own. */
static void make_chain(struct arena *arena, uint32_t layers, struct group *network) {
    *network = (struct group){.tensor_count = layers + 1, .member_count = layers, .images = 1};
    network->tensors = ARENA_ARRAY(arena, struct group_tensor, layers + 1);
    network->members = ARENA_ARRAY(arena, struct group_member, layers);
    for (uint32_t t = 0; t <= layers; t++)
        network->tensors[t] = (struct group_tensor){
            .channels = 64 + t % 7 * 8, .plane = {56, 56}, .bits = 8, .producer = (int32_t)t - 1, .is_output = t == layers};
    for (uint32_t m = 0; m < layers; m++) {
        const struct group_window window = {3, 1, 1, 1, false};
        network->members[m] = (struct group_member){.input_count = 1,
                                                    .output = m + 1,
                                                    .input = {{m, {window, window}}},
                                                    .groups = 1,
                                                    .kernel_elems = 9,
                                                    .macs = 9 * network->tensors[m].channels,
                                                    .weight_bits = 8,
                                                    .partial_bits = 32};
    }
    group_count_uses(network);
}

static status run_chain(void *argument) {
    const struct job *job = argument;
    printf("chains of 3x3 convolutions on 56 x 56, %" PRId64 " bytes:\n", job->target.capacity_bytes);
    for (uint32_t layers = 10; layers <= 1000; layers = layers % 3 ? layers * 3 : layers / 3 * 10) {
        struct arena *arena = arena_new(job->heap);
        struct group network;
        struct partition partition;
        struct partition_single *singles = ARENA_ARRAY(arena, struct partition_single, layers);
        make_chain(arena, layers, &network);
        for (uint32_t m = 0; m < layers; m++) {
            struct nest nest;
            struct found found;
            group_nest(&network, m, false, &nest);
            search_plain(&nest, &job->target, &found);
            singles[m] = (struct partition_single){traffic_total(&found.traffic), INT64_MAX, 0};
        }
        const double start = now();
        partition_find(arena, &network, &job->target, singles, false, NULL, &partition);
        printf("  %4u layers: %12" PRId64 " bytes, %6" PRId64 " groups searched, %.3f s\n", layers, partition.bytes,
               partition.groups_searched, now() - start);
        arena_free(arena);
    }
    return STATUS_OK;
}

static status run(struct job *job, status (*body)(void *argument)) {
    struct heap heap;
    struct diag diag = {0};
    heap_init(&heap, NULL, 0);
    job->heap = &heap;
    job->diag = &diag;
    const status result = heap_run(&heap, &diag, body, job);
    if (result != STATUS_OK) fprintf(stderr, "%s\n", diag.message);
    heap_release(&heap);
    return result;
}

int main(int count, char **arguments) {
    int64_t capacity[MOST_CAPACITIES] = {131072};
    int capacities = 0, models = 0;
    struct job job = {.target = {.name = "bench",
                                 .halo_reuse = true,
                                 .activation_bits = 8,
                                 .weight_bits = 8,
                                 .partial_sum_bits = 32,
                                 .batch = 1,
                                 .channel_multiple = 1}};
    for (int i = 1; i < count; i++) {
        const long long bytes = strtoll(arguments[i], NULL, 10);
        if (!strcmp(arguments[i], "-p")) job.with_parts = true;
        else if (bytes > 0 && capacities < MOST_CAPACITIES) capacity[capacities++] = bytes;
        else models++;
    }
    for (int k = 0; k < (capacities ? capacities : 1); k++) {
        job.target.capacity_bytes = capacity[k];
        for (int i = 1; i < count; i++) {
            job.path = arguments[i];
            if (strstr(job.path, ".onnx") && run(&job, run_model) != STATUS_OK) return EXIT_FAILURE;
        }
        if (!models && run(&job, run_chain) != STATUS_OK) return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
