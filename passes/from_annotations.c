#include "passes/from_annotations.h"

#include <string.h>

#include "base/nearest.h"
#include "passes/costs.h"
#include "passes/fingerprint.h"
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

static status annotated_groups(const struct job *job, struct layer_group *groups, struct diag *diag) {
    status result = STATUS_OK;
    for (uint32_t i = 0; i < job->schedule->groups.count; i++) {
        const struct schedule_group *group = &job->schedule->groups.items[i];
        node_id *nodes = ARENA_ARRAY(job->arena, node_id, group->node_count);
        for (uint32_t k = 0; k < group->node_count && result == STATUS_OK; k++)
            result = annotated_node(job, i, group->nodes[k], &nodes[k], diag);
        groups[i] = (struct layer_group){nodes, group->node_count};
    }
    return result;
}

status annotated_costs(struct job *job, struct diag *diag) {
    const uint32_t count = job->schedule->groups.count;
    struct layer_group *groups = ARENA_ARRAY(job->arena, struct layer_group, count);
    const struct mapping **mappings = arena_alloc_array(job->arena, count, sizeof *mappings);
    struct layers *given;
    for (uint32_t i = 0; i < count; i++) mappings[i] = job->schedule->groups.items[i].mapping;
    status result = annotated_groups(job, groups, diag);
    if (result == STATUS_OK) result = layers_of_groups(job->arena, job->graph, job->shapes, groups, count, &given, diag);
    if (result == STATUS_OK)
        result = costs_of_mappings(job->arena, job->layers, given, mappings, job->shapes, &job->target, &job->costs, diag);
    return result;
}
