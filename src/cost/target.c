#include "cost/target.h"

#include <string.h>

#include "base/nearest.h"
#include "base/os.h"
#include "base/size.h"
#include "cost/target_entry.h"

const struct target_preset target_presets[] = {
#include "presets.inc"
};
const uint32_t target_preset_count = sizeof target_presets / sizeof target_presets[0];

const char *const target_operand_names[OPERAND_COUNT] = {"input", "weight", "output"};

/* ---- values ---- */

status target_wrong(const struct target_place *place, const char *text, const char *allowed) {
    return diag_fail(place->diag, STATUS_USAGE, "%s: '%s' is not allowed: expected %s", place->what, text, allowed);
}

static status target_integer(const struct target_place *place, const char *text, int64_t last, const char *allowed, int64_t *number) {
    int64_t parsed;
    if (!size_parse_integer(text, &parsed) || parsed < 1 || parsed > last) return target_wrong(place, text, allowed);
    *number = parsed;
    return STATUS_OK;
}

static status target_capacity(const struct target_place *place, const char *text, int64_t *bytes) {
    int64_t parsed;
    if (!size_parse(text, &parsed) || parsed < 1)
        return target_wrong(place, text, "a size of 1 B and more like 128KiB (units " SIZE_UNITS ")");
    *bytes = parsed;
    return STATUS_OK;
}

static status target_width(const struct target_place *place, const char *text, uint32_t *bits) {
    int64_t number = 0;
    const status result = target_integer(place, text, 64, "a width of 1 to 64 bits", &number);
    if (result == STATUS_OK) *bits = (uint32_t)number;
    return result;
}

static status set_name(struct target *target, const struct target_place *place, const char *text) {
    if (!*text) return target_wrong(place, text, "a name");
    target->name = arena_copy_text(place->arena, text);
    return STATUS_OK;
}

status target_set_partition(struct target *target, enum operand one, const struct target_place *place, const char *text) {
    return target_capacity(place, text, &target->partition_bytes[one]);
}

/* ---- lists: "input,weight", "input=64KiB,weight=48KiB,output=16KiB" ---- */

/* The next part before a comma; NULL at the end. */
static char *list_next(char **rest) {
    char *const part = *rest;
    if (!part) return NULL;
    char *const comma = strchr(part, ',');
    *rest = comma ? comma + 1 : NULL;
    if (comma) *comma = '\0';
    return part;
}

static enum operand operand_named(const char *name) {
    uint32_t operand = 0;
    while (operand < OPERAND_COUNT && strcmp(target_operand_names[operand], name) != 0) operand++;
    return (enum operand)operand;
}

static status set_split(struct target *target, const struct target_place *place, const char *text) {
    static const char allowed[] = "a size like 108KiB, or input=SIZE,weight=SIZE,output=SIZE, each once";
    char *rest = arena_copy_text(place->arena, text);
    struct target split = *target;
    memset(split.partition_bytes, 0, sizeof split.partition_bytes);
    for (char *part; (part = list_next(&rest));) {
        char *const size = strchr(part, '=');
        if (!size) return target_wrong(place, text, allowed);
        *size = '\0';
        const enum operand operand = operand_named(part);
        if (operand == OPERAND_COUNT || split.partition_bytes[operand]) return target_wrong(place, text, allowed);
        const status result = target_set_partition(&split, operand, place, size + 1);
        if (result != STATUS_OK) return result;
    }
    for (uint32_t operand = 0; operand < OPERAND_COUNT; operand++)
        if (!split.partition_bytes[operand]) return target_wrong(place, text, allowed);
    split.is_split = true;
    split.capacity_bytes = 0;
    *target = split;
    return STATUS_OK;
}

static status set_capacity(struct target *target, const struct target_place *place, const char *text) {
    const status result = target_capacity(place, text, &target->capacity_bytes);
    if (result != STATUS_OK) return result;
    target->is_split = false;
    memset(target->partition_bytes, 0, sizeof target->partition_bytes);
    return STATUS_OK;
}

static status set_on_chip(struct target *target, const struct target_place *place, const char *text) {
    return strchr(text, '=') ? set_split(target, place, text) : set_capacity(target, place, text);
}

