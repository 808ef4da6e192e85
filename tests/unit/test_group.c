/* Fused groups: cost against the machine on random groups and schedules, known identities. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "cost/partition.h"
#include "cost/search.h"
#include "oracle/group_machine.h"

/* ---- random ---- */

static uint64_t seed = 20261124;
static uint64_t state;

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(2685821657736338717) >> 16;
}

static int64_t from_to(int64_t from, int64_t to) { return from + (int64_t)(next_random() % (uint64_t)(to - from + 1)); }
static bool one_in(int64_t times) { return from_to(1, times) == 1; }

enum { MOST_MEMBERS = 32, MOST_TENSORS = 33 };

/* A group and a schedule with room. */
struct sample {
    struct group group;
    struct group_tensor tensors[MOST_TENSORS];
    struct group_member members[MOST_MEMBERS];
    struct group_schedule schedule;
    int64_t piece[MOST_MEMBERS], block[MOST_TENSORS];
};

static struct group_tensor *add_tensor(struct sample *sample, int64_t channels, int64_t height, int64_t width, int32_t producer) {
    struct group_tensor *tensor = &sample->tensors[sample->group.tensor_count++];
    *tensor = (struct group_tensor){.channels = channels, .plane = {height, width}, .bits = 8, .producer = producer};
    return tensor;
}

static void sample_init(struct sample *sample) {
    memset(sample, 0, sizeof *sample);
    sample->group = (struct group){.tensors = sample->tensors, .members = sample->members, .images = 1};
    sample->schedule = (struct group_schedule){.piece = sample->piece, .block = sample->block, .out_blocks = 1};
}

static int64_t outputs_of(const struct group_window *window, int64_t plane) {
    const int64_t extent = (window->kernel - 1) * window->dilation + 1;
    return (plane + 2 * window->pad - extent) / window->stride + 1;
}

/* A member that reads tensor `from` and makes a new one. groups 0 = as many as channels. */
static void add_member(struct sample *sample, uint32_t from, int64_t channels, int64_t groups, const struct group_window window[GROUP_AXES],
                       bool has_weight) {
    const struct group_tensor *input = &sample->tensors[from];
    const uint32_t m = sample->group.member_count++;
    struct group_member *member = &sample->members[m];
    *member = (struct group_member){.input_count = 1, .output = sample->group.tensor_count, .weight_bits = 8, .partial_bits = 8};
    member->input[0] = (struct group_input){from, {window[0], window[1]}};
    member->groups = groups ? groups : input->channels;
    const int64_t kernel = window[0].kernel * window[1].kernel;
    member->macs = has_weight ? kernel * input->channels / member->groups : 0;
    if (has_weight) {
        member->kernel_elems = kernel;
        member->partial_bits = 32;
    }
    add_tensor(sample, channels, outputs_of(&window[0], input->plane[0]), outputs_of(&window[1], input->plane[1]), (int32_t)m);
}

static void random_window(struct group_window *window, int64_t plane) {
    *window = (struct group_window){from_to(1, 3), one_in(3) ? from_to(1, 3) : 1, one_in(6) ? 2 : 1, 0};
    if (one_in(10)) *window = (struct group_window){plane, plane, 1, 0};
    if (one_in(2)) window->pad = from_to(0, window->kernel);
    const int64_t extent = (window->kernel - 1) * window->dilation + 1;
    if (plane + 2 * window->pad < extent) *window = (struct group_window){1, 1, 1, 0};
}

static void random_operand(struct sample *sample) {
    struct group_member *member = &sample->members[sample->group.member_count - 1];
    const struct group_tensor *output = &sample->tensors[member->output];
    const struct group_window same = {1, 1, 1, 0}, gate = {1, 0, 1, 0};
    uint32_t tensor = sample->group.tensor_count;
    for (uint32_t t = 0; t < sample->group.tensor_count - 1; t++)
        if (!memcmp(sample->tensors[t].plane, output->plane, sizeof output->plane) && sample->tensors[t].channels == output->channels &&
            one_in(2))
            tensor = t;
    const bool is_gate = tensor == sample->group.tensor_count && one_in(2);
    if (tensor == sample->group.tensor_count) {
        if (!one_in(3)) return;
        add_tensor(sample, output->channels, is_gate ? 1 : output->plane[0], is_gate ? 1 : output->plane[1], GROUP_OFF_CHIP);
    }
    member->input[member->input_count++] = (struct group_input){tensor, {is_gate ? gate : same, is_gate ? gate : same}};
}

