"""Schedules that the program wrote, read back: the same report without a search; whatever is damaged is refused by node and number.

    python tests/cli/test_from_annotations.py --superslash PATH --work DIR

Exit 0, or 1 after a line per failure.
"""
import argparse
import copy
import itertools
import json
import pathlib
import random
import subprocess
import sys

import numpy
import onnx
from onnx import numpy_helper

from program import MODELS, Program, derived_models, make_models, trained_models

import machine
import random_graphs
from test_schedule import TARGETS, TIGHT

SAME = ("totals", "layers", "groups", "target", "opaque", "infeasible_layers")
failures = 0


def fail(where, problem):
    global failures
    failures += 1
    print(f"FAILED {where}: {problem}", flush=True)


def refused(program, arguments, code, *parts):
    """One line on stderr that holds each part, this exit code, and no output."""
    done = subprocess.run([str(program.path), *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != code:
        return f"exit {done.returncode}, expected {code}: {done.stderr.strip()}"
    if done.stderr.count("\n") != 1 or done.stdout:
        return f"more than one line: {done.stderr!r} {done.stdout[:200]!r}"
    missing = [part for part in parts if part not in done.stderr]
    return f"'{missing[0]}' is not in: {done.stderr.strip()}" if missing else None


def difference(searched, read):
    """Layers, groups and totals, but for the file's size and the timings."""
    for key in SAME:
        if searched[key] == read[key]:
            continue
        if isinstance(searched[key], list) and len(searched[key]) == len(read[key]):
            at = next(i for i, (a, b) in enumerate(zip(searched[key], read[key])) if a != b)
            return f"{key}[{at}]: {searched[key][at]} became {read[key][at]}"
        return f"{key}: {searched[key]} became {read[key]}"
    return None


def check_same(program, where, path, out, options):
    """explore -o, then from the annotations: the same report; written again: the same bytes. False where a layer does not fit."""
    report = out.with_suffix(".json")
    done = subprocess.run([str(program.path), "explore", str(path), "-o", str(out), "--json", str(report), "--quiet", *options],
                          capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 5:
        return False
    again = out.with_name("again.onnx")
    read = program.json("explore", out, "--from-annotations", "-o", again)
    problem = difference(json.loads(report.read_text(encoding="utf-8")), read)
    if not problem and again.read_bytes() != out.read_bytes():
        problem = "annotated again, the file is another"
    if problem:
        fail(where, problem)
    return True


# Damaged schedules: what is done to the groups, the exit code, what the message must hold

def put(path, value):
    def change(groups):
        at = groups
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    return change


def drop(path):
    def change(groups):
        at = groups
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
    return change


def swap(a, b):
    def change(groups):
        groups[a], groups[b] = groups[b], groups[a]
        groups[a]["id"], groups[b]["id"] = a, b
    return change


def twice(groups):
    groups.append(dict(copy.deepcopy(groups[0]), id=len(groups)))


def missing(groups):
    groups.pop()


def damages(groups):
    """(name, change, exit code, parts of the message) for a chain of Convs with Relus, a pool among them."""
    last = len(groups) - 1
    tiled = next(i for i, g in enumerate(groups) if any(l["dim"] == "m" for l in g["mapping"]["loops"]))
    pooled = next(i for i, g in enumerate(groups) if any("Pool" in n for n in g["nodes"]))
    name, loops = groups[tiled]["nodes"][0], groups[tiled]["mapping"]["loops"]
    return [
        ("unknown node", put((1, "nodes", 0), "/9/Conf"), 2, ["group 1", "'/9/Conf'"]),
        ("node twice", twice, 2, [groups[0]["nodes"][0], f"group {last + 1}"]),
        ("node missing", missing, 2, [groups[last]["nodes"][0], "none of the"]),
        ("no epilogue", put((0, "nodes"), groups[0]["nodes"] + groups[last]["nodes"]), 2, ["group 0"]),
        ("foreign epilogue", put((0, "nodes", 1), groups[0]["nodes"][0]), 2, [groups[0]["nodes"][0]]),
        ("order", swap(0, 1), 2, ["group 0", "makes later"]),
        ("id", put((1, "id"), 7), 2, ["groups[1].id is 7, expected 1"]),
        ("unknown key", put((1, "color"), 7), 2, ["groups[1].color"]),
        ("fused and mapped", put((1, "tile"), {"oh": 1, "ow": 1}), 2, ["groups[1].mapping", "with a tile"]),
        ("key of a fused group", put((1, "walk"), "right"), 2, ["groups[1].walk"]),
        ("no nodes", put((1, "nodes"), []), 2, ["groups[1].nodes"]),
        ("no mapping", drop((0, "mapping")), 2, [groups[0]["nodes"][0], "needs a mapping"]),
        ("no loops", drop((0, "mapping", "loops")), 2, ["groups[0].mapping.loops is missing"]),
        ("no depth", drop((0, "mapping", "depth")), 2, ["groups[0].mapping.depth is missing"]),
        ("unknown dim", put((tiled, "mapping", "loops", 0, "dim"), "k"), 2, [f"groups[{tiled}].mapping.loops[0].dim is 'k'"]),
        ("step 0", put((tiled, "mapping", "loops", 0, "step"), 0), 2, [f"groups[{tiled}].mapping.loops[0].step is 0"]),
        ("step too large", put((tiled, "mapping", "loops", 0, "step"), 12345), 2, [name, "steps 12345"]),
        ("steps that do not fall", put((tiled, "mapping"), {"loops": loops + loops[:1], "depth": dict.fromkeys("iwo", 1)}), 2, [name, "must fall"]),
        ("depth out of range", put((tiled, "mapping", "depth", "w"), 9), 2, [f"groups[{tiled}].mapping.depth.w is 9"]),
        ("depth of another operand", put((tiled, "mapping", "depth", "x"), 0), 2, [f"groups[{tiled}].mapping.depth.x"]),
        ("snake as a number", put((tiled, "mapping", "loops", 0, "snake"), 1), 2, [f"groups[{tiled}].mapping.loops[0].snake"]),
        ("pool window cut", put((pooled, "mapping"), {"loops": [{"dim": "oh", "step": 3}], "depth": dict.fromkeys("iwo", 1)}), 2,
         [groups[pooled]["nodes"][0], "steps 3 of oh", "multiple of 2"]),
        ("does not fit", put((tiled, "mapping"), {"loops": [], "depth": dict.fromkeys("iwo", 0)}), 2, [name, "B short"]),
    ]


def fused_damages(groups):
    """The same for fused groups: a chain in one group, then what stays between two."""
    at, group = next((i, g) for i, g in enumerate(groups) if len(g.get("weights", {})) > 1)
    inside = next(name for name, kind in list(group["tensors"].items())[1:-1])
    node, last = next(iter(group["weights"])), list(group["tensors"])[-1]
    where = f"group {at} ('{group['nodes'][0]}')"
    pooled, taken = next((i, a) for i, g in enumerate(groups) for a, b in itertools.pairwise(g.get("tensors", ())) if "Pool" in b)
    return [
        ("fused and mapped", put((at, "mapping"), {"loops": [], "depth": dict.fromkeys("iwo", 0)}), ["mapping", "with a tile"]),
        ("tile of no axis", put((at, "tile"), {"oh": 1, "w": 1}), [f"groups[{at}].tile.w"]),
        ("tile of 0", put((at, "tile", "oh"), 0), [f"groups[{at}].tile.oh is 0"]),
        ("tile too large", put((at, "tile", "ow"), 1000), [where, "a tile of", "1000"]),
        ("unknown walk", put((at, "walk"), "left"), [f"groups[{at}].walk is 'left'"]),
        ("unknown overlap", put((at, "overlap"), "columns"), [f"groups[{at}].overlap is 'columns'"]),
        ("no out blocks", drop((at, "out_blocks")), [f"groups[{at}].out_blocks is missing"]),
        ("too many out blocks", put((at, "out_blocks"), 100000), [where, "contradict each other"]),
        ("no tensors", drop((at, "tensors")), [f"groups[{at}].tensors is missing"]),
        ("unknown kind", put((at, "tensors", inside), "kept"), [f"groups[{at}].tensors.{inside}", "held"]),
        ("unknown key of a kind", put((at, "tensors", inside), {"pass": 1}), [f"groups[{at}].tensors.{inside}"]),
        ("passing 0", put((at, "tensors", inside), {"passing": 0}), ["passing is 0"]),
        ("passing too many", put((at, "tensors", inside), {"passing": 12345}), [where, inside, "12345"]),
        ("stays inside", put((at, "tensors", inside), "stays"), [where, inside, "stays"]),
        ("stays from nowhere", put((0, "tensors", next(iter(groups[0]["tensors"]))), "stays"), ["stays on the chip"]),
        ("stays for nobody", put((len(groups) - 1, "tensors", list(groups[-1]["tensors"])[-1]), "stays"), ["stays on the chip at the end"]),
        ("foreign tensor", put((at, "tensors", "nobody"), "held"), [where, "'nobody'", "none of its tensors"]),
        ("input unnamed", drop((at, "tensors", next(iter(group["tensors"])))), [where, "is not among its tensors"]),
        ("what a pool takes unnamed", drop((pooled, "tensors", taken)), [f"group {pooled}", taken, "which a pool takes, is not among its tensors"]),
        ("last output unnamed", drop((at, "tensors", last)), [f"group {at}"]),
        ("weights unnamed", drop((at, "weights", node)), [where, node, "stay or to stream"]),
        ("foreign weights", put((at, "weights", "nobody"), "stays"), [where, "'nobody'", "none of its layers"]),
        ("streams 0", put((at, "weights", node), {"streams": 0}), ["streams is 0"]),
        ("rereads nothing", put((at, "rereads"), {node: ["nobody"]}), [where]),
        ("layers that are no neighbours", put((at, "nodes"), group["nodes"][:1] + group["nodes"][-1:]), [f"group {at}"]),
    ]


def notes_of(model):
    return {entry.key: entry for entry in model.metadata_props}


def check_damaged(program, work, source):
    """Each damage on a copy of the annotated file."""
    whole, out = work / "whole.onnx", work / "damaged.onnx"
    program.run("explore", source, "-o", whole, "--quiet", "--no-fusion", "--on-chip", "12KiB")
    schedule = json.loads(notes_of(onnx.load(str(whole)))["superslash.schedule"].value)
    cases = damages(schedule["groups"])
    for name, change, code, parts in cases:
        model, damaged = onnx.load(str(whole)), copy.deepcopy(schedule)
        change(damaged["groups"])
        notes_of(model)["superslash.schedule"].value = json.dumps(damaged)
        onnx.save(model, str(out))
        problem = refused(program, ("explore", out, "--from-annotations"), code, *parts)
        if problem:
            fail(f"damaged: {name}", problem)
    texts = [("no JSON", "superslash.schedule", "{", "line 1"), ("version", "superslash.schedule", '{"superslash_schedule": 2, "groups": []}', "reads 1"),
             ("empty", "superslash.schedule", '{"superslash_schedule": 1, "groups": []}', "none of the 0 groups"),
             ("target", "superslash.target", '{"on_chip": {"capacity": 0}}', "on_chip.capacity is 0"),
             ("target's key", "superslash.target", '{"on_chips": {}}', "on_chips"), ("fingerprint", "superslash.fingerprint", "0", "stale")]
    for name, key, value, part in texts:
        model = onnx.load(str(whole))
        notes_of(model)[key].value = value
        onnx.save(model, str(out))
        problem = refused(program, ("explore", out, "--from-annotations"), 2, part)
        if problem:
            fail(f"damaged: {name}", problem)
    for key in ("superslash.schedule", "superslash.target", "superslash.fingerprint"):
        model = onnx.load(str(whole))
        model.metadata_props.remove(notes_of(model)[key])
        onnx.save(model, str(out))
        problem = refused(program, ("explore", out, "--from-annotations"), 2, f"has no {key}")
        if problem:
            fail(f"without {key}", problem)
    return len(cases) + len(texts) + 3


def check_fused_damaged(program, work, source):
    whole, out = work / "whole.onnx", work / "damaged.onnx"
    report = program.json("explore", source, "-o", whole, "--quiet", "--on-chip", "8KiB")
    largest = max((group for group in report["groups"] if "tile" in group), key=lambda group: group["footprint_bytes"])
    needs = largest["footprint_bytes"]
    problem = refused(program, ("explore", whole, "--from-annotations", "--on-chip", needs - 1), 2, f"needs {needs} B, on chip {needs - 1} B, 1 B short")
    if problem:
        fail("less memory, fused", problem)
    schedule = json.loads(notes_of(onnx.load(str(whole)))["superslash.schedule"].value)
    cases = fused_damages(schedule["groups"])
    for name, change, parts in cases:
        model, damaged = onnx.load(str(whole)), copy.deepcopy(schedule)
        change(damaged["groups"])
        notes_of(model)["superslash.schedule"].value = json.dumps(damaged)
        onnx.save(model, str(out))
        problem = refused(program, ("explore", out, "--from-annotations"), 2, *parts)
        if problem:
            fail(f"damaged, fused: {name}", problem)
    return len(cases) + 1


def half_of_first_layer(path, out):
    """What another tool does that prunes and keeps the metadata: the first Conv loses half of its filters."""
    model = onnx.load(str(path))
    tensors = {t.name: t for t in model.graph.initializer}
    first, second = [n for n in model.graph.node if n.op_type == "Conv"][:2]
    carried = [name for n in model.graph.node if n.op_type == "BatchNormalization" and n.input[0] == first.output[0] for name in n.input[1:]]
    for name, axis in [(first.input[1], 0), (second.input[1], 1)] + [(name, 0) for name in [*first.input[2:], *carried]]:
        array = numpy_helper.to_array(tensors[name])
        tensors[name].CopyFrom(numpy_helper.from_array(numpy.ascontiguousarray(numpy.take(array, range(array.shape[axis] // 2), axis)), name))
    del model.graph.value_info[:]
    onnx.save(model, str(out))


def check_others(program, work):
    """Stale files, other targets, compare."""
    whole, other = work / "whole.onnx", work / "other.onnx"
    source = MODELS / "vgg.onnx"
    written = program.json("explore", source, "-o", whole, "--no-fusion", "--on-chip", "12KiB")
    half_of_first_layer(whole, other)
    largest = max(layer["footprint_bytes"] for layer in written["layers"])
    name = next(layer["name"] for layer in written["layers"] if layer["footprint_bytes"] == largest)
    cases = [
        ("pruned by another tool", ("explore", other, "--from-annotations"), 2, ["stale"]),
        ("another batch", ("explore", whole, "--from-annotations", "--batch", "2"), 2, ["stale"]),
        ("a model without", ("explore", source, "--from-annotations"), 2, ["has no superslash."]),
        ("a model without, compared", ("compare", whole, source, "--from-annotations"), 2, ["has no superslash."]),
        ("less memory", ("explore", whole, "--from-annotations", "--on-chip", largest - 1), 2,
         [name, f"needs {largest} B", f"on chip {largest - 1} B", "1 B short"]),
        ("another command", ("optimize", whole, "--from-annotations", "-o", other, "--offchip", "-30%"), 2, ["--from-annotations is not an option of optimize"]),
        ("a table", ("explore", "--layers", whole, "--from-annotations"), 2, ["--layers"]),
    ]
    for where, arguments, code, parts in cases:
        problem = refused(program, arguments, code, *parts)
        if problem:
            fail(where, problem)
    more = program.json("explore", whole, "--from-annotations", "--on-chip", largest)
    known = {key: value for key, value in written["totals"].items() if key != "layer_by_layer_bytes"}   # on another target nobody has looked for it
    if more["totals"] != known or more["target"]["on_chip"]["capacity"] != largest:
        fail("just enough memory", more["totals"])
    wider = program.json("explore", whole, "--from-annotations", "--target", "plain", "--activation-bits", "16")
    if wider["totals"]["input_bytes"] != 2 * written["totals"]["input_bytes"]:
        fail("other widths", wider["totals"])
    program.run("explore", source, "-o", other, "--quiet", "--on-chip", "64KiB")
    both = program.json("compare", whole, other, "--from-annotations")
    if both["before"]["totals"] != written["totals"] or both["after"]["target"]["on_chip"]["capacity"] != 65536:
        fail("compare", both["after"]["target"])
    return len(cases) + 3


def uneven_mapping(pick, group):
    """Nested tiles, snakes, depths; pool windows stay whole."""
    layer = group.nodes[0]
    sizes, axes = machine.NESTS.get(layer.op_type, machine.pool_nest)(group.model, layer)
    for node in group.nodes[1:]:
        axes = group.merge_pool(node, axes) if node.op_type in machine.POOLS else axes
    inner, loops, pools = list(sizes), [], {dim: axis.pool for dim, axis in zip(machine.PLANE_DIMS, axes)}
    for _ in range(pick.randint(1, 7)):
        dim = pick.randrange(len(inner))
        unit = pools.get(dim, 1)
        if inner[dim] > unit:
            inner[dim] = unit * pick.randint(1, (inner[dim] - 1) // unit)
            loops.append({"dim": machine.DIMS[dim], "step": inner[dim], **({"snake": True} if pick.random() < 0.4 else {})})
    return {"loops": loops, "depth": {x: pick.randint(0, len(loops)) for x in "iwo"}}


def check_uneven(program, work, seed):
    """Schedules of random mappings of any kind: each layer moves and holds what the reference machine counts."""
    path, whole, other = work / "random.onnx", work / "whole.onnx", work / "other.onnx"
    onnx.save(random_graphs.build(seed)[0], str(path))
    program.run("explore", path, "-o", whole, "--quiet", "--no-fusion", "--on-chip", "1GiB", *(("--halo", "refetch") if seed % 3 == 0 else ()))
    model, pick = onnx.load(str(whole)), random.Random(seed)
    schedule = json.loads(notes_of(model)["superslash.schedule"].value)
    counter = machine.Model(model, json.loads(notes_of(model)["superslash.target"].value))
    expected = {}
    for entry in schedule["groups"]:
        if "mapping" not in entry:
            continue
        group = machine.Group(counter, entry)
        entry["mapping"] = uneven_mapping(pick, group)
        parts, tiles, _ = group.run()
        expected[entry["nodes"][0]] = dict(parts, footprint_bytes=sum(tiles))
    notes_of(model)["superslash.schedule"].value = json.dumps(schedule)
    onnx.save(model, str(other))
    layers = {layer["name"]: layer for layer in program.json("explore", other, "--from-annotations")["layers"]}
    for name, counted in expected.items():
        said = {key: layers[name][key] for key in counted}
        if said != counted:
            fail(f"uneven mappings of random graph {seed}, {name}", f"{said}, counted {counted}: {layers[name]['mapping']}")
        program.run("explore", other, "--from-annotations", "--explain", name)
    return len(expected)


def check_shorter_epilogues(program, work):
    """Another's schedule may end an epilogue earlier: the rest are groups of their own, and cost what they move."""
    whole, other = work / "whole.onnx", work / "other.onnx"
    written = program.json("explore", MODELS / "vgg.onnx", "-o", whole, "--no-fusion", "--on-chip", "64KiB")
    model = onnx.load(str(whole))
    groups = json.loads(notes_of(model)["superslash.schedule"].value)["groups"]
    split, extra, nodes = [], 0, {n.name: n for n in model.graph.node}
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    for group in groups:
        names = group["nodes"]
        if len(names) < 2 or nodes[names[-1]].op_type != "Relu":
            split.append(group)
            continue
        split += [dict(group, nodes=names[:-1]), {"nodes": names[-1:]}]
        extra += 2 * int(numpy.prod([max(1, d) for d in shapes[nodes[names[-1]].output[0]]]))
    notes_of(model)["superslash.schedule"].value = json.dumps({"superslash_schedule": 1, "groups": [dict(g, id=i) for i, g in enumerate(split)]})
    onnx.save(model, str(other))
    totals = program.json("explore", other, "--from-annotations")["totals"]
    if not extra or totals["offchip_bytes"] != written["totals"]["offchip_bytes"] + extra:
        fail("shorter epilogues", f"{totals['offchip_bytes']}, expected {written['totals']['offchip_bytes']} + {extra}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program, out = Program(args.superslash), args.work / "annotated.onnx"
    small = trained_models() + [path for path in derived_models(args.work) if path.stem.endswith("qdq")]
    jobs = [(path, target) for path in small for target in TARGETS]
    jobs += [(path, target) for path in make_models(args.work, ("resnet56", "mobilenetv2")) for target in ("32KiB", "refetch", "edge-npu")]
    for path, target in jobs:
        if not check_same(program, f"{path.name} {target}", path, out, TARGETS[target]):
            fail(f"{path.name} {target}", "does not fit")
    fitting = 0
    for seed in range(args.seed, args.seed + args.graphs):
        path = args.work / "random.onnx"
        onnx.save(random_graphs.build(seed)[0], str(path))
        fitting += check_same(program, f"random graph of seed {seed}", path, out, ["--target", "plain", *TIGHT[seed % len(TIGHT)]])
    cases = check_fused_damaged(program, args.work, MODELS / "resnet.onnx") + check_damaged(program, args.work, MODELS / "vgg.onnx") + check_others(program, args.work)
    check_shorter_epilogues(program, args.work)
    uneven = sum(check_uneven(program, args.work, seed) for seed in range(args.seed, args.seed + args.graphs // 5))
    print(f"{len(jobs)} jobs and {fitting} of {args.graphs} random graphs read back, {cases} cases refused or read, {uneven} layers by uneven mappings; {failures} failures")
    return 1 if failures or fitting < args.graphs // 2 else 0


if __name__ == "__main__":
    sys.exit(main())
