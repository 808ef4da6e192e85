/* What recovery did, as the report says it. */
#ifndef SS_RECORD_RECOVERY_H
#define SS_RECORD_RECOVERY_H

#include "passes/job.h"

/* job->record.recovery; NULL where nothing was solved again. */
void record_recovery_of(struct job *job);

#endif
