#include "report/schedule.h"

#include <inttypes.h>
#include <string.h>

#include "report/schedule_fused.h"

/* ---- mappings ---- */

static status schedule_read_dim(const struct parse *parse, const json_t *object, enum nest_dim *dim) {
    const char *name;
    const status result = parse_string(parse, object, "dim", &name);
    if (result) return result;
    for (int d = 0; d < DIM_COUNT; d++) {
        if (strcmp(nest_dim_names[d], name) != 0) continue;
        *dim = (enum nest_dim)d;
        return STATUS_OK;
    }
    return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is '%s', expected one of n, g, m, c, od, oh, ow", parse->what,
                     parse_path(parse, "dim"), name);
}

static status schedule_read_loop(const struct parse *parse, json_t *object, struct mapping_loop *loop) {
    static const char *const keys[] = {"dim", "step", "snake", NULL};
    const json_t *snake = json_object_get(object, "snake");
    status result = parse_keys(parse, object, keys);
    if (!result) result = schedule_read_dim(parse, object, &loop->dim);
    if (!result) result = parse_number(parse, object, "step", 1, INT64_MAX, &loop->step);
    if (!result && snake && !json_is_boolean(snake)) result = parse_wrong_type(parse, parse_path(parse, "snake"), snake, "true or false");
    loop->snake = json_is_true(snake);
    return result;
}

static status schedule_read_loops(const struct parse *parse, const json_t *object, struct mapping *mapping) {
    json_t *loops = NULL;
    status result = parse_array(parse, object, "loops", &loops);
    if (result) return result;
    if (json_array_size(loops) > MAPPING_MAX_LOOPS)
        return diag_fail(parse->diag, STATUS_USAGE, "%s: %s has %zu loops, at most %d are known", parse->what, parse_path(parse, "loops"),
                         json_array_size(loops), MAPPING_MAX_LOOPS);
    mapping->loop_count = (uint32_t)json_array_size(loops);
    for (uint32_t i = 0; i < mapping->loop_count && !result; i++) {
        struct parse inner = *parse;
        inner.place = arena_print(parse->arena, "%s.loops[%" PRIu32 "]", parse->place, i);
        result = schedule_read_loop(&inner, json_array_get(loops, i), &mapping->loops[i]);
    }
    return result;
}

static status schedule_read_depth(const struct parse *parse, const json_t *object, struct mapping *mapping) {
    static const char *const keys[] = {"i", "w", "o", NULL};
    json_t *depth = json_object_get(object, "depth");
    struct parse inner = *parse;
    inner.place = arena_print(parse->arena, "%s.depth", parse->place);
    if (!depth) return parse_wrong_type(parse, inner.place, NULL, "an object");
    status result = parse_keys(&inner, depth, keys);
    for (int x = 0; x < OPERAND_COUNT && !result; x++) {
        int64_t number = 0;
        result = parse_number(&inner, depth, keys[x], 0, mapping->loop_count, &number);
        mapping->depth[x] = (uint32_t)number;
    }
    return result;
}

static status schedule_read_mapping(const struct parse *parse, json_t *object, const struct mapping **mapping) {
    static const char *const keys[] = {"loops", "depth", NULL};
    struct mapping read = {0};
    struct parse inner = *parse;
    inner.place = arena_print(parse->arena, "%s.mapping", parse->place);
    status result = parse_keys(&inner, object, keys);
    if (!result) result = schedule_read_loops(&inner, object, &read);
    if (!result) result = schedule_read_depth(&inner, object, &read);
    if (!result) *mapping = arena_copy(parse->arena, &read, sizeof read);
    return result;
}

/* ---- groups ---- */

static status schedule_read_nodes(const struct parse *parse, const json_t *object, struct schedule_group *group) {
    json_t *array = NULL;
    const status result = parse_array(parse, object, "nodes", &array);
    if (result) return result;
    const size_t count = json_array_size(array);
    const char **nodes = arena_alloc_array(parse->arena, count, sizeof *nodes);
    if (!count) return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is empty", parse->what, parse_path(parse, "nodes"));
    for (size_t i = 0; i < count; i++) {
        const json_t *node = json_array_get(array, i);
        if (!json_is_string(node))
            return parse_wrong_type(parse, arena_print(parse->arena, "%s.nodes[%zu]", parse->place, i), node, "a string");
        nodes[i] = arena_copy_text(parse->arena, json_string_value(node));
    }
    group->nodes = nodes;
    group->node_count = (uint32_t)count;
    return STATUS_OK;
}

