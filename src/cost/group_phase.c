/* What stands on the chip while a run of members takes turns over blocks of channels.
 *
 *   held input   |##########|  before, from its first use on during; after, when its last user's last turn is done
 *   passing      |aaa|D|bbbb|  channels done: after; the block: before, during, after within the turn; channels to come: before
 *   held output  |##########|  grows by blocks, or stands unfinished, all of it, from the first turn to the last (a sum over turns)
 *
 * Every amount is linear in the turn between the first and the last, so the largest is at the first two or the last two. */
#include <string.h>

#include "cost/group_parts.h"

bool group_mixes(const struct group_member *member) { return member->groups == 1; }

static int64_t group_block(const struct group_run *run, uint32_t tensor) {
    return group_least(run->block[tensor], run->group->tensors[tensor].channels);
}

static const struct group_tensor *group_output(const struct group_run *run, uint32_t member) {
    return &run->group->tensors[run->group->members[member].output];
}

/* Output and input channels of one group of a member. */
static int64_t group_made_share(const struct group *group, uint32_t member) {
    return group->tensors[group->members[member].output].channels / group->members[member].groups;
}
static int64_t group_taken_share(const struct group *group, uint32_t member) {
    return group_input_channels(group, member) / group->members[member].groups;
}

bool group_accumulates(const struct group_run *run, const struct group_phase *phase, uint32_t member) {
    const struct group_member *of = &run->group->members[member];
    return phase->turns > 1 && group_mixes(of) && run->block[of->input[0].tensor] > 0;
}

int64_t group_turn_channels(const struct group_run *run, const struct group_phase *phase, uint32_t member) {
    const struct group_member *of = &run->group->members[member];
    const int64_t all = run->group->tensors[of->output].channels;
    if (phase->turns == 1 || group_accumulates(run, phase, member)) return all;
    if (run->block[of->output]) return group_block(run, of->output);
    for (uint32_t i = 1 + of->more_parts; i < of->input_count; i++)
        if (run->block[of->input[i].tensor]) return group_block(run, of->input[i].tensor);
    if (group_mixes(of) || !run->block[of->input[0].tensor]) return all;
    return group_block(run, of->input[0].tensor) / group_taken_share(run->group, member) * group_made_share(run->group, member);
}

int64_t group_turn_inputs(const struct group_run *run, const struct group_phase *phase, uint32_t member) {
    const struct group_member *of = &run->group->members[member];
    if (group_accumulates(run, phase, member)) return group_block(run, of->input[0].tensor);
    if (group_mixes(of)) return group_input_channels(run->group, member);
    return group_turn_channels(run, phase, member) / group_made_share(run->group, member) * group_taken_share(run->group, member);
}

/* ---- which members take turns together ---- */

static uint32_t group_maker(const struct group_tensor *tensor) {
    return tensor->producer == GROUP_OFF_CHIP ? tensor->first_use : (uint32_t)tensor->producer;
}

static uint32_t group_dropper(const struct group_tensor *tensor) {
    return tensor->use_count ? tensor->last_use : (uint32_t)tensor->producer;
}

static void group_phase_reach(const struct group_run *run, uint32_t tensor, struct group_phase *phase) {
    const struct group_tensor *of = &run->group->tensors[tensor];
    if (!run->block[tensor]) return;
    phase->end = (uint32_t)group_most(phase->end, (int64_t)group_dropper(of) + 1);
    phase->turns = group_most(phase->turns, group_ceil(of->channels, run->block[tensor]));
}

/* Blocks of one turn belong to the same groups, and there are as many of each tensor. */
static bool group_blocks_agree(const struct group_run *run, const struct group_phase *phase, uint32_t member) {
    const struct group *group = run->group;
    const struct group_member *of = &group->members[member];
    const bool sums = group_accumulates(run, phase, member);
    const int64_t channels = group_turn_channels(run, phase, member), inputs = group_turn_inputs(run, phase, member);
    if (phase->turns == 1) return true;
    if (channels < 1 || inputs < 1) return false;
    if (!sums && group_ceil(group->tensors[of->output].channels, channels) != phase->turns) return false;
    if (!group_mixes(of) && channels % group_made_share(group, member)) return false;
    if (sums && run->block[of->output]) return false;
    for (uint32_t i = 0; i < of->input_count; i++) {
        const uint32_t input = of->input[i].tensor;
        if (!run->block[input]) continue;
        if (i <= of->more_parts && of->more_parts) return false;
        if (i && sums) return false;
        if (group_ceil(group->tensors[input].channels, run->block[input]) != phase->turns) return false;
        if (group_block(run, input) != (i ? channels : inputs)) return false;
    }
    return true;
}

