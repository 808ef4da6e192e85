#include "cost/group_options.h"

#include <stddef.h>
#include <string.h>

/* ---- which phases there are ---- */

static bool option_makes(const struct group *group, const struct group_option *option, uint32_t tensor) {
    const int32_t producer = group->tensors[tensor].producer;
    return producer >= (int32_t)option->first && producer < (int32_t)option->end;
}

static void option_touch(struct group_option *option, uint32_t *tensors, uint32_t tensor) {
    for (uint32_t i = 0; i < option->tensor_count; i++)
        if (tensors[i] == tensor) return;
    tensors[option->tensor_count++] = tensor;
}

static void option_list_tensors(struct arena *arena, const struct group *group, struct group_option *option) {
    uint32_t most = 0;
    for (uint32_t m = option->first; m < option->end; m++) most += 1 + group->members[m].input_count;
    uint32_t *tensors = ARENA_ARRAY(arena, uint32_t, most);
    for (uint32_t m = option->first; m < option->end; m++) {
        for (uint32_t i = 0; i < group->members[m].input_count; i++) option_touch(option, tensors, group->members[m].input[i].tensor);
        option_touch(option, tensors, group->members[m].output);
    }
    option->tensors = tensors;
}

static bool option_is_part(const struct group *group, const struct group_option *option, uint32_t tensor) {
    for (uint32_t m = option->first; m < option->end; m++)
        for (uint32_t i = 0; group->members[m].more_parts && i <= group->members[m].more_parts; i++)
            if (group->members[m].input[i].tensor == tensor) return true;
    return false;
}

/* Comes for this phase alone; leaves from it for off the chip alone. */
static bool option_may_take(const struct group *group, const struct group_option *option, uint32_t tensor) {
    const struct group_tensor *of = &group->tensors[tensor];
    return of->producer == GROUP_OFF_CHIP && !of->stays && of->first_use >= option->first && of->last_use < option->end &&
           !option_is_part(group, option, tensor);
}

static bool option_may_give(const struct group *group, const struct group_option *option, uint32_t tensor) {
    return option_makes(group, option, tensor) && !group->tensors[tensor].use_count;
}

/* Up to OPTION_ENDS such tensors pass or not each by itself, of more all do or none. */
enum { OPTION_ENDS = 4 };

static uint32_t option_count_ends(const struct group *group, const struct group_option *option) {
    uint32_t ends = 0;
    for (uint32_t i = 0; i < option->tensor_count; i++)
        ends += option_may_take(group, option, option->tensors[i]) || option_may_give(group, option, option->tensors[i]);
    return ends;
}

static bool option_passes(const struct group *group, const struct group_option *option, unsigned ends, uint32_t tensor, uint32_t *end) {
    if (!option_may_take(group, option, tensor) && !option_may_give(group, option, tensor)) return false;
    const uint32_t at = (*end)++;
    return at < OPTION_ENDS ? ends >> at & 1 : ends != 0;
}

/* block 1 for what passes, of the ends those in `ends`. False where a tensor would be wanted after it has passed. */
static bool option_mark_passing(const struct group *group, const struct group_option *option, unsigned ends, int64_t *block) {
    uint32_t end = 0;
    for (uint32_t i = 0; i < option->tensor_count; i++) {
        const uint32_t t = option->tensors[i];
        const struct group_tensor *of = &group->tensors[t];
        const bool is_inner = option_makes(group, option, t) && of->use_count && of->first_use < option->end;
        if (is_inner && of->last_use >= option->end) return false;
        block[t] = option_passes(group, option, ends, t, &end) || is_inner;
    }
    return true;
}

static void option_align(int64_t *block, uint32_t tensor, int64_t channels, bool *is_new) {
    if (!block[tensor] || block[tensor] == channels) return;
    if (block[tensor] > 0) channels = 0; /* two blocks for one tensor */
    block[tensor] = channels;
    *is_new = true;
}

