#include "passes/options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "base/size.h"

/* ---- messages ---- */

static const char *dashes(const struct option_row *row) { return row->name[1] ? "--" : "-"; }

static status option_wrong(const struct option_row *row, const char *value, const char *allowed, struct diag *diag) {
    return diag_fail(diag, STATUS_USAGE, "%s%s: '%s' is not allowed: expected %s", dashes(row), row->name, value, allowed);
}

static status option_later(const struct option_row *row, const char *value, struct diag *diag) {
    return diag_fail(diag, STATUS_UNSUPPORTED, "%s%s%s%s: not built yet", dashes(row), row->name, value ? " " : "", value ? value : "");
}

/* ---- kinds of values ---- */

static status take_text(struct options *options, const struct option_row *row, const char *value, const char **text, struct diag *diag) {
    if (!*value) return option_wrong(row, value, row->hint, diag);
    *text = arena_copy_text(options->arena, value);
    return STATUS_OK;
}

static status take_size(const struct option_row *row, const char *value, int64_t *bytes, struct diag *diag) {
    int64_t size;
    if (!size_parse(value, &size) || size < 1)
        return option_wrong(row, value, "a size of 1 B and more like 12MiB (units " SIZE_UNITS ")", diag);
    *bytes = size;
    return STATUS_OK;
}

/* "-30%", or an amount in what `parse` reads. */
static status take_budget(struct options *options, const struct option_row *row, const char *value, const char *amounts,
                          bool (*parse)(const char *text, int64_t *number), struct budget *budget, struct diag *diag) {
    struct budget read = {.is_given = true, .text = arena_copy_text(options->arena, value)};
    const size_t length = strlen(value);
    if (length > 2 && value[0] == '-' && value[length - 1] == '%') {
        double percent;
        char *number = arena_copy_text(options->arena, value + 1);
        number[length - 2] = '\0';
        read.is_relative = size_parse_decimal(number, &percent) && percent > 0 && percent < 100;
        if (read.is_relative) read.cut = percent / 100;
    }
    if (!read.is_relative && (!parse(value, &read.amount) || read.amount < 1)) {
        const char *allowed = arena_print(options->arena, "a cut like -30%% (above 0, below 100) or an amount like %s", amounts);
        return option_wrong(row, value, allowed, diag);
    }
    *budget = read;
    return STATUS_OK;
}

/* The place of a word in a list that ends with NULL; -1 where it is not there. */
static int word_find(const char *const *words, const char *value) {
    for (int at = 0; words[at]; at++)
        if (strcmp(words[at], value) == 0) return at;
    return -1;
}

static status word_wrong(struct options *options, const struct option_row *row, const char *value, const char *const *words,
                         struct diag *diag) {
    struct nearest nearest = {.text = value};
    char hint[96];
    const char *list = words[0];
    for (int at = 0; words[at]; at++) {
        nearest_offer(&nearest, words[at]);
        if (at) list = arena_print(options->arena, "%s, %s", list, words[at]);
    }
    return option_wrong(row, value, arena_print(options->arena, "one of %s%s", list, nearest_hint(&nearest, "", hint)), diag);
}

/* ---- files ---- */

#define SET_TEXT(option, field)                                                                                                            \
    static status set_##option(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {              \
        return take_text(options, row, value, &options->field, diag);                                                                      \
    }
SET_TEXT(output, output)
SET_TEXT(json, json)
SET_TEXT(plan_out, plan_out)
SET_TEXT(csv, csv)
SET_TEXT(svg, svg)
SET_TEXT(plan, plan)
SET_TEXT(layers, layers)
SET_TEXT(calibrate, calibrate)
SET_TEXT(labels, labels)
SET_TEXT(target, target)
SET_TEXT(print_after, print_after)
SET_TEXT(explain, explain)

/* ---- flags ---- */

#define SET_FLAG(option)                                                                                                                   \
    static status set_##option(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {              \
        (void)row, (void)value, (void)diag;                                                                                                \
        options->option = true;                                                                                                            \
        return STATUS_OK;                                                                                                                  \
    }
SET_FLAG(no_fusion)
SET_FLAG(no_annotations)
SET_FLAG(from_annotations)
SET_FLAG(quiet)
SET_FLAG(verbose)
SET_FLAG(verify_each)

/* ---- the target ---- */

/* Tried on a target that is thrown away, so that a wrong value is seen here. */
static status set_override(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    struct target scratch = {0};
    const status result = target_override(options->arena, &scratch, row->name, value, diag);
    if (result != STATUS_OK) return result;
    const struct target_override_pair pair = {row->name, arena_copy_text(options->arena, value)};
    array_push(options->arena, &options->overrides, pair);
    return STATUS_OK;
}

