/* A fused group: layers whose tensors stay on the chip, run tile by tile over the plane of the last output (cost-model.md 8).
 *
 * group_link, then group_cost for a schedule that is given, or group_search for the best one. Partition: partition.h.
 * The window of an output is its whole extent, (kernel - 1) dilation + 1 rows, as in section 2: gaps between taps count, gaps between
 * windows do not. Planes are [oh, ow]; a layer on one axis has 1 on the other. */
#ifndef SS_COST_GROUP_H
#define SS_COST_GROUP_H

#include "cost/mapping.h"

enum { GROUP_AXES = 2, GROUP_MAX_INPUTS = 8, GROUP_OFF_CHIP = -1 };

enum group_overlap { OVERLAP_RECOMPUTE, OVERLAP_ROWS, OVERLAP_FULL };

/* Output o touches inputs o stride - pad + [0, (kernel - 1) dilation + 1) that lie in the plane. Stride 0: all outputs touch the same.
 * Transposed (ConvTranspose; a Resize to the nearest, kernel = stride = factor): the inputs i whose i stride - pad + [0, ...) meet o. */
struct group_window {
    int64_t kernel, stride, dilation, pad;
    bool is_transposed;
};

struct group_tensor {
    int64_t channels, plane[GROUP_AXES];
    uint32_t bits;
    int32_t producer; /* a member, or GROUP_OFF_CHIP */
    bool is_output;   /* leaves the chip; with consumers in the group all of it must be touched */
    bool stays; /* on the chip: an external input before the first tile, as far as it is touched; the last output after the last tile */
    uint32_t first_use, last_use, use_count; /* by members in order; group_link */
};

struct group_input {
    uint32_t tensor;
    struct group_window window[GROUP_AXES];
};

/* groups = 1: a layer that mixes all channels. Else group i makes its share of the output's channels from its share of the input's:
 * depthwise, pool, elementwise (groups = channels), grouped convolution. A Concat is no member: inputs 0 to more_parts, one behind the
 * other along the channels and under the same window, are what the layer takes. Inputs after these are taken channel by channel. */
struct group_member {
    uint32_t input_count, more_parts, output;
    struct group_input input[GROUP_MAX_INPUTS];
    int64_t groups;
    int64_t kernel_elems; /* of the weight, per input channel of a group and output channel; 0 = no weight */
    int64_t slope_elems;  /* constants that do not fold, per output channel, at weight width; they go with the bias */
    int64_t macs;         /* per output element */
    uint32_t weight_bits;
    uint32_t partial_bits; /* of an output element being made or unfinished, and of the bias; >= the output's */
    bool has_bias;
    uint32_t operand_bits; /* of an epilogue's operands from off chip, all of them together, per output element; 0 = none */
};

struct group {
    uint32_t tensor_count, member_count;
    struct group_tensor *tensors;
    struct group_member *members; /* in execution order; the last one's output has no consumer here. Other outputs without a consumer here
                                     have its plane, and its tiles. */
    int64_t images;
};

struct group_schedule {
    int64_t tile[GROUP_AXES];
    bool down_first;
    enum group_overlap overlap;
    int64_t out_blocks; /* of ceil(channels / out_blocks) of the last mixing layer; 1 = not blocked */
    int64_t *piece;     /* by member: 0 = the weights stay, else output channels in a piece that streams */
    int64_t *block;     /* by tensor: 0 = held, else channels that pass at a time */
};

struct group_cost {
    struct traffic traffic;            /* operands of epilogues count as input; partial sums never move */
    int64_t footprint_bytes;           /* the largest sum in any step */
    int64_t part_bytes[OPERAND_COUNT]; /* the largest of each in any step */
    int64_t kept_bytes;                /* the largest between two tiles, without weights */
    int64_t macs;
    int64_t tiles;
    bool is_legal, fits;
};

/* Uses, from members. False where the data is not a group: sizes that contradict, an unused tensor, groups that do not divide. */
bool group_link(struct group *group);

/* Channels of what a member takes: of all parts. */
int64_t group_input_channels(const struct group *group, uint32_t member);

/* The last mixing layer; member_count where there is none. */
uint32_t group_last_mixing(const struct group *group);

/* Weights with bias, external inputs as far as they are touched, operands and external outputs, each once. */
int64_t group_compulsory_bytes(struct arena *scratch, const struct group *group);

/* What any schedule moves: the compulsory bytes once; external inputs again with each output block, where it may have any. */
struct group_least {
    int64_t once_bytes, again_bytes;
    bool can_block;
};
struct group_least group_least_moved(struct arena *scratch, const struct group *group);

/* What weights that find no room move besides, at least, without and with output blocks. With members put before the group no less. */
struct group_excess {
    int64_t once_bytes, blocked_bytes;
};
int64_t group_least_bytes(const struct group_least *least, const struct group_excess *excess);

/* Exact, equal to the machine of tests/oracle/group_machine.h. is_legal false where the schedule contradicts section 8. */
void group_cost(struct arena *scratch, const struct group *group, const struct target *target, const struct group_schedule *schedule,
                struct group_cost *cost);

/* The same, and who moves it: weights and operands are their member's, an external input the first one's that takes it, an output the one's
 * that makes it. */
void group_cost_shares(struct arena *scratch, const struct group *group, const struct target *target, const struct group_schedule *schedule,
                       struct group_cost *cost, struct traffic *members);

struct group_found {
    bool is_found;    /* some schedule fits, and moves fewer than `below` bytes */
    bool is_cut;      /* the budget of the search over weights that stay ran out: the best so far */
    bool is_hopeless; /* no tile fits, nor does any with members put before these: of a group that has a mixing layer */
    int64_t bytes;
    struct group_excess excess;
    struct group_schedule schedule;
    struct group_cost cost;
};

/* The best schedule that moves fewer than `below` bytes (README.md 18 says of which); what `found` points to lives in `arena`. with_ties
 * false: any schedule of the least bytes, sooner, and no cost. */
void group_search(struct arena *arena, const struct group *group, const struct target *target, int64_t below, bool with_ties,
                  struct group_found *found);

/* found->is_hopeless, whatever it moves. */
bool group_search_is_hopeless(struct arena *scratch, const struct group *group, const struct target *target);

#endif