static void random_member(struct sample *sample, uint32_t from) {
    const int64_t channels = sample->tensors[from].channels;
    struct group_window window[GROUP_AXES];
    for (int a = 0; a < GROUP_AXES; a++) random_window(&window[a], sample->tensors[from].plane[a]);
    if (one_in(2)) add_member(sample, from, from_to(1, 5), 1, window, true);
    else if (one_in(3) && channels % 2 == 0) add_member(sample, from, 2 * from_to(1, 3), 2, window, true);
    else if (one_in(2)) add_member(sample, from, channels * from_to(1, 2), 0, window, true);
    else add_member(sample, from, channels, 0, window, false);
    struct group_member *member = &sample->members[sample->group.member_count - 1];
    member->has_bias = member->kernel_elems && one_in(3);
    if (one_in(6)) member->operand_bits = 8;
}

static void random_widths(struct sample *sample) {
    static const uint32_t widths[][3] = {{8, 8, 32}, {8, 8, 8}, {16, 8, 16}, {4, 4, 12}, {1, 3, 5}, {5, 2, 16}};
    const uint32_t *bits = widths[one_in(5) ? from_to(3, 5) : from_to(0, 2)];
    for (uint32_t t = 0; t < sample->group.tensor_count; t++) sample->tensors[t].bits = bits[0];
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        sample->members[m].weight_bits = bits[1];
        sample->members[m].partial_bits = sample->members[m].kernel_elems ? bits[2] : bits[0];
        if (sample->members[m].operand_bits) sample->members[m].operand_bits = bits[0];
    }
}

static bool random_group(struct sample *sample, bool is_chain) {
    sample_init(sample);
    add_tensor(sample, from_to(1, 4), one_in(6) ? from_to(9, 24) : from_to(1, 8), from_to(1, 8), GROUP_OFF_CHIP);
    const int64_t members = from_to(1, 4);
    uint32_t from = 0;
    for (int64_t m = 0; m < members; m++) {
        random_member(sample, from);
        from = sample->members[m].output;
        if (!is_chain && one_in(2)) random_operand(sample);
    }
    sample->tensors[from].is_output = true;
    if (!is_chain && one_in(4)) sample->tensors[sample->members[from_to(0, members - 1)].output].is_output = true;
    sample->group.images = one_in(8) ? 2 : 1;
    random_widths(sample);
    return group_link(&sample->group);
}

static void random_schedule(struct sample *sample) {
    const struct group *group = &sample->group;
    const int64_t *plane = group->tensors[group->members[group->member_count - 1].output].plane;
    struct group_schedule *schedule = &sample->schedule;
    for (int a = 0; a < GROUP_AXES; a++) schedule->tile[a] = one_in(4) ? plane[a] : from_to(1, plane[a]);
    schedule->down_first = one_in(2);
    schedule->overlap = (enum group_overlap)from_to(OVERLAP_RECOMPUTE, OVERLAP_FULL);
    schedule->out_blocks = one_in(4) ? from_to(1, 4) : 1;
    for (uint32_t m = 0; m < group->member_count; m++) schedule->piece[m] = group->members[m].kernel_elems && one_in(2) ? from_to(1, 2) : 0;
    const bool passes = !one_in(3);
    const int64_t block = one_in(2) ? 1 : from_to(1, 3);
    for (uint32_t t = 0; t < group->tensor_count; t++) schedule->block[t] = passes && one_in(2) ? block : 0;
}

static void random_target(struct target *target) {
    memset(target, 0, sizeof *target);
    target->is_split = one_in(4);
    for (int k = 0; k < OPERAND_COUNT; k++) target->double_buffer[k] = one_in(4);
    target->capacity_bytes = 1 << 20;
}

/* ---- cost against the machine ---- */

struct counts {
    int64_t executed, overlap[3], down, streams, passing, sums, blocked, branchy, parts, doubled, split, batch;
};

