#include "report/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "report/parse.h"
#include "report/text.h"

static const char *const plan_role_names[] = {[PLAN_MAKES] = "makes", [PLAN_CARRIES] = "carries", [PLAN_READS] = "reads"};

/* ---- reading ---- */

static int plan_compare_numbers(const void *a, const void *b) {
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static status plan_sort_remove(const struct parse *reader, uint32_t *remove, uint32_t count) {
    if (count) qsort(remove, count, sizeof remove[0], plan_compare_numbers);
    for (uint32_t i = 1; i < count; i++)
        if (remove[i] == remove[i - 1])
            return diag_fail(reader->diag, STATUS_USAGE, "plan: %s.remove names %" PRIu32 " twice", reader->place, remove[i]);
    return STATUS_OK;
}

/* Numbers below size, in any order, each once. */
static status plan_read_remove(const struct parse *reader, const json_t *object, int64_t size, const uint32_t **remove, uint32_t *count) {
    const json_t *array = json_object_get(object, "remove");
    if (!json_is_array(array)) return parse_wrong_type(reader, parse_path(reader, "remove"), array, "an array");
    const size_t found = json_array_size(array);
    if (found > (uint64_t)size)
        return diag_fail(reader->diag, STATUS_USAGE, "plan: %s.remove has %zu entries, size is %" PRId64, reader->place, found, size);
    uint32_t *numbers = ARENA_ARRAY(reader->arena, uint32_t, found);
    for (size_t i = 0; i < found; i++) {
        const json_t *value = json_array_get(array, i);
        int64_t number = 0;
        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= size)
            return parse_number_at(reader, arena_print(reader->arena, "%s.remove[%zu]", reader->place, i), value, 0, size - 1, &number);
        numbers[i] = (uint32_t)json_integer_value(value);
    }
    const status result = plan_sort_remove(reader, numbers, (uint32_t)found);
    if (result) return result;
    *remove = numbers;
    *count = (uint32_t)found;
    return STATUS_OK;
}

static status plan_read_space(const struct parse *reader, json_t *object, struct plan_space *space) {
    static const char *const keys[] = {"id", "size", "remove", NULL};
    int64_t size = 0;
    status result = parse_keys(reader, object, keys);
    if (!result) result = parse_string(reader, object, "id", &space->id);
    if (!result) result = parse_number(reader, object, "size", 1, UINT32_MAX, &size);
    if (!result) result = plan_read_remove(reader, object, size, &space->remove, &space->remove_count);
    space->size = (uint32_t)size;
    return result;
}

static status plan_read_role(const struct parse *reader, const json_t *object, enum plan_role *role) {
    const char *name;
    const status result = parse_string(reader, object, "role", &name);
    if (result) return result;
    for (int i = PLAN_MAKES; i <= PLAN_READS; i++) {
        if (strcmp(plan_role_names[i], name) != 0) continue;
        *role = (enum plan_role)i;
        return STATUS_OK;
    }
    return diag_fail(reader->diag, STATUS_USAGE, "plan: %s.role is '%s', expected makes, carries or reads", reader->place, name);
}

static status plan_read_rows(const struct parse *reader, const json_t *object, struct plan_slice *slice) {
    const json_t *rows = json_object_get(object, "rows");
    if (!rows) return STATUS_OK;
    if (!json_is_array(rows)) return parse_wrong_type(reader, parse_path(reader, "rows"), rows, "an array");
    if (json_array_size(rows) != 2)
        return diag_fail(reader->diag, STATUS_USAGE, "plan: %s.rows has %zu entries, expected 2: [from, to)", reader->place,
                         json_array_size(rows));
    status result = parse_number_at(reader, parse_path(reader, "rows[0]"), json_array_get(rows, 0), 0, INT64_MAX - 1, &slice->rows_from);
    if (!result)
        result = parse_number_at(reader, parse_path(reader, "rows[1]"), json_array_get(rows, 1), slice->rows_from + 1, INT64_MAX,
                                 &slice->rows_to);
    return result;
}

