"""A group with a mapping, on real data: the machine of cost-model.md 3, one tile step after another.

    LayerGroup(off_chip, entry, nodes).run(scratchpad, traffic)     writes the group's output into off_chip

What is on chip is an array of its own: a step computes from these arrays alone, and an element that is not in them is an error. Fetched
is what the tile held does not have; sums that are not finished are written to a store off chip and read back.
"""
import math

import numpy as np

from machine import DIMS, POOLS, Wrong, attribute, bytes_of
from executor_epilogue import Epilogue
from executor_forms import form_of, taps, touched

N, G, M, C, OD, OH, OW = range(7)
O_DIMS = (N, G, M, OD, OH, OW)


def divisors_of(node, form, outputs):
    """How many elements each window of an average has: those in the plane, with count_include_pad those in the padded plane."""
    counts, padded, ends = [], attribute(node, "count_include_pad", 0), attribute(node, "pads")
    for at, axis in enumerate(form.axes):
        place = at - (3 - form.rank) if form.rank > 1 else at - 1   # among the node's own axes
        pad_end = ends[form.rank + place] if ends and 0 <= place < form.rank else 0
        low, high = (-axis.pad, axis.plane + pad_end) if padded else (0, axis.plane)
        inputs = (outputs[at] * axis.stride - axis.pad)[:, None] + np.arange(axis.kernel) * axis.dilation
        counts.append(((inputs >= low) & (inputs < high)).sum(1))
    deep, high, wide = counts
    return (deep[:, None, None] * high[:, None] * wide).astype(np.float32)


class Held:
    """A tile on chip: its data, and where in its operand it sits."""

    def __init__(self, key, data, more=None):
        self.key, self.data, self.more = key, data, more


