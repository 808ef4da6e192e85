/* roundtrip FILE...                 reads and writes each model in memory; prints those that do not come back byte for byte
 * roundtrip --mutate COUNT SEED FILE...   reads COUNT damaged copies of each, infers shapes and writes what could be read */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "onnx/model.h"
#include "op/op.h"
#include "op/shapes.h"

struct roundtrip {
    struct heap *heap;
    const char *path;
    struct diag *diag;
    bool identical;
};

static status roundtrip_body(void *argument) {
    struct roundtrip *job = argument;
    struct arena *arena = arena_new(job->heap);
    struct onnx_model *model;
    struct os_file file;
    uint8_t *bytes;
    size_t size;
    status result = onnx_model_open(arena, job->path, &model, job->diag);
    if (result == STATUS_OK) result = os_map_file(arena, job->path, &file, job->diag);
    if (result == STATUS_OK) result = onnx_model_write_bytes(model, arena, &bytes, &size, job->diag);
    if (result == STATUS_OK) job->identical = size == file.size && memcmp(bytes, file.bytes, size) == 0;
    arena_free(arena);
    return result;
}

static int roundtrip_files(int count, char **paths) {
    int identical = 0, failed = 0;
    for (int i = 0; i < count; i++) {
        struct heap heap;
        struct diag diag = {0};
        heap_init(&heap, NULL, 0);
        struct roundtrip job = {&heap, paths[i], &diag, false};
        const status result = heap_run(&heap, &diag, roundtrip_body, &job);
        if (result == STATUS_OK && job.identical) identical++;
        else printf("%s: %s\n", paths[i], result == STATUS_OK ? "differs" : diag.message), failed++;
        heap_release(&heap);
    }
    printf("%d passed, %d failed\n", identical, failed);
    return failed != 0;
}

/* ---- damage ---- */

struct mutation {
    struct heap *heap;
    uint8_t *bytes;
    size_t size;
    struct diag *diag;
};

static uint64_t mutation_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Up to four bytes changed, three times of four among the first 8 KiB, where the nodes stand; one time of eight also cut short. */
static void mutation_damage(struct mutation *mutation, uint64_t *state) {
    enum { NODES_BYTES = 8192 };
    const uint64_t changes = 1 + mutation_random(state) % 4;
    for (uint64_t i = 0; i < changes && mutation->size; i++) {
        const uint64_t near = mutation_random(state) % 4, range = near && mutation->size > NODES_BYTES ? NODES_BYTES : mutation->size;
        uint8_t *byte = &mutation->bytes[mutation_random(state) % range];
        const uint64_t how = mutation_random(state);
        *byte = (uint8_t)(how & 1 ? *byte ^ 1u << (how >> 1 & 7) : how >> 1);
    }
    if (mutation_random(state) % 8 == 0 && mutation->size) mutation->size = (size_t)(mutation_random(state) % mutation->size);
}

static status mutation_body(void *argument) {
    struct mutation *mutation = argument;
    struct arena *arena = arena_new(mutation->heap);
    struct onnx_model *model;
    struct shapes *shapes;
    uint8_t *bytes;
    size_t size;
    status result = onnx_model_from_bytes(arena, mutation->bytes, mutation->size, NULL, &model, mutation->diag);
    if (result == STATUS_OK) result = onnx_model_write_bytes(model, arena, &bytes, &size, mutation->diag);
    if (result == STATUS_OK) result = op_resolve(onnx_model_graph(model), mutation->diag);
    if (result == STATUS_OK) result = shapes_infer(arena, onnx_model_graph(model), 1, NULL, 0, &shapes, mutation->diag);
    arena_free(arena);
    return result;
}

/* A block of exactly the damaged size each time, so that a sanitizer sees a read beyond it. */
static bool mutation_run(const struct os_file *file, uint64_t *state, int *by_status) {
    enum { LIMIT_BYTES = 1 << 28 };
    struct heap heap;
    struct diag diag = {0};
    heap_init(&heap, NULL, LIMIT_BYTES);
    struct mutation mutation = {&heap, malloc(file->size + 1), file->size, &diag};
    if (!mutation.bytes) return false;
    memcpy(mutation.bytes, file->bytes, file->size);
    mutation_damage(&mutation, state);
    uint8_t *exact = realloc(mutation.bytes, mutation.size + !mutation.size);
    mutation.bytes = exact;
    const status result = exact ? heap_run(&heap, &diag, mutation_body, &mutation) : STATUS_BUG;
    heap_release(&heap);
    free(exact);
    by_status[result]++;
    const bool told = result == STATUS_OK || (*diag.message && !strchr(diag.message, '\n'));
    if (result == STATUS_BUG || !told) printf("status %d: '%s'\n", (int)result, diag.message);
    return result != STATUS_BUG && told;
}

static int mutation_files(int count, uint64_t seed, int path_count, char **paths) {
    int by_status[8] = {0}, faults = 0;
    struct heap heap;
    heap_init(&heap, NULL, 0);
    struct arena *arena = arena_new(&heap);
    for (int i = 0; i < path_count; i++) {
        struct os_file file;
        struct diag diag = {0};
        uint64_t state = seed;
        if (os_map_file(arena, paths[i], &file, &diag) != STATUS_OK) {
            printf("%s\n", diag.message);
            faults++;
            continue;
        }
        for (int k = 0; k < count; k++) faults += !mutation_run(&file, &state, by_status);
    }
    heap_release(&heap);
    printf("seed %llu, by status:", (unsigned long long)seed);
    for (int i = 0; i < 8; i++)
        if (by_status[i]) printf(" %d:%d", i, by_status[i]);
    printf("; %d faults\n", faults);
    return faults != 0;
}

int main(int count, char **arguments) {
    if (count > 3 && strcmp(arguments[1], "--mutate") == 0)
        return mutation_files(atoi(arguments[2]), strtoull(arguments[3], NULL, 10), count - 4, arguments + 4);
    return roundtrip_files(count - 1, arguments + 1);
}