/* FROM:TO is kept here, as it is no target's; anything else is. */
static status set_on_chip(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    char *from = arena_copy_text(options->arena, value), *to = strchr(from, ':');
    int64_t from_bytes, to_bytes;
    if (!to) return set_override(options, row, value, diag);
    *to++ = '\0';
    if (!size_parse(from, &from_bytes) || !size_parse(to, &to_bytes) || from_bytes < 1 || to_bytes < from_bytes)
        return option_wrong(row, value, "a range like 16KiB:4MiB, from 1 B and more to as much or more (units " SIZE_UNITS ")", diag);
    options->range_from_bytes = from_bytes;
    options->range_to_bytes = to_bytes;
    return STATUS_OK;
}

/* ---- the model ---- */

static bool take_dims(char *dims, struct shape_binding *binding) {
    while (dims) {
        char *const comma = strchr(dims, ',');
        if (comma) *comma = '\0';
        int64_t *const dim = &binding->dims[binding->rank];
        if (binding->rank == SHAPE_MAX_RANK || !size_parse_integer(dims, dim) || *dim < 1 || *dim > INT32_MAX) return false;
        binding->rank++;
        dims = comma ? comma + 1 : NULL;
    }
    return true;
}

/* A name may hold colons: the last one ends it. */
static status set_input_shape(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    char *text = arena_copy_text(options->arena, value);
    char *const colon = strrchr(text, ':');
    struct shape_binding binding = {.input = text};
    if (colon) *colon = '\0';
    if (!colon || colon == text || !take_dims(colon + 1, &binding))
        return option_wrong(row, value, "NAME:DIM,DIM,... with 1 to 8 dims of at least 1", diag);
    for (uint32_t at = 0; at < options->input_shapes.count; at++)
        if (strcmp(options->input_shapes.items[at].input, text) == 0)
            return diag_fail(diag, STATUS_USAGE, "--%s: input '%s' is given twice", row->name, text);
    array_push(options->arena, &options->input_shapes, binding);
    return STATUS_OK;
}

static status set_at_most(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    return take_size(row, value, &options->at_most_bytes, diag);
}

/* ---- budgets and limits of pruning ---- */

static status set_offchip(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    return take_budget(options, row, value, "12MiB", size_parse, &options->offchip, diag);
}

static status set_max_error(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    double error;
    if (!size_parse_decimal(value, &error) || !(error > 0)) return option_wrong(row, value, "a number above 0 like 0.01", diag);
    options->max_error = error;
    return STATUS_OK;
}

static status set_keep(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    const char *node = NULL;
    const status result = take_text(options, row, value, &node, diag);
    if (result == STATUS_OK) array_push(options->arena, &options->keep, node);
    return result;
}

static status set_only(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    const char *node = NULL;
    const status result = take_text(options, row, value, &node, diag);
    if (result == STATUS_OK) array_push(options->arena, &options->only, node);
    return result;
}

static status set_min_share(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    double share;
    if (!size_parse_decimal(value, &share) || share > 1) return option_wrong(row, value, "a number from 0 to 1", diag);
    options->min_share = share;
    return STATUS_OK;
}

static status set_ranking(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    static const char *const words[] = {"marginal", "volume", "params", "macs", "uniform", "magnitude", NULL}; /* as enum ranking */
    const int at = word_find(words, value);
    if (at < 0) return word_wrong(options, row, value, words, diag);
    options->ranking = (enum ranking)at;
    return STATUS_OK;
}

static status set_importance(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    static const char *const words[] = {"l2", "l1", "fpgm", "bn", "product", "activation", "css", NULL}; /* as enum importance */
    const int at = word_find(words, value);
    if (at < 0) return word_wrong(options, row, value, words, diag);
    if (at > IMPORTANCE_L1 && at < IMPORTANCE_ACTIVATION) return option_later(row, value, diag);
    options->importance = (enum importance)at;
    return STATUS_OK;
}

static status set_recover(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    static const char *const words[] = {"none", "auto", "bias", "map", "ls", NULL}; /* as enum recover */
    const int at = word_find(words, value);
    if (at < 0) return word_wrong(options, row, value, words, diag);
    options->recover = (enum recover)at;
    return STATUS_OK;
}

/* ---- samples ---- */

