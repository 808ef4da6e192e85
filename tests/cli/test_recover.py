"""Recovery, judged by ONNX Runtime on test images that it never saw: what comes back, and what is refused.

    python tests/cli/test_recover.py --superslash PATH --work DIR
"""
import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

from program import MODELS, Failed, Program, trained_models

MEAN, SCALE, IMAGES = 0.2860, 0.3530, 500
CHEAP = ["--no-fusion", "--on-chip", "32KiB", "--quiet"]
# network -> points that may be lost at -30 % on these images, as a bound that a broken recovery breaks: the table is tools/accuracy_table.py's
LOST_AT_30 = {"vgg": 1.5, "resnet": 2.5, "mobilenet": 2.5}


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(path, images):
    of = session(path)
    return of.run(None, {of.get_inputs()[0].name: images})[0]


class Checks:
    def __init__(self, superslash, work):
        self.program, self.work, self.failures = Program(superslash), work, 0
        pixels = np.load(MODELS / "test-1000.npz")["image"][:IMAGES]
        self.images = ((pixels.astype(np.float32) / 255 - MEAN) / SCALE).astype(np.float32)
        self.labels = np.load(MODELS / "test-1000-labels.npy")[:IMAGES]
        self.samples = ["--calibrate", MODELS / "calibration-512.npz", "--mean", MEAN, "--scale", SCALE]

    def that(self, holds, message):
        if not holds:
            print(f"FAILED: {message}", flush=True)
            self.failures += 1

    def accuracy(self, path):
        return 100 * float((outputs(path, self.images).argmax(1) == self.labels).mean())

    def refuses(self, code, message, *arguments):
        try:
            self.program.run(*arguments)
        except Failed as problem:
            self.that(problem.code == code and message in str(problem), f"expected exit {code} with '{message}', got: {problem}")
            return
        self.that(False, f"{arguments}: done, expected exit {code}")


def test_accuracy(checks):
    for path in trained_models():
        out, before = checks.work / f"{path.stem}.onnx", checks.accuracy(path)
        checks.program.run("optimize", path, "-o", out, "--offchip", "-30%", *CHEAP, *checks.samples)
        onnx.checker.check_model(str(out), full_check=True)
        after = checks.accuracy(out)
        print(f"{path.stem}: {before:.1f} -> {after:.1f} %", flush=True)
        checks.that(after >= before - LOST_AT_30[path.stem], f"{path.stem}: {before:.1f} % before, {after:.1f} % after -30 %")


def test_forms(checks):
    """On one plan: every form beats slicing, and the stronger ones beat the bias alone."""
    model, plan = MODELS / "resnet.onnx", checks.work / "plan.json"
    checks.program.run("optimize", model, "--plan-out", plan, "--offchip", "-40%", "--ranking", "uniform", *CHEAP)
    wanted, gap = outputs(model, checks.images), {}
    for form in ("none", "bias", "map", "ls", "auto"):
        out = checks.work / f"{form}.onnx"
        checks.program.run("prune", model, "--plan", plan, "-o", out, "--recover", form, *CHEAP, *checks.samples)
        gap[form] = float(((outputs(out, checks.images) - wanted) ** 2).sum() / (wanted ** 2).sum())
    print(", ".join(f"{form} {error:.3f}" for form, error in gap.items()), flush=True)
    checks.that(gap["bias"] < 0.8 * gap["none"] and gap["map"] < 0.5 * gap["bias"], f"errors {gap}")
    checks.that(gap["ls"] < gap["map"] and gap["auto"] < 1.1 * gap["ls"], f"errors {gap}")


def test_without_samples(checks):
    """The biases that BatchNormalization tells, with no samples at all: better than nothing where no residual sum stands between."""
    for network in ("vgg", "mobilenet"):
        found = {}
        for form in ("none", "bias"):
            out = checks.work / f"blind-{form}.onnx"
            checks.program.run("optimize", MODELS / f"{network}.onnx", "-o", out, "--offchip", "-30%", "--ranking", "uniform", "--recover", form, *CHEAP)
            found[form] = checks.accuracy(out)
        print(f"{network}: {found}", flush=True)
        checks.that(found["bias"] > found["none"] + 1, f"{network}: without samples, accuracies {found}")


def test_same_input_same_bytes(checks):
    files = []
    for threads in (1, 2):
        out = checks.work / f"threads-{threads}.onnx"
        checks.program.run("optimize", MODELS / "mobilenet.onnx", "-o", out, "--offchip", "-20%", "--ranking", "uniform", "--threads", threads, *CHEAP,
                           *checks.samples)
        files.append(out.read_bytes())
    checks.that(files[0] == files[1], "the result depends on the number of threads")


def npz(checks, name, array):
    path = checks.work / name
    np.savez(path, image=array)
    return path


def test_odd_samples(checks):
    """Right or refused: one sample, constant ones, dead channels; never NaN in the file."""
    model, images = MODELS / "vgg.onnx", checks.images
    for name, array in (("one", images[:1]), ("constant", np.ones_like(images[:16])), ("zero", np.zeros_like(images[:16])), ("few", images[:9])):
        out = checks.work / f"{name}.onnx"
        checks.program.run("optimize", model, "-o", out, "--offchip", "-30%", *CHEAP, "--calibrate", npz(checks, f"{name}.npz", array))
        checks.that(np.isfinite(outputs(out, images[:50])).all(), f"{name}: outputs are not finite")
    broken = images[:16].copy()
    broken[3, 0, 5, 5] = np.nan
    checks.refuses(2, "NaN", "optimize", model, "-o", checks.work / "no.onnx", "--offchip", "-30%", *CHEAP, "--calibrate", npz(checks, "nan.npz", broken))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    checks = Checks(args.superslash, args.work)
    for test in (test_forms, test_without_samples, test_same_input_same_bytes, test_odd_samples, test_accuracy):
        print(test.__name__, flush=True)
        test(checks)
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
