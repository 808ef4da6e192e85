/* What was decided, as plain data: JSON, tables and annotations are all made from it. Passes fill it, this floor only writes it.
 *
 * Fields that are numbers or words are rows of record.def (name, type, unit, JSON key, annotation key, what it means), from which the
 * serialisers and the documentation of both formats come. Strings and arrays are borrowed. */
#ifndef SS_REPORT_RECORD_H
#define SS_REPORT_RECORD_H

#include <stdio.h>

#include "cost/group.h"
#include "cost/published.h"
#include "ir/ir.h"

struct record_totals {
    int64_t offchip_bytes, input_bytes, weight_bytes, output_bytes, partial_sum_bytes;
    int64_t layer_by_layer_bytes; /* negative = not known */
    int64_t compulsory_bytes, lower_bound_bytes;
    const char *lower_bound;
    double energy_uj, offchip_ms, compute_ms; /* negative = the target does not say */
    const char *bound_by;                     /* NULL likewise */
};

struct record_model {
    const char *path;
    int64_t ir_version, opset, nodes, parameters, macs, bytes;
};

/* What a layer, or the network, moves by a published cost model; fractions of a byte kept. */
struct record_published {
    const char *strategy, *rule; /* of a layer: the one of the fewest bytes; the one the publication takes, NULL = it has no rule */
    const struct published_tile *tile, *tiles[STRATEGY_COUNT];
    double footprint_bytes;                                                           /* of a layer */
    double offchip_bytes, input_bytes, weight_bytes, output_bytes, partial_sum_bytes; /* each layer at its fewest bytes */
    double strategy_bytes[STRATEGY_COUNT], rule_bytes;                                /* rule negative = none */
    double compulsory_bytes;
    uint32_t rank; /* of a layer */
};

struct record_layer {
    uint32_t index; /* in execution order, from 0 */
    const char *name, *op;
    node_id node;            /* none with a layer table */
    const struct nest *nest; /* NULL = no dims (lone Adds, opaque nodes) */
    int64_t macs, parameters;
    const char *reuse;             /* NULL where there is no mapping */
    const struct mapping *mapping; /* NULL = read once, written once */
    const char *const *epilogue;
    uint32_t epilogue_count;
    int64_t footprint_bytes, offchip_bytes, input_bytes, weight_bytes, output_bytes, partial_sum_bytes, bound_bytes;
    uint32_t group, rank;                     /* rank 1 moves most; RECORD_NO_GROUP with a published model */
    double energy_uj, offchip_ms, compute_ms; /* negative = the target does not say */
    const char *bound_by;
    const struct infeasible *infeasible;      /* NULL = feasible */
    const char *pruned;                       /* "256 -> 173"; NULL = as it was */
    const struct record_published *published; /* with a published model, where the layer fits; offchip_bytes is rounded up then */
};

#define RECORD_NO_GROUP UINT32_MAX

/* A tensor that is on the chip at some time while a fused group runs. */
struct record_tensor {
    const char *name;
    int64_t block;                        /* channels that pass, or are made of what stays, at a time; 0 = held */
    bool stays;                           /* on the chip, whole, from the group that makes it to the one that takes it */
    int64_t channels, window[GROUP_AXES]; /* rows, columns: the most that one tile wants */
    uint32_t layer;                       /* of the record: it makes the tensor, or is the first to read it */
    bool is_made, moves;                  /* moves: fetched or written */
};

struct record_weights {
    const char *node;
    int64_t piece; /* output channels of a piece that streams; 0 = they stay */
};

/* A second input that comes from off the chip as it is used, although the tensor is on the chip for others. */
struct record_reread {
    const char *node, *tensor;
};

struct record_group { /* a layer, or layers that are fused; nodes = their own and their epilogues' */
    uint32_t id;
    const char *const *nodes;
    const node_id *node_ids;
    uint32_t node_count;
    const struct mapping *mapping;       /* of a layer; NULL = read once, written once, or fused */
    const int64_t *tile;                 /* [oh, ow] of the last output of a fused group; NULL = a layer: nothing up to weights is there */
    const char *walk, *overlap;          /* product.md 3; NULL as above */
    int64_t out_blocks;                  /* 0 as above */
    const struct record_tensor *tensors; /* in the order in which they come */
    uint32_t tensor_count;
    const struct record_weights *weights;
    uint32_t weight_count;
    const struct record_reread *rereads; /* of a node together */
    uint32_t reread_count;
    int64_t plane[GROUP_AXES]; /* of the last output */
    int64_t footprint_bytes, offchip_bytes, input_bytes, weight_bytes, output_bytes, partial_sum_bytes, macs, recomputed_macs;
};

struct record_opaque {
    const char *op, *domain, *reason;
    uint32_t count;
};

