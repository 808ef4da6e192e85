#include <inttypes.h>

#include "report/grid.h"

static void verdict_offchip(const struct table_style *style, const struct record *record) {
    const struct record_totals *totals = &record->totals;
    char number[32], rounded[32];
    grid_print_label(style, "off chip");
    fprintf(style->file, "%s B (%s)", table_number(totals->offchip_bytes, number), table_bytes(totals->offchip_bytes, rounded));
    if (record->infeasible_count) fputs(" without what does not fit", style->file);
    else if (totals->lower_bound_bytes > 0) {
        fprintf(style->file, ", %.2f x the lower bound of %s B", (double)totals->offchip_bytes / (double)totals->lower_bound_bytes,
                table_number(totals->lower_bound_bytes, number));
        if (totals->lower_bound) fprintf(style->file, " (%s)", totals->lower_bound);
    }
    fputc('\n', style->file);
}

static void verdict_capacity(FILE *file, const struct target *target) {
    char input[32], weight[32], output[32];
    if (target->is_split)
        fprintf(file, "input %s + weight %s + output %s B", table_number(target->partition_bytes[OPERAND_I], input),
                table_number(target->partition_bytes[OPERAND_W], weight), table_number(target->partition_bytes[OPERAND_O], output));
    else fprintf(file, "%s B", table_number(target->capacity_bytes, input));
}

static void verdict_fit(const struct table_style *style, const struct record *record) {
    const uint32_t unfit = record->infeasible_count;
    const enum grid_tone tone = unfit ? TONE_BAD : TONE_PLAIN;
    grid_print_label(style, "on chip");
    grid_tone_on(style, tone);
    if (unfit) fprintf(style->file, "%" PRIu32 " of %" PRIu32 " layers do not fit in ", unfit, record->layer_count);
    else if (record->layer_count == 1) fputs("the layer fits in ", style->file);
    else fprintf(style->file, "all %" PRIu32 " layers fit in ", record->layer_count);
    verdict_capacity(style->file, record->target);
    grid_tone_off(style, tone);
    fputc('\n', style->file);
}

/* How many layers run in groups, and what that saves. */
static void verdict_fusion(const struct table_style *style, const struct record *record) {
    const int64_t apart = record->totals.layer_by_layer_bytes;
    uint32_t groups = 0, layers = 0;
    char number[32];
    for (uint32_t i = 0; i < record->group_count; i++) groups += record->groups[i].tile != NULL;
    for (uint32_t i = 0; i < record->layer_count; i++) layers += record_fused_group(record, &record->layers[i]) != NULL;
    if (!groups) return;
    grid_print_label(style, "fused");
    fprintf(style->file, "%" PRIu32 " of %" PRIu32 " layers in %" PRIu32 " group%s; layer by layer %s B", layers, record->layer_count,
            groups, groups == 1 ? "" : "s", table_number(apart, number));
    if (apart > 0) fprintf(style->file, " (%+.1f %%)", 100 * ((double)record->totals.offchip_bytes / (double)apart - 1));
    fputc('\n', style->file);
}

/* The layer that moves most among those that move less than `above`, or as much and stand later. */
static const struct record_layer *verdict_next(const struct record *record, const struct record_layer *above) {
    const struct record_layer *best = NULL;
    for (uint32_t i = 0; i < record->layer_count; i++) {
        const struct record_layer *layer = &record->layers[i];
        if (layer->infeasible || layer->offchip_bytes <= 0) continue;
        if (above && layer->offchip_bytes > above->offchip_bytes) continue;
        if (above && layer->offchip_bytes == above->offchip_bytes && layer <= above) continue;
        if (!best || layer->offchip_bytes > best->offchip_bytes) best = layer;
    }
    return best;
}

static void verdict_most(const struct table_style *style, const struct record *record) {
    const struct record_layer *layer = verdict_next(record, NULL);
    const double total = (double)record->totals.offchip_bytes;
    char number[32];
    if (!layer) return;
    grid_print_label(style, "most");
    for (int i = 0; layer && i < 3; i++, layer = verdict_next(record, layer)) {
        if (i) fputs(", ", style->file);
        grid_print_text(style->file, layer->name, style->columns ? 24 : 0);
        fprintf(style->file, " %s B", table_number(layer->offchip_bytes, number));
        if (total > 0) fprintf(style->file, " (%.1f %%)", 100 * (double)layer->offchip_bytes / total);
    }
    fputc('\n', style->file);
}

