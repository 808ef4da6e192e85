/* JSON made from the record: the report (product.md 7), and the texts that the model's metadata carry. Stable key order, one line per
 * layer at most; integers exact; doubles with 17 significant digits at most, never NaN. All texts live in the arena. */
#ifndef SS_REPORT_JSON_H
#define SS_REPORT_JSON_H

#include "report/record.h"

char *json_report(struct arena *arena, const struct record *record);
/* {"superslash", "model", "target", "range", "sweep": samples, "knees": all of them, "timings_ms"}, of a record with a sweep. */
char *json_sweep(struct arena *arena, const struct record *record);
/* {"superslash", "accuracy", "timings_ms"}, of a record with accuracy. */
char *json_verify(struct arena *arena, const struct record *record);
char *json_target(struct arena *arena, const struct target *target);
char *json_totals(struct arena *arena, const struct record_totals *totals);
char *json_schedule(struct arena *arena, const struct record *record);   /* {"superslash_schedule": 1, "groups": [...]} */
char *json_group(struct arena *arena, const struct record_group *group); /* an entry of that array */
char *json_mapping(struct arena *arena, const struct mapping *mapping);

#endif
