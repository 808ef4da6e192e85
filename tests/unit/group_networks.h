/* Published networks as groups, and what the layer search says of their members. */
#ifndef SS_UNIT_GROUP_NETWORKS_H
#define SS_UNIT_GROUP_NETWORKS_H

#include "cost/search.h"
#include "unit/group_sample.h"

static inline void make_vgg16(struct sample *sample) {
    static const int64_t channels[] = {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0};
    sample_init(sample);
    add_tensor(sample, 3, 224, 224, GROUP_OFF_CHIP);
    for (size_t k = 0; k < sizeof channels / sizeof channels[0]; k++) {
        if (channels[k]) add_square(sample, channels[k], 1, 3, 1, 1, true);
        else add_square(sample, 0, 0, 2, 2, 0, false);
    }
    end_chain(sample);
}

static inline void make_mobilenet(struct sample *sample) {
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

/* A convolution, or with channels 0 a pool, on tensor `from`. */
static inline uint32_t add_square_on(struct sample *sample, uint32_t from, int64_t channels, int64_t kernel, int64_t stride, int64_t pad) {
    const struct group_window window = {kernel, stride, 1, pad, false};
    const struct group_window both[GROUP_AXES] = {window, window};
    add_member(sample, from, channels ? channels : sample->tensors[from].channels, channels ? 1 : 0, both, channels > 0);
    return sample->group.tensor_count - 1;
}

/* The Add of a block joins its last convolution. */
static inline void join_skip(struct sample *sample, uint32_t skip) {
    const struct group_window same = {1, 1, 1, 0, false};
    struct group_member *last = &sample->members[sample->group.member_count - 1];
    last->input[last->input_count++] = (struct group_input){skip, {same, same}};
}

static inline void make_resnet18(struct sample *sample) {
    sample_init(sample);
    add_tensor(sample, 3, 224, 224, GROUP_OFF_CHIP);
    add_square_on(sample, 0, 64, 7, 2, 3);
    uint32_t x = add_square_on(sample, 1, 0, 3, 2, 1);
    for (int64_t block = 0; block < 8; block++) {
        const int64_t channels = 64 << block / 2, stride = block > 0 && block % 2 == 0 ? 2 : 1;
        const uint32_t skip = stride > 1 ? add_square_on(sample, x, channels, 1, stride, 0) : x;
        x = add_square_on(sample, x, channels, 3, stride, 1);
        x = add_square_on(sample, x, channels, 3, 1, 1);
        join_skip(sample, skip);
    }
    add_square_on(sample, x, 0, 7, 7, 0);
    sample->tensors[sample->group.tensor_count - 1].is_output = true;
    group_count_uses(&sample->group);
}

/* Second inputs are read once, whole. */
static inline int64_t operand_bytes(const struct sample *sample, uint32_t member) {
    int64_t bytes = 0;
    for (uint32_t i = 1; i < sample->members[member].input_count; i++) {
        const struct group_tensor *tensor = &sample->tensors[sample->members[member].input[i].tensor];
        bytes += nest_bytes(tensor->channels * tensor->plane[0] * tensor->plane[1], tensor->bits);
    }
    return bytes;
}

typedef void (*search_function)(const struct nest *nest, const struct target *target, struct found *found);

static inline void find_singles_by(search_function search, const struct sample *sample, const struct target *target,
                                   struct partition_single *singles) {
    struct nest nest;
    struct found found;
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        const int64_t beside = operand_bytes(sample, m);
        singles[m] = (struct partition_single){INT64_MAX, INT64_MAX, 2};
        ck_assert(group_nest(&sample->group, m, false, &nest));
        search(&nest, target, &found);
        if (found.is_feasible) singles[m].bytes = traffic_total(&found.traffic) + beside;
        if (!group_nest(&sample->group, m, true, &nest)) continue;
        search(&nest, target, &found);
        if (found.is_feasible) singles[m].pooled_bytes = traffic_total(&found.traffic) + beside;
    }
}

static inline void find_singles(const struct sample *sample, const struct target *target, struct partition_single *singles) {
    find_singles_by(search_plain, sample, target, singles);
}

static inline void set_widths(struct sample *sample, uint32_t bits, uint32_t partial_bits) {
    for (uint32_t t = 0; t < sample->group.tensor_count; t++) sample->tensors[t].bits = bits;
    for (uint32_t m = 0; m < sample->group.member_count; m++) {
        sample->members[m].weight_bits = bits;
        sample->members[m].partial_bits = sample->members[m].kernel_elems ? partial_bits : bits;
    }
}

#endif
