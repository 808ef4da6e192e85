/* The data of a group: uses, sizes, what it moves at least. */
#include "cost/group.h"

#include <string.h>

#include "cost/group_parts.h"

int64_t group_input_channels(const struct group *group, uint32_t member) {
    const struct group_member *of = &group->members[member];
    int64_t channels = 0;
    for (uint32_t i = 0; i <= of->more_parts; i++) channels += group->tensors[of->input[i].tensor].channels;
    return channels;
}

bool group_same_window(const struct group_window *a, const struct group_window *b) {
    return a->kernel == b->kernel && a->stride == b->stride && a->dilation == b->dilation && a->pad == b->pad &&
           a->is_transposed == b->is_transposed;
}

static bool group_same_windows(const struct group_input *a, const struct group_input *b) {
    for (int axis = 0; axis < GROUP_AXES; axis++)
        if (!group_same_window(&a->window[axis], &b->window[axis])) return false;
    return true;
}

static bool group_link_input(struct group *group, uint32_t member, uint32_t input) {
    const struct group_member *of = &group->members[member];
    if (of->input[input].tensor >= group->tensor_count) return false;
    struct group_tensor *tensor = &group->tensors[of->input[input].tensor];
    if (tensor->producer >= (int32_t)member) return false;
    if (input > of->more_parts && tensor->channels != group->tensors[of->output].channels) return false;
    if (input <= of->more_parts && !group_same_windows(&of->input[0], &of->input[input])) return false;
    if (tensor->use_count++ == 0) tensor->first_use = member;
    tensor->last_use = member;
    return true;
}

static bool group_link_member(struct group *group, uint32_t member) {
    const struct group_member *of = &group->members[member];
    if (of->output >= group->tensor_count || group->tensors[of->output].producer != (int32_t)member) return false;
    if (of->input_count < 1 + of->more_parts || of->input_count > GROUP_MAX_INPUTS || of->groups < 1) return false;
    for (uint32_t i = 0; i < of->input_count; i++)
        if (!group_link_input(group, member, i)) return false;
    if (group_input_channels(group, member) % of->groups || group->tensors[of->output].channels % of->groups) return false;
    return of->partial_bits >= group->tensors[of->output].bits;
}

/* Used, or an output that is tiled as the last one is. */
static bool group_link_ends(const struct group *group, const struct group_tensor *tensor) {
    const int64_t *plane = group->tensors[group_last_output(group)].plane;
    const bool is_last = tensor->producer == (int32_t)group->member_count - 1;
    if (tensor->producer == GROUP_OFF_CHIP) return tensor->use_count > 0 && !tensor->is_output;
    if (tensor->use_count) return !is_last && !tensor->stays;
    return tensor->is_output && tensor->plane[0] == plane[0] && tensor->plane[1] == plane[1];
}

bool group_link(struct group *group) {
    if (group->member_count < 1 || group->images < 1) return false;
    for (uint32_t t = 0; t < group->tensor_count; t++)
        group->tensors[t].use_count = group->tensors[t].first_use = group->tensors[t].last_use = 0;
    for (uint32_t m = 0; m < group->member_count; m++)
        if (!group_link_member(group, m)) return false;
    for (uint32_t t = 0; t < group->tensor_count; t++)
        if (!group_link_ends(group, &group->tensors[t])) return false;
    return true;
}

uint32_t group_last_mixing(const struct group *group) {
    for (uint32_t m = group->member_count; m-- > 0;)
        if (group_mixes(&group->members[m])) return m;
    return group->member_count;
}

int64_t group_stay_bytes(const struct group *group, uint32_t member) {
    return group_piece_bytes(group, member, group->tensors[group->members[member].output].channels, group_input_channels(group, member),
                             true);
}

bool group_whole_bytes(const struct group *group) {
    uint32_t bits = 0;
    for (uint32_t t = 0; t < group->tensor_count; t++) bits |= group->tensors[t].bits;
    for (uint32_t m = 0; m < group->member_count; m++) {
        const struct group_member *of = &group->members[m];
        bits |= of->partial_bits | of->operand_bits | (group_has_weights(of) ? of->weight_bits : 0);
    }
    return bits % 8 == 0;
}

