"""The curve of `sweep`: what `explore` says at its ends, at its knees and one byte below them; falling; in every form the same.

    python tests/cli/test_sweep.py --superslash build/release/superslash --work DIR
"""
import argparse
import csv
import io
import json
import pathlib
import subprocess
import sys
import unittest
import xml.etree.ElementTree

from program import MODELS, Program, derived_models, make_models, trained_models

SVG = "{http://www.w3.org/2000/svg}"
TABLE = 'name,m,c,oh,ow,kh,kw,stride,pool\n"a, ""b""",64,32,14,14,3,3,1,2\nwide,256,512,1,1,1,1,1,1\n<c> & d,16,3,112,112,7,7,2,1\n'
args = program = None


class Sweep:
    """Three forms of one sweep, which must agree."""

    def __init__(self, test, *arguments):
        work = args.work
        self.text = program.run("sweep", *arguments, "--no-fusion", "--csv", work / "s.csv", "--json", work / "s.json", "--svg", work / "s.svg")
        self.rows = list(csv.DictReader(io.StringIO((work / "s.csv").read_bytes().decode(), newline="")))
        self.json = json.loads((work / "s.json").read_text())
        self.svg = xml.etree.ElementTree.parse(work / "s.svg").getroot()
        self.check(test)

    def check(self, test):
        test.assertEqual(list(self.json), ["superslash", "model", "target", "range", "sweep", "knees", "timings_ms"])
        test.assertEqual(list(self.rows[0]), ["capacity_bytes", "offchip_bytes", "infeasible_layers", "saved_bytes", "layer", "layers"])
        test.assertEqual(self.svg.tag, SVG + "svg")
        range_of = self.json["range"]
        test.assertEqual(int(self.rows[0]["capacity_bytes"]), range_of["from_bytes"])
        test.assertEqual(len(self.rows), 1 + len(self.json["knees"]))
        for row, knee in zip(self.rows[1:], self.json["knees"]):
            test.assertEqual({key: value for key, value in row.items() if value}, {key: str(value) for key, value in knee.items()})
        for before, after in zip(self.rows, self.rows[1:]):
            self.check_fall(test, before, after)
        for sample in self.json["sweep"]:
            test.assertEqual(self.at(sample["capacity_bytes"]), (sample.get("offchip_bytes"), sample["infeasible_layers"]))
        test.assertEqual(self.json["sweep"][0]["capacity_bytes"], range_of["from_bytes"])
        test.assertEqual(self.json["sweep"][-1]["capacity_bytes"], range_of["to_bytes"])
        least, unfit = self.at(range_of["to_bytes"])
        test.assertEqual(range_of.get("least_bytes"), least)
        test.assertLessEqual(range_of["compulsory_bytes"], range_of["lower_bound_bytes"])
        if not unfit:
            test.assertLessEqual(range_of["lower_bound_bytes"], least)

    @staticmethod
    def check_fall(test, before, after):
        test.assertLess(int(before["capacity_bytes"]), int(after["capacity_bytes"]))
        if int(before["infeasible_layers"]):
            test.assertLess(int(after["infeasible_layers"]), int(before["infeasible_layers"]))
            test.assertEqual((before["offchip_bytes"], after["saved_bytes"]), ("", ""))
        else:
            test.assertEqual(int(before["offchip_bytes"]) - int(after["offchip_bytes"]), int(after["saved_bytes"]))
            test.assertGreater(int(after["saved_bytes"]), 0)

    def at(self, capacity):
        """Bytes (None where a layer does not fit) and how many do not."""
        row = [row for row in self.rows if int(row["capacity_bytes"]) <= capacity][-1]
        return int(row["offchip_bytes"]) if row["offchip_bytes"] else None, int(row["infeasible_layers"])

    def capacities(self, count):
        """Ends, and knees spread over the range with the byte below each."""
        knees = [int(row["capacity_bytes"]) for row in self.rows[1:]]
        some = knees[:: max(1, len(knees) // count)] + knees[-1:]
        wanted = {self.json["range"]["from_bytes"], self.json["range"]["to_bytes"], *some, *(knee - 1 for knee in some)}
        return sorted(capacity for capacity in wanted if capacity >= self.json["range"]["from_bytes"])


def explored(*arguments):
    done = subprocess.run([program.path, "explore", *map(str, arguments), "--no-fusion", "--quiet", "--json", "-"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 5), done.stderr
    report = json.loads(done.stdout)
    unfit = report["infeasible_layers"]
    return None if unfit else report["totals"]["offchip_bytes"], unfit


class Sweeps(unittest.TestCase):
    def compare(self, model, span, *options, count=12):
        sweep = Sweep(self, *model, "--on-chip", span, *options)
        for capacity in sweep.capacities(count):
            self.assertEqual(sweep.at(capacity), explored(*model, "--on-chip", capacity, *options), (model, options, capacity))
        return sweep

    def test_with_fusion_64_capacities_are_looked_at(self):
        for model in trained_models():
            with self.subTest(model=model.name):
                report = program.json("sweep", model, "--on-chip", "900:64KiB", "--quiet", "--svg", args.work / "fused.svg", "--csv", args.work / "fused.csv")
                samples, knees = report["sweep"], report["knees"]
                capacities, moved = [s["capacity_bytes"] for s in samples], [s["offchip_bytes"] for s in samples]
                self.assertEqual((report["range"]["sampled"], len(samples), capacities[0], capacities[-1]), (64, 64, 900, 65536))
                self.assertTrue(all(a < b for a, b in zip(capacities, capacities[1:])))
                self.assertTrue(all(abs(b / a - (65536 / 900) ** (1 / 63)) < 2 / a for a, b in zip(capacities, capacities[1:])))
                self.assertEqual([k["capacity_bytes"] for k in knees], [c for c, a, b in zip(capacities[1:], moved, moved[1:]) if b < a])
                self.assertEqual([k["saved_bytes"] for k in knees], [a - b for a, b in zip(moved, moved[1:]) if b < a])
                self.assertEqual(moved, sorted(moved, reverse=True))
                least = []
                for capacity in capacities[::9]:
                    least.append(program.json("explore", model, "--on-chip", capacity, "--quiet")["totals"]["offchip_bytes"])
                    self.assertLessEqual(moved[capacities.index(capacity)], min(least))
                self.assertEqual(moved[0], least[0])
                self.assertGreaterEqual(min(moved), report["range"]["compulsory_bytes"])

    def test_trained_networks_are_explored_at_each_knee(self):
        for model in trained_models() + derived_models(args.work):
            with self.subTest(model=model.name):
                self.compare([model], "16:256KiB")
                self.compare([model], "512:64KiB", "--target", "edge-npu", "--halo", "refetch")
                self.compare([model], "100:30000", "--bits", "4", "--batch", "2", "--double-buffer", "output", count=6)

    def test_published_networks(self):
        for model in make_models(args.work):
            with self.subTest(model=model.name):
                self.compare([model], "1KiB:8MiB", count=8)
                self.compare([model], "1KiB:8MiB", "--halo", "refetch", "--bits", "16", count=4)

    def test_a_table(self):
        table = args.work / "table.csv"
        table.write_text(TABLE)
        sweep = self.compare(["--layers", table], "10:2MiB", count=40)
        self.assertIsNone(sweep.json["model"])
        self.assertEqual(sweep.json["range"]["layers"], 3)
        self.assertEqual({row["layer"] for row in sweep.rows[1:]}, {'a, "b"', "wide", "<c> & d"})
        piped = subprocess.run([program.path, "sweep", "--layers", "-", "--on-chip", "10:2MiB", "--csv", "-", "--quiet"], input=TABLE, text=True,
                               capture_output=True, check=True)
        self.assertEqual(list(csv.DictReader(io.StringIO(piped.stdout, newline=""))), sweep.rows)

    def test_infeasible_capacities_are_rows(self):
        model = MODELS / "vgg.onnx"
        sweep = self.compare([model], "1:2KiB")
        fits = sweep.json["range"]["fits_bytes"]
        self.assertEqual(sweep.rows[0]["offchip_bytes"], "")
        self.assertEqual(sweep.at(fits)[1], 0)
        self.assertGreater(sweep.at(fits - 1)[1], 0)
        nowhere = Sweep(self, model, "--on-chip", f"1:{fits - 1}")
        self.assertNotIn("least_bytes", nowhere.json["range"])
        self.assertEqual(nowhere.json["range"]["fits_bytes"], fits)
        self.assertIn("fit nowhere in the range", nowhere.text)

    def test_a_single_capacity_and_the_default_range(self):
        model = MODELS / "resnet.onnx"
        one = Sweep(self, model, "--on-chip", "32KiB:32KiB")
        self.assertEqual((len(one.rows), one.at(32768)), (1, explored(model, "--on-chip", "32KiB")))
        everything = Sweep(self, model)
        self.assertEqual((everything.json["range"]["from_bytes"], everything.json["range"]["to_bytes"]), (1024, 8 << 20))

    def test_threads_do_not_matter(self):
        (model,) = make_models(args.work, ["resnet18"])
        forms = [[program.run("sweep", model, "--no-fusion", "--quiet", "--threads", threads, form, "-") for form in ("--csv", "--svg")] for threads in (1, 4)]
        self.assertEqual(forms[0], forms[1])

    def test_the_table_shows_little(self):
        (model,) = make_models(args.work, ["resnet50"])
        sweep = Sweep(self, model)
        self.assertLess(len(sweep.text.splitlines()), 60)
        self.assertGreater(len(sweep.rows), 500)
        least = sweep.json["range"]["least_bytes"]
        self.assertIn(f"least    {least:,} B", sweep.text)
        labels = [text.text for text in sweep.svg.iter(SVG + "text")]
        self.assertTrue(any(label.startswith("compulsory ") for label in labels) and "on-chip capacity" in labels, labels)
        self.assertGreater(len(list(sweep.svg.iter(SVG + "circle"))), 4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    args, rest = parser.parse_known_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program = Program(args.superslash)
    unittest.main(argv=[sys.argv[0], *rest])
