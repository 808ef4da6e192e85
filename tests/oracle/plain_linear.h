/* Least squares written from the definitions, in float64, without BLAS: what src/eval's moments, ridge and eliminate must agree with. */
#ifndef SS_ORACLE_PLAIN_LINEAR_H
#define SS_ORACLE_PLAIN_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

/* Gaussian elimination with row pivoting: a: [d, d], right: [d, m] becomes the solution. Both are destroyed. False where singular. */
bool plain_solve(double *a, double *right, uint32_t d, uint32_t m);

/* min over V with V[:, gone] = 0 of tr((V - W) H (V - W)^T). h: [d, d], weights: [m, d]; solved: [m, d] = that V, or NULL. */
double plain_removal_loss(const double *h, const double *weights, uint32_t d, uint32_t m, const bool *gone, double *solved);

#endif
