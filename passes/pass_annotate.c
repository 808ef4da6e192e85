/* annotate: the record into the model's and the nodes' metadata (product.md 4). Contents and edges stay as they are. */
#include "passes/job.h"
#include "report/annotate.h"

static status annotate_run(struct job *job, struct diag *diag) {
    (void)diag;
    if (job->options->no_annotations) annotate_strip(job->graph);
    else annotate_graph(job->graph, &job->record);
    return STATUS_OK;
}

const struct pass pass_annotate = {
    .name = "annotate",
    .summary = "writes schedule, totals and plan into the model's metadata",
    .needs = 0,
    .keeps = FACT_SHAPES | FACT_LAYERS | FACT_COSTS | FACT_SPACES,
    .run = annotate_run,
};
