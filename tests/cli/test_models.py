"""The published cost models through the program: golden totals, layers of models, what does not fit, what is refused.

    python tests/cli/test_models.py --superslash build/release/superslash --work DIR
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys
import unittest

from program import MODELS, make_models

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
KINDS = ("iro_bytes", "oro_bytes", "wro_bytes", "rule_bytes", "min_bytes")
PARTS = ("input_bytes", "weight_bytes", "output_bytes", "partial_sum_bytes")
args = None


def run(*words, code=0):
    done = subprocess.run([args.superslash, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, f"{' '.join(map(str, words))}: exit {done.returncode}, {done.stderr}"
    return done


def explored(source, model, *options, code=0):
    source = source if isinstance(source, list) else ["--layers", source]
    return json.loads(run("explore", *source, "--cost-model", model, *options, "--json", "-", "--quiet", code=code).stdout)


def rows(name):
    return list(csv.DictReader((GOLDEN / name).open()))


class Published(unittest.TestCase):
    def table(self, text):
        path = args.work / "table.csv"
        path.write_text(text)
        return path

    def check_sums(self, report):
        """Layers add up to the totals, parts to the whole; no mapping, no group."""
        layers = [layer for layer in report["layers"] if "infeasible" not in layer]
        totals = report["totals"]
        for key in (*KINDS, *PARTS, "offchip_bytes"):
            if key in totals:
                self.assertAlmostEqual(sum(layer[key] for layer in layers), totals[key], delta=1e-12 * totals[key])
        for costs in (totals, *layers):
            self.assertAlmostEqual(sum(costs[part] for part in PARTS), costs["offchip_bytes"], delta=1e-12 * costs["offchip_bytes"])
            self.assertEqual(costs["min_bytes"], costs["offchip_bytes"])
        for layer in layers:
            self.assertEqual(layer["offchip_bytes"], layer[f"{layer['strategy']}_bytes"])
            self.assertEqual(layer["tile"], layer[f"{layer['strategy']}_tile"])
            self.assertEqual(set(layer["tile"]), {"m", "c", "oh", "ow"})
        self.assertEqual(sorted(layer["rank"] for layer in layers), list(range(1, len(layers) + 1)))
        self.assertFalse(any("mapping" in layer or "group" in layer for layer in report["layers"]))
        self.assertEqual(report["groups"], [])

    def test_superslash_to_the_byte(self):
        for row in rows("superslash.csv"):
            report = explored(GOLDEN / f"tables/{row['table']}.csv", "superslash", "--on-chip", row["on_chip_bytes"] + "B")
            for kind in KINDS:
                self.assertEqual(report["totals"][kind], int(row[kind]), row)
                self.assertIsInstance(report["totals"][kind], int)
            self.assertEqual(report["target"]["bits"], {"activation": 16, "weight": 16, "partial_sum": 16})
            self.check_sums(report)

    def test_smartshuttle_as_published(self):
        reports = {}
        for row in rows("smartshuttle-vgg16.csv"):
            mem = row["mem_kib_elements"]
            for bits in (8, 16):
                if (mem, bits) not in reports:
                    reports[mem, bits] = explored(GOLDEN / "tables/vgg16-smartshuttle.csv", "smartshuttle", "--bits", bits, "--on-chip",
                                                  f"{int(mem) * bits // 8}KiB")
                    self.check_sums(reports[mem, bits])
                (layer,) = [layer for layer in reports[mem, bits]["layers"] if layer["name"] == row["layer"]]
                volume = layer["offchip_bytes"] / (bits // 8) / 2**20
                self.assertAlmostEqual(volume, float(row["optimum_mi_elements"]), delta=1e-4)
                self.assertLessEqual(volume, float(row["published_mi_elements"]) + 0.005)
                self.assertNotIn("rule", layer)

    def test_fractions_are_kept(self):
        report = explored(self.table("m,c,oh,ow,kh,kw,pool\n5,3,7,7,3,3,3\n"), "superslash")
        self.assertAlmostEqual(report["totals"]["output_bytes"], 2 * 5 * 49 / 9, delta=1e-12)
        text = run("explore", "--layers", args.work / "table.csv", "--cost-model", "superslash").stdout
        self.assertIn("619 B", text)  # 294 + 270 + 54.4, rounded up

    def test_vgg16_as_a_model(self):
        """The convolutions of the model are the rows of the table, pools merged."""
        (model,) = make_models(args.work, ["vgg16"])
        made = explored([model], "superslash", "--on-chip", "128KiB")
        self.check_sums(made)
        convolutions = [layer for layer in made["layers"] if layer["op"] == "Conv"]
        listed = explored(GOLDEN / "tables/vgg16-imagenet.csv", "superslash", "--on-chip", "128KiB")["layers"][:13]
        self.assertEqual(len(made["layers"]), 16)
        for ours, row in zip(convolutions[:12], listed):
            self.assertEqual([ours[kind] for kind in KINDS], [row[kind] for kind in KINDS], ours["name"])

    def test_groups_and_images_one_after_another(self):
        """Depthwise layers of a model are g layers of one channel; n images n times as much."""
        for model in ("superslash", "smartshuttle"):
            made = explored([MODELS / "mobilenet.onnx"], model, "--on-chip", "2KiB")
            self.check_sums(made)
            depthwise = [layer for layer in made["layers"] if layer["dims"]["g"] > 1]
            self.assertGreater(len(depthwise), 4)
            for layer in depthwise:
                d = layer["dims"]
                stride = 2 if "/1/" in layer["name"] or "/5/" in layer["name"] else 1
                row = f"m,c,oh,ow,kh,kw,stride\n1,1,{d['oh']},{d['ow']},{d['kh']},{d['kw']},{stride}\n"
                one = explored(self.table(row), model, "--on-chip", "2KiB")["totals"]
                for kind in KINDS[:3]:
                    self.assertAlmostEqual(layer[kind], d["g"] * one[kind], delta=1e-9 * layer[kind], msg=layer["name"])
        one, three = (explored(self.table(f"n,m,c,oh,ow,kh,kw\n{n},32,16,14,14,3,3\n"), "superslash", "--on-chip", "1KiB") for n in (1, 3))
        self.assertEqual([3 * one["totals"][kind] for kind in KINDS], [three["totals"][kind] for kind in KINDS])

    def test_what_does_not_fit(self):
        table = self.table("name,m,c,oh,ow,kh,kw,pool\na,8,8,8,8,5,5,2\nb,8,8,8,8,1,1,1\n")
        report = explored(table, "superslash", "--on-chip", "52B", code=5)
        self.check_sums(report)
        self.assertEqual(report["infeasible_layers"], 1)
        first, second = report["layers"]
        self.assertEqual(first["infeasible"], {"demand_bytes": 53, "capacity_bytes": 52, "short_bytes": 1, "input_bytes": 2, "weight_bytes": 50,
                                               "output_bytes": 1, "smallest_capacity_bytes": 53})
        self.assertNotIn("offchip_bytes", first)
        self.assertEqual(second["rank"], 1)
        explored(table, "superslash", "--on-chip", "53B")
        report = explored(table, "smartshuttle", "--on-chip", "50B", code=5)
        self.assertEqual(report["layers"][0]["infeasible"]["demand_bytes"], 51)
        explored(table, "smartshuttle", "--on-chip", "51B")
        explored(table, "smartshuttle", "--on-chip", "1KiB", "--at-most", "1KiB", code=5)
        explored(table, "smartshuttle", "--on-chip", "1KiB", "--at-most", "1MiB")

    def test_threads(self):
        def without_times(report):
            return {key: value for key, value in report.items() if key != "timings_ms"}
        for model in ("superslash", "smartshuttle"):
            one, many = (explored([MODELS / "vgg.onnx"], model, "--on-chip", "4KiB", "--threads", n) for n in (1, 7))
            self.assertEqual(without_times(one), without_times(many))

    def test_what_is_refused(self):
        vgg, out = MODELS / "vgg.onnx", args.work / "never.onnx"
        out.unlink(missing_ok=True)
        for model in ("superslash", "smartshuttle"):
            for words, code, message in (
                    (["explore", vgg, "-o", out], 2, "makes none"),
                    (["optimize", vgg, "-o", out, "--offchip", "-30%"], 4, "optimize: cost_model"),
                    (["inspect", vgg], 4, "inspect: cost_model"),
                    (["compare", vgg, vgg], 4, "compare: cost_model"),
                    (["explore", vgg, "--on-chip", "input=8KiB,weight=8KiB,output=8KiB"], 2, "one memory"),
                    (["explore", vgg, "--double-buffer", "input"], 2, "no double buffering"),
                    (["explore", vgg, "--bits", "model"], 2, "one width"),
                    (["explore", vgg, "--weight-bits", "4"], 2, "--weight-bits 4"),
                    (["explore", vgg, "--halo", "reuse"], 2, "--halo"),
                    (["explore", vgg, "--explain", "/2/2.0/Conv"], 2, "--explain: cost_model"),
                    (["explore", "--layers", GOLDEN / "tables/lenet-mnist.csv", "--explain", "L1"], 2, "--explain: cost_model"),
                    (["explore", vgg, "--target", "plain", "--from-annotations"], 2, "has no schedule")):
                self.assertIn(message, run(*words, "--cost-model", model, code=code).stderr)
        self.assertIn("--bits 8", run("explore", vgg, "--cost-model", "superslash", "--bits", "8", code=2).stderr)
        self.assertFalse(out.exists())
        run("explore", vgg, "-o", out, "--cost-model", "superslash", "--no-annotations", "--json", args.work / "vgg.json")
        self.assertEqual(out.read_bytes(), vgg.read_bytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=1)
