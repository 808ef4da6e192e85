"""Removing equals zeroing, checked by ONNX Runtime on the files alone.

    python tests/oracle/zeroing.py ORIGINAL.onnx PRUNED.onnx PLAN.json [--samples 2] [--seed 0]

In the original, what *reads* the removed channels is zeroed (the slices of the plan with role `reads`: columns of consumers); nothing
else is touched. Its outputs must equal those of the pruned file on random inputs, whatever lies between:

    max |a - b| <= 1e-4 max |a|       for each output                                                        (1)

A quantised weight becomes its zero point. Activations that are rounded on the way (QuantizeLinear) turn a difference in the order of a
sum into a whole step now and then, which then spreads; so such a pair is compared twice: (1) with rounding, and only rounding, taken out
of both files (QuantizeLinear becomes clip(x / scale + zero point)), and as written with

    the mean of |a - b| over an output <= 2 % of max |a|                                                     (2)

(2) alone would let a small fault pass; (1) does not. Also checked: each constant that the plan cuts is in the pruned file, cut as the
plan says, bit for bit. Exit 0 and one line, or 1 and what differs.
"""
import argparse
import collections
import json
import random
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TOLERANCE, ROUNDED_TOLERANCE = 1e-4, 0.02
PASSES_ON = ("Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast")


class Mismatch(Exception):
    pass


# Constants of a graph

def constants(model):
    """name -> TensorProto, of initializers and of Constant nodes; changing one changes the model."""
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return found


def store(tensor, array):
    """The tensor keeps its name and type, and gets the array's shape and values."""
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))


def attribute(node, name, default=None):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def node_called(model, name):
    """By its name, or by its first output where it has none or shares it."""
    named = [node for node in model.graph.node if node.name == name]
    if len(named) == 1:
        return named[0]
    by_output = [node for node in model.graph.node if node.output and node.output[0] == name]
    if not by_output:
        raise Mismatch(f"the plan names the node '{name}', which the model does not have (or has {len(named)} times)")
    return by_output[0]


# Zeroing

def own_copy(model, tensor_name, reader_name):
    """Gives one reader its own copy of a shared constant, and of what lies between the two (DequantizeLinear, Transpose, ...)."""
    producers = {output: node for node in model.graph.node for output in node.output}
    copy_name, reader, copies = f"{tensor_name}//{reader_name}", node_called(model, reader_name), constants(model)
    if copy_name in copies:
        return copy_name

    def path_to(node):
        for i, value in enumerate(node.input):
            if value == tensor_name:
                return [(node, i)]
            above = producers.get(value)
            if above is not None and above.op_type in PASSES_ON + ("QuantizeLinear", "DequantizeLinear"):
                way = path_to(above)
                if way:
                    return [(node, i)] + way
        return None

    way = path_to(reader)
    if way is None:
        raise Mismatch(f"the plan says that '{reader_name}' reads '{tensor_name}', which it does not")
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(copies[tensor_name])
    tensor.name = copy_name
    node, i = way[0]
    for above, j in way[1:]:
        position = list(model.graph.node).index(above)
        twin = onnx.NodeProto()
        twin.CopyFrom(above)
        twin.name, twin.output[0] = f"{above.name}//{reader_name}", f"{above.output[0]}//{reader_name}"
        model.graph.node.insert(position, twin)
        node.input[i] = twin.output[0]
        node, i = model.graph.node[position], j
    node.input[i] = copy_name
    return copy_name


def zero_point_of(model, name, shape):
    """What stands for zero in a quantised constant, broadcast to its shape; None for one that is not quantised."""
    found = constants(model)
    for node in model.graph.node:
        if not node.input or node.input[0] != name:
            continue
        if node.op_type == "DequantizeLinear":
            if len(node.input) < 3 or not node.input[2]:
                return np.zeros(shape)
            zero = numpy_helper.to_array(found[node.input[2]]).astype(np.int64)
            if zero.size > 1:
                axis = attribute(node, "axis", 1)
                zero = zero.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])
            return np.broadcast_to(zero, shape)
        if node.op_type in ("Identity", "Transpose"):
            order = attribute(node, "perm", list(range(len(shape)))[::-1]) if node.op_type == "Transpose" else list(range(len(shape)))
            below = zero_point_of(model, node.output[0], tuple(shape[i] for i in order))
            if below is not None:
                return below.transpose(np.argsort(order))
    return None


