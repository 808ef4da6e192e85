"""The executor on schedules that are written by hand: mappings of every kind, and fused groups.

    python tests/oracle/test_executor.py [--nests 150] [--seed 5] [--share 0.4]

Mappings (plain, nested, uneven, snaking) of random convolutions: outputs against ONNX Runtime, bytes against machine.py. Fused groups on small
chains, a residual block, an inverted bottleneck, branches and an SE block: three overlap modes x both walks x tiles x weights that stay or stream
x held and passing tensors x out blocks: outputs against ONNX Runtime, bytes against counts made here from the definitions, and the identity
of Alwani et al. Rows of bookkeeping that are broken must be noticed.
"""
import argparse
import collections
import itertools
import json
import random
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import executor
import executor_fused
import machine
import random_graphs
from executor_chip import Illegal
from machine import Wrong
from network_builder import Builder

ROOMY = {"on_chip": {"capacity": 1 << 30}, "bits": {"activation": 8, "weight": 8, "partial_sum": 32}, "halo": "reuse", "batch": 1}


def annotated(model, groups, target):
    """The model with a schedule, and totals that nobody has counted."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    record = {"schedule": {"superslash_schedule": 1, "groups": groups}, "target": target, "totals": {}}
    for key, value in record.items():
        model.metadata_props.add(key="superslash." + key, value=json.dumps(value))
    return model


def run(model, groups, target=ROOMY):
    """The last group's run; Wrong where the outputs are not those of ONNX Runtime. A Concat of several images moves them: it stands in the group."""
    if target["batch"] > 1 and "tile" in groups[0]:
        groups = [dict(groups[0], nodes=[n.name for n in model.graph.node])]
    marked = annotated(model, groups, target)
    feeds = executor.random_feeds(marked, 3)
    result = executor.execute(marked, feeds, compare=False)
    for output, expected in zip(model.graph.output, random_graphs.run(model, feeds)):
        far = executor.distance(result.outputs[output.name], expected)
        if far > executor.TOLERANCE:
            raise Wrong(f"'{output.name}' is {far:.1e} from that of ONNX Runtime")
    return result.groups[-1]


def fused(model, tensors, weights, tile=(4, 4), walk="right", overlap="full", out_blocks=1):
    return [{"id": 0, "nodes": [n.name for n in model.graph.node if n.op_type != "Concat"], "tile": {"oh": tile[0], "ow": tile[1]}, "walk": walk, "overlap": overlap,
             "out_blocks": out_blocks, "tensors": tensors, "weights": weights}]


def expect(what, found, wanted):
    if found != wanted:
        raise Wrong(f"{what}: {found}, expected {wanted}")


# Mappings of one layer

def random_mapping(pick, sizes):
    inner, loops = list(sizes), []
    for _ in range(pick.randint(0, 6)):
        dim = pick.choice([d for d in range(7) if sizes[d] > 1] or [2])
        step = pick.randint(1, max(1, inner[dim] - 1))
        if step < inner[dim]:
            inner[dim] = step
            loops.append((dim, step, pick.random() < 0.4))
    depth = tuple(len(loops) if pick.random() < 0.5 else pick.randint(0, len(loops)) for _ in range(3))
    return machine.Mapping(tuple(loops), depth)


