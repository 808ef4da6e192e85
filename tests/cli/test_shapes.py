"""Our shape inference against onnx.shape_inference: wherever both know a dim (or a rank) they agree.

    test_shapes.py --driver shapes_of [--wheel WHEEL_OR_FOLDER] --work FOLDER [MODEL ...]

Models that onnx.checker accepts must not fail; those that contradict themselves are listed below with the reason.
"""
import argparse
import pathlib
import random
import subprocess
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

import corpus

NETWORKS = sorted((pathlib.Path(__file__).resolve().parents[1] / "models").glob("*.onnx"))

# name of the test's folder (or file) -> why we may refuse or differ
REFUSED = {}
DIFFERENT = {}


def single(op, opset, shapes, constants=(), outputs=1, **attributes):
    """One node; inputs "x0", ... of these shapes, then constants; no output has a declared shape. None in constants = left out."""
    inputs = [f"x{i}" for i in range(len(shapes))]
    initializers = [numpy_helper.from_array(numpy.array(c, numpy.int64), f"c{i}") for i, c in enumerate(constants) if c is not None]
    names = inputs + [f"c{i}" if c is not None else "" for i, c in enumerate(constants)]
    made = [f"y{i}" for i in range(outputs)]
    mask = TensorProto.BOOL if opset >= 10 else TensorProto.FLOAT
    kinds = {("MaxPool", 1): TensorProto.INT64, ("Shape", 0): TensorProto.INT64, ("Dropout", 1): mask}
    graph = helper.make_graph([helper.make_node(op, names, made, **attributes)], "g",
                              [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip(inputs, shapes)],
                              [helper.make_tensor_value_info(n, kinds.get((op, i), TensorProto.FLOAT), None) for i, n in enumerate(made)],
                              initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def windows(rng):
    axes = rng.randint(1, 3)
    plane = [rng.randint(3, 12) for _ in range(axes)]
    attributes = {"kernel_shape": [rng.randint(1, 3) for _ in range(axes)]}
    if rng.random() < 0.7:
        attributes["strides"] = [rng.randint(1, 4) for _ in range(axes)]
    op, opset = rng.choice(["Conv", "MaxPool", "AveragePool"]), rng.choice([11, 13, 19, 22])
    if (op != "AveragePool" or opset >= 19) and rng.random() < 0.4:
        attributes["dilations"] = [rng.randint(1, 2) for _ in range(axes)]
    kind = rng.choice(["none", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
    if kind == "pads":
        attributes["pads"] = [rng.randint(0, k - 1) for k in 2 * attributes["kernel_shape"]]
    elif kind != "none":
        attributes["auto_pad"] = kind
    if op != "Conv" and rng.random() < 0.6 and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    room = [p - ((k - 1) * d + 1) for p, k, d in zip(plane, attributes["kernel_shape"], attributes.get("dilations", [1] * axes))]
    if min(room) < 0:
        return None
    if op != "Conv":
        return single(op, opset, [[2, 6, *plane]], outputs=rng.choice([1, 2]) if op == "MaxPool" else 1, **attributes)
    group = rng.choice([1, 2, 3])
    return single(op, opset, [["N", 6, *plane], [12, 6 // group, *attributes["kernel_shape"]]], group=group, **attributes)


def variants():
    """Every operator whose attributes moved to inputs, or whose defaults changed, on both sides of the change."""
    for opset in (6, 11, 13, 21):
        yield single("Squeeze", opset, [[1, 3, 1, 2]]) if opset < 13 else single("Squeeze", opset, [[1, 3, 1, 2]], [None])
        if opset < 13:
            yield single("Squeeze", opset, [[1, 3, 1, 2]], axes=[0, 2])
            yield single("Unsqueeze", opset, [[3, 2]], axes=[0, 3])
        else:
            yield single("Squeeze", opset, [[1, 3, 1, 2]], [[-2]])
            yield single("Unsqueeze", opset, [[3, 2]], [[0, -1]])
        yield single("Reshape", opset, [["N", 3, 4]], [[0, -1]])
        yield single("Reshape", opset, [[2, 3, 4]], [[0, 2, -1]])
        for axis in (0, 1, 2) if opset < 11 else (0, 1, 2, -1):
            yield single("Flatten", opset, [[2, 3, 4]], axis=axis)
            yield single("Concat", opset, [[2, 3, 4], [2, 3, 4]], axis=axis) if axis >= 0 or opset >= 11 else None
        yield single("Transpose", opset, [[2, 3, 4]])
        yield single("Transpose", opset, [[2, 3, 4]], perm=[1, 2, 0])
        yield single("Dropout", opset, [[2, 3]], outputs=2)
        yield single("MatMul", opset, [[3], [3]])
        yield single("MatMul", opset, [[3], [5, 3, 4]])
        yield single("MatMul", opset, [[2, 1, 4, 3], [5, 3, 7]])
        yield single("MatMul", opset, [[2, 4, 3], [3]])
        yield single("Gemm", opset, [[3, 2], [5, 3], [5]], transA=1, transB=1)
        yield single("GlobalAveragePool", opset, [["N", 3, 5, "W"]])
        yield single("Shape", opset, [[2, 3, 4]])
    yield single("Add", 6, [[2, 3, 4, 5], [3, 4]], broadcast=1, axis=1)
    yield single("PRelu", 6, [[2, 3, 4, 5], [3]])
    yield single("PRelu", 9, [[2, 3, 4, 5], [3, 1, 1]])
    yield single("Add", 7, [[2, 1, 4], ["M", 3, 1]])
    yield single("BatchNormalization", 15, [[2, 3, 4, 4], [3], [3], [3], [3]], outputs=3, training_mode=1)
    yield single("Reshape", 14, [[0, 3]], [[3, 0]], allowzero=1)
    yield single("Shape", 15, [[2, 3, 4]], start=1, end=-1)
    yield single("Gather", 13, [[4, 5, 6]], [[[0, 1], [2, 3]]], axis=1)
    yield single("Gather", 13, [[4, 5, 6]], [2], axis=-1)
    for axes in ([1], [-1], [0, 2]):
        for keep in (0, 1):
            yield single("ReduceMean", 11, [[2, 3, 4]], axes=axes, keepdims=keep)
            yield single("ReduceMean", 18, [[2, 3, 4]], [axes], keepdims=keep)
            yield single("ReduceSum", 13, [[2, 3, 4]], [axes], keepdims=keep)
    yield single("ReduceSum", 13, [[2, 3, 4]], noop_with_empty_axes=1)
    yield single("ReduceSum", 13, [[2, 3, 4]], keepdims=0)
    yield single("Pad", 2, [[2, 3, 4]], pads=[0, 1, 2, 0, 3, -1])
    yield single("Pad", 11, [[2, 3, 4]], [[0, 1, 2, 0, 3, -1]])
    yield single("Pad", 18, [[2, 3, 4]], [[1, 2, 3, 4], None, [2, 0]])
    for opset in (11, 13, 18):
        for sizes in ([1, 4], [3, 2], None):
            attributes = {} if sizes is None or opset >= 13 else {"split": sizes}
            given = [sizes] if sizes and opset >= 13 else []
            more = {"num_outputs": 2} if opset == 18 and not given else {}
            yield single("Split", opset, [["N", 5 if sizes else 6, 2]], given, outputs=2, axis=1, **attributes, **more)
    yield single("Split", 18, [[7, 2]], outputs=3, num_outputs=3)
    yield single("Sum", 8, [[2, 1, 4], [3, 1], [1]])
    yield single("Expand", 13, [[3, 1]], [[2, 1, 6]])
    yield single("Resize", 13, [[1, 3, 7, 9]], [None, None, [1, 3, 14, 5]])
    for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        weights = [[2, gates * 5, 3], [2, gates * 5, 5]]
        yield single(op, 14, [[7, "N", 3], *weights], outputs=3 if op == "LSTM" else 2, hidden_size=5, direction="bidirectional")
        yield single(op, 14, [["N", 7, 3], *weights], outputs=1, hidden_size=5, direction="bidirectional", layout=1)
    yield single("SpaceToDepth", 13, [["N", 3, 4, 6]], blocksize=2)
    yield single("DepthToSpace", 13, [["N", 18, 4, "W"]], blocksize=3, mode="CRD")
    yield single("Slice", 9, [[9, 9]], starts=[1, -3], ends=[1000, -1], axes=[1, 0])


def transposed(rng):
    axes = rng.randint(1, 3)
    kernel, group = [rng.randint(1, 3) for _ in range(axes)], rng.choice([1, 2])
    attributes = {"strides": [rng.randint(2, 4) for _ in range(axes)], "group": group}
    if rng.random() < 0.5:
        attributes["dilations"] = [rng.randint(1, 2) for _ in range(axes)]
    if rng.random() < 0.5:
        attributes["output_padding"] = [rng.randint(0, 1) for _ in range(axes)]
    if rng.random() < 0.5:
        attributes["pads"] = [rng.randint(0, k - 1) for k in 2 * kernel]
    elif rng.random() < 0.5:
        attributes["auto_pad"] = rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    reach = [(k - 1) * d + 1 + p for k, d, p in zip(kernel, attributes.get("dilations", [1] * axes), attributes.get("output_padding", [0] * axes))]
    if attributes.get("auto_pad", "").startswith("SAME") and any(r > s for r, s in zip(reach, attributes["strides"])):
        del attributes["auto_pad"]  # onnx's inference does not look at it
    return single("ConvTranspose", 11, [["N", 4, *[rng.randint(2, 9) for _ in range(axes)]], [4, 6 // group, *kernel]], **attributes)


def resized(rng):
    """Resize by scales: floats, where single() makes integers."""
    model = single("Resize", rng.choice([11, 13, 18]), [[1, 3, rng.randint(1, 20), rng.randint(1, 20)]], [None, [0]])
    scales = numpy.array([1, 1, rng.uniform(0.3, 3), rng.choice([0.5, 1.5, 1 / 3, 2])], numpy.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(scales, "c1"))
    return model


def slices(rng):
    pick = lambda: rng.choice([-1000, rng.randint(-9, 9), 1000, -2**63, 2**63 - 1])
    step = rng.choice([1, 1, 2, 3, -1, -2, 50, -50])
    return single("Slice", 13, [[7, "N", 9]], [[pick(), pick()], [pick(), pick()], [0, rng.choice([2, -1])], [1, step]])


def chain():
    """What exporters write for x.view(n, c // 2, -1)."""
    x, y = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6, 5, 5]), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    numbers = {"zero": 0, "one": 1, "two": [2], "rest": [-1], "axes": [0]}
    nodes = [("Shape", ["x"], "s"), ("Gather", ["s", "zero"], "n"), ("Gather", ["s", "one"], "c"), ("Div", ["c", "two"], "half"),
             ("Unsqueeze", ["n", "axes"], "n1"), ("Concat", ["n1", "half", "rest"], "to"), ("Reshape", ["x", "to"], "y")]
    made = [helper.make_node(op, inputs, [out], **({"axis": 0} if op == "Concat" else {})) for op, inputs, out in nodes]
    graph = helper.make_graph(made, "g", [x], [y], [numpy_helper.from_array(numpy.array(v, numpy.int64), k) for k, v in numbers.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def pads_turned():
    """What exporters write for F.pad(x, (1, 2), mode="reflect"): pairs from the last axis on, made into begins and ends."""
    x, y = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6, 5]), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    numbers = {"pads": [1, 2], "four": [4], "pairs": [-1, 2], "flat": [-1], "from": [-1], "to": [-2**63], "axis": [0], "step": [-1]}
    zeros = helper.make_node("ConstantOfShape", ["four"], ["zeros"], value=numpy_helper.from_array(numpy.zeros(1, numpy.int64)))
    nodes = [("Concat", ["pads", "zeros"], "all"), ("Reshape", ["all", "pairs"], "p"), ("Slice", ["p", "from", "to", "axis", "step"], "s"),
             ("Transpose", ["s"], "t"), ("Reshape", ["t", "flat"], "f"), ("Pad", ["x", "f"], "y")]
    more = {"Concat": {"axis": 0}, "Transpose": {"perm": [1, 0]}, "Pad": {"mode": "reflect"}}
    made = [zeros] + [helper.make_node(op, inputs, [out], **more.get(op, {})) for op, inputs, out in nodes]
    graph = helper.make_graph(made, "g", [x], [y], [numpy_helper.from_array(numpy.array(v, numpy.int64), k) for k, v in numbers.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def write_made(folder, seed):
    rng = random.Random(seed)
    models = [*variants(), chain(), pads_turned()] + [windows(rng) for _ in range(300)] + [slices(rng) for _ in range(100)]
    models += [transposed(rng) for _ in range(60)] + [resized(rng) for _ in range(30)]
    paths = []
    for i, model in enumerate(m for m in models if m is not None):
        paths.append(pathlib.Path(folder, f"{i}-{model.graph.node[0].op_type}.onnx"))
        onnx.save(model, paths[-1])
    return paths


def run_driver(driver, paths):
    found, current = {}, None
    for start in range(0, len(paths), 400):
        done = subprocess.run([driver, *map(str, paths[start:start + 400])], capture_output=True, text=True, errors="replace")
        if done.returncode:
            sys.exit(f"{driver}: exit {done.returncode}\n{done.stderr[-2000:]}")
        for line in done.stdout.split("\n"):
            if line.startswith("= "):
                current = found[line[2:]] = {"shapes": {}, "types": {}, "failure": None}
            elif line.startswith("! "):
                current["failure"] = line[2:]
            elif line:
                name, kind, *dims = line.split("\t")
                current["types"][name] = int(kind)
                current["shapes"][name] = [None if d == "?" else int(d) for d in dims[0].split()] if dims else None
    return found


def declared(infos):
    shapes = {}
    for info in infos:
        if not info.type.HasField("tensor_type") or not info.type.tensor_type.HasField("shape"):
            continue
        dims = [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None for d in info.type.tensor_type.shape.dim]
        shapes.setdefault(info.name, dims)
    return shapes


def theirs(path):
    model = onnx.load(path, load_external_data=False)
    try:
        model = shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except Exception as failure:  # their rules stop at models with contradictions
        print(f"note: {path}: onnx.shape_inference: {str(failure).splitlines()[0][:120]}")
    graph = model.graph
    types = {t.name: t.data_type for t in graph.initializer}
    for info in (*graph.input, *graph.output, *graph.value_info):
        types.setdefault(info.name, info.type.tensor_type.elem_type)
    shapes = {t.name: list(t.dims) for t in graph.initializer}
    for infos in (graph.input, graph.output, graph.value_info):
        for name, dims in declared(infos).items():
            shapes.setdefault(name, dims)
    return shapes, types


def starts_in_end_pad(path, name, axis, mine, onnxs):
    """The operator ignores windows that would start in the right pad (its text; ONNX Runtime does); onnx's inference counts them."""
    graph = onnx.load(path, load_external_data=False).graph
    node = next((n for n in graph.node if name in n.output), None)
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute} if node else {}
    if not given.get("ceil_mode") or axis < 2 or onnxs != mine + 1 or node.input[0] not in [i.name for i in graph.input]:
        return False
    plane = declared(graph.input)[node.input[0]][axis]
    stride, pad = (given[k][axis - 2] if k in given else otherwise for k, otherwise in (("strides", 1), ("pads", 0)))
    return mine * stride >= plane + pad


def is_accepted(path):
    try:
        onnx.checker.check_model(str(path))
        return True
    except Exception:
        return False


def label(path):
    return path.parent.name if path.name == "model.onnx" else path.name


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--driver", required=True)
    options.add_argument("--wheel")
    options.add_argument("--work", type=pathlib.Path, required=True)
    options.add_argument("--superslash", help="not used: the driver stands for it")
    options.add_argument("--quick", action="store_true", help="every 8th model of the wheel")
    options.add_argument("models", nargs="*", type=pathlib.Path)
    options.add_argument("--seed", type=int, default=1, help="of the models made here")
    given = options.parse_args()
    made = given.work / "made"
    made.mkdir(parents=True, exist_ok=True)
    return compare(given, NETWORKS + given.models + write_made(made, given.seed))


def compare(given, paths):
    if given.wheel:
        wheel = corpus.wheel_models(given.wheel, given.work)
        paths += wheel[::8] if given.quick else wheel
    found = run_driver(given.driver, paths)
    counts = {"both": 0, "only ours": 0, "only theirs": 0, "ranks": 0, "types": 0, "in the end pad": 0}
    faults, refused, unused = [], 0, set(REFUSED) | set(DIFFERENT)
    for path in paths:
        ours = found[str(path)]
        if ours["failure"]:
            refused += 1
            unused.discard(label(path))
            if label(path) not in REFUSED and is_accepted(path):
                faults.append(f"{path}: refused: {ours['failure']}")
            continue
        shapes, types = theirs(path)
        for name, kind in types.items():
            mine = ours["types"].get(name, 0)
            counts["types"] += bool(mine and kind)
            if mine and kind and mine != kind:
                faults.append(f"{path}: '{name}': type {mine}, onnx says {kind}")
        for name, dims in shapes.items():
            mine = ours["shapes"].get(name)
            if mine is None:
                counts["only theirs"] += sum(d is not None for d in dims)
                continue
            if len(mine) != len(dims):
                if label(path) not in DIFFERENT:
                    faults.append(f"{path}: '{name}': rank {len(mine)}, onnx says {len(dims)}: {mine} {dims}")
                unused.discard(label(path))
                continue
            counts["ranks"] += 1
            for axis, (a, b) in enumerate(zip(mine, dims)):
                if a is not None and b is not None:
                    counts["both"] += 1
                    if a != b and starts_in_end_pad(path, name, axis, a, b):
                        counts["in the end pad"] += 1
                    elif a != b:
                        unused.discard(label(path))
                        if label(path) not in DIFFERENT:
                            faults.append(f"{path}: '{name}': {mine}, onnx says {dims}")
                            break
                elif a is not None:
                    counts["only ours"] += 1
                elif b is not None:
                    counts["only theirs"] += 1
    if given.wheel and not given.quick:
        faults += [f"the exception {name} is not needed any more" for name in sorted(unused)]
    for fault in faults:
        print(fault)
    print(f"{len(paths)} models, {refused} refused; types known by both {counts['types']}; ranks {counts['ranks']}; dims known by both {counts['both']}, "
          f"only by superslash {counts['only ours']}, only by onnx {counts['only theirs']}; windows in the end pad that onnx counts "
          f"{counts['in the end pad']}; disagreements {len(faults)}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
