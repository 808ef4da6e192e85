/* Partition of chains: against enumeration, and the table at the end of cost-model.md 8. */
#include <time.h>

#include "cost/group_parts.h"
#include "unit/group_networks.h"

/* ---- partition against enumeration ---- */

static void random_layer(struct sample *sample) {
    const int64_t *sides = sample->tensors[sample->group.tensor_count - 1].plane;
    const int64_t side = sides[0] < sides[1] ? sides[0] : sides[1], stride = side >= 4 && one_in(4) ? 2 : 1;
    if (one_in(3)) add_square(sample, 0, 0, 3, stride, 1, true);
    else if (side >= 4 && one_in(4)) add_square(sample, 0, 0, 2, 2, 0, false);
    else if (one_in(2)) add_square(sample, from_to(1, 8), 1, 1, stride, 0, true);
    else add_square(sample, from_to(1, 8), 1, 3, stride, 1, true);
}

static void random_layers(struct sample *sample, uint32_t members) {
    sample_init(sample);
    add_tensor(sample, from_to(1, 6), from_to(4, 12), from_to(4, 12), GROUP_OFF_CHIP);
    for (uint32_t m = 0; m < members; m++) random_layer(sample);
    end_chain(sample);
}

/* What each part may cost: [input stays][output stays][first][end]. */
struct parts {
    uint32_t members;
    int64_t *bytes[2][2];
};

static int64_t part_bytes(struct arena *arena, const struct sample *sample, const struct target *target,
                          const struct partition_single *singles, struct partition_part part) {
    struct group_slice slice;
    struct group_found found;
    const bool stays = part.input_stays || part.output_stays;
    if (!stays && part.end == part.first + 1) return singles[part.first].bytes;
    if ((part.input_stays && part.first == 0) || (part.output_stays && part.end == sample->group.member_count)) return INT64_MAX;
    ck_assert(group_slice_make(arena, &sample->group, part.first, part.end, 0, UINT32_MAX, &slice));
    slice.group.tensors[0].stays = part.input_stays;
    slice.group.tensors[slice.group.member_count].stays = part.output_stays;
    group_search(arena, &slice.group, target, INT64_MAX, true, &found);
    const int64_t fused = found.is_found ? found.bytes : INT64_MAX;
    return !stays && part.end == part.first + 2 && singles[part.first].pooled_bytes < fused ? singles[part.first].pooled_bytes : fused;
}

static void fill_parts(struct arena *arena, const struct sample *sample, const struct target *target,
                       const struct partition_single *singles, bool boundaries_stay, struct parts *parts) {
    const uint32_t members = parts->members = sample->group.member_count;
    for (int input = 0; input < 2; input++)
        for (int output = 0; output < 2; output++) {
            parts->bytes[input][output] = ARENA_ARRAY(arena, int64_t, members * (members + 1));
            for (uint32_t first = 0; first < members; first++)
                for (uint32_t end = first + 1; end <= members; end++) {
                    const struct partition_part part = {.first = first, .end = end, .input_stays = input, .output_stays = output};
                    const bool is_asked = boundaries_stay || !(input || output);
                    parts->bytes[input][output][first * (members + 1) + end] =
                        is_asked ? part_bytes(arena, sample, target, singles, part) : INT64_MAX;
                }
        }
}

/* Each way to cut, and to let a tensor stay or not at each cut: ends from `first` on, after `bytes`. */
static int64_t cheapest_cut(const struct parts *parts, uint32_t first, int stays, int64_t bytes) {
    int64_t best = INT64_MAX;
    if (first == parts->members) return bytes;
    for (uint32_t end = first + 1; end <= parts->members; end++)
        for (int output = 0; output < 2; output++) {
            const int64_t part = parts->bytes[stays][output][first * (parts->members + 1) + end];
            if (part == INT64_MAX) continue;
            const int64_t here = cheapest_cut(parts, end, output, bytes + part);
            if (here < best) best = here;
        }
    return best;
}

