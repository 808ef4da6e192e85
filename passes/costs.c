#include "passes/costs.h"

#include "cost/bound.h"
#include "cost/legal.h"
#include "op/op.h"

/* ---- one layer ---- */

static bool costs_has_nest(const struct layer *layer) { return layer->kind == LAYER_NEST || layer->kind == LAYER_POOL; }

/* README.md of src/cost, 7: with `halo: refetch` a lone pool is read once where its rows, the footprint, fit. */
static bool costs_may_stream(const struct nest *nest, const struct target *target, struct footprint *footprint) {
    if (target->halo_reuse) return false;
    struct mapping rows = {0};
    static const enum nest_dim one_by_one[] = {DIM_N, DIM_G, DIM_OD, DIM_OH};
    for (uint32_t i = 0; i < sizeof one_by_one / sizeof one_by_one[0]; i++)
        if (nest->size[one_by_one[i]] > 1) rows.loops[rows.loop_count++] = (struct mapping_loop){one_by_one[i], 1, false};
    for (uint32_t i = 0; i < OPERAND_COUNT; i++) rows.depth[i] = rows.loop_count;
    mapping_footprint(nest, target, &rows, footprint);
    return true;
}

static bool costs_streams(const struct nest *nest, const struct target *target, struct footprint *footprint) {
    return costs_may_stream(nest, target, footprint) && footprint_fits(footprint, target);
}

void costs_way(const struct layers *layers, const struct layer *layer, const struct shapes *shapes, const struct target *target,
               struct cost_way *way) {
    struct traffic extra;
    *way = (struct cost_way){.has_nest = costs_has_nest(layer)};
    layer_extra(layers, layer, shapes, target, &extra);
    way->extra_bytes = traffic_total(&extra);
    if (!way->has_nest) return;
    layer_nest(layers, layer, shapes, target, &way->nest);
    if (layer->kind == LAYER_POOL) way->may_stream = costs_may_stream(&way->nest, target, &way->stream);
}

int64_t costs_of_one(struct cost_cache *cache, const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                     const struct target *target) {
    struct cost_way way;
    costs_way(layers, layer, shapes, target, &way);
    if (!way.has_nest) return way.extra_bytes;
    if (way.may_stream && footprint_fits(&way.stream, target)) return nest_compulsory_bytes(&way.nest) + way.extra_bytes;
    const int64_t bytes = cost_cache_get(cache, &way.nest);
    return bytes < 0 ? -1 : bytes + way.extra_bytes;
}

/* Bytes of the parts a pool's layer can be done in; -1 where one is wanted. */
static int64_t costs_parts(struct cost_cache *cache, const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                           const struct target *target) {
    int64_t total = 0;
    bool wanted = false;
    for (uint32_t i = 0; i < layer->alternative_count; i++) {
        const int64_t bytes = costs_of_one(cache, layers, &layers->alternatives.items[layer->alternative + i], shapes, target);
        wanted = wanted || bytes < 0;
        total += bytes;
    }
    return wanted ? -1 : total;
}

int64_t costs_of_layer(struct cost_cache *cache, const struct layers *layers, uint32_t index, const struct shapes *shapes,
                       const struct target *target) {
    const struct layer *layer = &layers->items.items[index];
    const int64_t whole = costs_of_one(cache, layers, layer, shapes, target);
    if (!layer->alternative_count) return whole;
    const int64_t parts = costs_parts(cache, layers, layer, shapes, target);
    return whole < 0 || parts < 0 ? -1 : whole <= parts ? whole : parts;
}

/* ---- the report's entries ---- */

/* All that does not depend on how the layer is done; its traffic is what it moves beside the nest. */
static void costs_begin(struct layer_cost *cost, const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                        const struct target *target) {
    *cost = (struct layer_cost){.layer = layer, .is_feasible = true, .has_nest = costs_has_nest(layer)};
    layer_extra(layers, layer, shapes, target, &cost->traffic);
    cost->parameters = layer_extra_parameters(layer, shapes);
    cost->bound_bytes = traffic_total(&cost->traffic);
    if (!cost->has_nest) {
        cost->footprint_bytes =
            layer->read_count + layer->write_count ? nest_bytes(1, target->activation_bits) * (layer->read_count + layer->write_count) : 0;
        return;
    }
    layer_nest(layers, layer, shapes, target, &cost->nest);
    const int64_t bias = cost->nest.has_bias ? cost->nest.size[DIM_G] * cost->nest.size[DIM_M] : 0;
    cost->macs = nest_macs(&cost->nest);
    cost->parameters += layer->weight.at && layers->is_constant[layer->weight.at] ? nest_weight_elems(&cost->nest) + bias : bias;
}

