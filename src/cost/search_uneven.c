/* The best mapping of all: first the best plain one, then what uneven ones with snakes move less (uneven.h). */
#include "cost/search.h"
#include "cost/uneven.h"

/* Enough for every layer of the networks in tests/golden at 64 KiB and more; less than a second. */
static const int64_t regular_nodes = 50000;

/* Snakes that change nothing go straight. */
static void straighten(const struct nest *nest, const struct target *target, struct found *found) {
    const int64_t bytes = traffic_total(&found->traffic);
    for (uint32_t i = 0; i < found->mapping.loop_count; i++) {
        struct mapping mapping = found->mapping;
        struct traffic traffic;
        mapping.loops[i].snake = false;
        mapping_traffic(nest, target, &mapping, &traffic);
        if (traffic_total(&traffic) != bytes) continue;
        found->mapping = mapping;
        found->traffic = traffic;
    }
}

static void take(const struct nest *nest, const struct target *target, const struct uneven *best, struct found *found) {
    found->is_feasible = true;
    found->infeasible = (struct infeasible){0};
    found->mapping = best->mapping;
    mapping_traffic(nest, target, &found->mapping, &found->traffic);
    mapping_footprint(nest, target, &found->mapping, &found->footprint);
    straighten(nest, target, found);
}

static enum proof search_spaces(const struct nest *nest, const struct target *target, int64_t regular, int64_t whole, struct uneven *best) {
    const int64_t compulsory = nest_compulsory_bytes(nest);
    const bool is_regular = uneven_search(nest, target, UNEVEN_REGULAR, regular, best);
    if (best->bytes == compulsory) return PROOF_WHOLE;
    if (whole > 0 && uneven_search(nest, target, UNEVEN_WHOLE, whole, best)) return PROOF_WHOLE;
    return is_regular ? PROOF_REGULAR : PROOF_NONE;
}

static void search_on(const struct nest *nest, const struct target *target, int64_t regular, int64_t whole, struct found *found) {
    search_plain(nest, target, found);
    found->bound_bytes = found->compulsory_bytes;
    found->bound_name = "compulsory";
    if (found->is_feasible && traffic_total(&found->traffic) == found->compulsory_bytes) found->proof = PROOF_WHOLE;
    if (found->proof == PROOF_WHOLE || !nest_whole_bytes(nest)) return;
    const int64_t plain_bytes = found->is_feasible ? traffic_total(&found->traffic) : INT64_MAX;
    struct uneven best = {.bytes = plain_bytes};
    found->proof = search_spaces(nest, target, regular, whole, &best);
    found->nodes = best.nodes;
    if (best.bytes < plain_bytes) take(nest, target, &best, found);
}

void search_best(const struct nest *nest, const struct target *target, struct found *found) {
    search_on(nest, target, regular_nodes, 0, found);
}

void search_layer(const struct nest *nest, const struct target *target, struct found *found) {
    if (target->uneven_mappings) search_best(nest, target, found);
    else search_plain(nest, target, found);
}

void search_whole(const struct nest *nest, const struct target *target, int64_t nodes, struct found *found) {
    search_on(nest, target, nodes, nodes, found);
}
