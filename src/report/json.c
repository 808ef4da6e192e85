#include "report/json.h"

#include <string.h>

#include "report/fields.h"
#include "version.h"

static void json_open(struct text *text, bool *first, const char *key) {
    text_add(text, *first ? "\n  " : ",\n  ");
    *first = true;
    text_add_key(text, first, key);
}

/* ---- target ---- */

static void json_add_number(struct text *text, bool *first, const char *key, int64_t number) {
    text_add_key(text, first, key);
    text_add_int(text, number);
}

static void json_add_text(struct text *text, bool *first, const char *key, const char *plain) {
    text_add_key(text, first, key);
    text_add_quoted(text, plain);
}

static void json_add_on_chip(struct text *text, bool *outer, const struct target *target) {
    static const char *const names[OPERAND_COUNT] = {"input", "weight", "output"};
    bool first = true, first_name = true;
    text_add_key(text, outer, "on_chip");
    text_add(text, "{");
    if (!target->is_split) json_add_number(text, &first, "capacity", target->capacity_bytes);
    for (int i = 0; i < OPERAND_COUNT; i++)
        if (target->is_split) json_add_number(text, &first, names[i], target->partition_bytes[i]);
    text_add_key(text, &first, "double_buffer");
    text_add(text, "[");
    for (int i = 0; i < OPERAND_COUNT; i++) {
        if (!target->double_buffer[i]) continue;
        text_add_comma(text, &first_name);
        text_add_quoted(text, names[i]);
    }
    text_add(text, "]}");
}

static void json_add_bits(struct text *text, bool *outer, const struct target *target) {
    bool first = true;
    text_add_key(text, outer, "bits");
    if (target->bits_of_model) {
        text_add(text, "\"model\"");
        return;
    }
    text_add(text, "{");
    json_add_number(text, &first, "activation", target->activation_bits);
    json_add_number(text, &first, "weight", target->weight_bits);
    json_add_number(text, &first, "partial_sum", target->partial_sum_bits);
    text_add(text, "}");
}

static void json_add_positive(struct text *text, bool *first, const char *key, double number) {
    if (!(number > 0)) return;
    text_add_key(text, first, key);
    text_add_double(text, number);
}

static void json_add_speed(struct text *text, bool *outer, const struct target *target) {
    bool first = true;
    if (target->bandwidth_bytes_per_s > 0 || target->energy_pj_per_byte > 0) {
        text_add_key(text, outer, "off_chip");
        text_add(text, "{");
        json_add_positive(text, &first, "bandwidth", target->bandwidth_bytes_per_s);
        json_add_positive(text, &first, "energy_pj_per_byte", target->energy_pj_per_byte);
        text_add(text, "}");
    }
    first = true;
    if (target->macs_per_cycle > 0 || target->clock_hz > 0) {
        text_add_key(text, outer, "compute");
        text_add(text, "{");
        if (target->macs_per_cycle > 0) json_add_number(text, &first, "macs_per_cycle", target->macs_per_cycle);
        json_add_positive(text, &first, "clock", target->clock_hz);
        text_add(text, "}");
    }
}

static void json_add_target(struct text *text, const struct target *target) {
    bool first = true;
    text_add(text, "{");
    if (target->name) json_add_text(text, &first, "name", target->name);
    json_add_on_chip(text, &first, target);
    json_add_bits(text, &first, target);
    json_add_speed(text, &first, target);
    json_add_number(text, &first, "channel_multiple", target->channel_multiple);
    json_add_text(text, &first, "cost_model", cost_model_names[target->cost_model]);
    json_add_text(text, &first, "mappings", target->uneven_mappings ? "uneven" : "plain");
    json_add_text(text, &first, "halo", target->halo_reuse ? "reuse" : "refetch");
    json_add_number(text, &first, "batch", target->batch);
    text_add(text, "}");
}

/* ---- lists ---- */

static const void *json_item(const void *items, size_t item_bytes, uint32_t i) { return (const char *)items + i * item_bytes; }

/* One line per item. */
static void json_add_list(struct text *text, enum record_section section, const void *items, size_t item_bytes, uint32_t count) {
    text_add(text, "[");
    for (uint32_t i = 0; i < count; i++) {
        text_add(text, i ? ",\n    " : "\n    ");
        fields_add_object(text, section, json_item(items, item_bytes, i));
    }
    text_add(text, "]");
}

static void json_add_layers(struct text *text, const struct record *record) {
    text_add(text, "[");
    for (uint32_t i = 0; i < record->layer_count; i++) {
        bool first = true;
        text_add(text, i ? ",\n    {" : "\n    {");
        const struct record_layer *layer = &record->layers[i];
        fields_add(text, &first, SECTION_layer, layer, !layer->infeasible && !record->published);
        if (layer->published) fields_add(text, &first, SECTION_published, layer->published, true);
        text_add(text, "}");
    }
    text_add(text, "]");
}