static void costs_move(struct layer_cost *cost, const struct traffic *moved) {
    cost->traffic.input_bytes += moved->input_bytes;
    cost->traffic.weight_bytes += moved->weight_bytes;
    cost->traffic.output_bytes += moved->output_bytes;
    cost->traffic.partial_sum_bytes += moved->partial_sum_bytes;
}

/* A lone pool read once, written once. */
static void costs_fill_stream(struct layer_cost *cost, const struct footprint *footprint) {
    const struct traffic moved = {.input_bytes = nest_bytes(nest_input_elems(&cost->nest), cost->nest.bits[OPERAND_I]),
                                  .output_bytes = nest_bytes(nest_output_elems(&cost->nest), cost->nest.bits[OPERAND_O])};
    cost->footprint_bytes = footprint_total(footprint);
    cost->bound_bytes += nest_compulsory_bytes(&cost->nest);
    costs_move(cost, &moved);
}

static void costs_fill(struct layer_cost *cost, const struct cost_cache *cache, const struct layers *layers, const struct layer *layer,
                       const struct shapes *shapes, const struct target *target) {
    struct footprint footprint;
    costs_begin(cost, layers, layer, shapes, target);
    if (cost->has_nest && layer->kind == LAYER_POOL && costs_streams(&cost->nest, target, &footprint)) {
        costs_fill_stream(cost, &footprint);
    } else if (cost->has_nest) {
        cost->found = *cost_cache_found(cache, &cost->nest);
        cost->has_mapping = cost->is_feasible = cost->found.is_feasible;
        cost->bound_bytes += cost->found.bound_bytes;
        cost->footprint_bytes = footprint_total(&cost->found.footprint);
        costs_move(cost, &cost->found.traffic);
    }
    if (!cost->is_feasible) cost->traffic = (struct traffic){0};
    cost->offchip_bytes = traffic_total(&cost->traffic);
}

/* ---- the network ---- */

/* Values that some graph output depends on. */
static bool *costs_live_values(struct arena *arena, const struct graph *graph) {
    bool *live = ARENA_ARRAY(arena, bool, graph->values.count);
    for (uint32_t i = 0; i < graph->outputs.count; i++) live[graph->outputs.items[i].at] = true;
    for (uint32_t i = graph->order.count; i-- > 0;) {
        const struct node *node = graph_node(graph, graph->order.items[i]);
        bool used = false;
        for (uint32_t k = 0; k < node->output_count; k++) used = used || (node->outputs[k].at && live[node->outputs[k].at]);
        if (!used) continue;
        for (uint32_t k = 0; k < node->input_count; k++) live[node->inputs[k].at] = true;
        for (uint32_t k = 0; k < node->capture_count; k++) live[node->captures[k].at] = true;
    }
    return live;
}

/* What of a graph input must be read: all of it, unless its one reader is a nest that touches less. */
static int64_t costs_input_bytes(const struct costs *costs, const struct layers *layers, const struct shapes *shapes,
                                 const struct target *target, value_id input) {
    const int64_t all = layer_value_bytes(layers, shapes, target, input);
    int64_t touched = 0;
    for (uint32_t i = 0; i < graph_value(layers->graph, input)->uses.count; i++) {
        const node_id user = graph_value(layers->graph, input)->uses.items[i].node;
        bool found = false;
        for (uint32_t k = 0; k < costs->items.count && !found; k++) {
            const struct layer_cost *cost = &costs->items.items[k];
            found = cost->layer->node.at == user.at && cost->has_nest && cost->layer->input.at == input.at;
            if (!found) continue;
            const int64_t bytes = nest_bytes(nest_input_elems(&cost->nest), cost->nest.bits[OPERAND_I]);
            if (bytes > touched) touched = bytes;
        }
        if (!found || graph_value(layers->graph, input)->uses.count > 1) return all;
    }
    return touched < all ? touched : all;
}

