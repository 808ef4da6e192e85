"""Schedules that the program writes layer by layer, executed by the reference machine from the file alone. (Fused ones: test_executor.py.)

    python tests/cli/test_schedule.py --superslash PATH --work DIR [--all] [--graphs 200] [--seed 1]

For the trained networks, their QDQ forms and networks with random weights (--all: every published one): `explore -o` and
`optimize -o` at several targets; for random graphs `explore -o` with a few hundred bytes on chip, where every tile is cut. tests/oracle/machine.py must count the bytes of the file's totals, of its nodes and of the JSON report;
MACs, parameters and bytes of the file, counted by the onnx package, must be those of the report. Exit 0, or 1 after a line per failure.
"""
import argparse
import json
import math
import pathlib
import sys
import time

import onnx
from onnx import TensorProto

from program import Failed, PUBLISHED, Program, derived_models, make_models, trained_models

import machine
import random_graphs

TARGETS = {
    "32KiB": ["--target", "plain", "--on-chip", "32KiB"],
    "128KiB": ["--target", "plain"],
    "refetch": ["--target", "plain", "--on-chip", "24KiB", "--halo", "refetch"],
    "split": ["--target", "plain", "--on-chip", "input=24KiB,weight=16KiB,output=24KiB"],
    "doubled": ["--target", "plain", "--on-chip", "48KiB", "--double-buffer", "input,weight"],
    "narrow": ["--target", "plain", "--on-chip", "20KiB", "--activation-bits", "4", "--weight-bits", "3", "--partial-sum-bits", "20"],
    "model": ["--target", "plain", "--on-chip", "128KiB", "--bits", "model"],
    "batch": ["--target", "plain", "--on-chip", "64KiB", "--batch", "3"],
    "edge-npu": ["--target", "edge-npu"],
    "uneven": ["--target", "plain", "--on-chip", "3KiB", "--mappings", "uneven"],
    "uneven, refetch": ["--target", "mcu", "--on-chip", "2KiB", "--mappings", "uneven", "--halo", "refetch"],
}
INFEASIBLE = 5
TIGHT = (["--on-chip", "400"], ["--on-chip", "700", "--halo", "refetch"], ["--on-chip", "1KiB", "--batch", "2"],
         ["--on-chip", "input=300,weight=300,output=400"], ["--on-chip", "900", "--double-buffer", "input,weight,output"],
         ["--on-chip", "300", "--activation-bits", "5", "--weight-bits", "3", "--partial-sum-bits", "17"], ["--on-chip", "2KiB", "--bits", "model"],
         ["--on-chip", "500", "--mappings", "uneven"], ["--on-chip", "600", "--mappings", "uneven", "--batch", "2", "--halo", "refetch"])
COSTS = ("offchip_bytes",) + machine.PARTS


def parameters(model):
    """Elements of all constants that are data: 64-bit integers are shapes, axes and indices."""
    constants = list(model.graph.initializer)
    constants += [node.attribute[0].t for node in model.graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]
    return sum(math.prod(t.dims) for t in constants if t.data_type != TensorProto.INT64)


def require(what, counted, said):
    if counted != said:
        raise machine.Wrong(f"{what}: counted {counted}, the report says {said}")


def check(path, report):
    """The file against its own record, then against the report."""
    model = onnx.load(str(path))
    onnx.checker.check_model(str(path), full_check=True)
    counted = machine.count_schedule(model)
    for key, value in counted["totals"].items():
        require(f"totals.{key}", value, report["totals"][key])
    by_name = {layer["name"]: layer for layer in report["layers"]}
    for layer in counted["layers"]:
        said = by_name.pop(layer["name"], None)
        if said is None:
            raise machine.Wrong(f"the report has no layer '{layer['name']}'")
        for key in COSTS:
            require(f"{layer['name']}.{key}", layer[key], said[key])
    if by_name:
        raise machine.Wrong(f"the report has layers that the schedule has not: {', '.join(by_name)}")
    totals = report["totals"]
    if not totals["compulsory_bytes"] <= totals["lower_bound_bytes"] <= totals["offchip_bytes"]:
        raise machine.Wrong(f"compulsory {totals['compulsory_bytes']}, bound {totals['lower_bound_bytes']}, off-chip {totals['offchip_bytes']}")
    batch = json.loads(machine.properties(model)["superslash.target"]).get("batch", 1)
    require("model.macs", machine.macs(model, batch), report["model"]["macs"])
    require("model.parameters", parameters(model), report["model"]["parameters"])
    data = path.with_name(path.name + ".data")
    require("model.bytes", path.stat().st_size + (data.stat().st_size if data.exists() else 0), report["model"]["bytes"])
    return counted["totals"]["offchip_bytes"]


def test_random(program, work, seed):
    """The program's bytes, or None where a layer does not fit."""
    path, out, report = work / f"schedule-{seed}.onnx", work / "schedule-out.onnx", work / "schedule-report.json"
    onnx.save(random_graphs.build(seed)[0], str(path))
    try:
        program.run("explore", path, "-o", out, "--json", report, "--quiet", "--no-fusion", "--target", "plain", *TIGHT[seed % len(TIGHT)])
        total = check(out, json.loads(report.read_text(encoding="utf-8")))
    except Failed as problem:
        if problem.code != INFEASIBLE:
            raise
        total = None
    path.unlink()
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--graphs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program, failures, start = Program(args.superslash), 0, time.time()
    small = trained_models() + [path for path in derived_models(args.work) if path.stem.endswith("qdq")]
    large = make_models(args.work, PUBLISHED if args.all else ("resnet18", "resnet56", "mobilenetv1", "mobilenetv2"))
    explore, optimize = ["explore"], ["optimize", "--offchip", "-30%"]
    jobs = [(path, target, command) for path in small for target in TARGETS for command in (explore, optimize)]
    jobs += [(path, target, explore) for path in large for target in ("32KiB", "128KiB", "edge-npu")]
    jobs += [(path, "128KiB", optimize) for path in large]
    out, report = args.work / "schedule-out.onnx", args.work / "schedule-report.json"
    for path, target, command in jobs:
        where = f"{command[0]} {path.name} {target}"
        try:
            program.run(*command, path, "-o", out, "--json", report, "--quiet", "--no-fusion", *TARGETS[target])
            total = check(out, json.loads(report.read_text(encoding="utf-8")))
            print(f"{where}: {total:,} B", flush=True)
        except Exception as problem:  # every failure is told, none ends the run
            failures += 1
            print(f"FAILED {where}: {type(problem).__name__}: {problem}", flush=True)
    fitting = 0
    for seed in range(args.seed, args.seed + args.graphs):
        try:
            fitting += test_random(program, args.work, seed) is not None
        except Exception as problem:  # every failure is told, none ends the run
            failures += 1
            print(f"FAILED explore random graph of seed {seed}, {' '.join(TIGHT[seed % len(TIGHT)])}: {type(problem).__name__}: {problem}", flush=True)
    print(f"{args.graphs} random graphs from seed {args.seed}, {fitting} fit")
    if fitting < args.graphs // 2:
        failures += 1
        print("FAILED: fewer than half of the random graphs fit")
    print(f"{failures} failures; {time.time() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
