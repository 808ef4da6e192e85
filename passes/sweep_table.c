/* A layer table swept in place of a model. */
#include "passes/job.h"
#include "passes/sweep.h"

status job_sweep_table(struct job *job, struct arena *arena, const struct options *options, const char *path, struct diag *diag) {
    const status result = job_explore_table(job, arena, options, "sweep", path, diag);
    if (result != STATUS_OK) return result;
    const uint32_t count = job->record.layer_count;
    struct sweep_layer *layers = ARENA_ARRAY(arena, struct sweep_layer, count);
    struct cost_way *ways = ARENA_ARRAY(arena, struct cost_way, count);
    for (uint32_t i = 0; i < count; i++) {
        ways[i] = (struct cost_way){.has_nest = true, .nest = *job->record.layers[i].nest};
        layers[i] = (struct sweep_layer){job->record.layers[i].name, &ways[i], 1};
    }
    return sweep_job(job, layers, count, diag);
}
