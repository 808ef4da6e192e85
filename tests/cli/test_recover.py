"""Recovery, judged by ONNX Runtime on test images that it never saw: what comes back, and what is refused.

    python tests/cli/test_recover.py --superslash PATH --work DIR
"""
import argparse
import json
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


def two_branches(rng):
    """x: 6 channels -> p: 4, q: 4 -> BatchNormalization each, one beta written once -> Add. All 1x1: the sum is an affine map of x at each place."""
    weights = {"w_p": (4, 6), "w_q": (4, 6), "w_1": (2, 4), "w_2": (2, 4)}
    made = {name: rng.normal(size=(*dims, 1, 1)) for name, dims in weights.items()}
    made |= {"b_p": 1 + rng.normal(size=4), "b_q": 1 + rng.normal(size=4), "gamma": np.array([0.5, 2]), "beta": rng.normal(size=2)}
    made |= {f"mean_{i}": rng.normal(size=2) for i in (1, 2)} | {f"variance_{i}": rng.uniform(0.5, 2, 2) for i in (1, 2)}
    node = onnx.helper.make_node
    nodes = [node("Identity", ["beta"], ["beta_2"], "same"),
             node("Conv", ["image", "w_p", "b_p"], ["p"], "p"), node("Conv", ["image", "w_q", "b_q"], ["q"], "q"),
             node("Conv", ["p", "w_1"], ["c_1"], "first"), node("BatchNormalization", ["c_1", "gamma", "beta", "mean_1", "variance_1"], ["z_1"], "norm_1"),
             node("Conv", ["q", "w_2"], ["c_2"], "second"), node("BatchNormalization", ["c_2", "gamma", "beta_2", "mean_2", "variance_2"], ["z_2"], "norm_2"),
             node("Add", ["z_1", "z_2"], ["sum"], "add")]
    info = onnx.helper.make_tensor_value_info
    constants = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in made.items()]
    graph = onnx.helper.make_graph(nodes, "branches", [info("image", 1, ["N", 6, 6, 6])], [info("sum", 1, ["N", 2, 6, 6])], constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8), made


def fitted(x, wanted):
    """Least squares with an intercept, per column of what is wanted."""
    x = np.hstack([x, np.ones((len(x), 1))])
    return x @ np.linalg.lstsq(x, wanted, rcond=None)[0]


def test_branches_that_meet(checks):
    """Two branches into one Add lose a channel each. What is left of both still tells the sum exactly; one after the other, each aiming as well
    as it can, does not: plain least squares says by how much."""
    rng = np.random.default_rng(7)
    (model, made), images = two_branches(rng), rng.normal(size=(64, 6, 6, 6)).astype(np.float32)
    path, out, plan = checks.work / "branches.onnx", checks.work / "met.onnx", checks.work / "branches.json"
    onnx.save(model, path)
    plan.write_text(json.dumps({"superslash_plan": 1, "spaces": [{"id": "p", "size": 4, "remove": [1]}, {"id": "q", "size": 4, "remove": [2]}]}))
    checks.program.run("prune", path, "--plan", plan, "-o", out, "--recover", "ls", *CHEAP, "--calibrate", npz(checks, "branches.npz", images))
    places, scale = images.transpose(0, 2, 3, 1).reshape(-1, 6), [made["gamma"] / np.sqrt(made[f"variance_{i}"] + 1e-5) for i in (1, 2)]
    p, q = places @ made["w_p"][:, :, 0, 0].T + made["b_p"], places @ made["w_q"][:, :, 0, 0].T + made["b_q"]
    z_1 = (p @ made["w_1"][:, :, 0, 0].T - made["mean_1"]) * scale[0] + made["beta"]
    z_2 = (q @ made["w_2"][:, :, 0, 0].T - made["mean_2"]) * scale[1] + made["beta"]
    left_p, left_q = p[:, [0, 2, 3]], q[:, [0, 1, 3]]
    first = fitted(left_p, z_1)
    in_turn = ((first + fitted(left_q, z_1 + z_2 - first) - z_1 - z_2) ** 2).sum()
    found = outputs(out, images).transpose(0, 2, 3, 1).reshape(-1, 2)
    at_once = ((found - z_1 - z_2) ** 2).sum()
    print(f"squared error in turn {in_turn:.3g}, at once {at_once:.3g}", flush=True)
    checks.that(at_once < in_turn / 100, f"squared error at once {at_once:.3g}, in turn {in_turn:.3g}")
    for space, left, z in (("p", left_p, z_1), ("q", left_q, z_2)):
        plan.write_text(json.dumps({"superslash_plan": 1, "spaces": [{"id": space, "size": 4, "remove": [1 if space == "p" else 2]}]}))
        checks.program.run("prune", path, "--plan", plan, "-o", out, "--recover", "ls", *CHEAP, "--calibrate", checks.work / "branches.npz")
        alone, wanted = ((outputs(out, images).transpose(0, 2, 3, 1).reshape(-1, 2) - z_1 - z_2) ** 2).sum(), ((fitted(left, z) - z) ** 2).sum()
        checks.that(alone < 1.02 * wanted + 1, f"only {space} cut: squared error {alone:.3g}, least squares has {wanted:.3g}")


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
    for test in (test_forms, test_branches_that_meet, test_without_samples, test_same_input_same_bytes, test_odd_samples, test_accuracy):
        print(test.__name__, flush=True)
        test(checks)
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
