"""Reading and writing all models of the onnx 1.22 wheel, without and with our annotations.

    test_roundtrip.py --superslash PROGRAM --driver roundtrip --wheel WHEEL_OR_FOLDER --work FOLDER [--every N]

1. The driver writes each model untouched: byte for byte the file that was read.
2. `superslash explore M -o OUT --target plain`: OUT without its superslash.* keys is the original message, and a second run over OUT
   gives OUT's bytes again. Models whose exit code is not 0 need a reason below.
"""
import argparse
import collections
import pathlib
import subprocess
import sys

import onnx

import corpus

# reason -> (exit code, piece of the message); a model that ends otherwise is a fault
REASONS = {
    "a spatial dim is not known (--input-shape would give it)": (2, "--input-shape"),
    "smallest tile does not fit": (5, "on chip"),
}


def run_driver(driver, paths):
    identical, others = 0, []
    for start in range(0, len(paths), 400):
        done = subprocess.run([driver, *map(str, paths[start:start + 400])], capture_output=True, text=True, errors="replace")
        lines = done.stdout.splitlines()
        identical += int(lines[-1].split()[0]) if lines and done.returncode in (0, 1) else 0
        others += lines[:-1] or ([done.stderr[-500:]] if done.returncode else [])
    return identical, others


def without_ours(model):
    def drop(props):
        kept = [p for p in props if not p.key.startswith("superslash.")]
        del props[:]
        props.extend(kept)

    drop(model.metadata_props)
    for node in model.graph.node:
        drop(node.metadata_props)
    return model


def reason_of(code, message):
    return next((text for text, (wanted, piece) in REASONS.items() if code == wanted and piece in message), None)


def annotate(program, path, out):
    out.unlink(missing_ok=True)
    return subprocess.run([program, "explore", str(path), "-o", str(out), "--target", "plain", "--quiet"], capture_output=True, text=True,
                          errors="replace", timeout=300)


def check(program, path, work):
    """(kind, detail): kind is "equal", a reason, or "fault"."""
    out, again = work / "out.onnx", work / "again.onnx"
    done = annotate(program, path, out)
    if done.returncode:
        message = done.stderr.strip().split("\n")[-1]
        if out.exists():
            return "fault", f"exit {done.returncode}, but the output is there"
        reason = reason_of(done.returncode, message)
        return (reason, message) if reason else ("fault", f"exit {done.returncode}: {message}")
    original, written = onnx.load(path, load_external_data=False), onnx.load(out, load_external_data=False)
    if not any(p.key == "superslash.version" for p in written.metadata_props):
        return "fault", "no superslash.version"
    if without_ours(original).SerializeToString() != without_ours(written).SerializeToString():  # as bytes: NaN equals NaN
        return "fault", "differs beyond the superslash.* keys"
    if annotate(program, out, again).returncode or again.read_bytes() != out.read_bytes():
        return "fault", "a second run changes the file"
    return "equal", ""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--superslash")
    options.add_argument("--driver")
    options.add_argument("--wheel", required=True)
    options.add_argument("--work", required=True, type=pathlib.Path)
    options.add_argument("--every", type=int, default=1, help="only each Nth model")
    given = options.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    paths = corpus.wheel_models(given.wheel, given.work)[::given.every]
    faults = []
    if given.driver:
        identical, faults = run_driver(given.driver, paths)
        print(f"untouched: {identical} of {len(paths)} come back byte for byte")
    if given.superslash:
        kinds = collections.Counter()
        for path in paths:
            kind, detail = check(given.superslash, path, given.work)
            kinds[kind] += 1
            if kind == "fault":
                faults.append(f"{path}: {detail}")
        print(f"annotated: {kinds.pop('equal', 0)} of {len(paths)} equal the original but for superslash.* keys")
        for kind, count in sorted(kinds.items()):
            print(f"  {count}: {kind}")
    for fault in faults[:60]:
        print(fault)
    print(f"{len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
