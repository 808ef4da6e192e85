/* best[end] = min over first of best[first] + what members [first, end) move together. A group is searched only for less than is known: the
 * run with boundary tensors that stay comes after the run without, and has its result as a bound. */
#include "cost/partition.h"

#include <string.h>

#include "cost/group_parts.h"

/* State 1 of an end: the last tensor made before it stays on the chip. */
struct partition_job {
    struct arena *arena;
    const struct group *network;
    const struct target *target;
    const struct partition_single *singles;
    struct group_cache *cache;
    int64_t *best[2];                                       /* [state][end]: members before it */
    struct partition_part *last[2];                         /* [state][end] */
    int64_t *rest[2];                                       /* [state][end]: members from it on move at least so much */
    int64_t *weights;                                       /* [end]: of members before it, bytes */
    int64_t known;                                          /* of the whole network */
    struct group_excess excess[PARTITION_MOST_MEMBERS + 1]; /* by members: of groups with the end at hand, at least */
    struct partition *partition;
};

static uint32_t partition_boundary(const struct partition_job *job, uint32_t end) {
    return end ? job->network->members[end - 1].output : UINT32_MAX;
}

/* The members of a part as a group, its tensors staying as the states say. */
static bool partition_slice(struct arena *arena, const struct partition_job *job, const struct partition_part *part,
                            struct group_slice *slice) {
    const uint32_t boundary = part->input_stays ? partition_boundary(job, part->first) : UINT32_MAX;
    if (!group_slice_make(arena, job->network, part->first, part->end, part->spilled, boundary, slice)) return false;
    for (uint32_t t = 0; t < slice->group.tensor_count; t++)
        if (slice->tensors[t] == boundary) slice->group.tensors[t].stays = true;
    slice->group.tensors[group_last_output(&slice->group)].stays = part->output_stays;
    return true;
}

static void partition_offer(struct partition_job *job, const struct partition_part *part) {
    const int64_t before = job->best[part->input_stays][part->first];
    int64_t *best = &job->best[part->output_stays][part->end];
    if (part->bytes == INT64_MAX || before == INT64_MAX || before + part->bytes >= *best) return;
    *best = before + part->bytes;
    job->last[part->output_stays][part->end] = *part;
}

/* What a part may move, and still be better than what is known: of what ends there, of the whole network. */
static int64_t partition_below(const struct partition_job *job, const struct partition_part *part) {
    const int64_t before = job->best[part->input_stays][part->first], there = job->best[part->output_stays][part->end];
    const int64_t whole = job->known == INT64_MAX ? INT64_MAX : job->known - job->rest[part->output_stays][part->end];
    const int64_t least = group_least(there, whole);
    return least == INT64_MAX ? INT64_MAX : least - before;
}

enum partition_outlook { OUTLOOK_OPEN, OUTLOOK_NO_GROUP, OUTLOOK_HOPELESS };

/* One choice of joins. Lowers `excess` to its own. */
static enum partition_outlook partition_fuse_so(struct partition_job *job, struct partition_part part, uint32_t *join_count,
                                                struct group_excess *excess) {
    struct arena *scratch = arena_new(arena_heap(job->arena));
    const int64_t below = partition_below(job, &part);
    struct group_excess here = job->excess[part.end - part.first];
    struct group_found found = {0};
    enum partition_outlook outlook = OUTLOOK_NO_GROUP;
    if (partition_slice(scratch, job, &part, &part.slice)) {
        const struct group_least least = group_least_moved(scratch, &part.slice.group);
        outlook = OUTLOOK_OPEN;
        if (group_least_bytes(&least, &here) < below) {
            group_cache_search(job->cache, &part.slice.group, below, false, &found);
            job->partition->is_cut |= found.is_cut;
            if (found.is_hopeless) outlook = OUTLOOK_HOPELESS;
            here = group_larger_excess(here, found.excess);
        } else if (part.end - part.first == PARTITION_MOST_MEMBERS && group_cache_is_hopeless(job->cache, &part.slice.group)) {
            outlook = OUTLOOK_HOPELESS;
        }
    }
    *excess = group_smaller_excess(*excess, here);
    *join_count = part.slice.join_count;
    part.slice = (struct group_slice){0};
    arena_free(scratch);
    part.is_fused = true;
    part.bytes = found.is_found ? found.bytes : INT64_MAX;
    partition_offer(job, &part);
    return outlook;
}

/* What weights move in excess with these members, they move with one more in front; and so does what stays beside them. */
static void partition_exceed(struct partition_job *job, uint32_t count, const struct group_excess *excess) {
    job->excess[count] = group_larger_excess(job->excess[count], *excess);
    if (count < PARTITION_MOST_MEMBERS) job->excess[count + 1] = group_larger_excess(job->excess[count + 1], job->excess[count]);
}

/* Whatever the joins, weights alone move too much. */
static bool partition_exceeds(const struct partition_job *job, const struct partition_part *part) {
    const struct group_excess *excess = &job->excess[part->end - part->first];
    const int64_t weights = job->weights[part->end] - job->weights[part->first];
    if (part->end - part->first == PARTITION_MOST_MEMBERS) return false; /* are longer ones hopeless? */
    return weights + group_least(excess->once_bytes, excess->blocked_bytes) >= partition_below(job, part);
}

