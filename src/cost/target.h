/* The hardware: what is on the chip, how wide numbers are, what costs time and energy off it.
 *
 * A target is made from a preset or a YAML file and then overridden option by option. Plain data: copy it freely. */
#ifndef SS_COST_TARGET_H
#define SS_COST_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* I = input, W = weight (or a second activation), O = output. */
enum operand { OPERAND_I, OPERAND_W, OPERAND_O, OPERAND_COUNT };

enum cost_model { COST_EXACT, COST_SUPERSLASH, COST_SMARTSHUTTLE, COST_MODEL_COUNT };
extern const char *const cost_model_names[COST_MODEL_COUNT]; /* "exact", "superslash", "smartshuttle" */

struct target {
    const char *name;
    bool is_split;
    int64_t capacity_bytes;                 /* unified */
    int64_t partition_bytes[OPERAND_COUNT]; /* split */
    bool double_buffer[OPERAND_COUNT];
    bool bits_of_model; /* the widths in the file; the three below are then what holds where it gives none */
    uint32_t activation_bits, weight_bits, partial_sum_bits;
    bool halo_reuse;
    bool uneven_mappings; /* explore nested tiles, snakes and operands at their own depth too; false: plain mappings */
    enum cost_model cost_model;
    int64_t batch, channel_multiple;
    double bandwidth_bytes_per_s, energy_pj_per_byte, clock_hz; /* 0 = not given */
    int64_t macs_per_cycle;                                     /* 0 = not given */
};

struct target_preset {
    const char *name, *text; /* the commented YAML */
};
extern const struct target_preset target_presets[];
extern const uint32_t target_preset_count;

/* name_or_path: a preset's name, or a file. STATUS_USAGE naming file, line and key for anything unknown or contradictory. */
status target_load(struct arena *arena, const char *name_or_path, struct target *target, struct diag *diag);

/* One entry by the name of its option ("on-chip", "double-buffer", "bits", "activation-bits", "weight-bits", "partial-sum-bits", "halo",
 * "mappings", "cost-model", "batch", "channel-multiple"). */
status target_override(struct arena *arena, struct target *target, const char *option, const char *value, struct diag *diag);

/* After the last override: what single entries cannot see. */
status target_check(const struct target *target, struct diag *diag);

#endif
