"""A fused group on real data, tile by tile over the plane of its last output (cost-model.md 8).

    FusedGroup(off_chip, entry, nodes, handed).run(scratchpad, traffic)     writes what leaves the group into off_chip

handed, {name: array}: what stays on chip from one group to the next; the group takes out what it takes, and puts in what it leaves there.

Rows and columns of every tensor are planned apart: a tile makes a product of both. Each element on chip is there once; it is made or
fetched where it is not kept, it must be there when it is read, and it leaves behind the last reader of its tensor in the last tile of its
life that wants it. A life is the whole walk (full), a row or column of tiles (rows), or a tile (recompute); at its end nothing may be left.
Where section 8 leaves room:

- A stage makes one output channel after the other; the one being made and every unfinished one is at partial-sum width where it is a sum.
- Stages linked by passing tensors run together, turn by turn. Sums over passing inputs start in the first turn, with the bias, and end in
  the last. A piece of streaming weights is so many output channels of the turn times the input channels of the turn.
- External inputs are fetched in the step of their first reader, in one transfer; double-buffered, these elements count twice in that step.
- External outputs are written when the stage has made them: passing ones a block at a time, held ones whole; again where made again.
- Out blocks are ceil(channels / B) channels; each loads the weights that stay of the last mixing stage and those behind
  it. All others that stay are loaded once, before the first image.
- A tensor that stays from the group that makes it to the next one is made once, and neither written nor read. There its elements count from
  when they are made to the end; here those that are wanted count from the start, each until the last reader in the last tile of all is done.
- Constants of an epilogue that do not fold, so many per output channel, go with the weights as a bias does, at weight width.
- An operand that is not on chip, or that the schedule has read again, is read as the elements it meets are finished, in each step anew, and has no place on chip.
"""
import itertools
import math

import numpy as np

from machine import CONVS, LAYERS, POOLS, RENAMES, Wrong, attribute, bytes_of
from executor_chip import Illegal
from executor_forms import taps
from executor_layer import divisors_of
from executor_stages import ELEMENT, QUANTISERS, Parts, Quantised, read_stages


class ChipTensor:
    """The elements of a tensor that are on chip: [channels, rows, columns], NaN where there is none."""

    def __init__(self, name, shape, kind, bits):
        block = None if kind in ("held", "stays") else kind.get("passing") or kind["stays"]
        if len(shape) < 2 or len(shape) > 4:
            raise Illegal(f"'{name}' has {len(shape)} dims")
        self.name, self.channels, self.block, self.bits = name, shape[1], block, bits
        self.plane = (tuple(shape[2:]) + (1, 1))[:2]
        self.partial_bits = bits   # of a sum that is not finished
        self.held = block is None
        self.stays = "stays" in kind   # between two groups
        self.is_external = self.leaves = False
        self.here = np.zeros((self.channels, *self.plane), bool)
        self.data = np.full(self.here.shape, np.nan, np.float32)
        self.last_wanted = np.full(self.plane, -1, np.int64)   # tile
        self.count = 0        # elements on chip
        self.unfinished = 0   # sums, apart
        self.again = 0        # elements that a double buffer holds a second time
        self.again_unfinished = 0
        self.readers = []     # stages in order
        self.span = (0, self.channels)   # channels of the current out block

    def put(self, first, last, rows, columns, values):
        where = np.ix_(range(first, last), rows, columns)
        if self.here[where].any():
            raise Wrong(f"elements of '{self.name}' are made that are kept already")
        self.here[where], self.data[where] = True, values
        self.count += (last - first) * len(rows) * len(columns)

    def get(self, first, last, rows, columns):
        where = np.ix_(range(first, last), rows, columns)
        if not self.here[where].all():
            raise Wrong(f"elements of '{self.name}' are read that are not on chip")
        return self.data[where]

    def drop(self, first, last, tile, wanted):
        """Elements of this tile's window that no later tile of its life wants."""
        rows, columns = np.nonzero(self.last_wanted[np.ix_(*wanted)] == tile)
        rows, columns = wanted[0][rows], wanted[1][columns]
        gone = self.here[first:last, rows, columns]
        self.count -= int(gone.sum())
        self.here[first:last, rows, columns] = False
        self.data[first:last, rows, columns] = np.nan

    def blocks(self):
        first, last = self.span
        step = self.block or self.channels
        return [(c, min(c + step, last)) for c in range(first, last, step)]


