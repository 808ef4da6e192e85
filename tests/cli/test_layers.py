"""Which nodes become layers, epilogues and streams, and what each moves: small graphs with the bytes worked out by hand.

    python tests/cli/test_layers.py --superslash build/release/superslash --work DIR

Everything fits on chip unless a case says otherwise, so each operand moves once: 8-bit activations and weights, 32-bit biases.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import unittest

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

args = None


class Graph:
    """Nodes are called as their first output."""

    def __init__(self, *inputs):
        self.inputs, self.nodes, self.constants = inputs, [], []

    def constant(self, name, shape, dtype=np.float32):
        array = np.random.default_rng(len(self.constants)).normal(size=shape) if dtype == np.float32 else np.ones(shape)
        self.constants.append(numpy_helper.from_array(array.astype(dtype), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x, output, m, c, k=1, bias=False, **attributes):
        inputs = [x, self.constant(f"{output}.w", (m, c, k, k))] + ([self.constant(f"{output}.b", (m,))] if bias else [])
        return self.node("Conv", inputs, output, pads=[k // 2] * 4, **attributes)

    def norm(self, x, output, channels):
        return self.node("BatchNormalization", [x] + [self.constant(f"{output}.{part}", (channels,)) for part in ("s", "b", "m", "v")], output)

    def explore(self, output, *options, opset=17):
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in self.inputs]
        graph = helper.make_graph(self.nodes, "g", values, [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)], self.constants)
        model, report = args.work / "layers.onnx", args.work / "layers.json"
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), model)
        subprocess.run([args.superslash, "explore", model, "--json", report, "--no-fusion", *options], check=True, stdout=subprocess.DEVNULL)
        return json.loads(report.read_text())


def moved(report):
    """name -> (epilogue, input, weight, output bytes), in the order of the schedule."""
    return {layer["name"]: (layer["epilogue"], layer["input_bytes"], layer["weight_bytes"], layer["output_bytes"]) for layer in report["layers"]}


class Layers(unittest.TestCase):
    def test_a_chain_is_one_layer(self):
        g = Graph(("x", [1, 4, 8, 8]))
        g.node("Relu", [g.norm(g.conv("x", "conv", 6, 4, 3), "norm", 6)], "relu")
        g.node("MaxPool", ["relu"], "pool", kernel_shape=[2, 2], strides=[2, 2])
        self.assertEqual(moved(g.explore("pool")), {"conv": (["norm", "relu", "pool"], 4 * 64, 6 * 4 * 9 + 4 * 6, 6 * 16)})

    def test_a_pool_with_overlap_stays_alone(self):
        g = Graph(("x", [1, 4, 8, 8]))
        g.conv("x", "conv", 6, 4)
        g.node("MaxPool", ["conv"], "pool", kernel_shape=[3, 3], strides=[2, 2])
        self.assertEqual(moved(g.explore("pool")), {"conv": ([], 256, 24, 384), "pool": ([], 6 * 49, 0, 6 * 9)})

    def test_a_pool_that_costs_leaves(self):
        g = Graph(("x", [1, 64, 8, 8]))
        g.node("GlobalAveragePool", [g.conv("x", "conv", 64, 64)], "pool")
        together, apart = g.explore("pool"), g.explore("pool", "--on-chip", "260B")
        self.assertEqual([layer["epilogue"] for layer in together["layers"]], [["pool"]])
        self.assertEqual([layer["name"] for layer in apart["layers"]], ["conv", "pool"])

    def test_the_later_layer_takes_the_sum(self):
        g = Graph(("x", [1, 4, 8, 8]))
        g.node("Relu", [g.node("Add", [g.conv("x", "main", 4, 4), g.conv("x", "shortcut", 4, 4)], "sum")], "relu")
        self.assertEqual(moved(g.explore("relu")), {"main": ([], 256, 16, 256), "shortcut": (["sum", "relu"], 512, 16, 256)})

    def test_an_operand_that_stands_later_comes_first(self):
        g = Graph(("x", [1, 4, 8, 8]))
        g.conv("x", "conv", 4, 4)
        g.node("Slice", ["x", g.constant("from", (2,), np.int64), g.constant("to", (2,), np.int64), g.constant("axes", (2,), np.int64)], "slice")
        self.replace_integers(g, {"from": [0, 0], "to": [8, 8], "axes": [2, 3]})
        g.node("Add", ["conv", "slice"], "sum")
        self.assertEqual(list(moved(g.explore("sum")).items()), [("slice", ([], 256, 0, 256)), ("conv", (["sum"], 512, 16, 256))])

    @staticmethod
    def replace_integers(graph, values):
        graph.constants = [numpy_helper.from_array(np.array(values[t.name], np.int64), t.name) if t.name in values else t for t in graph.constants]

    def test_parameters_that_do_not_fold(self):
        g = Graph(("x", [1, 4, 8, 8]))
        g.node("PRelu", [g.conv("x", "conv", 6, 4, bias=True), g.constant("slope", (6, 1, 1))], "prelu")
        g.norm("prelu", "norm", 6)
        self.assertEqual(moved(g.explore("norm")), {"conv": (["prelu", "norm"], 256, 24 + 24 + 6 + 24, 384)})

    def test_two_readers_end_an_epilogue(self):
        g = Graph(("x", [1, 4, 8, 8]))
        g.node("Mul", ["conv", g.node("Sigmoid", [g.conv("x", "conv", 4, 4)], "gate")], "swish")
        self.assertEqual(moved(g.explore("swish")), {"conv": ([], 256, 16, 256), "gate": ([], 256, 0, 256), "swish": ([], 512, 0, 256)})

    def test_concat_in_place_or_not(self):
        for batch, moves in ((1, False), (2, True)):
            g = Graph(("x", [batch, 4, 8, 8]))
            g.node("Concat", [g.conv("x", "a", 4, 4), g.conv("x", "b", 4, 4)], "both", axis=1)
            self.assertEqual("both" in moved(g.explore("both")), moves)

    def test_the_unknown_is_counted_and_named(self):
        g = Graph(("x", [1, 4, 8, 8]))
        g.node("LRN", [g.conv("x", "conv", 4, 4)], "lrn", size=3)
        report = g.explore("lrn")
        self.assertEqual(moved(report)["lrn"], ([], 256, 0, 256))
        self.assertEqual([(entry["op"], entry["count"]) for entry in report["opaque"]], [("LRN", 1)])

    def test_a_matrix_product_of_activations(self):
        g = Graph(("a", [1, 2, 5, 7]), ("b", [1, 2, 7, 3]))
        g.node("MatMul", ["a", "b"], "y")
        report = g.explore("y")
        self.assertEqual(moved(report), {"y": ([], 70, 42, 30)})
        self.assertEqual({d: report["layers"][0]["dims"][d] for d in ("n", "g", "m", "c", "oh", "ow")}, dict(n=1, g=2, m=3, c=7, oh=5, ow=1))

    def test_dims_of_groups_and_batch(self):
        g = Graph(("x", [None, 8, 9, 9]))
        g.nodes.append(helper.make_node("Conv", ["x", g.constant("w", (8, 2, 3, 3))], ["y"], name="y", group=4, strides=[2, 2]))
        report = g.explore("y", "--batch", "3")
        self.assertEqual(report["layers"][0]["dims"], dict(n=3, g=4, m=2, c=2, oh=4, ow=4, kh=3, kw=3))
        self.assertEqual(moved(report), {"y": ([], 3 * 8 * 81, 144, 3 * 8 * 16)})

    def test_widths_of_the_file(self):
        g = Graph(("x", [1, 4, 8, 8]))
        scale, zero = g.constant("scale", (), np.float32), g.constant("zero", (), np.uint8)
        g.constants.append(numpy_helper.from_array(np.ones((6, 4, 1, 1), np.int8), "wq"))
        g.constants.append(numpy_helper.from_array(np.array(0, np.int8), "wz"))
        quantised = g.node("QuantizeLinear", ["x", scale, zero], "xq")
        real = g.node("DequantizeLinear", [quantised, scale, zero], "xd")
        weight = g.node("DequantizeLinear", ["wq", scale, "wz"], "wd")
        g.node("Conv", [real, weight], "conv")
        self.assertEqual(moved(g.explore("conv", "--bits", "model")), {"conv": ([], 256, 24, 4 * 384)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=1)
