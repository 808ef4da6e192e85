/* What a schedule of a group moves and holds. */
#include <string.h>

#include "cost/group_parts.h"

struct group_job {
    struct arena *arena;
    const struct group *group;
    const struct target *target;
    const struct group_schedule *schedule;
    const struct group_walk *outer, *inner;
    uint32_t mixing; /* the member whose output is blocked */
    struct group_cost *cost;
    struct traffic *members; /* by member: its share of the traffic */
};

static bool group_is_blocked(const struct group_job *job) { return job->schedule->out_blocks > 1; }

/* ---- what section 8 allows ---- */

static bool group_blocks_legal(const struct group_job *job) {
    const struct group *group = job->group;
    const uint32_t q = job->mixing;
    if (!group_is_blocked(job)) return job->schedule->out_blocks == 1;
    if (q >= group->member_count || job->schedule->out_blocks > group->tensors[group->members[q].output].channels) return false;
    const int64_t channels = group->tensors[group->members[q].output].channels;
    const int64_t block = group_ceil(channels, job->schedule->out_blocks);
    return group_ceil(channels, block) == job->schedule->out_blocks && group_ends_by_channels(group);
}

/* What leaves the chip beside the last output, used in the group or not, is made once, all of it. */
static bool group_outputs_legal(const struct group_job *job) {
    for (uint32_t t = 0; t < job->group->tensor_count; t++) {
        const struct group_tensor *tensor = &job->group->tensors[t];
        if (!tensor->is_output || t == group_last_output(job->group)) continue;
        const int64_t elems = tensor->plane[0] * tensor->plane[1];
        if (job->outer->made[t] * job->inner->made[t] != elems || group_is_blocked(job)) return false;
    }
    return true;
}

static bool group_numbers_legal(const struct group_job *job) {
    for (uint32_t m = 0; m < job->group->member_count; m++)
        if (job->schedule->piece[m] < 0 || (job->schedule->piece[m] && !group_has_weights(&job->group->members[m]))) return false;
    for (uint32_t t = 0; t < job->group->tensor_count; t++) {
        const struct group_tensor *tensor = &job->group->tensors[t];
        if (job->schedule->block[t] < 0) return false;
        if (!tensor->stays) continue;
        if (group_is_blocked(job) || job->target->is_split || job->group->images > 1) return false;
        if (tensor->producer == GROUP_OFF_CHIP && job->schedule->block[t]) return false;
    }
    return true;
}

static bool group_phases_legal(const struct group_run *run) {
    struct group_phase phase;
    for (uint32_t m = 0; m < run->group->member_count; m = phase.end)
        if (!group_phase_make(run, m, &phase)) return false;
    return true;
}

/* ---- transfers ---- */

/* `channels` in blocks, each of them one transfer in every tile. */
static int64_t group_moved_bytes(const struct group_job *job, uint32_t tensor, int64_t channels, int64_t block, uint32_t bits) {
    if (bits % 8 == 0) return nest_bytes(job->outer->made[tensor] * job->inner->made[tensor] * channels, bits);
    const int64_t rest = channels % block;
    int64_t bytes = 0;
    for (int64_t y = 0; y < job->outer->tiles; y++)
        for (int64_t x = 0; x < job->inner->tiles; x++) {
            const int64_t elems = group_made(group_counts(job->outer, y) + tensor) * group_made(group_counts(job->inner, x) + tensor);
            bytes += channels / block * nest_bytes(elems * block, bits) + nest_bytes(elems * rest, bits);
        }
    return bytes;
}

/* The pieces of one turn. */
static int64_t group_turn_pieces(const struct group_run *run, uint32_t member, int64_t channels, int64_t inputs, bool with_bias) {
    const int64_t piece = group_least(run->piece[member], channels), rest = channels % piece;
    return channels / piece * group_piece_bytes(run->group, member, piece, inputs, with_bias) +
           group_piece_bytes(run->group, member, rest, inputs, with_bias);
}

static int64_t group_streamed_bytes(const struct group_run *run, const struct group_phase *phase, uint32_t member) {
    const struct group_member *of = &run->group->members[member];
    const int64_t channels = run->group->tensors[of->output].channels, all = group_input_channels(run->group, member);
    const int64_t block = group_turn_channels(run, phase, member), inputs = group_turn_inputs(run, phase, member);
    int64_t bytes = 0;
    for (int64_t turn = 0; turn < phase->turns; turn++) {
        if (group_accumulates(run, phase, member))
            bytes += group_turn_pieces(run, member, channels, group_least(inputs, all - turn * inputs), turn == 0);
        else bytes += group_turn_pieces(run, member, group_least(block, channels - turn * block), inputs, true);
    }
    return bytes;
}

