#include "eval/constant.h"

#include <stdint.h>
#include <string.h>

#include "ir/cut.h"

static bool constant_is_native(enum data_type type) { return type == TYPE_FLOAT && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__; }

static bool constant_floats(const struct tensor *from, float *floats) {
    if (constant_is_native(from->type)) {
        memcpy(floats, from->bytes, (size_t)from->elements * sizeof *floats);
        return true;
    }
    for (int64_t i = 0; i < from->elements; i++) {
        double number;
        if (!tensor_number(from, i, &number)) return false;
        floats[i] = (float)number;
    }
    return true;
}

static bool constant_integers(const struct tensor *from, int64_t *integers) {
    for (int64_t i = 0; i < from->elements; i++)
        if (!tensor_integer(from, i, &integers[i])) return false;
    return true;
}

static void constant_shape(const struct tensor *from, struct eval_tensor *tensor) {
    *tensor = (struct eval_tensor){.shape = {.known = true, .type = from->type, .rank = from->rank}, .elements = from->elements};
    for (uint32_t i = 0; i < from->rank; i++) tensor->shape.dims[i] = from->dims[i];
}

static status constant_fill(struct buffer_pool *pool, const struct tensor *from, const char *owner, struct eval_tensor *tensor,
                            struct buffer **buffer, struct diag *diag) {
    const bool is_float = eval_is_float(from->type);
    *buffer = buffer_new(pool, (size_t)from->elements * (is_float ? sizeof(float) : sizeof(int64_t)), false);
    if (is_float) tensor->floats = (*buffer)->data;
    else tensor->integers = (*buffer)->data;
    if (is_float ? constant_floats(from, tensor->floats) : constant_integers(from, tensor->integers)) return STATUS_OK;
    buffer_release(*buffer);
    return diag_fail(diag, STATUS_UNSUPPORTED, "constant '%s': a number exceeds 63 bits", owner);
}

status constant_of_tensor(struct buffer_pool *pool, const struct tensor *from, const char *owner, struct eval_tensor *tensor,
                          struct buffer **buffer, struct diag *diag) {
    if (from->rank > SHAPE_MAX_RANK)
        return diag_fail(diag, STATUS_UNSUPPORTED, "constant '%s' has rank %u, at most %d are known", owner, from->rank, SHAPE_MAX_RANK);
    if (!eval_is_float(from->type) && !eval_is_integer(from->type))
        return diag_fail(diag, STATUS_UNSUPPORTED, "constant '%s' is of type %s, which the evaluator does not compute with", owner,
                         type_name(from->type));
    if (!from->has_bytes) return diag_fail(diag, STATUS_IO, "constant '%s': its data are not there", owner);
    constant_shape(from, tensor);
    *buffer = NULL;
    if (from->bytes && constant_is_native(from->type) && (uintptr_t)from->bytes % sizeof(float) == 0) {
        tensor->floats = (float *)(uintptr_t)from->bytes;
        return STATUS_OK;
    }
    struct arena *scratch = arena_new(pool->heap);
    struct tensor whole = *from;
    whole.bytes = tensor_contents(scratch, from);
    const status result = constant_fill(pool, &whole, owner, tensor, buffer, diag);
    arena_free(scratch);
    return result;
}

status constant_convert(struct buffer_pool *pool, const struct graph *graph, value_id value, struct eval_tensor *tensor,
                        struct buffer **buffer, struct diag *diag) {
    const struct value *at = graph_value(graph, value);
    return constant_of_tensor(pool, graph_tensor(graph, at->constant), at->name, tensor, buffer, diag);
}
