#include <string.h>

#include "report/fields.h"
#include "report/sweep.h"

uint32_t sweep_largest(const struct record_sweep *sweep, const struct record_knee **knees, uint32_t limit) {
    uint32_t count = 0;
    for (uint32_t i = 1; i < sweep->step_count; i++) {
        const struct record_knee *knee = &sweep->steps[i];
        uint32_t at = count;
        if (knee->saved_bytes <= 0) continue;
        while (at && knees[at - 1]->saved_bytes < knee->saved_bytes) at--;
        if (at == limit) continue;
        if (count < limit) count++;
        memmove(&knees[at + 1], &knees[at], (count - at - 1) * sizeof(const struct record_knee *));
        knees[at] = knee;
    }
    return count;
}

/* RFC 4180: quoted where it must be. */
static void csv_add_name(struct text *text, const char *name) {
    if (!strpbrk(name, ",\"\r\n")) {
        text_add(text, name);
        return;
    }
    text_add(text, "\"");
    for (; *name; name++) {
        if (*name == '"') text_add(text, "\"");
        text_add_bytes(text, name, 1);
    }
    text_add(text, "\"");
}

static bool csv_has(const struct record_field *field) { return field->section == SECTION_sample || field->section == SECTION_knee; }

static void csv_add_row(struct text *text, const struct record_knee *knee) {
    const char *comma = "";
    for (uint32_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        if (!csv_has(field)) continue;
        text_add(text, comma);
        comma = ",";
        if (!knee) text_add(text, field->key);
        else if (!field_is_present(field, knee, !knee->infeasible_layers)) continue;
        else if (field->kind == KIND_TEXT) csv_add_name(text, knee->layer);
        else field_add_value(text, field, knee);
    }
    text_add(text, "\n");
}

char *csv_sweep(struct arena *arena, const struct record *record) {
    struct text text;
    text_begin(&text, arena);
    csv_add_row(&text, NULL);
    for (uint32_t i = 0; i < record->sweep->step_count; i++) csv_add_row(&text, &record->sweep->steps[i]);
    return text_finish(&text, arena);
}
