"""verify: two models compared on samples, against the same numbers from ONNX Runtime and numpy; samples that do not fit.

    test_verify.py --superslash PROGRAM --work FOLDER
"""
import argparse
import json
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper

from program import MODELS, Failed, Program
from test_eval import session_of

MEAN, SCALE = 0.2860, 0.3530
VGG, SAMPLES, LABELS = MODELS / "vgg.onnx", MODELS / "test-1000.npz", MODELS / "test-1000-labels.npy"
NORMALISED = ("--mean", MEAN, "--scale", SCALE)


def two_inputs(path, dims=("N", 3)):
    """y = a + b, top = Identity(k): floats and integers."""
    a, b = (helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n in "ab")
    k = helper.make_tensor_value_info("k", TensorProto.INT64, ("N",))
    y, top = helper.make_tensor_value_info("y", TensorProto.FLOAT, dims), helper.make_tensor_value_info("top", TensorProto.INT64, ("N",))
    nodes = [helper.make_node("Add", ["a", "b"], ["y"]), helper.make_node("Identity", ["k"], ["top"])]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [a, b, k], [y, top]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def lacking(path):
    """An operator without a kernel."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ("N", 4)) for n in "xy")
    graph = helper.make_graph([helper.make_node("Hardmax", ["x"], ["y"], "hard")], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class Checks:
    def __init__(self, program, work):
        self.program, self.work, self.faults, self.count = program, work, [], 0

    def that(self, holds, what):
        self.count += 1
        if not holds:
            self.faults.append(what)

    def near(self, found, expected, what, relative=1e-3):
        self.that(found is not None and abs(found - expected) <= relative * max(abs(expected), 1e-9), f"{what}: {found}, expected {expected}")

    def refused(self, code, text, *arguments):
        """One line, with the text in it."""
        done = subprocess.run([self.program.path, "verify", *map(str, arguments)], capture_output=True, text=True, check=False)
        self.that(done.returncode == code and text in done.stderr and done.stderr.count("\n") == 1,
                  f"verify {' '.join(map(str, arguments[2:]))}: exit {done.returncode}, {done.stderr.strip()!r}; expected {code} and {text!r}")

    def npz(self, name, **arrays):
        np.savez(self.work / name, **arrays)
        return self.work / name


def check_numbers(checks):
    """What the report says, from ONNX Runtime's outputs."""
    pruned = checks.work / "pruned.onnx"
    checks.program.run("optimize", VGG, "-o", pruned, "--offchip", "-30%", "--quiet")
    images = ((np.load(SAMPLES)["image"] / np.float32(255) - np.float32(MEAN)) / np.float32(SCALE)).astype(np.float32)
    a, b = (session_of(path).run(None, {"image": images})[0].astype(np.float64) for path in (VGG, pruned))
    labels = np.load(LABELS)
    words = ("verify", VGG, pruned, "--calibrate", SAMPLES, *NORMALISED, "--labels", LABELS, "--threads", 1)
    report = checks.program.json(*words)["accuracy"]
    output = report["outputs"][0]
    checks.that(report["sample_count"] == 1000 and output["name"] == "logits" and output["elements"] == 10, f"what was compared: {report}")
    checks.near(output["relative_error"], ((b - a) ** 2).sum() / (a ** 2).sum(), "relative squared error")
    checks.near(output["largest_difference"], np.abs(b - a).max(), "largest difference")
    checks.near(output["top1_agreement"], (a.argmax(1) == b.argmax(1)).mean(), "top-1 agreement", 2e-3)
    checks.near(report["reference_accuracy"], (a.argmax(1) == labels).mean(), "accuracy of the reference", 2e-3)
    checks.near(report["accuracy"], (b.argmax(1) == labels).mean(), "accuracy", 2e-3)
    table = checks.program.run(*words)
    checks.that(f"{report['accuracy']:.2%}".replace("%", " %") in table and "logits" in table, f"the table: {table}")
    return report


def check_ways(checks, report):
    """Floats that are normalised already, .npy, deflated, in Fortran order, other byte orders, any batch, any threads: the same numbers."""
    images = np.load(SAMPLES)["image"]
    ready = ((images / np.float32(255) - np.float32(MEAN)) / np.float32(SCALE)).astype(np.float32)
    np.save(checks.work / "images.npy", ready)
    np.save(checks.work / "few.npy", ready[:40])
    np.savez_compressed(checks.work / "small.npz", image=images)
    checks.npz("fortran.npz", image=np.asfortranarray(ready))
    checks.npz("big.npz", image=ready.astype(">f8"))
    pruned, expected = checks.work / "pruned.onnx", {**report["outputs"][0]}
    for name, *flags in (("images.npy",), ("small.npz", *NORMALISED), ("fortran.npz",), ("big.npz",), ("small.npz", *NORMALISED, "--memory", "2MiB")):
        found = checks.program.json("verify", VGG, pruned, "--calibrate", checks.work / name, "--threads", 1, *flags)["accuracy"]["outputs"][0]
        for key in ("relative_error", "largest_difference", "top1_agreement"):
            checks.near(found[key], expected[key], f"{name} {flags}: {key}", 2e-3)
    same = [json.dumps(checks.program.json("verify", VGG, pruned, "--calibrate", checks.work / "few.npy", "--threads", n)["accuracy"]) for n in (1, 2, 3)]
    checks.that(len(set(same)) == 1, f"threads change the report: {same}")
    itself = checks.program.json("verify", VGG, VGG, "--calibrate", checks.work / "few.npy")["accuracy"]["outputs"][0]
    checks.that((itself["relative_error"], itself["largest_difference"], itself["top1_agreement"]) == (0, 0, 1), f"a model and itself: {itself}")


