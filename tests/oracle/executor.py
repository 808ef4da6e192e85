"""Runs a written schedule on real data inside a scratchpad of the target's capacity, and counts every byte that crosses its edge.

    python tests/oracle/executor.py ANNOTATED.onnx... [--seed 1] [--quiet]

Reads nothing but the ONNX file, by the onnx package: superslash.schedule, .target and .totals. The groups run in the schedule's order, tile
by tile, each on what is on chip alone (executor_layer.py: one layer with its epilogue; executor_fused.py: several layers). Bytes of each
group must equal the annotations, by part; the largest number of bytes on chip the footprint; the graph's outputs those of ONNX Runtime
(1e-4 of the largest element). Exit 0, or 1 with a line that says what differs.

execute(model, feeds) returns a Run or raises Wrong.
"""
import argparse
import collections
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from machine import PARTS, POOLS, Group, Model, Wrong, properties

from executor_chip import OffChip, Operators, Scratchpad, Traffic
from executor_fused import FusedGroup
from executor_layer import LayerGroup
from executor_stages import Parts

TOLERANCE = 1e-4

# bytes by part, footprint in bytes (None for a lone node), what kind of schedule it was; of a fused one the MACs, and those of elements made first
GroupRun = collections.namedtuple("GroupRun", "id name bytes footprint_bytes kinds macs macs_once", defaults=(0, 0))
Run = collections.namedtuple("Run", "groups outputs totals")


def kinds_of_mapping(entry, nodes, traffic, layer):
    """The names under which the tests count what they have executed."""
    loops = entry["mapping"]["loops"]
    names = [loop["dim"] for loop in loops]
    depths = set(layer.depth)
    yield "pool" if nodes[0].op_type in POOLS else nodes[0].op_type
    yield "uneven" if depths != {len(loops)} else "plain"
    if len(set(names)) < len(names):
        yield "nested"
    if any(loop.get("snake") for loop in loops):
        yield "snake"
    if traffic.bytes["partial_sum_bytes"]:
        yield "spill"
    if any(node.op_type in POOLS for node in nodes[1:]):
        yield "pool epilogue"
    if layer.epilogue.operands:
        yield "operand epilogue"
    if any(loop["step"] and layer.sizes["n g m c od oh ow".split().index(loop["dim"])] % loop["step"] for loop in loops):
        yield "clipped"
    if not loops:
        yield "untiled"


def kinds_of_fused(entry, fused, traffic):
    yield "fused"
    yield f"fused {entry['overlap']} {entry['walk']}"
    kinds = {"stays" if stage.piece is None else "streams" for stage in fused.stages if stage.has_weights}
    yield from ("fused " + kind for kind in sorted(kinds))
    if any(not t.held for t in fused.tensors.values()):
        yield "fused passing"
    if entry.get("out_blocks", 1) > 1:
        yield "fused out blocks"
    if any(len(t.readers) > 1 for t in fused.tensors.values()):
        yield "fused branches"
    if entry.get("rereads"):
        yield "fused read again"
    if any(isinstance(seen, Parts) for seen in fused.seen.values()):
        yield "fused Concat in parts"
    if any(t.stays for t in fused.tensors.values()):
        yield "fused boundary stays"
    if len(fused.plan[0]) == len(fused.plan[1]) == 1:
        yield "fused whole plane"


def run_lone(off_chip, group, traffic):
    """A node without a mapping: read once, written once."""
    node = group.nodes[0]
    parts, _, _ = group.lone()
    made = off_chip.operators.run(node, [off_chip.array(i) if i else None for i in node.input])
    for k, array in made.items():
        off_chip.store(node.output[k], array)
    for part in PARTS:
        traffic.bytes[part] += parts[part]


def run_group(off_chip, group, handed):
    traffic, scratchpad = Traffic(), Scratchpad(off_chip.model.target["on_chip"])
    entry, nodes = group.entry, group.nodes
    if "mapping" in entry:
        layer = LayerGroup(off_chip, entry, nodes)
        layer.run(scratchpad, traffic)
        kinds = list(kinds_of_mapping(entry, nodes, traffic, layer))
    elif "tile" in entry:
        staying = set(handed)
        fused = FusedGroup(off_chip, entry, nodes, handed)
        fused.run(scratchpad, traffic)
        if staying & set(handed):
            raise Wrong(f"'{min(staying & set(handed))}' stays on chip, and this group does not take it")
        kinds = list(kinds_of_fused(entry, fused, traffic))
        return GroupRun(entry["id"], group.names[0], dict(traffic.bytes), scratchpad.peak_bytes, kinds, fused.macs, fused.macs_once())
    else:
        run_lone(off_chip, group, traffic)
        return GroupRun(entry["id"], group.names[0], dict(traffic.bytes), None, ["lone " + nodes[0].op_type])
    return GroupRun(entry["id"], group.names[0], dict(traffic.bytes), scratchpad.peak_bytes, kinds)