static void group_add_member(const struct group_job *job, const struct group_run *run, const struct group_phase *phase, uint32_t member,
                             int64_t times) {
    const struct group_member *of = &run->group->members[member];
    const struct group_tensor *output = &run->group->tensors[of->output];
    struct traffic *moved = &job->members[member];
    const int64_t turn = group_accumulates(run, phase, member) ? output->channels : group_turn_channels(run, phase, member);
    const int64_t elems = job->outer->made[of->output] * job->inner->made[of->output] * output->channels;
    job->cost->macs += times * elems * of->macs;
    if (of->operand_bits) moved->input_bytes += times * group_moved_bytes(job, of->output, output->channels, turn, of->operand_bits);
    if (output->is_output && !output->stays) {
        const int64_t block = run->block[of->output] ? run->block[of->output] : output->channels;
        moved->output_bytes += times * group_moved_bytes(job, of->output, output->channels, block, output->bits);
    }
    if (run->piece[member]) {
        const int64_t busy = job->outer->busy[of->output] * job->inner->busy[of->output];
        moved->weight_bytes += times * busy * group_streamed_bytes(run, phase, member);
    } else if (group_is_blocked(job) && member >= job->mixing) {
        moved->weight_bytes += times * group_stay_bytes(run->group, member);
    }
}

/* One output block (or all of the group) that stands `times` times. */
static void group_add_traffic(const struct group_job *job, const struct group_run *run, int64_t times) {
    const struct group *group = run->group;
    struct group_phase phase;
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        if (group->tensors[t].producer != GROUP_OFF_CHIP) continue;
        const int64_t channels = group->tensors[t].channels, block = run->block[t] ? run->block[t] : channels;
        job->members[group->tensors[t].first_use].input_bytes += times * group_moved_bytes(job, t, channels, block, group->tensors[t].bits);
    }
    for (uint32_t m = 0; m < group->member_count; m = phase.end) {
        group_phase_make(run, m, &phase);
        for (uint32_t k = phase.first; k < phase.end; k++) group_add_member(job, run, &phase, k, times);
    }
}

static void group_add_staying(const struct group_job *job) {
    const uint32_t end = group_is_blocked(job) ? job->mixing : job->group->member_count;
    for (uint32_t m = 0; m < end; m++)
        if (!job->schedule->piece[m]) job->members[m].weight_bytes += group_stay_bytes(job->group, m);
}

/* ---- on the chip ---- */

static bool group_phase_touches(const struct group *group, const struct group_phase *phase, uint32_t tensor) {
    for (uint32_t m = phase->first; m < phase->end; m++) {
        if (group->members[m].output == tensor) return true;
        for (uint32_t i = 0; i < group->members[m].input_count; i++)
            if (group->members[m].input[i].tensor == tensor) return true;
    }
    return false;
}

static struct group_bytes group_idle(const struct group *group, const struct group_phase *phase, const struct group_cell *cells) {
    struct group_bytes idle = {0, 0};
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *tensor = &group->tensors[t];
        if (group_phase_touches(group, phase, t)) continue;
        const int64_t comes = tensor->producer == GROUP_OFF_CHIP ? (int64_t)tensor->first_use : tensor->producer;
        const int64_t goes = tensor->use_count ? (int64_t)tensor->last_use : tensor->producer;
        const int64_t elems = comes >= phase->end ? cells[t].before : goes < phase->first ? cells[t].after : cells[t].during;
        *(tensor->is_output ? &idle.out : &idle.in) += group_idle_bytes(tensor, elems);
    }
    return idle;
}

static void group_tile_peak(const struct group_run *run, const struct group_cell *cells, struct group_peak *peaks) {
    struct group_phase phase;
    for (uint32_t m = 0; m < run->group->member_count; m = phase.end) {
        group_phase_make(run, m, &phase);
        group_phase_peaks(run, &phase, cells, group_idle(run->group, &phase, cells), peaks + m);
    }
}

static int64_t group_kept_bytes(const struct group *group, const struct group_cell *cells) {
    int64_t bytes = 0;
    for (uint32_t t = 0; t < group->tensor_count; t++) bytes += group_idle_bytes(&group->tensors[t], cells[t].after);
    return bytes;
}

