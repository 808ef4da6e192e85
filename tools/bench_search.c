/* What the searches cost: for each layer and each network of a table (default tests/golden/networks.csv), 8/8/32 bit, 128 KiB, one thread;
 * for matrices; as layers grow; in memory; and against brute force on small layers. bench_search [TABLE [BYTES ON CHIP [WEIGHT BITS]]] */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cost/search.h"
#include "cost/space.h"

enum { LINE_BYTES = 256, NETWORK_LIMIT = 16 };

struct total {
    char network[32];
    int64_t layers, bytes, uneven_bytes;
    int64_t nodes, proved;
    double mappings; /* in the whole space of the layers that were searched on */
    double seconds, slowest, uneven_seconds;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool parse(const char *line, char *network, char *name, struct nest *nest) {
    long long g, m, c, oh, ow, k, stride, pad, ih, iw, is_pool;
    if (sscanf(line, "%31[^,],%31[^,],%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld", network, name, &g, &m, &c, &oh, &ow, &k,
               &stride, &pad, &ih, &iw, &is_pool) != 13)
        return false;
    nest_init(nest);
    nest->size[DIM_G] = g;
    nest->size[DIM_M] = m;
    nest->size[DIM_C] = c;
    nest->size[DIM_OH] = oh;
    nest->size[DIM_OW] = ow;
    nest->axis[1] = (struct nest_axis){.plane = ih, .kernel = k, .stride = stride, .dilation = 1, .pad = pad, .pool = 1, .pooled = oh};
    nest->axis[2] = (struct nest_axis){.plane = iw, .kernel = k, .stride = stride, .dilation = 1, .pad = pad, .pool = 1, .pooled = ow};
    nest->bits[OPERAND_I] = nest->bits[OPERAND_O] = 8;
    nest->bits[OPERAND_W] = is_pool ? 0 : 8;
    nest->partial_bits = is_pool ? 8 : 32;
    return true;
}

typedef void (*search_function)(const struct nest *nest, const struct target *target, struct found *found);

/* Seconds of CPU of one search: the best of several runs. */
static double time_search(search_function search, const struct nest *nest, const struct target *target, struct found *found) {
    double best = 1e9, all = 0;
    for (int runs = 0; runs < 3 || (all < 2e-3 && runs < 50); runs++) {
        const double start = now();
        search(nest, target, found);
        const double seconds = now() - start;
        all += seconds;
        if (seconds < best) best = seconds;
    }
    return best;
}

static struct total *total_of(struct total *totals, const char *network) {
    struct total *total = totals;
    while (total->layers && strcmp(total->network, network) != 0) total++;
    snprintf(total->network, sizeof total->network, "%s", network);
    return total;
}

/* ---- how many mappings there are ---- */

/* How often a dim can be cut into k nested steps: k sizes below its own. Divided by k!, as the loops of one dim stand in one order. */
static double ways(int64_t size, int k) {
    double ways = 1;
    for (int i = 1; i <= k; i++) ways *= (double)(size - i) / i / i;
    return ways > 0 ? ways : 0;
}

/* Sequences of at most MAPPING_MAX_LOOPS loops, each snaking or not, and the depths of which one is the end (cost-model.md 2). */
static double whole_space(const struct nest *nest) {
    double sequences[MAPPING_MAX_LOOPS + 1] = {1}, all = 0, orders = 1;
    for (int d = 0; d < DIM_COUNT; d++)
        for (int loops = MAPPING_MAX_LOOPS; loops > 0; loops--)
            for (int k = 1; k <= loops && k < nest->size[d]; k++) sequences[loops] += sequences[loops - k] * ways(nest->size[d], k);
    for (int loops = 0; loops <= MAPPING_MAX_LOOPS; loops++) {
        if (loops) orders *= 2.0 * loops;
        all += sequences[loops] * orders * (3.0 * loops * loops + 3.0 * loops + 1);
    }
    return all;
}

/* ---- against brute force ---- */

struct brute {
    const struct nest *nest;
    const struct target *target;
    bool is_plain;
    struct mapping mapping;
    int64_t step[DIM_COUNT]; /* innermost so far */
    int64_t bytes, evaluated;
};

static void evaluate(struct brute *brute) {
    struct footprint footprint;
    struct traffic traffic;
    brute->evaluated++;
    mapping_footprint(brute->nest, brute->target, &brute->mapping, &footprint);
    if (!footprint_fits(&footprint, brute->target)) return;
    mapping_traffic(brute->nest, brute->target, &brute->mapping, &traffic);
    if (traffic_total(&traffic) < brute->bytes) brute->bytes = traffic_total(&traffic);
}

/* Those of which one is the end of the loops. */
static void all_depths(struct brute *brute) {
    const uint32_t count = brute->mapping.loop_count, least = brute->is_plain ? count : 0;
    uint32_t *depth = brute->mapping.depth;
    for (depth[0] = least; depth[0] <= count; depth[0]++)
        for (depth[1] = least; depth[1] <= count; depth[1]++)
            for (depth[2] = depth[0] == count || depth[1] == count ? least : count; depth[2] <= count; depth[2]++) evaluate(brute);
}

static void all_mappings(struct brute *brute) {
    struct mapping *mapping = &brute->mapping;
    all_depths(brute);
    for (int d = 0; d < DIM_COUNT; d++) {
        const int64_t whole = brute->step[d];
        if (brute->is_plain && whole < brute->nest->size[d]) continue;
        mapping->loop_count++;
        for (brute->step[d] = whole - 1; brute->step[d] > 0; brute->step[d]--)
            for (int snake = 0; snake <= !brute->is_plain; snake++) {
                mapping->loops[mapping->loop_count - 1] = (struct mapping_loop){(enum nest_dim)d, brute->step[d], snake};
                all_mappings(brute);
            }
        mapping->loop_count--;
        brute->step[d] = whole;
    }
}

static void set_conv(struct nest *nest, int64_t m, int64_t c, int64_t oh, int64_t ow) {
    nest_init(nest);
    nest->size[DIM_M] = m;
    nest->size[DIM_C] = c;
    nest->size[DIM_OH] = oh;
    nest->size[DIM_OW] = ow;
    nest->axis[1] = (struct nest_axis){.plane = oh, .kernel = 3, .stride = 1, .dilation = 1, .pad = 1, .pool = 1, .pooled = oh};
    nest->axis[2] = (struct nest_axis){.plane = ow, .kernel = 3, .stride = 1, .dilation = 1, .pad = 1, .pool = 1, .pooled = ow};
    nest->bits[OPERAND_I] = nest->bits[OPERAND_W] = nest->bits[OPERAND_O] = 8;
    nest->partial_bits = 32;
}

static void search_to_the_end(const struct nest *nest, const struct target *target, struct found *found) {
    search_whole(nest, target, INT64_C(1) << 40, found);
}

static void race(const char *what, const struct nest *nest, int64_t capacity_bytes, bool is_plain) {
    const struct target target = {.name = "plain", .capacity_bytes = capacity_bytes, .halo_reuse = true};
    struct brute brute = {.nest = nest, .target = &target, .is_plain = is_plain, .bytes = INT64_MAX};
    struct found found;
    memcpy(brute.step, nest->size, sizeof brute.step);
    const double fast = time_search(is_plain ? search_plain : search_to_the_end, nest, &target, &found), start = now();
    all_mappings(&brute);
    const double slow = now() - start;
    printf("%s, %lld B: search %lld bytes in %.1f us; all %lld mappings%s: %lld bytes in %.1f ms, %.2f million/s, %.0f times as long\n",
           what, (long long)capacity_bytes, (long long)traffic_total(&found.traffic), fast * 1e6, (long long)brute.evaluated,
           is_plain ? " that are plain" : "", (long long)brute.bytes, slow * 1e3, (double)brute.evaluated / slow * 1e-6, slow / fast);
}

/* Layers small enough to try everything. */
static void races(void) {
    struct nest nest;
    set_conv(&nest, 16, 8, 14, 14);
    race("conv 8 -> 16, 14x14, k 3", &nest, 700, true);
    set_conv(&nest, 3, 3, 3, 1);
    race("conv 3 -> 3, 3x1, k 3", &nest, 20, false);
    set_conv(&nest, 4, 1, 5, 1);
    race("conv 1 -> 4, 5x1, k 3", &nest, 18, false);
}

/* ---- as layers grow ---- */

static int64_t trip_counts(int64_t size) {
    int64_t counts = 0;
    for (int64_t tile = size; tile > 0; counts++) tile = trips_of(size, trips_of(size, tile)) - 1;
    return counts;
}

static void rung(const char *what, const struct nest *nest, const struct target *target) {
    struct found found;
    int64_t counts = 0;
    double tilings = 1;
    for (int d = 0; d < DIM_COUNT; d++) {
        counts += nest->size[d] > 1 ? trip_counts(nest->size[d]) : 0;
        tilings *= (double)trip_counts(nest->size[d]);
    }
    const double plain = time_search(search_plain, nest, target, &found), best = time_search(search_best, nest, target, &found);
    printf("%-28s %4lld trip counts, %7.1e tilings; plain %8.1f us, %6.3f for each trip count; search_best %9.1f us, %8lld nodes\n", what,
           (long long)counts, tilings, plain * 1e6, plain * 1e6 / (double)counts, best * 1e6, (long long)found.nodes);
}

/* Room grows with the layer, so that as much of it is on chip. */
static void ladder(void) {
    for (int64_t size = 16; size <= 16384; size *= 4) {
        char what[64];
        struct nest nest;
        const struct target target = {.name = "plain", .capacity_bytes = size * 32, .halo_reuse = true};
        set_conv(&nest, size, size, size, 1);
        nest.axis[1] = nest.axis[2] = (struct nest_axis){.plane = size, .kernel = 1, .stride = 1, .dilation = 1, .pool = 1, .pooled = size};
        nest.axis[2].plane = nest.axis[2].pooled = 1;
        snprintf(what, sizeof what, "gemm %lld^3, %lld B", (long long)size, (long long)target.capacity_bytes);
        rung(what, &nest, &target);
    }
    for (int64_t size = 8; size <= 512; size *= 2) {
        char what[64];
        struct nest nest;
        const struct target target = {.name = "plain", .capacity_bytes = size * 512, .halo_reuse = true};
        set_conv(&nest, size, size, size, size);
        snprintf(what, sizeof what, "conv %lld^4, k 3, %lld B", (long long)size, (long long)target.capacity_bytes);
        rung(what, &nest, &target);
    }
}

/* ---- in memory ---- */

enum { STACK_BYTES = 1 << 22, UNTOUCHED = 0xa5 };

static void *search_on_the_stack(void *nest) {
    const struct target target = {.name = "plain", .capacity_bytes = 16 * 1024, .halo_reuse = true};
    struct found found;
    if (nest) search_best(nest, &target, &found);
    return NULL;
}

static int64_t touched_by(struct nest *nest) {
    static _Alignas(4096) unsigned char stack[STACK_BYTES];
    pthread_attr_t attributes;
    pthread_t thread;
    int64_t untouched = 0;
    memset(stack, UNTOUCHED, sizeof stack);
    if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstack(&attributes, stack, sizeof stack) != 0 ||
        pthread_create(&thread, &attributes, search_on_the_stack, nest) != 0)
        return -1;
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    while (untouched < STACK_BYTES && stack[untouched] == UNTOUCHED) untouched++;
    return STACK_BYTES - untouched;
}

