/* Slices of plans compared. */
#ifndef SS_PLAN_SLICES_H
#define SS_PLAN_SLICES_H

#include <stdbool.h>

#include "report/plan.h"

bool plan_slices_equal(const struct plan_slice *a, const struct plan_slice *b);

#endif
