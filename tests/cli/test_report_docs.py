"""Every key that is written is documented by `list fields`, and every key documented there is written by one of the jobs below.

    python tests/cli/test_report_docs.py --superslash PATH --work DIR

Reports, annotations and plans of all commands on networks, on a 3-D network, on random graphs, with layers that do not fit.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from program import MODELS, Program

import random_graphs

DOCUMENTS = {"the JSON report": "report", "a target": "target", "a mapping": "mapping", "the schedule": "schedule", "a plan": "plan",
             "annotations": "annotations"}
# documented, but no job of the program writes it
BY_HAND = {("mapping", "loops[]", "snake")}


def documented(text):
    """{(document, place, key)}"""
    rows, document, places = set(), None, [""]
    for line in text.splitlines():
        start = next((name for title, name in DOCUMENTS.items() if line.startswith(title)), None)
        if start and not line.startswith("  "):
            document, places = start, [""]
        elif line.startswith("  "):
            rows.update((document, place, line.split()[0]) for place in places)
        elif line:
            places = [word for word in re.split("[;,] *", line) if " " not in word or document == "annotations"]
    return rows


def keys(value, document, place=""):
    """The same of a JSON value."""
    if isinstance(value, list):
        for item in value:
            yield from keys(item, document, place + "[]")
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        yield document, place, key
        by_name = key == "timings_ms" or (document, key) == ("plan", "keep") or (key in ("tensors", "rereads", "weights") and "groups[]" in place)
        if by_name:   # of passes, nodes, tensors
            continue
        if key == "mapping":
            yield from keys(inner, "mapping")
        elif document == "report" and not place and key == "target":
            yield from keys(inner, "target")
        else:
            yield from keys(inner, document, f"{place}.{key}".lstrip("."))


def annotations(path):
    model = onnx.load(str(path), load_external_data=False)
    for where, holders in (("of the model: the record", [model]), ("of a node: a convenience", model.graph.node)):
        for holder in holders:
            for entry in holder.metadata_props:
                yield "annotations", where, entry.key
    notes = {entry.key: json.loads(entry.value) for entry in model.metadata_props if entry.value[:1] == "{"}
    yield from keys(notes.get("superslash.target"), "target")
    yield from keys(notes.get("superslash.plan"), "plan")
    for document, place, key in keys(notes.get("superslash.schedule"), "schedule"):
        yield "report" if (document, place) == ("schedule", "groups[]") else document, place, key
    for _, place, key in keys(notes.get("superslash.totals"), "totals"):
        yield "report", "totals", key


def save(path, nodes, x_shape, y_shape, weights):
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", x_shape), ("y", y_shape)))
    rng = numpy.random.default_rng(1)
    tensors = [numpy_helper.from_array(rng.standard_normal(shape).astype(numpy.float32), name) for name, shape in weights.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def volume(path):
    """A 3-D Conv."""
    return save(path, [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 6)], (1, 2, 4, 5, 6), (1, 3, 4, 5, 6), {"w": (3, 2, 3, 3, 3)})


def shared(path):
    """Two Convs of one weight, one behind the other: the first loses rows, the second columns."""
    nodes = [helper.make_node("Conv", [x, "w"], [y], name=y) for x, y in (("x", "a"), ("a", "y"))]
    return save(path, nodes, (1, 4, 4, 4), (1, 4, 4, 4), {"w": (4, 4, 1, 1)})


class Jobs:
    def __init__(self, program, work):
        self.program, self.work, self.seen = program, work, {}

    def run(self, *arguments, model=False, plan=False):
        """The keys of all that the command writes; exit 4 and 5 are answers too."""
        report, out, plan_out = (self.work / name for name in ("docs.json", "docs.onnx", "docs-plan.json"))
        for path in (report, out, plan_out):
            path.unlink(missing_ok=True)
        command = [str(self.program.path), *map(str, arguments), "--json", str(report), "--quiet"]
        command += (["-o", str(out)] if model else []) + (["--plan-out", str(plan_out)] if plan else [])
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode not in (0, 4, 5):
            sys.exit(f"exit {done.returncode} of {' '.join(command)}: {done.stderr}")
        where = " ".join(map(str, arguments))
        for path, found in ((report, lambda: keys(json.loads(report.read_text(encoding="utf-8")), "report")), (out, lambda: annotations(out)),
                            (plan_out, lambda: keys(json.loads(plan_out.read_text(encoding="utf-8")), "plan"))):
            if path.exists():
                self.seen.update((key, where) for key in found())

    def all(self):
        vgg = MODELS / "vgg.onnx"
        by_hand, table = self.work / "by-hand.json", self.work / "docs.csv"
        by_hand.write_text(json.dumps({"superslash_plan": 1, "keep": {"/0/0.0/Conv": 8}}), encoding="utf-8")
        table.write_text("name,m,c,oh,ow,kh,kw\nconv1,64,32,14,14,3,3\n", encoding="utf-8")
        self.seen.update((key, "a plan by hand") for key in keys(json.loads(by_hand.read_text(encoding="utf-8")), "plan"))
        self.run("explore", vgg, "--target", "edge-npu", model=True)
        self.run("explore", vgg, "--on-chip", "input=30KiB,weight=20KiB,output=20KiB", "--double-buffer", "input", model=True)
        self.run("explore", vgg, "--bits", "model")
        self.run("explore", vgg, "--on-chip", "24B")
        self.run("explore", "--layers", table)
        self.run("explore", volume(self.work / "volume.onnx"))
        self.run("inspect", vgg)
        self.run("sweep", vgg, "--on-chip", "4KiB:64KiB")
        self.run("sweep", vgg, "--on-chip", "4KiB:64KiB", "--no-fusion")
        self.run("verify", vgg, vgg, "--calibrate", MODELS / "test-1000.npz", "--labels", MODELS / "test-1000-labels.npy", "--threads", 1)
        self.run("prune", vgg, "--plan", by_hand, model=True, plan=True)
        by_hand.write_text(json.dumps({"superslash_plan": 1, "keep": {"a": 3}}), encoding="utf-8")
        self.run("prune", shared(self.work / "shared.onnx"), "--plan", by_hand, plan=True)
        self.run("optimize", vgg, "--target", "edge-npu", "--offchip", "-20%", model=True, plan=True)
        labels = self.work / "docs-labels.npy"
        numpy.save(labels, numpy.zeros(512, numpy.int64))
        self.run("optimize", vgg, "--offchip", "-20%", "--calibrate", MODELS / "calibration-512.npz", "--labels", labels)
        for cost_model in ("superslash", "smartshuttle"):
            self.run("explore", vgg, "--cost-model", cost_model)
        for seed in range(1, 60):
            path = self.work / "docs-random.onnx"
            onnx.save(random_graphs.build(seed)[0], str(path))
            self.run("inspect", path)
            self.run("explore", path, "--on-chip", 400 + 800 * (seed % 3), model=True)
            self.run("optimize", path, "--offchip", "-10%", *(("--no-fusion",) if seed % 2 else ()), model=True, plan=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program = Program(args.superslash)
    jobs = Jobs(program, args.work)
    jobs.all()
    rows = documented(program.run("list", "fields"))
    alone = set().union(*(documented(program.run("list", "fields", name)) for name in DOCUMENTS.values()))
    faults = [f"written, not documented: {key} (of: {jobs.seen[key]})" for key in sorted(set(jobs.seen) - rows)]
    faults += [f"documented, not written: {key}" for key in sorted(rows - set(jobs.seen) - BY_HAND)]
    faults += [f"the exception {key} is not needed any more" for key in sorted(BY_HAND & set(jobs.seen))]
    faults += [f"list fields NAME and list fields differ in {key}" for key in sorted(rows ^ alone)]
    for fault in faults:
        print(fault)
    print(f"{len(rows)} keys documented, {len(jobs.seen)} seen, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