/* cost-model.md 10: graph inputs as far as outputs depend on them, all parameters, graph outputs. */
static int64_t costs_compulsory(struct arena *arena, const struct costs *costs, const struct layers *layers, const struct shapes *shapes,
                                const struct target *target) {
    const struct graph *graph = layers->graph;
    const bool *live = costs_live_values(arena, graph);
    bool *counted = ARENA_ARRAY(arena, bool, graph->values.count); /* weights that several layers share */
    int64_t bytes = 0;
    for (uint32_t i = 0; i < graph->inputs.count; i++) {
        const value_id input = graph->inputs.items[i];
        if (!graph_value(graph, input)->constant.at && live[input.at]) bytes += costs_input_bytes(costs, layers, shapes, target, input);
    }
    for (uint32_t i = 0; i < graph->outputs.count; i++)
        if (!layers->is_constant[graph->outputs.items[i].at]) bytes += layer_value_bytes(layers, shapes, target, graph->outputs.items[i]);
    for (uint32_t i = 0; i < costs->items.count; i++) {
        const struct layer_cost *cost = &costs->items.items[i];
        if (!live[cost->layer->output.at]) continue;
        const value_id weight = cost->layer->weight;
        for (uint32_t k = 0; k < cost->layer->parameter_count; k++)
            bytes += layer_value_bytes(layers, shapes, target, cost->layer->parameters[k]);
        if (!cost->has_nest || cost->layer->kind != LAYER_NEST) continue;
        const int64_t bias = cost->nest.has_bias ? nest_bytes(cost->nest.size[DIM_G] * cost->nest.size[DIM_M], cost->nest.partial_bits) : 0;
        bytes += bias;
        if (layers->is_constant[weight.at] && !counted[weight.at])
            bytes += nest_bytes(nest_weight_elems(&cost->nest), cost->nest.bits[OPERAND_W]);
        counted[weight.at] = true;
    }
    return bytes;
}

