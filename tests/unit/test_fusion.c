/* Fusion of networks: whole models from files; small branchy networks against enumeration of cuts and orders. */
#include "cost/fusion.h"
#include "cost/group_order.h"
#include "onnx/model.h"
#include "op/op.h"
#include "passes/costs.h"
#include "unit/group_networks.h"

/* ---- models ---- */

struct loaded {
    struct graph *graph;
    struct shapes *shapes;
    struct layers *layers;
};

static void load(struct arena *arena, const char *path, struct loaded *loaded) {
    struct diag diag = {0};
    struct onnx_model *model;
    ck_assert_msg(onnx_model_open(arena, path, &model, &diag) == STATUS_OK, "%s", diag.message);
    loaded->graph = onnx_model_graph(model);
    ck_assert_int_eq(op_resolve(loaded->graph, &diag), STATUS_OK);
    ck_assert_int_eq(shapes_infer(arena, loaded->graph, 1, NULL, 0, &loaded->shapes, &diag), STATUS_OK);
    ck_assert_int_eq(layers_find(arena, loaded->graph, loaded->shapes, &loaded->layers, &diag), STATUS_OK);
}

static int64_t alone_bytes(const struct layers *layers, const struct fusion_singles *singles) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < layers->items.count; i++) {
        const struct layer *layer = &layers->items.items[i];
        int64_t parts = layer->alternative_count ? 0 : INT64_MAX;
        for (uint32_t k = 0; k < layer->alternative_count; k++) parts += singles->alternative_bytes[layer->alternative + k];
        bytes += parts < singles->item_bytes[i] ? parts : singles->item_bytes[i];
    }
    return bytes;
}

/* Each item once: itself, or all its alternatives. */
static void check_layers(struct arena *arena, const struct layers *layers, const struct fusion *fusion) {
    uint32_t *items = ARENA_ARRAY(arena, uint32_t, layers->items.count);
    uint32_t *alternatives = ARENA_ARRAY(arena, uint32_t, layers->alternatives.count);
    for (uint32_t i = 0; i < fusion->parts.count; i++)
        for (uint32_t k = 0; k < fusion->parts.items[i].layer_count; k++) {
            const struct layer *layer = fusion->parts.items[i].layers[k];
            const bool is_item = layer >= layers->items.items && layer < layers->items.items + layers->items.count;
            if (is_item) items[layer - layers->items.items]++;
            else alternatives[layer - layers->alternatives.items]++;
        }
    for (uint32_t i = 0; i < layers->items.count; i++) {
        const struct layer *layer = &layers->items.items[i];
        for (uint32_t k = 0; k < layer->alternative_count; k++) ck_assert_uint_eq(items[i] + alternatives[layer->alternative + k], 1);
        if (!layer->alternative_count) ck_assert_uint_eq(items[i], 1);
    }
}

/* What a part says is what its schedule costs. */
static void check_group(struct arena *arena, const struct fusion_part *part, const struct target *target) {
    struct group group = part->group;
    struct group_cost cost;
    ck_assert(group_link(&group) && part->found.is_found);
    group_cost(arena, &group, target, &part->found.schedule, &cost);
    ck_assert(cost.is_legal && cost.fits);
    ck_assert_int_eq(traffic_total(&cost.traffic), part->bytes);
    ck_assert_uint_eq(group.member_count, part->layer_count);
}

static int64_t check_fusion(struct arena *arena, const struct loaded *loaded, const struct target *target,
                            const struct fusion_singles *singles, const struct fusion_options *options) {
    struct fusion *fusion;
    int64_t bytes = 0;
    fusion_find(arena, loaded->layers, singles, loaded->shapes, target, options, &fusion);
    check_layers(arena, loaded->layers, fusion);
    for (uint32_t i = 0; i < fusion->parts.count; i++) {
        const struct fusion_part *part = &fusion->parts.items[i];
        if (part->bytes < FUSION_INFEASIBLE) bytes += part->bytes;
        if (part->is_fused) check_group(arena, part, target);
        ck_assert(part->input_stays == (i > 0 && fusion->parts.items[i - 1].output_stays));
    }
    ck_assert_int_eq(bytes, fusion->offchip_bytes);
    if (!fusion->infeasible_count) ck_assert_int_le(bytes, alone_bytes(loaded->layers, singles));
    return fusion->infeasible_count ? INT64_MAX : bytes;
}