/* What is held is finished before anybody uses it. */
static bool group_is_finished_before(const struct group_run *run, const struct group_phase *phase, uint32_t member) {
    const struct group_member *of = &run->group->members[member];
    for (uint32_t i = 0; i < of->input_count; i++) {
        const struct group_tensor *input = &run->group->tensors[of->input[i].tensor];
        if (!run->block[of->input[i].tensor] && input->producer >= (int32_t)phase->first) return false;
    }
    return true;
}

bool group_phase_make(const struct group_run *run, uint32_t first, struct group_phase *phase) {
    const struct group *group = run->group;
    *phase = (struct group_phase){first, first + 1, 1};
    for (uint32_t m = first; m < phase->end; m++) {
        group_phase_reach(run, group->members[m].output, phase);
        for (uint32_t i = 0; i < group->members[m].input_count; i++) group_phase_reach(run, group->members[m].input[i].tensor, phase);
    }
    for (uint32_t m = first; m < phase->end; m++)
        if (!group_is_finished_before(run, phase, m) || !group_blocks_agree(run, phase, m)) return false;
    return true;
}

/* ---- elements ---- */

static void group_cell_at(const struct group_count *y, const struct group_count *x, int64_t touched, struct group_cell *cell) {
    const int64_t x_made = group_made(x), x_over = x->f_past_l_later + x->f_past_l_now;
    cell->before = y->f_past_l_later * touched + y->f_past_l_now * (x->l_later + x->f_past_l_now + x->f_now_l_now) +
                   y->f_now_l_later * x->f_past + y->f_now_l_now * x_over;
    cell->made = group_made(y) * x_made;
    cell->during = cell->before + cell->made;
    cell->after = y->f_past_l_later * touched + y->f_past_l_now * x->l_later + y->f_now_l_later * (x->f_past + x_made) +
                  y->f_now_l_now * (x->f_past_l_later + x->f_now_l_later);
}

void group_cells(const struct group *group, const struct group_cells_at *at, struct group_cell *cells) {
    for (uint32_t t = 0; t < group->tensor_count; t++) group_cell_at(&at->outer[t], &at->inner[t], at->inner_touched[t], &cells[t]);
}

/* ---- bytes ---- */

struct group_part {
    int64_t whole, unfinished;           /* elements at activation and at partial-sum width */
    int64_t doubled, doubled_unfinished; /* of them, those that a double buffer holds again */
};

int64_t group_idle_bytes(const struct group_tensor *tensor, int64_t elems_per_channel) {
    return nest_bytes(elems_per_channel * tensor->channels, tensor->bits);
}

static int64_t group_turn_done(const struct group_moment *at, int64_t block) { return at->turn * block; }

static bool group_is_last_turn(const struct group_moment *at) { return at->turn == at->phase->turns - 1; }

static void group_held_input(const struct group_moment *at, uint32_t tensor, struct group_part *part) {
    const struct group_tensor *of = &at->run->group->tensors[tensor];
    const struct group_cell *cell = &at->cells[tensor];
    const bool comes = of->producer == GROUP_OFF_CHIP && of->first_use >= at->phase->first && at->turn == 0;
    if (comes && at->member < of->first_use) part->whole = cell->before * of->channels;
    else if (group_is_last_turn(at) && at->member > of->last_use) part->whole = cell->after * of->channels;
    else part->whole = cell->during * of->channels;
    if (comes && at->member == of->first_use) part->doubled = cell->made * of->channels;
}

/* A sum over turns: elements appear one by one in the first turn, and are finished one by one in the last. */
static void group_sum_over_turns(const struct group_moment *at, uint32_t producer, int64_t channels, int64_t *made, int64_t *unfinished) {
    const int64_t reached = at->member < producer ? 0 : at->member > producer ? channels : at->at_channel;
    const int64_t done = at->member == producer ? reached - 1 : reached;
    *made = group_is_last_turn(at) ? done : 0;
    *unfinished = (at->turn == 0 ? reached : channels) - *made;
}