static status costs_check(const struct layers *layers, const struct shapes *shapes, const struct target *target, struct diag *diag) {
    for (uint32_t i = 0; i < layers->items.count; i++) {
        const struct layer *layer = &layers->items.items[i];
        struct nest nest;
        if (!costs_has_nest(layer)) continue;
        layer_nest(layers, layer, shapes, target, &nest);
        const status result = nest_check(&nest, graph_describe_node(layers->graph, layer->node), diag);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

static void costs_push_item(struct arena *arena, struct costs *costs, const struct layer_cost *cost) {
    array_push(arena, &costs->items, *cost);
    costs->offchip_bytes += cost->offchip_bytes;
    costs->infeasible_count += !cost->is_feasible;
}

/* As a group of its own. */
static void costs_push(struct arena *arena, struct costs *costs, const struct layer_cost *cost) {
    const struct cost_group group = {.first = costs->items.count, .count = 1};
    array_push(arena, &costs->groups, group);
    costs_push_item(arena, costs, cost);
}

static int64_t costs_add(struct arena *arena, struct costs *costs, const struct cost_cache *cache, const struct layers *layers,
                         const struct layer *layer, const struct shapes *shapes, const struct target *target) {
    struct layer_cost cost;
    costs_fill(&cost, cache, layers, layer, shapes, target);
    costs_push(arena, costs, &cost);
    return cost.bound_bytes;
}

/* The layer with its pool, or its parts: whichever moves less. The bound holds for both ways. */
static void costs_add_layer(struct arena *arena, struct costs *costs, struct cost_cache *cache, const struct layers *layers, uint32_t index,
                            const struct shapes *shapes, const struct target *target) {
    const struct layer *layer = &layers->items.items[index];
    struct layer_cost whole;
    if (!layer->alternative_count ||
        costs_of_one(cache, layers, layer, shapes, target) <= costs_parts(cache, layers, layer, shapes, target)) {
        costs->bound_bytes += costs_add(arena, costs, cache, layers, layer, shapes, target);
        return;
    }
    int64_t bound = 0;
    for (uint32_t part = 0; part < layer->alternative_count; part++)
        bound += costs_add(arena, costs, cache, layers, &layers->alternatives.items[layer->alternative + part], shapes, target);
    costs_fill(&whole, cache, layers, layer, shapes, target);
    costs->bound_bytes += whole.bound_bytes < bound ? whole.bound_bytes : bound;
}

static int64_t *costs_bytes_of(struct arena *arena, struct cost_cache *cache, const struct layers *layers, const struct layer *of,
                               uint32_t count, const struct shapes *shapes, const struct target *target, bool *wanted) {
    int64_t *bytes = ARENA_ARRAY(arena, int64_t, count);
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = costs_of_one(cache, layers, &of[i], shapes, target);
        *wanted = *wanted || bytes[i] < 0;
    }
    return bytes;
}

void costs_singles(struct arena *arena, struct cost_cache *cache, const struct layers *layers, const struct shapes *shapes,
                   const struct target *target, struct fusion_singles *singles) {
    for (bool wanted = true; wanted;) {
        wanted = false;
        singles->item_bytes = costs_bytes_of(arena, cache, layers, layers->items.items, layers->items.count, shapes, target, &wanted);
        singles->alternative_bytes =
            costs_bytes_of(arena, cache, layers, layers->alternatives.items, layers->alternatives.count, shapes, target, &wanted);
        if (wanted) cost_cache_run(cache);
    }
}

status costs_find(struct arena *arena, const struct layers *layers, const struct shapes *shapes, const struct target *target,
                  unsigned threads, struct costs **out, struct diag *diag) {
    const status result = costs_check(layers, shapes, target, diag);
    if (result != STATUS_OK) return result;
    struct costs *costs = ARENA_NEW(arena, struct costs);
    struct cost_cache *cache = cost_cache_new(arena, target, threads, true);
    for (uint32_t i = 0; i < layers->items.count; i++) costs_of_layer(cache, layers, i, shapes, target);
    cost_cache_run(cache);
    for (uint32_t i = 0; i < layers->items.count; i++) costs_add_layer(arena, costs, cache, layers, i, shapes, target);
    costs_singles(arena, cache, layers, shapes, target, &costs->singles);
    costs->layer_by_layer_bytes = costs->offchip_bytes;
    costs->is_layer_by_layer = true;
    costs->compulsory_bytes = costs_compulsory(arena, costs, layers, shapes, target);
    *out = costs;
    return STATUS_OK;
}

/* ---- bounds ---- */

/* As the search has it: of plain mappings, or of all. */
static int64_t costs_bound_of(const struct layer_cost *cost, const struct target *target) {
    struct footprint footprint;
    const char *name;
    int64_t bytes = 0;
    if (!cost->has_nest) return 0;
    if (target->uneven_mappings || (cost->layer->kind == LAYER_POOL && costs_streams(&cost->nest, target, &footprint)))
        return nest_compulsory_bytes(&cost->nest);
    bound_plain(&cost->nest, target, &bytes, &name);
    return bytes;
}

static int64_t costs_bound_of_layer(const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                                    const struct target *target) {
    struct layer_cost cost;
    costs_begin(&cost, layers, layer, shapes, target);
    return cost.bound_bytes + costs_bound_of(&cost, target);
}

/* The sum of what each layer must move, with its pool or in parts. */
static int64_t costs_bound_of_all(const struct layers *layers, const struct shapes *shapes, const struct target *target) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < layers->items.count; i++) {
        const struct layer *layer = &layers->items.items[i];
        const int64_t whole = costs_bound_of_layer(layers, layer, shapes, target);
        int64_t parts = 0;
        for (uint32_t part = 0; part < layer->alternative_count; part++)
            parts += costs_bound_of_layer(layers, &layers->alternatives.items[layer->alternative + part], shapes, target);
        sum += layer->alternative_count && parts < whole ? parts : whole;
    }
    return sum;
}

/* ---- fused groups ---- */