/* Numbers between commas; a scale is not 0. */
static status take_numbers(struct options *options, const struct option_row *row, const char *value, bool is_scale, option_numbers *numbers,
                           struct diag *diag) {
    option_numbers read = {0};
    for (char *at = arena_copy_text(options->arena, value); at;) {
        char *const comma = strchr(at, ',');
        const bool is_negative = *at == '-';
        double number;
        if (comma) *comma = '\0';
        if (!size_parse_decimal(at + is_negative, &number) || (is_scale && !(number > 0)))
            return option_wrong(row, value, is_scale ? "numbers other than 0, like 0.229,0.224,0.225" : "numbers like 0.485,0.456,0.406",
                                diag);
        array_push(options->arena, &read, is_negative ? -number : number);
        at = comma ? comma + 1 : NULL;
    }
    *numbers = read;
    return STATUS_OK;
}

static status set_mean(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    return take_numbers(options, row, value, false, &options->mean, diag);
}

static status set_scale(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    return take_numbers(options, row, value, true, &options->scale, diag);
}

static status set_memory(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    return take_size(row, value, &options->memory_bytes, diag);
}

int64_t options_memory_bytes(const struct options *options) { return options->memory_bytes ? options->memory_bytes : INT64_C(1) << 30; }

/* ---- the process ---- */

static status set_max_memory(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    return take_size(row, value, &options->max_memory_bytes, diag);
}

static status set_threads(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    int64_t threads;
    if (!size_parse_integer(value, &threads) || threads < 1 || threads > 1024)
        return option_wrong(row, value, "a whole number from 1 to 1024", diag);
    options->threads = (unsigned)threads;
    return STATUS_OK;
}

/* ---- not built yet: a wrong value is wrong already today ---- */

static status set_later_count(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    struct budget budget;
    const status result = take_budget(options, row, value, "2M", size_parse_amount, &budget, diag);
    return result == STATUS_OK ? option_later(row, NULL, diag) : result;
}

static status set_later_size(struct options *options, const struct option_row *row, const char *value, struct diag *diag) {
    struct budget budget;
    const status result = take_budget(options, row, value, "12MiB", size_parse, &budget, diag);
    return result == STATUS_OK ? option_later(row, NULL, diag) : result;
}

/* ---- the table ---- */

#define OPTION(name, hint, commands, flags, set, default_text, help) {name, hint, commands, flags, set, default_text, help},
const struct option_row option_rows[] = {
#include "passes/options.def"
};
#undef OPTION
enum { OPTION_COUNT = sizeof option_rows / sizeof option_rows[0] };
static_assert(OPTION_COUNT <= 64, "struct options marks the options given in 64 bits");
const uint32_t option_row_count = OPTION_COUNT;

const struct option_row *option_find(const char *name) {
    for (uint32_t at = 0; at < option_row_count; at++)
        if (strcmp(option_rows[at].name, name) == 0) return &option_rows[at];
    return NULL;
}

static const struct {
    const char *name;
    enum option_command bit;
} option_commands[] = {{"optimize", COMMAND_OPTIMIZE}, {"explore", COMMAND_EXPLORE}, {"sweep", COMMAND_SWEEP},  {"prune", COMMAND_PRUNE},
                       {"compare", COMMAND_COMPARE},   {"inspect", COMMAND_INSPECT}, {"verify", COMMAND_VERIFY}};
enum { OPTION_COMMAND_COUNT = sizeof option_commands / sizeof option_commands[0] };

unsigned option_command_bit(const char *command) {
    for (uint32_t at = 0; at < OPTION_COMMAND_COUNT; at++)
        if (strcmp(option_commands[at].name, command) == 0) return option_commands[at].bit;
    return 0;
}

/* ---- by name ---- */

static status option_unknown(const char *name, unsigned commands, struct diag *diag) {
    struct nearest nearest = {.text = name};
    char hint[96];
    for (uint32_t at = 0; at < option_row_count; at++)
        if ((option_rows[at].commands & commands) && option_rows[at].name[1]) nearest_offer(&nearest, option_rows[at].name);
    return diag_fail(diag, STATUS_USAGE, "unknown option %s%s%s", name[0] && name[1] ? "--" : "-", name,
                     nearest_hint(&nearest, "--", hint));
}

static status option_elsewhere(const char *command, const struct option_row *row, struct diag *diag) {
    char list[128] = "";
    size_t length = 0;
    for (uint32_t at = 0; at < OPTION_COMMAND_COUNT; at++)
        if (row->commands & option_commands[at].bit)
            length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", length ? ", " : "", option_commands[at].name);
    return diag_fail(diag, STATUS_USAGE, "%s%s is not an option of %s, but of %s", dashes(row), row->name, command, list);
}

