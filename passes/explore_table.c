/* A layer table explored in place of a model: rows are nests already. */
#include "base/os.h"
#include "cost/table.h"
#include "passes/record_make.h"

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

static void table_search(struct job *job, const struct layer_table *table, struct found *found) {
    const int64_t count = table->row_count;
    const unsigned threads = job_threads(job);
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1 && count > 1)
#endif
    for (int64_t i = 0; i < count; i++) search_plain(&table->rows[i].nest, &job->target, &found[i]);
}

status job_explore_table(struct job *job, struct arena *arena, const struct options *options, const char *path, struct diag *diag) {
    struct os_file file;
    struct layer_table table;
    *job = (struct job){.arena = arena, .options = options, .command = "explore"};
    status result = options_target(options, arena, &job->target, diag);
    if (result == STATUS_OK) result = os_map_file(arena, path, &file, diag);
    if (result == STATUS_OK) result = layer_table_read(arena, file.path, (const char *)file.bytes, file.size, &job->target, &table, diag);
    if (result != STATUS_OK) return result;
    struct found *found = ARENA_ARRAY(arena, struct found, table.row_count);
    struct layer_cost *costs = ARENA_ARRAY(arena, struct layer_cost, table.row_count);
    struct record_source *sources = ARENA_ARRAY(arena, struct record_source, table.row_count);
    table_search(job, &table, found);
    job->record.command = job->command;
    for (uint32_t i = 0; i < table.row_count; i++) {
        table_cost(&table.rows[i], &found[i], &costs[i]);
        sources[i] = (struct record_source){.name = table.rows[i].name, .op = "Conv", .cost = &costs[i]};
        job->record.totals.compulsory_bytes += found[i].compulsory_bytes;
    }
    const int64_t compulsory_bytes = job->record.totals.compulsory_bytes;
    record_make(arena, NULL, &job->target, sources, table.row_count, &job->record);
    job->record.totals.compulsory_bytes = compulsory_bytes;
    return STATUS_OK;
}
