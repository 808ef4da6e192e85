"""Times whole commands on published networks and watches their anonymous memory; ratios against `cp` of the same file.

    python tools/bench_jobs.py build/release/superslash FOLDER [NAME...]      (FOLDER as tools/models/make.py filled it)
"""
import argparse
import pathlib
import statistics
import subprocess
import tempfile
import time


def anonymous_bytes(pid):
    """Of the process now: what is its own and not of a file."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def measure(words, runs=5):
    """Median wall seconds, and the most anonymous memory seen in one more run."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    process, most = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), 0
    while process.poll() is None:
        most = max(most, anonymous_bytes(process.pid))
        time.sleep(0.001)
    return statistics.median(seconds), most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("superslash")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", default=["resnet50", "resnet110", "mobilenetv2"])
    args = parser.parse_args()
    print(f"{'':12} {'command':24} {'file':>10} {'wall':>8} {'/ cp':>7} {'anonymous':>10} {'/ file':>7}")
    with tempfile.TemporaryDirectory() as work:
        for name in args.names:
            model, out = args.folder / f"{name}.onnx", f"{work}/out.onnx"
            size = model.stat().st_size
            copy, _ = measure(["cp", str(model), out])
            for label, words in {"explore": ["explore", model], "explore -o": ["explore", model, "-o", out],
                                 "optimize --offchip -30%": ["optimize", model, "-o", out, "--offchip", "-30%"], "sweep": ["sweep", model]}.items():
                wall, anonymous = measure([args.superslash, *map(str, words)])
                print(f"{name:12} {label:24} {size / 1e6:7.1f} MB {wall:6.3f} s {wall / copy:7.1f} {anonymous / 1e6:7.1f} MB {anonymous / size:7.2f}", flush=True)


main()
