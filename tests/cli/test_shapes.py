"""Our shape inference against onnx.shape_inference: wherever both know a dim (or a rank) they agree.

    test_shapes.py --driver PATH_OF_shapes_of --wheel FOLDER_OF_THE_UNPACKED_WHEEL [MODEL ...]

Models that onnx.checker accepts must not fail; those that contradict themselves are listed below with the reason.
"""
import argparse
import pathlib
import subprocess
import sys

import onnx
from onnx import shape_inference

# name of the test's folder (or file) -> why we may refuse or differ
REFUSED = {}
DIFFERENT = {}


def run_driver(driver, paths):
    found, current = {}, None
    for start in range(0, len(paths), 400):
        done = subprocess.run([driver, *map(str, paths[start:start + 400])], capture_output=True, text=True, errors="replace")
        if done.returncode:
            sys.exit(f"{driver}: exit {done.returncode}\n{done.stderr[-2000:]}")
        for line in done.stdout.split("\n"):
            if line.startswith("= "):
                current = found[line[2:]] = {"shapes": {}, "failure": None}
            elif line.startswith("! "):
                current["failure"] = line[2:]
            elif line:
                name, tab, dims = line.partition("\t")
                current["shapes"][name] = [None if d == "?" else int(d) for d in dims.split()] if tab else None
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
    shapes = {t.name: list(t.dims) for t in graph.initializer}
    for infos in (graph.input, graph.output, graph.value_info):
        for name, dims in declared(infos).items():
            shapes.setdefault(name, dims)
    return shapes


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
    options.add_argument("--quick", action="store_true", help="every 8th model of the wheel")
    options.add_argument("models", nargs="*", type=pathlib.Path)
    given = options.parse_args()
    paths = list(given.models)
    if given.wheel:
        wheel = sorted(pathlib.Path(given.wheel, "onnx/backend/test/data").rglob("*.onnx"))
        paths += wheel[::8] if given.quick else wheel
    if not paths:
        sys.exit("no models: give --wheel or files")
    found = run_driver(given.driver, paths)
    counts = {"both": 0, "only ours": 0, "only theirs": 0, "ranks": 0}
    faults, refused, unused = [], 0, set(REFUSED) | set(DIFFERENT)
    for path in paths:
        ours = found[str(path)]
        if ours["failure"]:
            refused += 1
            unused.discard(label(path))
            if label(path) not in REFUSED and is_accepted(path):
                faults.append(f"{path}: refused: {ours['failure']}")
            continue
        for name, dims in theirs(path).items():
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
            for a, b in zip(mine, dims):
                if a is not None and b is not None:
                    counts["both"] += 1
                    if a != b:
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
    print(f"{len(paths)} models, {refused} refused; ranks known by both {counts['ranks']}; dims known by both {counts['both']}, "
          f"only by superslash {counts['only ours']}, only by onnx {counts['only theirs']}; disagreements {len(faults)}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
