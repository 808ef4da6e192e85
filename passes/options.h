/* The options of every command, one row each (options.def): parsed by the command line and by superslash_options_set alike.
 *
 * Every option of product.md is a row; one whose work is not built yet has the flag OPTION_LATER and is refused with STATUS_UNSUPPORTED
 * and its name, unless the value asks for what there is (--recover none). */
#ifndef SS_OPTIONS_H
#define SS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "cost/target.h"
#include "op/shapes.h"

enum ranking { RANKING_MARGINAL, RANKING_VOLUME, RANKING_PARAMS, RANKING_MACS, RANKING_UNIFORM, RANKING_MAGNITUDE };
enum recover { RECOVER_NONE, RECOVER_AUTO, RECOVER_BIAS, RECOVER_MAP, RECOVER_LS };
enum importance { IMPORTANCE_L2, IMPORTANCE_L1, IMPORTANCE_FPGM, IMPORTANCE_BN, IMPORTANCE_PRODUCT, IMPORTANCE_ACTIVATION, IMPORTANCE_CSS };

/* "-30%" = at most 70 % of what the input model has; or an amount. */
struct budget {
    bool is_given, is_relative;
    double cut;     /* relative: 0.30 */
    int64_t amount; /* absolute: bytes, parameters or MACs */
    const char *text;
};

/* The commands that take options, as bits. */
enum option_command {
    COMMAND_OPTIMIZE = 1,
    COMMAND_EXPLORE = 2,
    COMMAND_SWEEP = 4,
    COMMAND_PRUNE = 8,
    COMMAND_COMPARE = 16,
    COMMAND_INSPECT = 32,
    COMMAND_VERIFY = 64
};

enum option_flags {
    OPTION_LATER = 1,   /* not built yet: refused with STATUS_UNSUPPORTED */
    OPTION_REPEATS = 2, /* may be given again and again */
    OPTION_FILE = 4,    /* names a file: the library refuses it */
    OPTION_PRINTS = 8   /* prints a table: the library refuses it */
};

struct target_override_pair {
    const char *option, *value;
};

typedef ARRAY(double) option_numbers;

struct options {
    struct arena *arena;
    const char *target;                           /* preset or path; "plain" */
    ARRAY(struct target_override_pair) overrides; /* in the order given */
    int64_t range_from_bytes, range_to_bytes;     /* --on-chip FROM:TO; 0 = not given */
    ARRAY(struct shape_binding) input_shapes;
    bool no_fusion, no_annotations, from_annotations;
    int64_t at_most_bytes; /* 0 = not given */
    struct budget offchip;
    double max_error; /* 0 = not given */
    ARRAY(const char *) keep;
    ARRAY(const char *) only;
    double min_share;
    enum ranking ranking;
    enum importance importance;
    enum recover recover;
    option_numbers mean;      /* of the samples: one for each channel, or one for all; none = 0 */
    option_numbers scale;     /* likewise; none = 1 */
    int64_t memory_bytes;     /* for activations; 0 = not given */
    int64_t max_memory_bytes; /* 0 = half of the machine */
    unsigned threads;         /* 0 = the CPUs this process may use */
    bool quiet, verbose, verify_each;
    const char *print_after;
    const char *explain; /* a layer or a node of its epilogue; NULL = not given */
    uint64_t given;      /* a bit per row of option_rows */
    /* NULL = not given; the library refuses them */
    const char *output, *json, *plan_out, *csv, *svg, *plan, *layers, *calibrate, *labels, *input, *second_input;
};

struct option_row {
    const char *name, *hint; /* hint "" = takes no value */
    unsigned commands, flags;
    status (*set)(struct options *options, const struct option_row *row, const char *value, struct diag *diag);
    const char *default_text, *help; /* default "" = none, or the target's */
};
extern const struct option_row option_rows[];
extern const uint32_t option_row_count;

/* NULL where there is none of that name (without dashes). */
const struct option_row *option_find(const char *name);
/* 0 for a command that takes no options. */
unsigned option_command_bit(const char *command);

void options_init(struct arena *arena, struct options *options);

/* name without dashes; value NULL for a flag. The bytes of name and value are copied. STATUS_USAGE, or STATUS_UNSUPPORTED (above). */
status options_set(struct options *options, const char *name, const char *value, struct diag *diag);

/* Whether the option takes a value; STATUS_USAGE with the nearest name where there is no such option, or not for this command. */
status options_takes_value(const char *command, const char *name, bool *takes_value, struct diag *diag);

/* --memory, or its default. */
int64_t options_memory_bytes(const struct options *options);

/* Was an option of this name given? */
bool options_has(const struct options *options, const char *name);

/* Every override on a target, which is then checked, and in the widths that its cost model counts in. */
status options_override(const struct options *options, struct arena *arena, struct target *target, struct diag *diag);

/* The target with every override, checked; its texts live in `arena`. */
status options_target(const struct options *options, struct arena *arena, struct target *target, struct diag *diag);

#endif