static void count_kinds(const struct sample *sample, const struct target *target, struct counts *counts) {
    const struct group *group = &sample->group;
    bool streams = false, passes = false, branches = false, sums = false, doubles = false;
    for (uint32_t m = 0; m < group->member_count; m++) {
        streams |= sample->piece[m] > 0;
        branches |= group->members[m].input_count > 1;
        const uint32_t input = group->members[m].input[0].tensor;
        sums |= group->members[m].groups == 1 && sample->block[input] && sample->block[input] < group->tensors[input].channels;
    }
    for (uint32_t t = 0; t < group->tensor_count; t++) passes |= sample->block[t] > 0;
    for (int k = 0; k < OPERAND_COUNT; k++) doubles |= target->double_buffer[k];
    counts->executed++;
    counts->overlap[sample->schedule.overlap]++;
    counts->down += sample->schedule.down_first;
    counts->streams += streams;
    counts->passing += passes;
    counts->sums += sums;
    counts->blocked += sample->schedule.out_blocks > 1;
    counts->branchy += branches;
    counts->parts += group->tensors[0].bits % 8 != 0;
    counts->doubled += doubles;
    counts->split += target->is_split;
    counts->batch += group->images > 1;
}

static void print_sample(const struct sample *sample) {
    for (uint32_t t = 0; t < sample->group.tensor_count; t++)
        printf("  tensor %u: %lld x %lld x %lld, made by %d, uses %u, output %d, block %lld\n", t, (long long)sample->tensors[t].channels,
               (long long)sample->tensors[t].plane[0], (long long)sample->tensors[t].plane[1], sample->tensors[t].producer,
               sample->tensors[t].use_count, sample->tensors[t].is_output, (long long)sample->block[t]);
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        const struct group_member *member = &sample->members[m];
        printf("  member %u: groups %lld, kernel elems %lld, bias %d, piece %lld, operand %u\n", m, (long long)member->groups,
               (long long)member->kernel_elems, member->has_bias, (long long)sample->piece[m], member->operand_bits);
        for (uint32_t i = 0; i < member->input_count; i++)
            for (int a = 0; a < GROUP_AXES; a++)
                printf("    input %u: k %lld s %lld d %lld p %lld\n", member->input[i].tensor, (long long)member->input[i].window[a].kernel,
                       (long long)member->input[i].window[a].stride, (long long)member->input[i].window[a].dilation,
                       (long long)member->input[i].window[a].pad);
    }
    printf("  tile %lld x %lld, down %d, overlap %d, out blocks %lld, images %lld\n", (long long)sample->schedule.tile[0],
           (long long)sample->schedule.tile[1], sample->schedule.down_first, (int)sample->schedule.overlap,
           (long long)sample->schedule.out_blocks, (long long)sample->group.images);
}

static bool is_same(const struct group_cost *cost, const struct group_machine_run *run, bool is_split) {
    bool same = run->is_sound && !memcmp(&cost->traffic, &run->traffic, sizeof run->traffic) && cost->macs == run->macs &&
                cost->kept_bytes == run->kept_bytes;
    for (int k = 0; k < OPERAND_COUNT; k++) same = same && cost->part_bytes[k] == run->part_bytes[k];
    return same && (is_split || cost->footprint_bytes == run->footprint_bytes);
}

static void check_schedule(struct arena *arena, const struct sample *sample, const struct target *target, struct counts *counts) {
    struct group_cost cost;
    struct group_machine_run run;
    group_cost(arena, &sample->group, target, &sample->schedule, &cost);
    if (!cost.is_legal) return;
    group_machine_execute(&sample->group, target, &sample->schedule, &run);
    if (!is_same(&cost, &run, target->is_split)) {
        print_sample(sample);
        ck_abort_msg("seed %llu: sound %d; I %lld/%lld W %lld/%lld O %lld/%lld; footprint %lld/%lld parts %lld/%lld %lld/%lld %lld/%lld; "
                     "macs %lld/%lld",
                     (unsigned long long)seed, run.is_sound, (long long)cost.traffic.input_bytes, (long long)run.traffic.input_bytes,
                     (long long)cost.traffic.weight_bytes, (long long)run.traffic.weight_bytes, (long long)cost.traffic.output_bytes,
                     (long long)run.traffic.output_bytes, (long long)cost.footprint_bytes, (long long)run.footprint_bytes,
                     (long long)cost.part_bytes[0], (long long)run.part_bytes[0], (long long)cost.part_bytes[1],
                     (long long)run.part_bytes[1], (long long)cost.part_bytes[2], (long long)run.part_bytes[2], (long long)cost.macs,
                     (long long)run.macs);
    }
    count_kinds(sample, target, counts);
}