/* Blocks of a member's tensors belong together. -1 = passes, in blocks not known yet. False where one is no number of whole groups. */
static bool option_align_member(const struct group *group, uint32_t m, int64_t *block, bool *is_new) {
    const struct group_member *of = &group->members[m];
    const uint32_t input = of->input[0].tensor;
    const int64_t made = group->tensors[of->output].channels / of->groups, taken = group_input_channels(group, m) / of->groups;
    int64_t channels = block[of->output];
    for (uint32_t i = 1 + of->more_parts; channels <= 0 && i < of->input_count; i++) channels = block[of->input[i].tensor];
    if (channels <= 0 && !group_mixes(of) && block[input] > 0) {
        if (block[input] % taken) return false;
        channels = block[input] / taken * made;
    }
    if (channels <= 0) return true;
    option_align(block, of->output, channels, is_new);
    for (uint32_t i = 1 + of->more_parts; i < of->input_count; i++) option_align(block, of->input[i].tensor, channels, is_new);
    if (group_mixes(of)) return true;
    if (channels % made) return false;
    option_align(block, input, channels / made * taken, is_new);
    return true;
}

/* From the block of one tensor to those of all that pass. */
static bool option_align_all(const struct group *group, const struct group_option *option, int64_t *block) {
    for (bool is_new = true; is_new;) {
        is_new = false;
        for (uint32_t m = option->first; m < option->end; m++)
            if (!option_align_member(group, m, block, &is_new)) return false;
    }
    for (uint32_t i = 0; i < option->tensor_count; i++)
        if (block[option->tensors[i]] < 0) return false;
    return true;
}

/* A larger block may do better than a smaller one only where a held output has more elements than what passes to its maker: it grows later.
 */
static bool option_grows(const struct group *group, const struct group_option *option, const int64_t *block) {
    for (uint32_t m = option->first; m < option->end; m++) {
        const struct group_member *of = &group->members[m];
        const struct group_tensor *from = &group->tensors[of->input[0].tensor], *to = &group->tensors[of->output];
        if (group_mixes(of) || block[of->output] || !block[of->input[0].tensor]) continue;
        if (to->plane[0] * to->plane[1] * to->channels > from->plane[0] * from->plane[1] * from->channels) return true;
    }
    return false;
}

/* Else blocks larger than this are multiples of one that will do as well. */
static int64_t option_largest_lead(const struct group *group, const struct group_option *option, uint32_t lead, const int64_t *block) {
    const int64_t channels = group->tensors[lead].channels;
    int64_t most = option_grows(group, option, block) ? channels : 1;
    for (uint32_t m = option->first; m < option->end && most < channels; m++) {
        const int64_t groups = group->members[m].groups;
        if (groups > 1) most *= group_input_channels(group, m) / groups * (group->tensors[group->members[m].output].channels / groups);
    }
    return group_least(most, channels);
}

/* The tensors that pass get the smallest blocks that whole groups allow, of at least `least` channels of the first of them; all of them
 * take the same turns. Returns that first block; 0: there is none. */
static int64_t option_set_blocks(const struct group_run *run, const struct group_option *option, unsigned ends, int64_t least,
                                 int64_t *block, struct group_phase *phase) {
    const struct group *group = run->group;
    uint32_t lead = UINT32_MAX;
    if (!option_mark_passing(group, option, ends, block)) return 0;
    for (uint32_t i = option->tensor_count; i-- > 0;)
        if (block[option->tensors[i]]) lead = option->tensors[i];
    if (lead == UINT32_MAX) return least == 1 && group_phase_make(run, option->first, phase) && phase->end == option->end;
    const int64_t most = option_largest_lead(group, option, lead, block);
    for (int64_t channels = least; channels <= most; channels++) {
        option_mark_passing(group, option, ends, block);
        for (uint32_t i = 0; i < option->tensor_count; i++) block[option->tensors[i]] = -block[option->tensors[i]];
        block[lead] = channels;
        if (!option_align_all(group, option, block)) continue;
        if (group_phase_make(run, option->first, phase) && phase->end == option->end) return channels;
    }
    return 0;
}

/* ---- forms ---- */

struct group_forming {
    struct arena *arena;
    struct group_options *options;
    struct group_cell *cells;
};

