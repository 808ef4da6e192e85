/* Fused groups: cost against the machine, search against enumeration, on random groups; known identities. */
#include "cost/group_parts.h"
#include "oracle/group_machine.h"
#include "unit/group_sample.h"

/* ---- cost against the machine ---- */

struct counts {
    int64_t executed, overlap[3], down, streams, passing, sums, blocked, branchy, parts, doubled, split, batch, staying, concats, ends,
        transposed, slopes;
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
    bool stays = false;
    for (uint32_t t = 0; t < group->tensor_count; t++) stays |= group->tensors[t].stays;
    bool concats = false, transposed = false, slopes = false;
    uint32_t ends = 0;
    for (uint32_t m = 0; m < group->member_count; m++) {
        concats |= group->members[m].more_parts > 0;
        slopes |= group->members[m].slope_elems > 0;
        ends += group->tensors[group->members[m].output].use_count == 0;
        for (int a = 0; a < GROUP_AXES; a++) transposed |= group->members[m].input[0].window[a].is_transposed;
    }
    counts->concats += concats;
    counts->transposed += transposed;
    counts->slopes += slopes;
    counts->ends += ends > 1;
    counts->staying += stays;
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
        printf("  tensor %u: %lld x %lld x %lld, made by %d, uses %u, output %d, stays %d, block %lld\n", t,
               (long long)sample->tensors[t].channels, (long long)sample->tensors[t].plane[0], (long long)sample->tensors[t].plane[1],
               sample->tensors[t].producer, sample->tensors[t].use_count, sample->tensors[t].is_output, sample->tensors[t].stays,
               (long long)sample->block[t]);
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

static bool is_same(const struct group_cost *cost, const struct group_machine_run *run) {
    bool same = run->is_sound && !memcmp(&cost->traffic, &run->traffic, sizeof run->traffic) && cost->macs == run->macs &&
                cost->kept_bytes == run->kept_bytes;
    for (int k = 0; k < OPERAND_COUNT; k++) same = same && cost->part_bytes[k] == run->part_bytes[k];
    return same && cost->footprint_bytes == run->footprint_bytes;
}

static void check_schedule(struct arena *arena, const struct sample *sample, const struct target *target, struct counts *counts) {
    struct group_cost cost;
    struct group_machine_run run;
    group_cost(arena, &sample->group, target, &sample->schedule, &cost);
    if (!cost.is_legal) return;
    group_machine_execute(&sample->group, target, &sample->schedule, &run);
    if (!is_same(&cost, &run)) {
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
        "turns %lld, output blocks %lld, branches %lld, parts of bytes %lld, double %lld, split %lld, batch %lld, staying boundaries "
        "%lld, Concats %lld, several ends %lld, transposed %lld, slopes %lld\n",
        (unsigned long long)seed, (long long)counts.executed, (long long)counts.overlap[0], (long long)counts.overlap[1],
        (long long)counts.overlap[2], (long long)counts.down, (long long)counts.streams, (long long)counts.passing, (long long)counts.sums,
        (long long)counts.blocked, (long long)counts.branchy, (long long)counts.parts, (long long)counts.doubled, (long long)counts.split,
        (long long)counts.batch, (long long)counts.staying, (long long)counts.concats, (long long)counts.ends, (long long)counts.transposed,
        (long long)counts.slopes);
    ck_assert_int_ge(counts.sums, wanted / 40);
    ck_assert_int_ge(counts.blocked, wanted / 100);
    ck_assert_int_ge(counts.staying, wanted / 10);
    ck_assert_int_ge(counts.concats, wanted / 100);
    ck_assert_int_ge(counts.ends, wanted / 100);
    ck_assert_int_ge(counts.transposed, wanted / 20);
    ck_assert_int_ge(counts.slopes, wanted / 20);
    return STATUS_OK;
}

START_TEST(cost_is_what_the_machine_counts) { in_heap(compare_with_machine); }
END_TEST

/* ---- search against enumeration ---- */

struct best {
    bool any;
    int64_t key[5]; /* bytes, MACs, footprint, tiles, -t_ow */
    struct sample sample;
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
    best->sample = *sample;
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
                is_needless |= sample->piece[m] && !group->members[m].kernel_elems && !group->members[m].slope_elems;
            }
            for (uint32_t t = 0; t < group->tensor_count; t++, rest /= 4) sample->block[t] = sizes[rest % 4];
            if (!is_needless) offer_schedule(heap, sample, target, best);
        }
}

static void enumerate_schedules(struct heap *heap, struct sample *sample, const struct target *target, struct best *best) {
    const int64_t *plane = sample->tensors[sample->members[sample->group.member_count - 1].output].plane;
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

/* A group that enumeration can take, on a target that it barely fits or fits with room. */
static bool small_group(struct sample *sample, struct target *target, bool is_chain) {
    if (!random_group(sample, is_chain) || sample->group.member_count > 3 || sample->group.tensor_count > 5) return false;
    const int64_t *plane = sample->tensors[sample->members[sample->group.member_count - 1].output].plane;
    bool is_branchy = sample->group.tensor_count > sample->group.member_count + 1;
    if (plane[0] * plane[1] > (sample->group.tensor_count > 4 ? 4 : 12)) return false;
    random_target(target);
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        const struct group_member *member = &sample->members[m];
        is_branchy |= member->input_count > 1 || sample->tensors[member->output].use_count > 1;
        if (member->weight_bits % 8 || member->partial_bits % 8) return false;
        if (member->groups == 2 || sample->tensors[member->output].channels > 10) return false;
    }
    target->capacity_bytes = from_to(20, 400);
    for (int k = 0; k < OPERAND_COUNT; k++) target->partition_bytes[k] = from_to(5, 150);
    return is_chain || is_branchy;
}