static int64_t wanted_of(const char *variable, int64_t otherwise) {
    const char *given = getenv(variable);
    return given ? strtoll(given, NULL, 10) : otherwise;
}

static status compare_with_machine(void *argument) {
    struct heap *heap = argument;
    struct counts counts = {0};
    struct sample sample;
    struct target target;
    state = seed;
    const int64_t wanted = wanted_of("SUPERSLASH_GROUPS", 20000);
    while (counts.executed < wanted) {
        if (!random_group(&sample, one_in(2))) continue;
        random_target(&target);
        for (int k = 0; k < 8; k++) {
            struct arena *arena = arena_new(heap);
            random_schedule(&sample);
            check_schedule(arena, &sample, &target, &counts);
            arena_free(arena);
        }
    }
    printf(
        "seed %llu: %lld schedules executed: recompute %lld, rows %lld, full %lld, down first %lld, streams %lld, passing %lld, sums over "
        "turns %lld, output blocks %lld, branches %lld, parts of bytes %lld, double %lld, split %lld, batch %lld\n",
        (unsigned long long)seed, (long long)counts.executed, (long long)counts.overlap[0], (long long)counts.overlap[1],
        (long long)counts.overlap[2], (long long)counts.down, (long long)counts.streams, (long long)counts.passing, (long long)counts.sums,
        (long long)counts.blocked, (long long)counts.branchy, (long long)counts.parts, (long long)counts.doubled, (long long)counts.split,
        (long long)counts.batch);
    ck_assert_int_ge(counts.sums, wanted / 40);
    ck_assert_int_ge(counts.blocked, wanted / 40);
    return STATUS_OK;
}

START_TEST(cost_is_what_the_machine_counts) {
    struct heap heap;
    struct diag diag = {0};
    heap_init(&heap, NULL, 0);
    ck_assert_int_eq(heap_run(&heap, &diag, compare_with_machine, &heap), STATUS_OK);
    heap_release(&heap);
}
END_TEST

/* ---- search against enumeration ---- */

struct best {
    bool any;
    int64_t key[5]; /* bytes, MACs, footprint, tiles, -t_ow */
};

static void offer_schedule(struct heap *heap, const struct sample *sample, const struct target *target, struct best *best) {
    struct group_cost cost;
    struct arena *arena = arena_new(heap);
    group_cost(arena, &sample->group, target, &sample->schedule, &cost);
    arena_free(arena);
    if (!cost.is_legal || !cost.fits) return;
    const int64_t key[5] = {traffic_total(&cost.traffic), cost.macs, cost.footprint_bytes, cost.tiles, -sample->schedule.tile[1]};
    int order = 0;
    for (int k = 0; k < 5 && !order && best->any; k++) order = key[k] < best->key[k] ? -1 : key[k] > best->key[k];
    if (best->any && order >= 0) return;
    best->any = true;
    memcpy(best->key, key, sizeof key);
}

/* Every way to hold tensors and to let weights stay, for a tile, a walk, and a number of blocks. */
static void offer_residencies(struct heap *heap, struct sample *sample, const struct target *target, struct best *best) {
    static const int64_t sizes[4] = {0, 1, 2, 4};
    const struct group *group = &sample->group;
    int64_t blocks = 1;
    for (uint32_t t = 0; t < group->tensor_count; t++) blocks *= 4;
    for (uint32_t pieces = 0; pieces < (1U << group->member_count); pieces++)
        for (int64_t code = 0; code < blocks; code++) {
            int64_t rest = code;
            bool is_needless = false;
            for (uint32_t m = 0; m < group->member_count; m++) {
                sample->piece[m] = pieces >> m & 1;
                is_needless |= sample->piece[m] && !group->members[m].kernel_elems;
            }
            for (uint32_t t = 0; t < group->tensor_count; t++, rest /= 4) sample->block[t] = sizes[rest % 4];
            if (!is_needless) offer_schedule(heap, sample, target, best);
        }
}