static uint32_t group_cell_number(uint32_t tensor, size_t offset) {
    return (uint32_t)((tensor * sizeof(struct group_cell) + offset) / sizeof(int64_t));
}

static void group_probe(const struct group_moment *at, struct group_cell *cells, uint32_t tensor, struct group_cell unit, int64_t *all,
                        int64_t *out) {
    enum { UNIT = 8 }; /* as many elements have as many bytes as one has bits */
    cells[tensor] = (struct group_cell){UNIT * unit.before, UNIT * unit.made, UNIT * unit.during, UNIT * unit.after};
    const struct group_level level = group_level_at(at, cells);
    cells[tensor] = (struct group_cell){0};
    *all = level.in + level.out;
    *out = level.out;
}

/* No less for any cells, in which after is at most before and made together. */
static bool group_terms_dominate(const int64_t *a, const int64_t *b, uint32_t tensors) {
    for (uint32_t t = 0; t < tensors; t++, a += 3, b += 3) {
        const int64_t after = group_least(a[2] - b[2], 0);
        if (a[0] - b[0] + after < 0 || a[1] - b[1] + after < 0) return false;
    }
    return true;
}

static bool group_dominates(const struct group_options *options, const struct group_form *a, const struct group_form *b, uint32_t tensors) {
    if (a->peak != b->peak || a->staged_bits < b->staged_bits || !group_terms_dominate(a->all, b->all, tensors)) return false;
    for (uint32_t k = 0; options->target->is_split && k < 3 * tensors; k++)
        if (a->out[k] < b->out[k] || a->all[k] - a->out[k] < b->all[k] - b->out[k]) return false;
    return true;
}

static void group_add_form(void *context, const struct group_moment *at) {
    static const struct group_cell units[3] = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 0, 0, 1}};
    struct group_forming *forming = context;
    struct group_options *options = forming->options;
    struct group_option *option = &options->items.items[options->items.count - 1];
    const uint32_t tensors = option->tensor_count, terms = 3 * tensors;
    struct group_form form = {.member = at->member, .peak = option->peak_at + (options->is_bound ? 0 : at->member - option->first)};
    form.made_at = group_cell_number(options->group->members[at->member].output, offsetof(struct group_cell, made));
    form.all = ARENA_ARRAY(forming->arena, int64_t, terms);
    form.out = ARENA_ARRAY(forming->arena, int64_t, terms);
    if (!options->is_bound) form.staged_bits = 8 * group_level_at(at, forming->cells).staged;
    for (uint32_t k = 0; k < terms; k++) group_probe(at, forming->cells, option->tensors[k / 3], units[k % 3], &form.all[k], &form.out[k]);
    for (uint32_t k = option->form_at; k < options->forms.count; k++) {
        if (group_dominates(options, &options->forms.items[k], &form, tensors)) return;
        if (!group_dominates(options, &form, &options->forms.items[k], tensors)) continue;
        options->forms.items[k--] = options->forms.items[--options->forms.count];
    }
    array_push(forming->arena, &options->forms, form);
}

static void group_add_terms(struct group_forming *forming, const struct group_option *option, struct group_form *form) {
    struct group_options *options = forming->options;
    static const size_t fields[3] = {offsetof(struct group_cell, before), offsetof(struct group_cell, made),
                                     offsetof(struct group_cell, after)};
    form->term_at = options->terms.count;
    for (uint32_t k = 0; k < 3 * option->tensor_count; k++) {
        const uint32_t tensor = option->tensors[k / 3];
        const struct group_tensor *of = &options->group->tensors[tensor];
        const int64_t used = k % 3 < 2 ? of->channels * of->bits : 0;
        const struct group_term term = {group_cell_number(tensor, fields[k % 3]), form->all[k] - used};
        if (term.bits) array_push(forming->arena, &options->terms, term);
    }
    form->term_count = options->terms.count - form->term_at;
}