/* Its share of what the group moves; on the chip stands the group. */
static void costs_fill_share(struct layer_cost *cost, const struct layers *layers, const struct layer *layer, const struct shapes *shapes,
                             const struct target *target, const struct traffic *share, int64_t footprint_bytes) {
    costs_begin(cost, layers, layer, shapes, target);
    cost->bound_bytes += costs_bound_of(cost, target);
    cost->traffic = *share;
    cost->offchip_bytes = traffic_total(share);
    cost->footprint_bytes = footprint_bytes;
}

static void costs_add_group(struct arena *arena, struct costs *costs, const struct fusion_part *part, const struct layers *layers,
                            const struct shapes *shapes, const struct target *target) {
    const struct cost_group group = {part, costs->items.count, part->layer_count};
    struct arena *scratch = arena_new(arena_heap(arena));
    struct traffic *shares = ARENA_ARRAY(scratch, struct traffic, part->layer_count);
    struct group_cost whole;
    group_cost_shares(scratch, &part->group, target, &part->found.schedule, &whole, shares);
    array_push(arena, &costs->groups, group);
    for (uint32_t i = 0; i < part->layer_count; i++) {
        struct layer_cost cost;
        costs_fill_share(&cost, layers, part->layers[i], shapes, target, &shares[i], whole.footprint_bytes);
        costs_push_item(arena, costs, &cost);
    }
    arena_free(scratch);
}

static const struct layer_cost *costs_known(const struct costs *costs, const struct layer *layer) {
    for (uint32_t i = 0; i < costs->items.count; i++)
        if (costs->items.items[i].layer == layer) return &costs->items.items[i];
    return NULL;
}

/* What is written where a value is made inside the epilogue of a layer alone: the nodes behind only rename it. */
static value_id costs_written(const struct graph *graph, const struct fusion *fusion, value_id value) {
    const node_id producer = graph_value(graph, value)->producer;
    for (uint32_t i = 0; producer.at && i < fusion->parts.count; i++) {
        const struct fusion_part *part = &fusion->parts.items[i];
        const struct layer *layer = part->layers[0];
        for (uint32_t k = 0; !part->is_fused && k < layer->epilogue_count; k++)
            if (layer->epilogue[k].at == producer.at) return layer->output;
    }
    return value;
}

static const struct fusion_part *costs_name_values(struct arena *arena, const struct graph *graph, const struct fusion *fusion,
                                                   const struct fusion_part *part) {
    value_id *values = arena_copy(arena, part->values, part->group.tensor_count * sizeof *values);
    struct fusion_operand *operands = ARENA_ARRAY(arena, struct fusion_operand, part->operand_count);
    struct fusion_part *named = arena_copy(arena, part, sizeof *part);
    for (uint32_t t = 0; t < part->group.tensor_count; t++)
        if (part->group.tensors[t].producer == GROUP_OFF_CHIP) values[t] = costs_written(graph, fusion, values[t]);
    for (uint32_t i = 0; i < part->operand_count; i++)
        operands[i] = (struct fusion_operand){part->operands[i].member, costs_written(graph, fusion, part->operands[i].value)};
    named->values = values;
    named->operands = operands;
    return named;
}

/* The parts that are layers alone, but not as they were best without fusion. */
static struct cost_cache *costs_of_parts(struct arena *arena, const struct costs *alone, const struct fusion *fusion,
                                         const struct layers *layers, const struct shapes *shapes, const struct target *target) {
    struct cost_cache *cache = cost_cache_new(arena, target, 1, true);
    for (uint32_t i = 0; i < fusion->parts.count; i++) {
        const struct fusion_part *part = &fusion->parts.items[i];
        if (!part->is_fused && !costs_known(alone, part->layers[0])) costs_of_one(cache, layers, part->layers[0], shapes, target);
    }
    cost_cache_run(cache);
    return cache;
}

