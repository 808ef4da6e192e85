"""What fusion saves: layer by layer, fused, and what must move at least, in MiB; a table for the README.

    python tools/fusion_table.py build/release/superslash FOLDER

FOLDER holds the networks of tools/models/make.py; those that are missing are made. Everything 224x224, 8 bit, partial sums 32, one buffer.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

NETWORKS = {"vgg16": "VGG16", "resnet18": "ResNet-18", "resnet50": "ResNet-50", "mobilenetv1": "MobileNetV1", "mobilenetv2": "MobileNetV2"}
CAPACITIES = ("64KiB", "128KiB", "256KiB", "1MiB")
MAKE = pathlib.Path(__file__).resolve().parent / "models/make.py"


def totals(superslash, path, capacity, work):
    report = work / "report.json"
    subprocess.run([superslash, "explore", path, "--json", report, "--on-chip", capacity], check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text(encoding="utf-8"))["totals"]


def mebibytes(count):
    return f"{count / 2**20:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("superslash", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    missing = [name for name in NETWORKS if not (args.folder / f"{name}.onnx").exists()]
    if missing:
        subprocess.run([sys.executable, MAKE, args.folder, *missing], check=True, stdout=subprocess.DEVNULL)
    print("| layer by layer → fused, MiB | " + " | ".join(CAPACITIES) + " | compulsory |\n|---|" + "---|" * (len(CAPACITIES) + 1))
    with tempfile.TemporaryDirectory() as work:
        for name, title in NETWORKS.items():
            found = [totals(args.superslash.resolve(), args.folder / f"{name}.onnx", capacity, pathlib.Path(work)) for capacity in CAPACITIES]
            cells = [f"{mebibytes(t['layer_by_layer_bytes'])} → {mebibytes(t['offchip_bytes'])}" for t in found]
            print(f"| {title} | " + " | ".join(cells) + f" | {mebibytes(found[0]['compulsory_bytes'])} |")


main()
