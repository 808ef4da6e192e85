"""The evaluator against ONNX Runtime: the node tests of the onnx 1.22 wheel, the trained networks with their QDQ forms, the published
networks, random graphs.

    test_eval.py --driver evaluate --work FOLDER [--wheel WHEEL_OR_FOLDER] [--only TEXT]
    test_eval.py --driver evaluate --work FOLDER --wheel WHEEL_OR_FOLDER --shake SEED [--every 1]

One thread and two make the same bytes.
A node test counts where the evaluator has all its operators; where ONNX Runtime cannot run one, the wheel's own outputs stand for it. Every
operator with a kernel must have been compared at least once.

--shake: inputs of other dims, types and numbers than the models expect, in every Nth node test: the evaluator computes or refuses, and never
ends in another way.
"""
import argparse
import pathlib
import re
import subprocess
import sys

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper

import corpus
from program import MODELS, derived_models, make_models, trained_models

import random_graphs

RELATIVE = 1e-4
NARROW = {numpy.dtype(numpy.float16): 2e-3}
# A number that lies on the edge between two quantised ones falls to either side with the order of a sum: few images may be a step off.
STEP, STEPPED_SHARE = 2e-2, 0.1
RANDOM_GRAPHS = range(1, 81)

TRAINING = "training mode"
WIDE = "doubles that no float32 holds"
# name of the node test -> why the evaluator may refuse it, or differ
REFUSED = {**dict.fromkeys(("test_batchnorm_epsilon_training_mode", "test_batchnorm_example_training_mode", "test_training_dropout",
                            "test_training_dropout_default", "test_training_dropout_default_mask", "test_training_dropout_mask"), TRAINING)}
DIFFERENT = {**dict.fromkeys(("test_operator_add_broadcast", "test_operator_add_size1_right_broadcast",
                              "test_operator_add_size1_singleton_broadcast", "test_operator_addconstant"), WIDE)}


def tensors(folder):
    """Inputs or outputs of a node test; None where one is no tensor."""
    found = []
    for path in folder:
        tensor = onnx.TensorProto()
        try:
            tensor.ParseFromString(path.read_bytes())
            found.append(numpy_helper.to_array(tensor))
        except Exception:  # sequences, optionals, types numpy does not have
            return None
    return found


def is_number(array):
    """Not text, not one of the narrow floats that numpy itself does not have."""
    return array.dtype.kind in "fiub" and array.dtype.isbuiltin == 1


def numbered(folder, kind):
    return sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))


def read_bytes(path):
    return path.read_bytes() if path.exists() else None


def read_result(path):
    data, at, found = path.read_bytes(), 0, {}
    while at < len(data):
        line = data.index(b"\n", at)
        name, kind, dims = data[at:line].decode().split("\t")
        dims = [int(d) for d in dims.split()]
        width = 4 if int(kind) in (1, 10, 11, 16) else 8
        size = int(numpy.prod(dims)) * width
        found[name] = numpy.frombuffer(data[line + 1:line + 1 + size], numpy.float32 if width == 4 else numpy.int64).reshape(dims)
        at = line + 1 + size
    return found


def distance(ours, theirs):
    """Largest difference relative to the largest number of the tensor; text where they cannot be compared."""
    theirs = numpy.asarray(theirs)
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, expected {theirs.shape}"
    if theirs.dtype.kind in "iub":
        return 0.0 if numpy.array_equal(ours, theirs) else f"integers differ in {int((ours != theirs).sum())} places"
    theirs, ours = theirs.astype(numpy.float64), ours.astype(numpy.float64)
    same = (numpy.isnan(theirs) & numpy.isnan(ours)) | (theirs == ours)
    if not numpy.isfinite(theirs[~same]).all() or not numpy.isfinite(ours[~same]).all():
        return "NaN or infinity in different places"
    if same.all():
        return 0.0
    return float(numpy.abs(theirs - ours)[~same].max() / max(numpy.abs(theirs[numpy.isfinite(theirs)]).max(), 1e-30))


def session_of(path, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    if "qdq" in pathlib.Path(path).stem:  # its optimiser would compute in integers, and round elsewhere
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def by_runtime(path, inputs):
    """name -> array; None where ONNX Runtime cannot run it."""
    try:
        session = session_of(path)
        names = [o.name for o in session.get_outputs()]
        return dict(zip(names, session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})))
    except Exception:
        return None


def stepped_distance(ours, theirs):
    """The same of a quantised network: what the images but STEPPED_SHARE of them keep to, and none is more than STEP off."""
    off = sorted(distance(a, b) for a, b in zip(ours, theirs))
    return off[int((1 - STEPPED_SHARE) * (len(off) - 1))] if off[-1] <= STEP else off[-1]


