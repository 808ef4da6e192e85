"""Accuracy of the trained networks before and after pruning, by ONNX Runtime.

    python tests/cli/test_accuracy.py --superslash PATH --work DIR [--budget=-30%] [--on-chip 32KiB] [--calibrate]

Prints a row per network: accuracy on tests/models/test-1000 and off-chip bytes, before and after `optimize`. Without --calibrate nothing is
recovered, so what is printed is what slicing alone leaves. Exit 1 where a pruned network does not run or does not keep the budget.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
import onnxruntime

from program import MODELS, Failed, Program, trained_models

MEAN, SCALE = 0.2860, 0.3530


def accuracy(path, images, labels):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    right = sum(int((session.run(None, {name: images[i:i + 250]})[0].argmax(1) == labels[i:i + 250]).sum()) for i in range(0, len(images), 250))
    return right / len(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--budget", default="-30%")
    parser.add_argument("--on-chip", default="32KiB")
    parser.add_argument("--calibrate", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program, status = Program(args.superslash), 0
    images = ((np.load(MODELS / "test-1000.npz")["image"] / np.float32(255) - np.float32(MEAN)) / np.float32(SCALE)).astype(np.float32)
    labels = np.load(MODELS / "test-1000-labels.npy")
    samples = ["--calibrate", MODELS / "calibration-512.npz", "--mean", MEAN, "--scale", SCALE] if args.calibrate else []
    print(f"{'network':10} {'before':>8} {'after':>8} {'bytes before':>14} {'bytes after':>14}")
    for path in trained_models():
        out, report = args.work / f"{path.stem}-pruned.onnx", args.work / f"{path.stem}.json"
        try:
            program.run("optimize", path, "-o", out, "--target", "plain", "--on-chip", args.on_chip, "--offchip", args.budget, "--json", report,
                        "--quiet", *samples)
        except Failed as problem:
            print(f"{path.stem}: {problem}")
            status = 1
            continue
        pruning = json.loads(report.read_text(encoding="utf-8"))["pruning"]
        before, after = (pruning[when]["offchip_bytes"] for when in ("before", "after"))
        print(f"{path.stem:10} {accuracy(path, images, labels):8.1%} {accuracy(out, images, labels):8.1%} {before:14,} {after:14,}", flush=True)
        if args.budget.startswith("-") and after > before * (100 + float(args.budget.rstrip("%"))) / 100:
            print(f"{path.stem}: {after:,} B is more than {args.budget} of {before:,} B")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