/* Channels from the output of member `from` on become as many as its block has. */
void group_narrow(struct arena *arena, const struct group *group, uint32_t from, int64_t channels, struct group *narrow) {
    *narrow = *group;
    if (from >= group->member_count || channels == group->tensors[group->members[from].output].channels) return;
    narrow->tensors = ARENA_ARRAY(arena, struct group_tensor, group->tensor_count);
    narrow->members = ARENA_ARRAY(arena, struct group_member, group->member_count);
    memcpy(narrow->tensors, group->tensors, group->tensor_count * sizeof group->tensors[0]);
    memcpy(narrow->members, group->members, group->member_count * sizeof group->members[0]);
    narrow->tensors[group->members[from].output].channels = channels;
    for (uint32_t m = from + 1; m < group->member_count; m++) {
        struct group_member *of = &narrow->members[m];
        const int64_t all = group_input_channels(group, m), now = group_input_channels(narrow, m);
        of->groups = now / (all / of->groups);
        narrow->tensors[of->output].channels = group->tensors[of->output].channels / group->members[m].groups * of->groups;
    }
}

/* ---- bounds ---- */

const int64_t *group_touched_elems(struct arena *scratch, const struct group *group) {
    int64_t *along[GROUP_AXES];
    for (uint32_t a = 0; a < GROUP_AXES; a++) {
        along[a] = ARENA_ARRAY(scratch, int64_t, group->tensor_count);
        group_depend(scratch, group, a, along[a]);
    }
    for (uint32_t t = 0; t < group->tensor_count; t++) along[0][t] *= along[1][t];
    return along[0];
}

static int64_t group_compulsory(const struct group *group, const int64_t *touched) {
    int64_t weights = 0, moved = 0;
    for (uint32_t m = 0; m < group->member_count; m++)
        if (touched[group->members[m].output]) weights += group_stay_bytes(group, m);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *tensor = &group->tensors[t];
        const int64_t elems = touched[t] * tensor->channels;
        if (!tensor->stays && (tensor->is_output || tensor->producer == GROUP_OFF_CHIP)) moved += nest_bytes(elems, tensor->bits);
        if (tensor->producer != GROUP_OFF_CHIP) moved += nest_bytes(elems, group->members[tensor->producer].operand_bits);
    }
    return weights + group->images * moved;
}

int64_t group_compulsory_bytes(struct arena *scratch, const struct group *group) {
    return group_compulsory(group, group_touched_elems(scratch, group));
}

bool group_ends_by_channels(const struct group *group) {
    const uint32_t mixing = group_last_mixing(group);
    for (uint32_t m = mixing; m < group->member_count; m++) {
        const struct group_member *of = &group->members[m];
        for (uint32_t i = m == mixing ? 1 + of->more_parts : 0; i < of->input_count; i++)
            if (group->tensors[of->input[i].tensor].producer < (int32_t)mixing) return false;
        if (m == mixing) continue;
        if (of->more_parts || group_input_channels(group, m) != of->groups || group->tensors[of->output].channels != of->groups)
            return false;
    }
    return mixing < group->member_count;
}

bool group_can_block(const struct group *group) {
    for (uint32_t t = 0; t < group->tensor_count; t++)
        if (group->tensors[t].stays || (group->tensors[t].is_output && t != group_last_output(group))) return false;
    return group_ends_by_channels(group);
}

struct group_least group_least_moved(struct arena *scratch, const struct group *group) {
    const int64_t *touched = group_touched_elems(scratch, group);
    struct group_least least = {.once_bytes = group_compulsory(group, touched), .can_block = group_can_block(group)};
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *of = &group->tensors[t];
        if (of->producer == GROUP_OFF_CHIP && !of->stays)
            least.again_bytes += group->images * nest_bytes(touched[t] * of->channels, of->bits);
    }
    return least;
}

int64_t group_least_bytes(const struct group_least *least, const struct group_excess *excess) {
    const int64_t once = least->once_bytes + excess->once_bytes;
    return least->can_block ? group_least(once, least->once_bytes + least->again_bytes + excess->blocked_bytes) : once;
}
