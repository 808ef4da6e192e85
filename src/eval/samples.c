#include "eval/samples.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/array.h"
#include "eval/npz.h"

/* One input of the graph and its array. */
struct samples_input {
    const char *name;
    uint32_t array;
    enum data_type type;
};

struct samples {
    struct npz *npz;
    const char *path;
    ARRAY(struct samples_input) inputs;
    const double *mean, *scale;
    uint32_t mean_count, scale_count;
    int64_t count, fixed_batch;
};

int64_t samples_count(const struct samples *samples) { return samples->count; }
int64_t samples_fixed_batch(const struct samples *samples) { return samples->fixed_batch; }

/* ---- which array is which input's ---- */

static const char *samples_list(struct arena *arena, const struct npz *npz) {
    const char *list = "";
    for (uint32_t i = 0; i < npz_count(npz) && i < 8; i++)
        list = arena_print(arena, "%s%s'%s'", list, i ? ", " : "", npz_array(npz, i)->name);
    return list;
}

/* A .npy file has no name: it is the only input's. */
static status samples_find(struct arena *arena, const struct samples *samples, const char *input, bool is_only, uint32_t *array,
                           struct diag *diag) {
    for (uint32_t i = 0; i < npz_count(samples->npz); i++) {
        const char *name = npz_array(samples->npz, i)->name;
        if (strcmp(name, input) != 0 && !(is_only && !*name)) continue;
        *array = i;
        return STATUS_OK;
    }
    return diag_fail(diag, STATUS_USAGE, "%s: no array for the model's input '%s'; it holds %s", samples->path, input,
                     *npz_array(samples->npz, 0)->name ? samples_list(arena, samples->npz) : "one array without a name");
}

static status samples_check_type(const struct samples *samples, const struct value *input, const struct npy *npy, struct diag *diag) {
    const bool is_float = !input->has_type || eval_is_float(input->type);
    if (is_float ? npy_is_float(npy) || (npy->kind == 'u' && npy->item_bytes == 1) : !npy_is_float(npy)) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "%s: the array for input '%s' is %s; the model's input is %s, so %s is expected", samples->path,
                     input->name, npy_type_name(npy), type_name(input->has_type ? input->type : TYPE_FLOAT),
                     is_float ? "a float type, or uint8 pixels," : "an integer type");
}

static status samples_check_dims(struct arena *arena, const struct samples *samples, const struct value *input, const struct npy *npy,
                                 struct diag *diag) {
    const char *has = "", *wants = "";
    bool fits = npy->rank >= 1 && (!input->has_shape || npy->rank == input->rank);
    for (uint32_t i = 0; i < npy->rank; i++) has = arena_print(arena, "%s%s%" PRId64, has, i ? "," : "", npy->dims[i]);
    for (uint32_t i = 0; input->has_shape && i < input->rank; i++) {
        const int64_t size = input->dims[i].size;
        wants = size >= 0 && i ? arena_print(arena, "%s%s%" PRId64, wants, i ? "," : "", size)
                               : arena_print(arena, "%s%s?", wants, i ? "," : "");
        if (i && i < npy->rank && size >= 0 && size != npy->dims[i]) fits = false;
    }
    if (fits) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "%s: the array for input '%s' is of shape [%s], the model's input of [%s]", samples->path,
                     input->name, has, wants);
}

static status samples_check_channels(const struct samples *samples, const struct value *input, const struct npy *npy, struct diag *diag) {
    const int64_t channels = npy->rank > 1 ? npy->dims[1] : 1;
    const uint32_t most = samples->mean_count > samples->scale_count ? samples->mean_count : samples->scale_count;
    const bool fits =
        (samples->mean_count <= 1 || samples->mean_count == channels) && (samples->scale_count <= 1 || samples->scale_count == channels);
    if (fits || (input->has_type && !eval_is_float(input->type))) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "--mean and --scale: %u numbers are given, input '%s' has %" PRId64 " channels", most, input->name,
                     channels);
}

static status samples_check_count(struct samples *samples, const struct value *input, const struct npy *npy, struct diag *diag) {
    const int64_t fixed = input->has_shape && input->rank && input->dims[0].size > 0 ? input->dims[0].size : 0;
    if (!samples->inputs.count) samples->count = npy->dims[0];
    if (npy->dims[0] < 1) return diag_fail(diag, STATUS_USAGE, "%s: holds no samples", samples->path);
    if (npy->dims[0] != samples->count)
        return diag_fail(diag, STATUS_USAGE, "%s: %" PRId64 " samples for input '%s', %" PRId64 " for '%s'", samples->path, samples->count,
                         samples->inputs.items[0].name, npy->dims[0], input->name);
    if (fixed && samples->count % fixed)
        return diag_fail(diag, STATUS_USAGE, "%s: %" PRId64 " samples; the model takes batches of %" PRId64 ", which does not divide them",
                         samples->path, samples->count, fixed);
    if (fixed > samples->fixed_batch) samples->fixed_batch = fixed;
    return STATUS_OK;
}

