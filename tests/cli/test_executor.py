"""Schedules that the program writes, run on real data inside a scratchpad of the target's capacity.

    python tests/cli/test_executor.py --superslash PATH --work DIR [--graphs 100] [--seed 1] [--no-networks]

For the trained networks, their QDQ forms, small networks of the well-known kinds and random graphs, layer by layer and fused, from the smallest
capacity on which every layer fits (on the networks: 600 B) to one that holds everything: tests/oracle/executor.py must count the bytes and the footprint
that the file's annotations name, and the MACs of the report; its outputs must be those of ONNX Runtime (1e-4 of the largest; of the quantised forms,
where a sum beside a rounding edge may fall either way, see QUANTA). Then the same with groups joined by chance (random_fusion.py), of which
the program must say the same, or that it does not take them. Bookkeeping that is broken by one row must be noticed. Prints how many groups of
each kind were run; each of KINDS at least once. Exit 0, or 1 after a line per failure.
"""
import argparse
import collections
import json
import pathlib
import random
import sys
import time

import numpy as np
import onnx

from program import Failed, MODELS, Program, derived_models, trained_models

import executor
import executor_fused
import random_fusion
import random_graphs
import small_networks
from executor_chip import Illegal

REFUSED, INFEASIBLE = 2, 5
JOINS = 6   # schedules with fused groups made by chance, for each file
TARGETS = {
    "600B": ["--on-chip", "600"],
    "2KiB": ["--on-chip", "2KiB"],
    "8KiB": ["--on-chip", "8KiB"],
    "32KiB": ["--on-chip", "32KiB"],
    "128KiB": ["--on-chip", "128KiB"],
    "uneven": ["--on-chip", "3KiB", "--mappings", "uneven"],
    "refetch": ["--on-chip", "4KiB", "--halo", "refetch"],
    "split": ["--on-chip", "input=6KiB,weight=4KiB,output=6KiB"],
    "doubled": ["--on-chip", "12KiB", "--double-buffer", "input,weight"],
    "narrow": ["--on-chip", "5KiB", "--activation-bits", "4", "--weight-bits", "3", "--partial-sum-bits", "20"],
    "model": ["--on-chip", "32KiB", "--bits", "model"],
    "batch": ["--on-chip", "16KiB", "--batch", "2"],
    "apart": ["--on-chip", "6KiB", "--no-fusion"],
    "apart, batch": ["--on-chip", "16KiB", "--batch", "3", "--no-fusion"],
}
OF_QUANTISED = ("600B", "8KiB", "32KiB", "split", "narrow", "model", "apart")
# on top of the smallest capacity that each small network fits on, times 1, 3, 10, and of 1 MiB
SMALL_FLAGS = ([], ["--double-buffer", "input,weight,output"], ["--batch", "2"], ["--activation-bits", "4", "--weight-bits", "3", "--partial-sum-bits", "20"])
# of the fused schedules that the program chooses
KINDS = ("fused recompute", "fused rows", "fused full", "fused stays", "fused streams", "fused passing", "fused out blocks", "fused branches",
         "fused whole plane", "fused boundary stays", "fused Concat in parts", "fused read again")
# on top of a capacity that is found for each graph
RANDOM_FLAGS = ([], ["--halo", "refetch"], ["--batch", "2"], ["--double-buffer", "input,weight,output"],
                ["--activation-bits", "5", "--weight-bits", "3", "--partial-sum-bits", "17"], ["--bits", "model"], ["--mappings", "uneven"],
                ["--mappings", "uneven", "--halo", "refetch"])
SPLITS = (["--on-chip", "input=300,weight=300,output=400"], ["--on-chip", "input=2KiB,weight=1KiB,output=1KiB"])
# A quantised element beside a rounding edge may end one step away; of 255 steps, this share of the largest output is let pass
QUANTA = 0.02


def image_feeds(model):
    batch = json.loads(executor.properties(model)["superslash.target"]).get("batch", 1)
    images = np.load(MODELS / "test-1000.npz")["image"][:batch]
    return {model.graph.input[0].name: ((images.astype(np.float32) / 255 - 0.2860) / 0.3530).astype(np.float32)}


def check_macs(report, result):
    """Of the groups, as often as they are done; those that are done again."""
    said = [(group["macs"], group["recomputed_macs"]) for group in report["groups"]]
    for group, counted, (macs, again) in zip(report["groups"], result.groups, said):
        if "tile" in group and (counted.macs != macs or counted.macs - counted.macs_once != again):
            raise executor.Wrong(f"group {group['id']}: {counted.macs} MACs, {counted.macs - counted.macs_once} of them again; the report says {macs}, {again}")