/* Parts that fit, join, and add up. Returns how many are fused. */
static int64_t check_parts(const struct partition *partition, uint32_t members) {
    int64_t sum = 0, fused = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < partition->parts.count; i++) {
        const struct partition_part *part = &partition->parts.items[i];
        ck_assert_uint_eq(part->first, at);
        ck_assert(part->input_stays == (i > 0 && partition->parts.items[i - 1].output_stays));
        at = part->end;
        sum += part->bytes;
        fused += part->is_fused;
        if (!part->is_fused) continue;
        ck_assert(part->found.is_found && part->found.cost.fits);
        ck_assert_int_eq(traffic_total(&part->found.cost.traffic), part->bytes);
    }
    if (!partition->is_feasible) return 0;
    ck_assert_uint_eq(at, members);
    ck_assert_int_eq(sum, partition->bytes);
    return fused;
}

/* Weights that find no room with some members find none with more in front. Returns how many groups it has been asked of. */
static int64_t check_excess(struct arena *arena, const struct sample *sample, const struct target *target, bool input_stays) {
    const uint32_t members = sample->group.member_count;
    int64_t count = 0;
    for (uint32_t end = 1; end <= members; end++) {
        struct group_excess excess = {0};
        for (uint32_t first = end; first-- > 0; count++) {
            struct group_slice slice;
            struct group_found found;
            ck_assert(group_slice_make(arena, &sample->group, first, end, 0, UINT32_MAX, &slice));
            group_search(arena, &slice.group, target, INT64_MAX, false, &found);
            const struct group_excess alone = group_larger_excess(excess, found.excess);
            slice.group.tensors[0].stays = input_stays;
            if (input_stays) group_search(arena, &slice.group, target, INT64_MAX, false, &found);
            const struct group_least least = group_least_moved(arena, &slice.group);
            ck_assert(!found.is_found || found.bytes >= group_least_bytes(&least, &alone));
            excess = alone;
        }
    }
    return count;
}

static status check_partitions(void *argument) {
    struct heap *heap = argument;
    int64_t chains = 0, feasible = 0, fused = 0, staying = 0, exceeding = 0;
    state = seed;
    for (const int64_t wanted = wanted_of("SUPERSLASH_PARTITIONS", 120); chains < wanted; chains++) {
        struct arena *arena = arena_new(heap);
        struct sample sample;
        struct target target;
        struct partition_single singles[MOST_MEMBERS];
        struct partition partition, roomier;
        const bool boundaries_stay = one_in(2);
        const uint32_t members = (uint32_t)from_to(1, 10);
        struct parts parts;
        random_layers(&sample, members);
        random_target(&target);
        target.is_split = false;
        target.halo_reuse = true;
        target.capacity_bytes = from_to(60, 1500);
        find_singles(&sample, &target, singles);
        fill_parts(arena, &sample, &target, singles, boundaries_stay, &parts);
        const int64_t best = cheapest_cut(&parts, 0, 0, 0);
        partition_find(arena, &sample.group, &target, singles, boundaries_stay, NULL, &partition);
        ck_assert_msg(partition.bytes == best, "seed %llu: partition %lld, enumeration %lld", (unsigned long long)seed,
                      (long long)partition.bytes, (long long)best);
        ck_assert(partition.is_feasible == (best < INT64_MAX));
        ck_assert_int_ge(partition.bytes, group_compulsory_bytes(arena, &sample.group));
        fused += check_parts(&partition, members);
        struct target tight = target;
        tight.capacity_bytes = from_to(40, 400);
        exceeding += check_excess(arena, &sample, &tight, one_in(2));
        feasible += partition.is_feasible;
        for (uint32_t i = 0; i < partition.parts.count; i++) staying += partition.parts.items[i].output_stays;
        target.capacity_bytes += from_to(1, 300);
        find_singles(&sample, &target, singles);
        partition_find(arena, &sample.group, &target, singles, boundaries_stay, NULL, &roomier);
        ck_assert_int_le(roomier.bytes, partition.bytes);
        arena_free(arena);
    }
    printf("seed %llu: %lld chains of up to 10 layers, %lld feasible, %lld fused groups, %lld boundary tensors that stay, %lld bounds\n",
           (unsigned long long)seed, (long long)chains, (long long)feasible, (long long)fused, (long long)staying, (long long)exceeding);
    return STATUS_OK;
}

START_TEST(partition_is_enumeration) { in_heap(check_partitions); }
END_TEST

