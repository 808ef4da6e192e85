#include "oracle/published.h"

static double up(int64_t whole, int64_t part) {
    double parts = 0;
    for (int64_t from = 0; from < whole; from += part) parts += 1;
    return parts;
}

double oracle_superslash(const struct nest *nest, int64_t on_chip_bytes, enum published_strategy strategy, struct published_tile tile) {
    const int64_t M = nest->size[DIM_M], N = nest->size[DIM_C], R = nest->size[DIM_OH], C = nest->size[DIM_OW];
    const double K2 = (double)(nest->axis[1].kernel * nest->axis[2].kernel), S2 = (double)(nest->axis[1].stride * nest->axis[2].stride);
    const double P2 = (double)(nest->axis[1].pool * nest->axis[2].pool);
    const double Tm = (double)tile.m, Tn = (double)tile.c, Tr = (double)tile.oh, Tc = (double)tile.ow;
    if (2 * (P2 * S2 * Tr * Tc * Tn + Tr * Tc * Tm + P2 * K2 * Tm * Tn) > P2 * (double)on_chip_bytes) return -1;
    const double eI = (double)(N * R * R) * S2, eW = K2 * (double)(M * N), eO = (double)(M * R * R) / P2;
    double words = 0;
    if (strategy == STRATEGY_IRO) words = eI + eW * up(R, tile.oh) * up(C, tile.ow) + eO * (2 * up(N, tile.c) - 1);
    if (strategy == STRATEGY_ORO) words = eI * up(M, tile.m) + eW * up(R, tile.oh) * up(C, tile.ow) + eO;
    if (strategy == STRATEGY_WRO) words = eI * up(M, tile.m) + eW + eO * (2 * up(N, tile.c) - 1);
    return 2 * words;
}

double oracle_smartshuttle(const struct nest *nest, const struct compression *factor, int64_t on_chip_bytes, uint32_t bits,
                           enum published_strategy strategy, struct published_tile tile) {
    const int64_t N = nest->size[DIM_M], C = nest->size[DIM_C], H = nest->size[DIM_OH], W = nest->size[DIM_OW];
    const double B = (double)nest->size[DIM_N], K2 = (double)(nest->axis[1].kernel * nest->axis[2].kernel);
    const double n = (double)tile.m, c = (double)tile.c, h = (double)tile.oh, w = (double)tile.ow;
    const double rows = (double)nest->axis[1].stride * (h - 1) + (double)((nest->axis[1].kernel - 1) * nest->axis[1].dilation + 1);
    const double columns = (double)nest->axis[2].stride * (w - 1) + (double)((nest->axis[2].kernel - 1) * nest->axis[2].dilation + 1);
    if ((c * rows * columns + n * h * w + n * c * K2) * bits > (double)on_chip_bytes * 8) return -1;
    const double weight = (double)(N * C) * K2, output = B * (double)(N * H * W);
    const double input = B * (double)C * rows * columns * ((double)H / h) * ((double)W / w);
    const double spills = 2 * up(C, tile.c) - 1, plane = up(H, tile.oh) * up(W, tile.ow);
    double elems = 0;
    if (strategy == STRATEGY_IRO) elems = factor->weight * weight * B * plane + factor->input * input + factor->output * output * spills;
    if (strategy == STRATEGY_ORO)
        elems = factor->weight * weight * B * plane + factor->input * input * up(N, tile.m) + factor->output * output;
    if (strategy == STRATEGY_WRO)
        elems = factor->weight * weight + factor->input * input * up(N, tile.m) + factor->output * output * spills;
    return elems * bits / 8;
}

double oracle_published(const struct nest *nest, const struct compression *factor, int64_t on_chip_bytes, uint32_t bits,
                        enum published_strategy strategy) {
    double least = -1;
    struct published_tile tile;
    for (tile.m = 1; tile.m <= nest->size[DIM_M]; tile.m++)
        for (tile.c = 1; tile.c <= nest->size[DIM_C]; tile.c++)
            for (tile.oh = 1; tile.oh <= nest->size[DIM_OH]; tile.oh++)
                for (tile.ow = 1; tile.ow <= nest->size[DIM_OW]; tile.ow++) {
                    const double bytes = factor ? oracle_smartshuttle(nest, factor, on_chip_bytes, bits, strategy, tile)
                                                : oracle_superslash(nest, on_chip_bytes, strategy, tile);
                    if (bytes >= 0 && (least < 0 || bytes < least)) least = bytes;
                }
    return least;
}
