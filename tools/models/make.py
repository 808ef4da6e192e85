"""Published networks with random weights, written by the onnx package and numpy alone.

    python tools/models/make.py FOLDER [NAME...]

Writes FOLDER/NAME.onnx for mobilenetv1, mobilenetv2, vgg16, resnet18, resnet50 (224x224), resnet56, resnet110 (CIFAR, 32x32); all of
them but vgg16 (553 MB) where no name is given. Opset 17, IR 8, batch dynamic. BatchNormalization stays a node of its own; its
statistics are measured on a few samples of a smaller plane while the graph is built, so activations stay O(1) and every output
depends on the input. The CIFAR networks have identity shortcuts (option A): Slice with steps 2, then Pad of channels.
Same name, same bytes.
"""
import argparse
import pathlib
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MEASURED_SAMPLES = 8


def windows(x, kernel, stride, pad):
    """[N, C, H, W] -> [N, C, oH, oW, kH, kW]"""
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]


def convolve(x, w, stride, pad, group):
    """x: [N, C, H, W], w: [M, C/group, kH, kW]; group is 1 or C."""
    seen = windows(x, w.shape[2], stride, pad)
    if group > 1:
        return np.einsum("nchwij,cij->nchw", seen, w[:, 0])
    n, c, oh, ow, kh, kw = seen.shape
    columns = seen.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, c * kh * kw)
    return (columns @ w.reshape(len(w), -1).T).reshape(n, oh, ow, len(w)).transpose(0, 3, 1, 2)


