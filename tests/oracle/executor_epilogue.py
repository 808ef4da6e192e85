"""What is done to a finished output tile before it is written: bias and BatchNormalization folded into the weights, the rest in its order.

    epilogue = Epilogue(off_chip, layer, rest, form)
    epilogue.scale, epilogue.bias           by [g, m]: the linear head, folded into W and one bias (None where nothing folds)
    tile, box = epilogue.finish(sums, box)  box: the ranges of the tile by O's dims n, g, m, od, oh, ow
    epilogue.settle(traffic)                counts the operands once they have been used
"""
import numpy as np

from machine import CONVS, LINEAR, ONE, POOLS, SHAPE_LIKE, attribute, pool_axes, spatial

from executor_chip import Illegal


class Operand:
    """An operand of a node behind the layer, spread over the layer's output; which of its elements were read."""

    def __init__(self, array, shape, form):
        spread = lambda a: form.output(np.broadcast_to(a, shape))
        self.values = spread(array)
        self.ids = spread(np.arange(array.size).reshape(array.shape))
        self.read = np.zeros(array.size, bool)

    def take(self, box):
        where = places(box)
        self.read[self.ids[where]] = True
        return self.values[where]


def places(box):
    """An index for a box whose entries are ranges or, in a fused group, arrays of positions."""
    if all(isinstance(r, tuple) for r in box):
        return tuple(slice(*r) for r in box)
    return np.ix_(*(positions(r) for r in box))


def positions(entry):
    return np.arange(*entry) if isinstance(entry, tuple) else entry


def along_axis(array, axis, rank):
    """A vector as a tensor of this rank that varies along the axis only."""
    return array.reshape([-1 if i == axis % rank else 1 for i in range(rank)]) if array.size > 1 else array.reshape(())


