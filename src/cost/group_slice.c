/* Slices of a network, their joins, and what comes from off the chip. */
#include "cost/group_slice.h"

#include <string.h>

#include "cost/group_parts.h"

void group_count_uses(struct group *network) {
    for (uint32_t t = 0; t < network->tensor_count; t++)
        network->tensors[t].use_count = network->tensors[t].first_use = network->tensors[t].last_use = 0;
    for (uint32_t m = 0; m < network->member_count; m++)
        for (uint32_t i = 0; i < network->members[m].input_count; i++) {
            struct group_tensor *tensor = &network->tensors[network->members[m].input[i].tensor];
            if (tensor->use_count++ == 0) tensor->first_use = m;
            tensor->last_use = m;
        }
}

struct slicing {
    struct arena *arena;
    const struct group *network;
    uint32_t first, end, spilled, stays;
    struct group_slice *slice;
};

static bool slice_makes(const struct slicing *slicing, uint32_t tensor) {
    return slicing->network->tensors[tensor].producer >= (int32_t)slicing->first;
}

static uint32_t slice_uses(const struct slicing *slicing, uint32_t tensor) {
    uint32_t uses = 0;
    for (uint32_t m = slicing->first; m < slicing->end; m++)
        for (uint32_t i = 0; i < slicing->network->members[m].input_count; i++)
            uses += slicing->network->members[m].input[i].tensor == tensor;
    return uses;
}

/* A second input of which an output element takes the element at its own place. */
static bool slice_is_operand(const struct slicing *slicing, uint32_t member, uint32_t input) {
    const struct group_member *of = &slicing->network->members[member];
    if (input <= of->more_parts || of->input[input].tensor == slicing->stays) return false;
    for (int a = 0; a < GROUP_AXES; a++) {
        const struct group_window *window = &of->input[input].window[a];
        if (window->kernel != 1 || window->stride != 1 || window->pad || window->is_transposed) return false;
    }
    return true;
}

/* Whether the operand comes from off the chip, element by element. Counts joins. */
static bool slice_streams(const struct slicing *slicing, uint32_t member, uint32_t input) {
    const uint32_t tensor = slicing->network->members[member].input[input].tensor;
    if (slice_makes(slicing, tensor) || !slice_is_operand(slicing, member, input)) return false;
    if (slice_uses(slicing, tensor) == 1) return true;
    if (slicing->slice->join_count == SLICE_MOST_JOINS) return false;
    return slicing->spilled >> slicing->slice->join_count++ & 1;
}

/* The slice's number of a tensor of the network. */
static uint32_t slice_tensor(const struct slicing *slicing, uint32_t tensor) {
    struct group_slice *slice = slicing->slice;
    for (uint32_t t = slice->group.tensor_count; t-- > 0;)
        if (slice->tensors[t] == tensor) return t;
    const struct group_tensor *from = &slicing->network->tensors[tensor];
    struct group_tensor *to = &slice->group.tensors[slice->group.tensor_count];
    *to = *from;
    to->stays = false;
    to->producer = slice_makes(slicing, tensor) ? from->producer - (int32_t)slicing->first : GROUP_OFF_CHIP;
    to->is_output = slice_makes(slicing, tensor) && (from->is_output || (from->use_count && from->last_use >= slicing->end));
    slice->tensors[slice->group.tensor_count] = tensor;
    return slice->group.tensor_count++;
}

static void slice_add_operand(const struct slicing *slicing, uint32_t member, uint32_t tensor) {
    struct group_slice *slice = slicing->slice;
    const struct group_operand operand = {member, tensor};
    array_push(slicing->arena, &slice->operands, operand);
    slice->group.members[member].operand_bits += slicing->network->tensors[tensor].bits;
}

static void slice_add_member(const struct slicing *slicing, uint32_t from) {
    struct group_slice *slice = slicing->slice;
    const struct group_member *of = &slicing->network->members[from];
    const uint32_t member = from - slicing->first;
    struct group_member *to = &slice->group.members[member];
    *to = *of;
    to->input_count = 0;
    for (uint32_t i = 0; i < of->input_count; i++) {
        if (slice_streams(slicing, from, i)) {
            slice_add_operand(slicing, member, of->input[i].tensor);
            continue;
        }
        to->input[to->input_count] = of->input[i];
        to->input[to->input_count++].tensor = slice_tensor(slicing, of->input[i].tensor);
    }
    to->output = slice_tensor(slicing, of->output);
}

bool group_slice_make(struct arena *arena, const struct group *network, uint32_t first, uint32_t end, uint32_t spilled, uint32_t stays,
                      struct group_slice *slice) {
    const struct slicing slicing = {arena, network, first, end, spilled, stays, slice};
    uint32_t most = 0;
    for (uint32_t m = first; m < end; m++) most += network->members[m].input_count + 1;
    *slice = (struct group_slice){.group = {.member_count = end - first, .images = network->images}};
    slice->tensors = ARENA_ARRAY(arena, uint32_t, most);
    slice->group.tensors = ARENA_ARRAY(arena, struct group_tensor, most);
    slice->group.members = ARENA_ARRAY(arena, struct group_member, end - first);
    for (uint32_t m = first; m < end; m++) slice_add_member(&slicing, m);
    return group_link(&slice->group);
}
