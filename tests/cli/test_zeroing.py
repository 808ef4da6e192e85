"""Removing equals zeroing, on trained networks and random graphs, through the command line.

    python tests/cli/test_zeroing.py --superslash PATH --work DIR [--graphs 500] [--seed 1] [--only models|random]

Each model is pruned twice over: by `optimize` to -15 %, -30 % and -50 % of the bytes (32 KiB on chip), and by a plan that removes a random
quarter of every free space. Each file written must pass onnx's checker with full inference, load in ONNX Runtime, and give what the
original gives with the removed channels zeroed where they are read (tests/oracle/zeroing.py). A random graph that fails stays in DIR.
Exit 0, or 1 after a line per failure.
"""
import argparse
import collections
import json
import pathlib
import sys
import time

import onnx

from program import Failed, Program, derived_models, make_models, trained_models

import random_graphs
import zeroing

BUDGETS = ("-15%", "-30%", "-50%")
USAGE, NOT_MET = 2, 5
LEAST_OF_500 = {"pruned": 450} | {feature: 40 for feature in random_graphs.FEATURES}


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def check_pruned(original, pruned_path, seed, plan_path=None):
    """Checker, Runtime, zeroing; what the oracle measured. The plan is the one in the file, and the one written beside it."""
    onnx.checker.check_model(str(pruned_path), full_check=True)
    pruned = onnx.load(str(pruned_path))
    plan = json.loads(next((p.value for p in pruned.metadata_props if p.key == "superslash.plan"), "{}"))
    if not any(entry["remove"] for entry in plan.get("slices", ())):
        raise zeroing.Mismatch(f"{pruned_path}: its plan removes nothing")
    if plan_path and read_json(plan_path) != plan:
        raise zeroing.Mismatch(f"{plan_path} is not the plan in {pruned_path}")
    return zeroing.check(original, pruned, plan, seed=seed)


def by_budget(program, path, original, work, budget, seed):
    out, plan = work / f"{path.stem}-out.onnx", work / f"{path.stem}-plan.json"
    program.run("optimize", path, "-o", out, "--target", "plain", "--on-chip", "32KiB", "--offchip", budget, "--plan-out", plan, "--quiet")
    return check_pruned(original, out, seed, plan)


def by_quarter(program, path, original, work, seed, draws=5):
    """None where no space is free. A draw that leaves a Slice nothing to read is refused; then another is made."""
    report = program.json("inspect", path, "--quiet")
    plan = zeroing.random_plan(report["spaces"], seed)
    if not plan["spaces"]:
        return None
    wish, out = work / f"{path.stem}-wish.json", work / f"{path.stem}-out.onnx"
    wish.write_text(json.dumps(plan), encoding="utf-8")
    try:
        program.run("prune", path, "-o", out, "--plan", wish, "--quiet")
    except Failed as problem:
        if draws == 1 or problem.code != USAGE or "at least one must stay" not in str(problem):
            raise
        return by_quarter(program, path, original, work, seed + 1_000_003, draws - 1)
    return check_pruned(original, out, seed)


def discard(work, stem):
    for path in work.glob(f"{stem}[.-]*"):
        path.unlink()


class Tally:
    def __init__(self):
        self.counts, self.failures, self.worst, self.worst_rounded = collections.Counter(), 0, 0.0, 0.0

    def passed(self, result, what):
        self.counts[what] += 1
        self.counts["zeroing changes the outputs"] += bool(result["moved"])
        self.worst = max(self.worst, result["relative"])
        self.worst_rounded = max(self.worst_rounded, result["as_written"] or 0)

    def failed(self, where, problem):
        self.failures += 1
        print(f"FAILED {where}: {type(problem).__name__}: {problem}", flush=True)


def test_models(program, paths, work, seed, tally):
    for path in paths:
        original = onnx.load(str(path))
        ways = [(budget, lambda b=budget: by_budget(program, path, original, work, b, seed)) for budget in BUDGETS]
        ways.append(("a quarter of every space", lambda: by_quarter(program, path, original, work, seed)))
        for name, way in ways:
            try:
                result = way()
                if result is None:
                    raise zeroing.Mismatch("no space is free")
                tally.passed(result, "model runs")
                print(f"{path.name} {name}: {result['relative']:.2g} of the largest output", flush=True)
            except Exception as problem:  # every failure is told, none ends the run
                tally.failed(f"{path.name} {name}", problem)
        discard(work, path.stem + "-out"), discard(work, path.stem + "-plan"), discard(work, path.stem + "-wish")


def test_random(program, work, seed, tally):
    """One graph, both ways. A budget out of reach is an answer (exit 5); a plan must work."""
    original, features = random_graphs.build(seed)
    path = work / f"random-{seed}.onnx"
    onnx.save(original, str(path))
    tally.counts["graphs"] += 1
    tally.counts.update(features)
    try:
        result = by_quarter(program, path, original, work, seed)
        if result is not None:
            tally.passed(result, "pruned")
        try:
            tally.passed(by_budget(program, path, original, work, BUDGETS[seed % len(BUDGETS)], seed), "budgets met")
        except Failed as problem:
            if problem.code != NOT_MET:
                raise
            tally.counts["budgets out of reach"] += 1
        discard(work, f"random-{seed}")
    except Exception as problem:  # every failure is told, none ends the run
        tally.failed(f"seed {seed} ({', '.join(sorted(features))})", problem)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--graphs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("models", "random"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program, tally, start = Program(args.superslash), Tally(), time.time()
    if args.only != "random":
        paths = trained_models() + derived_models(args.work) + make_models(args.work)
        test_models(program, paths, args.work, args.seed, tally)
    if args.only != "models":
        print(f"random graphs from seed {args.seed} to {args.seed + args.graphs - 1}", flush=True)
        for seed in range(args.seed, args.seed + args.graphs):
            test_random(program, args.work, seed, tally)
        for what, least in LEAST_OF_500.items():
            needed = least * args.graphs // 500
            if tally.counts[what] < needed:
                tally.failed(what, zeroing.Mismatch(f"{tally.counts[what]} graphs, at least {needed} are needed"))
    print(", ".join(f"{what} {count}" for what, count in sorted(tally.counts.items())))
    print(f"largest difference {tally.worst:.2g} of the largest output, {tally.worst_rounded:.2g} with rounding; {tally.failures} failures; "
          f"{time.time() - start:.0f} s")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