static void group_footprint(const struct group_job *job, const struct group_run *run) {
    const struct group *group = run->group;
    struct group_cell *cells = ARENA_ARRAY(job->arena, struct group_cell, group->tensor_count);
    struct group_peak *peaks = ARENA_ARRAY(job->arena, struct group_peak, group->member_count);
    for (uint32_t y = 0; y < job->outer->pick_count; y++)
        for (uint32_t x = 0; x < job->inner->pick_count; x++) {
            const struct group_cells_at at = {group_counts(job->outer, job->outer->picks[y]),
                                              group_counts(job->inner, job->inner->picks[x]), job->inner->touched};
            group_cells(group, &at, cells);
            group_tile_peak(run, cells, peaks);
            job->cost->kept_bytes = group_most(job->cost->kept_bytes, group_kept_bytes(group, cells));
        }
    int64_t stay = 0, part[OPERAND_COUNT] = {0}, all = 0;
    for (uint32_t m = 0; m < group->member_count; m++) {
        if (!run->piece[m]) stay += group_stay_bytes(group, m);
        all = group_most(all, peaks[m].staged_all);
        part[OPERAND_I] = group_most(part[OPERAND_I], peaks[m].in);
        part[OPERAND_O] = group_most(part[OPERAND_O], peaks[m].out);
        part[OPERAND_W] = group_most(part[OPERAND_W], peaks[m].staged);
    }
    part[OPERAND_W] += stay;
    struct group_cost *cost = job->cost;
    for (int k = 0; k < OPERAND_COUNT; k++) cost->part_bytes[k] = group_most(cost->part_bytes[k], part[k]);
    cost->footprint_bytes = group_most(cost->footprint_bytes, stay + all);
}

static void group_fit(const struct group_job *job) {
    struct group_cost *cost = job->cost;
    const struct target *target = job->target;
    cost->fits = target->is_split || cost->footprint_bytes <= target->capacity_bytes;
    for (int k = 0; k < OPERAND_COUNT && target->is_split; k++)
        cost->fits = cost->fits && cost->part_bytes[k] <= target->partition_bytes[k];
}

/* The blocks of `channels` channels. */
static bool group_add_blocks(const struct group_job *job, int64_t channels, int64_t times) {
    struct group narrow;
    group_narrow(job->arena, job->group, job->mixing, channels, &narrow);
    const struct group_run run = {&narrow, job->target, job->schedule->piece, job->schedule->block, group_whole_bytes(&narrow)};
    if (!group_phases_legal(&run)) return false;
    group_add_traffic(job, &run, times * job->group->images);
    group_footprint(job, &run);
    return true;
}

static bool group_add_all(const struct group_job *job) {
    if (!group_is_blocked(job))
        return group_add_blocks(
            job, job->mixing < job->group->member_count ? job->group->tensors[job->group->members[job->mixing].output].channels : 0, 1);
    const int64_t channels = job->group->tensors[job->group->members[job->mixing].output].channels;
    const int64_t block = group_ceil(channels, job->schedule->out_blocks), rest = channels % block;
    return group_add_blocks(job, block, channels / block) && (!rest || group_add_blocks(job, rest, 1));
}

static void group_add_up(const struct traffic *members, uint32_t count, struct traffic *sum) {
    for (uint32_t m = 0; m < count; m++) {
        sum->input_bytes += members[m].input_bytes;
        sum->weight_bytes += members[m].weight_bytes;
        sum->output_bytes += members[m].output_bytes;
    }
}

void group_cost_shares(struct arena *scratch, const struct group *group, const struct target *target, const struct group_schedule *schedule,
                       struct group_cost *cost, struct traffic *members) {
    const uint32_t outer = schedule->down_first ? 1 : 0, inner = 1 - outer;
    const int64_t *plane = group->tensors[group_last_output(group)].plane;
    struct group_walk walk[GROUP_AXES];
    struct group_job job = {scratch, group, target, schedule, &walk[0], &walk[1], group_last_mixing(group), cost, members};
    *cost = (struct group_cost){0};
    memset(members, 0, group->member_count * sizeof *members);
    for (int a = 0; a < GROUP_AXES; a++)
        if (schedule->tile[a] < 1 || schedule->tile[a] > plane[a]) return;
    const bool pick_all = !group_whole_bytes(group);
    group_walk_make(scratch, group, outer, schedule->tile[outer], schedule->overlap == OVERLAP_FULL, pick_all, &walk[0]);
    group_walk_make(scratch, group, inner, schedule->tile[inner], schedule->overlap != OVERLAP_RECOMPUTE, pick_all, &walk[1]);
    if (!group_numbers_legal(&job) || !group_blocks_legal(&job) || !group_outputs_legal(&job) || !group_add_all(&job)) return;
    group_add_staying(&job);
    group_add_up(members, group->member_count, &cost->traffic);
    cost->tiles = walk[0].tiles * walk[1].tiles;
    cost->is_legal = true;
    group_fit(&job);
}

void group_cost(struct arena *scratch, const struct group *group, const struct target *target, const struct group_schedule *schedule,
                struct group_cost *cost) {
    group_cost_shares(scratch, group, target, schedule, cost, ARENA_ARRAY(scratch, struct traffic, group->member_count));
}
