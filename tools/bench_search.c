/* How long the search takes: for each layer and each network of a table (default tests/golden/networks.csv), 8/8/32 bit, 128 KiB, one
 * thread; and against brute force on a small layer. bench_search [TABLE [BYTES ON CHIP [WEIGHT BITS]]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cost/search.h"

enum { LINE_BYTES = 256, NETWORK_LIMIT = 16 };

struct total {
    char network[32];
    int64_t layers, bytes, uneven_bytes;
    int64_t nodes, proved;
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

/* ---- against all tilings in all orders ---- */

struct brute {
    const struct nest *nest;
    const struct target *target;
    struct mapping mapping;
    int64_t bytes, evaluated;
};

static void all_orders(struct brute *brute, const int64_t *tile, unsigned used) {
    bool is_complete = true;
    struct mapping *mapping = &brute->mapping;
    for (unsigned d = 0; d < DIM_COUNT; d++) {
        if (used & 1u << d || tile[d] == brute->nest->size[d]) continue;
        is_complete = false;
        mapping->loops[mapping->loop_count++] = (struct mapping_loop){.dim = (enum nest_dim)d, .step = tile[d]};
        all_orders(brute, tile, used | 1u << d);
        mapping->loop_count--;
    }
    if (!is_complete) return;
    struct footprint footprint;
    struct traffic traffic;
    for (int x = 0; x < OPERAND_COUNT; x++) mapping->depth[x] = mapping->loop_count;
    mapping_footprint(brute->nest, brute->target, mapping, &footprint);
    brute->evaluated++;
    if (!footprint_fits(&footprint, brute->target)) return;
    mapping_traffic(brute->nest, brute->target, mapping, &traffic);
    if (traffic_total(&traffic) < brute->bytes) brute->bytes = traffic_total(&traffic);
}

static void all_tilings(struct brute *brute, int64_t *tile, int dim) {
    if (dim == DIM_COUNT) {
        all_orders(brute, tile, 0);
        return;
    }
    for (tile[dim] = brute->nest->size[dim]; tile[dim] > 0; tile[dim]--) all_tilings(brute, tile, dim + 1);
    tile[dim] = brute->nest->size[dim];
}

/* conv 8 -> 16, 14 x 14, k 3: small enough to try everything. */
static void race(void) {
    const struct target target = {.name = "plain", .capacity_bytes = 700, .halo_reuse = true};
    struct nest nest;
    struct found found;
    int64_t tile[DIM_COUNT];
    nest_init(&nest);
    nest.size[DIM_M] = 16;
    nest.size[DIM_C] = 8;
    nest.size[DIM_OH] = nest.size[DIM_OW] = 14;
    nest.axis[1] = nest.axis[2] =
        (struct nest_axis){.plane = 14, .kernel = 3, .stride = 1, .dilation = 1, .pad = 1, .pool = 1, .pooled = 14};
    nest.bits[OPERAND_I] = nest.bits[OPERAND_W] = nest.bits[OPERAND_O] = 8;
    nest.partial_bits = 32;
    const double fast = time_search(search_plain, &nest, &target, &found), start = now();
    struct brute brute = {.nest = &nest, .target = &target, .bytes = INT64_MAX};
    all_tilings(&brute, tile, 0);
    const double slow = now() - start;
    printf("conv 8 -> 16, 14x14, k 3, 700 B: search %lld bytes in %.1f us; all %lld tilings and orders: %lld bytes in %.1f ms, %.2f "
           "million/s, "
           "%.0f times as long\n",
           (long long)traffic_total(&found.traffic), fast * 1e6, (long long)brute.evaluated, (long long)brute.bytes, slow * 1e3,
           (double)brute.evaluated / slow * 1e-6, slow / fast);
}

static void print_total(const struct total *total) {
    printf("%-12s %3lld layers %9.3f ms, slowest layer %8.1f us, %9.0f layers/s, %12lld bytes\n", total->network, (long long)total->layers,
           total->seconds * 1e3, total->slowest * 1e6, (double)total->layers / total->seconds, (long long)total->bytes);
    printf("%-12s search_best %9.3f ms, %8lld nodes, %5.2f million/s, %12lld bytes (%.2f %% fewer); no mapping at all is better: %lld "
           "layers\n",
           "", total->uneven_seconds * 1e3, (long long)total->nodes, (double)total->nodes / (total->uneven_seconds - total->seconds) * 1e-6,
           (long long)total->uneven_bytes, 100 * (1 - (double)total->uneven_bytes / (double)total->bytes), (long long)total->proved);
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
    }
    fclose(file);
    for (struct total *total = totals; total->layers; total++) print_total(total);
    race();
    return EXIT_SUCCESS;
}
