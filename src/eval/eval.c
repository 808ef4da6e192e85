#include "eval/eval.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "eval/blas.h"
#include "eval/constant.h"
#include "eval/eval_state.h"
#include "eval/kernel.h"

static const kernel_function eval_kernels[OP_COUNT] = {
    [OP_OPAQUE] = kernel_opaque,
#define OP(token, name, domain, first, last, in_from, in_to, out_from, out_to, flags, shape, layer, label, eval)                           \
    [OP_##token] = kernel_##eval,
#include "op/op.def"
#undef OP
};

/* ---- what can be run ---- */

static bool eval_holds_constant(const struct graph *graph, const struct node *node) {
    return node->output_count == 1 && node->outputs[0].at && graph_value(graph, node->outputs[0])->constant.at;
}

bool eval_supports(const struct graph *graph, node_id id) {
    const struct node *node = graph_node(graph, id);
    return eval_kernels[node->op] != kernel_opaque || eval_holds_constant(graph, node);
}

node_id eval_first_unsupported(const struct graph *graph) {
    for (uint32_t i = 0; i < graph->order.count; i++)
        if (!eval_supports(graph, graph->order.items[i])) return graph->order.items[i];
    return NODE_NONE;
}

/* Whether an earlier node that is lacking has the same operator. */
static bool eval_is_named(const struct graph *graph, uint32_t position) {
    const struct node *node = graph_node(graph, graph->order.items[position]);
    for (uint32_t i = 0; i < position; i++) {
        const struct node *other = graph_node(graph, graph->order.items[i]);
        if (strcmp(other->op_type, node->op_type) == 0 && strcmp(other->domain, node->domain) == 0) return true;
    }
    return false;
}

status eval_check(const struct graph *graph, struct diag *diag) {
    const node_id first = eval_first_unsupported(graph);
    char list[256] = "";
    size_t length = 0;
    if (!first.at) return STATUS_OK;
    for (uint32_t i = 0; i < graph->order.count && length < sizeof list; i++)
        if (!eval_supports(graph, graph->order.items[i]) && !eval_is_named(graph, i))
            length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", length ? ", " : "",
                                       graph_node(graph, graph->order.items[i])->op_type);
    return diag_fail(diag, STATUS_UNSUPPORTED, "%s: cannot be evaluated; operators without a kernel: %s", graph_describe_node(graph, first),
                     list);
}

bool eval_is_float(enum data_type type) {
    return type == TYPE_FLOAT || type == TYPE_FLOAT16 || type == TYPE_BFLOAT16 || type == TYPE_DOUBLE;
}

bool eval_is_integer(enum data_type type) {
    static const bool is_integer[TYPE_END] = {
        [TYPE_UINT8] = true, [TYPE_INT8] = true,  [TYPE_UINT16] = true, [TYPE_INT16] = true,  [TYPE_INT32] = true,
        [TYPE_INT64] = true, [TYPE_BOOL] = true,  [TYPE_UINT32] = true, [TYPE_UINT64] = true, [TYPE_UINT4] = true,
        [TYPE_INT4] = true,  [TYPE_UINT2] = true, [TYPE_INT2] = true};
    return (unsigned)type < TYPE_END && is_integer[type];
}

/* ---- making ---- */

static void eval_find_uses(struct eval *eval) {
    const struct graph *graph = eval->graph;
    for (uint32_t at = 1; at < graph->values.count; at++) {
        const struct value *value = graph->values.items[at];
        struct slot *slot = &eval->slots[at];
        slot->last_use = value->producer.at ? eval->positions[value->producer.at] : 0;
        for (uint32_t i = 0; i < value->uses.count; i++) {
            const uint32_t position = eval->positions[value->uses.items[i].node.at];
            if (position > slot->last_use) slot->last_use = position;
        }
        if (value->is_output) slot->last_use = UINT32_MAX;
        slot->is_kept = value->is_output;
        slot->is_fixed = value->constant.at != 0;
    }
}

static void eval_find_fixed(struct eval *eval) {
    const struct graph *graph = eval->graph;
    for (uint32_t i = 0; i < graph->order.count; i++) {
        const struct node *node = graph_node(graph, graph->order.items[i]);
        bool is_fixed = eval_kernels[node->op] != kernel_opaque || eval_holds_constant(graph, node);
        for (uint32_t k = 0; k < node->input_count; k++)
            is_fixed = is_fixed && (!node->inputs[k].at || eval->slots[node->inputs[k].at].is_fixed);
        eval->is_fixed[i] = is_fixed;
        for (uint32_t k = 0; k < node->output_count; k++)
            if (node->outputs[k].at) eval->slots[node->outputs[k].at].is_fixed = is_fixed;
    }
}

