/* record.def as a table: what each section holds, where it lies in its struct, how it is written. */
#ifndef SS_REPORT_FIELDS_H
#define SS_REPORT_FIELDS_H

#include "report/record.h"
#include "report/text.h"

/* Section, the struct its rows describe, where it stands in the JSON report. */
#define RECORD_SECTIONS(SECTION)                                                                                                           \
    SECTION(model, struct record_model, "model")                                                                                           \
    SECTION(totals, struct record_totals, "totals; pruning.before, pruning.after")                                                         \
    SECTION(layer, struct record_layer, "layers[]")                                                                                        \
    SECTION(infeasible, struct infeasible, "layers[].infeasible")                                                                          \
    SECTION(published, struct record_published, "layers[], with a published cost model")                                                   \
    SECTION(published_totals, struct record_published, "totals, with a published cost model")                                              \
    SECTION(schedule, struct record_group, "groups[]")                                                                                     \
    SECTION(group, struct record_group, "groups[]")                                                                                        \
    SECTION(opaque, struct record_opaque, "opaque[]")                                                                                      \
    SECTION(space, struct record_space, "spaces[]")                                                                                        \
    SECTION(pruning, struct record_pruning, "pruning")                                                                                     \
    SECTION(cut, struct record_space, "pruning.spaces[]")                                                                                  \
    SECTION(range, struct record_sweep, "range, of a sweep")                                                                               \
    SECTION(sample, struct record_knee, "sweep[], knees[]")                                                                                \
    SECTION(knee, struct record_knee, "knees[]")                                                                                           \
    SECTION(accuracy, struct record_accuracy, "accuracy")                                                                                  \
    SECTION(output, struct record_output, "accuracy.outputs[]")                                                                            \
    SECTION(recovery, struct record_recovery, "accuracy, of optimize and prune")                                                           \
    SECTION(recovery_set, struct record_recovery_set, "accuracy.sets[]")                                                                   \
    SECTION(recovery_layer, struct record_recovery_layer, "accuracy.layers[]")

/* Kind, C type of the member, when the key is absent. */
#define RECORD_KINDS(KIND)                                                                                                                 \
    KIND(INT64, int64_t, "never")                                                                                                          \
    KIND(COST, int64_t, "where a layer does not fit, and with a published model, which has its own")                                       \
    KIND(KNOWN, int64_t, "negative, and like COST")                                                                                        \
    KIND(POSITIVE, int64_t, "0")                                                                                                           \
    KIND(UINT32, uint32_t, "never")                                                                                                        \
    KIND(ORDINAL, uint32_t, "0, and of a layer that does not fit")                                                                         \
    KIND(GROUP, uint32_t, "no group")                                                                                                      \
    KIND(DOUBLE, double, "negative")                                                                                                       \
    KIND(SHARE, double, "never")                                                                                                           \
    KIND(TEXT, const char *, "NULL")                                                                                                       \
    KIND(TEXT_OR_NULL, const char *, "never; NULL is null")                                                                                \
    KIND(NEST, const struct nest *, "NULL")                                                                                                \
    KIND(MAPPING, const struct mapping *, "NULL")                                                                                          \
    KIND(PLANE, const int64_t *, "NULL")                                                                                                   \
    KIND(TENSORS, const struct record_tensor *, "no fused group; the member of a record_group")                                            \
    KIND(REREADS, const struct record_reread *, "none")                                                                                    \
    KIND(WEIGHTS, const struct record_weights *, "no fused group; the member of a record_group")                                           \
    KIND(TILE, const struct published_tile *, "NULL")                                                                                      \
    KIND(INFEASIBLE, const struct infeasible *, "NULL")                                                                                    \
    KIND(TEXTS, const char *const *, "never")                                                                                              \
    KIND(CELLS, const uint32_t *const *, "fewer than two; the member of a record_space")

#define SECTION_ENUM(name, type, place) SECTION_##name,
#define KIND_ENUM(name, type, absent) KIND_##name,
enum record_section { RECORD_SECTIONS(SECTION_ENUM) SECTION_COUNT };
enum record_kind { RECORD_KINDS(KIND_ENUM) KIND_COUNT };
#undef SECTION_ENUM
#undef KIND_ENUM

struct record_field {
    enum record_section section;
    enum record_kind kind;
    size_t offset, count_offset; /* the latter for texts */
    const char *unit, *key, *annotation, *meaning;
};

extern const struct record_field record_fields[];
extern const uint32_t record_field_count;

/* base: the struct of the field's section. is_feasible: false leaves the costs out. */
bool field_is_present(const struct record_field *field, const void *base, bool is_feasible);
/* As a JSON value. */
void field_add_value(struct text *text, const struct record_field *field, const void *base);
/* The rows of a section as members of an object that is open. */
void fields_add(struct text *text, bool *first, enum record_section section, const void *base, bool is_feasible);
void fields_add_object(struct text *text, enum record_section section, const void *base);

void field_add_mapping(struct text *text, const struct mapping *mapping);

#endif
