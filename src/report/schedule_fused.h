/* What schedule.c and schedule_fused.c share. */
#ifndef SS_REPORT_SCHEDULE_FUSED_H
#define SS_REPORT_SCHEDULE_FUSED_H

#include "report/parse.h"
#include "report/schedule.h"

/* The members of a group that is fused; its id and nodes are read already. */
status schedule_read_fused(const struct parse *parse, json_t *object, const struct schedule_fused **fused);

#endif