def index_of(entry, rank):
    where = [slice(None)] * rank
    if "rows" in entry:
        where[0] = slice(*entry["rows"])
    where[entry["axis"]] = entry["remove"]
    return tuple(where)


def zeroed(model, plan):
    """A copy of the model in which the removed channels are read as zero."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for entry in plan["slices"]:
        if entry["role"] != "reads" or not entry["remove"]:
            continue
        name = own_copy(model, entry["tensor"], entry["node"]) if "node" in entry else entry["tensor"]
        tensor = constants(model).get(name)
        if tensor is None:
            raise Mismatch(f"the plan cuts '{name}', which is no constant of the model")
        array = numpy_helper.to_array(tensor).copy()
        if array.shape[entry["axis"]] != entry["size"]:
            raise Mismatch(f"the plan gives axis {entry['axis']} of '{name}' size {entry['size']}, it has {array.shape[entry['axis']]}")
        zero = zero_point_of(model, name, array.shape) if array.dtype.kind not in "fV" else None
        where = index_of(entry, array.ndim)
        array[where] = 0 if zero is None else zero[where].astype(array.dtype)
        store(tensor, array)
    return model


# The pruned file against the plan

def cut(array, entries):
    """All slices of one constant applied: those with rows cut their rows only."""
    by_axis = collections.defaultdict(list)
    for entry in entries:
        by_axis[entry["axis"]].append(entry)
    whole = []
    for axis, parts in sorted(by_axis.items()):
        if any("rows" in part for part in parts):
            keep = np.ones(array.shape, bool)
            for part in parts:
                keep[index_of(part, array.ndim)] = False
            rows = [array[r][tuple(slice(None) if i != axis - 1 else keep_row(keep[r], axis - 1) for i in range(array.ndim - 1))]
                    for r in range(array.shape[0])]
            array = np.stack(rows)
        else:
            whole.append((axis, sorted({i for part in parts for i in part["remove"]})))
    for axis, remove in whole:
        array = np.delete(array, remove, axis)
    return array


def keep_row(keep, axis):
    return np.flatnonzero(np.moveaxis(keep, axis, 0).reshape(keep.shape[axis], -1).all(1))


def check_slices(original, pruned, plan):
    by_tensor = collections.defaultdict(list)
    for entry in plan["slices"]:
        by_tensor[entry["tensor"]].append(entry)
    before, after = constants(original), constants(pruned)
    for name, entries in by_tensor.items():
        if name not in before:
            raise Mismatch(f"the plan cuts '{name}', which is no constant of the model")
        if name not in after or any("node" in entry for entry in entries):
            continue
        expected, found = cut(numpy_helper.to_array(before[name]), entries), numpy_helper.to_array(after[name])
        if expected.shape != found.shape:
            raise Mismatch(f"'{name}' is {found.shape} in the pruned file, {expected.shape} by the plan")
        if expected.tobytes() != found.tobytes():
            raise Mismatch(f"'{name}' holds other values in the pruned file than the plan leaves")


# Running

def without_rounding(model):
    """QuantizeLinear and DequantizeLinear of activations, as real arithmetic: clipped, not rounded. None where there are none."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    found = constants(model)
    held = set(found)
    for node in model.graph.node:
        if node.op_type in PASSES_ON + ("QuantizeLinear",) and node.input[0] in held:
            held.add(node.output[0])
    nodes, changed = [], 0
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.input[0] in held:
            nodes.append(node)
            continue
        changed += 1
        scale = numpy_helper.to_array(found[node.input[1]]).astype(np.float32)
        zero = numpy_helper.to_array(found[node.input[2]]) if len(node.input) > 2 and node.input[2] else np.zeros(scale.shape, np.uint8)
        limits = np.iinfo(zero.dtype)
        if scale.size > 1:
            behind = shape_rank(model, node) - 1 - attribute(node, "axis", 1) if attribute(node, "axis", 1) >= 0 else -1 - attribute(node, "axis", 1)
            scale, zero = (array.reshape([-1] + [1] * behind) for array in (scale, zero))
        prefix, out = f"{node.output[0]}//", node.output[0]

        def constant(what, value):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), prefix + what))
            return prefix + what

        if node.op_type == "QuantizeLinear":
            nodes += [helper.make_node("Div", [node.input[0], constant("scale", scale)], [prefix + "a"]),
                      helper.make_node("Add", [prefix + "a", constant("zero", zero)], [prefix + "b"]),
                      helper.make_node("Clip", [prefix + "b", constant("min", limits.min), constant("max", limits.max)], [out])]
        else:
            nodes += [helper.make_node("Sub", [node.input[0], constant("zero", zero)], [prefix + "a"]),
                      helper.make_node("Mul", [prefix + "a", constant("scale", scale)], [out])]
    if not changed:
        return None
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.tensor_type.elem_type in (TensorProto.UINT8, TensorProto.INT8):
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    return model