def split_tiles(extent, step):
    return [np.arange(a, min(a + step, extent)) for a in range(0, extent, step)]


class FusedGroup:
    def __init__(self, off_chip, entry, nodes, handed):
        self.handed = handed
        self.off_chip, self.model, self.target = off_chip, off_chip.model, off_chip.model.target
        self.entry, self.tensors, self.seen = entry, {}, {}   # seen: by the value that is read, what it is seen through
        nodes = nodes + self.joins(nodes)
        made = self.made_here = {o: node for node in nodes for o in node.output if o}
        for name, kind in entry["tensors"].items():
            tensor = ChipTensor(name, self.form(name), kind, self.model.activation_bits(name))
            tensor.is_rows = self.is_rows(name)
            tensor.is_external = name not in made
            tensor.leaves = name in made and not tensor.stays and self.is_used_outside(name, nodes)
            self.tensors[name] = tensor
        self.stages = read_stages(self, nodes)
        self.last = self.stages[-1].output
        for stage in self.stages:
            if stage.is_layer:
                stage.output.partial_bits = stage.partial_bits
            for read in stage.reads:
                read.tensor.readers.append(stage)
        for tensor in self.tensors.values():
            if tensor.is_external and not tensor.readers:
                raise Illegal(f"nothing reads '{tensor.name}'")
            if tensor.readers and tensor is self.last:
                raise Illegal("the last output is read inside its group")
        self.images = self.form(self.last.name)[0]
        self.check_staying()
        self.set_residency(entry.get("weights", {}))
        self.mixing = max((i for i, stage in enumerate(self.stages) if stage.mixes), default=None)
        self.results, self.macs, self.kept_bytes, self.ever = {}, 0, 0, {}   # kept_bytes: the most between two tiles

    def is_used_outside(self, name, nodes):
        """By a node that is not in the group; what moves nothing and stands in no group is used where its output is."""
        if name in self.model.outputs:
            return True
        for reader in self.model.readers[name]:
            if any(node is reader for node in nodes) or reader.op_type == "Shape":
                continue
            if not self.model.moves_nothing(reader) or any(self.is_used_outside(o, nodes) for o in reader.output if o and o not in self.entry["tensors"]):
                return True
        return False

    def form(self, name):
        """[N, C, ...] as the layers of the group see a value, whatever renames it on the way: as its maker does, else as its first reader."""
        node, shape = self.made_here.get(name), self.model.shape(name)
        if self.is_rows(name):
            return 1, shape[1], shape[0], 1
        if node is not None and node.op_type not in (*CONVS, *LAYERS, *POOLS, "Resize", "Concat"):
            same = [i for i in node.input if i and i not in self.model.constant and self.model.elems(i) == self.model.elems(name)]
            return self.form(self.root(same[-1] if len(same) == len(node.input) > 1 else same[0])) if same else shape
        if node is None:
            seen = self.seen_as(name)
            return seen or shape
        return shape

    def is_rows(self, name):
        """[R, K] that comes from no plane: R rows of one image (cost-model.md 1), not R images."""
        node, shape = self.made_here.get(name), self.model.shape(name)
        if len(shape) != 2 or shape[0] == 1:
            return False
        if node is None:
            return self.root(name) == name
        same = [i for i in node.input if i and i not in self.model.constant and self.model.elems(i) == self.model.elems(name)]
        first = node.input[0] if node.op_type in LAYERS else same[0] if same else None
        return first is not None and self.is_rows(self.root(first))

    def root(self, name):
        """Back through what only renames or quantises."""
        while name not in self.made_here and name not in self.entry["tensors"]:
            node = self.model.producers.get(name)
            if node is None or node.op_type not in RENAMES | QUANTISERS:
                break
            name = node.input[0]
        return name

    def seen_as(self, name):
        """The shape of a value, or of what renames it, where a layer of the group reads it: one whose kernel has a plane, else the first."""
        return self.seen_by(name, (*CONVS, *POOLS, "Resize")) or self.seen_by(name)

    def seen_by(self, name, kinds=None):
        """Of these kinds, through elementwise nodes of the group if need be. Of a part of a Concat, with its own channels."""
        for reader in self.model.readers[name]:
            is_here = any(reader is node for node in self.made_here.values())
            if reader.op_type in RENAMES | QUANTISERS or (reader.op_type == "Concat" and not is_here):
                shape = self.seen_by(reader.output[0], kinds)
                if shape and reader.op_type == "Concat":
                    return (shape[0], self.model.elems(name) // (math.prod(shape) // shape[1]), *shape[2:])
            elif not is_here or reader.op_type in ("Gemm", "MatMul"):
                continue   # a matrix takes a plane as it is: its kernel
            elif kinds and reader.op_type not in kinds:
                is_same = reader.op_type not in (*CONVS, *POOLS, "Resize", "Concat") and self.model.shape(reader.output[0]) == self.model.shape(name)
                shape = self.seen_by(reader.output[0], kinds) if is_same else None
            else:
                shape = self.model.shape(name)
            if shape and 2 <= len(shape) <= 4:
                return shape
        return None

    def check_staying(self):
        for tensor in self.tensors.values():
            if not tensor.stays:
                continue
            if "capacity" not in self.target["on_chip"] or self.images > 1 or self.entry.get("out_blocks", 1) > 1:
                raise Illegal(f"'{tensor.name}' cannot stay: the chip is split, there are several images, or blocks of the output")
            if tensor.is_external and tensor.name not in self.handed:
                raise Illegal(f"'{tensor.name}' does not stay in the group before")
            if not tensor.is_external and tensor is not self.last:
                raise Illegal(f"'{tensor.name}' stays, and is not the last that the group makes")

    def joins(self, nodes):
        """Concats that only rename memory stand in no group; those of what is made here belong to it."""
        made = {o for node in nodes for o in node.output}
        found = (self.model.producers.get(name) for name in self.entry["tensors"])
        return [node for node in found if node is not None and node.op_type == "Concat" and node.output[0] not in made and made & set(node.input)]

    def set_residency(self, weights):
        names = {self.model.by_name[name].output[0]: kind for name, kind in weights.items()}
        for stage in self.stages:
            kind = names.get(stage.lead.output[0])
            if stage.has_weights and kind is None:
                raise Illegal(f"the schedule does not say whether the weights of '{stage.name}' stay")
            stage.piece = None if kind in (None, "stays") else kind["streams"]
            stage.stay_bytes = 0

    def on_chip(self, asked, may_flatten=False):
        """The tensor of this name, or the one that it renames: on a plane of one element, or flattened where it may be."""
        tensor, shape = self.resolve(asked), self.model.shapes.get(asked, ())
        if tensor is None or asked in self.tensors:
            return tensor
        is_whole = tensor.channels * math.prod(tensor.plane) == math.prod(shape[1:])
        return tensor if is_whole and (may_flatten or tensor.plane == (1, 1) or len(shape) > 2) else None

    def resolve(self, name):
        """What is on chip of a value: a tensor, its elements quantised, or a Concat of several."""
        if name in self.tensors or name in self.seen:
            return self.tensors.get(name) or self.seen[name]
        node = self.model.producers.get(name)
        if node is None or name in self.model.constant:
            return None
        found = None
        if node.op_type == "Concat" and attribute(node, "axis") % len(self.model.shape(name)) == 1:
            parts = [self.on_chip(part) for part in node.input]
            found = None if any(part is None for part in parts) else Parts(name, parts)
        elif node.op_type in RENAMES or node.op_type in QUANTISERS:
            found = self.resolve(node.input[0])
            if found is not None and node.op_type in QUANTISERS:
                found = Quantised(self.off_chip, node, found)
        if found is not None:
            self.seen[name] = found
        return found

    def name_read(self, node, tensor):
        return next(name for name in node.input if self.on_chip(name) is tensor)

    # the walk

    def run(self, scratchpad, traffic):
        self.scratchpad, self.traffic, self.staged_bytes = scratchpad, traffic, 0
        for tensor in self.tensors.values():
            if tensor.leaves:
                self.results[tensor.name] = np.full((self.images, *tensor.here.shape), np.nan, np.float32)
        self.load_staying(self.stages if self.entry.get("out_blocks", 1) == 1 else self.stages[:self.mixing])
        for self.image, block in itertools.product(range(self.images), self.out_blocks()):
            self.set_block(block)
            self.walk()
        if self.last.stays:
            if not self.last.here.all():
                raise Illegal(f"'{self.last.name}' was not made whole")
            self.handed[self.last.name] = self.last.data
        for name, array in self.results.items():
            if np.isnan(array).any():
                raise Illegal(f"'{name}' was not written whole")
            self.off_chip.store(name, array[0, :, :, 0].T if self.tensors[name].is_rows else array.reshape(self.model.shape(name)))

    def out_blocks(self):
        count = self.entry.get("out_blocks", 1)
        if count == 1:
            return [None]
        if self.mixing is None:
            raise Illegal("out_blocks without a layer that mixes channels")
        stage = self.stages[self.mixing]
        channels = stage.output.channels
        step = -(-channels // count)
        if step * (count - 1) >= channels:
            raise Illegal(f"{channels} channels do not make {count} blocks")
        return [(a, min(a + step, channels)) for a in range(0, channels, step)]

    def set_block(self, block):
        """The last mixing stage and what follows make the block's channels only."""
        if block is None:
            return
        stage = self.stages[self.mixing]
        stage.output.span = block
        for later in self.stages[self.mixing + 1:]:
            spans = {read.tensor.span for read in later.reads if read.tensor.span != (0, read.tensor.channels)}
            if not spans:
                continue
            (first, last), *others = spans
            if others or later.offset or later.channels != later.output.channels or first % later.inputs or last % later.inputs:
                raise Illegal(f"'{later.name}' does not take the channels of an out block, or not whole groups")
            later.output.span = first // later.inputs * later.per_group, last // later.inputs * later.per_group
        self.load_staying(self.stages[self.mixing:])

    def load_staying(self, stages):
        for stage in stages:
            if stage.has_weights and stage.piece is None:
                first, last = stage.span()
                stage.stay_bytes = self.move_weights(stage, first, last, 0, stage.inputs)

    def walk(self):
        entry, (height, width) = self.entry, self.last.plane
        if entry["walk"] not in ("right", "down") or entry["overlap"] not in ("recompute", "rows", "full"):
            raise Illegal(f"walk {entry['walk']}, overlap {entry['overlap']}")
        rows, columns = split_tiles(height, entry["tile"]["oh"]), split_tiles(width, entry["tile"].get("ow", 1))
        right = entry["walk"] == "right"
        inner = 1 if right else 0
        keeps = [entry["overlap"] == "full" or (entry["overlap"] == "rows" and at == inner) for at in range(2)]
        self.plan = [self.plan_axis(at, tiles, keeps[at]) for at, tiles in enumerate((rows, columns))]
        order = list(itertools.product(range(len(rows)), range(len(columns)))) if right else [(i, j) for j in range(len(columns)) for i in range(len(rows))]
        self.bring_in_staying(order)
        life = {"full": len(order), "rows": len(columns) if right else len(rows), "recompute": 1}[entry["overlap"]]
        for begin in range(0, len(order), life):
            self.live(order[begin:begin + life], begin)
        for tensor in self.tensors.values():
            if tensor.stays and tensor.is_external and tensor.count:
                raise Wrong(f"{tensor.count} elements of '{tensor.name}' are left at the end")

    def bring_in_staying(self, order):
        """Of what stays from the group before, that which some tile wants; the last tile that does."""
        for tensor in self.tensors.values():
            if tensor.stays and tensor.is_external:
                self.note_wants(tensor, order)
                array = self.handed.pop(tensor.name).reshape(tensor.here.shape)
                tensor.here[:] = tensor.last_wanted >= 0
                tensor.data = np.where(tensor.here, array, np.nan).astype(np.float32)
                tensor.count = int(tensor.here.sum())

    def plan_axis(self, at, tiles, keeps):
        """By tile along an axis: the positions of each tensor that are made, and those that are wanted."""
        before, plan = {name: np.zeros(t.plane[at], bool) for name, t in self.tensors.items()}, []
        ordered = list(dict.fromkeys(stage.output for stage in reversed(self.stages))) + [t for t in self.tensors.values() if t.is_external]
        for tile in tiles:
            made, wanted = {}, {}
            for tensor in ordered:
                want = tile if tensor is self.last else self.wanted(tensor, at, made, tile)
                there = before[tensor.name]
                wanted[tensor.name] = want
                made[tensor.name] = want[~there[want]] if keeps else want
                there[want] = True
            plan.append((made, wanted))
        return plan

    def wanted(self, tensor, at, made, tile):
        """What its readers touch; the hull where there are several; of an output that nothing here reads the tile."""
        touched = [read.touched(at, made[stage.output.name]) for stage in dict.fromkeys(tensor.readers) for read in stage.reads if read.tensor is tensor]
        if not touched:
            if tensor.plane != self.last.plane:
                raise Illegal(f"nothing in the group reads '{tensor.name}', and its plane is not that of the last output")
            return tile
        found = np.unique(np.concatenate(touched))
        return np.arange(found[0], found[-1] + 1) if len(touched) > 1 and len(found) else found

    def live(self, tiles, begin):
        self.plan_life(tiles)
        for number, (i, j) in enumerate(tiles):
            self.tile, self.tile_of_all = number, begin + number
            self.made = {name: (self.plan[0][i][0][name], self.plan[1][j][0][name]) for name in self.tensors}
            self.wants = {name: (self.plan[0][i][1][name], self.plan[1][j][1][name]) for name in self.tensors}
            for phase in self.phases():
                self.run_phase(phase)
            kept = sum(bytes_of(tensor.count, tensor.bits) for tensor in self.tensors.values())
            self.kept_bytes = max(self.kept_bytes, kept)
        for tensor in self.tensors.values():
            if (tensor.count and not tensor.stays) or tensor.unfinished:
                raise Wrong(f"{tensor.count + tensor.unfinished} elements of '{tensor.name}' are left at the end of their life")

    def plan_life(self, tiles):
        for tensor in self.tensors.values():
            if not (tensor.stays and tensor.is_external):
                self.note_wants(tensor, tiles)

    def note_wants(self, tensor, tiles):
        """The last of these tiles that wants each element."""
        tensor.last_wanted[:] = -1
        for number, (i, j) in enumerate(tiles):
            tensor.last_wanted[np.ix_(self.plan[0][i][1][tensor.name], self.plan[1][j][1][tensor.name])] = number

    def phases(self):
        """Runs of stages linked by passing tensors."""
        phases, at = [], 0
        place = {id(stage): i for i, stage in enumerate(self.stages)}
        while at < len(self.stages):
            end, i = at + 1, at
            while i < end:
                stage = self.stages[i]
                for tensor in [stage.output] + [read.tensor for read in stage.reads]:
                    if not tensor.held:
                        end = max([end] + [place[id(r)] + 1 for r in tensor.readers])
                i += 1
            phases.append(self.stages[at:end])
            at = end
        return phases

    def run_phase(self, stages):
        tensors = list(dict.fromkeys([t for s in stages for t in [s.output] + [r.tensor for r in s.reads]]))
        passing = [t for t in tensors if not t.held]
        turns = max([len(t.blocks()) for t in passing], default=1)
        if any(len(t.blocks()) != turns for t in passing):
            raise Illegal(f"tensors that pass together have {[len(t.blocks()) for t in passing]} blocks")
        for stage in stages if turns > 1 else []:
            early = [t.name for t in tensors if t is stage.output and t.held and any(reader in stages for reader in t.readers)]
            if early:
                raise Illegal(f"'{early[0]}' is held, and read in the turns that make it")
        for turn in range(turns):
            for stage in stages:
                self.run_stage(stage, turn, turns)
        for tensor in tensors:
            tensor.again = tensor.again_unfinished = 0

    # a stage in a turn

    def run_stage(self, stage, turn, turns):
        self.fetch_for(stage, turn)
        rows, columns = self.made[stage.output.name]
        if len(rows) and len(columns):
            made, used, adds = self.channels_of(stage, turn, turns)
            for read in stage.reads[stage.own_reads:]:
                if not read.tensor.held and read.tensor.blocks()[turn] != made:
                    raise Illegal(f"'{stage.name}' takes a block of '{read.tensor.name}' that it does not make")
            self.make(stage, made, used, adds, turn == 0, turn == turns - 1)
            self.write(stage, made, turn == turns - 1)
        if not stage.output.held:
            stage.output.again = stage.output.again_unfinished = 0
        for tensor in dict.fromkeys(read.tensor for read in stage.reads):
            if tensor.readers[-1] is stage and not (tensor.held and turn < turns - 1):
                self.drop(tensor, turn)

    def drop(self, tensor, turn):
        first, last = tensor.blocks()[turn] if not tensor.held else (0, tensor.channels)
        tensor.drop(first, last, self.tile_of_all if tensor.stays else self.tile, self.wants[tensor.name])

    def fetch_for(self, stage, turn):
        """External inputs come in the step of their first reader."""
        for tensor in self.tensors.values():
            if not tensor.is_external or tensor.stays:
                continue
            tensor.again = 0
            if tensor.readers[0] is not stage or (tensor.held and turn > 0):
                continue
            first, last = tensor.blocks()[turn] if not tensor.held else (0, tensor.channels)
            rows, columns = self.made[tensor.name]
            array = self.off_chip.array(tensor.name)
            array = array.T[:, :, None] if tensor.is_rows else array[self.image].reshape(tensor.here.shape)
            tensor.put(first, last, rows, columns, array[np.ix_(range(first, last), rows, columns)])
            tensor.again = (last - first) * len(rows) * len(columns)
            self.traffic.move("input", tensor.again, tensor.bits)

    def passing_operand(self, stage):
        return next((read.tensor for read in stage.reads[stage.own_reads:] if not read.tensor.held), None)

    def channels_of(self, stage, turn, turns):
        """Output channels made in this turn, input channels used, and whether they add to sums of several turns."""
        source, output = stage.source, stage.output
        whole_out, whole_in = stage.span(), source.span if not stage.mixes else (0, source.channels)
        if turns == 1:
            made = whole_out
        elif stage.mixes:
            if not source.held:
                if not output.held:
                    raise Illegal(f"'{stage.name}' mixes channels between two passing tensors")
                return whole_out, source.blocks()[turn], True
            guide = output if not output.held else self.passing_operand(stage)
            if guide is None:
                raise Illegal(f"'{stage.name}' makes a held tensor from held ones among passing ones")
            return guide.blocks()[turn], whole_in, False
        else:
            guide = output if not output.held else self.passing_operand(stage)
            if guide is not None:
                made = guide.blocks()[turn]
            elif not source.held:
                made = tuple(c // stage.inputs * stage.per_group for c in source.blocks()[turn])
            else:
                raise Illegal(f"'{stage.name}' makes a held tensor from held ones among passing ones")
        if stage.mixes:
            return made, whole_in, False
        used = tuple(c // stage.per_group * stage.inputs for c in made)
        if made[0] < whole_out[0] or made[1] > whole_out[1]:
            raise Illegal(f"'{stage.name}' is given channels outside the out block")
        if any(c % stage.per_group for c in made) or (not source.held and used != source.blocks()[turn]):
            raise Illegal(f"a block of '{stage.name}' is not a whole number of groups")
        return made, used, False

    def make(self, stage, made, used, adds, is_first, is_last):
        output, (rows, columns) = stage.output, self.made[stage.output.name]
        lead = [stage.made_by_lead(at, made_at) for at, made_at in enumerate((rows, columns))]
        elems, sums = len(rows) * len(columns), len(lead[0]) * len(lead[1])
        patches = self.patches(stage, used, lead)
        if stage.is_layer:
            self.count_macs(stage, made, used, lead)
        if adds and is_first:
            stage.sums = np.zeros((made[1] - made[0], sums), np.float32)
        done = is_last or not adds
        for first, last in self.pieces(stage, made):
            self.staged_bytes = 0
            if stage.has_weights and stage.piece is not None:
                has_first = not adds or used[0] == 0
                self.staged_bytes = self.move_weights(stage, first, last, *((used[0], used[1]) if stage.mixes else (0, stage.inputs)), has_first)
            values = self.compute(stage, patches, first, last, used, not adds or used[0] == 0)
            if adds:
                part = stage.sums[first - made[0]:last - made[0]]
                part += values
                values = part
                if is_first:
                    output.unfinished += (last - first) * sums
                    output.again_unfinished += (last - first) * sums
                self.measure(stage)
            if not done:
                continue
            if adds:
                output.unfinished -= (last - first) * sums
                output.again_unfinished -= (last - first) * sums
                self.finish(stage, first, last, values, lead)
            else:
                self.measure(stage, (last - first - 1) * elems, sums)
                self.finish(stage, first, last, values, lead)
        self.staged_bytes = 0
        self.settle_operands(stage)

    def pieces(self, stage, made):
        step = stage.piece or made[1] - made[0]
        return [(a, min(a + step, made[1])) for a in range(made[0], made[1], step)]

    def move_weights(self, stage, first, last, c_first, c_last, with_bias=True):
        """Brings weights in, with bias and slopes of these output channels where the first input channels come; their bytes."""
        before = self.traffic.bytes["weight_bytes"]
        elems = stage.weights[first:last, c_first:c_last].size if stage.is_layer else 0
        self.traffic.move("weight", elems + (with_bias and (last - first) * stage.slopes), stage.weight_bits)
        if with_bias and stage.epilogue.has_bias:
            self.traffic.move("weight", last - first, stage.partial_bits)
        return self.traffic.bytes["weight_bytes"] - before

    def count_macs(self, stage, made, used, lead):
        """Multiply-accumulates, those of padding too, of a transposed kernel an even share per output, rounded up; which output elements have been made, to tell what was made again."""
        share = stage.macs * (used[1] - used[0]) // stage.inputs if stage.mixes else stage.macs
        self.macs += (made[1] - made[0]) * share * len(lead[0]) * len(lead[1])
        ever = self.ever.setdefault(id(stage), (stage, np.zeros((self.images, stage.channels, *(axis.pooled if stage.pools else p for axis, p in zip(stage.axes, stage.output.plane))), bool)))
        ever[1][np.ix_([self.image], range(*made), *lead)] = True

    def macs_once(self):
        """Of every element that was made, counted once."""
        return sum(int(made.sum()) * stage.macs for stage, made in self.ever.values())

    def measure(self, stage, more_elems=0, more_sums=0):
        """What is on chip now, with these elements of the stage's output and sums of the channel being made."""
        part = dict.fromkeys(("input", "weight", "output"), 0)
        for tensor in self.tensors.values():
            elems, sums = (more_elems, more_sums) if tensor is stage.output else (0, 0)
            where = "output" if tensor.leaves else "input"
            part[where] += bytes_of(tensor.count + elems, tensor.bits)
            part["output"] += bytes_of(tensor.unfinished + sums, tensor.partial_bits)
            if (tensor.leaves or tensor.is_external) and self.scratchpad.factor(where) == 2:
                part[where] += bytes_of(tensor.again + elems, tensor.bits) + bytes_of(tensor.again_unfinished + sums, tensor.partial_bits)
        part["weight"] = sum(s.stay_bytes for s in self.stages) + self.staged_bytes * self.scratchpad.factor("weight")
        self.scratchpad.occupy(**part)

    def finish(self, stage, first, last, sums, lead):
        """Through the epilogue; the finished elements take their place on chip."""
        rows, columns = self.made[stage.output.name]
        values = np.empty((last - first, len(rows), len(columns)), np.float32)
        sums = sums.reshape(last - first, len(lead[0]), len(lead[1]))
        for a, b, g, m in self.chunks(stage, first, last):
            box = ((self.image, self.image + 1), g, m, (0, 1), *lead)
            tile = sums[a - first:b - first].reshape(1, g[1] - g[0], m[1] - m[0], 1, *sums.shape[1:])
            tile, _ = stage.epilogue.finish(tile, box)
            values[a - first:b - first] = tile.reshape(b - a, len(rows), len(columns))
        if np.isnan(values).any():
            raise Wrong(f"'{stage.name}' made a NaN")
        stage.output.put(first + stage.offset, last + stage.offset, rows, columns, values)
        stage.output.again += values.size

    def chunks(self, stage, first, last):
        """Output channels as products of groups and channels of a group."""
        size = stage.per_group
        if size == 1 or stage.groups == 1 or (first % size == 0 and last % size == 0):
            g = (first // size, -(-last // size)) if stage.groups > 1 else (0, 1)
            return [(first, last, g, (0, size) if stage.groups > 1 else (first, last))]
        found = []
        while first < last:
            group, end = first // size, min(last, (first // size + 1) * size)
            found.append((first, end, (group, group + 1), (first - group * size, end - group * size)))
            first = end
        return found

    def settle_operands(self, stage):
        """Operands from off chip that met finished elements in this step."""
        for name, operands in stage.epilogue.operands.items():
            for operand in operands:
                self.traffic.move("input", operand.read.sum(), self.model.activation_bits(name))
                operand.read[:] = False

    def write(self, stage, made, is_last_turn):
        tensor = stage.output
        if not tensor.leaves or (tensor.held and not is_last_turn):
            return
        if tensor.held and stage is not [s for s in self.stages if s.output is tensor][-1]:
            return
        first, last = tensor.span if tensor.held else made
        rows, columns = self.made[tensor.name]
        values = tensor.get(first, last, rows, columns)
        self.results[tensor.name][self.image][np.ix_(range(first, last), rows, columns)] = values
        self.traffic.move("output", values.size, tensor.bits)
        if not tensor.readers:
            tensor.drop(first, last, self.tile, self.wants[tensor.name])

    # computing

    def patches(self, stage, used, lead):
        """What the stage's source gives for these positions: [channels, rows * columns], with kernel positions behind the channels for a window."""
        source = stage.source
        if stage.axes[0] is ELEMENT:
            return source.get(*used, *lead)
        if stage.is_resize:
            touched = [np.flatnonzero(weights[made].any(axis=0)) for weights, made in zip(stage.axes, lead)]
            rows, columns = (weights[np.ix_(made, seen)] for weights, made, seen in zip(stage.axes, lead, touched))
            return rows @ source.get(*used, *touched) @ columns.T
        found, touched = [], []
        for at in range(2):
            inputs = taps(stage.axes[at], lead[at])
            rows = np.unique(inputs[inputs >= 0])
            touched.append(rows)
            found.append(np.where(inputs >= 0, np.searchsorted(rows, inputs), len(rows)))
        outside = -np.inf if stage.is_pool and "Max" in stage.lead.op_type else 0
        tile = np.full((used[1] - used[0], len(touched[0]) + 1, len(touched[1]) + 1), outside, np.float32)
        tile[:, :-1, :-1] = source.get(*used, *touched)
        return tile[:, found[0][:, None, :, None], found[1][None, :, None, :]]   # [c, oh, ow, kh, kw]

    def compute(self, stage, patches, first, last, used, with_bias):
        if stage.is_pool:
            part = patches[first - used[0]:last - used[0]]
            return part.max(axis=(3, 4)) if "Max" in stage.lead.op_type else part.sum(axis=(3, 4)) / self.divisors(stage)
        if not stage.is_layer:
            return patches[first - used[0]:last - used[0]]
        c, rows, columns = patches.shape[:3]
        flat = patches.transpose(0, 3, 4, 1, 2).reshape(c, stage.kernel, rows * columns)
        if stage.mixes:
            weights = stage.weights[first:last, used[0]:used[1]].reshape(last - first, -1)
            values = weights @ flat.reshape(-1, rows * columns)
        else:
            values = np.empty((last - first, rows * columns), np.float32)
            by_group = flat.reshape(c // stage.inputs, stage.inputs * stage.kernel, rows * columns)
            for a, b, g, m in self.chunks(stage, first, last):
                inputs = by_group[g[0] - used[0] // stage.inputs:g[1] - used[0] // stage.inputs]
                values[a - first:b - first] = (stage.weights[a:b].reshape(g[1] - g[0], m[1] - m[0], -1) @ inputs).reshape(b - a, -1)
        return values + stage.bias[first:last, None] if with_bias else values

    def divisors(self, stage):
        rows, columns = (stage.made_by_lead(at, made) for at, made in enumerate(self.made[stage.output.name]))
        return divisors_of(stage.lead, stage.form, (np.zeros(1, int), rows, columns))[0]
