/* The options of every command, one row each (options.def): parsed by the command line and by superslash_options_set alike.
 *
 * Every option of product.md is a row; one whose work is not built yet has the flag OPTION_LATER and is refused with STATUS_UNSUPPORTED
 * and its name, unless the value asks for what there is (--recover none). */
#ifndef SS_OPTIONS_H
#define SS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "op/shapes.h"

enum ranking { RANKING_MARGINAL, RANKING_VOLUME, RANKING_PARAMS, RANKING_MACS, RANKING_UNIFORM, RANKING_MAGNITUDE };
enum importance { IMPORTANCE_L2, IMPORTANCE_L1 };

/* "-30%" = at most 70 % of what the input model has; or an amount. */
struct budget {
    bool is_given, is_relative;
    double cut;     /* relative: 0.30 */
    int64_t amount; /* absolute: bytes, parameters or MACs */
    const char *text;
};

struct target_override_pair {
    const char *option, *value;
};

struct options {
    struct arena *arena;
    const char *target; /* preset or path; "plain" */
    ARRAY(struct target_override_pair) overrides; /* in the order given */
    ARRAY(struct shape_binding) input_shapes;
    bool no_fusion, no_annotations;
    int64_t at_most_bytes; /* 0 = not given */
    struct budget offchip;
    ARRAY(const char *) keep;
    ARRAY(const char *) only;
    double min_share;
    enum ranking ranking;
    enum importance importance;
    int64_t max_memory_bytes; /* 0 = half of the machine */
    unsigned threads;         /* 0 = the CPUs this process may use */
    bool quiet, verbose, verify_each;
    const char *print_after;
    const char *output, *json, *plan_out, *plan, *layers, *input, *second_input; /* NULL = not given; the library refuses them */
};

void options_init(struct arena *arena, struct options *options);

/* name without dashes; value NULL for a flag. The bytes of name and value are copied. STATUS_USAGE, or STATUS_UNSUPPORTED (above). */
status options_set(struct options *options, const char *name, const char *value, struct diag *diag);

/* Whether the option takes a value; STATUS_USAGE with the nearest name where there is no such option, or not for this command. */
status options_takes_value(const char *command, const char *name, bool *takes_value, struct diag *diag);

#endif
