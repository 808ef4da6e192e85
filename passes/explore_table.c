/* A layer table explored in place of a model: rows are nests already. */
#include "base/os.h"
#include "cost/table.h"
#include "passes/record_make.h"
#include "passes/record_published.h"

static void table_cost(const struct layer_row *row, const struct found *found, struct layer_cost *cost) {
    *cost = (struct layer_cost){.has_nest = true,
                                .has_mapping = found->is_feasible,
                                .is_feasible = found->is_feasible,
                                .nest = row->nest,
                                .found = *found,
                                .macs = nest_macs(&row->nest),
                                .parameters = nest_weight_elems(&row->nest),
                                .bound_bytes = found->bound_bytes};
    if (!found->is_feasible) return;
    cost->traffic = found->traffic;
    cost->offchip_bytes = traffic_total(&found->traffic);
    cost->footprint_bytes = footprint_total(&found->footprint);
}

/* The same by a published model. */
static status table_publish(struct job *job, const struct layer_table *table, struct diag *diag) {
    struct published_source *sources = ARENA_ARRAY(job->arena, struct published_source, table->row_count);
    status result = STATUS_OK;
    for (uint32_t i = 0; i < table->row_count && result == STATUS_OK; i++) {
        const struct layer_row *row = &table->rows[i];
        sources[i] = (struct published_source){.name = row->name,
                                               .op = "Conv",
                                               .nest = row->nest,
                                               .factors = {row->input_factor, row->output_factor, row->weight_factor},
                                               .parameters = nest_weight_elems(&row->nest)};
        result = published_check(&row->nest, row->name, diag);
    }
    if (result == STATUS_OK) record_publish(job, sources, table->row_count);
    return result;
}

static void table_explore(struct job *job, const struct layer_table *table) {
    struct cost_cache *cache = cost_cache_new(job->arena, &job->target, job_threads(job), true);
    struct layer_cost *costs = ARENA_ARRAY(job->arena, struct layer_cost, table->row_count);
    struct record_source *sources = ARENA_ARRAY(job->arena, struct record_source, table->row_count);
    for (uint32_t i = 0; i < table->row_count; i++) cost_cache_get(cache, &table->rows[i].nest);
    cost_cache_run(cache);
    for (uint32_t i = 0; i < table->row_count; i++) {
        table_cost(&table->rows[i], cost_cache_found(cache, &table->rows[i].nest), &costs[i]);
        sources[i] = (struct record_source){.name = table->rows[i].name, .op = "Conv", .cost = &costs[i]};
        job->record.totals.compulsory_bytes += costs[i].found.compulsory_bytes;
    }
    const int64_t compulsory_bytes = job->record.totals.compulsory_bytes;
    record_make(job->arena, NULL, &job->target, sources, table->row_count, NULL, 0, &job->record);
    job->record.totals.compulsory_bytes = compulsory_bytes;
}

status job_explore_table(struct job *job, struct arena *arena, const struct options *options, const char *command, const char *path,
                         struct diag *diag) {
    struct os_file file;
    struct layer_table table;
    job->arena = arena;
    job->options = options;
    job->command = command;
    status result = job_take_target(job, diag);
    if (result == STATUS_OK) result = os_map_file(arena, path, &file, diag);
    if (result == STATUS_OK) result = layer_table_read(arena, file.path, (const char *)file.bytes, file.size, &job->target, &table, diag);
    if (result != STATUS_OK) return result;
    job->record.command = job->command;
    if (job->target.cost_model != COST_EXACT) return table_publish(job, &table, diag);
    table_explore(job, &table);
    return STATUS_OK;
}
