/* Groups and schedules made by hand and at random. */
#ifndef SS_UNIT_GROUP_SAMPLE_H
#define SS_UNIT_GROUP_SAMPLE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cost/partition.h"

/* ---- random ---- */

static uint64_t seed = 20261124;
static uint64_t state;

static inline uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(2685821657736338717) >> 16;
}

static inline int64_t from_to(int64_t from, int64_t to) { return from + (int64_t)(next_random() % (uint64_t)(to - from + 1)); }
static inline bool one_in(int64_t times) { return from_to(1, times) == 1; }

enum { MOST_MEMBERS = 32, MOST_TENSORS = 33 };

/* A group and a schedule with room. */
struct sample {
    struct group group;
    struct group_tensor tensors[MOST_TENSORS];
    struct group_member members[MOST_MEMBERS];
    struct group_schedule schedule;
    int64_t piece[MOST_MEMBERS], block[MOST_TENSORS];
};

static inline struct group_tensor *add_tensor(struct sample *sample, int64_t channels, int64_t height, int64_t width, int32_t producer) {
    struct group_tensor *tensor = &sample->tensors[sample->group.tensor_count++];
    *tensor = (struct group_tensor){.channels = channels, .plane = {height, width}, .bits = 8, .producer = producer};
    return tensor;
}

static inline void sample_init(struct sample *sample) {
    memset(sample, 0, sizeof *sample);
    sample->group = (struct group){.tensors = sample->tensors, .members = sample->members, .images = 1};
    sample->schedule = (struct group_schedule){.piece = sample->piece, .block = sample->block, .out_blocks = 1};
}

static inline int64_t outputs_of(const struct group_window *window, int64_t plane) {
    const int64_t extent = (window->kernel - 1) * window->dilation + 1;
    if (window->is_transposed) return (plane - 1) * window->stride + extent - 2 * window->pad;
    return (plane + 2 * window->pad - extent) / window->stride + 1;
}