static status schedule_read_group(const struct parse *parse, json_t *object, int64_t id, struct schedule_group *group) {
    static const char *const keys[] = {"id",         "nodes",   "mapping", "tile",    "walk", "overlap",
                                       "out_blocks", "tensors", "rereads", "weights", NULL};
    int64_t given = 0;
    status result = parse_keys(parse, object, keys);
    if (!result) result = parse_number(parse, object, "id", id, id, &given);
    if (!result) result = schedule_read_nodes(parse, object, group);
    if (!result && json_object_get(object, "tile")) return schedule_read_fused(parse, object, &group->fused);
    for (int i = 4; keys[i] && !result; i++)
        if (json_object_get(object, keys[i]))
            result = diag_fail(parse->diag, STATUS_USAGE, "%s: %s stands in a group without tile", parse->what, parse_path(parse, keys[i]));
    json_t *mapping = json_object_get(object, "mapping");
    if (!result && mapping) result = schedule_read_mapping(parse, mapping, &group->mapping);
    return result;
}

static status schedule_read(struct parse *parse, json_t *root, struct schedule *schedule) {
    static const char *const keys[] = {"superslash_schedule", "groups", NULL};
    json_t *groups = NULL;
    status result = parse_keys(parse, root, keys);
    if (!result) result = parse_version(parse, root, "superslash_schedule");
    if (!result) result = parse_array(parse, root, "groups", &groups);
    const size_t count = result ? 0 : json_array_size(groups);
    for (size_t i = 0; i < count && !result; i++) {
        struct schedule_group group = {0};
        parse->place = arena_print(parse->arena, "groups[%zu]", i);
        result = schedule_read_group(parse, json_array_get(groups, i), (int64_t)i, &group);
        if (!result) array_push(parse->arena, &schedule->groups, group);
    }
    return result;
}

status schedule_parse(struct arena *arena, const char *text, size_t length, struct schedule *schedule, struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(arena));
    struct parse parse = {.arena = arena, .diag = diag, .what = "schedule"};
    struct schedule read = {0};
    json_t *root;
    status result = parse_text(&parse, scratch, text, length, &root);
    if (!result) result = schedule_read(&parse, root, &read);
    arena_free(scratch);
    if (!result) *schedule = read;
    return result;
}

/* ---- the totals ---- */

static status schedule_read_totals(const struct parse *parse, const json_t *root, struct schedule_totals *totals) {
    totals->layer_by_layer_bytes = -1;
    if (!json_is_object(root)) return parse_wrong_type(parse, "the whole", root, "an object");
    if (json_object_get(root, "layer_by_layer_bytes")) {
        const status result = parse_number(parse, root, "layer_by_layer_bytes", 0, INT64_MAX, &totals->layer_by_layer_bytes);
        if (result) return result;
    }
    return parse_string(parse, root, "lower_bound", &totals->lower_bound);
}

status schedule_parse_totals(struct arena *arena, const char *text, size_t length, struct schedule_totals *totals, struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(arena));
    struct parse parse = {.arena = arena, .diag = diag, .what = "totals"};
    json_t *root;
    status result = parse_text(&parse, scratch, text, length, &root);
    if (!result) result = schedule_read_totals(&parse, root, totals);
    arena_free(scratch);
    return result;
}

/* ---- the target ---- */

enum { SCHEDULE_MOST_BITS = 64 };

/* A section of the target; NULL where it is absent and need not be there. */
static status schedule_section(const struct parse *parse, json_t *root, const char *key, bool is_needed, const char *const *keys,
                               struct parse *inner, json_t **section) {
    *section = json_object_get(root, key);
    *inner = *parse;
    inner->place = key;
    if (!*section) return is_needed ? parse_wrong_type(parse, key, NULL, "an object") : STATUS_OK;
    return parse_keys(inner, *section, keys);
}

static status schedule_read_positive(const struct parse *parse, const json_t *object, const char *key, double *number) {
    const json_t *value = json_object_get(object, key);
    if (!value) return STATUS_OK;
    if (!json_is_number(value)) return parse_wrong_type(parse, parse_path(parse, key), value, "a number");
    *number = json_number_value(value);
    if (*number > 0) return STATUS_OK;
    return diag_fail(parse->diag, STATUS_USAGE, "%s: %s is %g, expected more than 0", parse->what, parse_path(parse, key), *number);
}

static const char *const schedule_operands[] = {"input", "weight", "output", NULL};

static status schedule_read_doubled(const struct parse *parse, const json_t *on_chip, struct target *target) {
    json_t *names = NULL;
    status result = parse_array(parse, on_chip, "double_buffer", &names);
    for (size_t i = 0; !result && i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        int at = 0;
        while (name && schedule_operands[at] && strcmp(schedule_operands[at], name) != 0) at++;
        if (!name || at == OPERAND_COUNT || target->double_buffer[at])
            return diag_fail(parse->diag, STATUS_USAGE, "%s: on_chip.double_buffer: expected some of input, weight, output, each once",
                             parse->what);
        target->double_buffer[at] = true;
    }
    return result;
}

