/* float32 rounded to what a narrower float holds, halves to even. */
#ifndef SS_EVAL_NARROW_H
#define SS_EVAL_NARROW_H

#include "ir/ir.h"

/* FLOAT and DOUBLE leave it as it is. */
float narrow_float(enum data_type type, float number);

#endif