def check_report(report, result):
    """Of a schedule from outside."""
    check_macs(report, result)
    for group, counted in zip(report["groups"], result.groups):
        said, found = {part: group[part] for part in counted.bytes}, dict(counted.bytes)
        if "tile" in group:
            said["footprint_bytes"], found["footprint_bytes"] = group["footprint_bytes"], counted.footprint_bytes
        if said != found:
            raise executor.Wrong(f"group {group['id']}: {found} counted; the program says {said}")


def given(program, path):
    """The program's report on the schedule in a file; None where it refuses it."""
    batch = json.loads(executor.properties(onnx.load(str(path)))["superslash.target"]).get("batch", 1)
    try:
        return program.json("explore", path, "--quiet", "--from-annotations", "--batch", batch)
    except Failed as problem:
        if problem.code != REFUSED:
            raise
        return None


class Tally:
    def __init__(self):
        self.kinds, self.joined = collections.Counter(), collections.Counter()
        self.executed = self.failures = self.rounded = self.refused = self.costed = 0
        self.farthest = 0.0

    def run(self, path, feeds_of):
        """Executes the annotated file."""
        return self.execute(onnx.load(str(path)), feeds_of)

    def run_joined(self, program, path, feeds_of, seed):
        """Executes it again, with groups joined by chance. The program costs them as they are counted, or refuses them."""
        pick, model, joined_path = random.Random(seed), onnx.load(str(path)), path.with_name("executor-joined.onnx")
        for _ in range(JOINS):
            joined = random_fusion.joined(model, pick)
            onnx.save(joined, str(joined_path))
            report = given(program, joined_path)
            try:
                result = self.execute(joined, feeds_of, compare=False)
            except Illegal as problem:
                self.refused += 1
                if report:
                    raise executor.Wrong(f"the program takes what cannot be run: {problem}") from None
            else:
                self.costed += report is not None
                if report:
                    check_report(report, result)

    def execute(self, model, feeds_of, compare=True):
        feeds = feeds_of(model)
        result = executor.execute(model, feeds, compare)
        expected = random_graphs.run(model, feeds)
        far = max(executor.distance(result.outputs[o.name], e) for o, e in zip(model.graph.output, expected))
        quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
        if far > (QUANTA if quantised else executor.TOLERANCE):
            raise executor.Wrong(f"an output is {far:.1e} from that of ONNX Runtime")
        if far > executor.TOLERANCE:
            self.rounded += 1
        else:
            self.farthest = max(self.farthest, far)
        (self.kinds if compare else self.joined).update(kind for group in result.groups for kind in group.kinds)
        self.executed += 1
        return result

    def fail(self, where, problem):
        self.failures += 1
        print(f"FAILED {where}: {type(problem).__name__}: {problem}", flush=True)


def fits(program, path, flags, capacity_bytes):
    try:
        program.run("explore", path, "--quiet", "--target", "plain", "--on-chip", capacity_bytes, *flags)
    except Failed as problem:
        if problem.code != INFEASIBLE:
            raise
        return False
    return True


def smallest_capacity(program, path, flags):
    """The fewest bytes on chip with which every layer has a legal mapping."""
    low, high = 1, 64
    while not fits(program, path, flags, high):
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(program, path, flags, middle) else (middle + 1, high)
    return low


def run_networks(program, work, tally):
    out = work / "executor-out.onnx"
    for path in trained_models() + [path for path in derived_models(work) if path.stem.endswith("qdq")]:
        for name, flags in TARGETS.items():
            if path.stem.endswith("qdq") and name not in OF_QUANTISED:
                continue
            start = time.time()
            try:
                program.run("explore", path, "-o", out, "--quiet", "--target", "plain", *flags)
                result = tally.run(out, image_feeds)
                print(f"{path.stem} {name}: {result.totals['offchip_bytes']:,} B; {time.time() - start:.1f} s", flush=True)
            except Exception as problem:  # every failure is told, none ends the run
                tally.fail(f"{path.stem} {name}", problem)
        try:
            program.run("optimize", path, "-o", out, "--quiet", "--target", "plain", "--on-chip", "8KiB", "--offchip", "-30%")
            tally.run(out, image_feeds)
            tally.run_joined(program, out, image_feeds, 1)
        except Exception as problem:  # every failure is told, none ends the run
            tally.fail(f"{path.stem} optimize", problem)