/* Returns the block of the first tensor that passes, 0: there is no such option. */
static int64_t group_add_option(struct group_forming *forming, const struct group_option *from, unsigned ends, int64_t least) {
    struct group_options *options = forming->options;
    const struct group *group = options->group;
    struct group_option option = *from;
    int64_t *block = ARENA_ARRAY(forming->arena, int64_t, group->tensor_count);
    int64_t *piece = ARENA_ARRAY(forming->arena, int64_t, group->member_count);
    struct group_phase phase;
    for (uint32_t m = 0; m < group->member_count; m++) piece[m] = group_has_weights(&group->members[m]) ? 1 : 0;
    const struct group_run run = {group, options->target, piece, block, true};
    const int64_t lead = option_set_blocks(&run, &option, ends, least, block, &phase);
    if (!lead) return 0;
    option.block = block;
    option.form_at = options->forms.count;
    option.peak_at = options->peak_count;
    option.peak_count = options->is_bound ? 1 : option.end - option.first;
    array_push(forming->arena, &options->items, option);
    options->peak_count += option.peak_count;
    group_phase_visit(&run, &phase, group_add_form, forming);
    options->items.items[options->items.count - 1].form_count = options->forms.count - option.form_at;
    for (uint32_t k = option.form_at; k < options->forms.count; k++) group_add_terms(forming, &option, &options->forms.items[k]);
    return option_grows(group, &option, block) ? lead : 0;
}

/* What a layer that mixes channels makes of what passes is finished after the last turn: nobody in the phase can use it. */
static bool option_may_go_on(const struct group *group, const struct group_option *option) {
    const struct group_member *next = &group->members[option->end];
    for (uint32_t i = 0; i < next->input_count; i++) {
        const uint32_t tensor = next->input[i].tensor;
        if (!option_makes(group, option, tensor)) continue;
        const struct group_member *maker = &group->members[group->tensors[tensor].producer];
        for (uint32_t k = 0; group_mixes(maker) && k <= maker->more_parts; k++)
            if (option_makes(group, option, maker->input[k].tensor)) return false;
    }
    return true;
}

void group_options_make(struct arena *arena, const struct group *group, const struct target *target, bool is_bound,
                        struct group_options *options) {
    struct group *own = ARENA_NEW(arena, struct group);
    *own = *group;
    *options = (struct group_options){.group = own, .target = target, .is_bound = is_bound};
    options->gone = ARENA_ARRAY(arena, int64_t, group->member_count + 1);
    options->coming = ARENA_ARRAY(arena, int64_t, group->member_count + 1);
    struct group_forming forming = {arena, options, ARENA_ARRAY(arena, struct group_cell, group->tensor_count)};
    if (!group_whole_bytes(group)) options->slack_bits = 16 * (int64_t)group->tensor_count;
    for (uint32_t first = 0; first < group->member_count; first++)
        for (uint32_t end = first + 1; end <= group->member_count; end++) {
            struct group_option option = {.first = first, .end = end};
            option_list_tensors(arena, group, &option);
            const uint32_t count = option_count_ends(group, &option);
            const unsigned step = count > OPTION_ENDS ? (1U << OPTION_ENDS) - 1 : 1;
            for (unsigned ends = 0; ends < 1U << group_least(count, OPTION_ENDS); ends += step) {
                int64_t lead = 0;
                do lead = group_add_option(&forming, &option, ends, lead + 1);
                while (lead);
            }
            if (end < group->member_count && !option_may_go_on(group, &option)) break;
        }
}

/* ---- levels ---- */

static int64_t group_form_value(const struct group_options *options, const struct group_form *form, const int64_t *numbers) {
    const struct group_term *term = options->terms.items + form->term_at, *end = term + form->term_count;
    int64_t bits = 0;
    for (; term < end; term++) bits += term->bits * numbers[term->at];
    return bits;
}

static int64_t group_out_value(const struct group_form *form, const struct group_cell *cells, const struct group_option *option) {
    int64_t bits = 0;
    for (uint32_t i = 0; i < option->tensor_count; i++) {
        const struct group_cell *cell = &cells[option->tensors[i]];
        bits += form->out[3 * i] * cell->before + form->out[3 * i + 1] * cell->made + form->out[3 * i + 2] * cell->after;
    }
    return bits;
}

