/* How much a channel weighs: the norms of what makes it, as if a BatchNormalization behind were folded in.
 *
 * Sums run in double in index order, so the result does not depend on the number of threads. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/cut.h"
#include "passes/labels.h"

struct importance_job {
    struct arena *arena;
    const struct graph *graph;
    const struct labels *labels;
    bool is_squared; /* l2 */
    struct diag *diag;
};

/* A tensor as [outer, count, inner] around the axis; element = (stored - zeros[j]) * scales[j], j = its place on the scales' axis. */
struct importance_view {
    struct tensor tensor;
    int64_t outer, count, inner;
    int64_t scale_count, scale_inner; /* 0 = as stored */
    double *scales, *zeros;
};

static status importance_missing(const struct importance_job *job, value_id value) {
    return diag_fail(job->diag, STATUS_UNSUPPORTED, "tensor '%s': its numbers cannot be read, importance needs them",
                     graph_value(job->graph, value)->name);
}

/* ---- norms ---- */

static float importance_float(const uint8_t *bytes, int64_t index) {
    float number;
    memcpy(&number, bytes + (size_t)index * sizeof number, sizeof number);
    return number;
}

static inline double importance_term(double number, bool is_squared) { return is_squared ? number * number : fabs(number); }

enum { IMPORTANCE_ROWS = 8 }; /* side by side: eight sums in flight, each in index order */

static inline void importance_float_rows(const uint8_t *bytes, int64_t inner, int64_t rows, bool is_squared, double *sums) {
    double s[IMPORTANCE_ROWS] = {0};
    const uint8_t *row[IMPORTANCE_ROWS];
    for (int64_t r = 0; r < IMPORTANCE_ROWS; r++) row[r] = bytes + (size_t)((r < rows ? r : 0) * inner) * sizeof(float);
    for (int64_t i = 0; i < inner; i++)
        for (int r = 0; r < IMPORTANCE_ROWS; r++) s[r] += importance_term((double)importance_float(row[r], i), is_squared);
    for (int64_t r = 0; r < rows; r++) sums[r] += s[r];
}

/* float32 with rows in one piece. The two loops are compiled apart. */
static void importance_float_blocks(const struct importance_view *view, bool is_squared, double *sums) {
    for (int64_t from = 0; from < view->count; from += IMPORTANCE_ROWS) {
        const int64_t left = view->count - from, rows = left < IMPORTANCE_ROWS ? left : IMPORTANCE_ROWS;
        const uint8_t *bytes = view->tensor.bytes + (size_t)(from * view->inner) * sizeof(float);
        if (is_squared) importance_float_rows(bytes, view->inner, rows, true, sums + from);
        else importance_float_rows(bytes, view->inner, rows, false, sums + from);
    }
}

static void importance_float_strided(const struct importance_view *view, bool is_squared, double *sums) {
    int64_t at = 0;
    for (int64_t o = 0; o < view->outer; o++)
        for (int64_t i = 0; i < view->count; i++)
            for (int64_t k = 0; k < view->inner; k++, at++)
                sums[i] += importance_term((double)importance_float(view->tensor.bytes, at), is_squared);
}

static inline bool importance_stored(const struct tensor *tensor, int64_t index, double *number) {
    if (tensor->type == TYPE_INT8) *number = (double)(int8_t)tensor->bytes[index];
    else if (tensor->type == TYPE_UINT8) *number = (double)tensor->bytes[index];
    else return tensor_number(tensor, index, number);
    return true;
}

static bool importance_any(const struct importance_job *job, const struct importance_view *view, double *sums) {
    int64_t at = 0;
    for (int64_t o = 0; o < view->outer; o++)
        for (int64_t i = 0; i < view->count; i++)
            for (int64_t k = 0; k < view->inner; k++, at++) {
                double number;
                if (!importance_stored(&view->tensor, at, &number)) return false;
                if (view->scale_count) {
                    const int64_t j = view->scale_count > 1 ? at / view->scale_inner % view->scale_count : 0;
                    number = (number - view->zeros[j]) * view->scales[j];
                }
                sums[i] += importance_term(number, job->is_squared);
            }
    return true;
}

