#include "oracle/group_machine.h"

#include <stdlib.h>
#include <string.h>

enum state { ABSENT, FINISHED, UNFINISHED };

struct tensor_state {
    const struct group_tensor *of;
    int64_t channels, height, width;
    uint8_t *state;    /* [channel][y][x] */
    bool *want, *make; /* [tile][y][x] */
    int64_t *last;     /* [y][x]: the last tile of this life that wants it */
    int64_t count[3];  /* elements in each state */
    int64_t again[3];  /* of them, what a double buffer holds a second time */
};

struct machine_state {
    const struct group *group;
    const struct target *target;
    const struct group_schedule *schedule;
    struct group_machine_run *run;
    struct tensor_state *tensors;
    int64_t tiles, inner_tiles, tile, turn, turns, image;
    uint32_t first, end; /* of the phase */
    uint32_t mixing;
    int64_t staged_bytes, *stay_bytes;
};

static int64_t bytes_of(int64_t elems, uint32_t bits) { return (elems * (int64_t)bits + 7) / 8; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t plane_of(const struct tensor_state *tensor) { return tensor->height * tensor->width; }
static bool is_external(const struct tensor_state *tensor) { return tensor->of->producer < 0; }
static bool is_mixing(const struct group_member *member) { return member->groups == 1; }

/* ---- which positions each tile wants and makes ---- */

/* Whether output o touches position `at` along an axis. */
static bool touches(const struct group_window *window, int64_t o, int64_t at) {
    const int64_t extent = (window->kernel - 1) * window->dilation + 1;
    const int64_t from = window->is_transposed ? at * window->stride - window->pad : o * window->stride - window->pad;
    const int64_t met = window->is_transposed ? o : at;
    return met >= from && met < from + extent;
}

static void want_window(const struct machine_state *machine, const struct group_input *input, int64_t oy, int64_t ox, bool *want) {
    const struct tensor_state *tensor = &machine->tensors[input->tensor];
    const struct group_window *h = &input->window[0], *w = &input->window[1];
    for (int64_t y = 0; y < tensor->height; y++)
        for (int64_t x = 0; x < tensor->width && touches(h, oy, y); x++)
            if (touches(w, ox, x)) want[y * tensor->width + x] = true;
}

static void want_tensor(struct machine_state *machine, uint32_t t) {
    struct tensor_state *tensor = &machine->tensors[t];
    bool *want = tensor->want + machine->tile * plane_of(tensor);
    for (uint32_t m = 0; m < machine->group->member_count; m++)
        for (uint32_t i = 0; i < machine->group->members[m].input_count; i++) {
            const struct group_input *input = &machine->group->members[m].input[i];
            const struct tensor_state *output = &machine->tensors[machine->group->members[m].output];
            if (input->tensor != t) continue;
            for (int64_t at = 0; at < plane_of(output); at++)
                if (output->make[machine->tile * plane_of(output) + at])
                    want_window(machine, input, at / output->width, at % output->width, want);
        }
}

static bool starts_life(const struct machine_state *machine, int64_t tile) {
    if (machine->schedule->overlap == OVERLAP_RECOMPUTE) return true;
    return machine->schedule->overlap == OVERLAP_ROWS ? tile % machine->inner_tiles == 0 : tile == 0;
}

static void make_tensor(struct machine_state *machine, uint32_t t, bool *made) {
    struct tensor_state *tensor = &machine->tensors[t];
    for (int64_t at = 0; at < plane_of(tensor); at++) {
        const int64_t in_tile = machine->tile * plane_of(tensor) + at;
        tensor->make[in_tile] = tensor->want[in_tile] && !made[at];
        made[at] |= tensor->want[in_tile];
    }
}

/* An output that no member uses. */
static void want_end(struct machine_state *machine, struct tensor_state *tensor) {
    const int64_t *step = machine->schedule->tile;
    const int64_t outer = machine->tile / machine->inner_tiles, inner = machine->tile % machine->inner_tiles;
    const int64_t down = machine->schedule->down_first ? inner : outer, right = machine->schedule->down_first ? outer : inner;
    for (int64_t y = down * step[0]; y < smaller((down + 1) * step[0], tensor->height); y++)
        for (int64_t x = right * step[1]; x < smaller((right + 1) * step[1], tensor->width); x++)
            tensor->want[machine->tile * plane_of(tensor) + y * tensor->width + x] = true;
}

static void plan_chain(struct machine_state *machine) {
    const struct group *group = machine->group;
    bool **made = calloc(group->tensor_count, sizeof *made);
    for (uint32_t t = 0; t < group->tensor_count; t++) made[t] = calloc((size_t)plane_of(&machine->tensors[t]), sizeof(bool));
    for (machine->tile = 0; machine->tile < machine->tiles; machine->tile++) {
        for (uint32_t t = 0; t < group->tensor_count && starts_life(machine, machine->tile); t++)
            memset(made[t], 0, (size_t)plane_of(&machine->tensors[t]));
        for (uint32_t t = 0; t < group->tensor_count; t++)
            if (!machine->tensors[t].of->use_count) want_end(machine, &machine->tensors[t]);
        for (uint32_t m = group->member_count; m-- > 0;) {
            if (machine->tensors[group->members[m].output].of->use_count) want_tensor(machine, group->members[m].output);
            make_tensor(machine, group->members[m].output, made[group->members[m].output]);
        }
        for (uint32_t t = 0; t < group->tensor_count; t++)
            if (is_external(&machine->tensors[t])) {
                want_tensor(machine, t);
                make_tensor(machine, t, made[t]);
            }
    }
    for (uint32_t t = 0; t < group->tensor_count; t++) free(made[t]);
    free(made);
}

/* With several consumers the hull of each axis by itself: rows and columns are planned apart, a tile wants and makes their products. */
struct axis_plan {
    bool *want[2], *make[2]; /* [axis]: [index of the tile along it][position] */
};

static int64_t axis_plane(const struct tensor_state *tensor, int axis) { return axis ? tensor->width : tensor->height; }

static void plan_axis_want(const struct machine_state *machine, const struct axis_plan *plans, uint32_t t, int axis, int64_t index) {
    const int64_t plane = axis_plane(&machine->tensors[t], axis);
    bool *want = plans[t].want[axis] + index * plane;
    int64_t from = plane, to = -1;
    for (uint32_t m = 0; m < machine->group->member_count; m++)
        for (uint32_t i = 0; i < machine->group->members[m].input_count; i++) {
            const struct group_member *member = &machine->group->members[m];
            const struct group_window *window = &member->input[i].window[axis];
            const int64_t outputs = axis_plane(&machine->tensors[member->output], axis);
            for (int64_t o = 0; o < outputs && member->input[i].tensor == t; o++)
                for (int64_t at = 0; at < plane; at++) {
                    if (!touches(window, o, at) || !plans[member->output].make[axis][index * outputs + o]) continue;
                    want[at] = true;
                    from = at < from ? at : from;
                    to = at > to ? at : to;
                }
        }
    for (int64_t at = from; machine->tensors[t].of->use_count > 1 && at <= to; at++) want[at] = true;
}

static void plan_axis_make(const struct machine_state *machine, const struct axis_plan *plans, uint32_t t, int axis, int64_t index,
                           bool keeps) {
    const int64_t plane = axis_plane(&machine->tensors[t], axis);
    for (int64_t at = 0; at < plane; at++) {
        bool is_made = false;
        for (int64_t before = 0; keeps && before < index; before++) is_made |= plans[t].want[axis][before * plane + at];
        plans[t].make[axis][index * plane + at] = plans[t].want[axis][index * plane + at] && !is_made;
    }
}

static void plan_axis(const struct machine_state *machine, const struct axis_plan *plans, int axis, int64_t tiles) {
    const struct group *group = machine->group;
    const bool is_outer = machine->schedule->down_first == (axis == 1);
    const bool keeps = machine->schedule->overlap == OVERLAP_FULL || (machine->schedule->overlap == OVERLAP_ROWS && !is_outer);
    const int64_t plane = axis_plane(&machine->tensors[group->members[group->member_count - 1].output], axis);
    const int64_t step = machine->schedule->tile[axis];
    for (int64_t index = 0; index < tiles; index++) {
        for (uint32_t t = 0; t < group->tensor_count; t++)
            for (int64_t at = index * step; !group->tensors[t].use_count && at < smaller((index + 1) * step, plane); at++)
                plans[t].want[axis][index * plane + at] = true;
        for (uint32_t m = group->member_count; m-- > 0;) {
            if (group->tensors[group->members[m].output].use_count) plan_axis_want(machine, plans, group->members[m].output, axis, index);
            plan_axis_make(machine, plans, group->members[m].output, axis, index, keeps);
        }
        for (uint32_t t = 0; t < group->tensor_count; t++)
            if (is_external(&machine->tensors[t])) {
                plan_axis_want(machine, plans, t, axis, index);
                plan_axis_make(machine, plans, t, axis, index, keeps);
            }
    }
}

static void plan_branches(struct machine_state *machine) {
    const uint32_t tensors = machine->group->tensor_count;
    const int64_t tiles[2] = {machine->schedule->down_first ? machine->inner_tiles : machine->tiles / machine->inner_tiles,
                              machine->schedule->down_first ? machine->tiles / machine->inner_tiles : machine->inner_tiles};
    struct axis_plan *plans = calloc(tensors, sizeof *plans);
    for (uint32_t t = 0; t < tensors; t++)
        for (int a = 0; a < 2; a++) {
            plans[t].want[a] = calloc((size_t)(tiles[a] * axis_plane(&machine->tensors[t], a)), sizeof(bool));
            plans[t].make[a] = calloc((size_t)(tiles[a] * axis_plane(&machine->tensors[t], a)), sizeof(bool));
        }
    for (int a = 0; a < 2; a++) plan_axis(machine, plans, a, tiles[a]);
    for (uint32_t t = 0; t < tensors; t++) {
        struct tensor_state *tensor = &machine->tensors[t];
        for (int64_t k = 0; k < machine->tiles * plane_of(tensor); k++) {
            const int64_t tile = k / plane_of(tensor), y = k % plane_of(tensor) / tensor->width, x = k % tensor->width;
            const int64_t outer = tile / machine->inner_tiles, inner = tile % machine->inner_tiles;
            const int64_t row = (machine->schedule->down_first ? inner : outer) * tensor->height + y;
            const int64_t column = (machine->schedule->down_first ? outer : inner) * tensor->width + x;
            tensor->want[k] = plans[t].want[0][row] && plans[t].want[1][column];
            tensor->make[k] = plans[t].make[0][row] && plans[t].make[1][column];
        }
        for (int a = 0; a < 2; a++) {
            free(plans[t].want[a]);
            free(plans[t].make[a]);
        }
    }
    free(plans);
}

static void plan_tiles(struct machine_state *machine) {
    bool branches = false;
    for (uint32_t t = 0; t < machine->group->tensor_count; t++) branches |= machine->tensors[t].of->use_count > 1;
    if (branches) plan_branches(machine);
    else plan_chain(machine);
}

static void plan_life(struct machine_state *machine) {
    for (uint32_t t = 0; t < machine->group->tensor_count; t++) {
        struct tensor_state *tensor = &machine->tensors[t];
        for (int64_t at = 0; at < plane_of(tensor) && !tensor->of->stays; at++) {
            tensor->last[at] = -1;
            for (int64_t tile = machine->tile; tile < machine->tiles; tile++) {
                if (tile > machine->tile && starts_life(machine, tile)) break;
                if (tensor->want[tile * plane_of(tensor) + at]) tensor->last[at] = tile;
            }
        }
    }
}

/* ---- elements ---- */

static void set_state(struct tensor_state *tensor, int64_t channel, int64_t at, enum state state) {
    uint8_t *element = &tensor->state[channel * plane_of(tensor) + at];
    tensor->count[*element]--;
    tensor->count[state]++;
    *element = (uint8_t)state;
}

static bool makes(const struct machine_state *machine, const struct tensor_state *tensor, int64_t at) {
    return tensor->make[machine->tile * plane_of(tensor) + at];
}

static int64_t positions_made(const struct machine_state *machine, const struct tensor_state *tensor) {
    int64_t count = 0;
    for (int64_t at = 0; at < plane_of(tensor); at++) count += makes(machine, tensor, at);
    return count;
}

static void raise_to(int64_t *largest, int64_t value) {
    if (value > *largest) *largest = value;
}

static void measure(struct machine_state *machine) {
    int64_t part[OPERAND_COUNT] = {0};
    for (uint32_t t = 0; t < machine->group->tensor_count; t++) {
        const struct tensor_state *tensor = &machine->tensors[t];
        const uint32_t partial = is_external(tensor) ? 0 : machine->group->members[tensor->of->producer].partial_bits;
        const enum operand whole = tensor->of->is_output ? OPERAND_O : OPERAND_I;
        part[whole] += bytes_of(tensor->count[FINISHED], tensor->of->bits);
        part[OPERAND_O] += bytes_of(tensor->count[UNFINISHED], partial);
        if (machine->target->double_buffer[whole] && !tensor->of->stays && (tensor->of->is_output || is_external(tensor)))
            part[whole] += bytes_of(tensor->again[FINISHED], tensor->of->bits) + bytes_of(tensor->again[UNFINISHED], partial);
    }
    for (uint32_t m = 0; m < machine->group->member_count; m++) part[OPERAND_W] += machine->stay_bytes[m];
    part[OPERAND_W] += machine->staged_bytes * (machine->target->double_buffer[OPERAND_W] ? 2 : 1);
    for (int k = 0; k < OPERAND_COUNT; k++) raise_to(&machine->run->part_bytes[k], part[k]);
    raise_to(&machine->run->footprint_bytes, part[0] + part[1] + part[2]);
    machine->run->steps++;
}

/* ---- one step: a member in a turn ---- */

/* Channels of a tensor that pass in this turn; all of them where it is held. */
static int64_t turn_block(const struct machine_state *machine, uint32_t t) { return machine->schedule->block[t]; }

static void turn_range(const struct machine_state *machine, int64_t block, int64_t channels, int64_t range[2]) {
    range[0] = block ? smaller(machine->turn * block, channels) : 0;
    range[1] = block ? smaller(range[0] + block, channels) : channels;
}

static bool sums_up(const struct machine_state *machine, const struct group_member *member) {
    return machine->turns > 1 && is_mixing(member) && turn_block(machine, member->input[0].tensor);
}

/* Input channels: of a Concat of what the layer takes. */
static int64_t channels_taken(const struct machine_state *machine, const struct group_member *member) {
    int64_t channels = 0;
    for (uint32_t i = 0; i < 1 + member->more_parts; i++) channels += machine->group->tensors[member->input[i].tensor].channels;
    return channels;
}

/* Output channels made in this turn, and input channels used for them. */
static void step_ranges(const struct machine_state *machine, const struct group_member *member, int64_t made[2], int64_t used[2]) {
    const struct tensor_state *output = &machine->tensors[member->output];
    const int64_t taken = channels_taken(machine, member);
    const int64_t per_in = taken / member->groups, per_out = output->of->channels / member->groups;
    turn_range(machine, 0, output->channels, made);
    turn_range(machine, 0, member->more_parts ? taken : machine->tensors[member->input[0].tensor].channels, used);
    if (machine->turns == 1) return;
    if (is_mixing(member) && !member->more_parts) turn_range(machine, turn_block(machine, member->input[0].tensor), taken, used);
    if (sums_up(machine, member)) return;
    int64_t block = turn_block(machine, member->output);
    for (uint32_t i = 1 + member->more_parts; i < member->input_count; i++)
        if (!block) block = turn_block(machine, member->input[i].tensor);
    if (!block && !is_mixing(member)) block = turn_block(machine, member->input[0].tensor) / per_in * per_out;
    turn_range(machine, block, output->channels, made);
    if (is_mixing(member)) return;
    used[0] = made[0] / per_out * per_in;
    used[1] = made[1] / per_out * per_in;
}

static void fetch_inputs(struct machine_state *machine, uint32_t m) {
    for (uint32_t t = 0; t < machine->group->tensor_count; t++) {
        struct tensor_state *tensor = &machine->tensors[t];
        if (!is_external(tensor) || tensor->of->stays) continue;
        tensor->again[FINISHED] = 0;
        if (tensor->of->first_use != m || (!turn_block(machine, t) && machine->turn > 0)) continue;
        int64_t range[2];
        turn_range(machine, turn_block(machine, t), tensor->channels, range);
        for (int64_t c = range[0]; c < range[1]; c++)
            for (int64_t at = 0; at < plane_of(tensor); at++)
                if (makes(machine, tensor, at)) set_state(tensor, c, at, FINISHED), tensor->again[FINISHED]++;
        machine->run->traffic.input_bytes += bytes_of(tensor->again[FINISHED], tensor->of->bits);
    }
}

static void check_window(struct machine_state *machine, const struct group_input *input, int64_t at, const struct tensor_state *output,
                         const int64_t channels[2]) {
    const struct tensor_state *tensor = &machine->tensors[input->tensor];
    bool *want = calloc((size_t)plane_of(tensor), sizeof(bool));
    want_window(machine, input, at / output->width, at % output->width, want);
    for (int64_t k = 0; k < plane_of(tensor); k++)
        for (int64_t c = channels[0]; want[k] && c < channels[1]; c++)
            if (tensor->state[c * plane_of(tensor) + k] != FINISHED) machine->run->is_sound = false;
    free(want);
}

static void check_inputs(struct machine_state *machine, const struct group_member *member, const int64_t made[2], const int64_t used[2]) {
    const struct tensor_state *output = &machine->tensors[member->output];
    int64_t first = 0; /* of a part's channels among all that the layer takes */
    for (uint32_t i = 0; i < member->input_count; i++) {
        const int64_t channels = machine->tensors[member->input[i].tensor].channels;
        const int64_t of_part[2] = {used[0] > first ? used[0] - first : 0, smaller(used[1] - first, channels)};
        for (int64_t at = 0; at < plane_of(output); at++)
            if (makes(machine, output, at)) check_window(machine, &member->input[i], at, output, i > member->more_parts ? made : of_part);
        first += channels;
    }
}

static int64_t weights_of(const struct group_member *member, int64_t channels, int64_t inputs, bool with_bias) {
    int64_t elems = channels * inputs * member->kernel_elems;
    if (with_bias) elems += channels * member->slope_elems;
    return bytes_of(elems, member->weight_bits) + (member->has_bias && with_bias ? bytes_of(channels, member->partial_bits) : 0);
}

static void stage_piece(struct machine_state *machine, uint32_t m, int64_t channel, const int64_t made[2], const int64_t used[2]) {
    const struct group_member *member = &machine->group->members[m];
    const int64_t piece = machine->schedule->piece[m];
    if (!piece || (channel - made[0]) % piece) return;
    const int64_t count = smaller(piece, made[1] - channel);
    const int64_t inputs = is_mixing(member) ? used[1] - used[0] : channels_taken(machine, member) / member->groups;
    machine->staged_bytes = weights_of(member, count, inputs, !sums_up(machine, member) || machine->turn == 0);
    machine->run->traffic.weight_bytes += machine->staged_bytes;
}

static void make_channel(struct machine_state *machine, const struct group_member *member, int64_t channel) {
    struct tensor_state *output = &machine->tensors[member->output];
    const bool is_done = !sums_up(machine, member) || machine->turn == machine->turns - 1;
    const bool is_new = !sums_up(machine, member) || machine->turn == 0;
    const int64_t positions = positions_made(machine, output);
    for (int64_t at = 0; at < plane_of(output); at++) {
        if (!makes(machine, output, at)) continue;
        const uint8_t was = output->state[channel * plane_of(output) + at];
        if (was != (is_new ? ABSENT : UNFINISHED)) machine->run->is_sound = false;
        set_state(output, channel, at, UNFINISHED);
    }
    if (is_new) output->again[UNFINISHED] += positions;
    measure(machine);
    if (!is_done) return;
    for (int64_t at = 0; at < plane_of(output); at++)
        if (makes(machine, output, at)) set_state(output, channel, at, FINISHED);
    output->again[UNFINISHED] -= positions;
    output->again[FINISHED] += positions;
    machine->run->macs += positions * member->macs;
}

static void drop(struct machine_state *machine, struct tensor_state *tensor, const int64_t channels[2]) {
    for (int64_t c = channels[0]; c < channels[1]; c++)
        for (int64_t at = 0; at < plane_of(tensor); at++)
            if (tensor->state[c * plane_of(tensor) + at] && tensor->last[at] <= machine->tile) set_state(tensor, c, at, ABSENT);
}

static void write_output(struct machine_state *machine, const struct group_member *member, const int64_t made[2]) {
    struct tensor_state *output = &machine->tensors[member->output];
    const bool is_held = !turn_block(machine, member->output), is_last_turn = machine->turn == machine->turns - 1;
    const int64_t positions = positions_made(machine, output), all[2] = {0, output->channels};
    if (member->operand_bits && (!sums_up(machine, member) || is_last_turn))
        machine->run->traffic.input_bytes += bytes_of((made[1] - made[0]) * positions, member->operand_bits);
    if (!is_held) memset(output->again, 0, sizeof output->again);
    if (!output->of->is_output || output->of->stays || (is_held && !is_last_turn)) return;
    machine->run->traffic.output_bytes += bytes_of((is_held ? output->channels : made[1] - made[0]) * positions, output->of->bits);
    if (!output->of->use_count) drop(machine, output, is_held ? all : made);
}

static void drop_inputs(struct machine_state *machine, uint32_t m) {
    const struct group_member *member = &machine->group->members[m];
    for (uint32_t i = 0; i < member->input_count; i++) {
        const uint32_t t = member->input[i].tensor;
        struct tensor_state *tensor = &machine->tensors[t];
        int64_t range[2];
        if (tensor->of->last_use != m || (!turn_block(machine, t) && machine->turn < machine->turns - 1)) continue;
        turn_range(machine, turn_block(machine, t), tensor->channels, range);
        drop(machine, tensor, range);
    }
}

static void run_step(struct machine_state *machine, uint32_t m) {
    const struct group_member *member = &machine->group->members[m];
    int64_t made[2], used[2];
    fetch_inputs(machine, m);
    if (positions_made(machine, &machine->tensors[member->output])) {
        step_ranges(machine, member, made, used);
        check_inputs(machine, member, made, used);
        for (int64_t c = made[0]; c < made[1]; c++) {
            stage_piece(machine, m, c, made, used);
            make_channel(machine, member, c);
        }
        machine->staged_bytes = 0;
        write_output(machine, member, made);
    }
    drop_inputs(machine, m);
}

/* ---- tiles ---- */

/* A phase ends where no passing tensor leads on; its turns are what the passing tensors need. */
static void find_phase(struct machine_state *machine) {
    const struct group *group = machine->group;
    machine->end = machine->first + 1;
    machine->turns = 1;
    for (uint32_t m = machine->first; m < machine->end; m++)
        for (uint32_t t = 0; t < group->tensor_count; t++) {
            const struct group_tensor *tensor = &group->tensors[t];
            bool is_touched = group->members[m].output == t;
            for (uint32_t i = 0; i < group->members[m].input_count; i++) is_touched |= group->members[m].input[i].tensor == t;
            const int64_t block = turn_block(machine, t);
            if (!is_touched || !block) continue;
            const int64_t turns = (machine->tensors[t].channels + block - 1) / block;
            if (turns > machine->turns) machine->turns = turns;
            if (tensor->use_count && tensor->last_use + 1 > machine->end) machine->end = tensor->last_use + 1;
        }
}

static void run_tile(struct machine_state *machine) {
    for (machine->first = 0; machine->first < machine->group->member_count; machine->first = machine->end) {
        find_phase(machine);
        for (machine->turn = 0; machine->turn < machine->turns; machine->turn++)
            for (uint32_t m = machine->first; m < machine->end; m++) run_step(machine, m);
        for (uint32_t t = 0; t < machine->group->tensor_count; t++) memset(machine->tensors[t].again, 0, sizeof machine->tensors[t].again);
    }
}

/* A staying input stands there, as far as any tile wants it, before the first tile. Lives do not matter to what stays. */
static void place_staying(struct machine_state *machine) {
    for (uint32_t t = 0; t < machine->group->tensor_count; t++) {
        struct tensor_state *tensor = &machine->tensors[t];
        for (int64_t k = 0; tensor->of->stays && k < machine->tiles * plane_of(tensor); k++) {
            const int64_t at = k % plane_of(tensor);
            if (!tensor->want[k] || !is_external(tensor)) continue;
            tensor->last[at] = k / plane_of(tensor);
            for (int64_t c = 0; c < tensor->channels; c++) set_state(tensor, c, at, FINISHED);
        }
    }
}

static int64_t on_chip(const struct machine_state *machine, bool with_staying) {
    int64_t bytes = 0;
    for (uint32_t t = 0; t < machine->group->tensor_count; t++) {
        const struct tensor_state *tensor = &machine->tensors[t];
        if (tensor->of->stays && !with_staying) continue;
        bytes += bytes_of(tensor->count[FINISHED], tensor->of->bits) + tensor->count[UNFINISHED] * 1000000;
    }
    return bytes;
}

/* All of a staying output, nothing of a staying input or anything else. */
static bool ends_well(const struct machine_state *machine) {
    for (uint32_t t = 0; t < machine->group->tensor_count; t++) {
        const struct tensor_state *tensor = &machine->tensors[t];
        const int64_t left = is_external(tensor) ? 0 : plane_of(tensor) * tensor->channels;
        if (tensor->of->stays && tensor->count[FINISHED] != left) return false;
    }
    return on_chip(machine, false) == 0;
}

static void walk_tiles(struct machine_state *machine) {
    place_staying(machine);
    for (machine->tile = 0; machine->tile < machine->tiles; machine->tile++) {
        if (starts_life(machine, machine->tile)) {
            if (on_chip(machine, false)) machine->run->is_sound = false;
            plan_life(machine);
        }
        run_tile(machine);
        raise_to(&machine->run->kept_bytes, on_chip(machine, true));
    }
    if (!ends_well(machine)) machine->run->is_sound = false;
}

/* Weights that stay come before the first tile; those of a block with the block. */
static void load_weights(struct machine_state *machine, bool is_blocked, int64_t block) {
    for (uint32_t m = 0; m < machine->group->member_count; m++) {
        const struct group_member *member = &machine->group->members[m];
        const bool is_of_block = is_blocked && m >= machine->mixing;
        if (machine->schedule->piece[m] || (!is_of_block && (machine->image || block))) continue;
        const int64_t channels = machine->tensors[member->output].channels;
        machine->stay_bytes[m] = weights_of(member, channels, channels_taken(machine, member) / member->groups, true);
        machine->run->traffic.weight_bytes += machine->stay_bytes[m];
    }
}

static void run_blocks(struct machine_state *machine) {
    const struct group *group = machine->group;
    const int64_t blocks = machine->schedule->out_blocks;
    for (int64_t k = 0; k < blocks; k++) {
        for (uint32_t m = machine->mixing; blocks > 1 && m < group->member_count; m++) {
            const int64_t all = group->tensors[group->members[m].output].channels, each = (all + blocks - 1) / blocks;
            machine->tensors[group->members[m].output].channels = smaller(each, all - k * each);
        }
        load_weights(machine, blocks > 1, k);
        walk_tiles(machine);
    }
}

void group_machine_execute(const struct group *group, const struct target *target, const struct group_schedule *schedule,
                           struct group_machine_run *run) {
    struct machine_state machine = {.group = group, .target = target, .schedule = schedule, .run = run};
    const int64_t *plane = group->tensors[group->members[group->member_count - 1].output].plane;
    int64_t tiles[GROUP_AXES];
    for (int a = 0; a < GROUP_AXES; a++) tiles[a] = (plane[a] + schedule->tile[a] - 1) / schedule->tile[a];
    machine.tiles = tiles[0] * tiles[1];
    machine.inner_tiles = schedule->down_first ? tiles[0] : tiles[1];
    for (uint32_t m = 0; m < group->member_count; m++)
        if (is_mixing(&group->members[m])) machine.mixing = m;
    machine.tensors = calloc(group->tensor_count, sizeof *machine.tensors);
    machine.stay_bytes = calloc(group->member_count, sizeof *machine.stay_bytes);
    *run = (struct group_machine_run){.is_sound = true};
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *of = &group->tensors[t];
        struct tensor_state *tensor = &machine.tensors[t];
        *tensor = (struct tensor_state){.of = of, .channels = of->channels, .height = of->plane[0], .width = of->plane[1]};
        tensor->state = calloc((size_t)(of->channels * plane_of(tensor)), 1);
        tensor->want = calloc((size_t)(machine.tiles * plane_of(tensor)), sizeof(bool));
        tensor->make = calloc((size_t)(machine.tiles * plane_of(tensor)), sizeof(bool));
        tensor->last = calloc((size_t)plane_of(tensor), sizeof(int64_t));
    }
    plan_tiles(&machine);
    for (machine.image = 0; machine.image < group->images; machine.image++) run_blocks(&machine);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        free(machine.tensors[t].state);
        free(machine.tensors[t].want);
        free(machine.tensors[t].make);
        free(machine.tensors[t].last);
    }
    free(machine.tensors);
    free(machine.stay_bytes);
}
