/* From layers to members (README.md 20). A value of the model is a tensor of a run: its channels and its plane as the layers that make and
 * take it see them. Nodes that only rename memory are seen through; a Concat along the channels is several tensors. */
#include "cost/fusion_members.h"

#include <string.h>

#include "op/op.h"

/* ---- what a value is made of ---- */

enum { FUSION_MOST_PARTS = GROUP_MAX_INPUTS - 1 };

/* Values that layers make, one behind the other along the channels. */
struct fusion_source {
    value_id parts[FUSION_MOST_PARTS];
    uint32_t count; /* 0: too many */
};

/* A value in the form of a tensor. */
struct fusion_form {
    int64_t images, channels, plane[GROUP_AXES];
};

struct fusion_builder {
    struct arena *arena;
    const struct layers *layers;
    const struct shapes *shapes;
    const struct target *target;
    struct fusion_runs *runs;
    bool *is_made;         /* by value: a layer's output */
    bool *is_wanted;       /* by value: it or a new name of it is an output of the model */
    uint32_t *last_reader; /* by value: 1 + the last item that reads it */
    uint32_t *tensor_of;   /* by value: 1 + tensor in the run at hand */
    struct fusion_run *run;
    ARRAY(struct group_tensor) tensors;
    ARRAY(value_id) values;
    ARRAY(struct group_member) members;
    ARRAY(struct fusion_member) entries;
};

static const struct shape *fusion_shape(const struct fusion_builder *builder, value_id value) { return shapes_of(builder->shapes, value); }

static bool fusion_renames(const struct node *node) {
    return !node->has_body && node->input_count > 0 && (op_has(node, OP_RENAME) || op_has(node, OP_QUANTIZE));
}

static void fusion_add_parts(const struct fusion_builder *builder, value_id value, struct fusion_source *source, bool *fits) {
    const struct graph *graph = builder->layers->graph;
    const node_id producer = graph_value(graph, value)->producer;
    if (!builder->is_made[value.at] && producer.at) {
        const struct node *node = graph_node(graph, producer);
        if (fusion_renames(node)) {
            fusion_add_parts(builder, node->inputs[0], source, fits);
            return;
        }
        for (uint32_t i = 0; node->op == OP_CONCAT && i < node->input_count; i++) fusion_add_parts(builder, node->inputs[i], source, fits);
        if (node->op == OP_CONCAT) return;
    }
    if (source->count == FUSION_MOST_PARTS) *fits = false;
    else source->parts[source->count++] = value;
}

/* Concats that are no layers of their own are in place: along the channels of one image. */
static struct fusion_source fusion_source_of(const struct fusion_builder *builder, value_id value) {
    struct fusion_source source = {.count = 0};
    bool fits = true;
    fusion_add_parts(builder, value, &source, &fits);
    if (!fits) source.count = 0;
    return source;
}

/* X: [N, C, H, W], [N, C, L] or [R, C]. */
static bool fusion_form_of(const struct shape *shape, struct fusion_form *form) {
    if (!shape->known || shape->rank < 2 || shape->rank > 4 || shape_elements(shape) < 1) return false;
    *form = (struct fusion_form){shape->dims[0], shape->dims[1], {1, 1}};
    for (uint32_t i = 2; i < shape->rank; i++) form->plane[i - 2] = shape->dims[i];
    if (shape->rank == 2) *form = (struct fusion_form){1, shape->dims[1], {shape->dims[0], 1}};
    return true;
}

/* ---- tensors of the run at hand ---- */

static uint32_t fusion_add_tensor(struct fusion_builder *builder, value_id value, const struct fusion_form *form, int32_t producer) {
    const struct group_tensor tensor = {.channels = form->channels,
                                        .plane = {form->plane[0], form->plane[1]},
                                        .bits = layer_value_bits(builder->layers, builder->shapes, builder->target, value),
                                        .producer = producer};
    array_push(builder->arena, &builder->tensors, tensor);
    array_push(builder->arena, &builder->values, value);
    builder->tensor_of[value.at] = builder->tensors.count;
    return builder->tensors.count - 1;
}

static const struct group_tensor *fusion_tensor(const struct fusion_builder *builder, value_id value) {
    return builder->tensor_of[value.at] ? &builder->tensors.items[builder->tensor_of[value.at] - 1] : NULL;
}

