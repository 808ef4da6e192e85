#include "oracle/machine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct range {
    int64_t from, to;
};

struct ranges {
    struct range of[DIM_COUNT];
};

/* What an input buffer holds, or should: ranges of n g c, elements of each axis. */
struct input_tile {
    struct range n, g, c;
    struct range outputs[NEST_AXES]; /* the tile's name where windows do not slide */
    struct machine_set axis[NEST_AXES];
    bool is_there;
};

struct state {
    struct machine *machine;
    const struct mapping *mapping;
    struct machine_run *run;
    int64_t limit;
    struct ranges at[MAPPING_MAX_LOOPS + 1]; /* after the loops outside each depth */
    bool is_reversed[MAPPING_MAX_LOOPS];
    struct input_tile input;
    struct ranges weight, output;
    bool has_weight, has_output;
};

/* ---- elements ---- */

static void set_of_outputs(const struct nest_axis *axis, struct range outputs, struct machine_set *set) {
    memset(set, 0, sizeof *set);
    for (int64_t i = 0; axis->transposed && i < axis->plane; i++)
        for (int64_t k = 0; k <= (axis->kernel - 1) * axis->dilation; k++) {
            const int64_t o = i * axis->stride - axis->pad + k;
            if (o >= outputs.from && o < outputs.to) set->word[i / 64] |= UINT64_C(1) << i % 64;
        }
    for (int64_t o = outputs.from; !axis->transposed && o < outputs.to; o++)
        for (int64_t k = 0; k <= (axis->kernel - 1) * axis->dilation; k++) {
            const int64_t at = o * axis->stride - axis->pad + k;
            if (at >= 0 && at < axis->plane) set->word[at / 64] |= UINT64_C(1) << at % 64;
        }
}

static int64_t count_bits(uint64_t word) {
    int64_t count = 0;
    for (; word; word &= word - 1) count++;
    return count;
}

static int64_t set_size(const struct machine *machine, const struct machine_set *a, const struct machine_set *b) {
    int64_t size = 0;
    for (uint32_t i = 0; i < machine->words; i++) size += count_bits(a->word[i] & b->word[i]);
    return size;
}

static int64_t length(struct range range) { return range.to - range.from; }
static bool same(struct range a, struct range b) { return a.from == b.from && a.to == b.to; }

static int64_t in_bytes(int64_t elems, uint32_t bits) {
    int64_t bytes = elems * (int64_t)bits / 8;
    while (bytes * 8 < elems * (int64_t)bits) bytes++;
    return bytes;
}

void machine_init(struct machine *machine, const struct nest *nest, const struct target *target) {
    int64_t outputs = 1;
    *machine = (struct machine){.nest = nest, .target = target};
    for (int d = 0; d < DIM_COUNT; d++)
        if (d != DIM_C) outputs *= nest->size[d];
    machine->added = malloc((size_t)outputs * sizeof *machine->added);
    machine->is_spilled = malloc((size_t)outputs * sizeof *machine->is_spilled);
    if (!machine->added || !machine->is_spilled) abort();
    for (int a = 0; a < NEST_AXES; a++) {
        assert(nest->axis[a].plane <= MACHINE_PLANE);
        const uint32_t words = (uint32_t)((nest->axis[a].plane + 63) / 64);
        if (words > machine->words) machine->words = words;
        for (int64_t from = 0; from < MACHINE_TABLE; from++)
            for (int64_t to = from; to < MACHINE_TABLE; to++)
                set_of_outputs(&nest->axis[a], (struct range){from, to}, &machine->window[a][from][to]);
    }
}

void machine_release(struct machine *machine) {
    free(machine->added);
    free(machine->is_spilled);
}

/* ---- transfers ---- */

static void hold(struct state *state, enum operand operand, int64_t bytes) {
    if (state->machine->target->double_buffer[operand]) bytes *= 2;
    if (bytes > state->run->footprint.bytes[operand]) state->run->footprint.bytes[operand] = bytes;
}