/* Which groups hold a layer that does not fit, by position. */
static const bool *json_unfit_groups(struct arena *scratch, const struct record *record) {
    bool *unfit = ARENA_ARRAY(scratch, bool, record->group_count);
    for (uint32_t i = 0; i < record->layer_count; i++) {
        const struct record_layer *layer = &record->layers[i];
        if (layer->infeasible && layer->group < record->group_count) unfit[layer->group] = true;
    }
    return unfit;
}

static void json_add_groups(struct text *text, const struct record *record, bool with_costs) {
    struct arena *scratch = arena_new(arena_heap(text->scratch));
    const bool *unfit = json_unfit_groups(scratch, record);
    text_add(text, "[");
    for (uint32_t i = 0; i < record->group_count; i++) {
        const struct record_group *group = &record->groups[i];
        const bool is_feasible = group->id >= record->group_count || !unfit[group->id];
        bool first = true;
        if (with_costs) text_add(text, i ? ",\n    {" : "\n    {");
        else text_add(text, i ? ", {" : "{");
        fields_add(text, &first, SECTION_schedule, group, is_feasible);
        if (with_costs) fields_add(text, &first, SECTION_group, group, is_feasible);
        text_add(text, "}");
    }
    text_add(text, "]");
    arena_free(scratch);
}

static void json_add_pruning(struct text *text, const struct record *record) {
    const struct record_pruning *pruning = record->pruning;
    bool first = true;
    text_add(text, "{");
    fields_add(text, &first, SECTION_pruning, pruning, true);
    text_add_key(text, &first, "spaces");
    json_add_list(text, SECTION_cut, record->spaces, sizeof record->spaces[0], record->space_count);
    if (pruning->before) {
        text_add_key(text, &first, "before");
        fields_add_object(text, SECTION_totals, pruning->before);
    }
    if (pruning->after) {
        text_add_key(text, &first, "after");
        fields_add_object(text, SECTION_totals, pruning->after);
    }
    text_add(text, "}");
}

static bool json_is_repeated(const struct record *record, uint32_t at) {
    for (uint32_t i = 0; i < at; i++)
        if (strcmp(record->timings[i].name, record->timings[at].name) == 0) return true;
    return false;
}

/* Passes that ran several times are one entry. */
static void json_add_timings(struct text *text, const struct record *record) {
    bool first = true;
    text_add(text, "{");
    for (uint32_t i = 0; i < record->timing_count; i++) {
        const char *name = record->timings[i].name;
        double ms = 0;
        if (json_is_repeated(record, i)) continue;
        for (uint32_t k = i; k < record->timing_count; k++)
            if (strcmp(record->timings[k].name, name) == 0) ms += record->timings[k].ms;
        text_add_key(text, &first, name);
        text_add_double(text, (double)(int64_t)(ms * 1000 + 0.5) / 1000);
    }
    text_add(text, "}");
}

/* A published model's have fractions. */
static void json_add_totals(struct text *text, const struct record *record) {
    bool first = true;
    text_add(text, "{");
    fields_add(text, &first, SECTION_totals, &record->totals, !record->published);
    if (record->published) fields_add(text, &first, SECTION_published_totals, record->published, true);
    text_add(text, "}");
}

static void json_add_recovery(struct text *text, const struct record_recovery *recovery) {
    bool first = true;
    text_add(text, "{");
    fields_add(text, &first, SECTION_recovery, recovery, true);
    text_add_key(text, &first, "sets");
    json_add_list(text, SECTION_recovery_set, recovery->sets, sizeof recovery->sets[0], recovery->set_count);
    text_add_key(text, &first, "layers");
    json_add_list(text, SECTION_recovery_layer, recovery->layers, sizeof recovery->layers[0], recovery->layer_count);
    text_add(text, "}");
}

/* ---- the texts ---- */

static void json_add_program(struct text *text, bool *first, const struct record *record) {
    bool inner = true;
    json_open(text, first, "superslash");
    text_add(text, "{");
    json_add_text(text, &inner, "version", SUPERSLASH_VERSION_TEXT);
    json_add_text(text, &inner, "command", record->command);
    text_add(text, "}");
}

static void json_add_head(struct text *text, bool *first, const struct record *record) {
    json_add_program(text, first, record);
    json_open(text, first, "model");
    if (record->model) fields_add_object(text, SECTION_model, record->model);
    else text_add(text, "null");
    if (record->target) {
        json_open(text, first, "target");
        json_add_target(text, record->target);
    }
}

