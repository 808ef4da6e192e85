#include "cost/group_options.h"

#include <string.h>

/* ---- which phases there are ---- */

/* Blocks of one group each, as small as whole channels allow. */
static bool group_align_blocks(const struct group *group, uint32_t end, uint32_t lead, int64_t lead_block, int64_t *block) {
    block[lead] = lead_block;
    for (uint32_t t = lead; t < end; t++) {
        const struct group_member *member = &group->members[t];
        if (!block[t + 1] || group_mixes(member)) break;
        const int64_t share = group->tensors[t].channels / member->groups;
        if (block[t] % share) return false;
        block[t + 1] = block[t] / share * (group->tensors[t + 1].channels / member->groups);
    }
    return true;
}

/* Blocks larger than this are multiples of one that will do as well. */
static int64_t group_largest_lead(const struct group *group, uint32_t first, uint32_t end, uint32_t lead) {
    int64_t most = 1;
    for (uint32_t m = first; m < end && most < group->tensors[lead].channels; m++) {
        const int64_t groups = group->members[m].groups;
        if (groups > 1) most *= group->tensors[m].channels / groups * (group->tensors[m + 1].channels / groups);
    }
    return group_least(most, group->tensors[lead].channels);
}

/* The tensors that pass get the smallest blocks that whole groups allow; all of them take the same turns. */
static bool group_option_phase(const struct group_run *run, const struct group_option *option, bool takes, bool gives, int64_t *block) {
    const struct group *group = run->group;
    const uint32_t from = option->first + (takes ? 0 : 1), to = option->end - (gives ? 0 : 1);
    struct group_phase phase;
    if (to < from || to > option->end) return group_phase_make(run, option->first, &phase);
    const int64_t most = group_largest_lead(group, option->first, option->end, from);
    for (int64_t lead = 1; lead <= most; lead++) {
        for (uint32_t t = from; t <= to; t++) block[t] = 1;
        if (!group_align_blocks(group, option->end, from, lead, block)) continue;
        if (group_phase_make(run, option->first, &phase) && phase.end == option->end) return true;
    }
    return false;
}

/* ---- forms ---- */

struct group_forming {
    struct arena *arena;
    struct group_options *options;
    struct group_cell *cells;
};

static void group_probe(const struct group_moment *at, struct group_cell *cells, uint32_t tensor, struct group_cell unit, int64_t *all,
                        int64_t *out) {
    enum { UNIT = 8 }; /* as many elements have as many bytes as one has bits */
    cells[tensor] = (struct group_cell){UNIT * unit.before, UNIT * unit.made, UNIT * unit.during, UNIT * unit.after};
    const struct group_level level = group_level_at(at, cells);
    cells[tensor] = (struct group_cell){0};
    *all = level.in + level.out;
    *out = level.out;
}

static bool group_dominates(const struct group_form *a, const struct group_form *b, uint32_t terms) {
    if (a->member != b->member || a->staged_bits < b->staged_bits) return false;
    for (uint32_t k = 0; k < terms; k++)
        if (a->all[k] < b->all[k] || a->out[k] < b->out[k] || a->all[k] - a->out[k] < b->all[k] - b->out[k]) return false;
    return true;
}

static void group_add_form(void *context, const struct group_moment *at) {
    static const struct group_cell units[3] = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 0, 0, 1}};
    struct group_forming *forming = context;
    struct group_options *options = forming->options;
    struct group_option *option = &options->items.items[options->items.count - 1];
    const uint32_t terms = (option->end - option->first + 1) * 3;
    struct group_form form = {.member = at->member, .option = options->items.count - 1};
    form.all = ARENA_ARRAY(forming->arena, int64_t, terms);
    form.out = ARENA_ARRAY(forming->arena, int64_t, terms);
    form.staged_bits = 8 * group_level_at(at, forming->cells).staged;
    for (uint32_t k = 0; k < terms; k++) group_probe(at, forming->cells, option->first + k / 3, units[k % 3], &form.all[k], &form.out[k]);
    for (uint32_t k = option->form_at; k < options->forms.count; k++) {
        if (group_dominates(&options->forms.items[k], &form, terms)) return;
        if (!group_dominates(&form, &options->forms.items[k], terms)) continue;
        options->forms.items[k--] = options->forms.items[--options->forms.count];
    }
    array_push(forming->arena, &options->forms, form);
}

