"""The reference machine of cost-model.md 3, and a counter of the bytes that a written schedule moves.

    python tests/oracle/machine.py ANNOTATED.onnx... [--quiet]

Reads nothing but the ONNX file, by the onnx package: the schedule, the target and the totals in its metadata, the shapes by onnx's own
inference. Each group of one layer is brought to a loop nest from the node's attributes and shapes, its tile loops are run step by step,
and what the machine fetches and writes is added up. Bytes of each layer must equal the node's annotations, their sum the totals, and no
tile may need more than the chip has. Exit 0, or 1 with a line that says what differs.

count_schedule(model) returns {"totals": {...}, "layers": [{...}]} or raises Wrong.
"""
import argparse
import collections
import functools
import json
import math
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

DIMS = ("n", "g", "m", "c", "od", "oh", "ow")
N, G, M, C, OD, OH, OW = range(7)
PLANE_DIMS = (OD, OH, OW)
PARTS = ("input_bytes", "weight_bytes", "output_bytes", "partial_sum_bytes")


class Wrong(Exception):
    pass


def bytes_of(elems, bits):
    return -(-elems * bits // 8)


# The nest and the machine

# Output o along an axis touches inputs o stride - pad + k dilation; transposed, input i touches outputs i stride - pad + k dilation. A merged
# pool of stride `pool` writes `pooled` outputs.
Axis = collections.namedtuple("Axis", "plane kernel stride dilation pad pool pooled transposed", defaults=(False,))
ONE = Axis(1, 1, 1, 1, 0, 1, 1)
# sizes: by DIMS; axes: of od, oh, ow; bits of I, W (0 = no weight), finished O, sums
Nest = collections.namedtuple("Nest", "sizes axes i_bits w_bits o_bits p_bits has_bias")
# loops: (dim, step, snake) from outer to inner; depth: of I, W, O
Mapping = collections.namedtuple("Mapping", "loops depth")
Count = collections.namedtuple("Count", PARTS + ("i_footprint", "w_footprint", "o_footprint", "steps"))


@functools.lru_cache(maxsize=None)
def window(axis, begin, end):
    """The inputs that outputs [begin, end) hold along an axis: intervals inside the plane, in order."""
    extent = (axis.kernel - 1) * axis.dilation + 1
    if axis.transposed:
        meets = [i for i in range(axis.plane) if i * axis.stride - axis.pad < end and i * axis.stride - axis.pad + extent > begin]
        return ((meets[0], meets[-1] + 1),) if meets else ()
    if axis.stride < extent:
        spans = [(begin * axis.stride - axis.pad, (end - 1) * axis.stride - axis.pad + extent)]
    else:
        spans = [(o * axis.stride - axis.pad, o * axis.stride - axis.pad + extent) for o in range(begin, end)]
    return tuple((max(0, a), min(axis.plane, b)) for a, b in spans if min(axis.plane, b) > max(0, a))


@functools.lru_cache(maxsize=None)
def length(spans):
    return sum(b - a for a, b in spans)


@functools.lru_cache(maxsize=1 << 16)
def common(spans, others):
    """How many inputs two windows have in common."""
    if len(spans) == 1 and len(others) == 1:
        return max(0, min(spans[0][1], others[0][1]) - max(spans[0][0], others[0][0]))
    inputs = {i for a, b in spans for i in range(a, b)}
    return sum(i in inputs for a, b in others for i in range(a, b))


@functools.lru_cache(maxsize=None)
def written(axis, begin, end):
    """Outputs that leave the chip of the outputs [begin, end): pool windows that start there."""
    if axis.pool == 1:
        return end - begin
    return sum(begin <= q * axis.pool < end for q in range(axis.pooled))


def extent_of(ranges, dims):
    return math.prod(ranges[d][1] - ranges[d][0] for d in dims)


I_DIMS, W_DIMS, O_DIMS = (N, G, C), (G, M, C), (N, G, M, OD, OH, OW)
TOUCHES = (frozenset((N, G, C, OD, OH, OW)), frozenset(W_DIMS), frozenset(O_DIMS))


class Machine:
    """What the chip holds, and what crossed its edge so far."""

    def __init__(self, nest, reuse):
        self.nest, self.reuse = nest, reuse
        self.input = self.weight = self.output = self.partial = 0
        self.largest = [0, 0, 0]
        self.i_held = self.i_name = self.w_held = self.o_held = None
        self.added = {}          # O tile -> MAC steps added, until complete
        self.o_whole = 0         # how many a complete held tile has
        self.kernel = math.prod(a.kernel for a in nest.axes)

    def want_input(self, ranges):
        nest = self.nest
        box, name = tuple(ranges[d] for d in I_DIMS), tuple(ranges[d] for d in I_DIMS + PLANE_DIMS)
        if self.i_name == name:
            return
        self.i_name = name
        windows = tuple(window(nest.axes[a], *ranges[d]) for a, d in enumerate(PLANE_DIMS))
        deep = extent_of(ranges, I_DIMS)
        elems = deep * math.prod(map(length, windows))
        self.largest[0] = max(self.largest[0], bytes_of(elems, nest.i_bits))
        if self.reuse and self.i_held and self.i_held[0] == box:
            elems -= deep * math.prod(common(a, b) for a, b in zip(self.i_held[1], windows))
        self.input += bytes_of(elems, nest.i_bits)
        self.i_held = (box, windows)

    def want_weight(self, ranges):
        """The bias comes with the tile that begins the input channels."""
        nest = self.nest
        box = tuple(ranges[d] for d in W_DIMS)
        if not nest.w_bits or self.w_held == box:
            return
        tile = bytes_of(extent_of(ranges, W_DIMS) * self.kernel, nest.w_bits)
        bias = bytes_of(extent_of(ranges, (G, M)), nest.p_bits) if nest.has_bias else 0
        self.largest[1] = max(self.largest[1], tile + bias)
        self.weight += tile + (bias if ranges[C][0] == 0 else 0)
        self.w_held = box

    def want_output(self, ranges):
        box = tuple(ranges[d] for d in O_DIMS)
        if self.o_held == box:
            return
        self.write_back()
        elems = extent_of(ranges, O_DIMS)
        size = bytes_of(elems, self.nest.p_bits)
        self.largest[2] = max(self.largest[2], size)
        if box in self.added:
            self.partial += size
        self.o_held, self.o_whole = box, elems * self.nest.sizes[C]

    def write_back(self):
        if self.o_held is None:
            return
        nest, box = self.nest, self.o_held
        if self.added[box] == self.o_whole:
            elems = math.prod(b - a for a, b in box[:3]) * math.prod(written(nest.axes[i], *box[3 + i]) for i in range(3))
            self.output += bytes_of(elems, nest.o_bits)
            del self.added[box]
        else:
            self.partial += bytes_of(math.prod(b - a for a, b in box), nest.p_bits)

    def compute(self, ranges):
        self.added[self.o_held] = self.added.get(self.o_held, 0) + math.prod(b - a for a, b in ranges)


def check_mapping(nest, mapping):
    inner = list(nest.sizes)
    for dim, step, _ in mapping.loops:
        if not 0 < step <= inner[dim]:
            raise Wrong(f"step {step} of {DIMS[dim]} inside {inner[dim]}")
        inner[dim] = step
    for axis, dim in enumerate(PLANE_DIMS):
        pool, loops = nest.axes[axis].pool, [step for d, step, _ in mapping.loops[:mapping.depth[2]] if d == dim]
        if any(step % pool and step < nest.sizes[dim] for step in loops):
            raise Wrong(f"tile {loops} of {DIMS[dim]} cuts a window of the pool, which has stride {pool}")
    if any(not 0 <= d <= len(mapping.loops) for d in mapping.depth):
        raise Wrong(f"depth {mapping.depth} of {len(mapping.loops)} loops")


@functools.lru_cache(maxsize=None)
def run(nest, mapping, reuse):
    """Runs the loops; what the machine moved and its largest tiles, bytes."""
    check_mapping(nest, mapping)
    machine, loops = Machine(nest, reuse), mapping.loops
    wants = (machine.want_input, machine.want_weight, machine.want_output)
    # per operand: the first loop from which on a change reaches it (an inner change that it does not see needs no look)
    reaches = [max((level for level, (dim, _, _) in enumerate(loops[:depth]) if dim in TOUCHES[x]), default=-1)
               for x, depth in enumerate(mapping.depth)]
    starts = [0] * len(loops)    # how often each loop was started
    steps = 0

    def nested(level, ranges, seen, changed):
        """seen[x]: the ranges inside operand x's depth; changed: the outermost loop that moved since the last step."""
        nonlocal steps
        seen = [ranges if depth == level else s for depth, s in zip(mapping.depth, seen)]
        if level == len(loops):
            for x in range(3):
                if changed <= reaches[x] or changed == -1:
                    wants[x](seen[x])
            machine.compute(ranges)
            steps += 1
            return
        dim, step, snake = loops[level]
        begin, end = ranges[dim]
        tiles = [(b, min(b + step, end)) for b in range(begin, end, step)]
        if snake and starts[level] % 2:
            tiles.reverse()
        starts[level] += 1
        for i, tile in enumerate(tiles):
            nested(level + 1, ranges[:dim] + (tile,) + ranges[dim + 1:], seen, changed if i == 0 else level)

    whole = tuple((0, size) for size in nest.sizes)
    nested(0, whole, [whole] * 3, -1)
    machine.write_back()
    if machine.added:
        raise Wrong("sums were left unfinished")
    return Count(machine.input, machine.weight, machine.output, machine.partial, *machine.largest, steps)


# The model

FREE = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "QuantizeLinear", "DequantizeLinear", "Shape", "Constant"}
RENAMES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}
LINEAR = {"Add", "Sub", "Mul", "Div", "BatchNormalization"}
CONVS = ("Conv", "ConvTranspose")
LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
POOLS = {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}
SHAPE_LIKE = {"Slice": (1, 2, 3, 4), "Pad": (1, 3), "Resize": (1, 2, 3), "Expand": (1,), "Tile": (1,), "Split": (1,), "ReduceMean": (1,),
              "ReduceSum": (1,), "ReduceMax": (1,), "ReduceMin": (1,), "Reshape": (1,), "Squeeze": (1,), "Unsqueeze": (1,), "TopK": (1,),
              "QuantizeLinear": (1, 2), "DequantizeLinear": (1, 2), "Dropout": (1, 2), "CumSum": (1,), "Upsample": (1,)}
