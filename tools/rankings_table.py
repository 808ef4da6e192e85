#!/usr/bin/env python3
"""Rankings beside each other at the same bytes, channel order and recovery: KL divergence as a table, accuracy as a plot.

    build/venv/bin/python tools/rankings_table.py --superslash build/release/superslash --csv rankings.csv --svg rankings.svg [--cuts 30,50] [--draws 2]
                          [--networks vgg,resnet] [--aside] [-- --no-fusion --on-chip 32KiB]

Images, draws and what follows -- as in accuracy_table.py. A row of the CSV is one run; rows that are there are not run again, so more draws can be added.
"""
import argparse
import csv
import pathlib
import sys
import tempfile

import numpy as np

from accuracy_table import MODELS, idx, judge_of, mean_and_error, prune

RANKINGS = {"marginal": "#0b61a4", "uniform": "#7f7f7f", "magnitude": "#d1882c", "params": "#2b8a3e", "macs": "#9c36b5", "volume": "#c92a2a"}
COLUMNS = ("network", "cut", "ranking", "draw", "accuracy_original", "points_lost", "divergence")
PANEL, LEFT, TOP, WIDE, HIGH = 300, 46, 26, 230, 200  # px


def measure(args, judge, images, network, cut, ranking, seed, folder):
    model = MODELS / f"{network}.onnx"
    points, nats = judge.compare(model, prune(args, images, model, cut, ranking, seed, folder))
    return dict(zip(COLUMNS, (network, cut, ranking, seed, judge.accuracy(judge.original(model)), points, nats)))


def read(path):
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: value if key in ("network", "ranking") else float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def run(args):
    """All runs, those of the file first; each is written as soon as it is there."""
    rows = read(args.csv)
    done = {(row["network"], row["cut"], row["ranking"], row["draw"]) for row in rows}
    images = idx("train-images")
    judge = judge_of(args.aside, images)
    wanted = [(network, cut, ranking, seed) for seed in range(1, args.draws + 1) for network in args.networks for cut in args.cuts for ranking in RANKINGS]
    with tempfile.TemporaryDirectory() as name, args.csv.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        for network, cut, ranking, seed in wanted:
            if (network, float(cut), ranking, float(seed)) in done:
                continue
            writer.writerow(measure(args, judge, images, network, cut, ranking, seed, pathlib.Path(name)))
            file.flush()
    return read(args.csv)


def chosen(rows, network, cut, ranking, column):
    return [row[column] for row in rows if (row["network"], row["cut"], row["ranking"]) == (network, float(cut), ranking)]


def cell(mean, error):
    return f"{mean:.4f}" if np.isnan(error) else f"{mean:.4f} +- {error:.4f}"


def print_table(args, rows):
    print("| network | bytes | " + " | ".join(RANKINGS) + " |\n|---|---|" + "---|" * len(RANKINGS))
    ratios = []
    for network in args.networks:
        for cut in args.cuts:
            found = {ranking: mean_and_error(chosen(rows, network, cut, ranking, "divergence")) for ranking in RANKINGS}
            print(f"| {network} | -{cut} % | " + " | ".join(cell(*numbers) for numbers in found.values()) + " |")
            ratios.append(found["marginal"][0] / min(mean for ranking, (mean, _) in found.items() if ranking != "marginal"))
    print(f"marginal against the best of the others in each cell: {100 * (1 - np.mean(ratios)):.0f} % lower on average")


def panel(rows, network, cuts, at):
    """One network: accuracy in percent against the bytes left in percent."""
    original = next(row["accuracy_original"] for row in rows if row["network"] == network)
    lines = {ranking: [(100, original)] + [(100 - int(cut), original - np.mean(chosen(rows, network, cut, ranking, "points_lost"))) for cut in cuts]
             for ranking in RANKINGS}
    low = np.floor(min(y for line in lines.values() for _, y in line))
    least, top = 100 - int(cuts[-1]), np.ceil(original)
    place = lambda x, y: (at + LEFT + (x - least) / (100 - least) * WIDE, TOP + (top - y) / (top - low) * HIGH)
    parts = [f'<rect x="{at + LEFT}" y="{TOP}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#999"/>',
             f'<text x="{at + LEFT + WIDE / 2}" y="{TOP - 8}" text-anchor="middle">{network}</text>']
    for x in (100, *(100 - int(cut) for cut in cuts)):
        parts.append(f'<text x="{place(x, low)[0]:.1f}" y="{TOP + HIGH + 15}" text-anchor="middle">{x} %</text>')
    for y in (low, top):
        parts.append(f'<text x="{at + LEFT - 4}" y="{place(100, y)[1] + 4:.1f}" text-anchor="end">{y:.0f} %</text>')
    for ranking, line in lines.items():
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{RANKINGS[ranking]}" stroke-width="{2.5 if ranking == "marginal" else 1.2}"/>')
    return parts


def draw_plot(args, rows):
    wide, high = PANEL * len(args.networks), TOP + HIGH + 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="11">',
             '<rect width="100%" height="100%" fill="#fff"/>']
    for i, network in enumerate(args.networks):
        parts += panel(rows, network, args.cuts, i * PANEL)
    for i, (ranking, colour) in enumerate(RANKINGS.items()):
        parts.append(f'<text x="{LEFT + i * 90}" y="{high - 10}" fill="{colour}">{ranking}</text>')
    parts.append(f'<text x="{wide - 14}" y="{high - 10}" text-anchor="end" fill="#555">accuracy against off-chip bytes left</text></svg>')
    args.svg.write_text("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--csv", type=pathlib.Path, required=True)
    parser.add_argument("--svg", type=pathlib.Path)
    parser.add_argument("--networks", type=lambda text: text.split(","), default=["vgg", "resnet", "mobilenet"])
    parser.add_argument("--cuts", type=lambda text: text.split(","), default=["30", "50"])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--aside", action="store_true")
    parser.add_argument("options", nargs="*", default=["--no-fusion", "--on-chip", "32KiB"])
    args = parser.parse_args()
    rows = run(args)
    print_table(args, rows)
    if args.svg:
        draw_plot(args, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