/* No output depends on some member: whether it runs at all is a matter of hulls, and the search does not follow that. */
static bool has_idle_member(struct arena *arena, const struct group *group) {
    bool is_idle = false;
    for (uint32_t a = 0; a < GROUP_AXES; a++) {
        int64_t *touched = ARENA_ARRAY(arena, int64_t, group->tensor_count);
        group_depend(arena, group, a, touched);
        for (uint32_t m = 0; m < group->member_count; m++) is_idle |= !touched[group->members[m].output];
    }
    return is_idle;
}

struct compared {
    int64_t groups, feasible, apart; /* apart: more bytes than the best */
    double worst;
};

static void check_search(struct arena *arena, const struct sample *sample, const struct target *target, const struct best *best,
                         bool is_chain, struct compared *compared) {
    struct group_found found;
    group_search(arena, &sample->group, target, INT64_MAX, true, &found);
    const int64_t key[5] = {found.bytes, found.cost.macs, found.cost.footprint_bytes, found.cost.tiles, -found.schedule.tile[1]};
    compared->groups++;
    compared->feasible += best->any;
    if (!is_chain && best->any && found.is_found && found.bytes > best->key[0]) {
        const double ratio = (double)found.bytes / (double)best->key[0];
        compared->apart++;
        if (ratio > compared->worst) compared->worst = ratio;
    }
    /* of a split capacity the footprint is no tie that the search breaks */
    const size_t kept = !is_chain ? 1 : target->is_split ? 2 : 5;
    if (found.is_found != best->any || (best->any && memcmp(key, best->key, kept * sizeof key[0]) != 0)) {
        print_sample(&best->sample);
        ck_abort_msg("seed %llu, %lld bytes: found %d %lld %lld %lld %lld %lld, best %d %lld %lld %lld %lld %lld", (unsigned long long)seed,
                     (long long)target->capacity_bytes, found.is_found, (long long)key[0], (long long)key[1], (long long)key[2],
                     (long long)key[3], (long long)key[4], best->any, (long long)best->key[0], (long long)best->key[1],
                     (long long)best->key[2], (long long)best->key[3], (long long)best->key[4]);
    }
    const int64_t bytes = found.bytes;
    group_search(arena, &sample->group, target, INT64_MAX, false, &found);
    ck_assert(found.is_found == best->any && (!best->any || found.bytes == bytes));
    if (!best->any) return;
    group_search(arena, &sample->group, target, bytes, true, &found);
    ck_assert(!found.is_found);
    group_search(arena, &sample->group, target, bytes + 1, false, &found);
    if (!found.is_found || found.bytes != bytes) print_sample(sample);
    ck_assert_msg(found.is_found && found.bytes == bytes, "seed %llu: %lld bytes asked for, %d %lld found", (unsigned long long)seed,
                  (long long)bytes, found.is_found, (long long)found.bytes);
}

static void compare_groups(struct heap *heap, bool is_chain, int64_t wanted) {
    struct sample sample;
    struct target target;
    struct compared compared = {.worst = 1};
    while (compared.groups < wanted) {
        struct best best;
        if (!small_group(&sample, &target, is_chain)) continue;
        struct arena *arena = arena_new(heap);
        if (!is_chain && has_idle_member(arena, &sample.group)) {
            arena_free(arena);
            continue;
        }
        enumerate_schedules(heap, &sample, &target, &best);
        check_search(arena, &sample, &target, &best, is_chain, &compared);
        arena_free(arena);
    }
    printf("seed %llu: %lld %s enumerated, %lld feasible, %lld not at the best, at most %.4f times it\n", (unsigned long long)seed,
           (long long)compared.groups, is_chain ? "chains" : "groups with branches", (long long)compared.feasible,
           (long long)compared.apart, compared.worst);
}

static status compare_with_enumeration(void *argument) {
    state = seed;
    compare_groups(argument, true, wanted_of("SUPERSLASH_CHAINS", 20));
    compare_groups(argument, false, wanted_of("SUPERSLASH_BRANCHES", 12));
    return STATUS_OK;
}

START_TEST(search_is_enumeration) { in_heap(compare_with_enumeration); }
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

START_TEST(identities_hold) { in_heap(check_identities); }
END_TEST

static TCase *fill(TCase *cases) {
    tcase_add_test(cases, cost_is_what_the_machine_counts);
    tcase_add_test(cases, search_is_enumeration);
    tcase_add_test(cases, identities_hold);
    return cases;
}

int main(void) { return run_case(fill, "group"); }