BITS = {TensorProto.FLOAT: 32, TensorProto.DOUBLE: 64, TensorProto.FLOAT16: 16, TensorProto.BFLOAT16: 16, TensorProto.INT64: 64,
        TensorProto.UINT64: 64, TensorProto.INT32: 32, TensorProto.UINT32: 32, TensorProto.INT16: 16, TensorProto.UINT16: 16, TensorProto.INT8: 8,
        TensorProto.UINT8: 8, TensorProto.BOOL: 8, TensorProto.INT4: 4, TensorProto.UINT4: 4}


def attribute(node, name, default=None):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


class Model:
    """Shapes, widths and constants of the main graph, with the batch bound."""

    def __init__(self, model, target):
        self.target = target
        self.graph = graph = bound(model, target.get("batch", 1)).graph
        self.tensors = {t.name: t for t in graph.initializer}
        self.shapes = {t.name: tuple(t.dims) for t in graph.initializer}
        self.types = {t.name: t.data_type for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                value = attribute(node, "value")
                if value is not None:
                    self.shapes[node.output[0]], self.types[node.output[0]] = tuple(value.dims), value.data_type
        for value in [*graph.value_info, *graph.input, *graph.output]:
            kind = value.type.tensor_type
            if value.name not in self.types and kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim):
                self.shapes[value.name], self.types[value.name] = tuple(d.dim_value for d in kind.shape.dim), kind.elem_type
        self.producers = {o: node for node in graph.node for o in node.output if o}
        self.uses = collections.Counter(i for node in graph.node for i in node.input if i)
        self.uses.update(o.name for o in graph.output)
        self.outputs = {o.name for o in graph.output}
        self.readers = collections.defaultdict(list)
        for node in graph.node:
            for i in node.input:
                self.readers[i].append(node)
        self.constant = set(self.tensors)
        for node in graph.node:
            known = node.op_type == "Shape" and node.input[0] in self.shapes
            if known or (all(i in self.constant for i in node.input if i) and not any(a.type == onnx.AttributeProto.GRAPH for a in node.attribute)):
                self.constant.update(o for o in node.output if o)
        names = collections.Counter(node.name for node in graph.node)
        self.by_name = {(node.name if node.name and names[node.name] == 1 else node.output[0]): node for node in graph.node}

    def shape(self, name):
        if name not in self.shapes:
            raise Wrong(f"no shape known for '{name}'")
        return self.shapes[name]

    def elems(self, name):
        return math.prod(self.shape(name))

    def bits_in_file(self, name):
        """A tensor that is quantised counts at its quantised width."""
        node = self.producers.get(name)
        while node is not None and (node.op_type in RENAMES or node.op_type == "Transpose" and node.input[0] in self.constant):
            name, node = node.input[0], self.producers.get(node.input[0])
        if node is not None and node.op_type == "DequantizeLinear":
            return BITS[self.types[node.input[0]]]
        readers = self.readers[name]
        if readers and self.types.get(name) == TensorProto.FLOAT and name not in self.outputs and all(r.op_type == "QuantizeLinear" for r in readers):
            return BITS[self.types[readers[0].output[0]]]
        return BITS[self.types.get(name, TensorProto.FLOAT)]

    def activation_bits(self, name):
        bits = self.target["bits"]
        return self.bits_in_file(name) if bits == "model" else bits["activation"]

    def weight_bits(self, name):
        bits = self.target["bits"]
        return self.bits_in_file(name) if bits == "model" else bits["weight"]

    def parameter_bytes(self, name):
        """A constant operand: one element is free, and so are shapes and the like (64-bit integers, booleans)."""
        if self.elems(name) == 1 or self.types.get(name) in (TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING):
            return 0
        return bytes_of(self.elems(name), self.weight_bits(name))

    @property
    def partial_bits(self):
        bits = self.target["bits"]
        return 32 if bits == "model" else bits["partial_sum"]

    def moves_nothing(self, node):
        if all(o in self.constant for o in node.output if o) or node.op_type in FREE:
            return True
        if node.op_type in ("Concat", "Split"):
            shape = self.shape(node.output[0] if node.op_type == "Concat" else node.input[0])
            axis = attribute(node, "axis", 0) % len(shape)
            return all(d == 1 for d in shape[:axis])
        return False


