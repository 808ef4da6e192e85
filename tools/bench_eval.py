"""The evaluator's speed beside ONNX Runtime's, on the same threads.

    python tools/bench_eval.py build/release/tests/evaluate MODEL.onnx [MODEL.onnx ...] [--batch 8] [--threads 2] [--runs 5] [--at-most 4]

Turn and turn about, the best of each; images of random numbers. Exit 1 where a model takes more than --at-most times as long as ONNX Runtime.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime


def inputs_of(session, batch):
    """Dynamic dims are the batch."""
    random = np.random.default_rng(1)
    return {i.name: random.standard_normal([d if isinstance(d, int) else batch for d in i.shape]).astype(np.float32) for i in session.get_inputs()}


def ours(driver, threads, model, samples, out):
    line = subprocess.run([driver, str(threads), str(model), samples, out], capture_output=True, text=True, check=True).stdout.strip()
    code, rest = line.split(" ", 1)
    return float(rest) if code == "0" else sys.exit(f"{model}: {rest}")


def theirs(session, inputs):
    start = time.perf_counter()
    session.run(None, inputs)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--at-most", type=float, default=4)
    args = parser.parse_args()
    slow = 0
    for model in args.models:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        inputs = inputs_of(session, args.batch)
        with tempfile.TemporaryDirectory() as work:
            np.savez(f"{work}/in.npz", **inputs)
            theirs(session, inputs)
            pairs = [(ours(args.driver, args.threads, model, f"{work}/in.npz", f"{work}/out"), theirs(session, inputs)) for _ in range(args.runs)]
        mine, runtime = (min(column) for column in zip(*pairs))
        slow += mine > args.at_most * runtime
        print(f"{model.stem:14} batch {args.batch}, {args.threads} threads: {mine:7.3f} s, ONNX Runtime {runtime:7.3f} s, ratio {mine / runtime:5.2f}", flush=True)
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
