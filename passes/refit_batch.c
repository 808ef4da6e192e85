#include "passes/refit_batch.h"

#include <string.h>

#include "base/checked.h"

enum { READ_AT_ONCE = 64 };

static int64_t refit_batch_choose(int64_t count, unsigned parts, int64_t most, int64_t *numbers) {
    int64_t chosen = 0;
    for (int64_t number = 0; number < count && chosen < most; number++)
        if (count < REFIT_PARTS_OF || parts >> refit_part_of(number) & 1) numbers[chosen++] = number;
    return chosen;
}

/* Where in the batch a sample goes; images where it does not. */
static int64_t refit_batch_place(const struct refit_batch *batch, int64_t number) {
    int64_t image = 0;
    while (image < batch->images && batch->numbers[image] != number) image++;
    return image;
}

/* The input's rows that are wanted, of samples [from, from + count) that `reader` holds. */
static void refit_batch_take(struct arena *arena, struct refit_batch *batch, const struct eval_tensor *rows, int64_t from, int64_t count,
                             struct eval_tensor *to) {
    const size_t row = (size_t)(rows->elements / rows->shape.dims[0]), size = rows->floats ? sizeof(float) : sizeof(int64_t);
    if (!to->shape.rank) {
        *to = *rows;
        to->shape.dims[0] = batch->images;
        to->elements = (int64_t)row * batch->images;
        if (rows->floats) to->floats = ARENA_ARRAY(arena, float, to->elements);
        else to->integers = ARENA_ARRAY(arena, int64_t, to->elements);
    }
    char *out = rows->floats ? (char *)to->floats : (char *)to->integers;
    const char *in = rows->floats ? (const char *)rows->floats : (const char *)rows->integers;
    for (int64_t i = 0; i < count; i++) {
        const size_t image = (size_t)refit_batch_place(batch, from + i);
        if (image < (size_t)batch->images) memcpy(out + image * row * size, in + (size_t)i * row * size, row * size);
    }
}

status refit_batch_read(struct arena *arena, const struct graph *graph, struct samples *samples, const struct refit_choice *choice,
                        struct refit_batch *batch, struct diag *diag) {
    const int64_t all = samples_count(samples);
    struct arena *scratch = arena_new(arena_heap(arena));
    struct eval *reader = eval_new(scratch, graph, &(struct eval_settings){NULL, 0});
    status result = STATUS_OK;
    *batch = (struct refit_batch){.graph = graph};
    batch->numbers = ARENA_ARRAY(arena, int64_t, all);
    batch->inputs = ARENA_ARRAY(arena, struct eval_tensor, graph->inputs.count);
    batch->fit_images = refit_batch_choose(all, choice->fit, choice->fit_most, batch->numbers);
    batch->images = batch->fit_images;
    if (all >= REFIT_PARTS_OF)
        batch->images += refit_batch_choose(all, choice->measure, choice->measure_most, batch->numbers + batch->fit_images);
    for (int64_t from = 0; from < all && result == STATUS_OK; from += READ_AT_ONCE) {
        const int64_t count = least(READ_AT_ONCE, all - from);
        eval_next(reader);
        result = samples_give(samples, reader, graph, from, count, diag);
        for (uint32_t i = 0; i < graph->inputs.count && result == STATUS_OK; i++)
            if (!graph_value(graph, graph->inputs.items[i])->constant.at)
                refit_batch_take(arena, batch, eval_get(reader, graph->inputs.items[i]), from, count, &batch->inputs[i]);
    }
    arena_free(scratch);
    return result;
}

struct refit_batch refit_batch_part(struct arena *arena, const struct refit_batch *batch, int64_t from, int64_t count) {
    struct refit_batch part = {.graph = batch->graph, .images = count, .fit_images = count, .numbers = batch->numbers + from};
    part.inputs = arena_copy(arena, batch->inputs, batch->graph->inputs.count * sizeof *part.inputs);
    for (uint32_t i = 0; i < batch->graph->inputs.count; i++) {
        struct eval_tensor *input = &part.inputs[i];
        if (!input->shape.rank) continue;
        const int64_t row = input->elements / batch->images;
        input->shape.dims[0] = count;
        input->elements = row * count;
        if (input->floats) input->floats += row * from;
        else input->integers += row * from;
    }
    return part;
}

status refit_batch_give(const struct refit_batch *batch, struct eval *eval, struct diag *diag) {
    status result = STATUS_OK;
    eval_next(eval);
    for (uint32_t i = 0; i < batch->graph->inputs.count && result == STATUS_OK; i++)
        if (batch->inputs[i].shape.rank) result = eval_set(eval, batch->graph->inputs.items[i], &batch->inputs[i], diag);
    return result;
}

status refit_batch_room(struct arena *arena, const struct graph *graph, struct samples *samples, int64_t memory_bytes, bool keeps_all,
                        int64_t *images, struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(arena));
    struct eval *eval = eval_new(scratch, graph, &(struct eval_settings){NULL, 0});
    status result = samples_give(samples, eval, graph, 0, 1, diag);
    for (uint32_t v = 1; v < graph->values.count && keeps_all; v++) eval_keep(eval, (value_id){v}, true);
    if (result == STATUS_OK) result = eval_run(eval, 0, eval_node_count(eval), diag);
    if (result == STATUS_OK) *images = greatest(1, memory_bytes / greatest(1, eval_peak_bytes(eval)));
    arena_free(scratch);
    return result;
}