static status set_double_buffer(struct target *target, const struct target_place *place, const char *text) {
    bool chosen[OPERAND_COUNT] = {false};
    char *rest = strcmp(text, "none") == 0 ? NULL : arena_copy_text(place->arena, text);
    for (char *part; (part = list_next(&rest));) {
        const enum operand operand = operand_named(part);
        if (operand == OPERAND_COUNT || chosen[operand])
            return target_wrong(place, text, "none, or some of input, weight, output, each once");
        chosen[operand] = true;
    }
    memcpy(target->double_buffer, chosen, sizeof chosen);
    return STATUS_OK;
}

/* ---- widths ---- */

static status set_bits(struct target *target, const struct target_place *place, const char *text) {
    if (strcmp(text, "model") == 0) {
        target->bits_of_model = true;
        return STATUS_OK;
    }
    int64_t bits = 0;
    const status result = target_integer(place, text, 64, "a width of 1 to 64 bits, or model", &bits);
    if (result != STATUS_OK) return result;
    target->bits_of_model = false;
    target->activation_bits = target->weight_bits = (uint32_t)bits;
    return STATUS_OK;
}

static status set_activation_bits(struct target *target, const struct target_place *place, const char *text) {
    return target_width(place, text, &target->activation_bits);
}

static status set_weight_bits(struct target *target, const struct target_place *place, const char *text) {
    return target_width(place, text, &target->weight_bits);
}

static status set_partial_sum_bits(struct target *target, const struct target_place *place, const char *text) {
    return target_width(place, text, &target->partial_sum_bits);
}

/* ---- what is counted ---- */

static status set_mappings(struct target *target, const struct target_place *place, const char *text) {
    const bool uneven = strcmp(text, "uneven") == 0;
    if (!uneven && strcmp(text, "plain") != 0) return target_wrong(place, text, "plain or uneven");
    target->uneven_mappings = uneven;
    return STATUS_OK;
}

static status set_halo(struct target *target, const struct target_place *place, const char *text) {
    const bool reuse = strcmp(text, "reuse") == 0;
    if (!reuse && strcmp(text, "refetch") != 0) return target_wrong(place, text, "reuse or refetch");
    target->halo_reuse = reuse;
    return STATUS_OK;
}

const char *const cost_model_names[COST_MODEL_COUNT] = {"exact", "superslash", "smartshuttle"};

static status set_cost_model(struct target *target, const struct target_place *place, const char *text) {
    for (uint32_t at = 0; at < COST_MODEL_COUNT; at++) {
        if (strcmp(text, cost_model_names[at]) != 0) continue;
        target->cost_model = (enum cost_model)at;
        return STATUS_OK;
    }
    return target_wrong(place, text, "exact, superslash or smartshuttle");
}

static status set_batch(struct target *target, const struct target_place *place, const char *text) {
    return target_integer(place, text, INT32_MAX, "a whole number from 1 to 2147483647", &target->batch);
}

static status set_channel_multiple(struct target *target, const struct target_place *place, const char *text) {
    return target_integer(place, text, INT32_MAX, "a whole number from 1 to 2147483647", &target->channel_multiple);
}

/* ---- time and energy ---- */

static status set_bandwidth(struct target *target, const struct target_place *place, const char *text) {
    double rate;
    if (!size_parse_rate(text, &rate) || rate <= 0) return target_wrong(place, text, "a rate above 0 like 3.2GB/s");
    target->bandwidth_bytes_per_s = rate;
    return STATUS_OK;
}

static status set_energy(struct target *target, const struct target_place *place, const char *text) {
    double energy;
    if (!size_parse_decimal(text, &energy) || energy <= 0) return target_wrong(place, text, "picojoules per byte above 0 like 80");
    target->energy_pj_per_byte = energy;
    return STATUS_OK;
}

static status set_macs_per_cycle(struct target *target, const struct target_place *place, const char *text) {
    return target_integer(place, text, INT32_MAX, "a whole number from 1 to 2147483647", &target->macs_per_cycle);
}

static status set_clock(struct target *target, const struct target_place *place, const char *text) {
    double clock;
    if (!size_parse_frequency(text, &clock) || clock <= 0) return target_wrong(place, text, "a frequency above 0 like 500MHz");
    target->clock_hz = clock;
    return STATUS_OK;
}