static void enumerate_schedules(struct heap *heap, struct sample *sample, const struct target *target, struct best *best) {
    const int64_t *plane = sample->group.tensors[sample->group.tensor_count - 1].plane;
    struct group_schedule *schedule = &sample->schedule;
    best->any = false;
    for (schedule->tile[0] = 1; schedule->tile[0] <= plane[0]; schedule->tile[0]++)
        for (schedule->tile[1] = 1; schedule->tile[1] <= plane[1]; schedule->tile[1]++)
            for (int walk = 0; walk < 6; walk++)
                for (schedule->out_blocks = 1; schedule->out_blocks <= 5; schedule->out_blocks++) {
                    schedule->down_first = walk & 1;
                    schedule->overlap = (enum group_overlap)(walk / 2);
                    offer_residencies(heap, sample, target, best);
                }
}

/* A chain that enumeration can take, on a target that it barely fits or fits with room. */
static bool small_chain(struct sample *sample, struct target *target) {
    if (!random_group(sample, true) || sample->group.member_count > 3) return false;
    const int64_t *plane = sample->group.tensors[sample->group.tensor_count - 1].plane;
    if (plane[0] * plane[1] > 12) return false;
    random_target(target);
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        if (sample->members[m].weight_bits % 8 || sample->members[m].partial_bits % 8) return false;
        if (sample->members[m].groups == 2 || sample->tensors[m + 1].channels > 10) return false;
    }
    target->is_split = false;
    target->capacity_bytes = from_to(20, 400);
    return true;
}

static status compare_with_enumeration(void *argument) {
    struct heap *heap = argument;
    struct sample sample;
    struct target target;
    int64_t chains = 0, feasible = 0;
    state = seed;
    const int64_t wanted = wanted_of("SUPERSLASH_CHAINS", 60);
    while (chains < wanted) {
        struct best best;
        struct group_found found;
        if (!small_chain(&sample, &target)) continue;
        struct arena *arena = arena_new(heap);
        enumerate_schedules(heap, &sample, &target, &best);
        group_search(arena, &sample.group, &target, INT64_MAX, true, &found);
        const int64_t key[5] = {found.bytes, found.cost.macs, found.cost.footprint_bytes, found.cost.tiles, -found.schedule.tile[1]};
        chains++;
        feasible += best.any;
        if (found.is_found != best.any || (best.any && memcmp(key, best.key, sizeof key))) {
            print_sample(&sample);
            ck_abort_msg("seed %llu, %lld bytes: found %d %lld %lld %lld %lld %lld, best %d %lld %lld %lld %lld %lld",
                         (unsigned long long)seed, (long long)target.capacity_bytes, found.is_found, (long long)key[0], (long long)key[1],
                         (long long)key[2], (long long)key[3], (long long)key[4], best.any, (long long)best.key[0], (long long)best.key[1],
                         (long long)best.key[2], (long long)best.key[3], (long long)best.key[4]);
        }
        group_search(arena, &sample.group, &target, INT64_MAX, false, &found);
        ck_assert(found.is_found == best.any && (!best.any || found.bytes == best.key[0]));
        if (best.any) {
            group_search(arena, &sample.group, &target, best.key[0], true, &found);
            ck_assert(!found.is_found);
            group_search(arena, &sample.group, &target, best.key[0] + 1, false, &found);
            ck_assert(found.is_found && found.bytes == best.key[0]);
        }
        arena_free(arena);
    }
    printf("seed %llu: %lld chains enumerated, %lld feasible\n", (unsigned long long)seed, (long long)chains, (long long)feasible);
    return STATUS_OK;
}

START_TEST(search_is_enumeration) {
    struct heap heap;
    struct diag diag = {0};
    heap_init(&heap, NULL, 0);
    ck_assert_int_eq(heap_run(&heap, &diag, compare_with_enumeration, &heap), STATUS_OK);
    heap_release(&heap);
}
END_TEST

/* ---- published networks ---- */