static void eval_restore_blas(void *argument) { blas_restore(((const struct eval *)argument)->blas_threads); }

struct eval *eval_new(struct arena *arena, const struct graph *graph, const struct eval_settings *settings) {
    struct eval *eval = ARENA_NEW(arena, struct eval);
    eval->graph = graph;
    eval->arena = arena;
    eval->parallel = settings->threads;
    eval->shapes = shapes_blank(arena, graph);
    eval->slots = ARENA_ARRAY(arena, struct slot, graph->values.count);
    eval->positions = ARENA_ARRAY(arena, uint32_t, graph->nodes.count);
    eval->is_fixed = ARENA_ARRAY(arena, bool, graph->order.count);
    eval->is_wanted = ARENA_ARRAY(arena, bool, graph->order.count);
    eval->has_wanted_to_be_found = true;
    eval->blas_threads = blas_single();
    arena_defer(arena, eval_restore_blas, eval);
    buffer_pool_init(&eval->pool, arena, settings->memory_bytes);
    for (uint32_t i = 0; i < graph->order.count; i++) eval->positions[graph->order.items[i].at] = i;
    eval_find_uses(eval);
    eval_find_fixed(eval);
    return eval;
}

uint32_t eval_node_count(const struct eval *eval) { return eval->graph->order.count; }
uint32_t eval_position(const struct eval *eval, node_id node) { return eval->positions[node.at]; }
uint32_t eval_last_use(const struct eval *eval, value_id value) { return eval->slots[value.at].last_use; }
int64_t eval_used_bytes(const struct eval *eval) { return eval->pool.used_bytes; }
int64_t eval_peak_bytes(const struct eval *eval) { return eval->pool.peak_bytes; }

/* ---- values ---- */

static void eval_empty(struct slot *slot) {
    buffer_release(slot->buffer);
    slot->buffer = NULL;
    slot->is_there = false;
    slot->tensor = (struct eval_tensor){0};
}

static void eval_fill(struct slot *slot, const struct eval_tensor *tensor, struct buffer *buffer) {
    buffer_release(slot->buffer);
    slot->buffer = buffer;
    slot->tensor = *tensor;
    slot->is_there = true;
}

void eval_keep(struct eval *eval, value_id value, bool keep) {
    struct slot *slot = &eval->slots[value.at];
    slot->is_kept = keep || graph_value(eval->graph, value)->is_output;
    if (slot->is_fixed) eval->has_wanted_to_be_found = true;
}

void eval_drop(struct eval *eval, value_id value) {
    if (!eval->slots[value.at].is_fixed) eval_empty(&eval->slots[value.at]);
}

void eval_next(struct eval *eval) {
    for (uint32_t at = 1; at < eval->graph->values.count; at++) eval_drop(eval, (value_id){at});
}

status eval_fetch(struct eval *eval, value_id value, const struct eval_tensor **contents, struct diag *diag) {
    struct slot *slot = &eval->slots[value.at];
    const tensor_id constant = graph_value(eval->graph, value)->constant;
    *contents = NULL;
    if (!slot->is_there && constant.at) {
        struct eval_tensor tensor;
        struct buffer *buffer = NULL;
        const status result = constant_convert(&eval->pool, eval->graph, value, &tensor, &buffer, diag);
        if (result != STATUS_OK) return result;
        eval_fill(slot, &tensor, buffer);
    }
    if (slot->is_there) *contents = &slot->tensor;
    return STATUS_OK;
}

const struct eval_tensor *eval_get(struct eval *eval, value_id value) {
    const struct eval_tensor *contents;
    struct diag ignored = {0};
    return value.at && eval_fetch(eval, value, &contents, &ignored) == STATUS_OK ? contents : NULL;
}

/* What follows from constants is computed anew, but for what the caller gave. */
static void eval_forget_fixed(struct eval *eval) {
    for (uint32_t at = 1; at < eval->graph->values.count; at++) {
        struct slot *slot = &eval->slots[at];
        if (slot->is_fixed && !slot->is_replaced && !graph_value(eval->graph, (value_id){at})->constant.at) eval_empty(slot);
    }
    eval->has_wanted_to_be_found = true;
}

