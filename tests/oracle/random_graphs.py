"""Small random ONNX graphs for property tests.

    python tests/oracle/random_graphs.py --seed 1 [--graphs 500] [--out FOLDER]

build(seed) -> (model, features). Channels 2-24, planes 4-12, opset 13-18, activations O(1), the same seed the same bytes. Each graph begins
with a convolution whose filters can go, and draws blocks that set features: every name in FEATURES is in at least a tenth of any few
hundred consecutive seeds. Run as a program, it builds, checks and runs graphs and prints the count of each feature and operator.
"""
import argparse
import collections
import pathlib
import random
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FEATURES = ("residual", "concat", "depthwise", "grouped", "flatten-gemm", "shared-weight", "channel-pad", "se-gate", "shuffle", "conv-transpose", "qdq")
ACTIVATIONS = ("Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish")


class Graph:
    def __init__(self, seed):
        self.pick, self.rng = random.Random(seed), np.random.default_rng(seed)
        self.opset = self.pick.choice((13, 14, 15, 17, 18))
        self.nodes, self.tensors, self.shapes, self.features = [], [], {}, set()
        self.batch = self.pick.choice((None, None, 1, 2))

    def name(self, base):
        return f"{base}_{len(self.nodes) + len(self.tensors)}"

    def chance(self, share):
        return self.pick.random() < share

    # constants

    def constant(self, base, array, dtype=np.float32, node_allowed=False):
        name, tensor = self.name(base), None
        tensor = numpy_helper.from_array(np.ascontiguousarray(np.asarray(array, dtype)), name)
        if node_allowed and self.chance(0.15):
            self.nodes.append(helper.make_node("Constant", [], [name], name + "_node", value=tensor))
            self.features.add("constant-node")
        else:
            self.tensors.append(tensor)
        return name

    def weight(self, shape, fan_in):
        return self.constant("w", self.rng.standard_normal(shape) * np.sqrt(2 / fan_in), node_allowed=True)

    def per_channel(self, base, count, around=0.0, spread=0.3):
        return self.constant(base, around + spread * self.rng.uniform(-1, 1, count))

    # nodes

    def add(self, op, inputs, shape, **attributes):
        output = self.name(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [output], output + "_node" if self.chance(0.9) else "", **attributes))
        self.shapes[output] = tuple(shape)
        return output

    def conv(self, x, m, kernel=None, stride=1, pad=None, dilation=1, group=1, weight=None, bias=None):
        c, h, w = self.shapes[x]
        kernel = kernel or (1 if min(h, w) < 3 else self.pick.choice((1, 3, 3)))
        pad = (kernel - 1) * dilation // 2 if pad is None else pad
        inputs = [x, weight or self.weight((m, c // group, kernel, kernel), c // group * kernel * kernel)]
        if self.chance(0.5) if bias is None else bias:
            inputs.append(self.per_channel("b", m))
        out = [(v + 2 * pad - (kernel - 1) * dilation - 1) // stride + 1 for v in (h, w)]
        return self.add("Conv", inputs, (m, *out), kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, dilations=[dilation] * 2, group=group)

    def norm(self, x):
        m = self.shapes[x][0]
        inputs = [x, self.per_channel("scale", m, 1), self.per_channel("shift", m), self.per_channel("mean", m), self.per_channel("var", m, 1)]
        return self.add("BatchNormalization", inputs, self.shapes[x], epsilon=1e-5)

    def activation(self, x, op=None):
        op = op or self.pick.choices(ACTIVATIONS, (8, 2, 1, 1, 2))[0]
        op = "Relu" if op == "HardSwish" and self.opset < 14 else op
        inputs = [x, self.constant("low", 0), self.constant("high", 6)] if op == "Clip" else [x]
        return self.add(op, inputs, self.shapes[x])

    def layer(self, x, m, **options):
        """Convolution, often with BatchNormalization, often with an activation."""
        x = self.conv(x, m, **options)
        x = self.norm(x) if self.chance(0.5) else x
        return self.activation(x) if self.chance(0.8) else x

    def width(self):
        return self.pick.randint(3, 16)

    # blocks: value -> value, both [C, H, W]

    def plain(self, x):
        c, h, w = self.shapes[x]
        kind = self.pick.randrange(4)
        if kind == 0 and min(h, w) >= 6:
            return self.layer(x, self.width(), kernel=3, stride=2, pad=self.pick.randint(0, 1))
        if kind == 1 and min(h, w) >= 6:
            return self.layer(x, self.width(), kernel=3, dilation=2, pad=self.pick.randint(1, 2))
        return self.layer(x, self.width())

    def residual(self, x):
        self.features.add("residual")
        c = self.shapes[x][0]
        for _ in range(self.pick.randint(1, 2)):
            y = self.conv(self.layer(x, self.width()), c)
            x = self.add("Add", [y, x] if self.chance(0.5) else [x, y], self.shapes[x])
            x = self.activation(x) if self.chance(0.7) else x
        return x

    def concat(self, x):
        self.features.add("concat")
        parts = [self.layer(x, self.pick.randint(2, 8)) for _ in range(self.pick.randint(2, 3))]
        if self.chance(0.3):
            parts.insert(self.pick.randrange(len(parts) + 1), x)
        total = sum(self.shapes[p][0] for p in parts)
        x = self.add("Concat", parts, (total, *self.shapes[x][1:]), axis=self.pick.choice((1, -3)))
        return self.norm(x) if self.chance(0.4) else x

    def depthwise(self, x):
        self.features.add("depthwise")
        c, h, w = self.shapes[x]
        m = c * (2 if c <= 8 and self.chance(0.25) else 1)
        return self.layer(x, m, kernel=3 if min(h, w) >= 3 else 1, group=c, stride=2 if min(h, w) >= 8 and self.chance(0.3) else 1)

    def grouped(self, x):
        self.features.add("grouped")
        group = self.pick.choice((2, 2, 3))
        x = self.layer(x, group * self.pick.randint(2, 5))
        return self.layer(x, group * self.pick.randint(2, 5), group=group)

    def shared(self, x):
        self.features.add("shared-weight")
        c, (h, w) = self.width(), self.shapes[x][1:]
        kernel = 3 if min(h, w) >= 3 else 1
        shared = self.weight((c, c, kernel, kernel), c * kernel * kernel)
        a = self.layer(x, c)
        if self.chance(0.5):
            return self.activation(self.conv(self.activation(self.conv(a, c, kernel, weight=shared)), c, kernel, weight=shared))
        b = self.layer(x, c)
        a, b = (self.conv(v, c, kernel, weight=shared) for v in (a, b))
        if self.chance(0.5):
            return self.add("Add", [a, b], self.shapes[a])
        return self.add("Concat", [a, b], (2 * c, h, w), axis=1)

    def channel_pad(self, x):
        """The shortcut of a CIFAR ResNet: every second pixel, zero channels on both sides."""
        self.features.add("channel-pad")
        c, h, w = self.shapes[x]
        before, after = self.pick.randint(0, 3), self.pick.randint(1, 3)
        stride, skip = (2 if min(h, w) >= 4 else 1), x
        m = c + before + after
        if stride == 2:
            bounds = [self.constant("bound", v, np.int64) for v in ([0, 0], [2**31 - 1] * 2, [2, 3], [2, 2])]
            skip = self.add("Slice", [x, *bounds], (c, (h + 1) // 2, (w + 1) // 2))
        skip = self.pad(skip, [0, before, 0, 0, 0, after, 0, 0])
        kernel = 3 if min(h, w) >= 3 else 1
        y = self.conv(self.layer(x, self.width(), kernel=kernel, stride=stride), m)
        return self.activation(self.add("Add", [y, skip], self.shapes[y]))

    def pad(self, x, pads):
        c, h, w = self.shapes[x]
        inputs = [x, self.constant("pads", pads, np.int64)]
        if self.chance(0.3):
            inputs.append(self.constant("value", 0))
        return self.add("Pad", inputs, (c + pads[1] + pads[5], h + pads[2] + pads[6], w + pads[3] + pads[7]), mode="constant")

    def se_gate(self, x):
        self.features.add("se-gate")
        x = self.layer(x, self.width())
        c = self.shapes[x][0]
        if self.chance(0.7):
            gate = self.add("GlobalAveragePool", [x], (c, 1, 1))
        else:
            gate = self.reduce_mean(x, keep=True)
        gate = self.activation(self.conv(gate, self.pick.randint(2, 6), 1, bias=True), "Relu")
        gate = self.activation(self.conv(gate, c, 1, bias=True), self.pick.choice(("Sigmoid", "HardSigmoid")))
        if self.chance(0.3):  # gate.expand_as(x)
            gate = self.add("Expand", [gate, self.add("Shape", [x], (4,))], self.shapes[x])
        return self.add("Mul", [x, gate] if self.chance(0.5) else [gate, x], self.shapes[x])

    def reduce_mean(self, x, keep):
        c = self.shapes[x][0]
        shape, options = (c, 1, 1) if keep else (c,), {"keepdims": int(keep)}
        if self.opset >= 18:
            return self.add("ReduceMean", [x, self.constant("axes", [2, 3], np.int64)], shape, **options)
        return self.add("ReduceMean", [x], shape, axes=[2, 3] if self.chance(0.5) else [-2, -1], **options)

    def pool(self, x):
        c, h, w = self.shapes[x]
        if min(h, w) < 4:
            return self.add("Identity", [x], self.shapes[x])
        kernel, pad = self.pick.choice(((2, 0), (3, 1), (3, 0)))
        shape = (c, *((v + 2 * pad - kernel) // 2 + 1 for v in (h, w)))
        options = {"kernel_shape": [kernel] * 2, "strides": [2, 2], "pads": [pad] * 4}
        if self.chance(0.5):
            return self.add("MaxPool", [x], shape, **options)
        return self.add("AveragePool", [x], shape, **options, count_include_pad=self.pick.randint(0, 1))

    def layout(self, x):
        c, h, w = shape = self.shapes[x]
        kind = self.pick.randrange(5)
        if kind == 0:
            x = self.activation(self.add("Transpose", [x], (h, w, c), perm=[0, 2, 3, 1]))
            return self.add("Transpose", [x], shape, perm=[0, 3, 1, 2])
        if kind == 1:
            m = self.width()
            x = self.add("Transpose", [x], (h, w, c), perm=[0, 2, 3, 1])
            x = self.add("MatMul", [x, self.weight((c, m), c)], (h, w, m))
            x = self.add("Add", [x, self.per_channel("b", m)], (h, w, m))
            return self.add("Transpose", [x], (m, h, w), perm=[0, 3, 1, 2])
        if kind == 2:
            x = self.add("Reshape", [x, self.constant("shape", [0, c, -1], np.int64)], (c, h * w))
            x = self.activation(x)
            return self.add("Reshape", [x, self.constant("shape", [0, c, h, w], np.int64)], shape)
        if kind == 3:
            x = self.add("Unsqueeze", [x, self.constant("axes", [1], np.int64)], (1, c, h, w))
            x = self.activation(x)
            return self.add("Squeeze", [x, self.constant("axes", [1], np.int64)], shape)
        return self.add(self.pick.choice(("Identity", "Dropout")), [x], shape)

    def part(self, x):
        """A contiguous slice of channels, or both halves swapped."""
        c, h, w = self.shapes[x]
        if c < 4:
            return x
        middle = self.pick.randint(1, c - 1)

        def channels(begin, end):
            bounds = [self.constant("bound", v, np.int64) for v in ([begin], [end], [1])]
            return self.add("Slice", [x, *bounds], (end - begin, h, w))

        if self.chance(0.5):
            return channels(0, middle) if middle >= 2 else channels(middle, c)
        return self.add("Concat", [channels(middle, c), channels(0, middle)], (c, h, w), axis=1)

    def scale(self, x):
        c = self.shapes[x][0]
        constant = self.constant("per_channel", self.rng.uniform(0.5, 1.5, (c, 1, 1)), node_allowed=True)
        return self.add(self.pick.choice(("Mul", "Add")), [x, constant], self.shapes[x])

    def product(self, x):
        c = self.width()
        a, b = self.layer(x, c), self.activation(self.conv(x, c), "Sigmoid")
        a = self.layer(x, c, kernel=1) if self.shapes[a] != self.shapes[b] else a
        return self.add("Mul", [a, b], self.shapes[b])

    def blocks(self, x):
        """Blocks of 2 x 2 become channels, and back; or channels become blocks."""
        c, h, w = self.shapes[x]
        if h % 2 == 0 and w % 2 == 0:
            c = self.pick.randint(2, 6)
            x = self.add("SpaceToDepth", [self.layer(x, c)], (4 * c, h // 2, w // 2), blocksize=2)
            return self.layer(x, self.width()) if self.chance(0.5) else self.activation(x)
        if max(h, w) > 12:
            return x
        x = self.layer(x, 4 * self.pick.randint(2, 4))
        c, h, w = self.shapes[x]
        return self.add("DepthToSpace", [x], (c // 4, 2 * h, 2 * w), blocksize=2, mode=self.pick.choice(("DCR", "CRD")))

    def size(self, x, axis):
        """One dim of x, as exporters compute it."""
        return self.add("Gather", [self.add("Shape", [x], (4,)), self.constant("axis", [axis], np.int64)], (1,), axis=0)

    def shape_list(self, parts):
        """Numbers, and what is computed, joined into a shape."""
        parts = [self.constant("dim", [p], np.int64) if isinstance(p, int) else p for p in parts]
        return self.add("Concat", parts, (len(parts),), axis=0)

    def shuffle(self, x):
        """Channels in groups, turned, and back; the sizes are numbers, or computed from the sizes of x."""
        self.features.add("shuffle")
        group = self.pick.choice((2, 3))
        x = self.layer(x, group * self.pick.randint(2, 5))
        c, h, w = self.shapes[x]
        if self.chance(0.3):
            apart, together = (self.constant("shape", v, np.int64) for v in ([0, group, c // group, h, w], [0, c, h, w]))
        else:
            batch, own = self.size(x, 0), self.size(x, 1)
            part = self.add("Div", [own, self.constant("groups", [group], np.int64)], (1,))
            apart = self.shape_list([batch, group, part, h, w])
            back = self.add("Mul", [part, self.constant("groups", [group], np.int64)], (1,))
            together = self.shape_list([batch, self.pick.choice((c, -1, own, back)), h, w])
        x = self.add("Reshape", [x, apart], (group, c // group, h, w))
        x = self.add("Transpose", [x], (c // group, group, h, w), perm=[0, 2, 1, 3, 4])
        return self.add("Reshape", [x, together], (c, h, w))

    def chunk(self, x):
        """Half of the channels goes through a layer, as exporters write x.chunk(2, 1): the bounds are computed."""
        x = self.layer(x, 2 * self.pick.randint(2, 5))
        c, h, w = self.shapes[x]
        one, two = (self.constant("number", [v], np.int64) for v in (1, 2))
        up = self.add("Add", [self.add("Gather", [self.add("Shape", [x], (4,)), one], (1,), axis=0), one], (1,))
        half = self.add("Div", [up, two], (1,))
        bounds = [self.constant("zero", [0], np.int64)] + [self.add("Mul", [half, v], (1,)) for v in (one, two)]
        a, b = (self.add("Slice", [x, bounds[i], bounds[i + 1], one], (c // 2, h, w)) for i in (0, 1))
        b = self.layer(b, self.pick.randint(2, 8)) if min(h, w) < 3 else self.layer(b, c // 2, kernel=3)
        return self.add("Concat", [a, b], (c // 2 + self.shapes[b][0], h, w), axis=1)

    def resize(self, x):
        c, h, w = self.shapes[x]
        if max(h, w) > 9:
            return x
        if self.chance(0.5):
            return self.add("Resize", [x, "", self.constant("scales", [1, 1, 2, 2])], (c, 2 * h, 2 * w), mode="nearest")
        return self.add("Resize", [x, "", "", self.constant("sizes", [self.batch, c, 8, 9], np.int64)], (c, 8, 9), mode="nearest") if self.batch else x

    def spread(self, x):
        """A ConvTranspose: whole, or depthwise."""
        self.features.add("conv-transpose")
        while max(self.shapes[x][1:]) > 7:
            x = self.layer(x, self.width(), kernel=3, stride=2, pad=1)
        c, h, w = self.shapes[x]
        kernel, stride, group = self.pick.choice((2, 3, 4)), self.pick.choice((1, 2, 2)), self.pick.choice((1, 1, c))
        m = c if group == c else self.width()
        begin, end = self.pick.randint(0, kernel // 2), self.pick.randint(0, kernel // 2)
        inputs = [x, self.weight((c, m // group, kernel, kernel), m // group * kernel * kernel)] + ([self.per_channel("b", m)] if self.chance(0.5) else [])
        begin, end = (begin, end) if min(h, w) > 1 else (0, 0)
        out = [(v - 1) * stride + kernel - begin - end for v in (h, w)]
        y = self.add("ConvTranspose", inputs, (m, *out), kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[begin] * 2 + [end] * 2, group=group)
        y = self.norm(y) if self.chance(0.4) else y
        return self.activation(y) if self.chance(0.7) else y

    def border(self, x):
        _, h, w = self.shapes[x]
        return self.pad(x, [0, 0, 1, 1, 0, 0, self.pick.randint(0, 1), 1]) if max(h, w) <= 11 else x

    # ends: value -> value [features] or [C, H, W]

    def gemm(self, x, m):
        c = self.shapes[x][0]
        if self.chance(0.3):
            y = self.add("MatMul", [x, self.weight((c, m), c)], (m,))
            return self.add("Add", [y, self.per_channel("b", m)], (m,))
        across = self.pick.randint(0, 1)
        inputs = [x, self.weight((m, c) if across else (c, m), c)] + ([self.per_channel("b", m)] if self.chance(0.7) else [])
        return self.add("Gemm", inputs, (m,), **({"transB": 1} if across else {}))

    def flatten_gemm(self, x):
        self.features.add("flatten-gemm")
        c, h, w = self.shapes[x]
        if self.chance(0.7):
            x = self.add("Flatten", [x], (c * h * w,), axis=1)
        else:
            x = self.add("Reshape", [x, self.constant("shape", [0, c * h * w] if self.chance(0.5) else [0, -1], np.int64)], (c * h * w,))
        return self.classifier(x)

    def classifier(self, x):
        if self.chance(0.6):
            x = self.activation(self.gemm(x, self.pick.randint(4, 20)), "Relu")
        x = self.gemm(x, self.pick.randint(2, 10))
        return self.add("Softmax", [x], self.shapes[x], axis=self.pick.choice((1, -1))) if self.chance(0.1) else x

    def end(self, x):
        kind = self.pick.randrange(4)
        c = self.shapes[x][0]
        if kind == 0:
            return self.conv(x, self.width())
        if kind == 1:
            return self.classifier(self.reduce_mean(x, keep=False))
        if kind == 2:
            x = self.add("GlobalAveragePool", [x], (c, 1, 1))
            x = self.add("Squeeze", [x, self.constant("axes", [2, 3], np.int64)], (c,))
            return self.classifier(x)
        x = self.add("GlobalAveragePool", [x], (c, 1, 1))
        return self.classifier(self.add("Flatten", [x], (c,), axis=1))

    # the whole

    def body(self, wanted):
        c, h, w = self.pick.randint(1, 4), self.pick.randint(6, 12), self.pick.randint(6, 12)
        self.shapes["x"] = (c, h, w)
        makers = {"residual": self.residual, "concat": self.concat, "depthwise": self.depthwise, "grouped": self.grouped,
                  "shared-weight": self.shared, "channel-pad": self.channel_pad, "se-gate": self.se_gate,
                  "shuffle": self.shuffle, "conv-transpose": self.spread}
        blocks = [makers[f] for f in sorted(wanted) if f in makers]
        others = [self.plain, self.pool, self.pool, self.layout, self.layout, self.layout, self.part, self.scale, self.product, self.border, self.blocks, self.resize, self.chunk, *makers.values()]
        blocks += [self.pick.choice(others) for _ in range(self.pick.randint(1, 4))]
        self.pick.shuffle(blocks)
        x = self.layer("x", self.width())
        for block in blocks:
            x = block(x)
            while self.shapes[x][0] > 24:
                x = self.layer(x, self.width())
        output = self.flatten_gemm(x) if "flatten-gemm" in wanted else self.end(x)
        batch = self.batch or "N"
        graph = helper.make_graph(self.nodes, "random", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, c, h, w])],
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, *self.shapes[output]])], self.tensors)
        return helper.make_model(graph, producer_name="random_graphs", ir_version=8, opset_imports=[helper.make_opsetid("", self.opset)])


# QDQ

QUANTISED_OUTPUTS = ("Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu", "Clip")


def ranges(model, seed):
    """The smallest and largest element of each float value (sizes are not) on random inputs."""
    wide = onnx.ModelProto.FromString(model.SerializeToString())
    shape = [d.dim_value or 2 for d in model.graph.input[0].type.tensor_type.shape.dim]
    names = [output for node in model.graph.node if node.op_type in QUANTISED_OUTPUTS for output in node.output]
    del wide.graph.output[:]
    wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    feed = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    found = dict(zip(names, run(wide, {"x": feed}), strict=True)) | {"x": feed}
    return {name: (min(0.0, float(v.min())), max(1e-3, float(v.max()))) for name, v in found.items() if v.dtype == np.float32}


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, feeds)


def quantised(model, seed):
    """QuantizeLinear and DequantizeLinear behind activations; int8 weights (per channel, sometimes uint8 with a zero point), int32 biases."""
    pick, limits = random.Random(seed), ranges(model, seed)
    initializers = {t.name: t for t in model.graph.initializer}
    nodes, tensors, scales, renamed, weights = [], [], {}, {}, {}

    def constant(name, array):
        tensors.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def quantise_activation(name):
        low, high = limits[name]
        scale = np.float32((high - low) / 255)
        scale_name, zero = constant(name + "_scale", scale), constant(name + "_zero", np.uint8(round(-low / scale)))
        nodes.append(helper.make_node("QuantizeLinear", [name, scale_name, zero], [name + "_q"], name + "_quantize"))
        nodes.append(helper.make_node("DequantizeLinear", [name + "_q", scale_name, zero], [name + "_dq"], name + "_dequantize"))
        scales[name + "_dq"], renamed[name] = float(scale), name + "_dq"

    def quantise_weight(name, axis):
        if name in weights:
            return weights[name]
        w = numpy_helper.to_array(initializers[name])
        if pick.random() < 0.25:
            low, high = min(0.0, float(w.min())), max(1e-3, float(w.max()))
            scale, zero = np.float32((high - low) / 255), np.uint8(round(-low / ((high - low) / 255)))
            q, attributes, per_channel = np.clip(np.rint(w / scale) + zero, 0, 255).astype(np.uint8), {}, np.full(w.shape[axis], scale)
        else:
            per_channel = scale = (np.abs(w).max(tuple(i for i in range(w.ndim) if i != axis)) / 127 + 1e-6).astype(np.float32)
            zero, attributes = np.zeros(len(scale), np.int8), {"axis": axis}
            q = np.clip(np.rint(w / scale.reshape([-1 if i == axis else 1 for i in range(w.ndim)])), -127, 127).astype(np.int8)
        inputs = [name + "_q", constant(name + "_scale", scale), constant(name + "_zero", zero)]
        if pick.random() < 0.2:  # as trained with rounding: the float weight, rounded on the way
            nodes.append(helper.make_node("QuantizeLinear", [name, *inputs[1:]], [name + "_q"], name + "_quantize", **attributes))
        else:
            constant(name + "_q", q)
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name + "_dq"], name + "_dequantize", **attributes))
        weights[name] = name + "_dq", per_channel
        return weights[name]

    def quantise_bias(name, scale):
        b = numpy_helper.to_array(initializers[name])
        inputs = [constant(name + "_q", np.rint(b / scale).astype(np.int32)), constant(name + "_scale", scale.astype(np.float32)),
                  constant(name + "_zero", np.zeros(len(b), np.int32))]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name + "_dq"], name + "_dequantize", axis=0))
        return name + "_dq"

    quantise_activation("x")
    outputs = {o.name for o in model.graph.output}
    single = collections.Counter(i for n in model.graph.node for i in n.input)
    for source in model.graph.node:
        node = onnx.NodeProto()
        node.CopyFrom(source)
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in initializers:
            axis = 0 if node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute) else 1
            weight, per_channel = quantise_weight(node.input[1], axis)
            node.input[1] = weight
            if len(node.input) > 2 and node.input[2] in initializers and node.input[0] in scales:
                node.input[2] = quantise_bias(node.input[2], per_channel * np.float32(scales[node.input[0]]))
        nodes.append(node)
        follower = next((n for n in model.graph.node if node.output[0] in n.input), None)
        fused = follower is not None and follower.op_type in ("Relu", "Clip", "BatchNormalization") and single[node.output[0]] == 1
        if node.output[0] in limits and node.output[0] not in outputs and not fused:
            quantise_activation(node.output[0])
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, "random_qdq", model.graph.input, model.graph.output,
                              [t for t in model.graph.initializer if t.name in used] + tensors)
    return helper.make_model(graph, producer_name="random_graphs", ir_version=8, opset_imports=model.opset_import)


def build(seed):
    """The graph of this seed and the features it has."""
    pick = random.Random(seed * 7919 + 1)
    wanted = {FEATURES[seed % len(FEATURES)], pick.choice(FEATURES)}
    graph = Graph(seed)
    model = graph.body(wanted)
    features = set(graph.features)
    if "qdq" in wanted:
        model = quantised(model, seed)
        features.add("qdq")
    onnx.checker.check_model(model, full_check=True)
    return model, features


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--graphs", type=int, default=500)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    features, operators = collections.Counter(), collections.Counter()
    for seed in range(args.seed, args.seed + args.graphs):
        try:
            model, found = build(seed)
            shape = [d.dim_value or 2 for d in model.graph.input[0].type.tensor_type.shape.dim]
            run(model, {"x": np.random.default_rng(seed).standard_normal(shape).astype(np.float32)})
        except Exception:
            print(f"seed {seed}", file=sys.stderr)
            raise
        features.update(found)
        operators.update({node.op_type for node in model.graph.node})
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            onnx.save(model, str(args.out / f"random-{seed}.onnx"))
    print("graphs:", args.graphs, "features:", dict(features.most_common()))
    print("graphs with each operator:", dict(operators.most_common()))


if __name__ == "__main__":
    main()
