/* Bias correction without samples: what a removed channel gave on average goes into the biases of its readers.
 *
 *   BatchNormalization   z ~ normal(beta, gamma^2), as its statistics tell
 *   Relu                 the mean and variance of a normal one cut at 0
 *   pools, Flatten       pass, which a MaxPool does not quite
 *
 * Channels whose mean nothing tells, those of a residual sum among them (its parts are far from independent), stay uncorrected. Source:
 * Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019. */
#include <math.h>

#include "op/op.h"
#include "op/resolve.h"
#include "passes/recover.h"

enum { BLIND_MOST_STEPS = 64 };
static const double inverse_root_2pi = 0.39894228040143268; /* 1 / sqrt(2 pi) */

/* Mean and variance of each channel of a value. */
struct blind_moments {
    uint32_t count;
    double *mean, *variance;
};

struct blind {
    struct arena *arena;
    const struct graph *graph;
    struct eval *eval;
};

static bool blind_of_norm(const struct blind *blind, const struct node *norm, struct blind_moments *moments) {
    const struct eval_tensor *gamma = eval_get(blind->eval, node_input(norm, 1)), *beta = eval_get(blind->eval, node_input(norm, 2));
    if (!gamma || !beta || !gamma->floats || !beta->floats) return false;
    moments->count = (uint32_t)beta->elements;
    moments->mean = ARENA_ARRAY(blind->arena, double, moments->count);
    moments->variance = ARENA_ARRAY(blind->arena, double, moments->count);
    for (uint32_t c = 0; c < moments->count; c++) {
        moments->mean[c] = (double)beta->floats[c];
        moments->variance[c] = (double)gamma->floats[c] * (double)gamma->floats[c];
    }
    return true;
}

/* E max(z, 0) = m Phi + s phi, E max(z, 0)^2 = (m^2 + s^2) Phi + m s phi, at m / s */
static void blind_rectify(struct blind_moments *moments) {
    for (uint32_t c = 0; c < moments->count; c++) {
        const double m = moments->mean[c], spread = sqrt(moments->variance[c]), t = spread > 0 ? m / spread : 0;
        const double below = spread > 0 ? 0.5 * erfc(-t * sqrt(0.5)) : m > 0, density = exp(-t * t / 2) * inverse_root_2pi;
        const double mean = m * below + spread * density, square = (m * m + spread * spread) * below + m * spread * density;
        moments->mean[c] = mean;
        moments->variance[c] = fmax(square - mean * mean, 0);
    }
}

static bool blind_find(const struct blind *blind, value_id value, uint32_t depth, struct blind_moments *moments) {
    const node_id id = graph_value(blind->graph, value)->producer;
    const struct node *node = id.at ? graph_node(blind->graph, id) : NULL;
    if (!node || depth > BLIND_MOST_STEPS) return false;
    if (node->op == OP_BATCH_NORMALIZATION) return blind_of_norm(blind, node, moments);
    const bool is_passing = op_has(node, OP_POOL) || node->op == OP_IDENTITY || node->op == OP_DROPOUT || node->op == OP_FLATTEN;
    if ((!is_passing && node->op != OP_RELU) || !blind_find(blind, node_input(node, 0), depth + 1, moments)) return false;
    if (node->op == OP_RELU) blind_rectify(moments);
    return true;
}

/* Means of the channels of a layer's input, repeated where planes were made flat; false where nothing tells them. */
static bool blind_means(const struct blind *blind, const struct refit_layer *layer, double *means) {
    struct blind_moments moments;
    if (layer->axis != 1 || !blind_find(blind, layer->input, 0, &moments) || !moments.count || layer->channels % moments.count)
        return false;
    for (uint32_t c = 0; c < layer->channels; c++) means[c] = moments.mean[c / (layer->channels / moments.count)];
    return true;
}

static double blind_shift(const struct refit_layer *layer, const float *weights, const bool *gone, const double *means, uint32_t output) {
    const uint32_t columns = refit_columns(layer), width = layer->channels / layer->groups;
    const uint32_t first = output / (layer->outputs / layer->groups) * width;
    double shift = 0;
    for (uint32_t c = 0; c < width; c++)
        for (uint32_t t = 0; gone[first + c] && t < layer->taps; t++)
            shift += (double)weights[(size_t)output * columns + c * layer->taps + t] * means[first + c];
    return shift;
}

/* The layer's bias as it should be; NULL where nothing tells. */
static float *blind_bias(const struct blind *blind, const struct refit_layer *layer, const bool *gone) {
    struct arena *arena = blind->arena;
    double *means = ARENA_ARRAY(arena, double, layer->channels);
    if (!layer->bias.at || !blind_means(blind, layer, means)) return NULL;
    float *weights = ARENA_ARRAY(arena, float, (size_t)layer->outputs *refit_columns(layer));
    const struct eval_tensor *bias = eval_get(blind->eval, layer->bias);
    float *shifted = arena_copy(arena, bias->floats, (size_t)bias->elements * sizeof *shifted);
    refit_weights_from(layer, eval_get(blind->eval, layer->weight)->floats, weights);
    for (uint32_t k = 0; k < layer->outputs; k++) {
        const double shift = blind_shift(layer, weights, gone, means, k) * layer->scale[k];
        if (layer->bias_rate[k] != 0) shifted[k] = (float)((double)shifted[k] + shift / layer->bias_rate[k]);
    }
    return shifted;
}

/* All are made before one is written: a corrected beta is no mean any more. */
status recover_blind(struct job *job, const struct removal *removal, struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(job->arena));
    struct eval *eval = eval_new(scratch, job->graph, &(struct eval_settings){NULL, 0});
    const struct refit_twin twin = {.arena = scratch, .graph = job->graph, .spaces = job->spaces, .removal = removal};
    struct refit_layers layers;
    status result = STATUS_OK;
    refit_layers_find(scratch, job->graph, job->shapes, eval, &layers);
    float **biases = arena_alloc_array(scratch, layers.count, sizeof *biases);
    const struct blind blind = {scratch, job->graph, eval};
    for (uint32_t i = 0; i < layers.count; i++) {
        const struct refit_layer *layer = &layers.items[i];
        biases[i] = blind_bias(&blind, layer, refit_removed(scratch, &twin, layer->input, layer->axis, layer->channels));
    }
    for (uint32_t i = 0; i < layers.count && result == STATUS_OK; i++)
        if (biases[i]) result = recover_install(job->graph, layers.items[i].bias, biases[i], diag);
    arena_free(scratch);
    return result;
}