def check_refusals(checks):
    work, images = checks.work, np.load(SAMPLES)["image"][:8]
    two, both = two_inputs(work / "two.onnx"), ("--calibrate", SAMPLES)
    floats, whole = np.zeros((4, 3), np.float32), np.zeros(4, np.int64)
    good = checks.npz("good.npz", a=floats, b=floats, k=whole)
    checks.that(checks.program.json("verify", two, two, "--calibrate", good)["accuracy"]["outputs"][1]["name"] == "top", "two outputs")
    checks.refused(2, "--calibrate FILE.npz is needed", VGG, VGG)
    checks.refused(6, "nothing.npz", VGG, VGG, "--calibrate", work / "nothing.npz")
    checks.refused(2, "no array for the model's input 'image'; it holds 'x'", VGG, VGG, "--calibrate", checks.npz("name.npz", x=images))
    checks.refused(2, "of shape [8,1,28,27], the model's input of [?,1,28,28]", VGG, VGG, "--calibrate", checks.npz("dims.npz", image=images[..., :27]))
    checks.refused(2, "of shape [8,28,28]", VGG, VGG, "--calibrate", checks.npz("rank.npz", image=images[:, 0]))
    checks.refused(2, "is int32; the model's input is float", VGG, VGG, "--calibrate", checks.npz("type.npz", image=images.astype(np.int32)))
    checks.refused(2, "is float32; the model's input is int64", two, two, "--calibrate", checks.npz("k.npz", a=floats, b=floats, k=floats[:, 0]))
    checks.refused(2, "holds no samples", VGG, VGG, "--calibrate", checks.npz("none.npz", image=images[:0]))
    checks.refused(2, "4 samples for input 'a', 3 for 'b'", two, two, "--calibrate", checks.npz("counts.npz", a=floats, b=floats[:3], k=whole))
    checks.refused(2, "2 numbers are given, input 'image' has 1 channels", VGG, VGG, *both, "--mean", "0,1")
    checks.refused(2, "--scale: '0' is not allowed", VGG, VGG, *both, "--scale", "0")
    nan = np.zeros((8, 1, 28, 28), np.float32)
    nan[5, 0, 3, 3] = np.nan
    checks.refused(2, "holds NaN or infinity", VGG, VGG, "--calibrate", checks.npz("nan.npz", image=nan))
    np.save(work / "labels.npy", np.zeros(7, np.int64))
    checks.refused(2, "7 labels for 1000 samples", VGG, VGG, *both, "--labels", work / "labels.npy")
    np.save(work / "floats.npy", np.zeros(1000))
    checks.refused(2, "labels are one array of whole numbers", VGG, VGG, *both, "--labels", work / "floats.npy")
    checks.refused(2, "output 'logits' of the first model is no output of the second", VGG, two, "--calibrate",
                   checks.npz("all.npz", image=images, a=np.zeros((8, 3), np.float32), b=np.zeros((8, 3), np.float32), k=np.zeros(8, np.int64)))
    checks.refused(4, "node 'hard' (Hardmax): cannot be evaluated; operators without a kernel: Hardmax", lacking(work / "lacking.onnx"),
                   lacking(work / "lacking.onnx"), "--calibrate", checks.npz("x.npz", x=np.zeros((2, 4), np.float32)))
    fixed = two_inputs(work / "fixed.onnx", (3, 3))
    checks.refused(2, "4 samples; the model takes batches of 3, which does not divide them", fixed, fixed, "--calibrate", good)
    checks.refused(7, "(--memory)", VGG, VGG, *both, "--memory", "1KiB")
    np.save(work / "object.npy", np.array([1, "x"], object))
    checks.refused(2, "descr is not a number type", VGG, VGG, "--calibrate", work / "object.npy")
    with zipfile.ZipFile(work / "twice.npz", "w") as twice:
        np.save(work / "one.npy", images)
        twice.write(work / "one.npy", "image.npy")
        twice.write(work / "one.npy", "image")
    checks.refused(2, "array 'image' is there twice", VGG, VGG, "--calibrate", work / "twice.npz")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--superslash", required=True)
    options.add_argument("--work", type=pathlib.Path, required=True)
    given = options.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    checks = Checks(Program(given.superslash), given.work)
    try:
        check_ways(checks, check_numbers(checks))
        check_refusals(checks)
    except Failed as problem:
        checks.faults.append(str(problem))
    for fault in checks.faults:
        print(fault)
    print(f"{checks.count} checks, {len(checks.faults)} faults")
    return bool(checks.faults)


if __name__ == "__main__":
    sys.exit(main())