class LayerGroup:
    def __init__(self, off_chip, entry, nodes):
        self.off_chip, self.model, self.target = off_chip, off_chip.model, off_chip.model.target
        self.layer = nodes[0]
        self.is_pool = self.layer.op_type in POOLS
        self.form = form = form_of(self.model, self.layer)
        self.sizes, self.axes = form.sizes, form.axes
        self.epilogue = Epilogue(off_chip, self.layer, nodes[1:], form)
        self.read_mapping(entry["mapping"])
        self.reuse = self.target.get("halo", "reuse") == "reuse"
        self.inputs = form.input(off_chip.array(self.layer.input[0]))
        self.set_widths()
        self.cached = {}

    def set_widths(self):
        model, layer = self.model, self.layer
        width = lambda name: model.weight_bits(name) if name in model.constant else model.activation_bits(name)
        self.output_name = self.epilogue.value
        self.i_bits, self.o_bits = width(layer.input[0]), model.activation_bits(self.output_name)
        self.p_bits = self.o_bits if self.is_pool else model.partial_bits
        self.pad_value = -np.inf if self.layer.op_type in ("MaxPool", "GlobalMaxPool") else 0
        if self.is_pool:
            return
        self.w_bits = width(layer.input[1])
        self.weights = self.form.weight(self.off_chip.array(layer.input[1])).astype(np.float32)
        if self.epilogue.scale is not None:
            self.weights = (self.weights * self.epilogue.scale[:, :, None, None, None, None]).astype(np.float32)

    def read_mapping(self, mapping):
        self.loops = [(DIMS.index(l["dim"]), l["step"], bool(l.get("snake"))) for l in mapping["loops"]]
        depth = mapping.get("depth", {})
        self.depth = [depth.get(x, len(self.loops)) for x in "iwo"]
        inner = list(self.sizes)
        for dim, step, _ in self.loops:
            if not 0 < step <= inner[dim]:
                raise Wrong(f"step {step} of {DIMS[dim]} inside {inner[dim]}")
            inner[dim] = step
        if not all(0 <= d <= len(self.loops) for d in self.depth):
            raise Wrong(f"depth {self.depth} of {len(self.loops)} loops")

    # the run

    def run(self, scratchpad, traffic):
        self.scratchpad, self.traffic = scratchpad, traffic
        self.i_held = self.w_held = self.o_held = None
        self.spilled = {}
        self.result, self.times_written = None, None
        self.steps = 0
        starts, outer = [0] * len(self.loops), [None] * (len(self.loops) + 1)

        def enter(level, ranges):
            outer[level] = ranges
            if level == len(self.loops):
                self.step(*(outer[d] for d in self.depth), ranges)
                return
            dim, step, snake = self.loops[level]
            begin, end = ranges[dim]
            tiles = [(b, min(b + step, end)) for b in range(begin, end, step)]
            if snake and starts[level] % 2:
                tiles.reverse()
            starts[level] += 1
            for tile in tiles:
                enter(level + 1, ranges[:dim] + (tile,) + ranges[dim + 1:])

        enter(0, tuple((0, size) for size in self.sizes))
        self.write_back()
        if self.spilled:
            raise Wrong("sums were left unfinished")
        self.epilogue.settle(traffic)
        self.finish()

    def finish(self):
        shape = self.model.shape(self.output_name)
        if self.result is None or not (self.times_written == 1).all():
            raise Wrong(f"'{self.output_name}' was not written once and whole")
        self.off_chip.store(self.output_name, self.form.tensor(self.result, shape))

    def step(self, i_ranges, w_ranges, o_ranges, ranges):
        self.want_input(i_ranges)
        if not self.is_pool:
            self.want_weight(w_ranges)
        self.want_output(o_ranges)
        (self.pool if self.is_pool else self.multiply)(ranges)
        self.steps += 1

    # what the chip holds

    def plane(self, ranges):
        """The touched inputs along od, oh, ow."""
        found = []
        for at, d in enumerate((OD, OH, OW)):
            key = (at, ranges[d])
            if key not in self.cached:
                self.cached[key] = touched(self.axes[at], np.arange(*ranges[d]))
            found.append(self.cached[key])
        return found

    def positions(self, at, held_range, wanted_range):
        """Where the inputs that two tiles share sit in each, along an axis."""
        key = (at, held_range, wanted_range)
        if key not in self.cached:
            _, old, new = np.intersect1d(self.cached[at, held_range], self.cached[at, wanted_range], True, return_indices=True)
            self.cached[key] = old, new
        return self.cached[key]

    def want_input(self, ranges):
        box, outputs = (ranges[N], ranges[G], ranges[C]), (ranges[OD], ranges[OH], ranges[OW])
        if self.i_held and self.i_held.key == (box, outputs):
            return
        rows = self.plane(ranges)
        shape = tuple(e - b for b, e in box) + tuple(map(len, rows))
        self.scratchpad.grow("input", bytes_of(math.prod(shape), self.i_bits))
        # one more row in each direction stands for what is outside the plane; it is not part of the tile
        tile = np.full(shape[:3] + tuple(s + 1 for s in shape[3:]), self.pad_value, np.float32)
        inside = tile[..., :shape[3], :shape[4], :shape[5]]
        missing = np.ones(shape[3:], bool)
        if self.reuse and self.i_held and self.i_held.key[0] == box:
            shared = [self.positions(at, self.i_held.key[1][at], outputs[at]) for at in range(3)]
            old, new = np.ix_(*[s[0] for s in shared]), np.ix_(*[s[1] for s in shared])
            inside[(..., *new)] = self.i_held.data[(..., *old)]
            missing[new] = False
        source = self.inputs[tuple(slice(*r) for r in box)]
        inside[..., missing] = source[(..., *np.ix_(*rows))][..., missing]
        self.traffic.move("input", math.prod(shape[:3]) * missing.sum(), self.i_bits)
        self.i_held = Held((box, outputs), tile)

    def want_weight(self, ranges):
        """The bias comes with the tile that begins the input channels, and has its place beside every tile."""
        box = (ranges[G], ranges[M], ranges[C])
        if self.w_held and self.w_held.key == box:
            return
        tile = self.weights[tuple(slice(*r) for r in box)]
        per_output, has_bias = tile.shape[0] * tile.shape[1], self.epilogue.has_bias
        size = bytes_of(tile.size, self.w_bits)
        self.scratchpad.grow("weight", size + (bytes_of(per_output, self.p_bits) if has_bias else 0))
        self.traffic.move("weight", tile.size, self.w_bits)
        bias = None
        if ranges[C][0] == 0:
            if has_bias:
                self.traffic.move("weight", per_output, self.p_bits)
            if self.epilogue.bias is not None:
                bias = self.epilogue.bias[slice(*ranges[G]), slice(*ranges[M])].astype(np.float32)
        self.w_held = Held(box, np.ascontiguousarray(tile), bias)

    def want_output(self, ranges):
        box = tuple(ranges[d] for d in O_DIMS)
        if self.o_held and self.o_held.key == box:
            return
        self.write_back()
        shape = tuple(e - b for b, e in box)
        self.scratchpad.grow("output", bytes_of(math.prod(shape), self.p_bits))
        if box in self.spilled:
            self.o_held = self.spilled.pop(box)
            self.traffic.move("partial_sum", math.prod(shape), self.p_bits)
        else:
            self.o_held = Held(box, np.zeros(shape, np.float32), np.zeros(shape, np.int32))

    def write_back(self):
        """Sums whose input channels have not all been added go to a store off chip, finished ones through the epilogue to the output."""
        held = self.o_held
        if held is None:
            return
        if not (held.more == self.sizes[C]).all():
            self.traffic.move("partial_sum", held.data.size, self.p_bits)
            self.spilled[held.key] = held
            return
        tile, box = self.epilogue.finish(held.data, held.key)
        self.traffic.move("output", tile.size, self.o_bits)
        if self.result is None:
            shape = self.form.output(np.broadcast_to(np.int8(0), self.model.shape(self.output_name))).shape
            self.result, self.times_written = np.zeros(shape, tile.dtype), np.zeros(shape, np.int8)
        where = tuple(slice(*r) for r in box)
        self.result[where] = tile
        self.times_written[where] += 1

    # computing

    def gather(self, at, held_range, wanted_range):
        """[outputs, kernel]: where in the held tile the inputs of these outputs sit along an axis; behind the last where outside the plane."""
        key = ("gather", at, held_range, wanted_range)
        if key not in self.cached:
            rows, inputs = self.cached[at, held_range], taps(self.axes[at], np.arange(*wanted_range))
            outside = inputs < 0
            found = np.minimum(np.searchsorted(rows, inputs), max(0, len(rows) - 1))
            if not (outside | (rows[found] == inputs if len(rows) else False)).all():
                raise Wrong("a step needs input that is not on chip")
            self.cached[key] = np.where(outside, len(rows), found)
        return self.cached[key]

    def patches(self, ranges):
        """[n, g, c, od, kd, oh, kh, ow, kw] from the input tile on chip."""
        (held_box, held_outputs), tile = self.i_held.key, self.i_held.data
        part = tile[tuple(slice(ranges[d][0] - held[0], ranges[d][1] - held[0]) for d, held in zip((N, G, C), held_box))]
        deep, high, wide = (self.gather(at, held_outputs[at], ranges[d]) for at, d in enumerate((OD, OH, OW)))
        return part[:, :, :, deep[:, :, None, None, None, None], high[:, :, None, None], wide]

    def output_part(self, ranges):
        where = tuple(slice(ranges[d][0] - held[0], ranges[d][1] - held[0]) for d, held in zip(O_DIMS, self.o_held.key))
        return self.o_held.data[where], self.o_held.more[where]

    def multiply(self, ranges):
        patches = self.patches(ranges)
        n, g, c, *_ = patches.shape
        columns = patches.transpose(0, 1, 2, 4, 6, 8, 3, 5, 7).reshape(n, g, -1, math.prod(patches.shape[3::2]))
        held = self.w_held
        part = tuple(slice(ranges[d][0] - begin, ranges[d][1] - begin) for d, (begin, _) in zip((G, M, C), held.key))
        weights = held.data[part]
        sums, added = self.output_part(ranges)
        sums += np.matmul(weights.reshape(g, weights.shape[1], -1), columns).reshape(sums.shape)
        added += c
        if ranges[C][0] == 0 and self.epilogue.bias is not None:
            if held.more is None:
                raise Wrong("the bias is not on chip")
            sums += held.more[part[:2]][:, :, None, None, None]

    def pool(self, ranges):
        patches = self.patches(ranges)
        values, added = self.output_part(ranges)
        if "Max" in self.layer.op_type:
            values[...] = patches.max(axis=(4, 6, 8))
        else:
            values[...] = patches.sum(axis=(4, 6, 8)) / divisors_of(self.layer, self.form, [np.arange(*ranges[d]) for d in (OD, OH, OW)])
        added += 1
