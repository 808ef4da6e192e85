#include "passes/record_spaces.h"

#include <inttypes.h>
#include <string.h>

#include "passes/select.h"
#include "report/json.h"

/* What one channel of a space saves while everything else stays: of the first unit that would go. */
static int64_t record_saving(struct job *job, struct widths *widths, uint32_t at) {
    const struct space *space = &job->spaces->items.items[at];
    const uint32_t unit = select_unit(space, 1);
    if (space->fixed || unit >= space->size) return 0;
    uint32_t *order = ARENA_ARRAY(job->arena, uint32_t, space->size);
    select_order(job->arena, space, NULL, order);
    int64_t total = widths_try(widths, at, order, unit, false);
    if (total < 0) {
        cost_cache_run(widths->cache);
        total = widths_try(widths, at, order, unit, false);
    }
    return (widths->total_bytes - total) / unit;
}

void record_spaces(struct job *job, struct widths *widths, const struct record_space **rows, uint32_t *count) {
    const struct spaces *spaces = job->spaces;
    struct record_space *out = ARENA_ARRAY(job->arena, struct record_space, spaces->items.count);
    for (uint32_t at = 0; at < spaces->items.count; at++) {
        const struct space *space = &spaces->items.items[at];
        out[at] = (struct record_space){.id = space->id,
                                        .members = space->members,
                                        .member_count = space->member_count,
                                        .channels = space->size,
                                        .kept = space->size,
                                        .bytes_per_channel = widths ? record_saving(job, widths, at) : 0,
                                        .fixed = space->fixed,
                                        .blocks = space->cells,
                                        .block_count = space->cell_count,
                                        .block_size = space->cell_size};
    }
    *rows = out;
    *count = spaces->items.count;
}

void record_pruned_spaces(const struct job *job, const struct record_space *rows, uint32_t count, struct record *record) {
    struct record_space *out = arena_copy(job->arena, rows, count * sizeof *rows);
    for (uint32_t i = 0; i < job->plan->spaces.count; i++) {
        const struct plan_space *gone = &job->plan->spaces.items[i];
        for (uint32_t at = 0; at < count; at++) {
            if (strcmp(out[at].id, gone->id) != 0) continue;
            out[at].kept -= gone->remove_count;
            if (!job->ranked) continue;
            out[at].bytes_saved = job->ranked->bytes_saved[at];
            out[at].importance_lost = job->ranked->importance_lost[at];
        }
    }
    record->spaces = out;
    record->space_count = count;
}

static int64_t record_width(const struct record_layer *layer) {
    return layer->nest ? layer->nest->size[DIM_G] * layer->nest->size[DIM_M] : 0;
}

/* Layers stand in the same order before and after, but for pools that join or leave: matched by node. */
static void record_mark_pruned(struct job *job) {
    struct record_layer *layers = arena_copy(job->arena, job->record.layers, job->record.layer_count * sizeof *layers);
    uint32_t at = 0;
    for (uint32_t i = 0; i < job->record.layer_count; i++) {
        uint32_t from = at;
        while (from < job->before.layer_count && job->before.layers[from].node.at != layers[i].node.at) from++;
        if (from == job->before.layer_count) continue;
        at = from + 1;
        const int64_t was = record_width(&job->before.layers[from]), is = record_width(&layers[i]);
        if (was != is) layers[i].pruned = arena_print(job->arena, "%" PRId64 " -> %" PRId64, was, is);
    }
    job->record.layers = layers;
}

static const char *record_budget(const struct job *job) {
    const struct options *options = job->options;
    if (!job->ranked) return "plan";
    const char *error = options->max_error > 0 ? arena_print(job->arena, "max-error %g", options->max_error) : "";
    if (!options->offchip.is_given) return error;
    return arena_print(job->arena, "offchip %s%s%s", options->offchip.text, *error ? ", " : "", error);
}

void record_pruning_of(struct job *job) {
    static const char *const rankings[] = {
        [RANKING_MARGINAL] = "marginal", [RANKING_VOLUME] = "volume",   [RANKING_PARAMS] = "params",
        [RANKING_MACS] = "macs",         [RANKING_UNIFORM] = "uniform", [RANKING_MAGNITUDE] = "magnitude",
    };
    static const char *const importances[] = {
        [IMPORTANCE_L2] = "l2",   [IMPORTANCE_L1] = "l1",           [IMPORTANCE_FPGM] = "fpgm",
        [IMPORTANCE_BN] = "bn",   [IMPORTANCE_PRODUCT] = "product", [IMPORTANCE_ACTIVATION] = "activation",
        [IMPORTANCE_CSS] = "css",
    };
    const struct options *options = job->options;
    struct record_pruning *pruning = ARENA_NEW(job->arena, struct record_pruning);
    record_mark_pruned(job);
    *pruning = (struct record_pruning){.budget = record_budget(job),
                                       .ranking = job->ranked ? rankings[options->ranking] : "plan",
                                       .importance = job->ranked ? importances[job_importance(job)] : "plan",
                                       .reached_bytes = job->record.totals.offchip_bytes,
                                       .before = &job->before.totals,
                                       .after = &job->record.totals,
                                       .layers_before = job->before.layers,
                                       .layer_before_count = job->before.layer_count};
    if (job->ranked) pruning->budget_bytes = job->ranked->limit_bytes;
    job->record.pruning = pruning;
    job->record.model_before = job->before.model;
    job->record.plan = plan_print(job->arena, job->plan);
}