char *json_report(struct arena *arena, const struct record *record) {
    struct text text;
    bool first = true;
    text_begin(&text, arena);
    text_add(&text, "{");
    json_add_head(&text, &first, record);
    json_open(&text, &first, "totals");
    json_add_totals(&text, record);
    json_open(&text, &first, "infeasible_layers");
    text_add_int(&text, record->infeasible_count);
    json_open(&text, &first, "layers");
    json_add_layers(&text, record);
    json_open(&text, &first, "groups");
    json_add_groups(&text, record, true);
    json_open(&text, &first, "opaque");
    json_add_list(&text, SECTION_opaque, record->opaque, sizeof record->opaque[0], record->opaque_count);
    if (record->pruning) {
        json_open(&text, &first, "pruning");
        json_add_pruning(&text, record);
    } else if (record->space_count || strcmp(record->command, "inspect") == 0) {
        json_open(&text, &first, "spaces");
        json_add_list(&text, SECTION_space, record->spaces, sizeof record->spaces[0], record->space_count);
    }
    if (record->recovery) {
        json_open(&text, &first, "accuracy");
        json_add_recovery(&text, record->recovery);
    }
    json_open(&text, &first, "timings_ms");
    json_add_timings(&text, record);
    text_add(&text, "\n}\n");
    return text_finish(&text, arena);
}

static void json_add_knees(struct text *text, const struct record_knee *knees, uint32_t count, bool in_full) {
    text_add(text, "[");
    for (uint32_t i = 0; i < count; i++) {
        bool first = true;
        text_add(text, i ? ",\n    {" : "\n    {");
        fields_add(text, &first, SECTION_sample, &knees[i], !knees[i].infeasible_layers);
        if (in_full) fields_add(text, &first, SECTION_knee, &knees[i], true);
        text_add(text, "}");
    }
    text_add(text, "]");
}

char *json_sweep(struct arena *arena, const struct record *record) {
    const struct record_sweep *sweep = record->sweep;
    struct text text;
    bool first = true;
    text_begin(&text, arena);
    text_add(&text, "{");
    json_add_head(&text, &first, record);
    json_open(&text, &first, "range");
    fields_add_object(&text, SECTION_range, sweep);
    json_open(&text, &first, "sweep");
    json_add_knees(&text, sweep->samples, sweep->sample_count, false);
    json_open(&text, &first, "knees");
    json_add_knees(&text, sweep->steps + 1, sweep->step_count - 1, true);
    json_open(&text, &first, "timings_ms");
    json_add_timings(&text, record);
    text_add(&text, "\n}\n");
    return text_finish(&text, arena);
}

char *json_verify(struct arena *arena, const struct record *record) {
    const struct record_accuracy *accuracy = record->accuracy;
    struct text text;
    bool first = true, first_field = true;
    text_begin(&text, arena);
    text_add(&text, "{");
    json_add_program(&text, &first, record);
    json_open(&text, &first, "accuracy");
    text_add(&text, "{");
    fields_add(&text, &first_field, SECTION_accuracy, accuracy, true);
    text_add_key(&text, &first_field, "outputs");
    json_add_list(&text, SECTION_output, accuracy->outputs, sizeof accuracy->outputs[0], accuracy->output_count);
    text_add(&text, "}");
    json_open(&text, &first, "timings_ms");
    json_add_timings(&text, record);
    text_add(&text, "\n}\n");
    return text_finish(&text, arena);
}

char *json_target(struct arena *arena, const struct target *target) {
    struct text text;
    text_begin(&text, arena);
    json_add_target(&text, target);
    return text_finish(&text, arena);
}

char *json_totals(struct arena *arena, const struct record_totals *totals) {
    struct text text;
    text_begin(&text, arena);
    fields_add_object(&text, SECTION_totals, totals);
    return text_finish(&text, arena);
}

char *json_schedule(struct arena *arena, const struct record *record) {
    struct text text;
    text_begin(&text, arena);
    text_add(&text, "{\"superslash_schedule\": 1, \"groups\": ");
    json_add_groups(&text, record, false);
    text_add(&text, "}");
    return text_finish(&text, arena);
}

char *json_group(struct arena *arena, const struct record_group *group) {
    struct text text;
    text_begin(&text, arena);
    fields_add_object(&text, SECTION_schedule, group);
    return text_finish(&text, arena);
}

char *json_mapping(struct arena *arena, const struct mapping *mapping) {
    struct text text;
    text_begin(&text, arena);
    field_add_mapping(&text, mapping);
    return text_finish(&text, arena);
}