static void group_add_option(struct group_forming *forming, uint32_t first, uint32_t end, bool takes, bool gives) {
    struct group_options *options = forming->options;
    const struct group *group = options->group;
    struct group_option option = {.first = first, .end = end, .form_at = options->forms.count, .peak_at = options->peak_count};
    int64_t *block = ARENA_ARRAY(forming->arena, int64_t, group->tensor_count);
    int64_t *piece = ARENA_ARRAY(forming->arena, int64_t, group->member_count);
    struct group_phase phase;
    for (uint32_t m = 0; m < group->member_count; m++) piece[m] = group_has_weights(&group->members[m]) ? 1 : 0;
    const struct group_run run = {group, options->target, piece, block, true};
    if (!group_option_phase(&run, &option, takes, gives, block)) return;
    group_phase_make(&run, first, &phase);
    option.block = block;
    array_push(forming->arena, &options->items, option);
    options->peak_count += end - first;
    group_phase_visit(&run, &phase, group_add_form, forming);
    options->items.items[options->items.count - 1].form_count = options->forms.count - option.form_at;
}

/* A layer that mixes channels stands at an end of a phase, or two do. */
void group_options_make(struct arena *arena, const struct group *group, const struct target *target, struct group_options *options) {
    struct group *own = ARENA_NEW(arena, struct group);
    *own = *group;
    *options = (struct group_options){.group = own, .target = target};
    struct group_forming forming = {arena, options, ARENA_ARRAY(arena, struct group_cell, group->tensor_count)};
    if (!group_whole_bytes(group)) options->slack_bits = 16 * (int64_t)group->tensor_count;
    for (uint32_t first = 0; first < group->member_count; first++)
        for (uint32_t end = first + 1; end <= group->member_count; end++) {
            for (int ends = 0; ends < 4; ends++) {
                const bool takes = ends & 1, gives = ends & 2;
                if ((takes && (first > 0 || group->tensors[0].stays)) || (gives && end < group->member_count)) continue;
                group_add_option(&forming, first, end, takes, gives);
            }
            if (end - first > 1 && group_mixes(&group->members[end - 1])) break;
        }
}

/* ---- levels ---- */

static int64_t group_form_value(const int64_t *terms, const struct group_cell *cells, uint32_t tensors) {
    int64_t bits = 0;
    for (uint32_t t = 0; t < tensors; t++)
        bits += terms[3 * t] * cells[t].before + terms[3 * t + 1] * cells[t].made + terms[3 * t + 2] * cells[t].after;
    return bits;
}

static void group_raise_bits(struct group_peak_bits *peak, int64_t all, int64_t out, int64_t staged) {
    peak->all = group_most(peak->all, all);
    peak->in = group_most(peak->in, all - out);
    peak->out = group_most(peak->out, out);
    peak->staged = group_most(peak->staged, staged);
    peak->staged_all = group_most(peak->staged_all, all + staged);
}

void group_options_raise(const struct group_options *options, const struct group_cell *cells, struct group_peak_bits *peaks) {
    const struct group *group = options->group;
    int64_t past = 0, all = options->slack_bits;
    uint32_t first = 0;
    for (uint32_t t = 0; t < group->tensor_count; t++) all += cells[t].before * group->tensors[t].channels * group->tensors[t].bits;
    for (uint32_t o = 0; o < options->items.count; o++) {
        const struct group_option *option = &options->items.items[o];
        const uint32_t tensors = option->end - option->first + 1;
        for (; first < option->first; first++) {
            const int64_t bits = group->tensors[first].channels * group->tensors[first].bits;
            past += cells[first].after * bits;
            all -= cells[first].before * bits;
        }
        int64_t idle = past + all;
        for (uint32_t t = option->first; t <= option->end; t++)
            idle -= cells[t].before * group->tensors[t].channels * group->tensors[t].bits;
        for (uint32_t k = option->form_at; k < option->form_at + option->form_count; k++) {
            const struct group_form *form = &options->forms.items[k];
            if (!cells[form->member + 1].made) continue;
            const int64_t out = options->target->is_split ? group_form_value(form->out, cells + option->first, tensors) : 0;
            const int64_t here = idle + group_form_value(form->all, cells + option->first, tensors);
            group_raise_bits(&peaks[option->peak_at + form->member - option->first], here, out, form->staged_bits);
        }
    }
}

/* ---- the cut ---- */

static int64_t group_option_peak(const struct group_options *options, const struct group_option *option,
                                 const struct group_peak_bits *peaks, const bool *streams) {
    const struct target *target = options->target;
    int64_t largest = 0;
    for (uint32_t m = option->first; m < option->end; m++) {
        const struct group_peak_bits *peak = &peaks[option->peak_at + m - option->first];
        const bool stages = streams && streams[m];
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