/* A member that reads tensor `from` and makes a new one. groups 0 = as many as channels. */
static inline void add_member(struct sample *sample, uint32_t from, int64_t channels, int64_t groups,
                              const struct group_window window[GROUP_AXES], bool has_weight) {
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

static inline void random_window(struct group_window *window, int64_t plane) {
    *window = (struct group_window){from_to(1, 3), one_in(3) ? from_to(1, 3) : 1, one_in(6) ? 2 : 1, 0, false};
    if (one_in(10)) *window = (struct group_window){plane, plane, 1, 0, false};
    if (one_in(2)) window->pad = from_to(0, window->kernel);
    if (plane <= 6 && one_in(6)) window->is_transposed = true;
    if (outputs_of(window, plane) < 1 || outputs_of(window, plane) > 24) *window = (struct group_window){1, 1, 1, 0, false};
}

static inline void random_operand(struct sample *sample) {
    struct group_member *member = &sample->members[sample->group.member_count - 1];
    const struct group_tensor *output = &sample->tensors[member->output];
    const struct group_window same = {1, 1, 1, 0, false}, gate = {1, 0, 1, 0, false};
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

static inline void random_member(struct sample *sample, uint32_t from) {
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
    if (one_in(8)) member->slope_elems = from_to(1, 2);
}

/* What the last member takes goes on with the channels of another tensor of that plane. */
static inline void random_part(struct sample *sample) {
    struct group_member *member = &sample->members[sample->group.member_count - 1];
    const struct group_tensor *first = &sample->tensors[member->input[0].tensor];
    if (member->input_count > 1 || (member->groups > 1 && member->groups != first->channels)) return;
    uint32_t tensor = sample->group.tensor_count;
    for (uint32_t t = 0; t < sample->group.tensor_count - 1; t++)
        if (!memcmp(sample->tensors[t].plane, first->plane, sizeof first->plane) && one_in(2)) tensor = t;
    if (tensor == sample->group.tensor_count) add_tensor(sample, from_to(1, 3), first->plane[0], first->plane[1], GROUP_OFF_CHIP);
    member->input[member->input_count++] = (struct group_input){tensor, {member->input[0].window[0], member->input[0].window[1]}};
    member->more_parts = 1;
    const int64_t channels = sample->tensors[member->input[0].tensor].channels + sample->tensors[tensor].channels;
    struct group_tensor *output = &sample->tensors[member->output];
    if (member->groups > 1) output->channels = channels * (output->channels / member->groups);
    if (member->groups > 1) member->groups = channels;
}

/* An end beside the last output: made of the last input of the group. */
static inline void random_end(struct sample *sample) {
    struct group_member *last = &sample->members[sample->group.member_count - 1];
    const uint32_t m = sample->group.member_count++;
    struct group_member *member = &sample->members[m];
    *member = *last;
    member->input_count = 1;
    member->more_parts = 0;
    member->groups = 1;
    member->output = sample->group.tensor_count;
    const struct group_tensor *other = &sample->tensors[last->output];
    add_tensor(sample, from_to(1, 4), other->plane[0], other->plane[1], (int32_t)m)->is_output = true;
}

static inline void random_widths(struct sample *sample) {
    static const uint32_t widths[][3] = {{8, 8, 32}, {8, 8, 8}, {16, 8, 16}, {4, 4, 12}, {1, 3, 5}, {5, 2, 16}};
    const uint32_t *bits = widths[one_in(5) ? from_to(3, 5) : from_to(0, 2)];
    for (uint32_t t = 0; t < sample->group.tensor_count; t++) sample->tensors[t].bits = bits[0];
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        sample->members[m].weight_bits = bits[1];
        sample->members[m].partial_bits = sample->members[m].kernel_elems ? bits[2] : bits[0];
        if (sample->members[m].operand_bits) sample->members[m].operand_bits = bits[0];
    }
}

static inline bool random_group(struct sample *sample, bool is_chain) {
    sample_init(sample);
    add_tensor(sample, from_to(1, 4), one_in(6) ? from_to(9, 24) : from_to(1, 8), from_to(1, 8), GROUP_OFF_CHIP);
    const int64_t members = from_to(1, 4);
    uint32_t from = 0;
    for (int64_t m = 0; m < members; m++) {
        random_member(sample, from);
        from = sample->members[m].output;
        if (!is_chain && one_in(4)) random_part(sample);
        if (!is_chain && one_in(2)) random_operand(sample);
    }
    sample->tensors[from].is_output = true;
    if (!is_chain && one_in(5)) random_end(sample);
    if (!is_chain && one_in(4)) sample->tensors[sample->members[from_to(0, members - 1)].output].is_output = true;
    sample->group.images = one_in(8) ? 2 : 1;
    if (one_in(4)) sample->tensors[from].stays = true;
    for (uint32_t t = 0; t < sample->group.tensor_count; t++)
        if (sample->tensors[t].producer == GROUP_OFF_CHIP && one_in(4)) sample->tensors[t].stays = true;
    random_widths(sample);
    return group_link(&sample->group);
}

static inline void random_schedule(struct sample *sample) {
    const struct group *group = &sample->group;
    const int64_t *plane = group->tensors[group->members[group->member_count - 1].output].plane;
    struct group_schedule *schedule = &sample->schedule;
    for (int a = 0; a < GROUP_AXES; a++) schedule->tile[a] = one_in(4) ? plane[a] : from_to(1, plane[a]);
    schedule->down_first = one_in(2);
    schedule->overlap = (enum group_overlap)from_to(OVERLAP_RECOMPUTE, OVERLAP_FULL);
    schedule->out_blocks = one_in(4) ? from_to(1, 4) : 1;
    for (uint32_t m = 0; m < group->member_count; m++)
        schedule->piece[m] = (group->members[m].kernel_elems || group->members[m].slope_elems) && one_in(2) ? from_to(1, 2) : 0;
    const bool passes = !one_in(3);
    const int64_t block = one_in(2) ? 1 : from_to(1, 3);
    for (uint32_t t = 0; t < group->tensor_count; t++) schedule->block[t] = passes && one_in(2) ? block : 0;
}

static inline void random_target(struct target *target) {
    memset(target, 0, sizeof *target);
    target->is_split = one_in(4);
    for (int k = 0; k < OPERAND_COUNT; k++) target->double_buffer[k] = one_in(4);
    target->capacity_bytes = 1 << 20;
}

static inline void add_square(struct sample *sample, int64_t channels, int64_t groups, int64_t kernel, int64_t stride, int64_t pad,
                              bool has_weight) {
    const struct group_window window = {kernel, stride, 1, pad, false};
    const struct group_window both[GROUP_AXES] = {window, window};
    const uint32_t from = sample->group.tensor_count - 1;
    add_member(sample, from, channels ? channels : sample->tensors[from].channels, groups, both, has_weight);
}

static inline void end_chain(struct sample *sample) {
    sample->tensors[sample->group.tensor_count - 1].is_output = true;
    ck_assert(group_link(&sample->group));
}

static inline int64_t wanted_of(const char *variable, int64_t otherwise) {
    const char *given = getenv(variable);
    return given ? strtoll(given, NULL, 10) : otherwise;
}

/* Runs a test's body in a heap of its own. */
static inline void in_heap(status (*body)(void *argument)) {
    struct heap heap;
    struct diag diag = {0};
    heap_init(&heap, NULL, 0);
    ck_assert_int_eq(heap_run(&heap, &diag, body, &heap), STATUS_OK);
    heap_release(&heap);
}

static inline int run_case(TCase *(*fill)(TCase *cases), const char *name) {
    const char *given = getenv("SUPERSLASH_SEED");
    if (given) seed = strtoull(given, NULL, 10) | 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create("exact");
    tcase_set_timeout(cases, 600);
    suite_add_tcase(suite, fill(cases));
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