static bool fusion_same_plane(const struct group_tensor *tensor, const int64_t plane[GROUP_AXES]) {
    return tensor->plane[0] == plane[0] && tensor->plane[1] == plane[1];
}

/* ---- a member ---- */

/* What a member is made of before its tensors are known. */
struct fusion_draft {
    const struct layer *layer;
    struct group_member member;
    struct fusion_form output;
    value_id made;
    uint32_t count; /* of: */
    value_id taken[GROUP_MAX_INPUTS];
    struct fusion_form form[GROUP_MAX_INPUTS];
    bool is_new[GROUP_MAX_INPUTS]; /* not a tensor of the run yet */
};

/* An input of the draft as a tensor. False where the run has it in another form. */
static bool fusion_draft_tensor(const struct fusion_builder *builder, struct fusion_draft *draft, value_id value,
                                const struct fusion_form *form, const struct group_window window[GROUP_AXES]) {
    const struct group_tensor *tensor = fusion_tensor(builder, value);
    if (draft->count == GROUP_MAX_INPUTS) return false;
    if (tensor && (tensor->channels != form->channels || !fusion_same_plane(tensor, form->plane))) return false;
    draft->taken[draft->count] = value;
    draft->form[draft->count] = *form;
    draft->is_new[draft->count] = !tensor;
    memcpy(draft->member.input[draft->count++].window, window, GROUP_AXES * sizeof window[0]);
    return true;
}

/* Channels of the parts of a Concat: [1, C, H, W]. */
static bool fusion_draft_parts(const struct fusion_builder *builder, struct fusion_draft *draft, const struct fusion_source *source,
                               const struct fusion_form *whole, const struct group_window window[GROUP_AXES]) {
    int64_t channels = 0;
    for (uint32_t i = 0; i < source->count; i++) {
        const struct group_tensor *tensor = fusion_tensor(builder, source->parts[i]);
        struct fusion_form form = *whole;
        if (tensor) form.channels = tensor->channels;
        else form.channels = shape_elements(fusion_shape(builder, source->parts[i])) / (whole->images * whole->plane[0] * whole->plane[1]);
        channels += form.channels;
        if (!fusion_draft_tensor(builder, draft, source->parts[i], &form, window)) return false;
    }
    draft->member.more_parts = source->count - 1;
    return channels == whole->channels;
}

static const struct group_window fusion_same = {1, 1, 1, 0, false}, fusion_gate = {1, 0, 1, 0, false};

/* An operand that joins the output element by element, or channel by channel. */
static bool fusion_draft_operand(const struct fusion_builder *builder, struct fusion_draft *draft, value_id value,
                                 const struct shape *result) {
    const struct fusion_source source = fusion_source_of(builder, value);
    const struct shape *shape = fusion_shape(builder, value);
    struct fusion_form form = draft->output;
    if (source.count != 1 || shape_elements(shape) < 1) return false;
    if (shape->rank == result->rank && !memcmp(shape->dims, result->dims, shape->rank * sizeof shape->dims[0]))
        return fusion_draft_tensor(builder, draft, source.parts[0], &form, (struct group_window[GROUP_AXES]){fusion_same, fusion_same});
    if (shape->rank != 4 || result->rank != 4 || shape->dims[0] != form.images || shape->dims[1] != form.channels) return false;
    if (shape->dims[2] != 1 || shape->dims[3] != 1) return false;
    form.plane[0] = form.plane[1] = 1;
    return fusion_draft_tensor(builder, draft, source.parts[0], &form, (struct group_window[GROUP_AXES]){fusion_gate, fusion_gate});
}

/* Constants that do not fold, so many per channel, as wide as the weights. */
static bool fusion_draft_parameters(const struct fusion_builder *builder, struct fusion_draft *draft) {
    const struct layer *layer = draft->layer;
    const int64_t elems = layer_extra_parameters(layer, builder->shapes);
    for (uint32_t i = 0; i < layer->parameter_count; i++) {
        const uint32_t bits = layer_value_bits(builder->layers, builder->shapes, builder->target, layer->parameters[i]);
        if (!draft->member.weight_bits) draft->member.weight_bits = bits;
        if (bits != draft->member.weight_bits) return false;
    }
    draft->member.slope_elems = elems / draft->output.channels;
    return elems % draft->output.channels == 0;
}