class Case:
    def __init__(self, label, path, inputs, expected, operators):
        self.label, self.path, self.inputs, self.expected, self.operators = label, path, inputs, expected, operators


def node_cases(wheel, work, only, every=1):
    for path in corpus.wheel_models(wheel, work, with_data=True)[::every]:
        if path.parts[-3] not in ("node", "simple", "pytorch-operator", "pytorch-converted", "light") or only not in path.parent.name:
            continue
        folder = path.parent / "test_data_set_0"
        model = onnx.load(path, load_external_data=False)
        operators = {node.op_type for node in model.graph.node}
        inputs, outputs = tensors(numbered(folder, "input")), tensors(numbered(folder, "output"))
        if inputs is not None and outputs and all(is_number(array) for array in (*inputs, *outputs)):
            names = [i.name for i in model.graph.input]
            expected = dict(zip([o.name for o in model.graph.output], outputs))
            yield Case(path.parent.name, path, dict(zip(names, inputs)), expected, operators)


def network_cases(work):
    """Trained networks on test images, their QDQ forms, and published networks with random weights."""
    rng = numpy.random.default_rng(7)
    pixels = numpy.load(MODELS / "test-1000.npz")["image"][:16]
    images = ((pixels / numpy.float32(255) - numpy.float32(0.286)) / numpy.float32(0.353)).astype(numpy.float32)
    for path in (*trained_models(), *derived_models(work), *make_models(work)):
        model = onnx.load(path)
        held = {t.name for t in model.graph.initializer}
        inputs = {}
        for info in (i for i in model.graph.input if i.name not in held):
            dims = [d.dim_value if d.HasField("dim_value") else 2 for d in info.type.tensor_type.shape.dim]
            inputs[info.name] = images if dims[1:] == [1, 28, 28] else rng.standard_normal(dims).astype(numpy.float32)
        yield Case(path.stem, path, inputs, None, {node.op_type for node in model.graph.node})


def shaken(array, rng):
    """An array much like it that may fit no more."""
    kind = rng.integers(6)
    if kind == 0 and array.ndim:
        axis = int(rng.integers(array.ndim))
        return numpy.take(array, range(int(rng.integers(array.shape[axis] + 1))), axis)
    if kind == 1 and array.ndim:
        return numpy.concatenate([array, array], int(rng.integers(array.ndim)))
    if kind == 2:
        return array[None] if array.ndim < 8 else array
    if kind == 3 and array.ndim:
        return array.reshape(-1)
    if kind == 4 and array.dtype.kind in "iu":
        return rng.integers(-9, 10, array.shape).astype(array.dtype)
    return (array * rng.choice([0, -1, 1e30])).astype(array.dtype) if array.dtype.kind == "f" else array


def shake(given):
    """Whether the driver came through."""
    rng = numpy.random.default_rng(given.shake)
    numpy.seterr(all="ignore")
    cases = list(node_cases(given.wheel, given.work, given.only, given.every))
    for case in cases:
        wrong = rng.integers(len(case.inputs)) if case.inputs else 0
        case.inputs = {name: shaken(array, rng) if at == wrong or rng.random() < 0.2 else array for at, (name, array) in enumerate(case.inputs.items())}
    lines = run_driver(given.driver, 2, given.work / "shaken", cases)
    codes = [int(line.split(" ", 1)[0]) for line in lines]
    faults = [f"{case.label}: {line}" for case, line, code in zip(cases, lines, codes, strict=True) if code not in (0, 2, 3, 4, 7)]
    for fault in faults:
        print(fault)
    print(f"seed {given.shake}: {len(codes)} models; computed {codes.count(0)}, refused {len(codes) - codes.count(0)}; faults {len(faults)}")
    return bool(faults) or not codes


def random_cases(work, seeds):
    """Graphs drawn by oracle/random_graphs.py; a path per seed."""
    work.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        model, features = random_graphs.build(seed)
        path = work / f"random-{seed}{'-qdq' if 'qdq' in features else ''}.onnx"
        onnx.save(model, path)
        dims = [d.dim_value or 8 for d in model.graph.input[0].type.tensor_type.shape.dim]
        inputs = {model.graph.input[0].name: numpy.random.default_rng(seed).standard_normal(dims).astype(numpy.float32)}
        yield Case(path.stem, path, inputs, None, {node.op_type for node in model.graph.node})