status eval_set_blank(struct eval *eval, value_id value, const struct shape *shape, struct eval_tensor **contents, struct diag *diag) {
    struct slot *slot = &eval->slots[value.at];
    struct eval_tensor tensor = {.shape = *shape, .elements = shape_elements(shape)};
    const bool is_float = eval_is_float(shape->type);
    if (tensor.elements < 0 || tensor.elements > INT64_MAX / 8)
        return diag_fail(diag, STATUS_LIMIT, "value '%s': its size exceeds 63 bits", graph_value(eval->graph, value)->name);
    eval_empty(slot);
    struct buffer *buffer =
        buffer_new(&eval->pool, (size_t)tensor.elements * (is_float ? sizeof(float) : sizeof(int64_t)), !slot->is_fixed);
    if (!buffer)
        return diag_fail(diag, STATUS_LIMIT,
                         "value '%s': %" PRId64 " elements beside %" PRId64 " B of activations are more than the %" PRId64
                         " B allowed (--memory)",
                         graph_value(eval->graph, value)->name, tensor.elements, eval->pool.used_bytes, eval->pool.limit_bytes);
    if (is_float) tensor.floats = buffer->data;
    else tensor.integers = buffer->data;
    eval_fill(slot, &tensor, buffer);
    slot->is_replaced = slot->is_fixed;
    if (slot->is_fixed) eval_forget_fixed(eval);
    *contents = &slot->tensor;
    return STATUS_OK;
}

status eval_set(struct eval *eval, value_id value, const struct eval_tensor *contents, struct diag *diag) {
    struct eval_tensor *copy;
    const status result = eval_set_blank(eval, value, &contents->shape, &copy, diag);
    if (result != STATUS_OK) return result;
    if (copy->floats) memcpy(copy->floats, contents->floats, (size_t)copy->elements * sizeof *copy->floats);
    else memcpy(copy->integers, contents->integers, (size_t)copy->elements * sizeof *copy->integers);
    return STATUS_OK;
}

/* ---- running ---- */

/* The value's shape, and its numbers where it is a short list of integers, for the shape rule. */
static void eval_tell_shape(struct eval *eval, value_id value, const struct eval_tensor *tensor) {
    shapes_set(eval->shapes, value, &tensor->shape, tensor->integers, tensor->elements);
}

static status eval_gather_inputs(struct eval *eval, struct kernel *kernel) {
    const struct node *node = kernel->node;
    kernel->inputs = arena_alloc_array(kernel->scratch, node->input_count, sizeof *kernel->inputs);
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (!node->inputs[i].at) continue;
        const status result = eval_fetch(eval, node->inputs[i], &kernel->inputs[i], kernel->diag);
        if (result != STATUS_OK) return result;
        if (!kernel->inputs[i])
            return kernel_fail(kernel, STATUS_USAGE, "input '%s' is not there", graph_value(eval->graph, node->inputs[i])->name);
        eval_tell_shape(eval, node->inputs[i], kernel->inputs[i]);
    }
    return STATUS_OK;
}

static status eval_prepare_outputs(struct eval *eval, struct kernel *kernel) {
    const struct node *node = kernel->node;
    kernel->outputs = ARENA_ARRAY(kernel->scratch, struct eval_tensor, node->output_count);
    kernel->output_buffers = arena_alloc_array(kernel->scratch, node->output_count, sizeof *kernel->output_buffers);
    const status result = shapes_infer_node(eval->shapes, kernel->scratch, kernel->id, kernel->diag);
    for (uint32_t i = 0; i < node->output_count && result == STATUS_OK; i++)
        if (node->outputs[i].at) kernel->outputs[i].shape = *shapes_of(eval->shapes, node->outputs[i]);
    return result;
}

/* Outputs of a node that ran become values; those of one that failed go. */
static void eval_hand_over(struct eval *eval, const struct kernel *kernel, bool succeeded) {
    for (uint32_t i = 0; kernel->outputs && i < kernel->node->output_count; i++) {
        const value_id value = kernel->node->outputs[i];
        const struct eval_tensor *tensor = &kernel->outputs[i];
        if (!tensor->floats && !tensor->integers) continue;
        if (succeeded && value.at && !eval->slots[value.at].is_replaced)
            eval_fill(&eval->slots[value.at], tensor, kernel->output_buffers[i]);
        else buffer_release(kernel->output_buffers[i]);
    }
}