static struct group_window fusion_window(const struct nest_axis *axis) {
    return (struct group_window){axis->kernel, axis->stride, axis->dilation, axis->pad, axis->transposed != 0};
}

/* A Gemm behind a Flatten is a convolution whose kernel is the plane. */
static void fusion_unflatten(const struct fusion_builder *builder, const struct fusion_source *source, struct fusion_form *input,
                             struct fusion_draft *draft, struct group_window window[GROUP_AXES]) {
    struct fusion_form form;
    if (source->count != 1 || input->images != 1 || !fusion_form_of(fusion_shape(builder, source->parts[0]), &form)) return;
    const struct group_tensor *tensor = fusion_tensor(builder, source->parts[0]);
    if (tensor) {
        form.channels = tensor->channels;
        memcpy(form.plane, tensor->plane, sizeof form.plane);
        form.images = shape_elements(fusion_shape(builder, source->parts[0])) / (form.channels * form.plane[0] * form.plane[1]);
    } else if (fusion_shape(builder, source->parts[0])->rank == 2) {
        return;
    }
    const int64_t area = form.plane[0] * form.plane[1];
    if (form.images != input->plane[0] || form.channels * area != input->channels) return;
    for (int a = 0; a < GROUP_AXES; a++) window[a] = (struct group_window){form.plane[a], 1, 1, 0, false};
    draft->member.kernel_elems = area;
    draft->output.images = form.images;
    draft->output.plane[0] = 1;
    *input = form;
}

static bool fusion_is_matrix(const struct node *node) { return node->op == OP_GEMM || node->op == OP_MATMUL; }

/* Rows of a matrix are rows of the plane: A [R, K] or [B, R, K] times a constant of two dims. */
static bool fusion_may_be_member(const struct fusion_builder *builder, const struct layer *layer, const struct nest *nest) {
    const struct node *node = graph_node(builder->layers->graph, layer->node);
    if (nest_is_volume(nest)) return false;
    if (layer->kind == LAYER_NEST && !builder->layers->is_constant[layer->weight.at]) return false;
    if (!fusion_is_matrix(node)) return true;
    return nest->size[DIM_G] == 1 && fusion_shape(builder, layer->weight)->rank == 2 && !node_int(node, "transA", 0) &&
           fusion_shape(builder, layer->input)->rank >= 2;
}

/* MACs of an output element; of a transposed window those of the outputs that most inputs touch. */
static int64_t fusion_macs(const struct nest *nest) {
    int64_t macs = nest->size[DIM_C];
    for (int a = 1; a < NEST_AXES; a++) {
        const struct nest_axis *axis = &nest->axis[a];
        macs *= axis->transposed ? (axis->kernel + axis->stride - 1) / axis->stride : axis->kernel;
    }
    return macs;
}

/* Convolutions, matrices, pools. */
static bool fusion_draft_nest(const struct fusion_builder *builder, struct fusion_draft *draft) {
    const struct layer *layer = draft->layer;
    struct nest nest;
    layer_nest(builder->layers, layer, builder->shapes, builder->target, &nest);
    if (!fusion_may_be_member(builder, layer, &nest)) return false;
    const int64_t *size = nest.size;
    struct group_window window[GROUP_AXES] = {fusion_window(&nest.axis[1]), fusion_window(&nest.axis[2])};
    struct fusion_form input = {size[DIM_N], size[DIM_G] * size[DIM_C], {nest.axis[1].plane, nest.axis[2].plane}};
    draft->output = (struct fusion_form){size[DIM_N], size[DIM_G] * size[DIM_M], {size[DIM_OH], size[DIM_OW]}};
    draft->member.groups = size[DIM_G];
    draft->member.partial_bits = nest.partial_bits;
    if (layer->kind == LAYER_NEST) {
        draft->member.kernel_elems = nest_kernel_elems(&nest);
        draft->member.macs = fusion_macs(&nest);
        draft->member.weight_bits = nest.bits[OPERAND_W];
        draft->member.has_bias = nest.has_bias;
    }
    const struct fusion_source source = fusion_source_of(builder, layer->input);
    if (fusion_is_matrix(graph_node(builder->layers->graph, layer->node))) fusion_unflatten(builder, &source, &input, draft, window);
    if (!source.count || !fusion_draft_parts(builder, draft, &source, &input, window)) return false;
    for (uint32_t i = 0; i < layer->read_count; i++)
        if (!fusion_draft_operand(builder, draft, layer->reads[i], fusion_shape(builder, layer->result))) return false;
    return true;
}

