/* The best mapping of all: first the best plain one, then what uneven ones with snakes move less, then on as little chip as that goes
 * (uneven.h). */
#include "base/checked.h"
#include "cost/search.h"
#include "cost/uneven.h"

/* How many nodes of the tree a search looks at. */
struct effort {
    int64_t regular, whole;
};

/* The regular space: enough for the layers of the networks in tests/golden from 64 KiB on. The whole space: where the nest has few points.
 */
static struct effort effort_for(const struct nest *nest) {
    enum { TINY_POINTS = 128 };
    int64_t points = 1;
    for (int d = 0; d < DIM_COUNT && points <= TINY_POINTS; d++) points *= least(nest->size[d], TINY_POINTS + 1);
    return (struct effort){200000, points <= TINY_POINTS ? 10000 : 0};
}

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

static enum proof search_spaces(const struct nest *nest, const struct target *target, const struct effort *effort, struct uneven *best) {
    const bool is_regular = uneven_search(nest, target, UNEVEN_REGULAR, effort->regular, best);
    if (best->bytes == nest_compulsory_bytes(nest)) return PROOF_WHOLE;
    if (effort->whole > 0 && uneven_search(nest, target, UNEVEN_WHOLE, effort->whole, best)) return PROOF_WHOLE;
    return is_regular ? PROOF_REGULAR : PROOF_NONE;
}

static void shrink(const struct nest *nest, const struct target *target, const struct effort *effort, struct uneven *best) {
    uneven_shrink(nest, target, UNEVEN_REGULAR, effort->regular, best);
    if (effort->whole > 0) uneven_shrink(nest, target, UNEVEN_WHOLE, effort->whole, best);
}

/* Uneven mappings may hold one row of I under a merged pool, where plain ones hold the pool's window: they ask for less. */
static void ask_for_less(const struct nest *nest, const struct target *target, struct infeasible *infeasible) {
    struct footprint demand;
    uneven_demand(nest, target, &demand);
    infeasible_make(&demand, target, infeasible);
}

static void search_on(const struct nest *nest, const struct target *target, const struct effort *effort, bool with_ties,
                      struct found *found) {
    search_plain(nest, target, found);
    found->bound_bytes = found->compulsory_bytes;
    found->bound_name = "compulsory";
    struct uneven best = {.bytes = INT64_MAX};
    if (found->is_feasible)
        best = (struct uneven){.bytes = traffic_total(&found->traffic), .footprint_bytes = footprint_total(&found->footprint)};
    const struct uneven plain = best;
    found->proof = best.bytes == found->compulsory_bytes ? PROOF_WHOLE : search_spaces(nest, target, effort, &best);
    if (best.bytes == INT64_MAX) ask_for_less(nest, target, &found->infeasible);
    else if (with_ties) shrink(nest, target, effort, &best);
    found->nodes = best.nodes;
    if (best.bytes < plain.bytes || best.footprint_bytes < plain.footprint_bytes) take(nest, target, &best, found);
}

void search_best(const struct nest *nest, const struct target *target, struct found *found) {
    const struct effort effort = effort_for(nest);
    search_on(nest, target, &effort, true, found);
}

void search_layer(const struct nest *nest, const struct target *target, struct found *found) {
    if (target->uneven_mappings) search_best(nest, target, found);
    else search_plain(nest, target, found);
}

int64_t search_layer_bytes(const struct nest *nest, const struct target *target) {
    struct found found;
    const struct effort effort = effort_for(nest);
    if (target->uneven_mappings) search_on(nest, target, &effort, false, &found);
    else search_plain(nest, target, &found);
    return found.is_feasible ? traffic_total(&found.traffic) : -1;
}

void search_whole(const struct nest *nest, const struct target *target, int64_t nodes, struct found *found) {
    const struct effort effort = {nodes, nodes};
    search_on(nest, target, &effort, true, found);
}
