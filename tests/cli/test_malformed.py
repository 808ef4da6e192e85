"""Bad models, outputs and options: one line on stderr, the documented exit code, no output, nothing left behind, no crash.

    test_malformed.py --superslash PROGRAM --work FOLDER [--driver roundtrip] [--only NAME]
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "malformed"))
import make_malformed  # noqa: E402

MOBILENET = ROOT / "tests" / "models" / "mobilenet.onnx"
USAGE, INVALID, IO, LIMIT = 2, 3, 6, 7
COMMANDS = {
    "explore": lambda model, out: ["explore", model, "-o", out, "--target", "plain"],
    "inspect": lambda model, out: ["inspect", model],
    "optimize": lambda model, out: ["optimize", model, "-o", out, "--target", "plain", "--offchip", "-30%"],
}


class Bench:
    def __init__(self, program, work):
        self.program, self.work = program, work
        self.runs, self.faults = 0, []

    def fault(self, title, text):
        self.faults.append(f"{title}: {text}")

    def run(self, title, arguments, expected, out=None, say=None):
        """expected: a code or a tuple of codes. out: must not be there (or changed) after a failure. say: a piece of the message."""
        self.runs += 1
        expected = expected if isinstance(expected, tuple) else (expected,)
        before = sorted(os.listdir(self.work))
        held = out.read_bytes() if out and out.is_file() else None
        try:
            done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=120,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return self.fault(title, "still running after 120 s")
        if done.returncode not in expected:
            self.fault(title, f"exit {done.returncode}, expected {expected}: {done.stderr.strip()[:300]}")
        if "Sanitizer" in done.stderr or "runtime error" in done.stderr:
            self.fault(title, "a sanitizer's report")
        if done.returncode:
            lines = done.stderr.splitlines()
            if len(lines) != 1 or not lines[0].startswith("superslash: ") or len(lines[0]) < 20:
                self.fault(title, f"{len(lines)} lines on stderr: {lines[:3]}")
            if say and say not in done.stderr:
                self.fault(title, f"does not say '{say}': {done.stderr.strip()[:300]}")
            now = out.read_bytes() if out and out.is_file() else None
            if now != held:
                self.fault(title, "the output was touched")
            if sorted(os.listdir(self.work)) != before:
                self.fault(title, f"left behind: {set(os.listdir(self.work)) - set(before)}")
        elif out and out.is_file() and held is None:
            out.unlink()


def check_models(bench, only):
    for name, (path, expected) in make_malformed.write_all(bench.work).items():
        if only and name != only:
            continue
        for command, arguments in COMMANDS.items():
            out = bench.work / "out.onnx"
            code = expected[command] if isinstance(expected, dict) else expected
            if command == "optimize" and isinstance(code, tuple) and 0 in code:
                code += (5,)  # nothing to prune
            bench.run(f"{name} ({command})", arguments(path, out), code, out)
    if not only:
        many = bench.work / "models" / "attributes-2-million.onnx"
        bench.run("memory limit", ["explore", many, "--target", "plain", "--max-memory", "64MiB"], LIMIT, say="max-memory")


def check_files(bench):
    out = bench.work / "out.onnx"
    bench.run("no such file", ["explore", bench.work / "nowhere.onnx", "-o", out, "--target", "plain"], IO, out, "nowhere.onnx")
    bench.run("a folder as model", ["explore", bench.work, "-o", out, "--target", "plain"], IO, out)
    bench.run("no such folder", ["explore", MOBILENET, "-o", bench.work / "none" / "out.onnx", "--target", "plain"], IO, say="none/out.onnx")
    bench.run("a folder as output", ["explore", MOBILENET, "-o", bench.work / "models", "--target", "plain"], IO)
    bench.run("full disk", ["explore", MOBILENET, "-o", "/dev/full", "--target", "plain"], IO, say="/dev/full")
    bench.run("full disk for the report", ["explore", MOBILENET, "--json", "/dev/full", "--target", "plain"], IO, say="/dev/full")
    closed = bench.work / "closed"
    closed.mkdir(exist_ok=True)
    if os.geteuid():
        closed.chmod(0o555)
        bench.run("read-only folder", ["explore", MOBILENET, "-o", closed / "out.onnx", "--target", "plain"], IO, say="out.onnx")
        closed.chmod(0o755)
    out.write_bytes(b"what stood here before")
    bench.run("an output that is there", ["explore", bench.work / "models" / "cycle.onnx", "-o", out, "--target", "plain"], INVALID, out)
    out.unlink()


def check_targets(bench):
    targets = {
        "unknown-key": ("name: t\non_chip: {capacity: 64KiB}\nonchip: 3\n", "3"),
        "bad-size": ("name: t\non_chip: {capacity: many}\n", "2"),
        "no-yaml": ("name: [t\n", ""),
        "negative": ("name: t\non_chip: {capacity: -64KiB}\n", "2"),
        "contradiction": ("name: t\non_chip: {capacity: 64KiB, input: 8KiB, weight: 8KiB, output: 8KiB}\n", "2"),
    }
    out = bench.work / "out.onnx"
    for name, (text, line) in targets.items():
        path = bench.work / f"{name}.yaml"
        path.write_text(text)
        bench.run(f"target {name}", ["explore", MOBILENET, "-o", out, "--target", path], USAGE, out, line)
    bench.run("no such target", ["explore", MOBILENET, "-o", out, "--target", "warehouse"], (USAGE, IO), out, "warehouse")


def check_options(bench):
    out = bench.work / "out.onnx"
    wrong = {
        "unknown option": ["explore", MOBILENET, "--frobnicate"],
        "unknown command": ["exploit", MOBILENET],
        "no model": ["explore", "--target", "plain"],
        "two models": ["explore", MOBILENET, MOBILENET, "--target", "plain"],
        "option without value": ["explore", MOBILENET, "-o"],
        "size without number": ["explore", MOBILENET, "--on-chip", "banana"],
        "negative size": ["explore", MOBILENET, "--on-chip", "-4KiB"],
        "size above 64 bits": ["explore", MOBILENET, "--on-chip", "99999999999999999999GiB"],
        "bits": ["explore", MOBILENET, "--bits", "0"],
        "batch": ["explore", MOBILENET, "--batch", "0"],
        "percentage without the minus": ["optimize", MOBILENET, "-o", out, "--offchip", "30%"],
        "percentage above 100": ["optimize", MOBILENET, "-o", out, "--offchip", "-130%"],
        "no budget": ["optimize", MOBILENET, "-o", out],
        "optimize without output": ["optimize", MOBILENET, "--offchip"],
        "ranking": ["optimize", MOBILENET, "-o", out, "--offchip", "-30%", "--ranking", "alphabetical"],
        "input shape of no input": ["explore", MOBILENET, "--input-shape", "nobody:1,1,28,28"],
        "input shape against a fixed dim": ["explore", MOBILENET, "--input-shape", "input:1,1,29,28"],
        "input shape without numbers": ["explore", MOBILENET, "--input-shape", "input:one"],
        "keep of no node": ["optimize", MOBILENET, "-o", out, "--offchip", "-30%", "--keep", "nobody"],
        "both on standard output": ["explore", MOBILENET, "-o", "-", "--json", "-"],
    }
    for name, arguments in wrong.items():
        bench.run(f"option: {name}", arguments, USAGE, out)


def check_damage(bench, driver):
    done = subprocess.run([driver, "--mutate", "2000", "1", str(MOBILENET)], capture_output=True, text=True, errors="replace")
    print(done.stdout.strip())
    if done.returncode:
        bench.fault("damaged copies", done.stderr[-1500:])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--superslash", required=True)
    options.add_argument("--work", required=True, type=pathlib.Path)
    options.add_argument("--driver")
    options.add_argument("--only")
    given = options.parse_args()
    shutil.rmtree(given.work, ignore_errors=True)
    given.work.mkdir(parents=True)
    bench = Bench(given.superslash, given.work)
    check_models(bench, given.only)
    if not given.only:
        check_files(bench)
        check_targets(bench)
        check_options(bench)
        if given.driver:
            check_damage(bench, given.driver)
    for fault in bench.faults:
        print(fault)
    print(f"{len(make_malformed.CASES)} bad models, {bench.runs} runs, {len(bench.faults)} faults")
    return bool(bench.faults)


if __name__ == "__main__":
    sys.exit(main())
