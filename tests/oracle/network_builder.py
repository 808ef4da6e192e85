"""Small networks, layer by layer."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """A small network by hand; values are named as they are made."""

    def __init__(self, shape, seed=1):
        self.rng, self.nodes, self.tensors = np.random.default_rng(seed), [], []
        self.shapes, self.input = {"x": tuple(shape)}, tuple(shape)

    def constant(self, name, array):
        self.tensors.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def conv(self, x, name, m, kernel=3, stride=1, pad=None, group=1, bias=True):
        pad = kernel // 2 if pad is None else pad
        _, c, h, w = self.shapes[x]
        inputs = [x, self.constant(name + "_w", self.rng.standard_normal((m, c // group, kernel, kernel)) / (c // group * kernel * kernel) ** 0.5)]
        inputs += [self.constant(name + "_b", self.rng.standard_normal(m) / 4)] if bias else []
        self.nodes.append(helper.make_node("Conv", inputs, [name], name + "_node", kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=group))
        self.shapes[name] = (1, m, (h + 2 * pad - kernel) // stride + 1, (w + 2 * pad - kernel) // stride + 1)
        return name

    def up(self, x, name, m, kernel=3, stride=2, pad=1, group=1):
        """ConvTranspose"""
        _, c, h, w = self.shapes[x]
        weight = self.constant(name + "_w", self.rng.standard_normal((c, m // group, kernel, kernel)) / (c * kernel) ** 0.5)
        inputs = [x, weight, self.constant(name + "_b", self.rng.standard_normal(m) / 4)]
        self.nodes.append(helper.make_node("ConvTranspose", inputs, [name], name + "_node", kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=group))
        self.shapes[name] = (1, m, (h - 1) * stride - 2 * pad + kernel, (w - 1) * stride - 2 * pad + kernel)
        return name

    def op(self, op, inputs, name, shape=None, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name + "_node", **attributes))
        self.shapes[name] = shape or self.shapes[inputs[0]]
        return name

    def pool(self, x, name, kernel=2, stride=2, pad=0, op="MaxPool"):
        shape = self.shapes[x][:2] + tuple((v + 2 * pad - kernel) // stride + 1 for v in self.shapes[x][2:])
        return self.op(op, [x], name, shape, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def model(self, *outputs):
        values = [helper.make_tensor_value_info(o, TensorProto.FLOAT, ["N", *self.shapes[o][1:]]) for o in outputs]
        graph = helper.make_graph(self.nodes, "by_hand", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.input[1:]])], values, self.tensors)
        return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)])