static status plan_read_slice(const struct parse *reader, json_t *object, struct plan_slice *slice) {
    static const char *const keys[] = {"tensor", "axis", "size", "remove", "role", "rows", "node", NULL};
    int64_t axis = 0;
    status result = parse_keys(reader, object, keys);
    if (!result) result = parse_string(reader, object, "tensor", &slice->tensor);
    if (!result) result = parse_number(reader, object, "axis", 0, UINT32_MAX, &axis);
    if (!result) result = parse_number(reader, object, "size", 1, UINT32_MAX, &slice->size);
    if (!result) result = plan_read_remove(reader, object, slice->size, &slice->remove, &slice->remove_count);
    if (!result) result = plan_read_role(reader, object, &slice->role);
    if (!result) result = plan_read_rows(reader, object, slice);
    if (!result && json_object_get(object, "node")) result = parse_string(reader, object, "node", &slice->node);
    slice->axis = (uint32_t)axis;
    return result;
}

static status plan_read_spaces(struct parse *reader, const json_t *root, struct plan *plan) {
    const json_t *array = json_object_get(root, "spaces");
    struct name_map *seen = name_map_new(reader->arena);
    if (!array) return STATUS_OK;
    if (!json_is_array(array)) return parse_wrong_type(reader, "spaces", array, "an array");
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct plan_space space = {0};
        reader->place = arena_print(reader->arena, "spaces[%zu]", i);
        const status result = plan_read_space(reader, json_array_get(array, i), &space);
        if (result) return result;
        const uint32_t before = name_map_get(seen, space.id);
        if (before)
            return diag_fail(reader->diag, STATUS_USAGE, "plan: spaces[%zu].id is '%s', as spaces[%" PRIu32 "].id is", i, space.id,
                             before - 1);
        name_map_set(seen, space.id, (uint32_t)i + 1);
        array_push(reader->arena, &plan->spaces, space);
    }
    return STATUS_OK;
}

static status plan_read_slices(struct parse *reader, const json_t *root, struct plan *plan) {
    const json_t *array = json_object_get(root, "slices");
    if (!array) return STATUS_OK;
    if (!json_is_array(array)) return parse_wrong_type(reader, "slices", array, "an array");
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct plan_slice slice = {0};
        reader->place = arena_print(reader->arena, "slices[%zu]", i);
        const status result = plan_read_slice(reader, json_array_get(array, i), &slice);
        if (result) return result;
        array_push(reader->arena, &plan->slices, slice);
    }
    return STATUS_OK;
}

static status plan_read_keeps(struct parse *reader, json_t *root, struct plan *plan) {
    json_t *object = json_object_get(root, "keep"), *value;
    const char *node;
    if (!object) return STATUS_OK;
    if (!json_is_object(object)) return parse_wrong_type(reader, "keep", object, "an object");
    if (plan->spaces.count || plan->slices.count)
        return diag_fail(reader->diag, STATUS_USAGE, "plan: keep stands beside spaces or slices; give one of them");
    json_object_foreach(object, node, value) {
        int64_t keep = 0;
        const status result = parse_number_at(reader, arena_print(reader->arena, "keep.%s", node), value, 1, UINT32_MAX, &keep);
        if (result) return result;
        const struct plan_keep item = {arena_copy_text(reader->arena, node), (uint32_t)keep};
        array_push(reader->arena, &plan->keeps, item);
    }
    return STATUS_OK;
}

static status plan_read(struct parse *reader, json_t *root, struct plan *plan) {
    static const char *const keys[] = {"superslash_plan", "fingerprint", "spaces", "slices", "keep", NULL};
    status result = parse_keys(reader, root, keys);
    if (!result) result = parse_version(reader, root, "superslash_plan");
    if (!result && json_object_get(root, "fingerprint")) result = parse_string(reader, root, "fingerprint", &plan->fingerprint);
    if (!result) result = plan_read_spaces(reader, root, plan);
    if (!result) result = plan_read_slices(reader, root, plan);
    if (!result) result = plan_read_keeps(reader, root, plan);
    if (!result && !plan->spaces.count && !plan->slices.count && !plan->keeps.count && !json_object_get(root, "spaces"))
        result = diag_fail(reader->diag, STATUS_USAGE, "plan: neither spaces nor keep: it says nothing to remove");
    return result;
}