void costs_of_fusion(struct arena *arena, const struct costs *alone, const struct fusion *fusion, const struct layers *layers,
                     const struct shapes *shapes, const struct target *target, struct costs **out) {
    struct costs *costs = ARENA_NEW(arena, struct costs);
    const struct cost_cache *cache = costs_of_parts(arena, alone, fusion, layers, shapes, target);
    for (uint32_t i = 0; i < fusion->parts.count; i++) {
        const struct fusion_part *part = &fusion->parts.items[i];
        const struct layer_cost *known = part->is_fused ? NULL : costs_known(alone, part->layers[0]);
        if (part->is_fused) costs_add_group(arena, costs, costs_name_values(arena, layers->graph, fusion, part), layers, shapes, target);
        else if (known) costs_push(arena, costs, known);
        else costs_add(arena, costs, cache, layers, part->layers[0], shapes, target);
    }
    costs->layer_by_layer_bytes = alone->offchip_bytes;
    costs->compulsory_bytes = alone->compulsory_bytes;
    costs->bound_bytes = alone->bound_bytes;
    *out = costs;
}

/* ---- a schedule from outside ---- */

static status costs_fill_mapping(struct layer_cost *cost, const struct target *target, const struct mapping *mapping, const char *what,
                                 struct diag *diag) {
    const status result = mapping_check(&cost->nest, target, mapping, what, diag);
    if (result != STATUS_OK) return result;
    cost->has_mapping = true;
    cost->found.is_feasible = true;
    cost->found.mapping = *mapping;
    mapping_traffic(&cost->nest, target, mapping, &cost->found.traffic);
    mapping_footprint(&cost->nest, target, mapping, &cost->found.footprint);
    cost->footprint_bytes = footprint_total(&cost->found.footprint);
    cost->bound_bytes += costs_bound_of(cost, target);
    costs_move(cost, &cost->found.traffic);
    return STATUS_OK;
}

static status costs_fill_given(struct layer_cost *cost, const struct target *target, const struct mapping *mapping, const char *what,
                               struct diag *diag) {
    struct footprint footprint;
    if (mapping && !cost->has_nest) return diag_fail(diag, STATUS_USAGE, "%s: has a mapping, but no loops", what);
    if (mapping) return costs_fill_mapping(cost, target, mapping, what, diag);
    if (!cost->has_nest) return STATUS_OK;
    if (cost->layer->kind != LAYER_POOL || !costs_streams(&cost->nest, target, &footprint))
        return diag_fail(diag, STATUS_USAGE, "%s: needs a mapping", what);
    costs_fill_stream(cost, &footprint);
    return STATUS_OK;
}

static status costs_add_given(struct arena *arena, struct costs *costs, const struct layers *given, const struct cost_given *part,
                              const struct shapes *shapes, const struct target *target, struct diag *diag) {
    const struct layer *layer = &given->items.items[part->first];
    const char *what = arena_print(arena, "schedule: group %u: %s", part->id, graph_describe_node(given->graph, layer->node));
    struct layer_cost cost;
    costs_begin(&cost, given, layer, shapes, target);
    const status result = costs_fill_given(&cost, target, part->mapping, what, diag);
    cost.offchip_bytes = traffic_total(&cost.traffic);
    if (result == STATUS_OK) costs_push(arena, costs, &cost);
    return result;
}

status costs_of_schedule(struct arena *arena, const struct layers *layers, const struct layers *given, const struct cost_given *parts,
                         uint32_t part_count, const struct shapes *shapes, const struct target *target, struct costs **out,
                         struct diag *diag) {
    status result = costs_check(given, shapes, target, diag);
    struct costs *costs = ARENA_NEW(arena, struct costs);
    costs->is_layer_by_layer = true;
    for (uint32_t i = 0; i < part_count && result == STATUS_OK; i++) {
        costs->is_layer_by_layer = costs->is_layer_by_layer && !parts[i].fused;
        if (parts[i].fused) costs_add_group(arena, costs, parts[i].fused, given, shapes, target);
        else result = costs_add_given(arena, costs, given, &parts[i], shapes, target, diag);
    }
    if (result != STATUS_OK) return result;
    costs->layer_by_layer_bytes = -1;
    costs->bound_bytes = costs_bound_of_all(layers, shapes, target);
    costs->compulsory_bytes = costs_compulsory(arena, costs, given, shapes, target);
    *out = costs;
    return STATUS_OK;
}