class Builder:
    """A graph under construction. A value is its name; `seen` holds what it is on the measured samples (nothing where not measured)."""

    def __init__(self, name, plane, measured_plane):
        self.name = name
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes, self.tensors, self.seen, self.channels = [], [], {}, {"image": 3}
        self.input = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, plane, plane])
        if measured_plane:
            coarse = self.normal((MEASURED_SAMPLES, 3, measured_plane // 8, measured_plane // 8))
            self.seen["image"] = np.kron(coarse, np.ones((8, 8), np.float32)) + self.normal((MEASURED_SAMPLES, 3, measured_plane, measured_plane))

    def normal(self, shape, scale=1.0):
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def constant(self, name, array):
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, op, name, inputs, channels, seen=None, **attributes):
        output = name + "_output"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        self.channels[output] = channels
        if self.seen:
            self.seen[output] = seen(*[self.seen[value] for value in inputs if value in self.seen])
        return output

    def conv(self, name, x, m, kernel, stride=1, pad=None, group=1, bias=False):
        pad = kernel // 2 if pad is None else pad
        c = self.channels[x] // group
        w = self.normal((m, c, kernel, kernel), np.sqrt(2 / (c * kernel * kernel)))
        inputs = [x, self.constant(name + ".weight", w)]
        if bias:
            inputs.append(self.constant(name + ".bias", self.normal(m, 0.1)))
        return self.add("Conv", name, inputs, m, lambda v: convolve(v, w, stride, pad, group), kernel_shape=[kernel] * 2, strides=[stride] * 2,
                        pads=[pad] * 4, dilations=[1, 1], group=group)

    def norm(self, name, x):
        m, v = self.channels[x], self.seen[x]
        mean, var = v.mean((0, 2, 3)), v.var((0, 2, 3)) + np.float32(1e-3)
        scale, shift = 1 + self.normal(m, 0.1), self.normal(m, 0.2)
        inputs = [x] + [self.constant(name + "." + what, value) for what, value in
                        (("scale", scale), ("shift", shift), ("mean", mean), ("var", var))]
        a = scale / np.sqrt(var + np.float32(1e-5))
        b = shift - mean * a
        return self.add("BatchNormalization", name, inputs, m, lambda v: v * a[:, None, None] + b[:, None, None], epsilon=1e-5)

    def relu(self, name, x):
        return self.add("Relu", name, [x], self.channels[x], lambda v: np.maximum(v, 0))

    def clip6(self, name, x):
        if not any(t.name == "zero" for t in self.tensors):
            self.constant("zero", np.float32(0)), self.constant("six", np.float32(6))
        return self.add("Clip", name, [x, "zero", "six"], self.channels[x], lambda v: np.clip(v, 0, 6))

    def max_pool(self, name, x, kernel, stride, pad=0):
        return self.add("MaxPool", name, [x], self.channels[x], lambda v: windows(v, kernel, stride, pad).max((4, 5)), kernel_shape=[kernel] * 2,
                        strides=[stride] * 2, pads=[pad] * 4)

    def sum(self, name, a, b):
        return self.add("Add", name, [a, b], self.channels[a], lambda v, w: v + w)

    def gemm(self, name, x, m):
        c = self.channels[x]
        w, b = self.normal((m, c), np.sqrt(2 / c)), self.normal(m, 0.1)
        return self.add("Gemm", name, [x, self.constant(name + ".weight", w), self.constant(name + ".bias", b)], m, lambda v: v @ w.T + b, transB=1)

    def flatten(self, name, x, length):
        return self.add("Flatten", name, [x], length, lambda v: v.reshape(len(v), -1), axis=1)

    def classifier(self, x, classes):
        x = self.add("GlobalAveragePool", "pool", [x], self.channels[x], lambda v: v.mean((2, 3), keepdims=True))
        return self.gemm("fc", self.flatten("flatten", x, self.channels[x]), classes)

    def finish(self, x, path):
        self.nodes[-1].output[0] = "logits"
        output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", self.channels[x]])
        graph = helper.make_graph(self.nodes, self.name, [self.input], [output], self.tensors)
        model = helper.make_model(graph, producer_name="superslash-models", ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def vgg16(path):
    b = Builder("vgg16", 224, 0)
    x = "image"
    for stage, (convs, m) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for i in range(1, convs + 1):
            x = b.relu(f"relu{stage}_{i}", b.conv(f"conv{stage}_{i}", x, m, 3, bias=True))
        x = b.max_pool(f"pool{stage}", x, 2, 2)
    x = b.flatten("flatten", x, 512 * 7 * 7)
    x = b.relu("relu6", b.gemm("fc6", x, 4096))
    x = b.relu("relu7", b.gemm("fc7", x, 4096))
    b.finish(b.gemm("fc8", x, 1000), path)


def residual_network(path, name, blocks, bottleneck):
    b = Builder(name, 224, 64)
    x = b.relu("relu1", b.norm("bn1", b.conv("conv1", "image", 64, 7, 2)))
    x = b.max_pool("maxpool", x, 3, 2, 1)
    for stage, count in enumerate(blocks, 1):
        width = 64 << (stage - 1)
        m = width * (4 if bottleneck else 1)
        for block in range(count):
            stride, p, skip = (2 if stage > 1 and block == 0 else 1), f"layer{stage}.{block}.", x
            shape = ((width, 1, 1), (width, 3, stride), (m, 1, 1)) if bottleneck else ((width, 3, stride), (m, 3, 1))
            for i, (channels, kernel, step) in enumerate(shape, 1):
                x = b.norm(f"{p}bn{i}", b.conv(f"{p}conv{i}", x, channels, kernel, step))
                x = b.relu(f"{p}relu{i}", x) if i < len(shape) else x
            if stride > 1 or b.channels[skip] != m:
                skip = b.norm(f"{p}down.bn", b.conv(f"{p}down.conv", skip, m, 1, stride))
            x = b.relu(f"{p}relu", b.sum(f"{p}add", x, skip))
    b.finish(b.classifier(x, 1000), path)


def cifar_network(path, name, blocks):
    b = Builder(name, 32, 32)
    x = b.relu("relu1", b.norm("bn1", b.conv("conv1", "image", 16, 3)))
    for stage in (1, 2, 3):
        m = 8 << stage
        for block in range(blocks):
            stride, p, skip = (2 if stage > 1 and block == 0 else 1), f"stage{stage}.{block}.", x
            x = b.relu(f"{p}relu1", b.norm(f"{p}bn1", b.conv(f"{p}conv1", x, m, 3, stride)))
            x = b.norm(f"{p}bn2", b.conv(f"{p}conv2", x, m, 3))
            if stride > 1:
                skip = option_a(b, p, skip, m)
            x = b.relu(f"{p}relu2", b.sum(f"{p}add", x, skip))
    b.finish(b.classifier(x, 10), path)


def option_a(b, p, skip, m):
    """Every second pixel, and zero channels on both sides."""
    side, channels = (m - b.channels[skip]) // 2, b.channels[skip]
    bounds = [b.constant(f"{p}slice.{what}", np.array(value, np.int64)) for what, value in
              (("starts", [0, 0]), ("ends", [2**31 - 1] * 2), ("axes", [2, 3]), ("steps", [2, 2]))]
    skip = b.add("Slice", f"{p}slice", [skip] + bounds, channels, lambda v: v[:, :, ::2, ::2])
    pads = b.constant(f"{p}pad.pads", np.array([0, side, 0, 0, 0, side, 0, 0], np.int64))
    return b.add("Pad", f"{p}pad", [skip, pads], m, lambda v: np.pad(v, ((0, 0), (side, side), (0, 0), (0, 0))), mode="constant")


def mobilenetv1(path):
    b = Builder("mobilenetv1", 224, 64)
    x = b.relu("relu0", b.norm("bn0", b.conv("conv0", "image", 32, 3, 2)))
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for i, (m, stride) in enumerate(widths, 1):
        c = b.channels[x]
        x = b.relu(f"relu{i}.dw", b.norm(f"bn{i}.dw", b.conv(f"conv{i}.dw", x, c, 3, stride, group=c)))
        x = b.relu(f"relu{i}.pw", b.norm(f"bn{i}.pw", b.conv(f"conv{i}.pw", x, m, 1)))
    b.finish(b.classifier(x, 1000), path)


def mobilenetv2(path):
    b = Builder("mobilenetv2", 224, 64)
    x = b.clip6("act0", b.norm("bn0", b.conv("conv0", "image", 32, 3, 2)))
    number = 0
    for factor, m, count, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(count):
            number += 1
            p, skip, c, stride = f"block{number}.", x, b.channels[x], first_stride if i == 0 else 1
            if factor > 1:
                x = b.clip6(f"{p}act1", b.norm(f"{p}bn1", b.conv(f"{p}expand", x, c * factor, 1)))
            x = b.clip6(f"{p}act2", b.norm(f"{p}bn2", b.conv(f"{p}depthwise", x, c * factor, 3, stride, group=c * factor)))
            x = b.norm(f"{p}bn3", b.conv(f"{p}project", x, m, 1))
            if stride == 1 and c == m:
                x = b.sum(f"{p}add", skip, x)
    x = b.clip6("act_last", b.norm("bn_last", b.conv("conv_last", x, 1280, 1)))
    b.finish(b.classifier(x, 1000), path)


NETWORKS = {
    "mobilenetv1": mobilenetv1,
    "mobilenetv2": mobilenetv2,
    "vgg16": vgg16,
    "resnet18": lambda path: residual_network(path, "resnet18", (2, 2, 2, 2), False),
    "resnet50": lambda path: residual_network(path, "resnet50", (3, 4, 6, 3), True),
    "resnet56": lambda path: cifar_network(path, "resnet56", 9),
    "resnet110": lambda path: cifar_network(path, "resnet110", 18),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", choices=[*NETWORKS, []], metavar="NAME")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.names or [n for n in NETWORKS if n != "vgg16"]:
        NETWORKS[name](args.folder / f"{name}.onnx")
        print(name, (args.folder / f"{name}.onnx").stat().st_size, "bytes", flush=True)


if __name__ == "__main__":
    main()
