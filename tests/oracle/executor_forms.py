"""The data of a layer in the order of its loops: I [n, g, c, d, h, w], W [g, m, c, kd, kh, kw], O [n, g, m, d, h, w].

    form = form_of(model, node)
    form.sizes, form.axes                   the nest, by DIMS, and one Axis for each of od, oh, ow
    form.input(x), form.weight(w)           arrays of the node's operands, reordered
    form.output(y), form.tensor(o, shape)   an array of the output's shape (or of a pool's behind it) reordered, and back
    touched(axis, outputs)                  the inputs that these outputs hold along an axis
    taps(axis, outputs)                     [outputs, kernel]: the input of each tap, -1 where there is none
"""
import math

import numpy as np

from machine import CONVS, LAYERS, NESTS, POOLS, ONE, Wrong, attribute, pool_axes, spatial


def touched(axis, outputs):
    """Each window counts from its first to its last tap, inside the plane; in order."""
    extent = (axis.kernel - 1) * axis.dilation + 1
    if axis.transposed:
        first = np.arange(axis.plane) * axis.stride - axis.pad
        return np.flatnonzero(np.isin(first[:, None] + np.arange(extent), outputs).any(axis=1))
    inputs = np.unique((outputs * axis.stride - axis.pad)[:, None] + np.arange(extent))
    return inputs[(inputs >= 0) & (inputs < axis.plane)]


def taps(axis, outputs):
    steps = np.arange(axis.kernel) * axis.dilation
    if axis.transposed:
        steps = (outputs + axis.pad)[:, None] - steps
        inputs = np.where(steps % axis.stride, -1, steps // axis.stride)
    else:
        inputs = (outputs * axis.stride - axis.pad)[:, None] + steps
    return np.where((inputs >= 0) & (inputs < axis.plane), inputs, -1)


class ConvForm:
    def __init__(self, model, node):
        y = model.shape(node.output[0])
        self.rank = len(y) - 2
        if node.op_type in POOLS:
            self.sizes, self.axes = (y[0], y[1], 1, 1, *spatial(y[2:], 1)), spatial(pool_axes(model, node), ONE)
        else:
            self.sizes, self.axes = NESTS[node.op_type](model, node)
        self.groups, self.m, self.c = self.sizes[1:4]
        self.transposed = node.op_type == "ConvTranspose"

    def input(self, x):
        return x.reshape(x.shape[0], self.groups, self.c, *spatial(x.shape[2:], 1))

    def weight(self, w):
        kernel = spatial(w.shape[2:], 1)
        if self.transposed:
            return w.reshape(self.groups, self.c, self.m, *kernel).swapaxes(1, 2)
        return w.reshape(self.groups, self.m, self.c, *kernel)

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
    if node.op_type in CONVS or node.op_type in POOLS:
        return ConvForm(model, node)
    if node.op_type in LAYERS:
        return {"Gemm": GemmForm, "MatMul": MatMulForm}[node.op_type](model, node)
    raise Wrong(f"a mapping for a {node.op_type}")
