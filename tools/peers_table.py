"""What `explore` finds against what other tools found for the same layers (tests/golden/peers.csv): a table for the README.

    python tools/peers_table.py build/release/superslash [PEERS.csv] [--mappings uneven]

A ratio is our bytes / theirs. One width for all operands and partial sums, one buffer, no double buffering, halo as the row says.
"""
import argparse
import collections
import csv
import json
import math
import pathlib
import subprocess
import tempfile

PEERS = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/peers.csv"
COLUMNS = ("name", "g", "m", "c", "oh", "ow", "kh", "kw", "stride", "pad")
SETTING = ("on_chip_bytes", "bits", "halo")


def explored(superslash, setting, rows, work, mappings):
    """Bytes of each row's layer, in their order."""
    on_chip_bytes, bits, halo = setting
    table, report = work / "table.csv", work / "report.json"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    subprocess.run([superslash, "explore", "--layers", table, "--json", report, "--on-chip", f"{on_chip_bytes}B", "--bits", bits,
                    "--partial-sum-bits", bits, "--halo", halo, "--double-buffer", "none", "--no-fusion", "--mappings", mappings], check=True,
                   stdout=subprocess.DEVNULL)
    return [layer["offchip_bytes"] for layer in json.loads(report.read_text())["layers"]]


def ratios(superslash, peers, mappings):
    """Our bytes / theirs, by tool."""
    groups, found = collections.defaultdict(list), collections.defaultdict(list)
    for row in csv.DictReader(peers.open()):
        groups[tuple(row[key] for key in SETTING)].append(row)
    with tempfile.TemporaryDirectory() as work:
        for setting, rows in groups.items():
            for row, ours in zip(rows, explored(superslash, setting, rows, pathlib.Path(work), mappings), strict=True):
                found[row["tool"]].append(ours / int(row["tool_bytes"]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("superslash", type=pathlib.Path)
    parser.add_argument("peers", nargs="?", type=pathlib.Path, default=PEERS)
    parser.add_argument("--mappings", choices=("plain", "uneven"), default="plain")
    args = parser.parse_args()
    print("| ours / theirs | layers | smallest | geometric mean | largest | below | equal | above |\n|---|---|---|---|---|---|---|---|")
    for tool, values in sorted(ratios(args.superslash.resolve(), args.peers, args.mappings).items()):
        mean = math.exp(sum(map(math.log, values)) / len(values))
        below, above = sum(value < 1 for value in values), sum(value > 1 for value in values)
        print(f"| {tool} | {len(values)} | {min(values):.3f} | {mean:.3f} | {max(values):.4f} | {below} | {len(values) - below - above} | {above} |")


main()
