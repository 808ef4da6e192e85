#!/usr/bin/env python3
"""The table of accuracies after pruning and recovery, by ONNX Runtime.

    build/venv/bin/python tools/accuracy_table.py --superslash build/release/superslash [--cuts 30,50,70] [--draws 5] [--networks vgg,resnet]
                          [--rankings marginal,volume] [--aside] [-- --no-fusion --on-chip 32KiB]

For each network, cut and ranking: points lost (mean over draws of 512 training images, with its standard error), KL divergence from the
original's softmax, seconds. Judged on the 10,000 test images of Debian's dataset-fashion-mnist; with --aside on 5,000 training images that no
draw holds, which is where constants are chosen. What follows -- goes to optimize; without it: layer by layer, 32 KiB on chip.
"""
import argparse
import gzip
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime

MODELS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "models"
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
MEAN, SCALE, SAMPLES, ASIDE = 0.2860, 0.3530, 512, 5000


def idx(part):
    path = next(p for p in sorted(DATA.rglob("*")) if part in p.name)
    raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(dims)).reshape(dims)


def log_softmax(z):
    z = z.astype(np.float64) - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


class Judge:
    """The original's outputs are kept: an accuracy and a divergence are one run of the other model."""

    def __init__(self, images, labels):
        self.images = ((images[:, None].astype(np.float32) / 255 - MEAN) / SCALE).astype(np.float32)
        self.labels, self.originals = labels, {}

    def outputs(self, path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: self.images[i:i + 250]})[0] for i in range(0, len(self.images), 250)])

    def original(self, path):
        if path not in self.originals:
            self.originals[path] = self.outputs(path)
        return self.originals[path]

    def accuracy(self, outputs):
        return 100 * float((outputs.argmax(1) == self.labels).mean())

    def compare(self, original, path):
        """Points lost, divergence."""
        a, b = self.original(original), self.outputs(path)
        p, q = log_softmax(a), log_softmax(b)
        return self.accuracy(a) - self.accuracy(b), float((np.exp(p) * (p - q)).sum(1).mean())


def draw(images, seed, folder):
    """512 of the training images that are not kept aside."""
    path = folder / f"draw-{seed}.npz"
    if not path.exists():
        chosen = np.random.default_rng(seed).choice(len(images) - ASIDE, SAMPLES, replace=False)
        np.savez_compressed(path, image=images[np.sort(chosen)][:, None])
    return path


def mean_and_error(numbers):
    error = np.std(numbers, ddof=1) / np.sqrt(len(numbers)) if len(numbers) > 1 else float("nan")
    return float(np.mean(numbers)), float(error)


def judge_of(is_aside, images):
    labels = idx("train-labels")
    return Judge(images[-ASIDE:], labels[-ASIDE:]) if is_aside else Judge(idx("t10k-images"), idx("t10k-labels"))


def prune(args, images, model, cut, ranking, seed, folder):
    """The pruned model."""
    out = folder / "pruned.onnx"
    subprocess.run([args.superslash, "optimize", str(model), "-o", str(out), "--offchip", f"-{cut}%", "--ranking", ranking, "--quiet", "--calibrate",
                    str(draw(images, seed, folder)), "--mean", str(MEAN), "--scale", str(SCALE), *args.options], check=True, stdout=subprocess.DEVNULL)
    return out


def row(args, judge, images, network, cut, ranking, folder):
    model, lost, divergence, seconds = MODELS / f"{network}.onnx", [], [], []
    for seed in range(1, args.draws + 1):
        start = time.time()
        out = prune(args, images, model, cut, ranking, seed, folder)
        seconds.append(time.time() - start)
        points, nats = judge.compare(model, out)
        lost.append(points)
        divergence.append(nats)
    (points, points_error), (nats, nats_error) = mean_and_error(lost), mean_and_error(divergence)
    print(f"{network:10} {cut:>4} % {ranking:10} {judge.accuracy(judge.original(model)):8.2f} {points:7.2f} +- {points_error:4.2f} "
          f"{nats:9.4f} +- {nats_error:6.4f} {np.mean(seconds):6.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--networks", default="vgg,resnet,mobilenet")
    parser.add_argument("--cuts", default="30,50,70")
    parser.add_argument("--rankings", default="marginal")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--aside", action="store_true")
    parser.add_argument("options", nargs="*", default=["--no-fusion", "--on-chip", "32KiB"])
    args = parser.parse_args()
    images = idx("train-images")
    judge = judge_of(args.aside, images)
    print(f"judged on {len(judge.labels)} images, {args.draws} draws of {SAMPLES} samples; optimize {' '.join(args.options)}")
    print(f"{'network':10} {'cut':>6} {'ranking':10} {'original':>8} {'points lost':>15} {'KL divergence':>19} {'s':>6}")
    with tempfile.TemporaryDirectory() as name:
        for network in args.networks.split(","):
            for cut in args.cuts.split(","):
                for ranking in args.rankings.split(","):
                    row(args, judge, images, network, cut, ranking, pathlib.Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
