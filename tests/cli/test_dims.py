"""Layers of one, two and three spatial dims, whole networks of them: Conv, ConvTranspose, pools lone and merged, depthwise, BatchNormalization.

    python tests/cli/test_dims.py --superslash PATH --work DIR [--graphs 60] [--seed 1]

For each small network: the schedule that is written is executed by tests/oracle/machine.py, read back by
--from-annotations, and explained; the JSON has od and kd in 3-D alone; channels that are removed equal channels zeroed.
Exit 0, or 1 after a line per failure.
"""
import argparse
import collections
import json
import pathlib
import random
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from program import Failed, Program

import test_schedule
import test_zeroing
from test_from_annotations import difference

AMOUNTS = ("300", "600", "1500", "4KiB")
NOT_MET = 5


class Network:
    """[1, C, spatial...] from layer to layer."""

    def __init__(self, axes, seed):
        self.axes, self.pick, self.rng = axes, random.Random(seed), numpy.random.default_rng(seed)
        self.nodes, self.tensors, self.counts = [], [], collections.Counter()
        self.plane = [self.pick.randint(*{1: (9, 40), 2: (5, 12), 3: (3, 7)}[axes]) for _ in range(axes)]
        self.channels, self.value = self.pick.randint(2, 5), "x"
        self.shape = [1, self.channels, *self.plane]

    def constant(self, shape, around=0.0):
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array((around + 0.4 * self.rng.standard_normal(shape)).astype(numpy.float32), name))
        return name

    def add(self, op, inputs, **attributes):
        self.counts[op] += 1
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.value, *inputs], [output], name=f"{op}{len(self.nodes)}", **attributes))
        self.value = output

    def numbers(self, low, high):
        return [self.pick.randint(low, high) for _ in range(self.axes)]

    def window(self, kernel, strides, dilations, pads):
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
        plane = [(p + 2 * q - e) // s + 1 for p, q, e, s in zip(self.plane, pads, spans, strides)]
        return plane if min(plane) >= 1 and min(p + 2 * q - e for p, q, e in zip(self.plane, pads, spans)) >= 0 else None

    def conv(self, depthwise=False):
        kernel, strides, dilations = self.numbers(1, 3), self.numbers(1, 2), self.numbers(1, 2)
        pads = [self.pick.randint(0, (k - 1) * d) for k, d in zip(kernel, dilations)]
        plane = self.window(kernel, strides, dilations, pads)
        if not plane:
            return
        group = self.channels if depthwise else 1
        m = self.channels if depthwise else self.pick.randint(3, 8)
        inputs = [self.constant((m, self.channels // group, *kernel))] + ([self.constant((m,))] if self.pick.random() < 0.5 else [])
        self.add("Conv", inputs, kernel_shape=kernel, strides=strides, dilations=dilations, pads=pads * 2, group=group)
        self.plane, self.channels = plane, m

    def spread(self):
        kernel, strides, dilations, extra = self.numbers(1, 3), self.numbers(1, 3), self.numbers(1, 2), [0] * self.axes
        extra = [self.pick.randint(0, s - 1) if self.pick.random() < 0.4 else 0 for s in strides]
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
        begin, end = ([self.pick.randint(0, e // 2) for e in spans] for _ in range(2))
        plane = [(p - 1) * s + x + e - b - f for p, s, x, e, b, f in zip(self.plane, strides, extra, spans, begin, end)]
        if min(plane) < 1 or numpy.prod(plane) > 400:
            return
        m = self.pick.randint(3, 6)
        options = {"output_padding": extra} if any(extra) else {}
        grows = all(a >= b for a, b in zip(plane, self.plane))  # where it does not, onnx's inference loses a dim
        options |= {"output_shape": plane} if grows and self.pick.random() < 0.4 else {"pads": begin + end}
        self.add("ConvTranspose", [self.constant((self.channels, m, *kernel))], kernel_shape=kernel, strides=strides, dilations=dilations, **options)
        self.plane, self.channels = plane, m

    def pool(self, merged):
        kernel = self.numbers(2, 3)
        strides, pads = (kernel, [0] * self.axes) if merged else (self.numbers(1, 2), [self.pick.randint(0, k // 2) for k in kernel])
        plane = self.window(kernel, strides, [1] * self.axes, pads)
        if plane:
            self.add(self.pick.choice(("MaxPool", "AveragePool")), [], kernel_shape=kernel, strides=strides, pads=pads * 2)
            self.plane = plane

    def norm(self):
        self.add("BatchNormalization", [self.constant((self.channels,), a) for a in (1.0, 0.0, 0.0)] + [self.variance()])

    def variance(self):
        name = self.constant((self.channels,))
        self.tensors[-1].CopyFrom(numpy_helper.from_array(numpy.abs(numpy_helper.to_array(self.tensors[-1])) + 0.5, name))
        return name

    def model(self):
        for _ in range(self.pick.randint(2, 5)):
            self.pick.choice((self.conv, self.conv, self.spread, lambda: self.conv(True), lambda: self.pool(False)))()
            if self.pick.random() < 0.3:
                self.norm()
            if self.pick.random() < 0.6:
                self.add("Relu", [])
            if self.pick.random() < 0.3:
                self.pool(True)
        self.conv()
        if self.pick.random() < 0.5:
            self.add("GlobalAveragePool", [])
        x, y = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape), helper.make_tensor_value_info(self.value, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "g", [x], [y], self.tensors)
        return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8))


def check_dims(report, axes):
    """The loops' names, and MACs of what stands in the layer's dims."""
    for layer in report["layers"]:
        dims = layer.get("dims")
        if dims is None:
            continue
        volume = {"od", "kd"} <= set(dims)
        if volume and axes < 3 or ({"od", "kd"} & set(dims) and not volume):
            raise ValueError(f"{layer['name']}: dims {dims} of a network of {axes}")
        if axes == 1 and (dims["ow"] != 1 or dims["kw"] != 1):
            raise ValueError(f"{layer['name']}: dims {dims} of a network of one")
        if layer["op"] == "Conv" and layer["macs"] != int(numpy.prod(list(dims.values()))):
            raise ValueError(f"{layer['name']}: {layer['macs']} MACs, dims {dims}")
        loops = {loop["dim"] for loop in layer.get("mapping", {}).get("loops", ())}
        if not loops <= set(dims):
            raise ValueError(f"{layer['name']}: loops over {loops}, dims {dims}")


def check_network(program, work, axes, seed, counts):
    network = Network(axes, 1000 * axes + seed)
    path, out = work / f"dims-{axes}-{seed}.onnx", work / "dims-out.onnx"
    report_path = out.with_suffix(".json")
    model = network.model()
    onnx.save(model, str(path))
    counts.update(network.counts)
    halo, amount = ("reuse", "refetch")[seed % 2], AMOUNTS[seed % len(AMOUNTS)]
    try:
        program.run("explore", path, "-o", out, "--json", report_path, "--quiet", "--no-fusion", "--on-chip", amount, "--halo", halo)
        report = json.loads(report_path.read_text(encoding="utf-8"))
        test_schedule.check(out, report)
        check_dims(report, axes)
        problem = difference(report, program.json("explore", out, "--from-annotations"))
        if problem:
            raise ValueError(problem)
        for layer in report["layers"]:
            for fusion in ((), ("--no-fusion",)):
                program.run("explore", path, "--explain", layer["name"], "--on-chip", amount, *fusion)
        counts["tiled"] += sum(bool(layer.get("mapping", {}).get("loops")) for layer in report["layers"])
        counts["fit"] += 1
    except Failed as problem:
        if problem.code != NOT_MET:
            raise
    if test_zeroing.by_quarter(program, path, model, work, seed) is not None:
        counts["pruned"] += 1
    path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--graphs", type=int, default=60, help="of each number of dims")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    program, failures = Program(args.superslash), 0
    for axes in (1, 2, 3):
        counts = collections.Counter()
        for seed in range(args.seed, args.seed + args.graphs):
            try:
                check_network(program, args.work, axes, seed, counts)
            except Exception as problem:  # every failure is told, none ends the run
                failures += 1
                print(f"FAILED {axes} dims, seed {seed}: {type(problem).__name__}: {problem}", flush=True)
        print(f"{args.graphs} networks of {axes} dims from seed {args.seed}: {', '.join(f'{k} {v}' for k, v in sorted(counts.items()))}", flush=True)
        if counts["fit"] * 4 < args.graphs * 3 or counts["pruned"] * 2 < args.graphs or counts["ConvTranspose"] * 4 < args.graphs:
            failures += 1
            print(f"FAILED: too few networks of {axes} dims fit, are pruned or have a ConvTranspose")
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