/* A kernel may leave out what few graphs ask for. */
static status eval_check_outputs(const struct eval *eval, const struct kernel *kernel) {
    for (uint32_t i = 0; i < kernel->node->output_count; i++) {
        const value_id value = kernel->node->outputs[i];
        const bool is_made = kernel->outputs[i].floats || kernel->outputs[i].integers;
        if (value.at && !is_made && (graph_value(eval->graph, value)->uses.count || graph_value(eval->graph, value)->is_output))
            return kernel_fail(kernel, STATUS_UNSUPPORTED, "its output %u is not computed", i);
    }
    return STATUS_OK;
}

static status eval_run_kernel(struct eval *eval, struct kernel *kernel) {
    status result = eval_gather_inputs(eval, kernel);
    if (result == STATUS_OK) result = eval_prepare_outputs(eval, kernel);
    if (result == STATUS_OK) result = eval_kernels[kernel->node->op](kernel);
    if (result == STATUS_OK) result = eval_check_outputs(eval, kernel);
    eval_hand_over(eval, kernel, result == STATUS_OK);
    return result;
}

static status eval_run_node(struct eval *eval, uint32_t position, struct diag *diag) {
    const node_id id = eval->graph->order.items[position];
    if (eval_holds_constant(eval->graph, graph_node(eval->graph, id))) return STATUS_OK;
    struct arena *scratch = arena_new(arena_heap(eval->arena));
    struct kernel kernel = {.eval = eval,
                            .graph = eval->graph,
                            .id = id,
                            .node = graph_node(eval->graph, id),
                            .scratch = scratch,
                            .threads = parallel_threads(eval->parallel),
                            .diag = diag};
    const status result = eval_run_kernel(eval, &kernel);
    arena_free(scratch);
    return result;
}

static void eval_free_dead(struct eval *eval, uint32_t position) {
    const struct node *node = graph_node(eval->graph, eval->graph->order.items[position]);
    for (uint32_t i = 0; i < node->input_count + node->output_count; i++) {
        const value_id value = i < node->input_count ? node->inputs[i] : node->outputs[i - node->input_count];
        const struct slot *slot = &eval->slots[value.at];
        if (value.at && slot->last_use == position && !slot->is_kept) eval_drop(eval, value);
    }
}

/* ---- what follows from constants alone ---- */

static bool eval_is_read_later(const struct eval *eval, value_id value) {
    const struct value *at = graph_value(eval->graph, value);
    if (eval->slots[value.at].is_kept) return true;
    for (uint32_t i = 0; i < at->uses.count; i++) {
        const uint32_t reader = eval->positions[at->uses.items[i].node.at];
        if (!eval->is_fixed[reader] || eval->is_wanted[reader]) return true;
    }
    return false;
}

static void eval_find_wanted(struct eval *eval) {
    if (!eval->has_wanted_to_be_found) return;
    for (uint32_t i = eval->graph->order.count; i-- > 0;) {
        const struct node *node = graph_node(eval->graph, eval->graph->order.items[i]);
        eval->is_wanted[i] = false;
        for (uint32_t k = 0; eval->is_fixed[i] && k < node->output_count; k++) {
            const value_id value = node->outputs[k];
            if (value.at && !eval->slots[value.at].is_there && eval_is_read_later(eval, value)) eval->is_wanted[i] = true;
        }
    }
    eval->has_wanted_to_be_found = false;
}

/* What only nodes read that have run by now goes: int8 weights, once they are floats. */
static void eval_free_read(struct eval *eval, uint32_t position) {
    const struct node *node = graph_node(eval->graph, eval->graph->order.items[position]);
    for (uint32_t i = 0; i < node->input_count; i++) {
        struct slot *slot = &eval->slots[node->inputs[i].at];
        if (node->inputs[i].at && !slot->is_replaced && !eval_is_read_later(eval, node->inputs[i])) eval_empty(slot);
    }
}

static status eval_run_fixed(struct eval *eval, uint32_t to, struct diag *diag) {
    status result = STATUS_OK;
    eval_find_wanted(eval);
    for (uint32_t i = 0; i < to && result == STATUS_OK; i++) {
        if (!eval->is_wanted[i]) continue;
        result = eval_run_node(eval, i, diag);
        eval->is_wanted[i] = result != STATUS_OK;
        if (result == STATUS_OK) eval_free_read(eval, i);
    }
    return result;
}

status eval_run(struct eval *eval, uint32_t from, uint32_t to, struct diag *diag) {
    status result = eval_run_fixed(eval, to, diag);
    for (uint32_t i = from; i < to && result == STATUS_OK; i++) {
        if (eval->is_fixed[i]) continue;
        result = eval_run_node(eval, i, diag);
        if (result == STATUS_OK) eval_free_dead(eval, i);
    }
    return result;
}