def run_driver(driver, threads, work, cases):
    """One line of the driver for each case; "1 ..." where it died there."""
    work.mkdir(parents=True, exist_ok=True)
    for at, case in enumerate(cases):
        numpy.savez(work / f"{at}.npz", **case.inputs)
    lines = []
    while len(lines) < len(cases):
        arguments = []
        for at in range(len(lines), min(len(lines) + 100, len(cases))):
            arguments += [str(cases[at].path), str(work / f"{at}.npz") if cases[at].inputs else "-", str(work / f"{at}.out")]
        done = subprocess.run([driver, str(threads), *arguments], capture_output=True, text=True, errors="replace", check=False)
        lines += done.stdout.splitlines()
        if done.returncode:
            report = [line for line in done.stderr.splitlines() if "ERROR" in line or "error" in line]
            lines.append(f"1 the driver ended with {done.returncode}: {' '.join(report)[:300]}")
    return lines


def compare(case, ours, counts):
    """Faults of one case that ran."""
    theirs = by_runtime(case.path, case.inputs) or case.expected
    counts["by onnxruntime"] += theirs is not case.expected
    if theirs is None:
        return [f"{case.label}: ONNX Runtime does not run it"]
    faults = []
    for name, array in theirs.items():
        if not name or name not in ours:
            faults += [f"{case.label}: output '{name}' is not there"] if name else []
            continue
        allowed = NARROW.get(numpy.asarray(array).dtype, RELATIVE)
        found = stepped_distance(ours[name], array) if case.expected is None and "QuantizeLinear" in case.operators else distance(ours[name], array)
        if isinstance(found, str) or found > allowed:
            faults.append(f"{case.label}: '{name}': {found if isinstance(found, str) else f'{found:.2e} off'}")
        else:
            counts["worst"] = max(counts["worst"], found if allowed == RELATIVE else 0)
    return faults


def kernels(superslash):
    """Operators with a kernel, from op.def."""
    rows = (pathlib.Path(__file__).resolve().parents[2] / "src/op/op.def").read_text(encoding="utf-8")
    return {name for name, kernel in re.findall(r'^OP\(\w+, "(\w+)", .*, (\w+)\)$', rows, re.M) if kernel != "opaque"}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--driver", required=True)
    options.add_argument("--superslash", help="not used: the driver stands for it")
    options.add_argument("--wheel")
    options.add_argument("--work", type=pathlib.Path, required=True)
    options.add_argument("--only", default="", help="node tests whose name has this in it, and no networks")
    options.add_argument("--verbose", action="store_true")
    options.add_argument("--shake", type=int)
    options.add_argument("--every", type=int, default=1)
    given = options.parse_args()
    if given.shake is not None:
        return shake(given)
    cases = list(node_cases(given.wheel, given.work, given.only)) if given.wheel else []
    if not given.only:
        cases += [*network_cases(given.work), *random_cases(given.work / "random", RANDOM_GRAPHS)]
    lines = run_driver(given.driver, 2, given.work / "runs", cases)
    counts, faults, lacking, compared, unused = {"ran": 0, "by onnxruntime": 0, "worst": 0.0}, [], set(), set(), set(REFUSED) | set(DIFFERENT)
    alone = [read_bytes(given.work / "runs" / f"{at}.out") for at in range(len(cases))]
    run_driver(given.driver, 1, given.work / "runs", cases)
    for at, (case, line) in enumerate(zip(cases, lines, strict=True)):
        if alone[at] != read_bytes(given.work / "runs" / f"{at}.out"):
            faults.append(f"{case.label}: two threads and one make different bytes")
        code, message = line.split(" ", 1)
        if code != "0":
            lacks = re.search(r"operators without a kernel: (.*)", message)
            lacking |= set(lacks[1].split(", ")) if lacks else set()
            unused.discard(case.label)
            if not lacks and case.label not in REFUSED:
                faults.append(f"{case.label}: refused: {message}")
            if given.verbose:
                print(f"note: {case.label}: {message}")
            continue
        counts["ran"] += 1
        compared |= case.operators
        found = compare(case, read_result(given.work / "runs" / f"{at}.out"), counts)
        unused -= {case.label} if found else set()
        faults += found if case.label not in DIFFERENT else []
    if not given.only and given.wheel:
        faults += [f"{operator}: has a kernel, and no test compares it" for operator in sorted(kernels(given.superslash) - compared)]
        faults += [f"the exception {name} is not needed any more" for name in sorted(unused)]
    for fault in faults:
        print(fault)
    print(f"{len(cases)} models; evaluated {counts['ran']}, {counts['by onnxruntime']} of them against ONNX Runtime, worst {counts['worst']:.1e}; "
          f"faults {len(faults)}\nno kernel: {', '.join(sorted(lacking))}")
    return bool(faults) or not counts["ran"]


if __name__ == "__main__":
    sys.exit(main())
