#include <string.h>

#include "base/nearest.h"
#include "op/op.h"
#include "passes.h"
#include "session.h"

status passes_check_name(struct arena *arena, const char *name, struct diag *diag) {
    const char *list = "";
    for (uint32_t at = 0; pass_list[at]; at++) {
        if (strcmp(pass_list[at]->name, name) == 0) return STATUS_OK;
        list = arena_print(arena, "%s%s%s", list, at ? ", " : "", pass_list[at]->name);
    }
    return diag_fail(diag, STATUS_USAGE, "--print-after: '%s' is no pass: expected one of %s", name, list);
}

/* Each function prints what has that name (all for NULL) and returns how many that were. */
static uint32_t list_targets(const char *only) {
    uint32_t count = 0;
    for (uint32_t at = 0; at < target_preset_count; at++) {
        if (only && strcmp(target_presets[at].name, only) != 0) continue;
        printf("%s%s", count++ ? "---\n" : "", target_presets[at].text);
    }
    return count;
}

static uint32_t list_passes(const char *only) {
    uint32_t count = 0;
    for (uint32_t at = 0; pass_list[at]; at++) {
        if (only && strcmp(pass_list[at]->name, only) != 0) continue;
        printf("%-12s %s\n", pass_list[at]->name, pass_list[at]->summary);
        count++;
    }
    return count;
}

static void print_operator(const struct op_row *row) {
    char opsets[16];
    if (row->last_opset) snprintf(opsets, sizeof opsets, "%d-%d", row->first_opset, row->last_opset);
    else snprintf(opsets, sizeof opsets, "%d-", row->first_opset);
    printf("%-24s %-14s %-8s %-18s %-12s %-16s %s\n", row->name, row->domain[0] ? row->domain : "ai.onnx", opsets, row->shape, row->layer,
           row->label, row->eval);
}

static uint32_t list_operators(const char *only) {
    uint32_t count = 0;
    for (uint32_t at = OP_OPAQUE + 1; at < OP_COUNT; at++) {
        if (only && strcmp(op_rows[at].name, only) != 0) continue;
        if (!count++)
            printf("%-24s %-14s %-8s %-18s %-12s %-16s %s\n", "operator", "domain", "opsets", "shape", "layer", "channels", "kernel");
        print_operator(&op_rows[at]);
    }
    return count;
}

static uint32_t list_fields(const char *only) { return record_describe(stdout, only); }

status run_list(struct session *session, struct diag *diag) {
    static const struct {
        const char *name;
        uint32_t (*list)(const char *only);
    } lists[] = {{"targets", list_targets}, {"passes", list_passes}, {"operators", list_operators}, {"fields", list_fields}};
    const char *what = session->words[0], *only = session->word_count > 1 ? session->words[1] : NULL;
    struct nearest nearest = {.text = what};
    char hint[96];
    for (uint32_t at = 0; at < sizeof lists / sizeof lists[0]; at++) {
        nearest_offer(&nearest, lists[at].name);
        if (strcmp(lists[at].name, what) != 0) continue;
        if (lists[at].list(only)) return STATUS_OK;
        return diag_fail(diag, STATUS_USAGE, "list %s: there is no '%s'", what, only);
    }
    return diag_fail(diag, STATUS_USAGE, "list: '%s' is not allowed: expected targets, passes, operators or fields%s", what,
                     nearest_hint(&nearest, "", hint));
}
