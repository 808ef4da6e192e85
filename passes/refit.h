/* Recovery: the weights of a pruned network solved again, layer by layer, so that each layer gives what the original gave (pruning.md 4).
 *
 *   refit_layers.c   which layers can be solved again: their operands, what follows them, where a constant can be added
 *   refit_solve.c    one linear problem: forms, ridge systems, the choice between them on rows held out
 *   refit_map.c      the affine map from the channels left to all channels
 *   refit_twin.c     both networks side by side in execution order
 *   refit_layer.c    windows and targets at sampled places, the answer put into the pruned network; two layers at once where their sum is
 *                    what counts
 *   pass_recover.c   from plan to new constants
 *
 * The pruned network is run as the original graph whose readers of removed channels are zeroed: its values are those of the graph that
 * pruning leaves (pruning.md 2), and nothing is edited before all is solved. */
#ifndef SS_REFIT_H
#define SS_REFIT_H

#include "eval/windows.h"
#include "passes/spaces.h"

/* Ridge strength, of the mean eigenvalue (eval/ridge.h): 1e-4 to 1e-2 make no difference. */
#define REFIT_RATE 1e-3

/* ---- a layer ---- */

enum refit_kind { REFIT_CONV, REFIT_GEMM, REFIT_MATMUL };

/* z = what the layer puts out once a BatchNormalization or a constant Add behind it is folded in: z = scale (W x + own bias) + offset.
 *
 *   input -> layer -> [BatchNormalization | Add constant] -> z -> [Add skip] -> target -> [Relu]
 */
struct refit_layer {
    node_id node;
    uint32_t position; /* in execution order */
    enum refit_kind kind;
    value_id input, weight, output;
    uint32_t axis;             /* the channels of input, output and target: 1, of a MatMul the last */
    uint32_t rank;             /* of a Conv's weight and planes */
    uint32_t groups, channels; /* channels: of the input, all groups */
    uint32_t taps;             /* columns of a row of W that belong to one input channel */
    uint32_t outputs;          /* all groups */
    bool is_turned;            /* W is stored [columns, outputs] */
    value_id bias;             /* a constant of `outputs` numbers that z moves with; none = no intercept */
    double *bias_rate;         /* [outputs]: what z gains where the constant grows by 1 */
    double *scale, *offset;    /* [outputs] */
    value_id skip;             /* the other operand of the Add; none = there is none, or it comes later from what is no layer */
    value_id target;           /* z, or the sum */
    bool is_rectified;         /* only Relu, or a Clip from 0, reads the target */
    double ceiling;            /* of the Clip; HUGE_VAL = none */
    uint32_t other;            /* in the list: the layer whose z is the skip, and this one's z is its; REFIT_ALONE = none */
};
#define REFIT_ALONE UINT32_MAX

struct refit_layers {
    struct refit_layer *items;
    uint32_t count, capacity;
};

/* Columns of a row of W. */
static inline uint32_t refit_columns(const struct refit_layer *layer) { return layer->channels / layer->groups * layer->taps; }

/* Every Conv, Gemm and MatMul whose weight is a constant of its own, in execution order; depthwise ones are none. Constants are read from
 * `eval`. */
void refit_layers_find(struct arena *arena, const struct graph *graph, const struct shapes *shapes, struct eval *eval,
                       struct refit_layers *layers);

/* W as [outputs, columns] of the constant as it is stored; and back. */
void refit_weights_from(const struct refit_layer *layer, const float *stored, float *weights);
void refit_weights_to(const struct refit_layer *layer, const float *weights, float *stored);

/* ---- one linear problem ---- */

/* What may be done to a layer, each more than the one before. */
enum refit_form { REFIT_NONE, REFIT_BIAS, REFIT_MAP, REFIT_LS, REFIT_LS_RECTIFIED, REFIT_FORM_COUNT };
extern const char *const refit_form_names[REFIT_FORM_COUNT];

/* prediction = x W^T + bias, wanted: target. Rows [0, fit_rows) are fitted, the others held out; all count for the error. */
struct refit_problem {
    uint32_t d, m;
    int64_t rows, fit_rows;
    float *x;             /* [rows, d]; left centred */
    const float *targets; /* [rows, m] */
    const float *low;     /* [rows, m]: below it any value is right; NULL = 0 (says something where is_rectified) */
    bool is_rectified;
    double ceiling; /* above low + ceiling any value is right; HUGE_VAL = none */
    bool has_intercept;
    const float *weights; /* [m, d] as sliced */
    const double *bias;   /* [m] */
    const float *mapped;  /* [m, d]; NULL = no map */
    unsigned forms;       /* bits of enum refit_form; REFIT_NONE always */
    double rate;          /* ridge strength */
    struct parallel *threads;
};

struct refit_solution {
    enum refit_form form;
    float *weights;                   /* [m, d] */
    double *bias;                     /* [m] */
    double error_before, error_after; /* squared, of all rows, after the rectifier; after <= before */
};

void refit_solve(struct arena *arena, struct refit_problem *problem, struct refit_solution *solution);

/* A: [all, kept], the ridge solution of originals ~ A kept + constant, near the identity for what is kept (kept_at[k] = its place among
 * all). kept: [rows, kept_count] and originals: [rows, all_count] are left centred where has_intercept. False where it cannot be solved. */
struct refit_map {
    uint32_t kept_count, all_count;
    const uint32_t *kept_at;
    int64_t rows;
    float *kept, *originals;
    bool has_intercept;
    double rate;
    struct parallel *threads;
};
bool refit_map_solve(struct arena *arena, const struct refit_map *map, double *a);
/* mapped: [m, kept x taps] = weights: [m, all x taps] with A put before. */
void refit_map_fold(const struct refit_map *map, const double *a, const float *weights, uint32_t m, uint32_t taps, float *mapped);

#endif
