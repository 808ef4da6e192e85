/* Gemm and MatMul: products in tiles of the output, each over the whole depth. */
#include <string.h>

#include "eval/blas.h"
#include "eval/broadcast.h"

#include "eval/kernel.h"

enum { GEMM_TILE_ROWS = 64, GEMM_TILE_COLUMNS = 256 };

/* Several products of one shape; product i reads from a + a_at[i], b + b_at[i] and writes to c + i m n. */
struct gemm {
    struct blas_product product;
    const int64_t *a_at, *b_at; /* NULL = one product, at 0 */
    int64_t row_tiles, column_tiles;
};

static void gemm_tile(const void *context, int64_t block, unsigned worker) {
    const struct gemm *gemm = context;
    struct blas_product p = gemm->product;
    const int64_t tiles = gemm->row_tiles * gemm->column_tiles, at = block / tiles;
    const int64_t row = block % tiles / gemm->column_tiles, column = block % tiles % gemm->column_tiles;
    const int64_t first_row = row * GEMM_TILE_ROWS, first_column = column * GEMM_TILE_COLUMNS;
    (void)worker;
    p.a += (gemm->a_at ? gemm->a_at[at] : 0) + first_row * (p.a_turned ? 1 : p.a_row);
    p.b += (gemm->b_at ? gemm->b_at[at] : 0) + first_column * (p.b_turned ? p.b_row : 1);
    p.c += at * p.m * p.n + first_row * p.c_row + first_column;
    p.m = kernel_block(p.m, GEMM_TILE_ROWS, row);
    p.n = kernel_block(p.n, GEMM_TILE_COLUMNS, column);
    blas_multiply(&p);
}

static status gemm_run(struct kernel *kernel, struct gemm *gemm, int64_t products) {
    const struct blas_product *p = &gemm->product;
    if (!blas_fits(p->m) || !blas_fits(p->n) || !blas_fits(p->k)) return kernel_fail(kernel, STATUS_LIMIT, "an axis exceeds 31 bits");
    gemm->row_tiles = kernel_blocks(p->m, GEMM_TILE_ROWS);
    gemm->column_tiles = kernel_blocks(p->n, GEMM_TILE_COLUMNS);
    kernel_parallel(kernel, products * gemm->row_tiles * gemm->column_tiles, (double)products * (double)p->m * (double)p->n * (double)p->k,
                    gemm_tile, gemm);
    return STATUS_OK;
}

/* BLAS wants rows of at least one element. */
static int64_t gemm_row(int64_t columns) { return columns ? columns : 1; }

/* y = c, broadcast to its shape. */
static status gemm_lay(struct kernel *kernel, const struct eval_tensor *c, struct eval_tensor *y) {
    const struct shape *const operand = &c->shape;
    struct broadcast broadcast;
    if (!broadcast_possible(&y->shape, operand)) return kernel_fail(kernel, STATUS_INVALID, "C does not broadcast to the product");
    broadcast_init(&broadcast, &y->shape, &operand, 1);
    const int64_t step = broadcast.strides[0][broadcast.rank - 1];
    for (struct broadcast_walk walk = broadcast_begin(&broadcast, 0, broadcast.elements); walk.count; broadcast_step(&walk))
        for (int64_t i = 0; i < walk.count; i++) y->floats[walk.at + i] = c->floats[walk.offset[0] + i * step];
    return STATUS_OK;
}

/* Y = alpha A' B' + beta C */
status kernel_gemm(struct kernel *kernel) {
    const struct eval_tensor *a = kernel->inputs[0], *b = kernel->inputs[1], *c = kernel_input(kernel, 2);
    struct eval_tensor *y;
    if (!a->floats || !b->floats || (c && !c->floats)) return kernel_fail(kernel, STATUS_UNSUPPORTED, "on %s", type_name(a->shape.type));
    status result = kernel_output(kernel, 0, &y);
    if (result == STATUS_OK && c) result = gemm_lay(kernel, c, y);
    if (result != STATUS_OK) return result;
    struct gemm gemm = {.product = {.a_turned = node_int(kernel->node, "transA", 0) != 0,
                                    .b_turned = node_int(kernel->node, "transB", 0) != 0,
                                    .m = y->shape.dims[0],
                                    .n = y->shape.dims[1],
                                    .alpha = node_float(kernel->node, "alpha", 1),
                                    .beta = c ? node_float(kernel->node, "beta", 1) : 0,
                                    .a = a->floats,
                                    .b = b->floats,
                                    .c = y->floats,
                                    .a_row = gemm_row(a->shape.dims[1]),
                                    .b_row = gemm_row(b->shape.dims[1]),
                                    .c_row = gemm_row(y->shape.dims[1])}};
    gemm.product.k = a->shape.dims[gemm.product.a_turned ? 0 : 1];
    return gemm_run(kernel, &gemm, 1);
}