static int64_t importance_product(const int64_t *dims, uint32_t from, uint32_t to) {
    int64_t product = 1;
    for (uint32_t i = from; i < to; i++) product *= dims[i];
    return product;
}

/* The numbers of a list, or the same number for all where the constant is left out. */
static status importance_numbers(const struct importance_job *job, value_id value, int64_t count, double otherwise, double **out) {
    double *numbers = ARENA_ARRAY(job->arena, double, count);
    const tensor_id id = resolve_plain(job->graph, value);
    if (value.at && !id.at) return importance_missing(job, value);
    struct tensor tensor = {0};
    if (id.at) tensor = *graph_tensor(job->graph, id);
    if (id.at) tensor.bytes = tensor_contents(job->arena, &tensor);
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = otherwise;
        if (id.at && !tensor_number(&tensor, i, &numbers[i])) return importance_missing(job, value);
    }
    *out = numbers;
    return STATUS_OK;
}

/* A DequantizeLinear on the way: along its axis where it stands next to the constant; else, and where a QuantizeLinear comes first, what
 * is stored must do. */
static status importance_view_scales(const struct importance_job *job, const struct bound *bound, struct importance_view *view) {
    for (uint32_t i = 0; i < bound->step_count; i++)
        if (graph_node(job->graph, bound->steps[i].node)->op == OP_QUANTIZE_LINEAR) return STATUS_OK;
    for (uint32_t i = 0; i < bound->step_count; i++) {
        const struct node *node = graph_node(job->graph, bound->steps[i].node);
        if (label_rules[node->op] != label_quantize) continue;
        const tensor_id scales = resolve_plain(job->graph, node_input(node, 1));
        if (!scales.at) return STATUS_OK;
        const int64_t count = graph_tensor(job->graph, scales)->elements;
        int64_t axis = node_int(node, "axis", 1);
        if (axis < 0) axis += view->tensor.rank;
        if (count != 1 && (i + 1 != bound->step_count || axis >= view->tensor.rank || view->tensor.dims[axis] != count)) return STATUS_OK;
        view->scale_count = count;
        view->scale_inner = count == 1 ? 1 : importance_product(view->tensor.dims, (uint32_t)axis + 1, view->tensor.rank);
        const status result = importance_numbers(job, node_input(node, 1), count, 1, &view->scales);
        return result == STATUS_OK ? importance_numbers(job, node_input(node, 2), count, 0, &view->zeros) : result;
    }
    return STATUS_OK;
}