static void want_input(struct state *state, struct input_tile *want) {
    const struct machine *machine = state->machine;
    const struct ranges *at = &state->at[state->mapping->depth[OPERAND_I]];
    *want = (struct input_tile){.n = at->of[DIM_N], .g = at->of[DIM_G], .c = at->of[DIM_C], .is_there = true};
    for (int a = 0; a < NEST_AXES; a++) {
        const struct range outputs = want->outputs[a] = at->of[DIM_OD + a];
        if (outputs.to < MACHINE_TABLE) want->axis[a] = machine->window[a][outputs.from][outputs.to];
        else set_of_outputs(&machine->nest->axis[a], outputs, &want->axis[a]);
    }
}

static bool is_same_tile(const struct input_tile *a, const struct input_tile *b) {
    bool is_same = a->is_there && b->is_there && same(a->n, b->n) && same(a->g, b->g) && same(a->c, b->c);
    for (int axis = 0; axis < NEST_AXES; axis++) is_same = is_same && same(a->outputs[axis], b->outputs[axis]);
    return is_same;
}

static void bring_input(struct state *state) {
    const struct machine *machine = state->machine;
    struct input_tile want, *held = &state->input;
    want_input(state, &want);
    if (is_same_tile(&want, held)) return;
    state->run->transfers[OPERAND_I]++;
    int64_t elems = length(want.n) * length(want.g) * length(want.c), kept = elems;
    for (int a = 0; a < NEST_AXES; a++) {
        elems *= set_size(machine, &want.axis[a], &want.axis[a]);
        kept *= set_size(machine, &want.axis[a], &held->axis[a]);
    }
    hold(state, OPERAND_I, in_bytes(elems, machine->nest->bits[OPERAND_I]));
    const bool slides =
        machine->target->halo_reuse && held->is_there && same(want.n, held->n) && same(want.g, held->g) && same(want.c, held->c);
    state->run->traffic.input_bytes += in_bytes(slides ? elems - kept : elems, machine->nest->bits[OPERAND_I]);
    *held = want;
}

static void bring_weight(struct state *state) {
    const struct nest *nest = state->machine->nest;
    const struct ranges *want = &state->at[state->mapping->depth[OPERAND_W]];
    if (!nest->bits[OPERAND_W]) return;
    if (state->has_weight && same(want->of[DIM_G], state->weight.of[DIM_G]) && same(want->of[DIM_M], state->weight.of[DIM_M]) &&
        same(want->of[DIM_C], state->weight.of[DIM_C]))
        return;
    state->run->transfers[OPERAND_W]++;
    const int64_t filters = length(want->of[DIM_G]) * length(want->of[DIM_M]);
    int64_t elems = filters * length(want->of[DIM_C]);
    for (int a = 0; a < NEST_AXES; a++) elems *= nest->axis[a].kernel;
    const int64_t bytes = in_bytes(elems, nest->bits[OPERAND_W]), bias = nest->has_bias ? in_bytes(filters, nest->partial_bits) : 0;
    state->run->traffic.weight_bytes += bytes + (want->of[DIM_C].from == 0 ? bias : 0);
    hold(state, OPERAND_W, bytes + bias);
    state->weight = *want;
    state->has_weight = true;
}

static int64_t outputs_in(const struct ranges *at) {
    int64_t elems = 1;
    for (int d = 0; d < DIM_COUNT; d++)
        if (d != DIM_C) elems *= length(at->of[d]);
    return elems;
}

static size_t first_output(const struct nest *nest, const struct ranges *at) {
    int64_t index = 0;
    for (int d = 0; d < DIM_COUNT; d++)
        if (d != DIM_C) index = index * nest->size[d] + at->of[d].from;
    return (size_t)index;
}

