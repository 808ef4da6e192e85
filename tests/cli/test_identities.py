"""What must hold of the published networks whatever the search does: tests/golden/identities.csv, and MACs of onnx tools.

    python tests/cli/test_identities.py --superslash build/release/superslash --work DIR

With everything on chip and 8 bits everywhere a layer's bytes are its words: each operand once.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys
import unittest

from program import make_models

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = {row["what"]: int(row["value"]) for row in csv.DictReader((ROOT / "tests/golden/identities.csv").open())}
# MACs of Conv, Gemm and MatMul at batch 1 as torchvision's exports have them
MACS = {"resnet18": 1814073344, "resnet50": 4089184256, "mobilenetv2": 300774272, "vgg16": 15470264320}
EVERYTHING = ["--on-chip", "1GiB", "--bits", "8", "--partial-sum-bits", "8"]
args = None


def golden(part):
    (value,) = [value for what, value in GOLDEN.items() if part in what]
    return value


def explored(name, *options):
    (model,), report = make_models(args.work, [name]), args.work / f"{name}.json"
    subprocess.run([args.superslash, "explore", model, "--no-fusion", "--json", report, *options], check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


def pooled_words(report, plane):
    """What the convolutions do not write since the global pool has joined them: all of the plane but one, for each channel."""
    pooled = [layer for layer in report["layers"] if layer["op"] == "Conv" and any("ool" in node for node in layer["epilogue"])]
    return sum((plane - 1) * layer["dims"]["m"] for layer in pooled)


def words_of_convolutions(report):
    """Input, weight and output words of the convolutions, second operands of their epilogues included, biases not."""
    convolutions = [layer for layer in report["layers"] if layer["op"] == "Conv"]
    biases = sum(layer["dims"]["m"] * layer["dims"]["g"] for layer in convolutions)
    return sum(layer["offchip_bytes"] for layer in convolutions) - biases


class Identities(unittest.TestCase):
    def test_resnets(self):
        for depth in [56, 110]:
            report = explored(f"resnet{depth}", *EVERYTHING)
            words = [value for what, value in GOLDEN.items() if what.startswith(f"resnet{depth} ") and "input+weight+output" in what]
            self.assertEqual(words_of_convolutions(report) + pooled_words(report, 64), words[0] + golden(f"resnet{depth} cifar: shortcut"))
            macs = sum(layer["macs"] for layer in report["layers"] if layer["op"] == "Conv")
            self.assertEqual(macs, golden(f"resnet{depth} cifar: MACs"))

    def test_mobilenetv1(self):
        report = explored("mobilenetv1", *EVERYTHING)
        convolutions = [layer for layer in report["layers"] if layer["op"] == "Conv"]
        self.assertEqual(words_of_convolutions(report) + pooled_words(report, 49), golden("mobilenetv1 224: input+weight+output"))
        self.assertEqual(sum(layer["macs"] for layer in convolutions), golden("mobilenetv1 224: MACs"))

    def test_macs(self):
        for name in ["resnet18", "resnet50", "mobilenetv2"]:
            self.assertEqual(explored(name)["model"]["macs"], MACS[name], name)

    def test_vgg16(self):
        report = explored("vgg16", "--on-chip", "1GiB", "--bits", "16", "--partial-sum-bits", "16")
        self.assertEqual(report["model"]["macs"], MACS["vgg16"])
        convolutions = [layer for layer in report["layers"] if layer["op"] == "Conv"]
        biases = 2 * sum(layer["dims"]["m"] for layer in convolutions)
        self.assertEqual(sum(layer["offchip_bytes"] for layer in convolutions) - biases, golden("vgg16 224 convolutions batch 1: compulsory"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=1)
