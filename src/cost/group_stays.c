#include "cost/group_stays.h"

#include <string.h>

struct group_trying {
    int64_t staying_bytes, penalty_bytes, left_bytes;
};

/* Of what is left, that much cannot stay. */
static int64_t group_rest_penalty(const struct group_stays *stays, int64_t staying_bytes, int64_t left_bytes) {
    const int64_t room = stays->room_bytes - stays->least_bytes - staying_bytes;
    return left_bytes <= room ? 0 : (int64_t)((double)(left_bytes - room) * stays->least_rate);
}

static bool group_is_beaten(const struct group_stays *stays, int64_t penalty, int64_t footprint) {
    if (penalty != stays->below_penalty) return penalty > stays->below_penalty;
    return footprint >= stays->below_footprint;
}

static void group_try_leaf(struct group_stays *stays, const struct group_trying *at) {
    const int64_t beside = group_options_cut(stays->options, stays->peaks, stays->trying, stays->cut);
    if (beside == INT64_MAX || beside > stays->room_bytes - at->staying_bytes) return;
    if (group_is_beaten(stays, at->penalty_bytes, at->staying_bytes + beside)) return;
    stays->below_penalty = at->penalty_bytes;
    stays->below_footprint = at->staying_bytes + beside;
    stays->is_found = true;
    memcpy(stays->streams, stays->trying, stays->options->group->member_count * sizeof(bool));
}

static void group_try_item(struct group_stays *stays, uint32_t item, struct group_trying at) {
    const int64_t room = stays->room_bytes - stays->least_bytes;
    if (stays->nodes_left-- < 0 || at.staying_bytes > room) return;
    const int64_t penalty = at.penalty_bytes + group_rest_penalty(stays, at.staying_bytes, at.left_bytes);
    if (group_is_beaten(stays, penalty, at.staying_bytes + stays->least_bytes)) return;
    if (item == stays->item_count) {
        group_try_leaf(stays, &at);
        return;
    }
    const uint32_t member = stays->items[item];
    at.left_bytes -= stays->weight_bytes[member];
    struct group_trying stay = at, stream = at;
    stay.staying_bytes += stays->weight_bytes[member];
    stream.penalty_bytes += stays->penalty_bytes[member];
    const bool streams_first = stays->penalty_bytes[member] == 0;
    for (int k = 0; k < 2; k++) {
        stays->trying[member] = (k == 0) == streams_first;
        group_try_item(stays, item + 1, stays->trying[member] ? stream : stay);
    }
    stays->trying[member] = false;
}

int64_t group_items_bytes(const struct group_stays *stays) {
    int64_t bytes = 0;
    for (uint32_t i = 0; i < stays->item_count; i++) bytes += stays->weight_bytes[stays->items[i]];
    return bytes;
}

int64_t group_stays_bound(const struct group_stays *stays) {
    return group_rest_penalty(stays, stays->fixed_bytes, group_items_bytes(stays));
}

void group_stays_search(struct group_stays *stays) {
    stays->is_found = false;
    group_try_item(stays, 0, (struct group_trying){stays->fixed_bytes, 0, group_items_bytes(stays)});
    if (stays->is_found) group_options_cut(stays->options, stays->peaks, stays->streams, stays->cut);
}