static void group_raise_bits(struct group_peak_bits *peak, int64_t all, int64_t out, int64_t staged) {
    peak->all = group_most(peak->all, all);
    peak->in = group_most(peak->in, all - out);
    peak->out = group_most(peak->out, out);
    peak->staged = group_most(peak->staged, staged);
    peak->staged_all = group_most(peak->staged_all, all + staged);
}

/* Bits on the chip during a phase: of all tensors, those that are done before it with what they leave, those that come later with what is
 * there before. Prefix sums of the differences; returns the bits of all tensors while they are used. */
static int64_t group_sum_idle(const struct group_options *options, const struct group_cell *cells) {
    const struct group *group = options->group;
    int64_t during = options->slack_bits;
    memset(options->gone, 0, (group->member_count + 1) * sizeof options->gone[0]);
    memset(options->coming, 0, (group->member_count + 1) * sizeof options->coming[0]);
    for (uint32_t t = 0; t < group->tensor_count; t++) {
        const struct group_tensor *of = &group->tensors[t];
        const int64_t bits = of->channels * of->bits;
        const uint32_t comes = of->producer == GROUP_OFF_CHIP ? of->first_use : (uint32_t)of->producer;
        const uint32_t goes = of->use_count ? of->last_use : (uint32_t)of->producer;
        during += cells[t].during * bits;
        options->gone[goes + 1] += (cells[t].after - cells[t].during) * bits;
        options->coming[comes] += (cells[t].before - cells[t].during) * bits;
    }
    for (uint32_t m = 1; m <= group->member_count; m++) options->gone[m] += options->gone[m - 1];
    for (uint32_t m = group->member_count; m-- > 0;) options->coming[m] += options->coming[m + 1];
    return during;
}

void group_options_raise(const struct group_options *options, const struct group_cell *cells, struct group_peak_bits *peaks) {
    const int64_t during = group_sum_idle(options, cells), *numbers = &cells->before;
    for (uint32_t o = 0; o < options->items.count; o++) {
        const struct group_option *option = &options->items.items[o];
        const int64_t idle = during + options->gone[option->first] + options->coming[option->end];
        for (uint32_t k = option->form_at; k < option->form_at + option->form_count; k++) {
            const struct group_form *form = &options->forms.items[k];
            if (!numbers[form->made_at]) continue;
            const int64_t out = options->target->is_split ? group_out_value(form, cells, option) : 0;
            group_raise_bits(&peaks[form->peak], idle + group_form_value(options, form, numbers), out, form->staged_bits);
        }
    }
}

/* ---- the cut ---- */

static int64_t group_option_peak(const struct group_options *options, const struct group_option *option,
                                 const struct group_peak_bits *peaks, const bool *streams) {
    const struct target *target = options->target;
    int64_t largest = 0;
    for (uint32_t k = 0; k < option->peak_count; k++) {
        const struct group_peak_bits *peak = &peaks[option->peak_at + k];
        const bool stages = streams && streams[option->first + k];
        if (!target->is_split) {
            largest = group_most(largest, stages ? peak->staged_all : peak->all);
            continue;
        }
        if (peak->in > 8 * target->partition_bytes[OPERAND_I] || peak->out > 8 * target->partition_bytes[OPERAND_O]) return INT64_MAX;
        if (stages) largest = group_most(largest, peak->staged);
    }
    return largest;
}

int64_t group_options_cut(const struct group_options *options, const struct group_peak_bits *peaks, const bool *streams,
                          struct group_cut *cut) {
    const uint32_t members = options->group->member_count;
    cut->best[members] = 0;
    uint32_t o = options->items.count;
    for (uint32_t m = members; m-- > 0;) {
        cut->best[m] = INT64_MAX;
        while (o > 0 && options->items.items[o - 1].first == m) {
            const struct group_option *option = &options->items.items[--o];
            if (cut->best[option->end] >= cut->best[m]) continue;
            const int64_t peak = group_most(group_option_peak(options, option, peaks, streams), cut->best[option->end]);
            if (peak >= cut->best[m]) continue;
            cut->best[m] = peak;
            cut->option[m] = o;
        }
    }
    return cut->best[0] == INT64_MAX ? INT64_MAX : group_ceil(cut->best[0], 8);
}