/* Graph input, parameters, output: what must move. */
struct model {
    const char *path;
    int64_t compulsory_bytes;
};
static const struct model models[] = {{"models/vgg.onnx", 249786}, {"models/resnet.onnx", 176914}, {"models/mobilenet.onnx", 58850}};

static status check_models(void *argument) {
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        int64_t before[2] = {INT64_MAX, INT64_MAX};
        for (int64_t capacity = 2048; capacity <= 1 << 20; capacity *= 2) {
            struct arena *arena = arena_new(argument);
            struct loaded loaded;
            struct fusion_singles singles;
            struct target target = {.capacity_bytes = capacity, .halo_reuse = true, .activation_bits = 8, .weight_bits = 8};
            target.partial_sum_bits = 32;
            load(arena, models[i].path, &loaded);
            costs_singles(arena, cost_cache_new(arena, &target, 1, false), loaded.layers, loaded.shapes, &target, &singles);
            for (int stays = 0; stays < 2; stays++) {
                const struct fusion_options options = {.boundaries_stay = stays};
                const int64_t bytes = check_fusion(arena, &loaded, &target, &singles, &options);
                ck_assert_int_le(bytes, before[stays]);
                ck_assert_int_ge(bytes, models[i].compulsory_bytes);
                ck_assert(!stays || bytes <= before[0]);
                before[stays] = bytes;
            }
            arena_free(arena);
        }
        printf("%s: %lld bytes with 1 MiB\n", models[i].path, (long long)before[0]);
        ck_assert_int_eq(before[0], models[i].compulsory_bytes);
    }
    return STATUS_OK;
}

START_TEST(models_are_fused) { in_heap(check_models); }
END_TEST

/* ---- against enumeration ---- */

/* Up to five convolutions, depthwise layers and pools on one plane: each reads one tensor made before, or two in a Concat; some add
 * another. */
static void random_network(struct sample *sample) {
    static const struct group_window same = {1, 1, 1, 0, false};
    const int64_t side = from_to(4, 8), members = from_to(3, 5);
    sample_init(sample);
    add_tensor(sample, from_to(1, 4), side, side, GROUP_OFF_CHIP);
    for (int64_t m = 0; m < members; m++) {
        const uint32_t tensors = sample->group.tensor_count;
        const uint32_t from = one_in(3) ? (uint32_t)from_to(0, tensors - 1) : tensors - 1, other = (uint32_t)from_to(0, tensors - 1);
        const struct group_window window = one_in(2) ? same : (struct group_window){3, 1, 1, 1, false};
        const struct group_window both[GROUP_AXES] = {window, window};
        const bool is_depthwise = one_in(3);
        add_member(sample, from, is_depthwise ? sample->tensors[from].channels : from_to(1, 4), is_depthwise ? 0 : 1, both, true);
        struct group_member *member = &sample->members[m];
        if (!is_depthwise && other != from && one_in(4)) {
            member->more_parts = 1;
            member->input[member->input_count++] = (struct group_input){other, {window, window}};
        } else if (one_in(2) && sample->tensors[other].channels == sample->tensors[member->output].channels) {
            member->input[member->input_count++] = (struct group_input){other, {same, same}};
        }
    }
    group_count_uses(&sample->group);
    for (uint32_t t = 0; t < sample->group.tensor_count; t++)
        if (sample->tensors[t].producer != GROUP_OFF_CHIP && (!sample->tensors[t].use_count || one_in(10)))
            sample->tensors[t].is_output = true;
}

static int64_t whole_bytes(const struct group_tensor *tensor) {
    return nest_bytes(tensor->channels * tensor->plane[0] * tensor->plane[1], tensor->bits);
}