/* False where no longer part that ends there can be. */
static bool partition_fuse(struct partition_job *job, struct partition_part part) {
    uint32_t join_count = 0;
    struct group_excess excess = {INT64_MAX, INT64_MAX};
    bool goes_on = false;
    if (job->best[part.input_stays][part.first] == INT64_MAX) return true;
    if (partition_exceeds(job, &part)) {
        partition_exceed(job, part.end - part.first, &job->excess[part.end - part.first]);
        return true;
    }
    do {
        const enum partition_outlook outlook = partition_fuse_so(job, part, &join_count, &excess);
        goes_on |= outlook == OUTLOOK_OPEN;
        part.spilled++;
    } while (part.spilled < 1U << join_count);
    if (!part.input_stays) partition_exceed(job, part.end - part.first, &excess);
    return part.input_stays || goes_on;
}

static void partition_alone(struct partition_job *job, uint32_t end) {
    const struct partition_part alone = {.first = end - 1, .end = end, .bytes = job->singles[end - 1].bytes};
    partition_offer(job, &alone);
    for (uint32_t first = end; first-- > 0 && end - first <= PARTITION_MOST_MEMBERS;) {
        if (job->singles[first].pooled_count != end - first || end - first < 2) continue;
        const struct partition_part pooled = {.first = first, .end = end, .bytes = job->singles[first].pooled_bytes};
        partition_offer(job, &pooled);
    }
}

/* The tensor made last before `end` may stay for the part behind that ends at `behind`, or for some part. */
static bool partition_may_stay(const struct partition_job *job, uint32_t end, uint32_t behind) {
    if (!end || end == job->network->member_count) return false;
    const struct group_tensor *tensor = &job->network->tensors[partition_boundary(job, end)];
    const int64_t bytes = nest_bytes(tensor->channels * tensor->plane[0] * tensor->plane[1], tensor->bits);
    return !tensor->is_output && tensor->use_count && tensor->first_use >= end && tensor->last_use < behind &&
           bytes < job->target->capacity_bytes;
}

static void partition_step(struct partition_job *job, uint32_t end, bool boundaries_stay) {
    memset(job->excess, 0, sizeof job->excess);
    for (int output = 0; output < 2; output++) {
        job->best[output][end] = INT64_MAX;
        if (!output) partition_alone(job, end);
        if (output && !(boundaries_stay && partition_may_stay(job, end, UINT32_MAX))) continue;
        bool goes_on = true;
        for (uint32_t first = end; goes_on && first-- > 0;) {
            for (int input = 0; input < 2 && goes_on; input++)
                if ((input || output || end - first > 1) && (!input || partition_may_stay(job, first, end)))
                    goes_on = partition_fuse(
                        job, (struct partition_part){.first = first, .end = end, .input_stays = input, .output_stays = output});
            if (!goes_on || end - first < PARTITION_MOST_MEMBERS) continue;
            job->partition->is_cut |= first > 0;
            goes_on = false;
        }
    }
}

/* The schedules, with their ties. */
static void partition_finish(struct partition_job *job) {
    struct partition *partition = job->partition;
    const struct partition_part *part = &job->last[0][job->network->member_count];
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
        if (!here->is_fused) continue;
        partition_slice(job->arena, job, here, &here->slice);
        group_cache_search(job->cache, &here->slice.group, here->bytes + 1, true, &here->found);
    }
}

static void partition_run(struct partition_job *job, bool boundaries_stay) {
    const uint32_t members = job->network->member_count;
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

/* What members from `first` on move: their weights, outputs that somebody else wants, and inputs that nobody before them takes. */
static void partition_bound_rest(struct partition_job *job) {
    const struct group *network = job->network;
    const uint32_t members = network->member_count;
    struct arena *scratch = arena_new(arena_heap(job->arena));
    const int64_t *touched = group_touched_elems(scratch, network);
    job->weights = ARENA_ARRAY(job->arena, int64_t, members + 1);
    for (uint32_t m = 0; m < members; m++)
        job->weights[m + 1] = job->weights[m] + (touched[network->members[m].output] ? group_stay_bytes(network, m) : 0);
    for (int state = 0; state < 2; state++) {
        job->rest[state] = ARENA_ARRAY(job->arena, int64_t, members + 1);
        for (uint32_t m = members; m-- > 0;) {
            const uint32_t output = network->members[m].output;
            job->rest[state][m] = job->rest[state][m + 1] + job->weights[m + 1] - job->weights[m];
            if (network->tensors[output].is_output)
                job->rest[state][m] +=
                    network->images * nest_bytes(touched[output] * network->tensors[output].channels, network->tensors[output].bits);
        }
    }
    for (uint32_t t = 0; t < network->tensor_count; t++) {
        const struct group_tensor *tensor = &network->tensors[t];
        const int64_t bytes = tensor->use_count ? network->images * nest_bytes(touched[t] * tensor->channels, tensor->bits) : 0;
        const uint32_t made = tensor->producer == GROUP_OFF_CHIP ? 0 : (uint32_t)tensor->producer + 1;
        for (uint32_t first = made; tensor->use_count && first <= tensor->first_use; first++) {
            job->rest[0][first] += bytes;
            if (t != partition_boundary(job, first)) job->rest[1][first] += bytes;
        }
    }
    arena_free(scratch);
}

void partition_find(struct arena *arena, const struct group *network, const struct target *target, const struct partition_single *singles,
                    bool boundaries_stay, struct group_cache *cache, struct partition *partition) {
    struct partition_job job = {.arena = arena,
                                .network = network,
                                .target = target,
                                .singles = singles,
                                .cache = cache ? cache : group_cache_new(arena, target),
                                .known = INT64_MAX,
                                .partition = partition};
    const int64_t before = group_cache_searches(job.cache);
    *partition = (struct partition){.bytes = INT64_MAX};
    partition_bound_rest(&job);
    partition_run(&job, false);
    if (boundaries_stay && network->images == 1 && !target->is_split) partition_run(&job, true);
    partition->groups_searched = group_cache_searches(job.cache) - before;
}