/* ---- streams ---- */

static bool fusion_is_upsampling(const struct node *node, int64_t *tie) {
    const bool is_old = node->op == OP_UPSAMPLE || (node->op == OP_RESIZE && node->input_count < 3);
    const char *how = node_text(node, "coordinate_transformation_mode", is_old ? "asymmetric" : "half_pixel");
    const char *round = node_text(node, "nearest_mode", is_old ? "floor" : "round_prefer_floor");
    if ((node->op != OP_RESIZE && node->op != OP_UPSAMPLE) || strcmp(node_text(node, "mode", "nearest"), "nearest") != 0) return false;
    *tie = !strcmp(how, "asymmetric") && !strcmp(round, "round_prefer_floor") ? 2 : INT64_MAX;
    if (!strcmp(how, "asymmetric")) return !strcmp(round, "floor") || !strcmp(round, "round_prefer_floor");
    return !strcmp(how, "half_pixel") && (!strcmp(round, "round_prefer_floor") || !strcmp(round, "round_prefer_ceil"));
}

/* Each input is repeated a whole number of times along each axis: output o is input floor(o / factor). */
static bool fusion_upsampling(const struct node *node, const struct fusion_form *input, const struct fusion_form *output,
                              struct group_window window[GROUP_AXES]) {
    int64_t most;
    if (!fusion_is_upsampling(node, &most) || input->channels != output->channels || input->images != output->images) return false;
    for (int a = 0; a < GROUP_AXES; a++) {
        const int64_t factor = output->plane[a] / input->plane[a];
        if (output->plane[a] % input->plane[a] || factor > most) return false;
        window[a] = (struct group_window){factor, factor, 1, 0, true};
    }
    return true;
}

static bool fusion_same_dims(const struct shape *a, const struct shape *b) {
    return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]);
}

/* The read that is made last is the input, what has been there longer an operand. */
static uint32_t fusion_main_read(const struct fusion_builder *builder, const struct layer *layer) {
    const struct shape *result = fusion_shape(builder, layer->output);
    uint32_t best = UINT32_MAX, best_tensor = 0;
    for (uint32_t i = 0; i < layer->read_count; i++) {
        const struct fusion_source source = fusion_source_of(builder, layer->reads[i]);
        const uint32_t tensor = source.count == 1 ? builder->tensor_of[source.parts[0].at] : 0;
        if (!fusion_same_dims(fusion_shape(builder, layer->reads[i]), result)) continue;
        if (best < UINT32_MAX && tensor <= best_tensor) continue;
        best = i;
        best_tensor = tensor;
    }
    return best;
}

/* Channels as whoever makes the value has them, else by the shape. */
static bool fusion_stream_form(const struct fusion_builder *builder, value_id value, const struct fusion_source *source,
                               struct fusion_form *form) {
    const struct group_tensor *tensor = source->count == 1 ? fusion_tensor(builder, source->parts[0]) : NULL;
    if (!tensor) return fusion_form_of(fusion_shape(builder, value), form);
    *form = (struct fusion_form){1, tensor->channels, {tensor->plane[0], tensor->plane[1]}};
    form->images = shape_elements(fusion_shape(builder, value)) / (form->channels * form->plane[0] * form->plane[1]);
    return true;
}

/* Elementwise nodes that are no epilogue, and upsampling. */
static bool fusion_draft_stream(const struct fusion_builder *builder, struct fusion_draft *draft) {
    const struct layer *layer = draft->layer;
    const struct node *node = graph_node(builder->layers->graph, layer->node);
    const bool is_elementwise = op_has(node, OP_ELEMENTWISE);
    if (layer->write_count != 1 || !layer->read_count || node->has_body) return false;
    const uint32_t main = is_elementwise ? fusion_main_read(builder, layer) : 0;
    if (main == UINT32_MAX) return false;
    const struct fusion_source source = fusion_source_of(builder, layer->reads[main]);
    struct fusion_form input;
    struct group_window window[GROUP_AXES] = {fusion_same, fusion_same};
    if (!source.count || !fusion_stream_form(builder, layer->reads[main], &source, &input)) return false;
    draft->output = input;
    if (!is_elementwise && (layer->read_count > 1 || !fusion_form_of(fusion_shape(builder, layer->output), &draft->output) ||
                            !fusion_upsampling(node, &input, &draft->output, window)))
        return false;
    draft->member.groups = input.channels;
    draft->member.partial_bits = layer_value_bits(builder->layers, builder->shapes, builder->target, layer->output);
    if (!fusion_draft_parts(builder, draft, &source, &input, window)) return false;
    for (uint32_t i = 0; i < layer->read_count; i++)
        if (i != main && !fusion_draft_operand(builder, draft, layer->reads[i], fusion_shape(builder, layer->output))) return false;
    return true;
}