/* A layer alone; the parts of a Concat are one input as wide as all of them. */
static int64_t single_bytes(const struct sample *sample, uint32_t m, const struct target *target) {
    struct sample wide = *sample;
    struct nest nest;
    struct found found;
    int64_t bytes = 0;
    wide.group.tensors = wide.tensors;
    wide.group.members = wide.members;
    for (uint32_t i = 1 + wide.members[m].more_parts; i < wide.members[m].input_count; i++)
        bytes += whole_bytes(&wide.tensors[wide.members[m].input[i].tensor]);
    wide.tensors[wide.members[m].input[0].tensor].channels = group_input_channels(&sample->group, m);
    wide.members[m].more_parts = 0;
    ck_assert(group_nest(&wide.group, m, false, &nest));
    search_plain(&nest, target, &found);
    return found.is_feasible ? bytes + traffic_total(&found.traffic) : INT64_MAX;
}

/* The least that members [first, end) move in one group. */
static int64_t run_bytes(struct arena *arena, const struct sample *sample, uint32_t first, uint32_t end, const struct target *target) {
    int64_t least = INT64_MAX;
    struct group_slice slice;
    if (end == first + 1) return single_bytes(sample, first, target);
    for (uint32_t spilled = 0;; spilled++) {
        struct group_found found;
        const bool is_group = group_slice_make(arena, &sample->group, first, end, spilled, UINT32_MAX, &slice);
        if (spilled >> slice.join_count) return least;
        if (!is_group) continue;
        group_search(arena, &slice.group, target, INT64_MAX, true, &found);
        if (found.is_found && found.bytes < least) least = found.bytes;
    }
}

/* Each way to cut what is from `first` on. */
static int64_t cheapest(struct arena *arena, const struct sample *sample, uint32_t first, const struct target *target) {
    int64_t least = INT64_MAX;
    if (first == sample->group.member_count) return 0;
    for (uint32_t end = first + 1; end <= sample->group.member_count; end++) {
        const int64_t here = run_bytes(arena, sample, first, end, target), rest = cheapest(arena, sample, end, target);
        if (here < INT64_MAX && rest < INT64_MAX && here + rest < least) least = here + rest;
    }
    return least;
}

/* Members in another order; false where one would read what is made later. */
static bool reorder(const struct sample *sample, const uint32_t *order, struct sample *other) {
    *other = *sample;
    other->group.tensors = other->tensors;
    other->group.members = other->members;
    for (uint32_t k = 0; k < sample->group.member_count; k++) {
        other->members[k] = sample->members[order[k]];
        other->tensors[other->members[k].output].producer = (int32_t)k;
    }
    for (uint32_t k = 0; k < sample->group.member_count; k++)
        for (uint32_t i = 0; i < other->members[k].input_count; i++)
            if (other->tensors[other->members[k].input[i].tensor].producer >= (int32_t)k) return false;
    group_count_uses(&other->group);
    return true;
}

static int64_t cheapest_of_orders(struct arena *arena, const struct sample *sample, const struct target *target, uint32_t *order,
                                  uint32_t count) {
    int64_t least = INT64_MAX;
    struct sample other;
    if (count == sample->group.member_count) return reorder(sample, order, &other) ? cheapest(arena, &other, 0, target) : INT64_MAX;
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        bool is_there = false;
        for (uint32_t k = 0; k < count; k++) is_there |= order[k] == m;
        if (is_there) continue;
        order[count] = m;
        const int64_t bytes = cheapest_of_orders(arena, sample, target, order, count + 1);
        if (bytes < least) least = bytes;
    }
    return least;
}

/* In the order given, and in those that fusion tries; each equal to all cuts of it. */
static int64_t partition_bytes(struct arena *arena, const struct sample *sample, const struct target *target, bool *is_feasible,
                               int64_t *fused, int64_t *spilled) {
    struct partition_single singles[MOST_MEMBERS];
    struct partition partition;
    for (uint32_t m = 0; m < sample->group.member_count; m++)
        singles[m] = (struct partition_single){single_bytes(sample, m, target), INT64_MAX, 0};
    partition_find(arena, &sample->group, target, singles, false, NULL, &partition);
    ck_assert_int_eq(partition.bytes, cheapest(arena, sample, 0, target));
    for (uint32_t i = 0; i < partition.parts.count; i++) {
        *fused += partition.parts.items[i].is_fused;
        *spilled += partition.parts.items[i].spilled != 0;
    }
    *is_feasible = partition.is_feasible;
    return partition.bytes;
}

