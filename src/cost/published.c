#include "cost/published.h"

#include <math.h>

const char *const published_strategy_names[STRATEGY_COUNT] = {"iro", "oro", "wro"};

double published_total(const struct published_way *way) {
    return way->input_bytes + way->weight_bytes + way->output_bytes + way->partial_sum_bytes;
}

status published_check(const struct nest *nest, const char *what, struct diag *diag) {
    if (nest->axis[1].transposed || nest->axis[2].transposed)
        return diag_fail(diag, STATUS_UNSUPPORTED, "%s: is transposed, the published cost models do not know that; use --cost-model exact",
                         what);
    if (nest->size[DIM_OD] == 1 && nest->axis[0].kernel == 1 && nest->axis[0].plane == 1) return STATUS_OK;
    return diag_fail(diag, STATUS_UNSUPPORTED, "%s: has three spatial dims, the published cost models know two; use --cost-model exact",
                     what);
}

int64_t published_trips(int64_t size, int64_t tile) { return (size - 1) / tile + 1; }

int64_t published_fitting(int64_t size, double most) {
    if (!(most >= 1)) return 0;
    const int64_t tile = most >= (double)size ? size : (int64_t)most;
    return published_trips(size, published_trips(size, tile));
}

void published_keep(const struct published_way *way, bool *any, struct published_way *best) {
    const double bytes = published_total(way), least = published_total(best);
    const bool is_better = !*any || bytes < least || (bytes <= least && way->footprint_bytes < best->footprint_bytes);
    *any = true;
    if (is_better) *best = *way;
}

static int64_t published_whole(double bytes) { return bytes < 0x1p62 ? (int64_t)ceil(bytes) : INT64_MAX; }

void published_set_infeasible(const double demand_bytes[OPERAND_COUNT], int64_t capacity_bytes, struct infeasible *infeasible) {
    double sum = 0;
    int64_t whole = 0;
    *infeasible = (struct infeasible){.capacity_bytes = capacity_bytes};
    for (int operand = 0; operand < OPERAND_COUNT; operand++) {
        sum += demand_bytes[operand];
        infeasible->demand.bytes[operand] = published_whole(sum) - whole;
        whole = published_whole(sum);
    }
    infeasible->demand_bytes = infeasible->smallest_capacity_bytes = whole;
    infeasible->short_bytes = whole - capacity_bytes;
}

static void published_scale(double times, struct published_way *way) {
    way->input_bytes *= times;
    way->weight_bytes *= times;
    way->output_bytes *= times;
    way->partial_sum_bytes *= times;
}

void published_finish(double times, struct published *found) {
    found->compulsory_bytes *= times;
    for (int at = 0; at < STRATEGY_COUNT; at++) {
        published_scale(times, &found->ways[at]);
        if (published_total(&found->ways[at]) < published_total(&found->ways[found->best])) found->best = (enum published_strategy)at;
    }
}