static status samples_add(struct arena *arena, struct samples *samples, const struct value *input, bool is_only, struct diag *diag) {
    struct samples_input added = {.name = input->name, .type = input->has_type ? input->type : TYPE_FLOAT};
    status result = samples_find(arena, samples, input->name, is_only, &added.array, diag);
    if (result != STATUS_OK) return result;
    const struct npy *npy = &npz_array(samples->npz, added.array)->npy;
    result = samples_check_type(samples, input, npy, diag);
    if (result == STATUS_OK) result = samples_check_dims(arena, samples, input, npy, diag);
    if (result == STATUS_OK) result = samples_check_channels(samples, input, npy, diag);
    if (result == STATUS_OK) result = samples_check_count(samples, input, npy, diag);
    if (result == STATUS_OK) array_push(arena, &samples->inputs, added);
    return result;
}

status samples_open(struct arena *arena, const struct graph *graph, const struct samples_settings *settings, struct samples **out,
                    struct diag *diag) {
    struct samples *samples = ARENA_NEW(arena, struct samples);
    uint32_t inputs = 0;
    samples->path = arena_copy_text(arena, settings->path);
    samples->mean = arena_copy(arena, settings->mean, settings->mean_count * sizeof *settings->mean);
    samples->scale = arena_copy(arena, settings->scale, settings->scale_count * sizeof *settings->scale);
    samples->mean_count = settings->mean_count;
    samples->scale_count = settings->scale_count;
    status result = npz_open(arena, settings->path, &samples->npz, diag);
    for (uint32_t i = 0; i < graph->inputs.count; i++) inputs += !graph_value(graph, graph->inputs.items[i])->constant.at;
    if (result == STATUS_OK && !inputs) return diag_fail(diag, STATUS_USAGE, "%s: the model has no inputs", settings->path);
    for (uint32_t i = 0; i < graph->inputs.count && result == STATUS_OK; i++) {
        const struct value *input = graph_value(graph, graph->inputs.items[i]);
        if (!input->constant.at) result = samples_add(arena, samples, input, inputs == 1, diag);
    }
    if (result == STATUS_OK) *out = samples;
    return result;
}

/* ---- numbers ---- */

/* Pixels to 0..1, then (x - mean) / scale; channel by channel. False where a number is not finite. */
static bool samples_normalise(const struct samples *samples, const struct npy *npy, struct eval_tensor *tensor) {
    const double pixel = npy_is_float(npy) ? 1 : 255;
    const int64_t channels = npy->rank > 1 ? npy->dims[1] : 1, planes = tensor->shape.dims[0] * channels;
    const int64_t plane = planes > 0 ? tensor->elements / planes : 0;
    const bool plain = npy_is_float(npy) && !samples->mean_count && !samples->scale_count;
    bool is_finite = true;
    for (int64_t block = 0; block < planes; block++) {
        const int64_t c = block % channels;
        const double mean = samples->mean_count ? samples->mean[samples->mean_count > 1 ? c : 0] : 0,
                     scale = samples->scale_count ? samples->scale[samples->scale_count > 1 ? c : 0] : 1;
        for (float *x = tensor->floats + block * plane, *end = x + plane; x < end; x++) {
            if (!plain) *x = (float)(((double)*x / pixel - mean) / scale);
            is_finite = is_finite && isfinite(*x);
        }
    }
    return is_finite;
}

status samples_give(struct samples *samples, struct eval *eval, const struct graph *graph, int64_t from, int64_t count, struct diag *diag) {
    for (uint32_t i = 0; i < samples->inputs.count; i++) {
        const struct samples_input *input = &samples->inputs.items[i];
        const struct npy *npy = &npz_array(samples->npz, input->array)->npy;
        struct shape shape = {.known = true, .type = input->type, .rank = npy->rank};
        struct eval_tensor *tensor;
        memcpy(shape.dims, npy->dims, sizeof shape.dims);
        shape.dims[0] = count;
        status result = eval_set_blank(eval, graph_find_value(graph, input->name), &shape, &tensor, diag);
        if (result == STATUS_OK) result = npz_read(samples->npz, input->array, from, count, tensor->floats, tensor->integers, diag);
        if (result != STATUS_OK) return result;
        if (tensor->floats && !samples_normalise(samples, npy, tensor))
            return diag_fail(diag, STATUS_USAGE, "%s: the array for input '%s' holds NaN or infinity among samples %" PRId64 " to %" PRId64,
                             samples->path, input->name, from, from + count - 1);
    }
    return STATUS_OK;
}

status labels_read(struct arena *arena, const char *path, int64_t count, int64_t **labels, struct diag *diag) {
    struct npz *npz;
    status result = npz_open(arena, path, &npz, diag);
    if (result != STATUS_OK) return result;
    const struct npz_array *array = npz_array(npz, 0);
    if (npz_count(npz) != 1 || npy_is_float(&array->npy) || !array->npy.rank || npz_row_elems(array) != 1)
        return diag_fail(diag, STATUS_USAGE, "%s: labels are one array of whole numbers, one for each sample", path);
    if (npz_rows(array) != count)
        return diag_fail(diag, STATUS_USAGE, "%s: %" PRId64 " labels for %" PRId64 " samples", path, npz_rows(array), count);
    *labels = ARENA_ARRAY(arena, int64_t, count);
    return npz_read(npz, 0, 0, count, NULL, *labels, diag);
}