static bool importance_is_little_endian(void) {
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

/* Sum of |w| or w^2 for every index of the bound's axis. */
static status importance_sums(const struct importance_job *job, const struct bound *bound, double *sums) {
    struct importance_view view = {.tensor = *graph_tensor(job->graph, graph_value(job->graph, bound->constant)->constant)};
    view.tensor.bytes = tensor_contents(job->arena, &view.tensor);
    view.tensor.cut = NULL;
    if (!view.tensor.bytes) return importance_missing(job, bound->constant);
    view.outer = importance_product(view.tensor.dims, 0, bound->axis);
    view.count = view.tensor.dims[bound->axis];
    view.inner = importance_product(view.tensor.dims, bound->axis + 1, view.tensor.rank);
    const status result = importance_view_scales(job, bound, &view);
    if (result != STATUS_OK) return result;
    const bool is_float = view.tensor.type == TYPE_FLOAT && !view.scale_count && importance_is_little_endian();
    if (is_float && view.outer == 1) importance_float_blocks(&view, job->is_squared, sums);
    else if (is_float) importance_float_strided(&view, job->is_squared, sums);
    else if (!importance_any(job, &view, sums)) return importance_missing(job, bound->constant);
    return STATUS_OK;
}

/* ---- BatchNormalization ---- */

/* The only reader of what the bound's layer puts out, where it normalises the channels that the bound makes; NULL where not. */
static const struct node *importance_norm(const struct importance_job *job, const struct bound *bound) {
    const value_id out = node_output(graph_node(job->graph, bound->reader), 0);
    const struct value *value = graph_value(job->graph, out);
    if (value->uses.count != 1 || value->is_output || value->uses.items[0].input != 0) return NULL;
    const struct node *node = graph_node(job->graph, value->uses.items[0].node);
    if (node->op != OP_BATCH_NORMALIZATION || job->labels->of_value[out.at][1] != bound->label) return NULL;
    return node;
}

/* factor[i] = |scale| / sqrt(variance + epsilon) */
static status importance_fold(const struct importance_job *job, const struct bound *bound, double *factors) {
    const struct node *norm = importance_norm(job, bound);
    for (uint32_t i = 0; i < bound->label->count; i++) factors[i] = 1;
    if (!norm) return STATUS_OK;
    const double epsilon = (double)node_float(norm, "epsilon", 1e-5f);
    double *scales, *variances;
    if (!resolve_plain(job->graph, node_input(norm, 1)).at || !resolve_plain(job->graph, node_input(norm, 4)).at) return STATUS_OK;
    status result = importance_numbers(job, node_input(norm, 1), bound->label->count, 1, &scales);
    if (result == STATUS_OK) result = importance_numbers(job, node_input(norm, 4), bound->label->count, 1, &variances);
    for (uint32_t i = 0; i < bound->label->count && result == STATUS_OK; i++)
        factors[i] = fabs(scales[i]) / sqrt(fmax(variances[i], 0) + epsilon);
    return result;
}

static bool importance_is_wanted(const struct spaces *spaces, const struct bound *bound) {
    const struct channel *channels = spaces->private_->channels[bound->label->number];
    if (bound->role != PLAN_MAKES || !bound->is_weight) return false;
    for (uint32_t i = 0; i < bound->label->count; i++)
        if (channels[i].space != CHANNEL_NONE) return true;
    return false;
}

static status importance_add(const struct importance_job *job, const struct spaces *spaces, const struct bound *bound,
                             double **importance) {
    const struct channel *channels = spaces->private_->channels[bound->label->number];
    double *sums = ARENA_ARRAY(job->arena, double, bound->label->count), *factors = ARENA_ARRAY(job->arena, double, bound->label->count);
    status result = importance_sums(job, bound, sums);
    if (result == STATUS_OK) result = importance_fold(job, bound, factors);
    for (uint32_t i = 0; i < bound->label->count && result == STATUS_OK; i++)
        if (channels[i].space != CHANNEL_NONE)
            importance[channels[i].space][channels[i].index] += (job->is_squared ? sqrt(sums[i]) : sums[i]) * factors[i];
    return result;
}

status importance_of_spaces(struct arena *arena, const struct graph *graph, const struct spaces *spaces, enum importance kind,
                            double ***out, struct diag *diag) {
    const struct labels *labels = spaces->private_->labels;
    const struct importance_job job = {arena, graph, labels, kind == IMPORTANCE_L2, diag};
    double **importance = arena_alloc_array(arena, spaces->items.count, sizeof *importance);
    for (uint32_t s = 0; s < spaces->items.count; s++)
        if (!spaces->items.items[s].fixed) importance[s] = ARENA_ARRAY(arena, double, spaces->items.items[s].size);
    for (uint32_t i = 0; i < labels->bounds.count; i++) {
        const struct bound *bound = &labels->bounds.items[i];
        if (!importance_is_wanted(spaces, bound)) continue;
        const status result = importance_add(&job, spaces, bound, importance);
        if (result != STATUS_OK) return result;
    }
    *out = importance;
    return STATUS_OK;
}
