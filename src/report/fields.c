#include "report/fields.h"

#include <stdio.h>
#include <string.h>

#define SECTION_TYPE(name, type, place) typedef type section_##name;
#define KIND_TYPE(name, type, absent) typedef type kind_##name;
RECORD_SECTIONS(SECTION_TYPE)
RECORD_KINDS(KIND_TYPE)

/* A row whose kind does not fit its member does not compile. */
#define FIELD(section, member, kind, unit, key, annotation, meaning)                                                                       \
    _Static_assert(_Generic(((section_##section *)0)->member, kind_##kind : 1, default : 0), #section "." #member);
#define LIST(section, member, count, key, annotation, meaning) FIELD(section, member, TEXTS, "", key, annotation, meaning)
#include "report/record.def"

const struct record_field record_fields[] = {
#define FIELD(section, member, kind, unit, key, annotation, meaning)                                                                       \
    {SECTION_##section, KIND_##kind, offsetof(section_##section, member), 0, unit, key, annotation, meaning},
#define LIST(section, member, count, key, annotation, meaning)                                                                             \
    {SECTION_##section, KIND_TEXTS, offsetof(section_##section, member), offsetof(section_##section, count), "", key, annotation, meaning},
#include "report/record.def"
};
const uint32_t record_field_count = sizeof record_fields / sizeof record_fields[0];

const struct record_group *record_fused_group(const struct record *record, const struct record_layer *layer) {
    const struct record_group *group = layer->group < record->group_count ? &record->groups[layer->group] : NULL;
    return group && group->tile ? group : NULL;
}

static const void *field_at(const struct record_field *field, const void *base) { return (const char *)base + field->offset; }
static int64_t field_int64(const struct record_field *field, const void *base) { return *(const int64_t *)field_at(field, base); }
static uint32_t field_uint32(const struct record_field *field, const void *base) { return *(const uint32_t *)field_at(field, base); }
static double field_double(const struct record_field *field, const void *base) { return *(const double *)field_at(field, base); }

static const void *field_pointer(const struct record_field *field, const void *base) {
    const void *pointer;
    memcpy(&pointer, field_at(field, base), sizeof pointer);
    return pointer;
}

bool field_is_present(const struct record_field *field, const void *base, bool is_feasible) {
    switch (field->kind) {
    case KIND_COST:
        return is_feasible;
    case KIND_KNOWN:
        return is_feasible && field_int64(field, base) >= 0;
    case KIND_POSITIVE:
        return field_int64(field, base) > 0;
    case KIND_ORDINAL:
        return is_feasible && field_uint32(field, base) > 0;
    case KIND_GROUP:
        return field_uint32(field, base) != RECORD_NO_GROUP;
    case KIND_DOUBLE:
        return field_double(field, base) >= 0;
    case KIND_TEXT:
    case KIND_NEST:
    case KIND_MAPPING:
    case KIND_PLANE:
    case KIND_REREADS:
    case KIND_TILE:
    case KIND_INFEASIBLE:
        return field_pointer(field, base) != NULL;
    case KIND_TENSORS:
    case KIND_WEIGHTS:
        return ((const struct record_group *)base)->tile != NULL;
    case KIND_CELLS:
        return field_pointer(field, base) && ((const struct record_space *)base)->block_count > 1;
    case KIND_INT64:
    case KIND_UINT32:
    case KIND_SHARE:
    case KIND_TEXT_OR_NULL:
    case KIND_TEXTS:
    case KIND_COUNT:
        break;
    }
    return true;
}

static void field_add_nest(struct text *text, const struct nest *nest) {
    static const char *const kernel_names[NEST_AXES] = {"kd", "kh", "kw"};
    const bool is_volume = nest_is_volume(nest);
    bool first = true;
    text_add(text, "{");
    for (int dim = 0; dim < DIM_COUNT; dim++) {
        if (dim == DIM_OD && !is_volume) continue;
        text_add_key(text, &first, nest_dim_names[dim]);
        text_add_int(text, nest->size[dim]);
    }
    for (int axis = is_volume ? 0 : 1; axis < NEST_AXES; axis++) {
        text_add_key(text, &first, kernel_names[axis]);
        text_add_int(text, nest->axis[axis].kernel);
    }
    text_add(text, "}");
}

static void field_add_loop(struct text *text, const struct mapping_loop *loop) {
    bool first = true;
    text_add(text, "{");
    text_add_key(text, &first, "dim");
    text_add_quoted(text, nest_dim_names[loop->dim]);
    text_add_key(text, &first, "step");
    text_add_int(text, loop->step);
    if (loop->snake) {
        text_add_key(text, &first, "snake");
        text_add(text, "true");
    }
    text_add(text, "}");
}

void field_add_mapping(struct text *text, const struct mapping *mapping) {
    static const char *const operand_keys[OPERAND_COUNT] = {"i", "w", "o"};
    bool first = true, first_loop = true, first_depth = true;
    text_add(text, "{");
    text_add_key(text, &first, "loops");
    text_add(text, "[");
    for (uint32_t i = 0; i < mapping->loop_count; i++) {
        text_add_comma(text, &first_loop);
        field_add_loop(text, &mapping->loops[i]);
    }
    text_add(text, "]");
    text_add_key(text, &first, "depth");
    text_add(text, "{");
    for (int operand = 0; operand < OPERAND_COUNT; operand++) {
        text_add_key(text, &first_depth, operand_keys[operand]);
        text_add_int(text, mapping->depth[operand]);
    }
    text_add(text, "}}");
}

static void field_add_tile(struct text *text, const struct published_tile *tile) {
    const int64_t sizes[] = {tile->m, tile->c, tile->oh, tile->ow};
    static const enum nest_dim dims[] = {DIM_M, DIM_C, DIM_OH, DIM_OW};
    bool first = true;
    text_add(text, "{");
    for (int i = 0; i < 4; i++) {
        text_add_key(text, &first, nest_dim_names[dims[i]]);
        text_add_int(text, sizes[i]);
    }
    text_add(text, "}");
}

static void field_add_plane(struct text *text, const int64_t *plane) {
    bool first = true;
    text_add(text, "{");
    for (int axis = 0; axis < GROUP_AXES; axis++) {
        text_add_key(text, &first, nest_dim_names[DIM_OH + axis]);
        text_add_int(text, plane[axis]);
    }
    text_add(text, "}");
}

/* `"name": "word"`, or `"name": {"part": number}` where there is a number. */
static void field_add_choice(struct text *text, bool *first, const char *name, const char *word, const char *part, int64_t number) {
    bool inner = true;
    text_add_key(text, first, name);
    if (!number) {
        text_add_quoted(text, word);
        return;
    }
    text_add(text, "{");
    text_add_key(text, &inner, part);
    text_add_int(text, number);
    text_add(text, "}");
}

static void field_add_tensors(struct text *text, const struct record_group *group) {
    bool first = true;
    text_add(text, "{");
    for (uint32_t i = 0; i < group->tensor_count; i++) {
        const struct record_tensor *tensor = &group->tensors[i];
        field_add_choice(text, &first, tensor->name, tensor->stays ? "stays" : "held", tensor->stays ? "stays" : "passing", tensor->block);
    }
    text_add(text, "}");
}

static void field_add_rereads(struct text *text, const struct record_group *group) {
    bool first = true, first_tensor = true;
    text_add(text, "{");
    for (uint32_t i = 0; i < group->reread_count; i++) {
        const struct record_reread *reread = &group->rereads[i];
        const bool is_same = i && strcmp(reread->node, group->rereads[i - 1].node) == 0;
        if (i && !is_same) text_add(text, "]");
        if (!is_same) {
            text_add_key(text, &first, reread->node);
            text_add(text, "[");
            first_tensor = true;
        }
        text_add_comma(text, &first_tensor);
        text_add_quoted(text, reread->tensor);
    }
    text_add(text, "]}");
}

static void field_add_weights(struct text *text, const struct record_group *group) {
    bool first = true;
    text_add(text, "{");
    for (uint32_t i = 0; i < group->weight_count; i++)
        field_add_choice(text, &first, group->weights[i].node, "stays", "streams", group->weights[i].piece);
    text_add(text, "}");
}

static void field_add_texts(struct text *text, const struct record_field *field, const void *base) {
    const char *const *items = field_pointer(field, base);
    const uint32_t count = *(const uint32_t *)((const char *)base + field->count_offset);
    bool first = true;
    text_add(text, "[");
    for (uint32_t i = 0; i < count; i++) {
        text_add_comma(text, &first);
        text_add_quoted(text, items[i]);
    }
    text_add(text, "]");
}

static void field_add_cells(struct text *text, const struct record_space *space) {
    text_add(text, "[");
    for (uint32_t block = 0; block < space->block_count; block++) {
        text_add(text, block ? ", [" : "[");
        for (uint32_t i = 0; i < space->block_size; i++) {
            if (i) text_add(text, ", ");
            text_add_int(text, space->blocks[block][i]);
        }
        text_add(text, "]");
    }
    text_add(text, "]");
}

void field_add_value(struct text *text, const struct record_field *field, const void *base) {
    switch (field->kind) {
    case KIND_INT64:
    case KIND_COST:
    case KIND_KNOWN:
    case KIND_POSITIVE:
        text_add_int(text, field_int64(field, base));
        return;
    case KIND_UINT32:
    case KIND_ORDINAL:
    case KIND_GROUP:
        text_add_int(text, field_uint32(field, base));
        return;
    case KIND_DOUBLE:
    case KIND_SHARE:
        text_add_double(text, field_double(field, base));
        return;
    case KIND_TEXT:
    case KIND_TEXT_OR_NULL:
        if (field_pointer(field, base)) text_add_quoted(text, field_pointer(field, base));
        else text_add(text, "null");
        return;
    case KIND_NEST:
        field_add_nest(text, field_pointer(field, base));
        return;
    case KIND_MAPPING:
        field_add_mapping(text, field_pointer(field, base));
        return;
    case KIND_PLANE:
        field_add_plane(text, field_pointer(field, base));
        return;
    case KIND_TENSORS:
        field_add_tensors(text, base);
        return;
    case KIND_REREADS:
        field_add_rereads(text, base);
        return;
    case KIND_WEIGHTS:
        field_add_weights(text, base);
        return;
    case KIND_TILE:
        field_add_tile(text, field_pointer(field, base));
        return;
    case KIND_INFEASIBLE:
        fields_add_object(text, SECTION_infeasible, field_pointer(field, base));
        return;
    case KIND_TEXTS:
        field_add_texts(text, field, base);
        return;
    case KIND_CELLS:
        field_add_cells(text, base);
        return;
    case KIND_COUNT:
        break;
    }
}

void fields_add(struct text *text, bool *first, enum record_section section, const void *base, bool is_feasible) {
    for (uint32_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        if (field->section != section || !field_is_present(field, base, is_feasible)) continue;
        text_add_key(text, first, field->key);
        field_add_value(text, field, base);
    }
}

void fields_add_object(struct text *text, enum record_section section, const void *base) {
    bool first = true;
    text_add(text, "{");
    fields_add(text, &first, section, base, true);
    text_add(text, "}");
}
