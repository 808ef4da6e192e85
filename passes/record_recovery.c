#include "passes/record_recovery.h"

#include "passes/recover.h"
#include "passes/select.h"

static double recovery_share(int64_t part, const struct accuracy *of, bool is_known) {
    return is_known && of->images ? (double)part / (double)of->images : -1;
}

static struct record_recovery_set recovery_set(const char *name, const struct accuracy *sliced, const struct accuracy *solved,
                                               bool has_labels) {
    return (struct record_recovery_set){.set = name,
                                        .sample_count = solved->samples,
                                        .sliced_error = accuracy_error(sliced),
                                        .error = accuracy_error(solved),
                                        .sliced_divergence = sliced->images ? sliced->divergence / (double)sliced->images : -1,
                                        .divergence = solved->images ? solved->divergence / (double)solved->images : -1,
                                        .sliced_agreement = recovery_share(sliced->agreeing, sliced, true),
                                        .agreement = recovery_share(solved->agreeing, solved, true),
                                        .original_accuracy = recovery_share(solved->right_original, solved, has_labels),
                                        .sliced_accuracy = recovery_share(sliced->right, sliced, has_labels),
                                        .accuracy = recovery_share(solved->right, solved, has_labels)};
}

void record_recovery_of(struct job *job) {
    static const char *const kinds[] = {
        [RECOVER_NONE] = "none", [RECOVER_AUTO] = "auto", [RECOVER_BIAS] = "bias", [RECOVER_MAP] = "map", [RECOVER_LS] = "ls"};
    const struct recovery *recovery = job->recovery;
    if (!recovery) return;
    struct record_recovery *record = ARENA_NEW(job->arena, struct record_recovery);
    struct record_recovery_set *sets = ARENA_ARRAY(job->arena, struct record_recovery_set, 2);
    struct record_recovery_layer *layers = ARENA_ARRAY(job->arena, struct record_recovery_layer, recovery->layers.count);
    for (int i = 0; i < 2; i++)
        if (recovery->after[i].samples)
            sets[record->set_count++] =
                recovery_set(i ? "held out" : "fitted", &recovery->before[i], &recovery->after[i], job->labels != NULL);
    for (uint32_t i = 0; i < recovery->layers.count; i++) {
        const struct recover_layer *layer = &recovery->layers.items[i];
        const double share = layer->error_before > 0 ? layer->error_after / layer->error_before : 1;
        layers[i] = (struct record_recovery_layer){graph_node_label(job->graph, layer->node), refit_form_names[layer->form], share};
    }
    record->samples = job->options->calibrate;
    record->kind = kinds[recovery->kind];
    record->estimated = job->ranked ? job->ranked->damage : -1;
    record->sets = sets;
    record->layers = layers;
    record->layer_count = recovery->layers.count;
    job->record.recovery = record;
}
