/* The documentation of the JSON report, the annotations and the plan: the rows of record.def, printed. */
#include <stdio.h>
#include <string.h>

#include "report/fields.h"

enum describe_document { DOCUMENT_report, DOCUMENT_target, DOCUMENT_mapping, DOCUMENT_schedule, DOCUMENT_plan, DOCUMENT_COUNT };

static const struct {
    const char *name, *title;
} describe_documents[DOCUMENT_COUNT] = {
    [DOCUMENT_report] = {"report", "the JSON report (--json)"},
    [DOCUMENT_target] = {"target", "a target, in the report and in superslash.target"},
    [DOCUMENT_mapping] = {"mapping", "a mapping, in the report, in superslash.schedule and in superslash.mapping"},
    [DOCUMENT_schedule] = {"schedule", "the schedule (superslash.schedule)"},
    [DOCUMENT_plan] = {"plan", "a plan (--plan-out, --plan, superslash.plan)"},
};

struct describe_key {
    enum describe_document document;
    const char *place, *key, *unit, *meaning;
};

static const struct describe_key describe_keys[] = {
#define KEY(document, place, key, unit, meaning) {DOCUMENT_##document, place, key, unit, meaning},
#include "report/record.def"
};
enum { DESCRIBE_KEY_COUNT = sizeof describe_keys / sizeof describe_keys[0] };

static void describe_row(FILE *file, const char *key, const char *unit, const char *meaning) {
    fprintf(file, "  %-24s %-10s %s\n", key, unit, meaning);
}

/* Keys of a place stand together; each place is a heading, but for the top. */
static void describe_keys_of(FILE *file, enum describe_document document) {
    const char *place = "";
    for (uint32_t i = 0; i < DESCRIBE_KEY_COUNT; i++) {
        const struct describe_key *key = &describe_keys[i];
        if (key->document != document) continue;
        if (strcmp(place, key->place) != 0) fprintf(file, "%s\n", key->place);
        place = key->place;
        describe_row(file, key->key, key->unit, key->meaning);
    }
}

static void describe_section(FILE *file, enum record_section section) {
#define SECTION_PLACE(name, type, place) place,
    static const char *const places[] = {RECORD_SECTIONS(SECTION_PLACE)};
#undef SECTION_PLACE
    fprintf(file, "%s\n", places[section]);
    for (uint32_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        if (field->section == section) describe_row(file, field->key, field->unit, field->meaning);
    }
}

static void describe_annotation(FILE *file, const char *key, const char *unit, const char *meaning) {
    char whole[64];
    snprintf(whole, sizeof whole, "superslash.%s", key);
    fprintf(file, "  %-28s %-5s %s\n", whole, unit, meaning);
}

static void describe_annotations(FILE *file) {
    fprintf(file, "annotations (metadata_props)\nof the model: the record\n");
#define NOTE(key, maker, meaning) describe_annotation(file, key, "", meaning);
#include "report/record.def"
    fprintf(file, "of a node: a convenience\n");
    for (uint32_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        if (field->annotation[0]) describe_annotation(file, field->annotation, field->unit, field->meaning);
    }
#define GROUP_NOTE(key, maker, meaning) describe_annotation(file, key, "", meaning);
#include "report/record.def"
}

uint32_t record_describe(FILE *file, const char *document) {
    uint32_t count = 0;
    for (int i = 0; i < DOCUMENT_COUNT; i++) {
        if (document && strcmp(document, describe_documents[i].name) != 0) continue;
        fprintf(file, "%s%s\n", count++ ? "\n" : "", describe_documents[i].title);
        describe_keys_of(file, (enum describe_document)i);
        for (int section = 0; i == DOCUMENT_report && section < SECTION_COUNT; section++)
            describe_section(file, (enum record_section)section);
    }
    if (document && strcmp(document, "annotations") != 0) return count;
    if (count) fputc('\n', file);
    describe_annotations(file);
    return count + 1;
}