static int64_t pooled_in(const struct nest *nest, const struct ranges *at) {
    int64_t elems = length(at->of[DIM_N]) * length(at->of[DIM_G]) * length(at->of[DIM_M]);
    for (int a = 0; a < NEST_AXES; a++) {
        int64_t windows = 0;
        for (int64_t o = at->of[DIM_OD + a].from; o < at->of[DIM_OD + a].to; o++)
            windows += o % nest->axis[a].pool == 0 && o / nest->axis[a].pool < nest->axis[a].pooled;
        elems *= windows;
    }
    return elems;
}

static void put_back(struct state *state) {
    const struct nest *nest = state->machine->nest;
    const struct ranges *at = &state->output;
    const size_t first = first_output(nest, at);
    if (!state->has_output) return;
    if (state->machine->added[first] == outputs_in(at) * nest->size[DIM_C]) {
        state->run->traffic.output_bytes += in_bytes(pooled_in(nest, at), nest->bits[OPERAND_O]);
        return;
    }
    state->run->traffic.partial_sum_bytes += in_bytes(outputs_in(at), nest->partial_bits);
    state->machine->is_spilled[first] = true;
}

static void bring_output(struct state *state) {
    const struct nest *nest = state->machine->nest;
    const struct ranges *want = &state->at[state->mapping->depth[OPERAND_O]];
    bool is_held = state->has_output;
    for (int d = 0; d < DIM_COUNT; d++)
        if (d != DIM_C) is_held = is_held && same(want->of[d], state->output.of[d]);
    if (is_held) return;
    put_back(state);
    state->run->transfers[OPERAND_O]++;
    state->output = *want;
    state->has_output = true;
    const int64_t bytes = in_bytes(outputs_in(want), nest->partial_bits);
    hold(state, OPERAND_O, bytes);
    if (state->machine->is_spilled[first_output(nest, want)]) state->run->traffic.partial_sum_bytes += bytes;
}

static bool step(struct state *state) {
    const struct nest *nest = state->machine->nest;
    bring_input(state);
    bring_weight(state);
    bring_output(state);
    const struct ranges *tile = &state->at[state->mapping->loop_count];
    state->machine->added[first_output(nest, &state->output)] += outputs_in(tile) * length(tile->of[DIM_C]);
    state->run->steps++;
    const struct traffic *moved = &state->run->traffic;
    return moved->input_bytes + moved->weight_bytes + moved->output_bytes + moved->partial_sum_bytes <= state->limit;
}

/* ---- loops ---- */

static bool loop(struct state *state, uint32_t level) {
    if (level == state->mapping->loop_count) return step(state);
    const struct mapping_loop *of = &state->mapping->loops[level];
    const struct range all = state->at[level].of[of->dim];
    const int64_t trips = (length(all) + of->step - 1) / of->step;
    const bool is_reversed = of->snake && state->is_reversed[level];
    state->is_reversed[level] = !state->is_reversed[level];
    for (int64_t i = 0; i < trips; i++) {
        const int64_t from = all.from + (is_reversed ? trips - 1 - i : i) * of->step;
        state->at[level + 1] = state->at[level];
        state->at[level + 1].of[of->dim] = (struct range){from, from + of->step < all.to ? from + of->step : all.to};
        if (!loop(state, level + 1)) return false;
    }
    return true;
}

bool machine_execute(struct machine *machine, const struct mapping *mapping, int64_t limit, struct machine_run *run) {
    struct state state = {.machine = machine, .mapping = mapping, .run = run, .limit = limit};
    int64_t outputs = 1;
    *run = (struct machine_run){0};
    for (int d = 0; d < DIM_COUNT; d++) {
        state.at[0].of[d] = (struct range){0, machine->nest->size[d]};
        if (d != DIM_C) outputs *= machine->nest->size[d];
    }
    memset(machine->added, 0, (size_t)outputs * sizeof *machine->added);
    memset(machine->is_spilled, 0, (size_t)outputs * sizeof *machine->is_spilled);
    if (!loop(&state, 0)) return false;
    put_back(&state);
    const struct traffic *moved = &run->traffic;
    return moved->input_bytes + moved->weight_bytes + moved->output_bytes + moved->partial_sum_bytes <= limit;
}