def shape_rank(model, node):
    inferred = onnx.shape_inference.infer_shapes(model)
    for value in [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]:
        if value.name in (node.input[0], node.output[0]):
            return len(value.type.tensor_type.shape.dim)
    raise Mismatch(f"no rank known for '{node.input[0]}'")


def session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    content = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def random_feeds(model, samples, seed):
    """Normal values; `samples` in the first dim where it is dynamic, 1 in any other dynamic dim."""
    rng, held = np.random.default_rng(seed), set(constants(model))
    feeds = {}
    for value in model.graph.input:
        if value.name in held:
            continue
        kind = value.type.tensor_type
        shape = [d.dim_value or (samples if i == 0 else 1) for i, d in enumerate(kind.shape.dim)]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        feeds[value.name] = rng.standard_normal(shape).astype(dtype) if np.dtype(dtype).kind == "f" else rng.integers(0, 3, shape).astype(dtype)
    return feeds


def compare(a, b, rounded):
    """The largest difference of two lists of outputs relative to the largest output, and whether it may stand."""
    worst, good = 0.0, True
    for x, y in zip(a, b, strict=True):
        if x.shape != y.shape:
            raise Mismatch(f"an output has shape {y.shape}, before {x.shape}")
        x, y = x.astype(np.float64), y.astype(np.float64)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise Mismatch("an output is not finite")
        difference, largest = np.abs(x - y), max(1e-30, np.abs(x).max(initial=0))
        worst = max(worst, difference.max(initial=0) / largest)
        good &= bool(difference.mean() <= ROUNDED_TOLERANCE * largest if rounded else difference.max(initial=0) <= TOLERANCE * largest)
    return worst, good


def check(original, pruned, plan, samples=2, seed=0):
    """Raises Mismatch; returns {"relative": largest difference, "as_written": the same with rounding or None, "moved": whether zeroing shows}."""
    check_slices(original, pruned, plan)
    reference = zeroed(original, plan)
    feeds = random_feeds(original, samples, seed)
    smooth = without_rounding(reference)
    a, b = session(reference).run(None, feeds), session(pruned).run(None, feeds)
    as_written, good = compare(a, b, rounded=smooth is not None)
    if not good:
        raise Mismatch(f"outputs differ by {as_written:.3g} of the largest{', beyond what rounding explains' if smooth else ''}")
    moved = compare(session(original).run(None, feeds), a, rounded=False)[0] > TOLERANCE
    if smooth is None:
        return {"relative": as_written, "as_written": None, "moved": moved}
    relative, good = compare(session(smooth).run(None, feeds), session(without_rounding(pruned)).run(None, feeds), rounded=False)
    if not good:
        raise Mismatch(f"with rounding taken out, outputs differ by {relative:.3g} of the largest")
    return {"relative": relative, "as_written": as_written, "moved": moved}


# Random plans

def random_plan(spaces, seed, share=0.25):
    """A plan that removes a share of every free space, equally many from each cell of its partition."""
    rng, chosen = random.Random(seed), []
    for space in spaces:
        if space.get("fixed"):
            continue
        cells = space.get("blocks") or [list(range(space["size"]))]
        smallest = min(len(cell) for cell in cells)
        count = min(max(1, round(share * smallest)), smallest - 1)
        if count > 0:
            remove = sorted(i for cell in cells for i in rng.sample(list(cell), count))
            chosen.append({"id": space["id"], "size": space["size"], "remove": remove})
    return {"superslash_plan": 1, "spaces": chosen}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("original")
    parser.add_argument("pruned")
    parser.add_argument("plan")
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with open(args.plan, encoding="utf-8") as file:
        plan = json.load(file)
    try:
        result = check(onnx.load(args.original), onnx.load(args.pruned), plan, args.samples, args.seed)
    except Mismatch as problem:
        print(f"{args.pruned}: {problem}")
        return 1
    print(f"{args.pruned}: removing equals zeroing, {result['relative']:.2g} of the largest output"
          + (f" ({result['as_written']:.2g} as written, rounded)" if result["as_written"] is not None else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
