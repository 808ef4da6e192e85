"""The stages of a fused group: what makes each tensor that is on chip, and which rows and columns of which tensors that takes.

A stage begins with the node that reads tensors on chip (or the operand of an elementwise node) and goes on through nodes whose values are
not named in the schedule's `tensors`: each has one consumer and lives only in the output tile being made.

    stages = read_stages(group_run)         in the order of the schedule
    stage.reads                             [Read]: a tensor on chip, and how positions made map to positions touched, by axis
"""
import math

import numpy as np

from machine import CONVS, LAYERS, ONE, POOLS, attribute, pool_axes, spatial
from executor_chip import Illegal
from executor_epilogue import Epilogue
from executor_forms import ConvForm, touched

QUANTISERS = {"QuantizeLinear", "DequantizeLinear"}
ELEMENT = "an element"   # reach of an elementwise operand along an axis
WHOLE = "one for all"    # of an operand that is spread along it


def touched_by(axis, made):
    """Positions of the input that outputs `made` hold along an axis."""
    if axis is WHOLE:
        return np.arange(min(1, len(made)))
    if axis is ELEMENT:
        return made
    if isinstance(axis, np.ndarray):
        return np.flatnonzero(axis[made].any(axis=0))
    return touched(axis, made)


def resize_weights(run, node):
    """Along rows and columns, [outputs, inputs]: what each input adds to each output, found by resizing planes with one row (column) of ones."""
    shape, found = run.model.shape(node.input[0]), []
    arrays = [run.off_chip.array(name) if name else None for name in node.input[1:]]
    for at in (2, 3):
        weights = []
        for begin in range(0, shape[at], shape[1]):
            planes = np.zeros(shape, np.float32)
            for channel in range(min(shape[1], shape[at] - begin)):
                planes[(0, channel, begin + channel) if at == 2 else (0, channel, slice(None), begin + channel)] = 1
            made = run.off_chip.operators.run(node, [planes, *arrays])[0][0]
            weights += list((made[:, :, 0] if at == 2 else made[:, 0, :])[:shape[at] - begin])
        found.append(np.array(weights).T)
    return tuple(found)


class FlatForm:
    """Gemm or MatMul on [N, K] as a convolution whose kernel is the plane of what it reads, [N, C, H, W] with C H W = K."""

    def __init__(self, model, node, source):
        if attribute(node, "transA", 0) or len(model.shape(node.input[0])) != 2 or len(model.shape(node.input[1])) != 2:
            raise Illegal(f"'{node.name or node.output[0]}' is not [N, K] times a weight")
        rows, m = model.shape(node.output[0])
        self.across, self.is_rows = attribute(node, "transB", 0), source.is_rows
        self.plane = (1, 1) if self.is_rows else source.plane
        self.sizes = (1, 1, m, source.channels, 1, rows, 1) if self.is_rows else (rows, 1, m, source.channels, 1, 1, 1)
        self.axes = (ONE, *(ONE._replace(plane=extent, kernel=extent) for extent in source.plane))
        if self.is_rows:
            self.axes = (ONE, ONE._replace(plane=rows, pooled=rows), ONE)

    def weight(self, b):
        k_last = b if self.across else b.T
        return k_last.reshape(1, k_last.shape[0], self.sizes[3], 1, *self.plane)

    def output(self, y):
        return y.T[None, None, :, None, :, None] if self.is_rows else y[:, None, :, None, None, None]


class PlaneForm:
    """A tensor [N, C, ...], or one that is seen as such, whose channels stand for groups of one."""

    def __init__(self, shape, is_rows):
        self.channels, self.axes, self.is_rows = shape[1], (ONE, ONE, ONE), is_rows
        self.shape = (shape[0], shape[1], 1, *spatial(shape[2:], 1))

    def output(self, y):
        return (y.T if self.is_rows else y).reshape(self.shape)