const struct target_entry target_entries[] = {
    {"", "name", NULL, set_name},
    {"", NULL, "on-chip", set_on_chip},
    {"on_chip", "capacity", NULL, set_capacity},
    {"on_chip", "double_buffer", "double-buffer", set_double_buffer},
    {"", NULL, "bits", set_bits},
    {"bits", "activation", "activation-bits", set_activation_bits},
    {"bits", "weight", "weight-bits", set_weight_bits},
    {"bits", "partial_sum", "partial-sum-bits", set_partial_sum_bits},
    {"off_chip", "bandwidth", NULL, set_bandwidth},
    {"off_chip", "energy_pj_per_byte", NULL, set_energy},
    {"compute", "macs_per_cycle", NULL, set_macs_per_cycle},
    {"compute", "clock", NULL, set_clock},
    {"", "channel_multiple", "channel-multiple", set_channel_multiple},
    {"", "cost_model", "cost-model", set_cost_model},
    {"", "halo", "halo", set_halo},
    {"", "mappings", "mappings", set_mappings},
    {"", "batch", "batch", set_batch},
};
const uint32_t target_entry_count = sizeof target_entries / sizeof target_entries[0];

/* ---- the whole ---- */

static status target_unknown(struct arena *arena, const char *name, struct diag *diag) {
    struct nearest nearest = {.text = name};
    const char *list = "";
    char hint[96];
    for (uint32_t at = 0; at < target_preset_count; at++) {
        nearest_offer(&nearest, target_presets[at].name);
        list = arena_print(arena, "%s%s%s", list, at ? ", " : "", target_presets[at].name);
    }
    return diag_fail(diag, STATUS_USAGE, "--target: '%s' is neither a preset (%s) nor a file%s", name, list,
                     nearest_hint(&nearest, "", hint));
}

static bool looks_like_path(const char *name) {
    const char *dot = strrchr(name, '.');
    return strchr(name, '/') || strcmp(name, "-") == 0 || (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0));
}

status target_load(struct arena *arena, const char *name_or_path, struct target *target, struct diag *diag) {
    for (uint32_t at = 0; at < target_preset_count; at++) {
        const struct target_preset *preset = &target_presets[at];
        if (strcmp(preset->name, name_or_path) == 0)
            return target_parse(arena, preset->name, preset->text, strlen(preset->text), preset->name, target, diag);
    }
    if (!looks_like_path(name_or_path) && !os_file_exists(name_or_path)) return target_unknown(arena, name_or_path, diag);
    struct os_file file;
    const status result = os_map_file(arena, name_or_path, &file, diag);
    if (result != STATUS_OK) return result;
    char *name = os_file_name_of(arena, file.path), *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = '\0';
    return target_parse(arena, file.path, (const char *)file.bytes, file.size, name, target, diag);
}

status target_override(struct arena *arena, struct target *target, const char *option, const char *value, struct diag *diag) {
    for (uint32_t at = 0; at < target_entry_count; at++) {
        const struct target_entry *entry = &target_entries[at];
        if (!entry->option || strcmp(entry->option, option) != 0) continue;
        const struct target_place place = {arena_print(arena, "--%s", option), arena, diag};
        return entry->set(target, &place, value);
    }
    return diag_fail(diag, STATUS_BUG, "--%s is not an entry of the target", option);
}

/* What a published model has no words for. */
static status target_check_published(const struct target *target, struct diag *diag) {
    const char *name = cost_model_names[target->cost_model];
    if (target->is_split)
        return diag_fail(diag, STATUS_USAGE, "cost_model %s: knows one memory for all operands: give --on-chip SIZE", name);
    for (int operand = 0; operand < OPERAND_COUNT; operand++)
        if (target->double_buffer[operand])
            return diag_fail(diag, STATUS_USAGE, "cost_model %s: knows no double buffering: give --double-buffer none", name);
    if (target->bits_of_model)
        return diag_fail(diag, STATUS_USAGE, "cost_model %s: knows one width for all operands, not bits: model: give --bits %s", name,
                         target->cost_model == COST_SUPERSLASH ? "16" : "N");
    return STATUS_OK;
}

status target_check(const struct target *target, struct diag *diag) {
    if (!target->is_split && target->capacity_bytes < 1)
        return diag_fail(diag, STATUS_USAGE, "target '%s' has no memory: give on_chip in the file, or --on-chip", target->name);
    return target->cost_model == COST_EXACT ? STATUS_OK : target_check_published(target, diag);
}