static void add_square(struct sample *sample, int64_t channels, int64_t groups, int64_t kernel, int64_t stride, int64_t pad,
                       bool has_weight) {
    const struct group_window window = {kernel, stride, 1, pad};
    const struct group_window both[GROUP_AXES] = {window, window};
    const uint32_t from = sample->group.tensor_count - 1;
    add_member(sample, from, channels ? channels : sample->tensors[from].channels, groups, both, has_weight);
}

static void end_chain(struct sample *sample) {
    sample->tensors[sample->group.tensor_count - 1].is_output = true;
    ck_assert(group_link(&sample->group));
}

static void make_vgg16(struct sample *sample) {
    static const int64_t channels[] = {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0};
    sample_init(sample);
    add_tensor(sample, 3, 224, 224, GROUP_OFF_CHIP);
    for (size_t k = 0; k < sizeof channels / sizeof channels[0]; k++) {
        if (channels[k]) add_square(sample, channels[k], 1, 3, 1, 1, true);
        else add_square(sample, 0, 0, 2, 2, 0, false);
    }
    end_chain(sample);
}

static void make_mobilenet(struct sample *sample) {
    static const int64_t channels[] = {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024};
    static const int64_t strides[] = {1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1};
    sample_init(sample);
    add_tensor(sample, 3, 224, 224, GROUP_OFF_CHIP);
    add_square(sample, 32, 1, 3, 2, 1, true);
    for (size_t k = 0; k < sizeof channels / sizeof channels[0]; k++) {
        add_square(sample, 0, 0, 3, strides[k], 1, true);
        add_square(sample, channels[k], 1, 1, 1, 0, true);
    }
    add_square(sample, 0, 0, 7, 7, 0, false);
    add_square(sample, 1000, 1, 1, 1, 0, true);
    end_chain(sample);
}

static void find_singles(const struct sample *sample, const struct target *target, struct partition_single *singles) {
    struct nest nest;
    struct found found;
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        singles[m] = (struct partition_single){INT64_MAX, INT64_MAX};
        ck_assert(group_nest(&sample->group, m, false, &nest));
        search_plain(&nest, target, &found);
        if (found.is_feasible) singles[m].bytes = traffic_total(&found.traffic);
        if (!group_nest(&sample->group, m, true, &nest)) continue;
        search_plain(&nest, target, &found);
        if (found.is_feasible) singles[m].pooled_bytes = traffic_total(&found.traffic);
    }
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print_part(const struct partition_part *part) {
    const struct group_schedule *schedule = &part->found.schedule;
    printf("    %2u..%-2u %9lld", part->first, part->end - 1, (long long)part->bytes);
    if (part->is_fused)
        printf("  tile %lldx%lld %s overlap %d blocks %lld footprint %lld", (long long)schedule->tile[0], (long long)schedule->tile[1],
               schedule->down_first ? "down" : "right", (int)schedule->overlap, (long long)schedule->out_blocks,
               (long long)part->found.cost.footprint_bytes);
    printf("\n");
}

