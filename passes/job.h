/* A job: one model, its options, what is known of it so far, and what the passes decided. Everything lives in the job's arena. */
#ifndef SS_JOB_H
#define SS_JOB_H

#include "onnx/model.h"
#include "op/shapes.h"
#include "passes/options.h"
#include "passes/pass.h"
#include "report/plan.h"
#include "report/record.h"

struct layers;        /* cost/layers.h */
struct costs;         /* passes/costs.h */
struct spaces;        /* passes/spaces.h */
struct select_result; /* passes/select.h */
struct schedule;      /* report/schedule.h */
struct samples;       /* eval/samples.h */
struct recovery;      /* passes/recover.h */
struct survey;        /* passes/survey.h */

struct job {
    struct arena *arena;
    const struct options *options;
    const char *command;
    struct target target;
    int64_t range_from_bytes, range_to_bytes; /* of a sweep; the target has the latter */
    struct onnx_model *model;                 /* NULL with a layer table */
    struct graph *graph;
    unsigned facts; /* enum fact: what below is true of the graph as it is */
    struct shapes *shapes;
    struct layers *layers;
    const struct schedule *schedule; /* of the file, with --from-annotations: costs are its own; else NULL */
    struct costs *costs;
    struct spaces *spaces;
    struct plan *plan;                  /* what pass_prune applies, or has applied */
    const struct select_result *ranked; /* how pass_rank came to it; NULL for a plan from outside */
    struct samples *samples;            /* of --calibrate; NULL = none */
    const int64_t *labels;              /* of --labels, one a sample; NULL = none */
    struct survey *survey;              /* what the samples say of the spaces; NULL = nothing */
    struct recovery *recovery;          /* what pass_recover did; NULL = nothing */
    struct record record;               /* of the last exploration */
    struct record before;               /* of the input model, once pruned */
    ARRAY(struct record_timing) timings;
    struct parallel *parallel;                                       /* base/parallel.h; NULL = not made yet */
    void (*progress)(void *context, const char *what, double share); /* NULL = silent */
    void *progress_context;
};

/* The jobs of product.md, from a model that is read to a record and an edited graph. The caller writes the model. The job may have
 * progress set before. */
status job_open(struct job *job, struct arena *arena, const struct options *options, const char *command, struct onnx_model *model,
                struct diag *diag);
status job_explore(struct job *job, struct diag *diag);
status job_optimize(struct job *job, struct diag *diag);
status job_prune(struct job *job, const char *plan_text, size_t plan_length, struct diag *diag);
/* Every capacity of the range at which the network's traffic falls. */
status job_sweep(struct job *job, struct diag *diag);
/* Layers, spaces and why others are fixed; edits nothing. */
status job_inspect(struct job *job, struct diag *diag);
/* How far the outputs of b are from those of a, on the samples of the options; in a's record. Edits nothing. STATUS_UNSUPPORTED where the
 * evaluator lacks an operator. */
status job_verify(struct job *a, struct job *b, struct diag *diag);
/* A layer table in place of a model. */
status job_explore_table(struct job *job, struct arena *arena, const struct options *options, const char *command, const char *path,
                         struct diag *diag);
status job_sweep_table(struct job *job, struct arena *arena, const struct options *options, const char *path, struct diag *diag);

/* The target of the options (with --from-annotations the model's), and the range where the command is sweep: the target then has the
 * largest capacity. STATUS_USAGE for a range that another command is given, and for a sweep of a memory that is split or of one size. */
status job_take_target(struct job *job, struct diag *diag);

/* --importance; css where there are samples, l2 where there are none. */
enum importance job_importance(const struct job *job);

/* --threads, or the CPUs this process may use. */
unsigned job_threads(const struct job *job);
/* So many threads, the job's own: made at the first call. */
struct parallel *job_parallel(struct job *job);

#endif