struct record_space {
    const char *id;
    const char *const *members; /* "makes conv1", "carries bn1", "reads conv2" ... */
    uint32_t member_count;
    int64_t channels, kept, bytes_per_channel, bytes_saved;
    double importance_lost;        /* share of the space's total */
    const char *fixed;             /* why it cannot be pruned; NULL = it can */
    const uint32_t *const *blocks; /* equal cells of which equally many go; NULL or one = any */
    uint32_t block_count, block_size;
};

struct record_pruning {
    const char *budget, *ranking, *importance; /* "offchip -30%" */
    int64_t budget_bytes, reached_bytes;
    const struct record_totals *before, *after;
    const struct record_layer *layers_before; /* of the input model, for the before/after table; NULL = none */
    uint32_t layer_before_count;
};

/* The network at a capacity; it holds up to the next one. */
struct record_knee {
    int64_t capacity_bytes;
    int64_t offchip_bytes;      /* says something where all layers fit */
    int64_t saved_bytes;        /* against one byte less on chip; 0 where not all layers fit there */
    uint32_t infeasible_layers; /* that do not fit */
    uint32_t layers;            /* that move less from here on, or that begin to fit */
    const char *layer;          /* which of them saves most, or stands first; NULL = none */
};

struct record_sweep {
    int64_t sampled; /* capacities that were looked at, with fusion; 0 = every one */
    int64_t from_bytes, to_bytes;
    uint32_t layer_count, infeasible_layers; /* the latter at the end of the range */
    int64_t compulsory_bytes, lower_bound_bytes;
    const char *lower_bound;
    int64_t fits_bytes;                    /* the smallest capacity that holds every layer, in the range or not */
    const char *fits_layer;                /* the layer that needs so much; NULL = none needs any */
    int64_t least_bytes, least_from_bytes; /* at the end of the range, and from where on; 0 where a layer does not fit */
    const struct record_knee *steps;       /* [0] = the start of the range, then every capacity at which the optimum changes */
    uint32_t step_count;                   /* at least 1 */
    const struct record_knee *samples;     /* the ends of the range and the powers of two in it */
    uint32_t sample_count;
};

/* Of one output of two models on the same samples. */
struct record_output {
    const char *name;
    int64_t elements; /* of a sample */
    double
        relative_error; /* squared differences over the reference's squares; negative = the reference is 0 everywhere, the other is not */
    double largest_difference; /* of two elements */
    double top1_agreement;     /* share of the samples; negative = its elements are no classes */
};

struct record_accuracy {
    const char *reference, *model, *samples; /* paths */
    int64_t sample_count;
    double reference_accuracy, accuracy; /* negative = no labels, or no output with classes */
    const struct record_output *outputs;
    uint32_t output_count;
};

/* Of one set of samples: how far the outputs are from the original's, cut alone (sliced) and with the weights solved again. Negative = not
 * known. */
struct record_recovery_set {
    const char *set;
    int64_t sample_count;
    double sliced_error, error; /* squared differences over the original's squares */
    double sliced_divergence, divergence;
    double sliced_agreement, agreement;
    double original_accuracy, sliced_accuracy, accuracy;
};

struct record_recovery_layer {
    const char *name, *form;
    double error; /* squared, of its outputs, over the sliced layer's */
};

struct record_recovery {
    const char *samples, *kind;
    double estimated; /* negative = nothing was measured */
    const struct record_recovery_set *sets;
    uint32_t set_count;
    const struct record_recovery_layer *layers;
    uint32_t layer_count;
};

struct record_timing {
    const char *name;
    double ms;
};

struct record {
    const char *command;
    const struct record_model *model;        /* NULL with --layers; as written, after pruning */
    const struct record_model *model_before; /* NULL unless pruned */
    const struct target *target;
    struct record_totals totals;
    const struct record_published *published; /* totals of a published model, rounded up in `totals`; NULL = exact */
    const struct record_layer *layers;
    uint32_t layer_count;
    const struct record_group *groups;
    uint32_t group_count;
    const struct record_opaque *opaque;
    uint32_t opaque_count;
    const struct record_space *spaces; /* inspect, optimize, prune */
    uint32_t space_count;
    const struct record_pruning *pruning;   /* NULL unless pruned */
    const struct record_sweep *sweep;       /* NULL unless swept */
    const struct record_recovery *recovery; /* NULL unless weights were solved again */
    const struct record_accuracy *accuracy; /* NULL unless compared on samples */
    const struct record_timing *timings;
    uint32_t timing_count;
    uint32_t infeasible_count;
    const char *fingerprint; /* of what the schedule depends on */
    const char *plan;        /* JSON text of the plan; NULL unless pruned */
};

/* The fused group that a layer is in; NULL = none. */
const struct record_group *record_fused_group(const struct record *record, const struct record_layer *layer);

/* The documentation of everything that is written, from the rows of record.def: all of it (document NULL), or one of "report", "target",
 * "mapping", "schedule", "plan", "annotations". Returns how many documents of that name there are. */
uint32_t record_describe(FILE *file, const char *document);

#endif