def check_notes(group, run):
    """The counted bytes and the footprint against the annotations of the group's nodes, which add up to the group's."""
    noted = [properties(node) for node in group.nodes]
    for key, value in dict(run.bytes, offchip_bytes=sum(run.bytes.values())).items():
        said = sum(int(note.get("superslash." + key, 0)) for note in noted)
        if said != value and any(noted):
            raise Wrong(f"{key} counted {value}, annotated {said}")
    said = {int(note["superslash.footprint_bytes"]) for note in noted if "superslash.footprint_bytes" in note}
    if run.footprint_bytes is not None and any(noted) and said != {run.footprint_bytes}:
        raise Wrong(f"footprint_bytes counted {run.footprint_bytes}, annotated {sorted(said)}")


def check_whole(model, groups):
    """Every node that moves bytes is in exactly one group. (That what is read has been made, OffChip sees.)"""
    times = collections.Counter(id(node) for group in groups for node in group.nodes)
    for node in model.graph.node:
        if times[id(node)] != 1 and (times[id(node)] or not model.moves_nothing(node)):
            raise Wrong(f"'{node.name or node.output[0]}' ({node.op_type}) is in {times[id(node)]} groups")


def execute(onnx_model, feeds, compare=True):
    """feeds: an array for each input of the graph, of the target's batch. compare False: the file has a schedule, but no counts."""
    notes = properties(onnx_model)
    for key in ("superslash.schedule", "superslash.target", "superslash.totals"):
        if key not in notes:
            raise Wrong(f"the model has no {key}")
    schedule, target, totals = (json.loads(notes["superslash." + key]) for key in ("schedule", "target", "totals"))
    model = Model(onnx_model, target)
    off_chip = OffChip(model, Operators(onnx_model), feeds)
    groups, runs, sums, handed = [Group(model, entry) for entry in schedule["groups"]], [], collections.Counter(), {}
    check_whole(model, groups)
    for group in groups:
        try:
            if handed and "tile" not in group.entry:
                raise Wrong(f"'{min(handed)}' stays on chip, and this group does not take it")
            run = run_group(off_chip, group, handed)
            if compare:
                check_notes(group, run)
        except Wrong as problem:
            raise type(problem)(f"{group.where()}: {problem}") from None
        runs.append(run)
        sums.update(run.bytes)
    if handed:
        raise Wrong(f"'{min(handed)}' stays on chip at the end")
    counted = {part: sums[part] for part in PARTS} | {"offchip_bytes": sum(sums.values())}
    for key, value in counted.items():
        if compare and totals[key] != value:
            raise Wrong(f"totals: {key} counted {value}, the file says {totals[key]}")
    return Run(runs, {o.name: off_chip.array(o.name) for o in model.graph.output}, counted)


def distance(found, expected):
    """The largest difference as a share of the largest element."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise Wrong(f"an output has shape {found.shape}, expected {expected.shape}")
    return float(np.abs(found - expected).max(initial=0) / max(1e-12, np.abs(expected).max(initial=0)))


def random_feeds(onnx_model, seed):
    """Normal numbers for each input; a dynamic first dim is the target's batch, others 1."""
    target, rng = json.loads(properties(onnx_model)["superslash.target"]), np.random.default_rng(seed)
    constants, feeds = {t.name for t in onnx_model.graph.initializer}, {}
    for value in onnx_model.graph.input:
        if value.name not in constants:
            kind = value.type.tensor_type
            shape = [d.dim_value if d.HasField("dim_value") else (target.get("batch", 1) if i == 0 else 1) for i, d in enumerate(kind.shape.dim)]
            feeds[value.name] = rng.standard_normal(shape).astype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return feeds


def main():
    from random_graphs import run as run_by_onnxruntime
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    status = 0
    for path in args.models:
        try:
            model = onnx.load(str(path))
            feeds = random_feeds(model, args.seed)
            result = execute(model, feeds)
            far = max(distance(result.outputs[o.name], expected) for o, expected in zip(model.graph.output, run_by_onnxruntime(model, feeds)))
            if far > TOLERANCE:
                raise Wrong(f"an output is {far:.1e} from that of ONNX Runtime")
        except Wrong as problem:
            print(f"{path}: {problem}")
            status = 1
            continue
        if not args.quiet:
            for group in result.groups:
                print(f"{group.name[:40]:40} {sum(group.bytes.values()):>12,} B {group.footprint_bytes or 0:>9,} B on chip  {', '.join(group.kinds)}")
        print(f"{path}: {result.totals['offchip_bytes']:,} B, as annotated; outputs {far:.1e} from ONNX Runtime")
    return status


if __name__ == "__main__":
    sys.exit(main())