static void group_held_output(const struct group_moment *at, uint32_t producer, struct group_part *part) {
    const uint32_t tensor = at->run->group->members[producer].output;
    const struct group_tensor *of = &at->run->group->tensors[tensor];
    const struct group_cell *cell = &at->cells[tensor];
    const int64_t block = group_turn_channels(at->run, at->phase, producer);
    int64_t made = group_turn_done(at, block), unfinished = at->member == producer;
    if (group_accumulates(at->run, at->phase, producer)) group_sum_over_turns(at, producer, of->channels, &made, &unfinished);
    else if (at->member > producer) made = group_least(made + block, of->channels);
    else if (at->member == producer) made += at->at_channel - 1;
    const bool is_gone = !of->use_count && !of->stays && at->member > producer && group_is_last_turn(at);
    part->whole = is_gone ? cell->after * of->channels : cell->before * of->channels + made * cell->made;
    part->unfinished = unfinished * cell->made;
    part->doubled = made * cell->made;
    part->doubled_unfinished = part->unfinished;
}

static void group_passing(const struct group_moment *at, uint32_t tensor, struct group_part *part) {
    const struct group_tensor *of = &at->run->group->tensors[tensor];
    const struct group_cell *cell = &at->cells[tensor];
    const int64_t block = group_block(at->run, tensor), done = group_turn_done(at, block);
    const int64_t now = group_least(block, of->channels - done);
    const uint32_t maker = group_maker(of), dropper = group_dropper(of);
    const bool is_made = of->producer != GROUP_OFF_CHIP;
    part->whole = done * cell->after + (of->channels - done - now) * cell->before;
    if (at->member < maker) part->whole += now * cell->before;
    else if (at->member > dropper) part->whole += now * cell->after;
    else if (!is_made || at->member > maker) part->whole += now * cell->during;
    else part->whole += now * cell->before + (at->at_channel - 1) * cell->made;
    if (at->member != maker) return;
    part->unfinished = is_made ? cell->made : 0;
    part->doubled = (is_made ? at->at_channel - 1 : now) * cell->made;
    part->doubled_unfinished = part->unfinished;
}

static void group_add_part(const struct group_moment *at, uint32_t tensor, const struct group_part *part, struct group_bytes *sum) {
    const struct group_tensor *of = &at->run->group->tensors[tensor];
    const struct target *target = at->run->target;
    const bool is_input = of->producer == GROUP_OFF_CHIP;
    const uint32_t partial_bits = is_input ? of->bits : at->run->group->members[of->producer].partial_bits;
    int64_t *whole = of->is_output ? &sum->out : &sum->in;
    *whole += nest_bytes(part->whole, of->bits);
    sum->out += nest_bytes(part->unfinished, partial_bits);
    if (is_input && target->double_buffer[OPERAND_I]) sum->in += nest_bytes(part->doubled, of->bits);
    if (of->is_output && !of->stays && target->double_buffer[OPERAND_O])
        sum->out += nest_bytes(part->doubled, of->bits) + nest_bytes(part->doubled_unfinished, partial_bits);
}

static bool group_counted_before(const struct group_moment *at, uint32_t member, uint32_t input) {
    const struct group *group = at->run->group;
    const uint32_t tensor = group->members[member].input[input].tensor;
    if (group->tensors[tensor].producer >= (int32_t)at->phase->first) return true; /* with its producer */
    for (uint32_t m = at->phase->first; m <= member; m++)
        for (uint32_t i = 0; i < (m == member ? input : group->members[m].input_count); i++)
            if (group->members[m].input[i].tensor == tensor) return true;
    return false;
}

static void group_add_tensors_of(const struct group_moment *at, uint32_t member, struct group_bytes *sum) {
    const struct group_member *of = &at->run->group->members[member];
    struct group_part part = {0};
    if (at->run->block[of->output]) group_passing(at, of->output, &part);
    else group_held_output(at, member, &part);
    group_add_part(at, of->output, &part, sum);
    for (uint32_t i = 0; i < of->input_count; i++) {
        if (group_counted_before(at, member, i)) continue;
        part = (struct group_part){0};
        if (at->run->block[of->input[i].tensor]) group_passing(at, of->input[i].tensor, &part);
        else group_held_input(at, of->input[i].tensor, &part);
        group_add_part(at, of->input[i].tensor, &part, sum);
    }
}

