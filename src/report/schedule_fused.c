/* A fused group of a schedule, read strictly (product.md 3). */
#include "report/schedule_fused.h"

#include <string.h>

static status fused_read_tile(const struct parse *parse, const json_t *object, struct schedule_fused *fused) {
    static const char *const keys[] = {"oh", "ow", NULL};
    struct parse inner = *parse;
    json_t *tile = json_object_get(object, "tile");
    inner.place = parse_path(parse, "tile");
    status result = parse_keys(&inner, tile, keys);
    for (int axis = 0; axis < GROUP_AXES && !result; axis++)
        result = parse_number(&inner, tile, keys[axis], 1, INT64_MAX, &fused->tile[axis]);
    return result;
}

static status fused_read_walk(const struct parse *parse, const json_t *object, struct schedule_fused *fused) {
    static const char *const walks[] = {"right", "down", NULL};
    static const char *const overlaps[] = {[OVERLAP_RECOMPUTE] = "recompute", [OVERLAP_ROWS] = "rows", [OVERLAP_FULL] = "full", NULL};
    int walk = 0, overlap = 0;
    status result = parse_word(parse, object, "walk", walks, &walk);
    if (!result) result = parse_word(parse, object, "overlap", overlaps, &overlap);
    fused->down_first = walk == 1;
    fused->overlap = (enum group_overlap)overlap;
    return result ? result : parse_number(parse, object, "out_blocks", 1, INT64_MAX, &fused->out_blocks);
}

/* A word, or an object with a number under one of some words; the word's place, and the number or 0. */
static status fused_read_choice(const struct parse *parse, const char *name, json_t *value, const char *const *plain,
                                const char *const *counted, int *word, int64_t *number) {
    struct parse inner = *parse;
    inner.place = parse_path(parse, name);
    *number = 0;
    for (*word = 0; json_is_string(value) && plain[*word]; ++*word)
        if (strcmp(plain[*word], json_string_value(value)) == 0) return STATUS_OK;
    for (*word = 0; json_object_size(value) == 1 && counted[*word]; ++*word)
        if (json_object_get(value, counted[*word])) return parse_number(&inner, value, counted[*word], 1, INT64_MAX, number);
    return diag_fail(parse->diag, STATUS_USAGE, "%s: %s: expected \"%s\" or {\"%s\": a number}", parse->what, inner.place, plain[0],
                     counted[0]);
}

/* The members of an object under a key; what they are read into is `read`'s. */
typedef status fused_reader(const struct parse *parse, const char *name, json_t *value, struct schedule_fused *fused);

static status fused_read_members(const struct parse *parse, json_t *object, const char *key, fused_reader *read,
                                 struct schedule_fused *fused) {
    struct parse inner = *parse;
    json_t *members = json_object_get(object, key), *value;
    const char *name;
    inner.place = parse_path(parse, key);
    if (!json_is_object(members)) return parse_wrong_type(parse, inner.place, members, "an object");
    json_object_foreach(members, name, value) {
        const status result = read(&inner, name, value, fused);
        if (result) return result;
    }
    return STATUS_OK;
}

static status fused_read_tensor(const struct parse *parse, const char *name, json_t *value, struct schedule_fused *fused) {
    static const char *const plain[] = {"held", "stays", NULL}, *const counted[] = {"passing", "stays", NULL};
    struct schedule_tensor tensor = {.name = arena_copy_text(parse->arena, name)};
    int word = 0;
    const status result = fused_read_choice(parse, name, value, plain, counted, &word, &tensor.block);
    tensor.stays = word == 1;
    if (!result) array_push(parse->arena, &fused->tensors, tensor);
    return result;
}

static status fused_read_weight(const struct parse *parse, const char *name, json_t *value, struct schedule_fused *fused) {
    static const char *const plain[] = {"stays", NULL}, *const counted[] = {"streams", NULL};
    struct schedule_weights weights = {.node = arena_copy_text(parse->arena, name)};
    int word = 0;
    const status result = fused_read_choice(parse, name, value, plain, counted, &word, &weights.piece);
    if (!result) array_push(parse->arena, &fused->weights, weights);
    return result;
}

static status fused_read_reread(const struct parse *parse, const char *name, json_t *value, struct schedule_fused *fused) {
    const char *path = parse_path(parse, name), *node = arena_copy_text(parse->arena, name);
    if (!json_is_array(value) || !json_array_size(value)) return parse_wrong_type(parse, path, value, "an array of tensors");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *tensor = json_array_get(value, i);
        if (!json_is_string(tensor)) return parse_wrong_type(parse, path, tensor, "the name of a tensor");
        const struct schedule_reread reread = {node, arena_copy_text(parse->arena, json_string_value(tensor))};
        array_push(parse->arena, &fused->rereads, reread);
    }
    return STATUS_OK;
}

status schedule_read_fused(const struct parse *parse, json_t *object, const struct schedule_fused **fused) {
    struct schedule_fused read = {0};
    if (json_object_get(object, "mapping"))
        return diag_fail(parse->diag, STATUS_USAGE, "%s: %s stands in a group with a tile", parse->what, parse_path(parse, "mapping"));
    status result = fused_read_tile(parse, object, &read);
    if (!result) result = fused_read_walk(parse, object, &read);
    if (!result) result = fused_read_members(parse, object, "tensors", fused_read_tensor, &read);
    if (!result && json_object_get(object, "rereads")) result = fused_read_members(parse, object, "rereads", fused_read_reread, &read);
    if (!result) result = fused_read_members(parse, object, "weights", fused_read_weight, &read);
    if (!result) *fused = arena_copy(parse->arena, &read, sizeof read);
    return result;
}