static bool fusion_draft_make(const struct fusion_builder *builder, const struct layer *layer, struct fusion_draft *draft) {
    *draft = (struct fusion_draft){.layer = layer, .made = layer->output};
    const bool has_nest = layer->kind == LAYER_NEST || layer->kind == LAYER_POOL;
    if (!(has_nest ? fusion_draft_nest(builder, draft) : fusion_draft_stream(builder, draft))) return false;
    return fusion_draft_parameters(builder, draft) && (!builder->members.count || draft->output.images == builder->run->network.images);
}

static void fusion_add_member(struct fusion_builder *builder, const struct fusion_draft *draft) {
    struct group_member member = draft->member;
    const struct fusion_member entry = {.layer = draft->layer};
    for (uint32_t i = 0; i < draft->count; i++) {
        const bool is_new = !fusion_tensor(builder, draft->taken[i]);
        member.input[i].tensor = is_new ? fusion_add_tensor(builder, draft->taken[i], &draft->form[i], GROUP_OFF_CHIP)
                                        : builder->tensor_of[draft->taken[i].at] - 1;
    }
    member.input_count = draft->count;
    member.output = fusion_add_tensor(builder, draft->made, &draft->output, (int32_t)builder->members.count);
    if (member.partial_bits < builder->tensors.items[member.output].bits) member.partial_bits = builder->tensors.items[member.output].bits;
    builder->run->network.images = draft->output.images;
    array_push(builder->arena, &builder->members, member);
    array_push(builder->arena, &builder->entries, entry);
}

/* ---- runs ---- */

static void fusion_forget(struct fusion_builder *builder, uint32_t tensors) {
    while (builder->tensors.count > tensors) {
        builder->tensor_of[builder->values.items[--builder->tensors.count].at] = 0;
        builder->values.count--;
    }
}

/* The layers that an item is made of, so that each may be in a group of its own. */
static uint32_t fusion_layers_of(const struct layers *layers, uint32_t item, const struct layer **first) {
    const struct layer *layer = &layers->items.items[item];
    *first = layer->alternative_count ? &layers->alternatives.items[layer->alternative] : layer;
    return layer->alternative_count ? layer->alternative_count : 1;
}

/* False, and nothing has been added, where it cannot be. */
static bool fusion_add_item(struct fusion_builder *builder, uint32_t item) {
    const struct layer *layer;
    const uint32_t count = fusion_layers_of(builder->layers, item, &layer);
    const uint32_t members = builder->members.count, tensors = builder->tensors.count;
    for (uint32_t i = 0; i < count; i++) {
        struct fusion_draft draft;
        if (!fusion_draft_make(builder, &layer[i], &draft)) {
            fusion_forget(builder, tensors);
            builder->members.count = builder->entries.count = members;
            return false;
        }
        fusion_add_member(builder, &draft);
    }
    if (count > 1) {
        builder->entries.items[members].whole = &builder->layers->items.items[item];
        builder->entries.items[members].whole_count = count;
    }
    return true;
}

static void fusion_begin_run(struct fusion_builder *builder, struct fusion_run *run, uint32_t item) {
    *run = (struct fusion_run){.first = item, .end = item};
    builder->run = run;
    memset(&builder->tensors, 0, sizeof builder->tensors);
    memset(&builder->values, 0, sizeof builder->values);
    memset(&builder->members, 0, sizeof builder->members);
    memset(&builder->entries, 0, sizeof builder->entries);
}