static void verdict_speed(const struct table_style *style, const struct record_totals *totals) {
    const char *comma = "";
    if (totals->offchip_ms < 0 && totals->compute_ms < 0 && totals->energy_uj < 0) return;
    grid_print_label(style, "speed");
    if (totals->offchip_ms >= 0) {
        fprintf(style->file, "off chip %.3g ms", totals->offchip_ms);
        comma = ", ";
    }
    if (totals->compute_ms >= 0) {
        fprintf(style->file, "%scompute %.3g ms", comma, totals->compute_ms);
        comma = ", ";
    }
    if (totals->bound_by) fprintf(style->file, " (bound by %s)", totals->bound_by);
    if (totals->energy_uj >= 0) fprintf(style->file, "%soff-chip energy %.4g uJ", comma, totals->energy_uj);
    fputc('\n', style->file);
}

static void verdict_change(FILE *file, const char *what, int64_t before, int64_t after, const char *unit) {
    char from[32], to[32];
    fprintf(file, "%s%s -> %s%s", what, table_number(before, from), table_number(after, to), unit);
    if (before > 0) fprintf(file, " (%+.1f %%)", 100 * ((double)after / (double)before - 1));
}

static void verdict_pruned(const struct table_style *style, const struct record *record) {
    const struct record_pruning *pruning = record->pruning;
    if (!pruning) return;
    grid_print_label(style, "pruned");
    if (pruning->before && pruning->after)
        verdict_change(style->file, "off chip ", pruning->before->offchip_bytes, pruning->after->offchip_bytes, " B");
    fputc('\n', style->file);
    if (!record->model || !record->model_before) return;
    grid_print_label(style, "");
    verdict_change(style->file, "MACs ", record->model_before->macs, record->model->macs, "");
    verdict_change(style->file, ", parameters ", record->model_before->parameters, record->model->parameters, "");
    fputc('\n', style->file);
}

/* What a published model chose from: off chip is each layer at its best. */
static void verdict_published(const struct table_style *style, const struct record *record) {
    const struct record_published *published = record->published;
    char input[32], output[32], weight[32], rule[32];
    if (!published) return;
    grid_print_label(style, "model");
    fprintf(style->file, "%s; every layer by input reuse %s B, by output reuse %s B, by weight reuse %s B",
            record->target ? cost_model_names[record->target->cost_model] : "published",
            table_number((int64_t)published->strategy_bytes[STRATEGY_IRO], input),
            table_number((int64_t)published->strategy_bytes[STRATEGY_ORO], output),
            table_number((int64_t)published->strategy_bytes[STRATEGY_WRO], weight));
    if (published->rule_bytes >= 0) fprintf(style->file, ", by the rule %s B", table_number((int64_t)published->rule_bytes, rule));
    fputc('\n', style->file);
}

static void verdict_shares(FILE *file, const char *what, double before, double between, double after) {
    if (after < 0) return;
    fprintf(file, ", %s ", what);
    if (before >= 0) fprintf(file, "%.2f %% -> ", 100 * before);
    fprintf(file, "%.2f %% cut -> %.2f %%", 100 * between, 100 * after);
}

/* A line for each set of samples. */
static void verdict_recovered(const struct table_style *style, const struct record *record) {
    char number[32];
    for (uint32_t i = 0; record->recovery && i < record->recovery->set_count; i++) {
        const struct record_recovery_set *set = &record->recovery->sets[i];
        grid_print_label(style, i ? "" : "accuracy");
        fprintf(style->file, "%s samples %s: outputs' error %.3g cut -> %.3g", table_number(set->sample_count, number), set->set,
                set->sliced_error, set->error);
        verdict_shares(style->file, "same class", -1, set->sliced_agreement, set->agreement);
        verdict_shares(style->file, "accuracy", set->original_accuracy, set->sliced_accuracy, set->accuracy);
        fputc('\n', style->file);
    }
}

void table_verdict(const struct table_style *style, const struct record *record) {
    verdict_offchip(style, record);
    if (record->target) verdict_fit(style, record);
    verdict_fusion(style, record);
    verdict_published(style, record);
    verdict_most(style, record);
    verdict_speed(style, &record->totals);
    verdict_pruned(style, record);
    verdict_recovered(style, record);
}
