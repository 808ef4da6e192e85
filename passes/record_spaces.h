/* Spaces as rows of the record: what each has, what is left of it, what it saves. */
#ifndef SS_RECORD_SPACES_H
#define SS_RECORD_SPACES_H

#include "passes/job.h"

/* Of the graph as it is; widths may be NULL where no savings are wanted. */
struct widths;
void record_spaces(struct job *job, struct widths *widths, const struct record_space **rows, uint32_t *count);

/* The same after pruning, from the spaces as they were: kept from the plan, savings from the ranking where there was one. */
void record_pruned_spaces(const struct job *job, const struct record_space *rows, uint32_t count, struct record *record);

/* "256 -> 173" for every layer whose output is narrower than before, and the summary of what pruning did. */
void record_pruning_of(struct job *job);

#endif