static int64_t least_of_kinds(struct arena *arena, const struct sample *sample, const struct target *target, int64_t bytes) {
    uint32_t order[MOST_MEMBERS];
    int64_t fused = 0, spilled = 0;
    bool is_feasible;
    for (int kind = 0; kind < GROUP_ORDER_COUNT; kind++) {
        struct sample other;
        if (!group_order_find(arena, &sample->group, NULL, (enum group_order)kind, order)) continue;
        ck_assert(reorder(sample, order, &other));
        const int64_t here = partition_bytes(arena, &other, target, &is_feasible, &fused, &spilled);
        if (here < bytes) bytes = here;
    }
    return bytes;
}

static status check_networks(void *argument) {
    const int64_t wanted = wanted_of("SUPERSLASH_NETWORKS", 60);
    int64_t networks = 0, feasible = 0, fused = 0, spilled = 0, better = 0, apart = 0;
    double worst = 1;
    state = seed;
    for (; networks < wanted; networks++) {
        struct arena *arena = arena_new(argument);
        const struct target target = {.capacity_bytes = from_to(40, 300), .halo_reuse = true};
        struct sample sample;
        uint32_t order[MOST_MEMBERS];
        bool is_feasible;
        random_network(&sample);
        const int64_t given = partition_bytes(arena, &sample, &target, &is_feasible, &fused, &spilled);
        const int64_t bytes = least_of_kinds(arena, &sample, &target, given);
        const int64_t least = cheapest_of_orders(arena, &sample, &target, order, 0);
        ck_assert(bytes >= least);
        feasible += is_feasible;
        better += bytes < given;
        if (is_feasible && bytes > least) {
            apart++;
            if ((double)bytes / (double)least > worst) worst = (double)bytes / (double)least;
        }
        arena_free(arena);
    }
    printf("seed %llu: %lld branchy networks, all cuts of their order reached: %lld feasible, %lld fused groups, %lld read an input again "
           "for a skip; %lld better with branches "
           "together; %lld above the best of all orders, by a factor of %.3f at most\n",
           (unsigned long long)seed, (long long)networks, (long long)feasible, (long long)fused, (long long)spilled, (long long)better,
           (long long)apart, worst);
    return STATUS_OK;
}

START_TEST(partition_of_branches_is_enumeration) { in_heap(check_networks); }
END_TEST

/* Two convolutions and a skip: with more and more room the input is read for the skip again, then kept until it. */
static status check_skip(void *argument) {
    int64_t again = 0, kept = 0, before = INT64_MAX;
    for (int64_t capacity = 500; capacity <= 8000; capacity += 100) {
        struct arena *arena = arena_new(argument);
        const struct target target = {.capacity_bytes = capacity, .halo_reuse = true};
        struct sample sample;
        struct partition_single singles[MOST_MEMBERS];
        struct partition partition;
        sample_init(&sample);
        add_tensor(&sample, 16, 16, 16, GROUP_OFF_CHIP);
        for (int k = 0; k < 2; k++) add_square_on(&sample, (uint32_t)k, 16, 3, 1, 1);
        join_skip(&sample, 0);
        sample.tensors[2].is_output = true;
        group_count_uses(&sample.group);
        find_singles(&sample, &target, singles);
        partition_find(arena, &sample.group, &target, singles, false, NULL, &partition);
        const struct partition_part *part = &partition.parts.items[0];
        ck_assert_int_le(partition.bytes, before);
        before = partition.bytes;
        again += part->is_fused && part->spilled && part->slice.operands.count == 1;
        kept += part->is_fused && !part->spilled && part->bytes == 2 * 16 * 16 * 9 + 2 * 16 * 256; /* compulsory */
        arena_free(arena);
    }
    printf("a skip: %lld capacities at which it is read again, %lld at which it is kept\n", (long long)again, (long long)kept);
    ck_assert(again > 0 && kept > 0);
    return STATUS_OK;
}

START_TEST(skips_are_kept_or_read_again) { in_heap(check_skip); }
END_TEST

static TCase *fill(TCase *cases) {
    tcase_add_test(cases, models_are_fused);
    tcase_add_test(cases, partition_of_branches_is_enumeration);
    tcase_add_test(cases, skips_are_kept_or_read_again);
    return cases;
}

int main(void) { return run_case(fill, "fusion"); }
