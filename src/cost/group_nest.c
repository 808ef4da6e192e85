/* A member of a network as a loop nest. */
#include "cost/group_parts.h"
#include "cost/partition.h"

static bool group_nest_pool(const struct group *network, uint32_t pool, struct nest *nest) {
    const struct group_member *of = &network->members[pool];
    const struct group_tensor *input = &network->tensors[of->input[0].tensor], *output = &network->tensors[of->output];
    if (of->kernel_elems || of->groups != input->channels || input->channels != output->channels) return false;
    for (int a = 0; a < GROUP_AXES; a++) {
        const struct group_window *window = &of->input[0].window[a];
        if (window->kernel != window->stride || window->dilation != 1 || window->pad) return false;
        nest->axis[1 + a].pool = window->stride;
        nest->axis[1 + a].pooled = output->plane[a];
    }
    nest->bits[OPERAND_O] = output->bits;
    return true;
}

bool group_nest(const struct group *network, uint32_t member, bool with_pool, struct nest *nest) {
    const struct group_member *of = &network->members[member];
    const struct group_tensor *input = &network->tensors[of->input[0].tensor], *output = &network->tensors[of->output];
    if (of->more_parts) return false;
    nest_init(nest);
    nest->size[DIM_N] = network->images;
    nest->size[DIM_G] = of->groups;
    nest->size[DIM_M] = output->channels / of->groups;
    nest->size[DIM_C] = input->channels / of->groups;
    for (int a = 0; a < GROUP_AXES; a++) {
        const struct group_window *window = &of->input[0].window[a];
        nest->size[DIM_OH + a] = output->plane[a];
        nest->axis[1 + a].plane = input->plane[a];
        nest->axis[1 + a].kernel = window->kernel;
        nest->axis[1 + a].stride = window->stride;
        nest->axis[1 + a].dilation = window->dilation;
        nest->axis[1 + a].pad = window->pad;
        nest->axis[1 + a].transposed = window->is_transposed;
        nest->axis[1 + a].pooled = output->plane[a];
    }
    nest->bits[OPERAND_I] = input->bits;
    nest->bits[OPERAND_W] = of->kernel_elems ? of->weight_bits : 0;
    nest->bits[OPERAND_O] = output->bits;
    nest->partial_bits = of->partial_bits;
    nest->has_bias = of->has_bias;
    if (!with_pool) return true;
    if (!of->kernel_elems || member + 1 == network->member_count || output->is_output || output->use_count != 1) return false;
    return network->members[member + 1].input[0].tensor == of->output && group_nest_pool(network, member + 1, nest);
}