struct row {
    const char *name;
    void (*make)(struct sample *sample);
    int64_t capacity_bytes, at_most, compulsory;
};
static const struct row rows[] = {
    {"VGG16", make_vgg16, 65536, 70672576, 14886080},          {"VGG16", make_vgg16, 131072, 45726912, 14886080},
    {"VGG16", make_vgg16, 262144, 29483200, 14886080},         {"VGG16", make_vgg16, 1048576, 17294528, 14886080},
    {"MobileNetV1", make_mobilenet, 65536, 7652232, 4360616},  {"MobileNetV1", make_mobilenet, 131072, 5665192, 4360616},
    {"MobileNetV1", make_mobilenet, 262144, 4460968, 4360616}, {"MobileNetV1", make_mobilenet, 1048576, 4360616, 4360616},
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
    const double start = seconds_now();
    partition_chain(arena, &sample.group, &target, singles, &partition);
    const double took = seconds_now() - start;
    printf("%s %lld: layer by layer %lld, partition %lld (floor %lld, %+.2f %%), compulsory %lld, %lld groups searched%s, %.2f s\n",
           row->name, (long long)row->capacity_bytes, (long long)alone, (long long)partition.bytes, (long long)row->at_most,
           100.0 * ((double)partition.bytes / (double)row->at_most - 1), (long long)group_compulsory_bytes(arena, &sample.group),
           (long long)partition.groups_searched, partition.is_cut ? " (cut short)" : "", took);
    if (getenv("SUPERSLASH_PARTS"))
        for (uint32_t i = 0; i < partition.parts.count; i++) print_part(&partition.parts.items[i]);
    ck_assert_int_eq(group_compulsory_bytes(arena, &sample.group), row->compulsory);
    ck_assert_int_ge(partition.bytes, row->compulsory);
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

/* ---- identities ---- */

static status check_identities(void *argument) {
    struct arena *arena = arena_new(argument);
    struct sample sample;
    struct group_cost cost;
    struct group_found found;
    const struct target small = {.capacity_bytes = 65536};
    sample_init(&sample);
    add_tensor(&sample, 3, 224, 224, GROUP_OFF_CHIP);
    for (int k = 0; k < 7; k++) {
        static const int64_t channels[7] = {64, 64, 0, 128, 128, 0, 256};
        if (channels[k]) add_square(&sample, channels[k], 1, 3, 1, 1, true);
        else add_square(&sample, 0, 0, 2, 2, 0, false);
    }
    for (uint32_t t = 0; t < sample.group.tensor_count; t++) sample.tensors[t].bits = 32;
    for (uint32_t m = 0; m < sample.group.member_count; m++) sample.members[m].weight_bits = sample.members[m].partial_bits = 32;
    end_chain(&sample);
    sample.schedule.overlap = OVERLAP_FULL;
    sample.schedule.tile[0] = sample.schedule.tile[1] = 1;
    group_cost(arena, &sample.group, &small, &sample.schedule, &cost);
    ck_assert(cost.is_legal);
    printf("Alwani: input and output %lld, kept %lld\n", (long long)(cost.traffic.input_bytes + cost.traffic.output_bytes),
           (long long)cost.kept_bytes);
    ck_assert_int_eq(cost.traffic.input_bytes + cost.traffic.output_bytes, 4 * (224 * 224 * 3 + 56 * 56 * 256));
    ck_assert_int_eq(cost.kept_bytes, 355680);
    sample_init(&sample);
    add_tensor(&sample, 3, 224, 224, GROUP_OFF_CHIP);
    for (int k = 0; k < 2; k++) add_square(&sample, 64, 1, 3, 1, 1, true);
    for (int k = 0; k < 2; k++) sample.members[k].partial_bits = 8;
    end_chain(&sample);
    group_search(arena, &sample.group, &small, INT64_MAX, true, &found);
    printf("VGG16's first two convolutions at 64 KiB: %lld, footprint %lld\n", (long long)found.bytes,
           (long long)found.cost.footprint_bytes);
    ck_assert(found.is_found && found.bytes <= 3403072 && found.bytes >= 3400384);
    arena_free(arena);
    return STATUS_OK;
}

START_TEST(identities_hold) {
    struct heap heap;
    struct diag diag = {0};
    heap_init(&heap, NULL, 0);
    ck_assert_int_eq(heap_run(&heap, &diag, check_identities, &heap), STATUS_OK);
    heap_release(&heap);
}
END_TEST

/* ---- partition against enumeration ---- */

static void random_chain(struct sample *sample, int64_t members) {
    sample_init(sample);
    add_tensor(sample, from_to(1, 6), from_to(4, 12), from_to(4, 12), GROUP_OFF_CHIP);
    for (int64_t m = 0; m < members; m++) {
        const int64_t plane =
            sample->tensors[m].plane[0] < sample->tensors[m].plane[1] ? sample->tensors[m].plane[0] : sample->tensors[m].plane[1];
        const bool strides = plane >= 4 && one_in(4);
        if (one_in(3)) add_square(sample, 0, 0, 3, strides ? 2 : 1, 1, true);
        else if (plane >= 4 && one_in(4)) add_square(sample, 0, 0, 2, 2, 0, false);
        else add_square(sample, from_to(1, 8), 1, one_in(2) ? 1 : 3, strides ? 2 : 1, 0, true);
        if (sample->members[m].input[0].window[0].kernel == 3 && sample->members[m].input[0].window[0].pad == 0) {
            sample->group.member_count--;
            sample->group.tensor_count--;
            add_square(sample, from_to(1, 8), 1, 3, strides ? 2 : 1, 1, true);
        }
    }
    end_chain(sample);
}

static status check_partitions(void *argument) {
    struct heap *heap = argument;
    int64_t chains = 0, feasible = 0, fused = 0;
    state = seed;
    for (const int64_t wanted = wanted_of("SUPERSLASH_PARTITIONS", 40); chains < wanted; chains++) {
        struct arena *arena = arena_new(heap);
        struct sample sample;
        struct target target;
        struct partition_single singles[MOST_MEMBERS];
        struct partition partition;
        const uint32_t members = (uint32_t)from_to(1, 10);
        int64_t *together = ARENA_ARRAY(arena, int64_t, members * (members + 1));
        random_chain(&sample, members);
        random_target(&target);
        target.is_split = false;
        target.halo_reuse = true;
        target.capacity_bytes = from_to(60, 1500);
        find_singles(&sample, &target, singles);
        for (uint32_t first = 0; first < members; first++)
            for (uint32_t end = first + 1; end <= members; end++) {
                struct group slice;
                struct group_found found;
                int64_t *least = &together[first * (members + 1) + end];
                *least = INT64_MAX;
                if (end == first + 1) *least = singles[first].bytes;
                if (end == first + 2) *least = singles[first].pooled_bytes;
                if (end == first + 1) continue;
                group_slice(arena, &sample.group, first, end, &slice);
                group_search(arena, &slice, &target, INT64_MAX, true, &found);
                if (found.is_found && found.bytes < *least) *least = found.bytes;
            }
        int64_t best = INT64_MAX;
        for (uint32_t cuts = 0; cuts < 1U << (members - 1); cuts++) {
            int64_t bytes = 0;
            uint32_t first = 0;
            for (uint32_t end = 1; end <= members && bytes < INT64_MAX; end++) {
                if (end < members && !(cuts >> (end - 1) & 1)) continue;
                const int64_t part = together[first * (members + 1) + end];
                bytes = part == INT64_MAX ? INT64_MAX : bytes + part;
                first = end;
            }
            if (bytes < best) best = bytes;
        }
        partition_chain(arena, &sample.group, &target, singles, &partition);
        ck_assert_msg(partition.bytes == best, "seed %llu: partition %lld, enumeration %lld", (unsigned long long)seed,
                      (long long)partition.bytes, (long long)best);
        ck_assert(partition.is_feasible == (best < INT64_MAX));
        int64_t sum = 0;
        for (uint32_t i = 0; i < partition.parts.count; i++) {
            const struct partition_part *part = &partition.parts.items[i];
            sum += part->bytes;
            fused += part->is_fused;
            ck_assert(!part->is_fused ||
                      (part->found.is_found && part->found.cost.fits && traffic_total(&part->found.cost.traffic) == part->bytes));
        }
        ck_assert(!partition.is_feasible || sum == best);
        feasible += partition.is_feasible;
        arena_free(arena);
    }
    printf("seed %llu: %lld chains of up to 10 layers, %lld feasible, %lld fused groups\n", (unsigned long long)seed, (long long)chains,
           (long long)feasible, (long long)fused);
    return STATUS_OK;
}

START_TEST(partition_is_enumeration) {
    struct heap heap;
    struct diag diag = {0};
    heap_init(&heap, NULL, 0);
    ck_assert_int_eq(heap_run(&heap, &diag, check_partitions, &heap), STATUS_OK);
    heap_release(&heap);
}
END_TEST

int main(void) {
    const char *given = getenv("SUPERSLASH_SEED");
    if (given) seed = strtoull(given, NULL, 10) | 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create("group");
    TCase *exact = tcase_create("exact");
    tcase_set_timeout(exact, 600);
    tcase_add_test(exact, cost_is_what_the_machine_counts);
    tcase_add_test(exact, search_is_enumeration);
    tcase_add_test(exact, partition_is_enumeration);
    tcase_add_test(exact, identities_hold);
    suite_add_tcase(suite, exact);
    TCase *networks = tcase_create("networks");
    tcase_set_timeout(networks, 600);
    tcase_add_loop_test(networks, networks_reach_the_table, 0, (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, networks);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