static void fusion_end_run(struct fusion_builder *builder) {
    struct fusion_run *run = builder->run;
    if (run->end == run->first) return;
    for (uint32_t t = 0; t < builder->tensors.count; t++) {
        const value_id value = builder->values.items[t];
        struct group_tensor *tensor = &builder->tensors.items[t];
        tensor->is_output =
            tensor->producer != GROUP_OFF_CHIP && (builder->is_wanted[value.at] || builder->last_reader[value.at] > run->end);
        builder->tensor_of[value.at] = 0;
    }
    run->network.tensors = builder->tensors.items;
    run->network.tensor_count = builder->tensors.count;
    run->network.members = builder->members.items;
    run->network.member_count = builder->members.count;
    run->values = builder->values.items;
    run->members = builder->entries.items;
    group_count_uses(&run->network);
    array_push(builder->arena, &builder->runs->items, *run);
}

/* ---- who reads what ---- */

static void fusion_note_read(struct fusion_builder *builder, value_id value, uint32_t item, bool is_wanted) {
    const struct graph *graph = builder->layers->graph;
    if (!value.at || builder->layers->is_constant[value.at]) return;
    if (builder->last_reader[value.at] < item + 1 && !is_wanted) builder->last_reader[value.at] = item + 1;
    builder->is_wanted[value.at] |= is_wanted;
    const node_id producer = graph_value(graph, value)->producer;
    if (builder->is_made[value.at] || !producer.at) return;
    const struct node *node = graph_node(graph, producer);
    if (fusion_renames(node)) fusion_note_read(builder, node->inputs[0], item, is_wanted);
    for (uint32_t i = 0; node->op == OP_CONCAT && i < node->input_count; i++) fusion_note_read(builder, node->inputs[i], item, is_wanted);
}

static void fusion_note_layer(struct fusion_builder *builder, const struct layer *layer, uint32_t item) {
    fusion_note_read(builder, layer->input, item, false);
    fusion_note_read(builder, layer->weight, item, false);
    for (uint32_t i = 0; i < layer->read_count; i++) fusion_note_read(builder, layer->reads[i], item, false);
}

static void fusion_note_values(struct fusion_builder *builder) {
    const struct layers *layers = builder->layers;
    const struct layer *layer;
    for (uint32_t item = 0; item < layers->items.count; item++) {
        const uint32_t count = fusion_layers_of(layers, item, &layer);
        for (uint32_t i = 0; i < count; i++) {
            builder->is_made[layer[i].output.at] = true;
            for (uint32_t k = 0; k < layer[i].write_count; k++) builder->is_made[layer[i].writes[k].at] = true;
        }
    }
    for (uint32_t item = 0; item < layers->items.count; item++) {
        const uint32_t count = fusion_layers_of(layers, item, &layer);
        for (uint32_t i = 0; i < count; i++) fusion_note_layer(builder, &layer[i], item);
    }
    for (uint32_t i = 0; i < layers->graph->outputs.count; i++) fusion_note_read(builder, layers->graph->outputs.items[i], 0, true);
}

void fusion_runs_find(struct arena *arena, const struct layers *layers, const struct shapes *shapes, const struct target *target,
                      struct fusion_runs *runs) {
    const uint32_t values = layers->graph->values.count;
    struct fusion_builder builder = {.arena = arena,
                                     .layers = layers,
                                     .shapes = shapes,
                                     .target = target,
                                     .runs = runs,
                                     .is_made = ARENA_ARRAY(arena, bool, values),
                                     .is_wanted = ARENA_ARRAY(arena, bool, values),
                                     .last_reader = ARENA_ARRAY(arena, uint32_t, values),
                                     .tensor_of = ARENA_ARRAY(arena, uint32_t, values)};
    struct fusion_run run;
    *runs = (struct fusion_runs){0};
    fusion_note_values(&builder);
    fusion_begin_run(&builder, &run, 0);
    for (uint32_t item = 0; item < layers->items.count; item++) {
        bool is_member = fusion_add_item(&builder, item);
        if (!is_member) { /* it may begin another run */
            fusion_end_run(&builder);
            fusion_begin_run(&builder, &run, item);
            is_member = fusion_add_item(&builder, item);
        }
        run.end = item + 1;
        if (is_member) continue;
        fusion_end_run(&builder);
        fusion_begin_run(&builder, &run, item + 1);
    }
    fusion_end_run(&builder);
}