def run_small(program, work, tally):
    path, out = work / "executor-small.onnx", work / "executor-out.onnx"
    for seed, (name, make) in enumerate(small_networks.NETWORKS.items()):
        for form, model in (("float", make()), ("QDQ", random_graphs.quantised(make(), seed))):
            onnx.save(model, str(path))
            barely = smallest_capacity(program, path, [])
            for k, capacity in enumerate((barely, barely * 3, barely * 10, 1 << 20)):
                where, flags = f"{name} {form}, {capacity} B", SMALL_FLAGS[(seed + k) % len(SMALL_FLAGS)] if k else []
                try:
                    report = program.json("explore", path, "-o", out, "--quiet", "--target", "plain", "--on-chip", capacity, *flags)
                    check_macs(report, tally.run(out, lambda m: executor.random_feeds(m, 1)))
                except Failed as problem:
                    if problem.code != INFEASIBLE:
                        tally.fail(where, problem)
                except Exception as problem:  # every failure is told, none ends the run
                    tally.fail(where, problem)


def run_broken(program, work, tally):
    """One row is let go a tile too soon, in each tensor that some group keeps rows of: the executor must say so."""
    path, out, real = work / "executor-small.onnx", work / "executor-out.onnx", executor_fused.FusedGroup.plan_life
    onnx.save(small_networks.vgg(), str(path))
    program.run("explore", path, "-o", out, "--quiet", "--target", "plain", "--on-chip", "2KiB")

    def too_soon(self, tiles):
        real(self, tiles)
        for tensor in self.tensors.values():
            rows = tensor.last_wanted
            kept = [row for row in range(1, len(rows)) if len(tiles) > 1 and tensor.readers and not tensor.stays and rows[row].max() > rows[row - 1].max()]
            if kept:
                rows[kept[0]] = rows[kept[0]] - 1
                self.broken = True

    tally.run(out, lambda m: executor.random_feeds(m, 1))
    executor_fused.FusedGroup.plan_life = too_soon
    try:
        executor.execute(onnx.load(str(out)), executor.random_feeds(onnx.load(str(out)), 1))
        tally.fail("broken bookkeeping", "was not noticed")
    except executor.Wrong as problem:
        print("broken bookkeeping noticed:", problem)
    finally:
        executor_fused.FusedGroup.plan_life = real


def run_random(program, work, tally, seed):
    """At the smallest capacity (every tenth graph: steps are single elements), at more, with room for everything; on a split one where it fits."""
    path, out = work / "executor-in.onnx", work / "executor-out.onnx"
    onnx.save(random_graphs.build(seed)[0], str(path))
    flags = RANDOM_FLAGS[seed % len(RANDOM_FLAGS)]
    barely = smallest_capacity(program, path, [flag for flag in flags if flag not in ("--mappings", "uneven")])
    jobs = [["--on-chip", capacity, *flags] for capacity in ([barely] if seed % 10 == 0 else []) + [barely * 5, barely * 20, 1 << 20]]
    try:
        program.run("explore", path, "-o", out, "--quiet", "--no-fusion", "--target", "plain", "--batch", 1 + seed % 2)
        tally.run_joined(program, out, lambda model: executor.random_feeds(model, seed), seed)
    except Exception as problem:  # every failure is told, none ends the run
        tally.fail(f"random graph of seed {seed}, joined", problem)
    for job in jobs + [SPLITS[seed % len(SPLITS)]]:
        try:
            program.run("explore", path, "-o", out, "--quiet", "--target", "plain", *job)
            tally.run(out, lambda model: executor.random_feeds(model, seed))
        except Failed as problem:
            if problem.code != INFEASIBLE or job in jobs:
                tally.fail(f"random graph of seed {seed}, {' '.join(map(str, job))}", problem)
        except Exception as problem:  # every failure is told, none ends the run
            tally.fail(f"random graph of seed {seed}, {' '.join(map(str, job))}", problem)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--graphs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-networks", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program, tally, start = Program(args.superslash), Tally(), time.time()
    run_broken(program, args.work, tally)
    run_small(program, args.work, tally)
    if not args.no_networks:
        run_networks(program, args.work, tally)
    for seed in range(args.seed, args.seed + args.graphs):
        run_random(program, args.work, tally, seed)
    print(f"{args.graphs} random graphs from seed {args.seed}; {tally.executed} schedules executed, farthest output {tally.farthest:.1e}, "
          f"{tally.refused} joined by chance refused as illegal, {tally.costed} costed by the program as counted, {tally.rounded} quantised ones with an element on the other side of a rounding edge")
    for what, kinds in (("chosen by the program", tally.kinds), ("joined by chance", tally.joined)):
        print(f"groups executed, {what}:", ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    for kind in KINDS:
        if not any(found.startswith(kind) for found in tally.kinds):
            tally.fail("kinds", f"no schedule of the kind '{kind}' was executed")
    print(f"{tally.failures} failures; {time.time() - start:.0f} s")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
