/* prune_random IN.onnx OUT.onnx PLAN.json SEED [list]: removes a random legal quarter of every space that can be pruned and writes the
 * model and the full plan. list: prints the spaces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/verify.h"
#include "onnx/model.h"
#include "op/op.h"
#include "passes/spaces.h"

struct prune_job {
    struct heap *heap;
    char **arguments;
    bool list;
    struct diag *diag;
};

static uint64_t prune_state;

static uint32_t prune_random(uint32_t below) {
    prune_state = prune_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((prune_state >> 33) % below);
}

static void prune_cell(const struct space *space, uint32_t cell, uint32_t count, bool *removed) {
    for (uint32_t done = 0; done < count;) {
        const uint32_t i = prune_random(space->cell_size), channel = space->cells ? space->cells[cell][i] : i;
        done += !removed[channel];
        removed[channel] = true;
    }
}

static void prune_choose(struct arena *arena, const struct spaces *spaces, struct removal *removal) {
    removal_init(arena, spaces, removal);
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        const struct space *space = &spaces->items.items[s];
        const uint32_t quarter = space->cell_size / 4, count = space->cell_size > 1 && !quarter ? 1 : quarter;
        if (space->fixed) continue;
        for (uint32_t cell = 0; cell < space->cell_count; cell++) prune_cell(space, cell, count, removal->removed[s]);
        removal->counts[s] = count * space->cell_count;
    }
}

static void prune_list(const struct spaces *spaces) {
    for (uint32_t s = 0; s < spaces->items.count; s++) {
        const struct space *space = &spaces->items.items[s];
        printf("%-30s %5u", space->id, space->size);
        if (space->cell_count > 1) printf(" in %u cells", space->cell_count);
        if (space->fixed) printf(" FIXED %s", space->fixed);
        printf(" [");
        for (uint32_t i = 0; i < space->member_count && i < 4; i++) printf("%s%s", i ? ", " : "", space->members[i]);
        printf("%s\n", space->member_count > 4 ? ", ...]" : "]");
    }
}

static status prune_write_text(const char *path, const char *text, struct diag *diag) {
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file)) return diag_fail(diag, STATUS_IO, "%s: cannot be written", path);
    return STATUS_OK;
}

static status prune_model(struct arena *arena, const struct prune_job *job, struct onnx_model *model) {
    struct graph *graph = onnx_model_graph(model);
    struct shapes *shapes;
    struct spaces *spaces;
    struct removal removal;
    struct plan plan;
    struct onnx_written written;
    status result = op_resolve(graph, job->diag);
    if (result == STATUS_OK) result = shapes_infer(arena, graph, 1, NULL, 0, &shapes, job->diag);
    if (result == STATUS_OK) result = spaces_find(arena, graph, shapes, NULL, &spaces, job->diag);
    if (result != STATUS_OK) return result;
    if (job->list) prune_list(spaces);
    prune_choose(arena, spaces, &removal);
    result = plan_make(arena, graph, spaces, &removal, &plan, job->diag);
    if (result == STATUS_OK) result = prune_write_text(job->arguments[3], plan_print(arena, &plan), job->diag);
    if (result == STATUS_OK) result = spaces_apply(arena, graph, spaces, &removal, job->diag);
    if (result == STATUS_OK) result = verify_graph(graph, job->diag);
    if (result == STATUS_OK) result = onnx_model_write(model, job->arguments[2], ONNX_INLINE_LIMIT_BYTES, &written, job->diag);
    return result;
}

static status prune_body(void *argument) {
    const struct prune_job *job = argument;
    struct arena *arena = arena_new(job->heap);
    struct onnx_model *model;
    status result = onnx_model_open(arena, job->arguments[1], &model, job->diag);
    if (result == STATUS_OK) result = prune_model(arena, job, model);
    arena_free(arena);
    return result;
}

int main(int count, char **arguments) {
    struct heap heap;
    struct diag diag = {0};
    if (count < 5) return 2;
    prune_state = strtoull(arguments[4], NULL, 10);
    heap_init(&heap, NULL, 0);
    struct prune_job job = {&heap, arguments, count > 5, &diag};
    const status result = heap_run(&heap, &diag, prune_body, &job);
    if (result != STATUS_OK) fprintf(stderr, "%s: %s\n", arguments[1], diag.message);
    heap_release(&heap);
    return (int)result;
}
