/* best[end] = min over first of best[first] + what members [first, end) move together. A group is searched only for less than is known. */
#include "cost/partition.h"

#include <string.h>

#include "cost/group_parts.h"

void group_slice(struct arena *arena, const struct group *chain, uint32_t first, uint32_t end, struct group *slice) {
    *slice = (struct group){.tensor_count = end - first + 1, .member_count = end - first, .images = chain->images};
    slice->tensors = ARENA_ARRAY(arena, struct group_tensor, slice->tensor_count);
    slice->members = ARENA_ARRAY(arena, struct group_member, slice->member_count);
    memcpy(slice->tensors, chain->tensors + first, slice->tensor_count * sizeof slice->tensors[0]);
    memcpy(slice->members, chain->members + first, slice->member_count * sizeof slice->members[0]);
    for (uint32_t t = 0; t < slice->tensor_count; t++) {
        slice->tensors[t].producer = t ? (int32_t)t - 1 : GROUP_OFF_CHIP;
        slice->tensors[t].is_output = t + 1 == slice->tensor_count;
    }
    for (uint32_t m = 0; m < slice->member_count; m++) {
        slice->members[m].input[0].tensor = m;
        slice->members[m].output = m + 1;
    }
    group_link(slice);
}

static bool group_nest_pool(const struct group *chain, uint32_t pool, struct nest *nest) {
    const struct group_member *of = &chain->members[pool];
    const struct group_tensor *input = &chain->tensors[pool], *output = &chain->tensors[pool + 1];
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

bool group_nest(const struct group *chain, uint32_t member, bool with_pool, struct nest *nest) {
    const struct group_member *of = &chain->members[member];
    const struct group_tensor *input = &chain->tensors[of->input[0].tensor], *output = &chain->tensors[of->output];
    nest_init(nest);
    nest->size[DIM_N] = chain->images;
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
        nest->axis[1 + a].pooled = output->plane[a];
    }
    nest->bits[OPERAND_I] = input->bits;
    nest->bits[OPERAND_W] = of->kernel_elems ? of->weight_bits : 0;
    nest->bits[OPERAND_O] = output->bits;
    nest->partial_bits = of->partial_bits;
    nest->has_bias = of->has_bias;
    return !with_pool || (of->kernel_elems && member + 1 < chain->member_count && group_nest_pool(chain, member + 1, nest));
}

struct partition_job {
    struct arena *arena;
    const struct group *chain;
    const struct target *target;
    int64_t *best;               /* by end: of members before it */
    struct partition_part *last; /* by end */
    struct partition *partition;
};

static void partition_offer(struct partition_job *job, uint32_t first, uint32_t end, int64_t bytes, bool is_fused) {
    if (bytes == INT64_MAX || job->best[first] == INT64_MAX || job->best[first] + bytes >= job->best[end]) return;
    job->best[end] = job->best[first] + bytes;
    job->last[end] = (struct partition_part){.first = first, .end = end, .is_fused = is_fused, .bytes = bytes};
}

static void partition_fuse(struct partition_job *job, uint32_t first, uint32_t end) {
    if (job->best[first] == INT64_MAX) return;
    struct arena *scratch = arena_new(arena_heap(job->arena));
    const int64_t below = job->best[end] == INT64_MAX ? INT64_MAX : job->best[end] - job->best[first];
    struct group slice;
    struct group_found found = {0};
    group_slice(scratch, job->chain, first, end, &slice);
    if (group_compulsory_bytes(scratch, &slice) < below) {
        group_search(scratch, &slice, job->target, below, false, &found);
        job->partition->groups_searched++;
        job->partition->is_cut |= found.is_cut;
    }
    arena_free(scratch);
    if (found.is_found) partition_offer(job, first, end, found.bytes, true);
}

/* The schedules, with their ties. */
static void partition_finish(struct partition_job *job) {
    struct partition *partition = job->partition;
    const uint32_t members = job->chain->member_count;
    uint32_t count = 0;
    for (uint32_t end = members; end > 0; end = job->last[end].first) count++;
    array_reserve(job->arena, &partition->parts, count);
    partition->parts.count = count;
    for (uint32_t end = members; end > 0; end = job->last[end].first) partition->parts.items[--count] = job->last[end];
    for (uint32_t i = 0; i < partition->parts.count; i++) {
        struct partition_part *part = &partition->parts.items[i];
        struct group slice;
        if (!part->is_fused) continue;
        group_slice(job->arena, job->chain, part->first, part->end, &slice);
        group_search(job->arena, &slice, job->target, part->bytes + 1, true, &part->found);
    }
}

void partition_chain(struct arena *arena, const struct group *chain, const struct target *target, const struct partition_single *singles,
                     struct partition *partition) {
    const uint32_t members = chain->member_count;
    struct partition_job job = {
        arena, chain, target, ARENA_ARRAY(arena, int64_t, members + 1), ARENA_ARRAY(arena, struct partition_part, members + 1), partition};
    *partition = (struct partition){0};
    for (uint32_t end = 1; end <= members; end++) {
        job.best[end] = INT64_MAX;
        partition_offer(&job, end - 1, end, singles[end - 1].bytes, false);
        if (end > 1) partition_offer(&job, end - 2, end, singles[end - 2].pooled_bytes, false);
        for (uint32_t first = end - 1; first-- > 0;) partition_fuse(&job, first, end);
    }
    partition->is_feasible = job.best[members] < INT64_MAX;
    partition->bytes = job.best[members];
    if (partition->is_feasible) partition_finish(&job);
}
