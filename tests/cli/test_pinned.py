"""In the trained and the published networks nothing is pinned but what the graph's inputs and outputs show; prints what is.

    python tests/cli/test_pinned.py --superslash build/release/superslash --work DIR
"""
import argparse
import json
import pathlib
import subprocess
import sys

from program import derived_models, make_models, trained_models

parser = argparse.ArgumentParser()
parser.add_argument("--superslash", required=True)
parser.add_argument("--work", required=True, type=pathlib.Path)
args = parser.parse_args()

failed = 0
models = trained_models() + derived_models(args.work) + make_models(args.work)
for model in models:
    done = subprocess.run([args.superslash, "inspect", model, "--json", "-"], capture_output=True, text=True)
    assert done.returncode == 0, (model.name, done.stderr)
    spaces = json.loads(done.stdout)["spaces"]
    fixed = [space for space in spaces if space.get("fixed")]
    strange = [space for space in fixed if "graph input" not in space["fixed"] and "graph output" not in space["fixed"]]
    free = len(spaces) - len(fixed)
    print(f"{model.name}: {free} spaces free; pinned: " + "; ".join(f"{s['id']} ({s['size']}): {s['fixed']}" for s in fixed))
    failed += bool(strange or not free)
print(f"{len(models) - failed} passed, {failed} failed")
sys.exit(failed != 0)
