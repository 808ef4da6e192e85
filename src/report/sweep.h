/* A sweep for programs and for the eye: every step as CSV, the curve as SVG. Of a record with a sweep; texts live in the arena. */
#ifndef SS_REPORT_SWEEP_H
#define SS_REPORT_SWEEP_H

#include "report/record.h"

/* A header, the start of the range, then every knee. An offchip_bytes that is empty: a layer does not fit. */
char *csv_sweep(struct arena *arena, const struct record *record);

/* Capacity on a log2 axis; bytes on a linear one, or on a log2 one where they span more than a factor of 8. */
char *svg_sweep(struct arena *arena, const struct record *record);

/* The knees that save most, largest first, of equal ones the smaller capacity; returns how many. */
uint32_t sweep_largest(const struct record_sweep *sweep, const struct record_knee **knees, uint32_t limit);

#endif