def test_mappings(count, seed, kinds):
    """Each on a random convolution, against the counts of machine.py."""
    pick = random.Random(seed)
    for k in range(count):
        group = pick.choice((1, 1, 2))
        b = Builder((1, group * pick.randint(1, 4), pick.randint(5, 9), pick.randint(5, 9)), k)
        m, kernel, stride, pad = group * pick.randint(1, 4), pick.choice((1, 2, 3)), pick.choice((1, 1, 2, 3)), pick.randint(0, 1)
        if pick.random() < 0.25:
            y = b.up("x", "y", m, kernel, stride, min(pad, kernel // 2), group)
        else:
            y = b.conv("x", "y", m, kernel, stride, pad, group, pick.random() < 0.5)
        model = b.model(b.op("Relu", [y], "z"))
        target = dict(ROOMY, halo=pick.choice(("reuse", "refetch")), batch=pick.choice((1, 2)))
        known = machine.Model(model, target)
        sizes, axes = machine.NESTS[known.producers["y"].op_type](known, known.producers["y"])
        mapping = random_mapping(pick, sizes)
        loops = [{"dim": machine.DIMS[d], "step": step} | ({"snake": True} if snake else {}) for d, step, snake in mapping.loops]
        entry = {"id": 0, "nodes": ["y_node", "z_node"], "mapping": {"loops": loops, "depth": dict(zip("iwo", mapping.depth))}}
        found = run(model, [entry], target)
        nest = machine.Nest(sizes, axes, 8, 8, 8, 32, len(model.graph.node[0].input) == 3)
        counted = machine.run(nest, mapping, target["halo"] == "reuse")
        expect(f"seed {seed}, nest {k}, {entry['mapping']}", (found.bytes, found.footprint_bytes),
               ({p: getattr(counted, p) for p in machine.PARTS}, counted.i_footprint + counted.w_footprint + counted.o_footprint))
        kinds.update(found.kinds)


# Fused groups

def chain():
    """conv 3x3, conv 3x3 stride 2 over a plane that it does not divide, relu behind each."""
    b = Builder((1, 3, 11, 10))
    a = b.op("Relu", [b.conv("x", "a", 6)], "ar")
    c = b.op("Relu", [b.conv(a, "c", 8, stride=2)], "cr")
    return b.model(b.conv(c, "y", 5, kernel=1)), ("x", "ar", "cr", "y"), ("a_node", "c_node", "y_node")


def residual():
    b = Builder((1, 6, 9, 8))
    a = b.op("Relu", [b.conv("x", "a", 6)], "ar")
    c = b.op("Add", [b.conv(a, "c", 6), "x"], "s")
    return b.model(b.op("Relu", [c], "y")), ("x", "ar", "y"), ("a_node", "c_node")


def bottleneck():
    """Expand, depthwise, project, add: MobileNetV2's block."""
    b = Builder((1, 4, 9, 8))
    e = b.op("Clip", [b.conv("x", "e", 12, kernel=1), b.constant("low", 0), b.constant("high", 6)], "er")
    d = b.op("Relu", [b.conv(e, "d", 12, group=12)], "dr")
    return b.model(b.op("Add", ["x", b.conv(d, "p", 4, kernel=1)], "y")), ("x", "er", "dr", "y"), ("e_node", "d_node", "p_node")


def pooled():
    """A pool as an epilogue, a padded one as a stage, a grouped convolution."""
    b = Builder((1, 3, 14, 13))
    a = b.pool(b.op("Relu", [b.conv("x", "a", 6)], "ar"), "ap")
    q = b.pool(a, "q", kernel=3, stride=1, pad=1, op="AveragePool")
    return b.model(b.conv(q, "y", 8, group=2)), ("x", "ap", "q", "y"), ("a_node", "y_node")


def branches():
    """Two branches from one tensor, one of them strided past rows, joined again."""
    b = Builder((1, 4, 9, 9))
    s = b.op("Relu", [b.conv("x", "a", 4)], "s")
    right = b.conv(s, "r", 6, kernel=1, stride=2)
    left = b.conv(b.op("Relu", [b.conv(s, "l", 5)], "lr"), "l2", 6, stride=2)
    return b.model(b.op("Add", [left, right], "y")), ("x", "s", "r", "lr", "y"), ("a_node", "r_node", "l_node", "l2_node")


def gated():
    """Squeeze and excitation: a global pool, two 1x1 convolutions, a gate."""
    b = Builder((1, 3, 6, 5))
    a = b.op("Relu", [b.conv("x", "a", 8)], "ar")
    g = b.op("GlobalAveragePool", [a], "g", (1, 8, 1, 1))
    g = b.op("Relu", [b.conv(g, "u", 3, kernel=1)], "ur")
    g = b.op("Sigmoid", [b.conv(g, "v", 8, kernel=1)], "vs")
    return b.model(b.op("Mul", [a, g], "y")), ("x", "ar", "g", "ur", "vs", "y"), ("a_node", "u_node", "v_node")


def fire():
    """Squeeze, two expanding branches side by side in one tensor, a pool: SqueezeNet's block. The Concat stands in no group."""
    b = Builder((1, 6, 9, 10))
    s = b.op("Relu", [b.conv("x", "s", 4, kernel=1)], "sr")
    one, three = b.op("Relu", [b.conv(s, "e", 5, kernel=1)], "er"), b.op("Relu", [b.conv(s, "f", 7)], "fr")
    c = b.op("Concat", [one, three], "c", (1, 12, 9, 10), axis=1)
    return b.model(b.conv(b.pool(c, "p", 3, 2, 1), "y", 4, kernel=1)), ("x", "sr", "c", "p", "y"), ("s_node", "e_node", "f_node", "y_node")


def parted():
    """The same with the Concat in parts: who reads it reads them. Slopes behind the squeeze and behind the last layer do not fold."""
    b = Builder((1, 6, 9, 10))
    s = b.op("PRelu", [b.conv("x", "s", 4, kernel=1), b.constant("slope", np.full((4, 1, 1), 0.25))], "sr")
    one, three = b.op("Relu", [b.conv(s, "e", 5, kernel=1)], "er"), b.op("Relu", [b.conv(s, "f", 7)], "fr")
    c = b.op("Concat", [one, three], "c", (1, 12, 9, 10), axis=1)
    y = b.op("PRelu", [b.conv(c, "y", 4, stride=2), b.constant("last_slope", np.full((4, 1, 1), 0.5))], "z")
    return b.model(y), ("x", "sr", "er", "fr", "z"), ("s_node", "e_node", "f_node", "y_node")


def decoder():
    """Down, up by a ConvTranspose, up by a Resize, with the skip added."""
    b = Builder((1, 3, 9, 7))
    a = b.op("Relu", [b.conv("x", "a", 5, stride=2)], "ar")
    u = b.op("Relu", [b.up(a, "u", 6)], "ur")
    b.tensors.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    r = b.op("Resize", [b.conv(u, "c", 4), "", "scales"], "r", (1, 4, 18, 14), mode="linear")
    return b.model(b.conv(r, "y", 3)), ("x", "ar", "ur", "c", "r", "y"), ("a_node", "u_node", "c_node", "y_node")


# network -> sets of passing tensors with their blocks
PASSING = {
    chain: ({}, {"x": 2}, {"ar": 4}, {"y": 2}, {"x": 1, "cr": 3}, {"ar": 1, "y": 2}),
    residual: ({}, {"ar": 4}, {"y": 4}),
    bottleneck: ({}, {"er": 4, "dr": 4}, {"er": 1, "dr": 1}, {"y": 3}, {"er": 5, "dr": 5}),
    pooled: ({}, {"x": 1}, {"ap": 3, "q": 3, "y": 4}),
    branches: ({}, {"lr": 2}, {"x": 3}),
    gated: ({}, {"ur": 1}),
    fire: ({}, {"x": 2}, {"p": 5}),
    parted: ({}, {"x": 2}, {"z": 1}),
    decoder: ({}, {"ur": 2}, {"c": 1, "r": 1}),
}
TARGETS = (ROOMY, dict(ROOMY, on_chip={"capacity": 1 << 30, "double_buffer": ["input", "weight", "output"]}), ROOMY,
           dict(ROOMY, bits={"activation": 5, "weight": 3, "partial_sum": 17}), ROOMY, dict(ROOMY, batch=2), ROOMY,
           dict(ROOMY, on_chip={"input": 1 << 20, "weight": 1 << 20, "output": 1 << 20}))
BLOCKED = {chain: (2, 5), residual: (2, 3), bottleneck: (2,), branches: (), pooled: (), gated: (), fire: (2,), parted: (2,), decoder: ()}
TILES = {decoder: ((3, 4), (5, 14), (18, 14)), gated: ((6, 5),)}


def schedules(network):
    model, tensors, layers = network()
    height, width = model.graph.output[0].type.tensor_type.shape.dim[2].dim_value, model.graph.output[0].type.tensor_type.shape.dim[3].dim_value
    tiles = TILES.get(network, ((1, 1), (2, 3), (4, width), (height, width)))
    residencies = ["stays", {"streams": 1}, {"streams": 3}]
    for tile, walk, overlap, passing, (k, residency) in itertools.product(tiles, ("right", "down"), ("recompute", "rows", "full"), PASSING[network], enumerate(residencies)):
        kinds = {t: {"passing": passing[t]} if t in passing else "held" for t in tensors}
        weights = {name: residency if k != 2 or i % 2 else "stays" for i, name in enumerate(layers)}
        for blocks in (1, *(BLOCKED[network] if not set(passing) - {"x", "ar"} or network is chain and not passing else ())):
            yield model, fused(model, kinds, weights, tile, walk, overlap, blocks)


def test_fused(kinds, share=1.0, seed=5):
    ran, pick = collections.Counter(), random.Random(seed)
    for network in PASSING:
        for k, (model, groups) in enumerate(schedules(network)):
            if pick.random() >= share:
                continue
            try:
                found = run(model, groups, TARGETS[k % len(TARGETS)])
            except Exception:
                print(network.__name__, groups)
                raise
            kinds.update(found.kinds)
            ran[network.__name__] += 1
            # the same in exactly the room that it takes, and not in a byte less
            if ran[network.__name__] % 10 == 0:
                found = run(model, groups)
                tight = dict(ROOMY, on_chip={"capacity": found.footprint_bytes})
                expect("bytes in a tight chip", run(model, groups, tight).bytes, found.bytes)
                refuse("a byte less", model, groups, dict(ROOMY, on_chip={"capacity": found.footprint_bytes - 1}))
    return ran


def refuse(what, model, groups, target=ROOMY):
    try:
        run(model, groups, target)
    except Wrong as problem:
        return str(problem)
    raise Wrong(f"{what} was not refused")


# Counts of chains from sets of elements. layers: (kernel, stride, pad, c, m, channel-wise); weights stay, all tensors are held.

def count_by_sets(plane, layers, tile, walk, overlap, bits=(8, 8, 32)):
    """Bytes in, weights, out and the footprint."""
    a_bits, w_bits, p_bits = bits
    planes = [plane]
    for kernel, stride, pad, *_ in layers:
        planes.append(tuple((v + 2 * pad - kernel) // stride + 1 for v in planes[-1]))
    height, width = planes[-1]
    down, across = range(0, height, tile[0]), range(0, width, tile[1])
    order = [(i, j) for i in down for j in across] if walk == "right" else [(i, j) for j in across for i in down]
    life_of = {"recompute": lambda at: at, "rows": lambda at: at[0] if walk == "right" else at[1], "full": lambda at: 0}[overlap]
    channels = [layer[3] for layer in layers] + [layers[-1][4]]
    windows, seen, life = {}, None, None
    for at in order:
        if life_of(at) != life:
            seen, life = [set() for _ in planes], life_of(at)
        want = {(y, x) for y in range(at[0], min(at[0] + tile[0], height)) for x in range(at[1], min(at[1] + tile[1], width))}
        windows[at] = [None] * len(planes)
        for t in reversed(range(len(planes))):
            new = want - seen[t]
            windows[at][t] = want, new
            seen[t] |= want
            if t:
                kernel, stride, pad = layers[t - 1][:3]
                want = {(y * stride - pad + i, x * stride - pad + j) for y, x in new for i in range(kernel) for j in range(kernel)}
                want = {(y, x) for y, x in want if 0 <= y < planes[t - 1][0] and 0 <= x < planes[t - 1][1]}
    weights = sum(-(-(m * (1 if wise else c) * k * k * w_bits) // 8) + -(-m * p_bits // 8) for k, _, _, c, m, wise in layers)
    moved_in = moved_out = largest = 0
    held = [set() for _ in planes]
    size = lambda t, count, wide: -(-count * channels[t] * wide // 8)
    for n, at in enumerate(order):
        for t in range(len(planes)):
            want, new = windows[at][t]
            if t == 0:
                moved_in += size(0, len(new), a_bits)
                held[0] |= new
                continue
            finished = len(new) * (channels[t] - 1) + len(held[t]) * channels[t]
            on_chip = sum(size(u, len(held[u]), a_bits) for u in range(len(planes)) if u != t)
            largest = max(largest, weights + on_chip + -(-finished * a_bits // 8) + -(-len(new) * p_bits // 8) if new else 0)
            held[t] |= new
            later = set()
            for other in order[n + 1:]:
                if life_of(other) != life_of(at):
                    break
                later |= windows[other][t - 1][0]
            held[t - 1] &= later
        moved_out += size(len(planes) - 1, len(held[-1]), a_bits)
        held[-1] = set()
    return {"input_bytes": moved_in, "weight_bytes": weights, "output_bytes": moved_out, "partial_sum_bytes": 0}, largest


def test_counts():
    """Chains of random layers on random tiles, against sets."""
    pick, runs = random.Random(11), 0
    while runs < 120:
        b = Builder((1, pick.randint(1, 3), pick.randint(6, 9), pick.randint(6, 9)), runs)
        plane, x, layers = b.input[2:], "x", []
        for k in range(pick.randint(2, 3)):
            c, kernel, stride, pad = b.shapes[x][1], pick.choice((1, 2, 3)), pick.choice((1, 1, 2, 3)), pick.randint(0, 1)
            m, wise = (c, True) if pick.random() < 0.3 and c > 1 else (pick.randint(1, 4), False)
            if min(b.shapes[x][2:]) + 2 * pad < kernel + stride or pad >= kernel:
                break
            x = b.conv(x, f"t{k}", m, kernel, stride, pad, c if wise else 1)
            layers.append((kernel, stride, pad, c, m, wise))
        if len(layers) < 2:
            continue
        model, names = b.model(x), [n.name for n in b.nodes]
        height, width = b.shapes[x][2:]
        tile, walk, overlap = (pick.randint(1, height), pick.randint(1, width)), pick.choice(("right", "down")), pick.choice(("recompute", "rows", "full"))
        bits = pick.choice(((8, 8, 32), (8, 4, 20), (5, 3, 17)))
        target = dict(ROOMY, bits=dict(zip(("activation", "weight", "partial_sum"), bits)))
        found = run(model, fused(model, dict.fromkeys(("x", *(n.output[0] for n in b.nodes)), "held"), dict.fromkeys(names, "stays"), tile, walk, overlap), target)
        expect(f"{layers} on {plane}, tile {tile} {walk} {overlap}, {bits}", (found.bytes, found.footprint_bytes),
               count_by_sets(plane, layers, tile, walk, overlap, bits))
        runs += 1
    return runs


def test_by_hand():
    """Two 3x3 convolutions, 2 -> 4 -> 3 channels on 8x8, no pads' worth of rows missed; reckoned on paper."""
    b = Builder((1, 2, 8, 8))
    model = b.model(b.conv(b.conv("x", "a", 4), "y", 3))
    held = {"x": "held", "a": "held", "y": "held"}
    stays = {"a_node": "stays", "y_node": "stays"}
    weights = (4 * 2 * 9 + 4 * 4) + (3 * 4 * 9 + 3 * 4)
    # whole plane: everything once; the most in the last channel of `a`: x, three channels done, one at 32 bits; or of y
    found = run(model, fused(model, held, stays, (8, 8)))
    expect("whole plane", (found.bytes["input_bytes"], found.bytes["weight_bytes"], found.bytes["output_bytes"]), (128, weights, 192))
    expect("whole plane, on chip", found.footprint_bytes, weights + max(64 * 2 + 64 * 3 + 64 * 4, 64 * 4 + 64 * 2 + 64 * 4))
    # rows of two, nothing kept: x in rows 0-3, 0-5, 2-7, 4-7 of 8
    found = run(model, fused(model, held, stays, (2, 8), overlap="recompute"))
    expect("recompute", found.bytes["input_bytes"], (4 + 6 + 6 + 4) * 8 * 2)
    # the same rows kept
    found = run(model, fused(model, held, stays, (2, 8), overlap="full"))
    expect("full", found.bytes["input_bytes"], 8 * 8 * 2)
    # streaming: four tiles bring all weights, pieces of one channel
    streams = {"a_node": {"streams": 1}, "y_node": {"streams": 1}}
    found = run(model, fused(model, held, streams, (2, 8), overlap="full"))
    expect("streams", found.bytes["weight_bytes"], 4 * weights)
    # passing a, whole plane, two turns of 2 of its channels: y's sums wait at 32 bits
    found = run(model, fused(model, dict(held, a={"passing": 2}), stays, (8, 8)))
    expect("passing, on chip", found.footprint_bytes, weights + 64 * 3 * 4 + 64 * 2 + 64 * 1 + 64 * 4)
    # two out blocks, 2 + 1 channels: x twice, the weights of a once, those of y in parts
    found = run(model, fused(model, held, stays, (8, 8), out_blocks=2))
    expect("out blocks", (found.bytes["input_bytes"], found.bytes["weight_bytes"]), (2 * 128, weights))
    expect("out blocks, on chip", found.footprint_bytes, (4 * 2 * 9 + 16) + 2 * (36 + 4) + 64 * 2 + 64 * 3 + 64 * 4)
    # the same, y's weights streaming: one tile brings them once, and only a piece of them stands there
    mixed = {"a_node": "stays", "y_node": {"streams": 1}}
    found = run(model, fused(model, held, mixed, (8, 8), out_blocks=2))
    expect("out blocks that stream", (found.bytes["input_bytes"], found.bytes["weight_bytes"]), (2 * 128, weights))
    expect("out blocks that stream, on chip", found.footprint_bytes, (4 * 2 * 9 + 16) + 64 * 4 + 64 * 1 + 64 * 4 + (36 + 4))
    # double buffering: x's new elements, pieces, blocks of y twice
    doubled = dict(ROOMY, on_chip={"capacity": 1 << 20, "double_buffer": ["input", "weight", "output"]})
    found = run(model, fused(model, dict(held, y={"passing": 1}), streams, (8, 8)), doubled)
    expect("doubled", found.footprint_bytes, max(2 * 64 * 2 + 3 * 64 + 4 * 64 + 2 * (18 + 4), 4 * 64 + 2 * 4 * 64 + 2 * (36 + 4)))
    # split: weights, then outputs and the sums being made, then the rest
    split = {"input": 64 * 2 + 64 * 3, "weight": weights, "output": 64 * 2 + 64 * 4}
    run(model, fused(model, held, stays, (8, 8)), dict(ROOMY, on_chip=split))
    for part in split:
        refuse(f"a byte less for {part}", model, fused(model, held, stays, (8, 8)), dict(ROOMY, on_chip=dict(split, **{part: split[part] - 1})))


def refuse_illegal(what, model, groups, part):
    """Not as a count that differs, but for what the schedule says."""
    try:
        run(model, groups)
    except Illegal as problem:
        if part in str(problem):
            return
        raise
    raise Wrong(f"{what} was not refused")


def test_illegal():
    """What nobody can run: sums of several turns read before the last, planes that a Reshape changes under a window."""
    model, tensors, layers = residual()
    kinds = dict(dict.fromkeys(tensors, "held"), x={"passing": 2})
    refuse_illegal("held in turns", model, fused(model, kinds, dict.fromkeys(layers, "stays")), "'ar' is held, and read in the turns that make it")
    for plane, fits in (((9, 8), True), ((8, 9), False)):
        b = Builder((1, 2, 9, 8))
        b.tensors.append(numpy_helper.from_array(np.array([-1, 3, 72], np.int64), "line"))
        b.tensors.append(numpy_helper.from_array(np.array([-1, 3, *plane], np.int64), "plane"))
        line = b.op("Reshape", [b.conv("x", "a", 3), "line"], "line_out", (1, 3, 72))
        model = b.model(b.conv(b.op("Reshape", [b.op("Relu", [line], "r"), "plane"], "plane_out", (1, 3, *plane)), "y", 2))
        first = {"id": 0, "nodes": ["a_node"], "mapping": {"loops": [], "depth": {"i": 0, "w": 0, "o": 0}}}
        whole = fused(model, {"x": "held", "a": "held", "r": "held", "y": "held"}, {"a_node": "stays", "y_node": "stays"}, (2, 3))[0]
        cut = dict(whole, id=1, nodes=["r_node", "y_node"], tensors={"a": "held", "r": "held", "y": "held"}, weights={"y_node": "stays"})
        run(model, [first, cut])
        whole["nodes"] = ["a_node", "r_node", "y_node"]
        if fits:
            run(model, [whole])
        else:
            refuse_illegal("another plane", model, [whole], "reads [channels, rows, columns]")


def test_boundaries():
    """A skip from off chip is read once as its sums are finished, and takes no place; a tensor needed outside is written besides."""
    model = residual()[0]
    first = {"id": 0, "nodes": ["a_node", "ar_node"], "mapping": {"loops": [], "depth": {"i": 0, "w": 0, "o": 0}}}
    second = dict(fused(model, {"ar": "held", "y": "held"}, {"c_node": "stays"}, (2, 3))[0], id=1, nodes=["c_node", "s_node", "y_node"])
    streamed = run(model, [first, second])
    expect("skip from off chip", streamed.bytes["input_bytes"], 2 * 6 * 9 * 8)
    alone = run(model, [first, dict(second, tensors={"ar": "held", "x": "held", "y": "held"})])
    expect("skip from off chip, held", (alone.bytes, alone.footprint_bytes > streamed.footprint_bytes), (streamed.bytes, True))
    model, tensors, layers = chain()
    model.graph.output.append(helper.make_tensor_value_info("ar", TensorProto.FLOAT, ["N", 6, 11, 10]))
    for overlap in ("full", "rows"):
        found = run(model, fused(model, dict.fromkeys(tensors, "held"), dict.fromkeys(layers, "stays"), (2, 3), overlap=overlap))
        # 3 rows of tiles of 2 outputs: with rows kept only, rows 3 and 7 of `ar` are made and written twice
        again = 0 if overlap == "full" else 2
        expect(f"a tensor that leaves, {overlap}", found.bytes["output_bytes"], 6 * (11 + again) * 10 + 5 * 6 * 5)


def vgg_head(plane, widths):
    """Alwani et al.: the first five convolutions of VGGNet-E and two pools."""
    b, x, names = Builder((1, 3, plane, plane)), "x", []
    for k, m in enumerate(widths):
        x = b.conv(x, f"t{k}", m, bias=False)
        names.append(x)
        if k in (1, 3):
            x = b.pool(x, f"p{k}")
            names.append(x)
    return b.model(x), dict.fromkeys(["x", *names], "held"), {n + "_node": "stays" for n in names if n[0] == "t"}


def kept_bytes(plane, widths):
    """Line buffers of 1x1 tiles between two tiles, 4 bytes: k - s rows, and k - s columns of the rows being worked on, each element once."""
    planes, rows_made, kept = (plane, plane, plane // 2, plane // 2, plane // 4), (4, 4, 2, 2, 1), 0
    for p, made, c in zip(planes, rows_made, (3, widths[0], widths[1], widths[2], widths[3])):
        kept += (2 * p + 2 * made) * c * 4
    return kept


def test_alwani(plane, widths):
    model, tensors, weights = vgg_head(plane, widths)
    words = {"capacity": 1 << 30}
    target = dict(ROOMY, on_chip=words, bits={"activation": 32, "weight": 32, "partial_sum": 32})
    marked = annotated(model, fused(model, tensors, weights, (1, 1)), target)
    known = executor.Model(marked, target)
    off_chip = executor.OffChip(known, executor.Operators(marked), executor.random_feeds(marked, 3))
    group = executor.Group(known, json.loads(executor.properties(marked)["superslash.schedule"])["groups"][0])
    traffic, chip = executor.Traffic(), executor.Scratchpad(target["on_chip"])
    ran = executor.FusedGroup(off_chip, group.entry, group.nodes, {})
    ran.run(chip, traffic)
    expected = random_graphs.run(model, executor.random_feeds(marked, 3))[0]
    if executor.distance(off_chip.array(model.graph.output[0].name), expected) > executor.TOLERANCE:
        raise Wrong("VGGNet-E's outputs are not those of ONNX Runtime")
    words = plane * plane * 3 + (plane // 4) ** 2 * widths[4]
    expect("VGGNet-E, group input and output", traffic.bytes["input_bytes"] + traffic.bytes["output_bytes"], 4 * words)
    expect("VGGNet-E, multiply-accumulates of a layer by layer run", ran.macs, machine.macs(model))
    return ran.kept_bytes


# A tensor that stays from one group to the next

def staying(first_tile=(2, 3), second_tile=(3, 2), overlap="full", **kinds):
    """conv, Relu | conv, Relu, with what is between them on chip."""
    b = Builder((1, 3, 8, 8))
    b.op("Relu", [b.conv("x", "a", 4)], "ar")
    b.op("Relu", [b.conv("ar", "b", 5)], "br")
    model = b.model("br")
    first, second = ({"walk": "right", "overlap": overlap, "out_blocks": 1} for _ in range(2))
    first |= {"id": 0, "nodes": ["a_node", "ar_node"], "tile": dict(zip(("oh", "ow"), first_tile)), "tensors": {"x": "held", "ar": kinds.get("made", "stays")}, "weights": {"a_node": "stays"}}
    second |= {"id": 1, "nodes": ["b_node", "br_node"], "tile": dict(zip(("oh", "ow"), second_tile)), "tensors": {"ar": kinds.get("taken", "stays"), "br": "held"}, "weights": {"b_node": "stays"}}
    return model, [first, second]


def test_staying():
    for overlap in ("recompute", "rows", "full"):
        model, groups = staying(overlap=overlap)
        taker = run(model, groups)
        expect(f"what stays, {overlap}: bytes of the group that takes it", taker.bytes, {"input_bytes": 0, "weight_bytes": 5 * 4 * 9 + 5 * 4, "output_bytes": 5 * 64, "partial_sum_bytes": 0})
        if overlap == "full":   # in the first tile: all of ar, the weights, of br four channels finished and one being made
            expect("what stays, on chip", taker.footprint_bytes, 4 * 64 + 5 * 4 * 9 + 5 * 4 + 6 * 4 + 6 * 4)
    expect("what stays, made in blocks", run(*staying(made={"stays": 2})).bytes, run(*staying()).bytes)
    for kinds in ({"made": "held"}, {"taken": "held"}):
        refuse("a tensor that stays on one side only", *staying(**kinds))


def test_parted():
    """Weights, biases and slopes; what is in parts moves no bytes."""
    model, tensors, layers = parted()
    found = run(model, fused(model, dict.fromkeys(tensors, "held"), dict.fromkeys(layers, "stays")))
    weights = (4 * 6 + 4 * 4 + 4) + (5 * 4 + 5 * 4) + (7 * 4 * 9 + 7 * 4) + (4 * 12 * 9 + 4 * 4 + 4)
    expect("a Concat in parts", found.bytes, {"input_bytes": 6 * 90, "weight_bytes": weights, "output_bytes": 4 * 25, "partial_sum_bytes": 0})


# Bookkeeping that is broken on purpose

def test_broken():
    """One row less kept, one kept too long, one not fetched: each must be noticed."""
    real_life, real_axis, noticed = executor_fused.FusedGroup.plan_life, executor_fused.FusedGroup.plan_axis, []

    def leaves(by):
        def plan_life(self, tiles):
            real_life(self, tiles)
            rows = self.tensors["ar"].last_wanted
            rows[5] = np.maximum(rows[5] + by, 0)
        return plan_life

    def short(self, at, tiles, keeps):
        plan = real_axis(self, at, tiles, keeps)
        if at == 0:
            made, _ = plan[1]
            made["ar"] = made["ar"][1:]
        return plan

    model, tensors, layers = chain()
    groups = fused(model, dict.fromkeys(tensors, "held"), dict.fromkeys(layers, "stays"), (1, 5))
    run(model, groups)
    try:
        for patched in ({"plan_life": leaves(-1)}, {"plan_life": leaves(1)}, {"plan_axis": short}):
            for name, function in patched.items():
                setattr(executor_fused.FusedGroup, name, function)
            noticed.append(refuse("broken bookkeeping", model, groups))
            executor_fused.FusedGroup.plan_life, executor_fused.FusedGroup.plan_axis = real_life, real_axis
    finally:
        executor_fused.FusedGroup.plan_life, executor_fused.FusedGroup.plan_axis = real_life, real_axis
    return noticed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nests", type=int, default=150)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.4, help="of the fused schedules")
    args = parser.parse_args()
    kinds = collections.Counter()
    test_mappings(args.nests, args.seed, kinds)
    print(f"{args.nests} mappings from seed {args.seed} as machine.py counts them:", dict(kinds))
    kinds.clear()
    test_by_hand()
    test_illegal()
    test_boundaries()
    test_staying()
    test_parted()
    print(f"{test_counts()} chains as counted by sets")
    for problem in test_broken():
        print("broken bookkeeping noticed:", problem)
    for plane, widths in ((32, (8, 8, 16, 16, 32)), (224, (64, 64, 128, 128, 256))):
        kept = test_alwani(plane, widths)
        expect("VGGNet-E, kept", kept, kept_bytes(plane, widths))
        print(f"VGGNet-E on {plane}x{plane}: {kept:,} B kept between tiles of 1x1")
    expect("VGGNet-E, kept", kept, 355680)
    print("fused schedules run:", dict(test_fused(kinds, args.share, args.seed)), dict(kinds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