/* The searches take no heap: what they touch of a stack, over what a thread does by itself. */
static void scratch(void) {
    struct nest nest;
    set_conv(&nest, 64, 64, 224, 224);
    printf("scratch of search_best, conv 64 -> 64, 224x224, k 3: %lld bytes of stack, no heap\n",
           (long long)(touched_by(&nest) - touched_by(NULL)));
}

/* ---- networks ---- */

static void print_total(const struct total *total) {
    printf("%-12s %3lld layers %9.3f ms, slowest layer %8.1f us, %9.0f layers/s, %12lld bytes\n", total->network, (long long)total->layers,
           total->seconds * 1e3, total->slowest * 1e6, (double)total->layers / total->seconds, (long long)total->bytes);
    printf("%-12s search_best %9.3f ms, %12lld bytes (%.2f %% fewer); no mapping at all is better: %lld layers\n", "",
           total->uneven_seconds * 1e3, (long long)total->uneven_bytes, 100 * (1 - (double)total->uneven_bytes / (double)total->bytes),
           (long long)total->proved);
    if (!total->nodes) return;
    printf("%-12s %lld nodes, %.2f million/s, of 1e%.0f mappings: all but one in 1e%.0f never looked at\n", "", (long long)total->nodes,
           (double)total->nodes / (total->uneven_seconds - total->seconds) * 1e-6, log10(total->mappings),
           log10(total->mappings / (double)total->nodes));
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "tests/golden/networks.csv";
    struct total totals[NETWORK_LIMIT + 1] = {0};
    struct target target = {.name = "plain", .capacity_bytes = argc > 2 ? strtoll(argv[2], NULL, 10) : 128 * 1024, .halo_reuse = true};
    const uint32_t weight_bits = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 8;
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "bench_search: cannot read %s\n", path);
        return EXIT_FAILURE;
    }
    for (char line[LINE_BYTES]; fgets(line, sizeof line, file);) {
        char network[32], name[32];
        struct nest nest;
        struct found found;
        if (!parse(line, network, name, &nest)) continue;
        if (nest.bits[OPERAND_W]) nest.bits[OPERAND_W] = weight_bits;
        const double seconds = time_search(search_plain, &nest, &target, &found);
        struct total *total = total_of(totals, network);
        total->layers++;
        total->bytes += traffic_total(&found.traffic);
        total->seconds += seconds;
        if (seconds > total->slowest) total->slowest = seconds;
        printf("%-12s %-8s %9.1f us %12lld bytes, bound %12lld %s\n", network, name, seconds * 1e6,
               (long long)traffic_total(&found.traffic), (long long)found.bound_bytes, found.bound_name);
        total->uneven_seconds += time_search(search_best, &nest, &target, &found);
        total->uneven_bytes += traffic_total(&found.traffic);
        total->nodes += found.nodes;
        total->proved += found.proof == PROOF_WHOLE;
        if (found.nodes) total->mappings += whole_space(&nest);
    }
    fclose(file);
    for (struct total *total = totals; total->layers; total++) print_total(total);
    ladder();
    scratch();
    races();
    return EXIT_SUCCESS;
}