def bound(model, batch):
    """The model with a dynamic first dim of each input set to the batch, other dynamic dims to 1, and all shapes inferred anew."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    inputs = {value.name for value in graph.input} - {t.name for t in graph.initializer}
    for value in graph.input:
        if value.name not in inputs:
            continue
        for i, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                dim.dim_value = batch if i == 0 else 1
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    with_shapes = onnx.ModelProto.FromString(model.SerializeToString())
    inferred = shape_inference.infer_shapes(with_shapes, data_prop=True)
    while fold_sizes(with_shapes, inferred):
        inferred = shape_inference.infer_shapes(with_shapes, data_prop=True)
    graph.value_info.extend([*inferred.graph.value_info, *inferred.graph.output])
    graph.value_info.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in with_shapes.graph.initializer[len(graph.initializer):])
    return model


def fold_sizes(model, inferred):
    """Nodes that compute a few numbers from known shapes and constants become initializers: onnx's inference stops at some of them, a Div for one. How many."""
    graph, opsets = model.graph, {o.domain: o.version for o in model.opset_import}
    numbers = {t.name: numpy_helper.to_array(t) for t in graph.initializer if math.prod(t.dims) <= 64}
    dims = {v.name: [d.dim_value if d.HasField("dim_value") else None for d in v.type.tensor_type.shape.dim]
            for v in [*inferred.graph.value_info, *inferred.graph.input] if v.type.tensor_type.HasField("shape")}
    folded = []
    for node in graph.node:
        if node.op_type == "Shape" and None not in dims.get(node.input[0], [None]):
            outputs = [np.array(dims[node.input[0]][attribute(node, "start", 0):attribute(node, "end")], np.int64)]
        elif node.op_type == "Constant" and attribute(node, "value") is not None and math.prod(attribute(node, "value").dims) <= 64:
            outputs = [numpy_helper.to_array(attribute(node, "value"))]
        elif node.input and all(i in numbers for i in node.input if i) and all(numbers[i].dtype.kind in ("if" if node.op_type == "Concat" else "i") for i in node.input if i):
            feeds = {i: numbers[i] for i in node.input if i}
            of = [helper.make_tensor_value_info(i, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for i, v in feeds.items()]
            made = [helper.make_tensor_value_info(o, TensorProto.INT64, None) for o in node.output]
            outputs = ReferenceEvaluator(helper.make_graph([node], "sizes", of, made), opsets=opsets).run(None, feeds)
        else:
            continue
        numbers.update(zip(node.output, outputs))
        graph.initializer.extend(numpy_helper.from_array(np.asarray(v), o) for o, v in zip(node.output, outputs))
        folded.append(node)
    for node in folded:
        graph.node.remove(node)
    return len(folded)


# From nodes to nests

def axes_of(node, plane, kernel, outputs):
    """One Axis for each spatial dim of a Conv or pool."""
    rank = len(plane)
    strides, dilations = (attribute(node, name, [1] * rank) for name in ("strides", "dilations"))
    pads = attribute(node, "pads", [0] * 2 * rank)[:rank]
    how = attribute(node, "auto_pad", b"NOTSET").decode()
    if how in ("SAME_UPPER", "SAME_LOWER"):
        totals = [max(0, (o - 1) * s + (k - 1) * d + 1 - p) for o, s, k, d, p in zip(outputs, strides, kernel, dilations, plane)]
        pads = [(t + (how == "SAME_LOWER")) // 2 for t in totals]
    elif how == "VALID":
        pads = [0] * rank
    return [Axis(p, k, s, d, b, 1, o) for p, k, s, d, b, o in zip(plane, kernel, strides, dilations, pads, outputs)]


def spatial(items, filler):
    """Brings 1, 2 or 3 spatial entries to od, oh, ow: a 1-D layer has oh."""
    if len(items) == 1:
        return (filler, items[0], filler)
    if len(items) > 3:
        raise Wrong(f"{len(items)} spatial dims")
    return (filler,) * (3 - len(items)) + tuple(items)


def conv_nest(model, node):
    x, w, y = model.shape(node.input[0]), model.shape(node.input[1]), model.shape(node.output[0])
    group = x[1] // w[1]
    axes = axes_of(node, x[2:], w[2:], y[2:])
    return (x[0], group, w[0] // group, w[1], *spatial(y[2:], 1)), spatial(axes, ONE)


def conv_transpose_nest(model, node):  # W: [C, M/group, k...]
    x, w, y = model.shape(node.input[0]), model.shape(node.input[1]), model.shape(node.output[0])
    axes, group = [axis._replace(transposed=True) for axis in axes_of(node, x[2:], w[2:], y[2:])], attribute(node, "group", 1)
    how, extra = attribute(node, "auto_pad", b"NOTSET").decode(), attribute(node, "output_padding", [0] * len(axes))
    if attribute(node, "output_shape") or how.startswith("SAME"):
        cut = [max(0, (a.plane - 1) * a.stride + e + (a.kernel - 1) * a.dilation + 1 - o) for a, e, o in zip(axes, extra, y[2:])]
        axes = [a._replace(pad=(c + (how != "SAME_UPPER")) // 2) for a, c in zip(axes, cut)]
    return (x[0], group, w[1], w[0] // group, *spatial(y[2:], 1)), spatial(axes, ONE)


def rows_axis(rows):
    return (ONE, Axis(rows, 1, 1, 1, 0, 1, rows), ONE)


def gemm_nest(model, node):
    a, b = model.shape(node.input[0]), model.shape(node.input[1])
    rows, k = a[::-1] if attribute(node, "transA", 0) else a
    m = b[0] if attribute(node, "transB", 0) else b[1]
    return (1, 1, m, k, 1, rows, 1), rows_axis(rows)


def matmul_nest(model, node):
    a, b = list(model.shape(node.input[0])), list(model.shape(node.input[1]))
    a = [1] + a if len(a) == 1 else a
    b = b + [1] if len(b) == 1 else b
    rank = max(len(a), len(b))
    a, b = [1] * (rank - len(a)) + a, [1] * (rank - len(b)) + b
    n = g = others = 1
    for p, q in zip(a[:-2], b[:-2]):
        if p > 1 and q > 1:
            g *= p
        elif p > 1:
            n *= p
        else:
            others *= q
    return (n, g, b[-1] * others, a[-1], 1, a[-2], 1), rows_axis(a[-2])


def pool_axes(model, node):
    plane, outputs = model.shape(node.input[0])[2:], model.shape(node.output[0])[2:]
    kernel = list(plane) if node.op_type.startswith("Global") else attribute(node, "kernel_shape")
    axes = axes_of(node, plane, kernel, outputs)
    return [a._replace(stride=a.kernel) for a in axes] if node.op_type.startswith("Global") else axes


def pool_nest(model, node):
    y = model.shape(node.output[0])
    return (y[0], y[1], 1, 1, *spatial(y[2:], 1)), spatial(pool_axes(model, node), ONE)


NESTS = {"Conv": conv_nest, "ConvTranspose": conv_transpose_nest, "Gemm": gemm_nest, "MatMul": matmul_nest}


class Group:
    """One group of the schedule: its first layer (or pool) and what joins it."""

    def __init__(self, model, entry):
        self.model, self.entry = model, entry
        self.nodes = []
        for name in entry["nodes"]:
            if name not in model.by_name:
                raise Wrong(f"the schedule names '{name}', which the model does not have")
            self.nodes.append(model.by_name[name])
        self.names = entry["nodes"]
        self.made = {o for node in self.nodes for o in node.output if o}
        self.reads = [i for node in self.nodes for i in node.input if i and i not in self.made and i not in model.constant]

    def where(self):
        return f"group {self.entry['id']} ('{self.names[0]}')"

    def only_output(self):
        outputs = [o for node in self.nodes for o in node.output if o and (o in self.model.outputs or any(r not in self.nodes for r in self.model.readers[o]))]
        if len(outputs) != 1:
            raise Wrong(f"{self.where()}: {len(outputs)} of its values leave it, expected 1")
        return outputs[0]

    def is_per_channel(self, name, channels, shape, axis):
        """One value per channel, broadcast along the channel axis of a value of this shape."""
        dims = self.model.shape(name)
        padded = (1,) * (len(shape) - len(dims)) + dims
        return math.prod(dims) == channels > 1 and len(padded) == len(shape) and padded[axis] == channels

    def run(self):
        """Bytes by part, and the footprint of each operand."""
        model, target = self.model, self.model.target
        layer, rest = self.nodes[0], self.nodes[1:]
        is_pool = layer.op_type in POOLS
        if not is_pool and layer.op_type not in NESTS:
            raise Wrong(f"{self.where()}: a mapping for a {layer.op_type}")
        sizes, axes = (pool_nest if is_pool else NESTS[layer.op_type])(model, layer)
        y = model.shape(layer.output[0])
        channel_axis = 1 if layer.op_type in CONVS or is_pool else len(y) - 1
        channels = y[channel_axis]
        extra = collections.Counter()
        has_bias, folds, value = False, True, layer.output[0]

        if layer.op_type in (*CONVS, "Gemm") and len(layer.input) > 2 and layer.input[2]:
            has_bias = layer.op_type in CONVS and layer.input[2] in model.constant
            has_bias |= not has_bias and self.operand(layer.input[2], channels, y, channel_axis, True, extra)
        for node in rest:
            if not set(node.input) & {value}:
                raise Wrong(f"{self.where()}: '{node.name or node.output[0]}' does not read '{value}'")
            if model.uses[value] != sum(i == value for i in node.input):
                raise Wrong(f"{self.where()}: '{value}' is used elsewhere, so it must leave the chip")
            if node.op_type in POOLS:
                axes = self.merge_pool(node, axes)
            elif model.shape(node.output[0]) != model.shape(value):
                raise Wrong(f"{self.where()}: '{node.name}' changes the shape")
            activations = [i for i in node.input if i and i != value and i not in model.constant]
            folds &= node.op_type in LINEAR | {"Identity", "Dropout"} and not activations
            if node.op_type == "BatchNormalization":
                has_bias |= folds
                if not folds:
                    for name in node.input[1:]:
                        extra["weight_bytes"] += model.parameter_bytes(name)
            else:
                for k, name in enumerate(node.input):
                    if name and name in model.constant and k not in SHAPE_LIKE.get(node.op_type, ()):
                        has_bias |= self.operand(name, channels, model.shape(value), channel_axis, folds, extra)
            for name in dict.fromkeys(activations):
                extra["input_bytes"] += bytes_of(model.elems(name), model.activation_bits(name))
            value = node.output[0]

        a_bits, out = model.activation_bits(layer.input[0]), self.only_output()
        o_bits = model.activation_bits(out)
        if layer.input[0] in model.constant:
            a_bits = model.weight_bits(layer.input[0])
        if is_pool:
            nest = Nest(sizes, axes, a_bits, 0, o_bits, o_bits, False)
        else:
            w = layer.input[1]
            w_bits = model.weight_bits(w) if w in model.constant else model.activation_bits(w)
            nest = Nest(sizes, axes, a_bits, w_bits, o_bits, model.partial_bits, has_bias)
        mapping = self.entry["mapping"]
        loops = tuple((DIMS.index(l["dim"]), l["step"], bool(l.get("snake"))) for l in mapping["loops"])
        depth = mapping.get("depth", {})
        depth = tuple(depth.get(x, len(loops)) for x in "iwo")
        count = run(nest, Mapping(loops, depth), target.get("halo", "reuse") == "reuse")
        parts = {part: getattr(count, part) + extra[part] for part in PARTS}
        return parts, (count.i_footprint, count.w_footprint, count.o_footprint), layer

    def operand(self, name, channels, shape, axis, folds, extra):
        """A constant operand: free with one element, the bias where it folds, otherwise read once. True where it is a bias."""
        model = self.model
        if name not in model.constant:
            extra["input_bytes"] += bytes_of(model.elems(name), model.activation_bits(name))
            return False
        if folds and self.is_per_channel(name, channels, shape, axis):
            return True
        extra["weight_bytes"] += model.parameter_bytes(name)
        return False

    def merge_pool(self, node, axes):
        merged = list(axes)
        for at, pool in enumerate(spatial(pool_axes(self.model, node), ONE)):
            if pool.kernel != pool.stride or pool.pad or pool.dilation != 1:
                raise Wrong(f"{self.where()}: the windows of '{node.name}' overlap or are padded")
            merged[at] = axes[at]._replace(pool=pool.stride, pooled=pool.pooled)
        return tuple(merged)

    def lone(self):
        """Read once, written once."""
        model, parts, node = self.model, collections.Counter(), self.nodes[0]
        if len(self.nodes) != 1:
            raise Wrong(f"{self.where()}: {len(self.nodes)} nodes without a mapping")
        if "tile" in self.entry:
            raise Wrong(f"{self.where()}: fused groups are not run by this counter")
        if node.op_type in LAYERS:
            raise Wrong(f"{self.where()}: a layer without a mapping")
        if model.moves_nothing(node) and node.op_type != "Split":
            raise Wrong(f"{self.where()}: a {node.op_type} that moves nothing is no group")
        for name, k in {name: k for k, name in reversed(list(enumerate(node.input)))}.items():
            if not name or k in SHAPE_LIKE.get(node.op_type, ()):
                continue
            if name in model.constant:
                parts["weight_bytes"] += model.parameter_bytes(name)
                continue
            elems = model.elems(name)
            if node.op_type in ("Slice", "Gather"):
                elems = min(elems, model.elems(node.output[0]))
            if node.op_type in POOLS:
                shape, axes = model.shape(name), pool_axes(model, node)
                elems = shape[0] * shape[1] * math.prod(length(window(axis, 0, axis.pooled)) for axis in axes)
            parts["input_bytes"] += bytes_of(elems, model.activation_bits(name))
        for name in node.output:
            if name:
                parts["output_bytes"] += bytes_of(model.elems(name), model.activation_bits(name))
        return {part: parts[part] for part in PARTS}, None, node


def footprint(target, tiles):
    """Bytes on chip by operand with double buffering; Wrong where they do not fit."""
    on_chip, names = target["on_chip"], ("input", "weight", "output")
    doubled = [tile * (2 if name in on_chip.get("double_buffer", ()) else 1) for tile, name in zip(tiles, names)]
    if "capacity" in on_chip:
        if sum(doubled) > on_chip["capacity"]:
            raise Wrong(f"needs {sum(doubled)} B on chip, has {on_chip['capacity']} B")
    else:
        for name, size in zip(names, doubled):
            if size > on_chip[name]:
                raise Wrong(f"needs {size} B for {name}, has {on_chip[name]} B")
    return sum(doubled)


def check_order(model, groups):
    """Every value is made before it is read, and every node that moves bytes is in exactly one group."""
    at = {}
    for i, group in enumerate(groups):
        for node in group.nodes:
            if id(node) in at:
                raise Wrong(f"'{node.name or node.output[0]}' is in groups {at[id(node)]} and {i}")
            at[id(node)] = i
    made = {}
    for node in model.graph.node:
        if id(node) not in at and not model.moves_nothing(node):
            raise Wrong(f"'{node.name or node.output[0]}' ({node.op_type}) moves bytes and is in no group")
        latest = max((made.get(i, -1) for i in node.input), default=-1)
        if id(node) in at and latest > at[id(node)]:
            raise Wrong(f"group {at[id(node)]} reads what group {latest} makes later")
        for o in node.output:
            made[o] = at.get(id(node), latest)
    for i, group in enumerate(groups):
        for name in group.reads:
            if made.get(name, -1) >= i:
                raise Wrong(f"{group.where()} reads '{name}' from the group {made[name]}")


def properties(message):
    return {entry.key: entry.value for entry in message.metadata_props}


def count_schedule(onnx_model):
    """Bytes of the schedule in the file; Wrong where they are not those of its totals and its nodes."""
    notes = properties(onnx_model)
    for key in ("superslash.schedule", "superslash.target", "superslash.totals"):
        if key not in notes:
            raise Wrong(f"the model has no {key}")
    schedule, target, totals = (json.loads(notes["superslash." + key]) for key in ("schedule", "target", "totals"))
    model = Model(onnx_model, target)
    groups = [Group(model, entry) for entry in schedule["groups"]]
    check_order(model, groups)
    sums, layers = collections.Counter(), []
    for group in groups:
        try:
            parts, tiles, node = group.run() if "mapping" in group.entry else group.lone()
            found = dict(parts, offchip_bytes=sum(parts.values()))
            if tiles:
                found["footprint_bytes"] = footprint(target, tiles)
        except Wrong as problem:
            raise Wrong(f"{group.where()}: {problem}") from None
        sums.update(parts)
        layers.append(dict(found, name=group.names[0], op=node.op_type))
        noted = properties(node)
        for key, value in found.items():
            said = noted.get("superslash." + key)
            if said is None and (value == 0 or not noted):
                continue
            if said is None or int(said) != value:
                raise Wrong(f"{group.where()} {node.op_type}: {key} counted {value}, annotated {said}")
    counted = {part: sums[part] for part in PARTS} | {"offchip_bytes": sum(sums.values())}
    for key, value in counted.items():
        if totals[key] != value:
            raise Wrong(f"totals: {key} counted {value}, the file says {totals[key]}")
    return {"totals": counted, "layers": layers}


def macs(onnx_model, batch=1):
    """Multiply-accumulates of the layers in the file, padding counted: a ConvTranspose makes them of its inputs."""
    model = Model(onnx_model, {"bits": "model", "batch": batch})
    total = 0
    for node in model.graph.node:
        if node.op_type in NESTS and not model.moves_nothing(node):
            sizes, axes = NESTS[node.op_type](model, node)
            total += math.prod(sizes[:OD]) * math.prod((a.plane if a.transposed else size) * a.kernel for a, size in zip(axes, sizes[OD:]))
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    status = 0
    for path in args.models:
        try:
            result = count_schedule(onnx.load(str(path)))
        except Wrong as problem:
            print(f"{path}: {problem}")
            status = 1
            continue
        if not args.quiet:
            for layer in result["layers"]:
                print(f"{layer['op']:20} {layer['name'][:40]:40} {layer['offchip_bytes']:>12,}")
        print(f"{path}: {result['totals']['offchip_bytes']:,} B, as annotated")
    return status


if __name__ == "__main__":
    sys.exit(main())
