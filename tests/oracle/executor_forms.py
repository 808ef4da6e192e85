"""The data of a layer in the order of its loops: I [n, g, c, d, h, w], W [g, m, c, kd, kh, kw], O [n, g, m, d, h, w].

    form = form_of(model, node)
    form.sizes, form.axes                   the nest, by DIMS, and one Axis for each of od, oh, ow
    form.input(x), form.weight(w)           arrays of the node's operands, reordered
    form.output(y), form.tensor(o, shape)   an array of the output's shape (or of a pool's behind it) reordered, and back
"""
import math

from machine import LAYERS, ONE, POOLS, Wrong, attribute, axes_of, pool_axes, spatial

import numpy as np


class ConvForm:
    def __init__(self, model, node):
        x, y = model.shape(node.input[0]), model.shape(node.output[0])
        self.rank = len(y) - 2
        if node.op_type in POOLS:
            self.groups, self.m, self.c = y[1], 1, 1
            axes = pool_axes(model, node)
        else:
            w = model.shape(node.input[1])
            self.groups, self.c = x[1] // w[1], w[1]
            self.m = w[0] // self.groups
            axes = axes_of(node, x[2:], w[2:], y[2:])
        self.axes = spatial(axes, ONE)
        self.sizes = (y[0], self.groups, self.m, self.c, *spatial(y[2:], 1))

    def input(self, x):
        return x.reshape(x.shape[0], self.groups, self.c, *spatial(x.shape[2:], 1))

    def weight(self, w):
        return w.reshape(self.groups, self.m, self.c, *spatial(w.shape[2:], 1))

    def output(self, y):
        return y.reshape(y.shape[0], self.groups, self.m, *spatial(y.shape[2:], 1))

    def tensor(self, o, shape):
        return o.reshape(shape)


class GemmForm:
    def __init__(self, model, node):
        self.across_a, self.across_b = attribute(node, "transA", 0), attribute(node, "transB", 0)
        rows, k = model.shape(node.input[0])[::-1 if self.across_a else 1]
        m = model.shape(node.input[1])[0 if self.across_b else 1]
        self.sizes, self.axes = (1, 1, m, k, 1, rows, 1), (ONE, ONE._replace(plane=rows, pooled=rows), ONE)

    def input(self, a):
        k_first = a if self.across_a else a.T
        return k_first[None, None, :, None, :, None]

    def weight(self, b):
        return (b if self.across_b else b.T)[None, :, :, None, None, None]

    def output(self, y):
        return y.T[None, None, :, None, :, None]

    def tensor(self, o, shape):
        return o[0, 0, :, 0, :, 0].T.reshape(shape)


class MatMulForm:
    """Batch dims that only A has are n, that both have g, that only B has belong to m."""

    def __init__(self, model, node):
        a, b = list(model.shape(node.input[0])), list(model.shape(node.input[1]))
        a, b = [1] * (len(a) == 1) + a, b + [1] * (len(b) == 1)
        rank = max(len(a), len(b))
        self.a, self.b = [1] * (rank - len(a)) + a, [1] * (rank - len(b)) + b
        batch = list(zip(self.a[:-2], self.b[:-2]))
        self.n = [i for i, (p, q) in enumerate(batch) if p > 1 and q == 1]
        self.g = [i for i, (p, q) in enumerate(batch) if p > 1 and q > 1]
        self.others = [i for i, (p, q) in enumerate(batch) if p == 1]
        self.y = [max(p, q) for p, q in batch] + [self.a[-2], self.b[-1]]
        self.order = self.n + self.g + self.others + [rank - 1, rank - 2]
        extent = lambda dims: math.prod(self.y[i] for i in dims)
        rows = self.a[-2]
        self.sizes = (extent(self.n), extent(self.g), extent(self.others) * self.b[-1], self.a[-1], 1, rows, 1)
        self.axes = (ONE, ONE._replace(plane=rows, pooled=rows), ONE)

    def input(self, a):
        n, g, _, c, _, rows, _ = self.sizes
        return a.reshape(self.a).transpose(self.order).reshape(n, g, c, 1, rows, 1)

    def weight(self, b):
        _, g, m, c = self.sizes[:4]
        return b.reshape(self.b).transpose(self.order).reshape(g, m, c, 1, 1, 1)

    def output(self, y):
        n, g, m, _, _, rows, _ = self.sizes
        return y.reshape(self.y).transpose(self.order).reshape(n, g, m, 1, rows, 1)

    def tensor(self, o, shape):
        ordered = o.reshape([self.y[i] for i in self.order])
        return ordered.transpose(np.argsort(self.order)).reshape(shape)


def form_of(model, node):
    if node.op_type == "Conv" or node.op_type in POOLS:
        return ConvForm(model, node)
    if node.op_type in LAYERS:
        return {"Gemm": GemmForm, "MatMul": MatMulForm}[node.op_type](model, node)
    raise Wrong(f"a mapping for a {node.op_type}")