static status schedule_read_on_chip(const struct parse *parse, json_t *root, struct target *target) {
    static const char *const keys[] = {"capacity", "double_buffer", "input", "weight", "output", NULL};
    static const char *const whole[] = {"capacity", "double_buffer", NULL}, *const split[] = {"double_buffer", "input", "weight", "output",
                                                                                              NULL};
    struct parse inner;
    json_t *on_chip;
    status result = schedule_section(parse, root, "on_chip", true, keys, &inner, &on_chip);
    if (result) return result;
    target->is_split = !json_object_get(on_chip, "capacity");
    result = parse_keys(&inner, on_chip, target->is_split ? split : whole);
    if (!result && !target->is_split) result = parse_number(&inner, on_chip, "capacity", 1, INT64_MAX, &target->capacity_bytes);
    for (int x = 0; x < OPERAND_COUNT && target->is_split && !result; x++)
        result = parse_number(&inner, on_chip, schedule_operands[x], 1, INT64_MAX, &target->partition_bytes[x]);
    return result ? result : schedule_read_doubled(&inner, on_chip, target);
}

static status schedule_read_bits(const struct parse *parse, json_t *root, struct target *target) {
    static const char *const keys[] = {"activation", "weight", "partial_sum", NULL};
    const json_t *word = json_object_get(root, "bits");
    struct parse inner;
    json_t *bits;
    target->activation_bits = target->weight_bits = 8;
    target->partial_sum_bits = 32;
    target->bits_of_model = json_is_string(word) && strcmp(json_string_value(word), "model") == 0;
    if (target->bits_of_model) return STATUS_OK;
    uint32_t *const widths[] = {&target->activation_bits, &target->weight_bits, &target->partial_sum_bits};
    status result = schedule_section(parse, root, "bits", true, keys, &inner, &bits);
    for (int i = 0; i < 3 && !result; i++) {
        int64_t number = 0;
        result = parse_number(&inner, bits, keys[i], 1, SCHEDULE_MOST_BITS, &number);
        *widths[i] = (uint32_t)number;
    }
    return result;
}

static status schedule_read_speed(const struct parse *parse, json_t *root, struct target *target) {
    static const char *const off_chip_keys[] = {"bandwidth", "energy_pj_per_byte", NULL}, *const compute_keys[] = {"macs_per_cycle",
                                                                                                                   "clock", NULL};
    struct parse inner;
    json_t *off_chip, *compute;
    status result = schedule_section(parse, root, "off_chip", false, off_chip_keys, &inner, &off_chip);
    if (!result) result = schedule_read_positive(&inner, off_chip, "bandwidth", &target->bandwidth_bytes_per_s);
    if (!result) result = schedule_read_positive(&inner, off_chip, "energy_pj_per_byte", &target->energy_pj_per_byte);
    if (!result) result = schedule_section(parse, root, "compute", false, compute_keys, &inner, &compute);
    if (result || !compute) return result;
    result = parse_number(&inner, compute, "macs_per_cycle", 1, INT32_MAX, &target->macs_per_cycle);
    return result ? result : schedule_read_positive(&inner, compute, "clock", &target->clock_hz);
}

static status schedule_read_rules(const struct parse *parse, json_t *root, struct target *target) {
    static const char *const models[] = {"exact", "superslash", "smartshuttle", NULL}, *const halos[] = {"refetch", "reuse", NULL},
                             *const mappings[] = {"plain", "uneven", NULL};
    int model = 0, halo = 0, mapping = 0;
    status result = json_object_get(root, "name") ? parse_string(parse, root, "name", &target->name) : STATUS_OK;
    if (!result) result = parse_number(parse, root, "channel_multiple", 1, INT32_MAX, &target->channel_multiple);
    if (!result) result = parse_number(parse, root, "batch", 1, INT32_MAX, &target->batch);
    if (!result) result = parse_word(parse, root, "cost_model", models, &model);
    if (!result) result = parse_word(parse, root, "halo", halos, &halo);
    if (!result && json_object_get(root, "mappings")) result = parse_word(parse, root, "mappings", mappings, &mapping);
    target->uneven_mappings = mapping == 1;
    target->cost_model = (enum cost_model)model;
    target->halo_reuse = halo == 1;
    return result;
}

static status schedule_read_target(const struct parse *parse, json_t *root, struct target *target) {
    static const char *const keys[] = {"name",       "on_chip", "bits",  "off_chip", "compute", "channel_multiple",
                                       "cost_model", "halo",    "batch", "mappings", NULL};
    status result = parse_keys(parse, root, keys);
    if (!result) result = schedule_read_on_chip(parse, root, target);
    if (!result) result = schedule_read_bits(parse, root, target);
    if (!result) result = schedule_read_speed(parse, root, target);
    return result ? result : schedule_read_rules(parse, root, target);
}

status schedule_parse_target(struct arena *arena, const char *text, size_t length, struct target *target, struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(arena));
    struct parse parse = {.arena = arena, .diag = diag, .what = "target"};
    struct target read = {0};
    json_t *root;
    status result = parse_text(&parse, scratch, text, length, &root);
    if (!result) result = schedule_read_target(&parse, root, &read);
    arena_free(scratch);
    if (!result) *target = read;
    return result;
}
