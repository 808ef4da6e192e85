#include "passes/from_annotations.h"

#include <string.h>

#include "base/nearest.h"
#include "passes/costs.h"
#include "passes/fingerprint.h"
#include "passes/given_fusion.h"
#include "report/schedule.h"

static status annotated_text(const struct job *job, const char *key, const char **text, struct diag *diag) {
    for (uint32_t i = 0; i < job->graph->properties.count; i++) {
        if (strcmp(job->graph->properties.items[i].key, key) != 0) continue;
        *text = job->graph->properties.items[i].value;
        return STATUS_OK;
    }
    return diag_fail(diag, STATUS_USAGE, "--from-annotations: the model has no %s in its metadata: explore -o writes it", key);
}

status annotated_target(struct job *job, struct diag *diag) {
    const char *text;
    if (options_has(job->options, "target")) return options_target(job->options, job->arena, &job->target, diag);
    status result = annotated_text(job, "superslash.target", &text, diag);
    if (result == STATUS_OK) result = schedule_parse_target(job->arena, text, strlen(text), &job->target, diag);
    return result == STATUS_OK ? options_override(job->options, job->arena, &job->target, diag) : result;
}

static status annotated_check_fresh(const struct job *job, struct diag *diag) {
    const char *noted;
    const status result = annotated_text(job, "superslash.fingerprint", &noted, diag);
    if (result != STATUS_OK) return result;
    const char *is = fingerprint_of_graph(job->arena, job->graph, job->shapes);
    if (strcmp(noted, is) == 0) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE,
                     "the schedule is stale: it was made for the fingerprint %s, the model has %s (nodes, shapes or widths changed, or "
                     "--batch and --input-shape are not those it was made with): explore again",
                     noted, is);
}

status annotated_schedule(struct job *job, struct diag *diag) {
    struct schedule *schedule = ARENA_NEW(job->arena, struct schedule);
    const char *text;
    status result = annotated_text(job, "superslash.schedule", &text, diag);
    if (result == STATUS_OK) result = schedule_parse(job->arena, text, strlen(text), schedule, diag);
    if (result == STATUS_OK) result = ensure_facts(job, FACT_SHAPES, diag);
    if (result == STATUS_OK) result = annotated_check_fresh(job, diag);
    if (result == STATUS_OK) job->schedule = schedule;
    return result;
}

static status annotated_node(const struct job *job, uint32_t group, const char *name, node_id *node, struct diag *diag) {
    struct nearest nearest = {.text = name};
    char hint[96];
    *node = graph_find_node(job->graph, name);
    if (node->at) return STATUS_OK;
    for (uint32_t i = 0; i < job->graph->order.count; i++)
        nearest_offer(&nearest, graph_node_label(job->graph, job->graph->order.items[i]));
    return diag_fail(diag, STATUS_USAGE, "schedule: group %u: the model has no node '%s'%s", group, name, nearest_hint(&nearest, "", hint));
}

/* ---- the schedule's groups as layers ---- */

/* What the schedule says, as far as it has been made out. */
struct annotated {
    struct job *job;
    ARRAY(struct layer_group) layers; /* a fused group is one for each of its layers */
    struct cost_given *parts;         /* by group of the schedule */
};

static bool annotated_ends_layer(const struct job *job, const struct schedule_fused *fused, node_id id) {
    const struct node *node = graph_node(job->graph, id);
    for (uint32_t k = 0; k < node->output_count; k++)
        for (uint32_t t = 0; t < fused->tensors.count; t++)
            if (node->outputs[k].at && strcmp(graph_value(job->graph, node->outputs[k])->name, fused->tensors.items[t].name) == 0)
                return true;
    return false;
}

/* A layer of a fused group ends where a tensor is made that the schedule names. */
static void annotated_add_layers(struct annotated *annotated, uint32_t id, const struct schedule_fused *fused, const node_id *nodes,
                                 uint32_t count) {
    for (uint32_t from = 0, to = 0; from < count; from = to) {
        while (to < count && !annotated_ends_layer(annotated->job, fused, nodes[to])) to++;
        if (to < count) to++;
        const struct layer_group layer = {nodes + from, to - from, id};
        array_push(annotated->job->arena, &annotated->layers, layer);
    }
}

static status annotated_add_group(struct annotated *annotated, uint32_t id, struct diag *diag) {
    const struct job *job = annotated->job;
    const struct schedule_group *group = &job->schedule->groups.items[id];
    node_id *nodes = ARENA_ARRAY(job->arena, node_id, group->node_count);
    const struct layer_group layer = {nodes, group->node_count, id};
    const uint32_t first = annotated->layers.count;
    for (uint32_t k = 0; k < group->node_count; k++) {
        const status result = annotated_node(job, id, group->nodes[k], &nodes[k], diag);
        if (result != STATUS_OK) return result;
    }
    if (group->fused) annotated_add_layers(annotated, id, group->fused, nodes, group->node_count);
    else array_push(job->arena, &annotated->layers, layer);
    annotated->parts[id] = (struct cost_given){id, first, annotated->layers.count - first, group->mapping, NULL};
    return STATUS_OK;
}

/* The best without fusion, as the file has it: of its own target. */
static status annotated_totals(const struct job *job, struct costs *costs, struct diag *diag) {
    struct schedule_totals totals;
    const char *text;
    const bool is_other = options_has(job->options, "target") || job->options->overrides.count;
    if (is_other) return STATUS_OK;
    status result = annotated_text(job, "superslash.totals", &text, diag);
    if (result == STATUS_OK) result = schedule_parse_totals(job->arena, text, strlen(text), &totals, diag);
    if (result != STATUS_OK) return result;
    costs->layer_by_layer_bytes = totals.layer_by_layer_bytes;
    costs->is_layer_by_layer = strcmp(totals.lower_bound, "layers") == 0;
    return STATUS_OK;
}

status annotated_costs(struct job *job, struct diag *diag) {
    const uint32_t count = job->schedule->groups.count;
    struct annotated annotated = {.job = job, .parts = ARENA_ARRAY(job->arena, struct cost_given, count)};
    struct layers *given;
    status result = STATUS_OK;
    for (uint32_t i = 0; i < count && result == STATUS_OK; i++) result = annotated_add_group(&annotated, i, diag);
    if (result == STATUS_OK)
        result = layers_of_groups(job->arena, job->graph, job->shapes, annotated.layers.items, annotated.layers.count, &given, diag);
    if (result == STATUS_OK) result = given_fusion(job, given, annotated.parts, diag);
    if (result == STATUS_OK)
        result = costs_of_schedule(job->arena, job->layers, given, annotated.parts, count, job->shapes, &job->target, &job->costs, diag);
    return result == STATUS_OK ? annotated_totals(job, job->costs, diag) : result;
}
