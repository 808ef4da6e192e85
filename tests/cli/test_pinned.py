"""In the trained and the published networks nothing is pinned but what the graph's inputs and outputs show; prints what is.

    python tests/cli/test_pinned.py --superslash build/release/superslash --work DIR
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PUBLISHED = ["mobilenetv1", "mobilenetv2", "resnet18", "resnet50", "resnet56", "resnet110", "vgg16"]

parser = argparse.ArgumentParser()
parser.add_argument("--superslash", required=True)
parser.add_argument("--work", required=True, type=pathlib.Path)
args = parser.parse_args()
args.work.mkdir(parents=True, exist_ok=True)

trained = sorted((ROOT / "tests/models").glob("*.onnx"))
for model in trained:
    subprocess.run([sys.executable, ROOT / "tools/models/derive.py", model, args.work, "--calibrate", ROOT / "tests/models/calibration-512.npz"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
derived = sorted(args.work.glob("*-qdq.onnx")) + sorted(args.work.glob("*-external.onnx"))
for name in PUBLISHED:
    if not (args.work / f"{name}.onnx").exists():
        subprocess.run([sys.executable, ROOT / "tools/models/make.py", args.work, name], check=True, stdout=subprocess.DEVNULL)

failed = 0
for model in trained + derived + [args.work / f"{name}.onnx" for name in PUBLISHED]:
    done = subprocess.run([args.superslash, "inspect", model, "--json", "-"], capture_output=True, text=True)
    assert done.returncode == 0, (model.name, done.stderr)
    spaces = json.loads(done.stdout)["spaces"]
    fixed = [space for space in spaces if space.get("fixed")]
    strange = [space for space in fixed if "graph input" not in space["fixed"] and "graph output" not in space["fixed"]]
    free = len(spaces) - len(fixed)
    print(f"{model.name}: {free} spaces free; pinned: " + "; ".join(f"{s['id']} ({s['size']}): {s['fixed']}" for s in fixed))
    failed += bool(strange or not free)
print(f"{len(trained + derived) + len(PUBLISHED) - failed} passed, {failed} failed")
sys.exit(failed != 0)