/* ---- MatMul ---- */

/* As matrices: a vector on the left is a row, on the right a column. */
static struct shape gemm_matrix(const struct shape *shape, bool is_right) {
    struct shape matrix = *shape;
    if (shape->rank != 1) return matrix;
    matrix.rank = 2;
    matrix.dims[0] = is_right ? shape->dims[0] : 1;
    matrix.dims[1] = is_right ? 1 : shape->dims[0];
    return matrix;
}

/* Where each product's operands start: the axes before the last two, broadcast. */
static int64_t gemm_offsets(struct kernel *kernel, const struct shape *a, const struct shape *b, int64_t **a_at, int64_t **b_at) {
    struct shape batch = {.known = true}, a_batch = *a, b_batch = *b;
    const struct shape *const operands[] = {&a_batch, &b_batch};
    struct broadcast broadcast;
    a_batch.rank = a->rank - 2;
    b_batch.rank = b->rank - 2;
    batch.rank = a_batch.rank > b_batch.rank ? a_batch.rank : b_batch.rank;
    for (uint32_t i = 0; i < batch.rank; i++) {
        const int64_t da = i < a_batch.rank ? a_batch.dims[a_batch.rank - 1 - i] : 1,
                      db = i < b_batch.rank ? b_batch.dims[b_batch.rank - 1 - i] : 1;
        batch.dims[batch.rank - 1 - i] = da == 1 ? db : da;
    }
    broadcast_init(&broadcast, &batch, operands, 2);
    *a_at = ARENA_ARRAY(kernel->scratch, int64_t, broadcast.elements);
    *b_at = ARENA_ARRAY(kernel->scratch, int64_t, broadcast.elements);
    const int64_t a_step = broadcast.strides[0][broadcast.rank - 1], b_step = broadcast.strides[1][broadcast.rank - 1];
    for (struct broadcast_walk walk = broadcast_begin(&broadcast, 0, broadcast.elements); walk.count; broadcast_step(&walk))
        for (int64_t i = 0; i < walk.count; i++) {
            (*a_at)[walk.at + i] = (walk.offset[0] + i * a_step) * kernel_product(a, a->rank - 2, a->rank);
            (*b_at)[walk.at + i] = (walk.offset[1] + i * b_step) * kernel_product(b, b->rank - 2, b->rank);
        }
    return broadcast.elements;
}

static status gemm_integers(struct kernel *kernel, const struct gemm *gemm, int64_t products, struct eval_tensor *y) {
    const struct blas_product *p = &gemm->product;
    const int64_t *a = kernel->inputs[0]->integers, *b = kernel->inputs[1]->integers;
    for (int64_t at = 0; at < products; at++)
        for (int64_t i = 0; i < p->m * p->n; i++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < p->k; k++)
                sum += (uint64_t)a[gemm->a_at[at] + i / p->n * p->k + k] * (uint64_t)b[gemm->b_at[at] + k * p->n + i % p->n];
            y->integers[at * p->m * p->n + i] = kernel_wrapped(y->shape.type, (int64_t)sum);
        }
    return STATUS_OK;
}

status kernel_matmul(struct kernel *kernel) {
    const struct eval_tensor *left = kernel->inputs[0], *right = kernel->inputs[1];
    struct eval_tensor *y;
    if (!left->shape.rank || !right->shape.rank) return kernel_fail(kernel, STATUS_INVALID, "an operand has no axes");
    if (!!left->floats != !!right->floats) return kernel_fail(kernel, STATUS_UNSUPPORTED, "operands of different types");
    const status result = kernel_output(kernel, 0, &y);
    if (result != STATUS_OK) return result;
    struct shape a = gemm_matrix(&left->shape, false);
    const struct shape b = gemm_matrix(&right->shape, true);
    if (b.rank == 2) { /* one matrix for all: the rows of all products are one matrix's */
        a.dims[0] = kernel_product(&a, 0, a.rank - 1);
        a.dims[1] = a.dims[a.rank - 1];
        a.rank = 2;
    }
    int64_t *a_at, *b_at;
    const int64_t m = a.dims[a.rank - 2], n = b.dims[b.rank - 1], k = a.dims[a.rank - 1];
    const int64_t products = gemm_offsets(kernel, &a, &b, &a_at, &b_at);
    struct gemm gemm = {.product = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .alpha = 1,
                                    .a = left->floats,
                                    .b = right->floats,
                                    .c = y->floats,
                                    .a_row = gemm_row(k),
                                    .b_row = gemm_row(n),
                                    .c_row = gemm_row(n)},
                        .a_at = a_at,
                        .b_at = b_at};
    return y->floats ? gemm_run(kernel, &gemm, products) : gemm_integers(kernel, &gemm, products, y);
}
