/* best[end] = min over first of best[first] + what members [first, end) move together. A group is searched only for less than is known: the
 * run with boundary tensors that stay comes after the run without, and has its result as a bound. */
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

/* State 1 of an end: the tensor there stays on the chip. */
struct partition_job {
    struct arena *arena;
    const struct group *chain;
    const struct target *target;
    const struct partition_single *singles;
    int64_t *best[2];               /* [state][end]: members before it */
    struct partition_part *last[2]; /* [state][end] */
    int64_t *rest[2];               /* [state][end]: members from it on move at least so much */
    int64_t known;                  /* of the whole chain */
    struct partition *partition;
};

/* The members between two ends, their tensors staying as the states say. */
static void partition_slice(struct arena *arena, const struct group *chain, const struct partition_part *part, struct group *slice) {
    group_slice(arena, chain, part->first, part->end, slice);
    slice->tensors[0].stays = part->input_stays;
    slice->tensors[slice->member_count].stays = part->output_stays;
}

static void partition_offer(struct partition_job *job, const struct partition_part *part) {
    const int64_t before = job->best[part->input_stays][part->first];
    int64_t *best = &job->best[part->output_stays][part->end];
    if (part->bytes == INT64_MAX || before == INT64_MAX || before + part->bytes >= *best) return;
    *best = before + part->bytes;
    job->last[part->output_stays][part->end] = *part;
}

/* What a part may move, and still be better than what is known: of what ends there, of the whole chain. */
static int64_t partition_below(const struct partition_job *job, const struct partition_part *part) {
    const int64_t before = job->best[part->input_stays][part->first], there = job->best[part->output_stays][part->end];
    const int64_t whole = job->known == INT64_MAX ? INT64_MAX : job->known - job->rest[part->output_stays][part->end];
    const int64_t least = group_least(there, whole);
    return least == INT64_MAX ? INT64_MAX : least - before;
}

/* False where no longer part that ends there can be. */
static bool partition_fuse(struct partition_job *job, struct partition_part part) {
    if (job->best[part.input_stays][part.first] == INT64_MAX) return true;
    struct arena *scratch = arena_new(arena_heap(job->arena));
    const int64_t below = partition_below(job, &part);
    struct group slice;
    struct group_found found = {0};
    partition_slice(scratch, job->chain, &part, &slice);
    if (group_compulsory_bytes(scratch, &slice) < below) {
        group_search(scratch, &slice, job->target, below, false, &found);
        job->partition->groups_searched++;
        job->partition->is_cut |= found.is_cut;
    }
    arena_free(scratch);
    part.is_fused = true;
    part.bytes = found.is_found ? found.bytes : INT64_MAX;
    partition_offer(job, &part);
    return part.input_stays || !found.is_hopeless;
}

static void partition_alone(struct partition_job *job, uint32_t end) {
    const struct partition_part alone = {.first = end - 1, .end = end, .bytes = job->singles[end - 1].bytes};
    partition_offer(job, &alone);
    if (end < 2) return;
    const struct partition_part pooled = {.first = end - 2, .end = end, .bytes = job->singles[end - 2].pooled_bytes};
    partition_offer(job, &pooled);
}

static bool partition_may_stay(const struct partition_job *job, uint32_t end) {
    const struct group_tensor *tensor = &job->chain->tensors[end];
    const int64_t bytes = nest_bytes(tensor->channels * tensor->plane[0] * tensor->plane[1], tensor->bits);
    return end > 0 && end < job->chain->member_count && bytes < job->target->capacity_bytes;
}

static void partition_step(struct partition_job *job, uint32_t end, bool boundaries_stay) {
    for (int output = 0; output < 2; output++) {
        job->best[output][end] = INT64_MAX;
        if (!output) partition_alone(job, end);
        if (output && !(boundaries_stay && partition_may_stay(job, end))) continue;
        bool goes_on = true;
        for (uint32_t first = end; goes_on && first-- > 0;)
            for (int input = 0; input < 2 && goes_on; input++)
                if (input || output || end - first > 1)
                    goes_on = partition_fuse(
                        job, (struct partition_part){.first = first, .end = end, .input_stays = input, .output_stays = output});
    }
}

/* The schedules, with their ties. */
static void partition_finish(struct partition_job *job) {
    struct partition *partition = job->partition;
    const struct partition_part *part = &job->last[0][job->chain->member_count];
    partition->parts.count = 0;
    for (;; part = &job->last[part->input_stays][part->first]) {
        array_push(job->arena, &partition->parts, *part);
        if (part->first == 0) break;
    }
    for (uint32_t i = 0, k = partition->parts.count - 1; i < k; i++, k--) {
        const struct partition_part swap = partition->parts.items[i];
        partition->parts.items[i] = partition->parts.items[k];
        partition->parts.items[k] = swap;
    }
    for (uint32_t i = 0; i < partition->parts.count; i++) {
        struct partition_part *here = &partition->parts.items[i];
        struct group slice;
        if (!here->is_fused) continue;
        partition_slice(job->arena, job->chain, here, &slice);
        group_search(job->arena, &slice, job->target, here->bytes + 1, true, &here->found);
    }
}

static void partition_run(struct partition_job *job, bool boundaries_stay) {
    const uint32_t members = job->chain->member_count;
    for (int state = 0; state < 2; state++) {
        job->best[state] = ARENA_ARRAY(job->arena, int64_t, members + 1);
        job->last[state] = ARENA_ARRAY(job->arena, struct partition_part, members + 1);
    }
    job->best[1][0] = INT64_MAX;
    for (uint32_t end = 1; end <= members; end++) partition_step(job, end, boundaries_stay);
    if (job->best[0][members] >= job->known) return;
    job->known = job->partition->bytes = job->best[0][members];
    job->partition->is_feasible = true;
    partition_finish(job);
}

static void partition_bound_rest(struct partition_job *job) {
    const uint32_t members = job->chain->member_count;
    for (int state = 0; state < 2; state++) {
        job->rest[state] = ARENA_ARRAY(job->arena, int64_t, members + 1);
        for (uint32_t first = 0; first < members; first++) {
            const struct partition_part part = {.first = first, .end = members, .input_stays = state};
            struct arena *scratch = arena_new(arena_heap(job->arena));
            struct group slice;
            partition_slice(scratch, job->chain, &part, &slice);
            job->rest[state][first] = group_compulsory_bytes(scratch, &slice);
            arena_free(scratch);
        }
    }
}

void partition_chain(struct arena *arena, const struct group *chain, const struct target *target, const struct partition_single *singles,
                     bool boundaries_stay, struct partition *partition) {
    struct partition_job job = {
        .arena = arena, .chain = chain, .target = target, .singles = singles, .known = INT64_MAX, .partition = partition};
    *partition = (struct partition){.bytes = INT64_MAX};
    partition_bound_rest(&job);
    partition_run(&job, false);
    if (boundaries_stay && chain->images == 1 && !target->is_split) partition_run(&job, true);
}
