/* Inside target*.c: the entries of a target as rows, each with its place in the YAML and its option. */
#ifndef SS_COST_TARGET_ENTRY_H
#define SS_COST_TARGET_ENTRY_H

#include "cost/target.h"

/* Who gave the value: "--weight-bits", or "npu.yaml:3: bits.weight". */
struct target_place {
    const char *what;
    struct arena *arena;
    struct diag *diag;
};

struct target_entry {
    const char *section; /* "" = top level */
    const char *key;     /* NULL = not in a file */
    const char *option;  /* NULL = no option */
    status (*set)(struct target *target, const struct target_place *place, const char *text);
};

extern const struct target_entry target_entries[];
extern const uint32_t target_entry_count;

/* `one` partition of a split memory, as text. */
status target_set_partition(struct target *target, enum operand one, const struct target_place *place, const char *text);
status target_wrong(const struct target_place *place, const char *text, const char *allowed);

extern const char *const target_operand_names[OPERAND_COUNT]; /* "input", "weight", "output" */

/* The YAML text of `file`; name: what it is called where it does not say. */
status target_parse(struct arena *arena, const char *file, const char *text, size_t length, const char *name, struct target *target,
                    struct diag *diag);

#endif