status plan_parse(struct arena *arena, const char *text, size_t length, struct plan *plan, struct diag *diag) {
    struct arena *scratch = arena_new(arena_heap(arena));
    struct parse reader = {.arena = arena, .diag = diag, .what = "plan"};
    struct plan read = {0};
    json_t *root;
    status result = parse_text(&reader, scratch, text, length, &root);
    if (!result) result = plan_read(&reader, root, &read);
    arena_free(scratch);
    if (!result) *plan = read;
    return result;
}

/* ---- writing ---- */

static void plan_add_number(struct text *text, bool *first, const char *key, int64_t number) {
    text_add_key(text, first, key);
    text_add_int(text, number);
}

static void plan_add_text(struct text *text, bool *first, const char *key, const char *plain) {
    text_add_key(text, first, key);
    text_add_quoted(text, plain);
}

static void plan_add_remove(struct text *text, bool *first, const uint32_t *remove, uint32_t count) {
    text_add_key(text, first, "remove");
    text_add(text, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_add(text, ",");
        text_add_int(text, remove[i]);
    }
    text_add(text, "]");
}

static void plan_add_space(struct text *text, const struct plan_space *space) {
    bool first = true;
    plan_add_text(text, &first, "id", space->id);
    plan_add_number(text, &first, "size", space->size);
    plan_add_remove(text, &first, space->remove, space->remove_count);
}

static void plan_add_slice(struct text *text, const struct plan_slice *slice) {
    bool first = true;
    plan_add_text(text, &first, "tensor", slice->tensor);
    plan_add_number(text, &first, "axis", slice->axis);
    plan_add_number(text, &first, "size", slice->size);
    plan_add_remove(text, &first, slice->remove, slice->remove_count);
    plan_add_text(text, &first, "role", plan_role_names[slice->role]);
    if (slice->rows_to) {
        text_add_key(text, &first, "rows");
        text_add(text, "[");
        text_add_int(text, slice->rows_from);
        text_add(text, ",");
        text_add_int(text, slice->rows_to);
        text_add(text, "]");
    }
    if (slice->node) plan_add_text(text, &first, "node", slice->node);
}

static void plan_add_keeps(struct text *text, const struct plan *plan) {
    bool first = true;
    text_add(text, ",\n \"keep\": {");
    for (uint32_t i = 0; i < plan->keeps.count; i++) plan_add_number(text, &first, plan->keeps.items[i].node, plan->keeps.items[i].keep);
    text_add(text, "}");
}

static void plan_add_line(struct text *text, bool is_first) { text_add(text, is_first ? "\n  {" : ",\n  {"); }

char *plan_print(struct arena *arena, const struct plan *plan) {
    struct text text;
    text_begin(&text, arena);
    text_add(&text, "{\"superslash_plan\": 1");
    if (plan->fingerprint) {
        text_add(&text, ", \"fingerprint\": ");
        text_add_quoted(&text, plan->fingerprint);
    }
    if (plan->keeps.count) plan_add_keeps(&text, plan);
    else text_add(&text, ",\n \"spaces\": [");
    for (uint32_t i = 0; i < plan->spaces.count; i++) {
        plan_add_line(&text, i == 0);
        plan_add_space(&text, &plan->spaces.items[i]);
        text_add(&text, "}");
    }
    if (!plan->keeps.count) text_add(&text, "]");
    if (plan->slices.count) text_add(&text, ",\n \"slices\": [");
    for (uint32_t i = 0; i < plan->slices.count; i++) {
        plan_add_line(&text, i == 0);
        plan_add_slice(&text, &plan->slices.items[i]);
        text_add(&text, "}");
    }
    text_add(&text, plan->slices.count ? "]}\n" : "}\n");
    return text_finish(&text, arena);
}
