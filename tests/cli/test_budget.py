"""The budget is met and no more is pruned than it takes; same input, same bytes, with any number of threads.

    python tests/cli/test_budget.py --superslash build/release/superslash --work DIR

For every ranking: the written model holds the budget, and putting back the last unit of any one pruned space breaks it. A unit is the
channel multiple times the cells of the space; which channels come back does not matter for what is moved, so the highest are taken.
"""
import argparse
import hashlib
import json
import math
import pathlib
import subprocess
import sys
import unittest

MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
RANKINGS = ["marginal", "volume", "params", "macs", "uniform", "magnitude"]
args = None


def run(*words, code=0):
    done = subprocess.run([args.superslash, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, f"{' '.join(map(str, words))}: exit {done.returncode}, {done.stderr}"
    return done


def offchip_bytes(report):
    return json.loads(pathlib.Path(report).read_text())["totals"]["offchip_bytes"]


def put_back(space, blocks, unit):
    """The same removal with one unit less, equally many from each cell."""
    cells = blocks or [list(range(space["size"]))]
    kept = space["size"] - len(space["remove"])
    wider = min((kept // unit + 1) * unit, space["size"])
    each = (wider - kept) // len(cells)
    back = {c for cell in cells for c in [c for c in space["remove"] if c in cell][-each:]}
    return [c for c in space["remove"] if c not in back]


class Budget(unittest.TestCase):
    def optimize(self, model, work, *options):
        out, report, plan = work / "out.onnx", work / "report.json", work / "plan.json"
        run("optimize", model, "-o", out, "--json", report, "--plan-out", plan, "--on-chip", "32KiB", *options)
        return out, json.loads(report.read_text()), json.loads(plan.read_text())

    def test_met_and_maximal(self):
        work = pathlib.Path(args.work)
        checked = 0
        for name in ["vgg", "resnet", "mobilenet"]:
            model = MODELS / f"{name}.onnx"
            run("inspect", model, "--json", work / "inspect.json")
            blocks = {s["id"]: s.get("blocks") for s in json.loads((work / "inspect.json").read_text())["spaces"]}
            run("explore", model, "--json", work / "before.json", "--on-chip", "32KiB")
            before = offchip_bytes(work / "before.json")
            for ranking in RANKINGS:
                for multiple in [1, 4]:
                    _, report, plan = self.optimize(model, work, "--offchip", "-30%", "--ranking", ranking, "--channel-multiple", multiple)
                    self.assertLessEqual(report["totals"]["offchip_bytes"], 0.7 * before)
                    for space in report["pruning"]["spaces"]:
                        self.assertTrue(space["kept"] == space["channels"] or space["kept"] % multiple == 0, space)
                    for i, space in enumerate(plan["spaces"]):
                        cells = len(blocks[space["id"]] or [0])
                        unit = cells // math.gcd(cells, multiple) * multiple
                        trial = {"superslash_plan": 1, "spaces": [dict(s) for s in plan["spaces"]]}
                        trial["spaces"][i]["remove"] = put_back(space, blocks[space["id"]], unit)
                        if not trial["spaces"][i]["remove"]:
                            trial["spaces"].pop(i)
                        (work / "trial.json").write_text(json.dumps(trial))
                        run("prune", model, "-o", work / "trial.onnx", "--plan", work / "trial.json", "--json", work / "trial-report.json",
                            "--on-chip", "32KiB")
                        self.assertGreater(offchip_bytes(work / "trial-report.json"), 0.7 * before, (name, ranking, space["id"]))
                        checked += 1
        print(f"{checked} times one unit more broke the budget", file=sys.stderr)

    def test_groups_that_begin_to_fit(self):
        """At 3 KiB no layers of the ResNet can be fused; with 40 % less to move some can, and so more of it stays than layer by layer."""
        work = pathlib.Path(args.work)
        model, flags = MODELS / "resnet.onnx", ("--on-chip", "3KiB", "--json", work / "fits.json")
        reports = {}
        for name, words in {"before": ("explore", model), "after": ("optimize", model, "-o", work / "fits.onnx", "--offchip", "-40%"),
                            "again": ("explore", work / "fits.onnx")}.items():
            run(*words, *flags)
            reports[name] = json.loads((work / "fits.json").read_text())
        groups = {name: sum("tile" in group for group in report["groups"]) for name, report in reports.items()}
        self.assertEqual(groups["before"], 0)
        self.assertGreater(groups["after"], 0)
        self.assertEqual(reports["after"]["totals"], reports["again"]["totals"])
        run("optimize", model, "-o", work / "apart.onnx", "--offchip", f"{int(0.6 * reports['before']['totals']['offchip_bytes'])}B", "--no-fusion", *flags)
        apart = json.loads((work / "fits.json").read_text())
        self.assertGreater(reports["after"]["model"]["parameters"], apart["model"]["parameters"])

    def test_out_of_reach(self):
        work = pathlib.Path(args.work)
        done = run("optimize", MODELS / "vgg.onnx", "-o", work / "never.onnx", "--offchip", "700B", code=5)
        self.assertIn("out of reach", done.stderr)
        self.assertFalse((work / "never.onnx").exists())

    def test_same_bytes(self):
        work = pathlib.Path(args.work)
        for name in ["vgg", "resnet", "mobilenet"]:
            digests = set()
            for threads in [1, 1, 2, 7]:
                out, _, _ = self.optimize(MODELS / f"{name}.onnx", work, "--offchip", "-40%", "--threads", threads)
                digests.add(hashlib.sha256(out.read_bytes()).hexdigest() + hashlib.sha256((work / "plan.json").read_bytes()).hexdigest())
            self.assertEqual(len(digests), 1, name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", required=True)
    args = parser.parse_args()
    pathlib.Path(args.work).mkdir(parents=True, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=1)