/* ---- published networks ---- */

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print_part(const struct partition_part *part) {
    const struct group_schedule *schedule = &part->found.schedule;
    printf("    %2u..%-2u %9lld%s", part->first, part->end - 1, (long long)part->bytes, part->output_stays ? " output stays" : "");
    if (part->is_fused)
        printf("  tile %lldx%lld %s overlap %d blocks %lld footprint %lld", (long long)schedule->tile[0], (long long)schedule->tile[1],
               schedule->down_first ? "down" : "right", (int)schedule->overlap, (long long)schedule->out_blocks,
               (long long)part->found.cost.footprint_bytes);
    printf("\n");
}

/* The floors of cost-model.md 8: with output blocks and pool epilogues; where its table says so, with boundary tensors that stay. */
struct row {
    const char *name;
    void (*make)(struct sample *sample);
    int64_t capacity_bytes, at_most, at_most_staying, compulsory;
};
static const struct row rows[] = {
    {"VGG16", make_vgg16, 65536, 70672576, 70672576, 14886080},         {"VGG16", make_vgg16, 131072, 45726912, 45726912, 14886080},
    {"VGG16", make_vgg16, 262144, 29483200, 29483200, 14886080},        {"VGG16", make_vgg16, 1048576, 17294528, 17294528, 14886080},
    {"MobileNetV1", make_mobilenet, 65536, 7652232, 7652232, 4360616},  {"MobileNetV1", make_mobilenet, 131072, 5665192, 5605992, 4360616},
    {"MobileNetV1", make_mobilenet, 262144, 4460968, 4360616, 4360616}, {"MobileNetV1", make_mobilenet, 1048576, 4360616, 4360616, 4360616},
};

struct with_row {
    struct heap *heap;
    int row;
};

static status check_row(void *argument) {
    const int at = ((struct with_row *)argument)->row;
    struct heap *heap = ((struct with_row *)argument)->heap;
    const struct row *row = &rows[at];
    struct arena *arena = arena_new(heap);
    struct target target = {.capacity_bytes = row->capacity_bytes, .halo_reuse = true};
    struct sample sample;
    struct partition_single singles[MOST_MEMBERS];
    struct partition partition;
    row->make(&sample);
    find_singles(&sample, &target, singles);
    int64_t alone = 0;
    for (uint32_t m = 0; m < sample.group.member_count; m++) {
        const bool pools = singles[m].pooled_bytes < INT64_MAX && singles[m].pooled_bytes <= singles[m].bytes + singles[m + 1].bytes;
        alone += pools ? singles[m].pooled_bytes : singles[m].bytes;
        m += pools;
    }
    printf("%s, %lld bytes on chip: layer by layer %lld, compulsory %lld\n", row->name, (long long)row->capacity_bytes, (long long)alone,
           (long long)row->compulsory);
    ck_assert_int_eq(group_compulsory_bytes(arena, &sample.group), row->compulsory);
    for (int stays = 0; stays < 2; stays++) {
        const int64_t at_most = stays ? row->at_most_staying : row->at_most;
        const double start = seconds_now();
        partition_find(arena, &sample.group, &target, singles, stays, NULL, &partition);
        printf("  %s %lld (floor %lld, %+.2f %%), %lld groups searched, %.2f s\n", stays ? "boundaries may stay" : "fused",
               (long long)partition.bytes, (long long)at_most, 100.0 * ((double)partition.bytes / (double)at_most - 1),
               (long long)partition.groups_searched, seconds_now() - start);
        for (uint32_t i = 0; getenv("SUPERSLASH_PARTS") && i < partition.parts.count; i++) print_part(&partition.parts.items[i]);
        ck_assert_int_ge(partition.bytes, row->compulsory);
        ck_assert_int_le(partition.bytes, at_most);
        ck_assert_int_le(partition.bytes, alone);
        ck_assert(!partition.is_cut);
        check_parts(&partition, sample.group.member_count);
    }
    arena_free(arena);
    return STATUS_OK;
}

START_TEST(networks_reach_the_table) {
    struct heap heap;
    struct diag diag = {0};
    struct with_row with = {&heap, _i};
    heap_init(&heap, NULL, 0);
    ck_assert_int_eq(heap_run(&heap, &diag, check_row, &with), STATUS_OK);
    heap_release(&heap);
}
END_TEST

static TCase *fill(TCase *cases) {
    tcase_add_test(cases, partition_is_enumeration);
    tcase_add_loop_test(cases, networks_reach_the_table, 0, (int)(sizeof rows / sizeof rows[0]));
    return cases;
}

int main(void) { return run_case(fill, "partition"); }