class Epilogue:
    """layer: None where `value` is not made by one; shared: it may be used elsewhere too. on_chip(name): an object to take boxes from, or None."""

    def __init__(self, off_chip, layer, rest, form, value=None, on_chip=None):
        self.off_chip, self.model, self.form = off_chip, off_chip.model, form
        self.layer, self.value, self.shared = layer, value or layer.output[0], value
        self.on_chip = on_chip or (lambda name: None)
        self.steps = []          # functions (tile, box) -> (tile, box)
        self.operands = {}       # name -> [Operand], of those that are counted
        self.scale = self.bias = None
        self.has_bias = False    # counted with W
        self.linear = layer is not None
        self.folding = self.linear and layer.op_type not in POOLS and layer.input[1] in self.model.constant
        if layer is not None:
            self.head()
        for node in rest:
            self.add(node)

    # the head: into W and a bias

    def head(self):
        layer, names = self.layer, self.layer.input
        alpha, beta = (attribute(layer, key, 1.0) if layer.op_type == "Gemm" else 1.0 for key in ("alpha", "beta"))
        if self.folding:
            g, m = self.form.sizes[1:3]
            self.scale, self.bias = np.full((g, m), alpha), np.zeros((g, m))
        elif alpha != 1.0:
            self.steps.append(lambda tile, box: (tile * np.float32(alpha), box))
        if layer.op_type not in (*CONVS, "Gemm") or len(names) < 3 or not names[2]:
            return
        name, shape = names[2], self.model.shape(layer.output[0])
        if layer.op_type in CONVS and name in self.model.constant:
            self.has_bias = True
        spread = self.model.shape(name) if layer.op_type == "Gemm" else (1, -1) + (1,) * (len(shape) - 2)
        array = self.off_chip.array(name).reshape(spread)
        if self.fold(name, array, shape, lambda scale, bias, c: (scale, bias + beta * c)):
            return
        operand = self.operand(name, array, shape, count=not self.has_bias)
        self.steps.append(lambda tile, box: (tile + np.float32(beta) * operand.take(box), box))

    def is_per_channel(self, array, shape):
        """One value per channel, spread along the channel axis."""
        axis = len(shape) - 1 if self.layer is not None and self.layer.op_type in ("Gemm", "MatMul") else 1
        padded = (1,) * (len(shape) - array.ndim) + array.shape
        return array.size == shape[axis] > 1 and len(padded) == len(shape) and padded[axis] == array.size

    def fold(self, name, array, shape, combine):
        """True where a constant was taken into scale and bias. Whether it counts as one does not hang on that."""
        if name not in self.model.constant or not self.linear:
            return False
        if self.is_per_channel(array, shape):
            self.has_bias = True
        elif array.size > 1:
            self.folding = False
        if not self.folding:
            return False
        by_channel = self.form.output(np.broadcast_to(array, shape))[0, :, :, 0, 0, 0].astype(np.float64)
        self.scale, self.bias = combine(self.scale, self.bias, by_channel)
        return True

    # the rest: on finished tiles

    def operand(self, name, array, shape, count=True):
        operand = Operand(array, shape, self.form)
        if count and not (name in self.model.constant and self.model.parameter_bytes(name) == 0):
            self.operands.setdefault(name, []).append(operand)
        return operand

    def add(self, node):
        value, shape = self.value, self.model.shape(self.value)
        if value not in node.input:
            raise Illegal(f"'{node.name or node.output[0]}' does not read '{value}'")
        if value != self.shared and self.model.uses[value] != sum(i == value for i in node.input):
            raise Illegal(f"'{value}' is used elsewhere, so it must leave the chip")
        self.value = node.output[0]
        self.linear &= node.op_type in LINEAR | {"Identity", "Dropout"} and all(i in self.model.constant for i in node.input if i and i != value)
        if node.op_type in POOLS:
            self.steps.append(self.pool(node))
            return
        if self.model.shape(self.value) != shape:
            raise Illegal(f"'{node.name or node.output[0]}' changes the shape")
        if node.op_type in ("Identity", "Dropout"):
            return
        if node.op_type == "BatchNormalization":
            self.normalise(node, shape)
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            self.folding = False
            self.steps.append(self.quantise(node, shape))
        elif not (node.op_type in LINEAR and self.fold_linear(node, value, shape)):
            self.folding = False
            self.steps.append(self.elementwise(node, value, shape))

    def normalise(self, node, shape):
        gain, shift, mean, var = (self.off_chip.array(name).astype(np.float64) for name in node.input[1:5])
        gain = gain / np.sqrt(var + attribute(node, "epsilon", 1e-5))
        gain, shift = (along_axis(a, 1, len(shape)) for a in (gain, shift - mean * gain))
        self.has_bias |= self.linear
        if self.linear and self.folding and self.layer.op_type != "MatMul":
            by_channel = lambda a: self.form.output(np.broadcast_to(a, shape))[0, :, :, 0, 0, 0]
            self.scale, self.bias = self.scale * by_channel(gain), self.bias * by_channel(gain) + by_channel(shift)
            return
        gain, shift = (Operand(a.astype(np.float32), shape, self.form) for a in (gain, shift))
        counted = [self.operand(name, along_axis(self.off_chip.array(name), 1, len(shape)), shape) for name in node.input[1:5]] if not self.linear else []
        self.folding = False

        def step(tile, box):
            for operand in counted:
                operand.take(box)
            return tile * gain.take(box) + shift.take(box), box
        self.steps.append(step)

    def fold_linear(self, node, value, shape):
        if node.input[0] == node.input[1]:
            return False
        first, name = node.input[0] == value, node.input[1 if node.input[0] == value else 0]
        combine = {"Add": lambda s, b, c: (s, b + c),
                   "Sub": (lambda s, b, c: (s, b - c)) if first else lambda s, b, c: (-s, c - b),
                   "Mul": lambda s, b, c: (s * c, b * c),
                   "Div": (lambda s, b, c: (s / c, b / c)) if first else None}[node.op_type]
        if combine is None:
            self.folding = False
            combine = lambda s, b, c: (s, b)
        return self.fold(name, self.off_chip.array(name), shape, combine) if name in self.model.constant else False

    def elementwise(self, node, value, shape):
        takes = []
        for k, name in enumerate(node.input):
            if name in node.input[:k] and name != value:
                takes.append(takes[list(node.input).index(name)])
            elif name == value or not name:
                takes.append(name and "value")
            else:
                takes.append(self.take_of(node, k, name, shape))
        run = self.off_chip.operators.run

        def step(tile, box):
            arrays = [t if isinstance(t, np.ndarray) else t and tile if isinstance(t, str) else t.take(box) for t in takes]
            arrays = [None if isinstance(a, str) else a for a in arrays]
            return run(node, arrays)[0], box
        return step

    def take_of(self, node, k, name, shape):
        if self.on_chip(name) is not None:
            return self.on_chip(name)
        array = self.off_chip.array(name)
        if k in SHAPE_LIKE.get(node.op_type, ()) or (name in self.model.constant and array.size == 1):
            return array
        is_bias = name in self.model.constant and self.linear and self.is_per_channel(array, shape)
        return self.operand(name, array, shape, count=not is_bias)

    def quantise(self, node, shape):
        """In float with rounding, as the operators are defined."""
        axis = attribute(node, "axis", 1)
        scale = self.off_chip.array(node.input[1])
        zero = np.asarray(self.off_chip.array(node.input[2])) if len(node.input) > 2 and node.input[2] else np.zeros((), np.uint8)
        scale, shift = (Operand(along_axis(np.asarray(a, np.float32), axis, len(shape)), shape, self.form) for a in (scale, zero))
        if node.op_type == "DequantizeLinear":
            return lambda tile, box: ((tile.astype(np.float32) - shift.take(box)) * scale.take(box), box)
        limits = np.iinfo(zero.dtype)
        return lambda tile, box: (np.clip(np.rint(tile / scale.take(box)) + shift.take(box), limits.min, limits.max).astype(zero.dtype), box)

    def pool(self, node):
        """Windows that do not overlap and lie whole inside the tile. Behind it the box is in the pool's own rows and columns."""
        axes = spatial(pool_axes(self.model, node), ONE)
        for axis in axes:
            if axis.kernel != axis.stride or axis.pad or axis.dilation != 1:
                raise Illegal(f"the windows of '{node.name or node.output[0]}' overlap or are padded")
        reduce = np.maximum if "Max" in node.op_type else np.add

        def step(tile, box):
            box = list(box)
            for at, axis in enumerate(axes, 3):
                rows = positions(box[at])
                windows, first, count = np.unique(rows // axis.stride, return_index=True, return_counts=True)
                inside = windows < axis.pooled
                windows, whole = windows[inside], np.minimum(windows[inside] * axis.stride + axis.stride, axis.plane) - windows[inside] * axis.stride
                if not np.array_equal(count[inside], whole):
                    raise Illegal(f"a window of '{node.name or node.output[0]}' is cut")
                tile = reduce.reduceat(tile, first, axis=at).take(np.flatnonzero(inside), axis=at) if len(rows) else tile
                if reduce is np.add:
                    tile = tile / along_axis(whole.astype(np.float32), at, 6) if len(whole) else tile
                box[at] = (int(windows[0]), int(windows[-1]) + 1) if len(windows) and windows[-1] - windows[0] + 1 == len(windows) else windows
                if not len(windows):
                    box[at] = (0, 0)
            return tile, tuple(box)
        return step

    def finish(self, sums, box):
        tile = sums
        for step in self.steps:
            tile, box = step(tile, box)
        return tile, box

    def settle(self, traffic):
        for name, operands in self.operands.items():
            constant = name in self.model.constant
            bits = self.model.weight_bits(name) if constant else self.model.activation_bits(name)
            for operand in operands:
                traffic.move("weight" if constant else "input", operand.read.sum(), bits)