int64_t group_piece_bytes(const struct group *group, uint32_t member, int64_t channels, int64_t inputs, bool with_bias) {
    const struct group_member *of = &group->members[member];
    const int64_t share = group_mixes(of) ? inputs : group_taken_share(group, member);
    const int64_t weights = share * of->kernel_elems + (with_bias ? of->slope_elems : 0);
    return nest_bytes(channels * weights, of->weight_bits) + (of->has_bias && with_bias ? nest_bytes(channels, of->partial_bits) : 0);
}

static int64_t group_staged_bytes(const struct group_moment *at) {
    const uint32_t member = at->member;
    const int64_t piece = at->run->piece[member];
    if (!piece) return 0;
    const int64_t inputs = group_turn_inputs(at->run, at->phase, member);
    const bool sums = group_accumulates(at->run, at->phase, member);
    const int64_t all = group_input_channels(at->run->group, member);
    const int64_t taken = sums ? group_least(inputs, all - at->turn * inputs) : inputs;
    const int64_t channels = group_least(piece, at->step_channels - (at->at_channel - 1) / piece * piece);
    const int64_t bytes = group_piece_bytes(at->run->group, member, channels, taken, at->turn == 0 || !sums);
    return at->run->target->double_buffer[OPERAND_W] ? 2 * bytes : bytes;
}

struct group_level group_level_at(const struct group_moment *at, const struct group_cell *cells) {
    struct group_moment here = *at;
    struct group_bytes sum = {0, 0};
    here.cells = cells;
    for (uint32_t m = at->phase->first; m < at->phase->end; m++) group_add_tensors_of(&here, m, &sum);
    return (struct group_level){sum.in, sum.out, group_staged_bytes(at)};
}

/* ---- moments ---- */

/* The channels of a step at which most can stand on the chip: the last one, the last of a full piece of weights, and the first one where a
 * sum over turns ends. Each one where parts round up apart. */
static void group_visit_step(struct group_moment *at, group_visitor *visit, void *context) {
    const bool sums = group_accumulates(at->run, at->phase, at->member);
    const int64_t channels = group_output(at->run, at->member)->channels, piece = at->run->piece[at->member];
    at->step_channels = channels;
    if (!sums) {
        const int64_t block = group_turn_channels(at->run, at->phase, at->member);
        at->step_channels = group_least(block, channels - at->turn * block);
    }
    const int64_t end_of_pieces = piece ? at->step_channels / piece * piece : 0;
    for (at->at_channel = 1; at->at_channel <= at->step_channels; at->at_channel++) {
        const bool is_first = at->at_channel == 1 && sums && group_is_last_turn(at);
        if (at->run->is_linear && !is_first && at->at_channel != end_of_pieces && at->at_channel != at->step_channels) continue;
        visit(context, at);
    }
}

static bool group_skips_turn(const struct group_run *run, const struct group_phase *phase, int64_t turn) {
    return run->is_linear && turn > 1 && turn < phase->turns - 2;
}

void group_phase_visit(const struct group_run *run, const struct group_phase *phase, group_visitor *visit, void *context) {
    struct group_moment at = {.run = run, .phase = phase};
    for (at.turn = 0; at.turn < phase->turns; at.turn++) {
        if (group_skips_turn(run, phase, at.turn)) at.turn = phase->turns - 2;
        for (at.member = phase->first; at.member < phase->end; at.member++) group_visit_step(&at, visit, context);
    }
}

struct group_raising {
    const struct group_cell *cells;
    struct group_bytes idle;
    struct group_peak *peaks;
};

static void group_raise_peak(void *context, const struct group_moment *at) {
    struct group_raising *raising = context;
    struct group_peak *peak = &raising->peaks[at->member - at->phase->first];
    if (!raising->cells[at->run->group->members[at->member].output].made) return;
    const struct group_level level = group_level_at(at, raising->cells);
    const int64_t in = level.in + raising->idle.in, out = level.out + raising->idle.out;
    peak->in = group_most(peak->in, in);
    peak->out = group_most(peak->out, out);
    peak->staged = group_most(peak->staged, level.staged);
    peak->staged_all = group_most(peak->staged_all, in + out + level.staged);
}

void group_phase_peaks(const struct group_run *run, const struct group_phase *phase, const struct group_cell *cells,
                       struct group_bytes idle, struct group_peak *peaks) {
    struct group_raising raising = {cells, idle, peaks};
    group_phase_visit(run, phase, group_raise_peak, &raising);
}