class Read:
    """What a stage reads of a tensor on chip. behind: pools of the stage that come after; axes: by row and column."""

    def __init__(self, tensor, axes, behind):
        self.tensor, self.axes, self.behind = tensor, axes, behind

    def touched(self, at, made):
        for axes in reversed(self.behind):
            made = touched_by(axes[at], made)
        return touched_by(self.axes[at], made)


class Parts:
    """Tensors on chip, one behind the other along the channels: a Concat that nobody holds as a tensor of its own. They do not pass."""

    def __init__(self, name, parts):
        self.name, self.parts = name, parts
        self.channels, self.plane = sum(t.channels for t in parts), parts[0].plane
        self.span, self.held, self.is_rows = (0, self.channels), True, False
        if any(not t.held or t.span != (0, t.channels) or t.plane != self.plane for t in parts):
            raise Illegal(f"parts of '{name}' pass, or their planes differ")

    def get(self, first, last, rows, columns):
        found, at = [], 0
        for tensor in self.parts:
            low, high = max(first - at, 0), min(last - at, tensor.channels)
            if low < high:
                found.append(tensor.get(low, high, rows, columns))
            at += tensor.channels
        return np.concatenate(found)


class Quantised:
    """A tensor on chip as who reads it through a QuantizeLinear or a DequantizeLinear sees it."""

    def __init__(self, off_chip, node, tensor):
        self.tensor, self.node = tensor, node
        self.scale = off_chip.array(node.input[1])
        self.zero = off_chip.array(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros((), np.uint8)
        if self.scale.size > 1:
            raise Illegal(f"'{node.name or node.output[0]}' has a scale per channel, and is no epilogue")

    def __getattr__(self, name):
        return getattr(self.tensor, name)

    def get(self, *where):
        values, zero = self.tensor.get(*where), self.zero.astype(np.float32)
        if self.node.op_type == "DequantizeLinear":
            return ((values - zero) * self.scale).astype(np.float32)
        limits = np.iinfo(self.zero.dtype)
        return np.clip(np.rint(values / self.scale) + zero, limits.min, limits.max).astype(np.float32)


def tensors_of(source):
    """Those on chip."""
    if isinstance(source, Quantised):
        return tensors_of(source.tensor)
    return [t for part in source.parts for t in tensors_of(part)] if isinstance(source, Parts) else [source]


class TileOperand:
    """An operand of a stage's epilogue that is on chip: gives the elements of a box of the output."""

    def __init__(self, tensor, form_groups):
        self.tensor, self.groups = tensor, form_groups

    def take(self, box):
        """box: n, g, m, d, h, w; either g or m is whole or the other is of one entry."""
        _, g, m, _, rows, columns = box
        rows, columns = (np.arange(*r) if isinstance(r, tuple) else r for r in (rows, columns))
        if self.tensor.plane[0] == 1:
            rows = np.zeros(min(1, len(rows)), int)
        if self.tensor.plane[1] == 1:
            columns = np.zeros(min(1, len(columns)), int)
        per_group = self.groups[1]
        first, last = g[0] * per_group + m[0], (g[1] - 1) * per_group + m[1]
        values = self.tensor.get(first, last, rows, columns)
        return values.reshape(1, g[1] - g[0], m[1] - m[0], 1, *values.shape[1:])


class Stage:
    """Makes `channels` of the output tensor from its channel `offset` on (all, but for a part of a Concat). source: the first tensor that it reads."""

    def __init__(self, run, nodes, output, offset=0, copies=None):
        self.run, self.nodes, self.output, self.offset = run, nodes, output, offset
        self.model, self.lead = run.model, nodes[0]
        self.name = self.lead.name or self.lead.output[0]
        self.reads, self.behind = [], []
        self.rereads = {tensor for name, tensors in run.entry.get("rereads", {}).items() for tensor in tensors if run.model.by_name[name] is nodes[0]}
        self.is_layer, self.is_pool = self.lead.op_type in LAYERS, self.lead.op_type in POOLS
        if self.is_layer or self.is_pool:
            is_conv = self.lead.op_type in CONVS or self.is_pool
            self.source = self.need(self.lead.input[0], not is_conv)
            self.form = ConvForm(self.model, self.lead) if is_conv else FlatForm(self.model, self.lead, self.source)
            self.groups, self.per_group, self.inputs = self.form.sizes[1:4]
            self.check_form()
            rest = nodes[1:]
        else:
            self.source = copies or (self.need(self.lead.input[0]) if self.lead.op_type == "Resize" else self.first_operand())
            self.named = copies.name if copies else self.nodes[-1].output[0]
            self.form = PlaneForm(run.form(self.named), run.is_rows(self.named))
            self.groups, self.per_group, self.inputs = self.form.channels, 1, 1
            rest = [] if copies else nodes[self.lead.op_type == "Resize":]
        self.channels = self.groups * self.per_group
        self.is_resize = self.lead.op_type == "Resize"
        self.mixes = self.is_layer and self.groups == 1
        self.axes = self.form.axes[1:] if self.is_layer or self.is_pool else resize_weights(run, self.lead) if self.is_resize else (ELEMENT, ELEMENT)
        self.kernel = math.prod(axis.kernel for axis in self.form.axes) if self.is_layer else 0
        self.macs = self.inputs * math.prod(-(-axis.kernel // axis.stride) if axis.transposed else axis.kernel for axis in self.form.axes) if self.is_layer else 0
        operands = [(i, name) for i, node in enumerate(nodes) for name in node.input if name]
        self.pools = self.find_pools()
        self.reads += [Read(tensor, self.axes, [p for _, p in self.pools]) for tensor in tensors_of(self.source)]
        self.own_reads = len(self.reads)
        for i, name in operands:
            tensor = self.on_chip(name)
            if copies or tensor is None or isinstance(tensor, Parts) or (i == 0 and tensor is self.source) or any(name == o for n in nodes for o in n.output):
                continue
            axes = tuple(WHOLE if p == 1 else ELEMENT for p in tensor.plane)
            self.reads.append(Read(tensors_of(tensor)[0], axes, [p for at, p in self.pools if at > i]))
        value = None if self.is_layer or self.is_pool else self.lead.output[0] if self.is_resize else run.name_read(self.lead, self.source)
        self.epilogue = Epilogue(run.off_chip, self.lead if self.is_layer or self.is_pool else None, rest, self.form, value, self.operand)
        if self.is_layer:
            self.read_weights()
        self.find_slopes()

    def check_form(self):
        """A Reshape between the tensor on chip and its reader may give it another plane, not other positions."""
        reads = (self.groups * self.inputs, *(axis.plane for axis in self.form.axes[1:]))
        if reads != (self.source.channels, *self.source.plane):
            raise Illegal(f"'{self.name}' reads [channels, rows, columns] {reads} of a tensor that is {(self.source.channels, *self.source.plane)}")

    def find_slopes(self):
        """Constants that do not fold: so many per output channel, which go with the weights."""
        self.slopes = 0
        for name in [name for name in self.epilogue.operands if name in self.model.constant]:
            elems, times = self.model.elems(name), len(self.epilogue.operands.pop(name))
            if elems != self.channels:
                raise Illegal(f"'{name}' is a constant with {elems} elements, for {self.channels} channels")
            self.slopes += times
            if not self.is_layer:
                self.weight_bits = self.model.weight_bits(name)
        self.has_weights = self.is_layer or self.slopes > 0

    def span(self):
        """Output channels of the current out block, counted from the stage's first."""
        return (0, self.channels) if self.channels != self.output.channels else self.output.span

    def on_chip(self, name):
        """None where the schedule has the stage read it from off chip all the same."""
        tensor = self.run.on_chip(name)
        return None if tensor is None or tensor.name in self.rereads else tensor

    def operand(self, name):
        tensor = self.on_chip(name)
        return None if tensor is None else TileOperand(tensor, (self.groups, self.per_group))

    def need(self, name, may_flatten=False):
        tensor = self.run.on_chip(name, may_flatten)
        if tensor is None:
            raise Illegal(f"'{self.name}' reads '{name}', which is not among the tensors on chip")
        return tensor

    def first_operand(self):
        for name in self.lead.input:
            tensor = self.on_chip(name)
            if tensor is not None and tensor.plane == self.output.plane and tensor.channels == self.run.form(self.nodes[-1].output[0])[1]:
                return tensor
        raise Illegal(f"'{self.name}' reads no tensor on chip of its output's shape")

    def find_pools(self):
        """(place in the stage, axes of rows and columns) of each pool in the epilogue."""
        return [(i, spatial(pool_axes(self.model, node), ONE)[1:]) for i, node in enumerate(self.nodes[1:], 1) if node.op_type in POOLS]

    def read_weights(self):
        name = self.lead.input[1]
        if name not in self.model.constant:
            raise Illegal(f"the weight of '{self.name}' is no constant")
        self.weight_bits, self.partial_bits = self.model.weight_bits(name), self.model.partial_bits
        weights = self.form.weight(self.run.off_chip.array(name)).astype(np.float64)
        weights = weights * self.epilogue.scale[:, :, None, None, None, None]
        self.weights = weights.astype(np.float32).reshape(self.groups * self.per_group, self.inputs, self.kernel)
        self.bias = self.epilogue.bias.astype(np.float32).ravel()

    def made_by_lead(self, at, made):
        """Positions along an axis that the lead makes for these of the stage's output."""
        for _, axes in reversed(self.pools):
            made = touched_by(axes[at], made)
        return made


def read_stages(run, nodes):
    """Splits the group's nodes at the tensors that are named."""
    by_output = {o: node for node in nodes for o in node.output if o and (node.op_type != "Concat" or o in run.tensors)}
    stages = []
    for node in nodes:
        for name in node.output:
            if name in run.tensors:
                stages += parts_of(run, by_output, node) if node.op_type == "Concat" else [stage_of(run, by_output, name)]
    placed = [id(n) for stage in stages for n in stage.nodes if n.op_type != "Concat"]
    for node in nodes:
        if node.op_type != "Concat" and placed.count(id(node)) != 1:
            raise Illegal(f"'{node.name or node.output[0]}' makes a tensor that is neither named nor on the way to one")
    place = {id(node): i for i, node in enumerate(nodes)}
    return sorted(stages, key=lambda stage: place[id(stage.nodes[-1])])


def parts_of(run, by_output, node):
    """A Concat of channels is made in place: by a stage for each input that is not named, by a copy of each that is."""
    output, rank, offset, stages = run.tensors[node.output[0]], len(run.model.shape(node.output[0])), 0, []
    if attribute(node, "axis") % rank != 1 or not output.held:
        raise Illegal(f"'{node.name or node.output[0]}' is not a Concat of channels that is held")
    for name in node.input:
        tensor = run.on_chip(name)
        if tensor is not None:
            stages.append(Stage(run, [node], output, offset, tensor))
        elif name in by_output and run.model.uses[name] == 1:
            stages.append(stage_of(run, by_output, name, output, offset))
        else:
            raise Illegal(f"'{name}' is neither named nor made for '{node.name or node.output[0]}' alone")
        offset += run.model.shape(name)[1]
    return stages


def stage_of(run, by_output, name, output=None, offset=0):
    """The nodes on the way to this value, back to the one whose inputs are on chip. output, offset: where it is put, if not in a tensor of its own."""
    chain = [by_output[name]]
    while True:
        before = [by_output[i] for i in chain[0].input if i in by_output and i not in run.tensors]
        if not before:
            return Stage(run, chain, output or run.tensors[name], offset)
        if len(before) > 1:
            raise Illegal(f"'{chain[0].name or chain[0].output[0]}' joins two values that are not named")
        chain.insert(0, before[0])
