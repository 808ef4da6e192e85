#include "ir/cut.h"

#include <assert.h>
#include <string.h>

bool cut_possible(enum data_type type) { return type_bits(type) >= 8; }

struct cut *cut_new(struct arena *arena, const struct tensor *tensor) {
    struct cut *cut = ARENA_NEW(arena, struct cut);
    cut->base = tensor_contents(arena, tensor);
    cut->type = tensor->type;
    cut->rank = tensor->rank;
    cut->base_dims = arena_copy(arena, tensor->dims, tensor->rank * sizeof *tensor->dims);
    cut->keeps = ARENA_ARRAY(arena, struct cut_keep, tensor->rank);
    return cut;
}

/* What stays of `from` (everything below `size` where it has no list) without the indices in `remove`. */
static struct cut_keep cut_without(struct arena *arena, struct cut_keep from, int64_t size, const uint32_t *remove, uint32_t count) {
    const uint32_t old_count = from.indices ? from.count : (uint32_t)size;
    uint32_t *indices = ARENA_ARRAY(arena, uint32_t, old_count);
    uint32_t kept = 0, next = 0;
    for (uint32_t i = 0; i < old_count; i++) {
        const uint32_t index = from.indices ? from.indices[i] : i;
        while (next < count && remove[next] < index) next++;
        if (next == count || remove[next] != index) indices[kept++] = index;
    }
    return (struct cut_keep){indices, kept};
}

static void cut_remove_in_rows(struct arena *arena, struct cut *cut, uint32_t axis, const uint32_t *remove, uint32_t count, int64_t from,
                               int64_t to) {
    assert(axis >= 1);
    for (uint32_t i = 0; i < cut->blocks.count; i++) {
        struct cut_block *block = &cut->blocks.items[i];
        if (block->axis != axis || block->from != from || block->to != to) continue;
        block->keep = cut_without(arena, block->keep, cut->base_dims[axis], remove, count);
        return;
    }
    const struct cut_block block = {from, to, axis, cut_without(arena, cut->keeps[axis], cut->base_dims[axis], remove, count)};
    array_push(arena, &cut->blocks, block);
}

void cut_remove(struct arena *arena, struct cut *cut, uint32_t axis, const uint32_t *remove, uint32_t remove_count, int64_t rows_from,
                int64_t rows_to) {
    assert(axis < cut->rank);
    if (rows_from == 0 && rows_to == 0) {
        cut->keeps[axis] = cut_without(arena, cut->keeps[axis], cut->base_dims[axis], remove, remove_count);
        for (uint32_t i = 0; i < cut->blocks.count; i++) {
            struct cut_block *block = &cut->blocks.items[i];
            if (block->axis == axis) block->keep = cut_without(arena, block->keep, cut->base_dims[axis], remove, remove_count);
        }
    } else {
        cut_remove_in_rows(arena, cut, axis, remove, remove_count, rows_from, rows_to);
    }
}

/* What row `base_row` of the base keeps of an axis. */
static struct cut_keep cut_keep_at(const struct cut *cut, uint32_t axis, int64_t base_row) {
    for (uint32_t i = 0; i < cut->blocks.count; i++) {
        const struct cut_block *block = &cut->blocks.items[i];
        if (block->axis == axis && block->from <= base_row && base_row < block->to) return block->keep;
    }
    return cut->keeps[axis];
}

static int64_t cut_base_row(const struct cut *cut, int64_t row) {
    return cut->rank && cut->keeps[0].indices ? cut->keeps[0].indices[row] : row;
}

static int64_t cut_kept(struct cut_keep keep, int64_t size) { return keep.indices ? keep.count : size; }

bool cut_is_even(const struct cut *cut) {
    const int64_t rows = cut_rows(cut);
    for (uint32_t axis = 1; axis < cut->rank; axis++)
        for (int64_t row = 0; row < rows; row++)
            if (cut_kept(cut_keep_at(cut, axis, cut_base_row(cut, row)), cut->base_dims[axis]) != cut_dim(cut, axis)) return false;
    return true;
}

int64_t cut_dim(const struct cut *cut, uint32_t axis) {
    if (axis == 0 || cut_rows(cut) == 0) return cut_kept(cut->keeps[axis], cut->base_dims[axis]);
    return cut_kept(cut_keep_at(cut, axis, cut_base_row(cut, 0)), cut->base_dims[axis]);
}

int64_t cut_rows(const struct cut *cut) { return cut->rank ? cut_kept(cut->keeps[0], cut->base_dims[0]) : 1; }

static size_t cut_element_bytes(const struct cut *cut) { return type_bits(cut->type) / 8; }

size_t cut_row_bytes(const struct cut *cut) {
    size_t bytes = cut_element_bytes(cut);
    for (uint32_t axis = 1; axis < cut->rank; axis++) bytes *= (size_t)cut_dim(cut, axis);
    return bytes;
}

/* Gathers one index range of `axis` and all below it; returns the end of what it wrote. below[axis] = base bytes under one index. */
static uint8_t *cut_gather(const struct cut *cut, uint32_t axis, int64_t base_row, const size_t *below, const uint8_t *from, uint8_t *out) {
    if (axis == cut->rank) {
        memcpy(out, from, cut_element_bytes(cut));
        return out + cut_element_bytes(cut);
    }
    bool whole = true;
    for (uint32_t rest = axis; rest < cut->rank; rest++) whole = whole && !cut_keep_at(cut, rest, base_row).indices;
    const size_t all = below[axis] * (size_t)cut->base_dims[axis];
    if (whole) {
        memcpy(out, from, all);
        return out + all;
    }
    const struct cut_keep keep = cut_keep_at(cut, axis, base_row);
    const int64_t count = cut_kept(keep, cut->base_dims[axis]);
    for (int64_t i = 0; i < count; i++) {
        const size_t index = keep.indices ? keep.indices[i] : (size_t)i;
        out = cut_gather(cut, axis + 1, base_row, below, from + index * below[axis], out);
    }
    return out;
}

void cut_row(const struct cut *cut, int64_t row, uint8_t *out) {
    enum { CUT_MAX_RANK = 64 };
    size_t below[CUT_MAX_RANK];
    assert(cut->rank <= CUT_MAX_RANK);
    size_t bytes = cut_element_bytes(cut);
    for (uint32_t axis = cut->rank; axis-- > 0;) {
        below[axis] = bytes;
        bytes *= (size_t)cut->base_dims[axis];
    }
    const int64_t base_row = cut_base_row(cut, row);
    const uint8_t *from = cut->base + (cut->rank ? (size_t)base_row * below[0] : 0);
    cut_gather(cut, cut->rank ? 1 : 0, base_row, below, from, out);
}

const uint8_t *tensor_contents(struct arena *arena, const struct tensor *tensor) {
    if (!tensor->cut) return tensor->has_bytes ? tensor->bytes : NULL;
    const size_t row_bytes = cut_row_bytes(tensor->cut);
    const int64_t rows = cut_rows(tensor->cut);
    uint8_t *bytes = arena_alloc_array(arena, (size_t)rows, row_bytes);
    for (int64_t row = 0; row < rows; row++) cut_row(tensor->cut, row, bytes + (size_t)row * row_bytes);
    return bytes;
}
