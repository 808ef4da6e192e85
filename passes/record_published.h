/* The decision record of a published cost model: strategies and tiles in place of mappings, bytes with their fractions, no groups. */
#ifndef SS_RECORD_PUBLISHED_H
#define SS_RECORD_PUBLISHED_H

#include "cost/model_smartshuttle.h"
#include "passes/record_make.h"

/* One layer with multiply-accumulates. */
struct published_source {
    const char *name, *op;
    node_id node;
    const node_id *epilogue;
    uint32_t epilogue_count;
    struct nest nest;           /* published_check'ed */
    struct compression factors; /* of the smartshuttle model */
    int64_t parameters;
};

/* Layers, totals and ranks into job->record, by the target's model. The record borrows the sources. */
void record_publish(struct job *job, const struct published_source *sources, uint32_t count);

#endif