status options_takes_value(const char *command, const char *name, bool *takes_value, struct diag *diag) {
    const unsigned bit = option_command_bit(command);
    const struct option_row *row = option_find(name);
    if (!row) return option_unknown(name, bit ? bit : ~0u, diag);
    if (!(row->commands & bit)) return option_elsewhere(command, row, diag);
    *takes_value = row->hint[0] != '\0';
    return STATUS_OK;
}

void options_init(struct arena *arena, struct options *options) {
    *options = (struct options){.arena = arena, .target = "plain", .ranking = RANKING_MARGINAL, .importance = IMPORTANCE_L2};
}

status options_set(struct options *options, const char *name, const char *value, struct diag *diag) {
    const struct option_row *row = option_find(name);
    if (!row) return option_unknown(name, ~0u, diag);
    if (row->hint[0] && !value) return diag_fail(diag, STATUS_USAGE, "%s%s needs a value: %s", dashes(row), name, row->hint);
    if (!row->hint[0] && value) return diag_fail(diag, STATUS_USAGE, "%s%s takes no value, '%s' was given", dashes(row), name, value);
    const uint64_t bit = UINT64_C(1) << (row - option_rows);
    if ((options->given & bit) && !(row->flags & OPTION_REPEATS))
        return diag_fail(diag, STATUS_USAGE, "%s%s is given twice", dashes(row), name);
    const status result = row->set(options, row, value, diag);
    if (result == STATUS_OK) options->given |= bit;
    return result;
}

bool options_has(const struct options *options, const char *name) {
    const struct option_row *row = option_find(name);
    return row && (options->given & UINT64_C(1) << (row - option_rows)) != 0;
}

/* What was asked for by name, and a published model does not know, is refused; what a preset says is settled below. */
static status options_check_published(const struct options *options, const struct target *target, struct diag *diag) {
    const bool is_superslash = target->cost_model == COST_SUPERSLASH;
    const uint32_t width = is_superslash ? 16 : target->activation_bits;
    const char *name = cost_model_names[target->cost_model];
    if (options->from_annotations || options->explain)
        return diag_fail(diag, STATUS_USAGE, "--%s: cost_model %s, a published model, has no schedule",
                         options->explain ? "explain" : "from-annotations", name);
    for (uint32_t at = 0; at < options->overrides.count; at++) {
        const char *option = options->overrides.items[at].option, *value = options->overrides.items[at].value;
        const bool sets_activations = strcmp(option, "bits") == 0 || strcmp(option, "activation-bits") == 0;
        const bool sets_others = strcmp(option, "weight-bits") == 0 || strcmp(option, "partial-sum-bits") == 0;
        int64_t bits;
        if (strcmp(option, "halo") == 0 || strcmp(option, "mappings") == 0)
            return diag_fail(diag, STATUS_USAGE, "--%s: says nothing to --cost-model %s, which has a rule of its own", option, name);
        if (!sets_others && !(sets_activations && is_superslash)) continue;
        if (!size_parse_integer(value, &bits) || bits != width)
            return diag_fail(diag, STATUS_USAGE, "--%s %s: --cost-model %s counts every operand in %u bits", option, value, name, width);
    }
    return STATUS_OK;
}

/* The widths a published model counts in. */
static void options_settle_published(struct target *target) {
    if (target->cost_model == COST_SUPERSLASH) target->activation_bits = 16;
    target->weight_bits = target->partial_sum_bits = target->activation_bits;
}

status options_override(const struct options *options, struct arena *arena, struct target *target, struct diag *diag) {
    struct target made = *target;
    status result = STATUS_OK;
    for (uint32_t at = 0; result == STATUS_OK && at < options->overrides.count; at++)
        result = target_override(arena, &made, options->overrides.items[at].option, options->overrides.items[at].value, diag);
    if (result == STATUS_OK) result = target_check(&made, diag);
    if (result == STATUS_OK && made.cost_model != COST_EXACT) {
        result = options_check_published(options, &made, diag);
        options_settle_published(&made);
    }
    if (result == STATUS_OK) *target = made;
    return result;
}

status options_target(const struct options *options, struct arena *arena, struct target *target, struct diag *diag) {
    struct target made;
    status result = target_load(arena, options->target, &made, diag);
    if (result == STATUS_OK) result = options_override(options, arena, &made, diag);
    if (result == STATUS_OK) *target = made;
    return result;
}
