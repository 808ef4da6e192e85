"""Writes the named bad models, each from a trained network or by hand, and says how each must end.

    make_malformed.py FOLDER

CASES: name -> exit code of explore, inspect and optimize, or a dict by command where they differ; a tuple = any of these.
"""
import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

NETWORKS = pathlib.Path(__file__).resolve().parents[1] / "models"
INVALID, UNSUPPORTED, UNMET, IO, LIMIT = 3, 4, 5, 6, 7
CASES = {}


def case(expected, name=None):
    """Registers a maker: it returns bytes or a ModelProto, or writes its files itself into the folder given and returns None."""
    def register(maker):
        CASES[name or maker.__name__.replace("_", "-")] = (expected, maker)
        return maker
    return register


# ---- small pieces ----

def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def wrapped(graph):
    return b"\x08\x08" + field(7, graph) + field(8, b"\x10\x11")


def network(name="mobilenet"):
    return onnx.load(NETWORKS / f"{name}.onnx")


def weight(shape, name="w"):
    return numpy_helper.from_array(numpy.ones(shape, numpy.float32), name)


def one(op, shapes, weights=(), opset=17, outputs=("y",), name="n", inputs=None, **attributes):
    """A model of one node; the weights' initializers follow its inputs."""
    names = [f"x{i}" for i in range(len(shapes))] + [w.name for w in weights]
    node = helper.make_node(op, names if inputs is None else inputs, list(outputs), name=name, **attributes)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, s) for i, s in enumerate(shapes)],
                              [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs], list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def conv(**attributes):
    return one("Conv", [[1, 4, 8, 8]], [weight([6, 4, 3, 3])], **attributes)


def pool(**attributes):
    return one("MaxPool", [[1, 4, 8, 8]], **attributes)


def set_attribute(model, attribute):
    model.graph.node[0].attribute.append(attribute)
    return model


# ---- files ----

case(INVALID, "empty")(lambda: b"")
case(INVALID, "text")(lambda: b"this is not a model\n" * 40)
case(INVALID, "zip-of-a-checkpoint")(lambda: b"PK\x03\x04" + bytes(400))
case(INVALID, "json")(lambda: b'{"ir_version": 8, "graph": {}}')
case(INVALID, "zeros")(lambda: bytes(4096))
case(INVALID, "no-graph")(lambda: b"\x08\x08\x12\x04test")
case(INVALID, "group-wire-type")(lambda: wrapped(b"\x0b\x0c"))
case(INVALID, "group-end-alone")(lambda: b"\x08\x08\x3c")
case(INVALID, "wire-type-7")(lambda: b"\x08\x08\x3f")
case(INVALID, "field-number-0")(lambda: b"\x08\x08\x02\x00")
case(INVALID, "varint-of-11-bytes")(lambda: b"\x08" + b"\xff" * 10 + b"\x01")
case(INVALID, "varint-above-64-bits")(lambda: b"\x08" + b"\xff" * 9 + b"\x7f")
case(INVALID, "length-beyond-the-end")(lambda: b"\x08\x08\x3a" + varint(2**40))
case(INVALID, "length-near-2-64")(lambda: b"\x08\x08\x3a" + varint(2**64 - 1) + b"\x0a\x00")
case(INVALID, "number-as-text")(lambda: b"\x0a\x04four" + field(7, b""))
case(INVALID, "text-with-nul")(lambda: wrapped(field(1, field(1, b"x\0y") + field(2, b"z") + field(4, b"Relu"))))
case(INVALID, "graphs-40000")(lambda: b"\x08\x08" + b"\x3a\x00" * 40000)
case((0, INVALID, LIMIT), "attributes-2-million")(lambda: wrapped(
    field(1, field(1, b"x") + field(2, b"y") + field(4, b"Relu") + b"\x2a\x00" * 2_000_000) + field(11, field(1, b"x")) + field(12, field(1, b"y"))))


def nested(levels):
    """graph.node.attribute.g.node.attribute...: three messages a level."""
    body = b""
    for _ in range(levels // 3):
        body = field(1, field(5, field(6, body)))
    return wrapped(body)


case(INVALID, "nested-102")(lambda: nested(102))
case(INVALID, "nested-9000")(lambda: nested(9000))


def register_truncations():
    data = (NETWORKS / "mobilenet.onnx").read_bytes()
    for i in range(40):
        at = 3 + (len(data) - 100) * i * i // (40 * 40)
        case(INVALID, f"truncated-at-{at}")(lambda at=at: data[:at])


register_truncations()


# ---- the graph ----

@case(INVALID)
def missing_tensor():
    model = network()
    del model.graph.initializer[3]
    return model


@case(INVALID)
def cycle():
    model = network()
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]
    return model


@case(INVALID)
def output_nobody_makes():
    model = network()
    model.graph.output[0].name = "nowhere"
    return model


@case(INVALID)
def duplicate_node_output():
    model = network()
    model.graph.node[5].output[0] = model.graph.node[2].output[0]
    return model


@case(INVALID)
def output_twice_in_one_node():
    return one("MaxPool", [[1, 4, 8, 8]], outputs=("y", "y"), kernel_shape=[2, 2])


@case(INVALID)
def duplicate_initializer():
    model = network()
    model.graph.initializer.append(model.graph.initializer[0])
    return model


@case(INVALID)
def duplicate_input():
    model = network()
    model.graph.input.append(model.graph.input[0])
    return model


@case(INVALID)
def node_makes_an_input():
    model = network()
    model.graph.node[4].output[0] = model.graph.input[0].name
    return model


@case(INVALID)
def initializer_without_name():
    model = network()
    model.graph.initializer[0].name = ""
    return model


# ---- tensors ----

@case(INVALID)
def negative_dim_of_a_weight():
    model = network()
    model.graph.initializer[0].dims[0] = -24
    return model


@case(INVALID)
def negative_dim_of_an_input():
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = -28
    return model


@case(INVALID)
def dims_whose_product_overflows():
    model = network()
    model.graph.initializer[0].dims[:] = [2**32, 2**31, 3, 3]
    return model


@case(INVALID)
def bits_that_overflow():
    model = network()
    model.graph.initializer[0].dims[:] = [2**60]
    return model


case((INVALID, LIMIT), "input-dims-overflow")(lambda: one("Relu", [[1, 2**40, 2**40, 2**40]]))
case((INVALID, LIMIT), "sum-of-dims-overflows")(lambda: one("Concat", [[1, 2**56]] * 140, axis=1))


@case(INVALID)
def raw_data_too_short():
    model = network()
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    return model


@case(INVALID)
def raw_data_too_long():
    model = network()
    model.graph.initializer[0].raw_data += b"\0"
    return model


@case(INVALID)
def no_data_at_all():
    model = network()
    model.graph.initializer[0].ClearField("raw_data")
    return model


@case(INVALID)
def typed_data_too_few():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[6, 4, 3, 3], float_data=[1.0] * 5)
    return one("Conv", [[1, 4, 8, 8]], [tensor])


# ---- external data ----

def external(expected, name, location, offset="0", length="864", data=bytes(864)):
    def maker(folder):
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[6, 4, 3, 3], data_location=TensorProto.EXTERNAL)
        entries = {"location": location, "offset": offset, "length": length}
        tensor.external_data.extend(onnx.StringStringEntryProto(key=k, value=v) for k, v in entries.items() if v is not None)
        model = one("Conv", [[1, 4, 8, 8]], [tensor])
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
        if data is not None:
            (folder / f"{name}.bin").write_bytes(data)
    maker.writes_files = True
    case(expected, name)(maker)


external(INVALID, "external-parent", "../external-parent.bin")
external(INVALID, "external-parent-inside", "sub/../../x.bin")
external(INVALID, "external-absolute", "/etc/hostname")
external(INVALID, "external-link", "link-out.bin", data=None)
external(INVALID, "external-too-short", "external-too-short.bin", data=bytes(800))
external(INVALID, "external-length-and-dims", "external-length-and-dims.bin", length="800")
external(INVALID, "external-offset-beyond", "external-offset-beyond.bin", offset="865")
external(INVALID, "external-sum-wraps", "external-sum-wraps.bin", offset=str(2**64 - 100))
external(INVALID, "external-negative-offset", "external-negative-offset.bin", offset="-4")
external(INVALID, "external-offset-text", "external-offset-text.bin", offset="start")
external(INVALID, "external-no-location", None)
external(INVALID, "external-empty-location", "")
external(INVALID, "external-folder-itself", ".")
external({"explore": 0, "inspect": 0, "optimize": (INVALID, UNSUPPORTED, UNMET, IO)}, "external-missing", "nowhere.bin", data=None)


@case({"explore": 0, "inspect": 0, "optimize": (INVALID, UNSUPPORTED, IO)})
def external_missing_of_a_network():
    """Shapes are all that exploring needs; pruning needs the numbers."""
    model = network()
    for tensor in model.graph.initializer:
        tensor.external_data.add(key="location", value="nowhere.bin")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
    return model


# ---- nodes ----

case(INVALID, "conv-one-input")(lambda: one("Conv", [[1, 4, 8, 8]]))
case(INVALID, "conv-weight-left-out")(lambda: one("Conv", [[1, 4, 8, 8]], inputs=["x0", ""]))
case(INVALID, "relu-two-inputs")(lambda: one("Relu", [[1, 4], [1, 4]]))
case(INVALID, "add-one-input")(lambda: one("Add", [[1, 4]]))
case(INVALID, "relu-no-output")(lambda: one("Relu", [[1, 4]], outputs=()))
case(INVALID, "pads-one-int")(lambda: conv(pads=1))
case(INVALID, "pads-floats")(lambda: conv(pads=[1.0, 1.0, 1.0, 1.0]))
case(INVALID, "pads-three")(lambda: conv(pads=[1, 1, 1]))
case(INVALID, "pads-negative")(lambda: conv(pads=[-1, 0, 0, 0]))
case(INVALID, "pads-tensor")(lambda: conv(pads=weight([4], "")))
case(INVALID, "pads-empty-type")(lambda: set_attribute(conv(), onnx.AttributeProto(name="pads", type=onnx.AttributeProto.TENSOR)))
case(INVALID, "group-float")(lambda: conv(group=1.0))
case(INVALID, "group-0")(lambda: conv(group=0))
case(INVALID, "group-negative")(lambda: conv(group=-2))
case(INVALID, "group-that-does-not-divide")(lambda: one("Conv", [[1, 16, 8, 8]], [weight([6, 4, 3, 3])], group=4))
case(INVALID, "group-huge")(lambda: one("Conv", [[1, 4, 8, 8]], [weight([0, 4, 3, 3])], group=2**62))
case(INVALID, "strides-0")(lambda: conv(strides=[0, 1]))
case(INVALID, "strides-negative")(lambda: conv(strides=[-1, 1]))
case((INVALID, LIMIT), "strides-huge")(lambda: conv(strides=[2**62, 1]))
case(INVALID, "strides-one")(lambda: conv(strides=[1]))
case(INVALID, "dilations-0")(lambda: conv(dilations=[1, 0]))
case((INVALID, LIMIT), "dilations-huge")(lambda: conv(dilations=[2**62, 2**62]))
case((INVALID, LIMIT), "pads-huge")(lambda: conv(pads=[2**63 - 1] * 4))
case(INVALID, "kernel-shape-contradicts")(lambda: conv(kernel_shape=[5, 5]))
case(INVALID, "kernel-shape-floats")(lambda: pool(kernel_shape=[2.0, 2.0]))
case(INVALID, "kernel-shape-missing")(lambda: pool())
case(INVALID, "kernel-0")(lambda: pool(kernel_shape=[0, 2]))
case(INVALID, "kernel-of-a-weight-0")(lambda: one("Conv", [[1, 4, 8, 8]], [weight([6, 4, 0, 3])]))
case(INVALID, "kernel-larger-than-plane")(lambda: pool(kernel_shape=[9, 2]))
case(INVALID, "auto-pad-unknown")(lambda: conv(auto_pad="SAME_SIDEWAYS"))
case(INVALID, "auto-pad-int")(lambda: conv(auto_pad=1))
case(INVALID, "conv-channels")(lambda: one("Conv", [[1, 5, 8, 8]], [weight([6, 4, 3, 3])]))
case(INVALID, "conv-weight-rank-2")(lambda: one("Conv", [[1, 4, 8, 8]], [weight([6, 4])]))
case(INVALID, "conv-input-rank-2")(lambda: one("Conv", [[1, 4]], [weight([6, 4])]))
case(INVALID, "conv-bias-length")(lambda: one("Conv", [[1, 4, 8, 8]], [weight([6, 4, 3, 3]), weight([5], "b")]))
case(INVALID, "conv-bias-rank")(lambda: one("Conv", [[1, 4, 8, 8]], [weight([6, 4, 3, 3]), weight([6, 1], "b")]))
case(INVALID, "normalization-length")(
    lambda: one("BatchNormalization", [[1, 6, 8, 8]], [weight([6], "a"), weight([6], "b"), weight([4], "c"), weight([6], "d")]))
case(INVALID, "gemm-bias-length")(lambda: one("Gemm", [[2, 4]], [weight([4, 5]), weight([7], "b")]))
case(INVALID, "gemm-rank-3")(lambda: one("Gemm", [[2, 3, 4]], [weight([4, 5])]))
case(INVALID, "gemm-columns")(lambda: one("Gemm", [[2, 3]], [weight([4, 5])]))
case(INVALID, "matmul-columns")(lambda: one("MatMul", [[2, 3]], [weight([4, 5])]))
case(INVALID, "matmul-batches")(lambda: one("MatMul", [[2, 3, 4]], [weight([5, 4, 3])]))
case(INVALID, "add-that-does-not-broadcast")(lambda: one("Add", [[2, 3], [2, 4]]))
case(INVALID, "concat-axis-huge")(lambda: one("Concat", [[2, 3], [2, 3]], axis=2**62))
case(INVALID, "concat-axis-float")(lambda: one("Concat", [[2, 3], [2, 3]], axis=1.0))
case(INVALID, "concat-ranks")(lambda: one("Concat", [[2, 3], [2, 3, 1]], axis=1))
case(INVALID, "concat-sizes")(lambda: one("Concat", [[2, 3], [5, 3]], axis=1))
case(INVALID, "flatten-axis")(lambda: one("Flatten", [[2, 3]], axis=-9))
case(INVALID, "perm-out-of-range")(lambda: one("Transpose", [[2, 3]], perm=[0, 2]))
case(INVALID, "perm-twice")(lambda: one("Transpose", [[2, 3]], perm=[0, 0]))
case(INVALID, "perm-short")(lambda: one("Transpose", [[2, 3]], perm=[0]))
case(INVALID, "perm-floats")(lambda: one("Transpose", [[2, 3]], perm=[1.0, 0.0]))
case(INVALID, "perm-huge")(lambda: one("Transpose", [[2, 3]], perm=[2**40, -2**63]))
case(INVALID, "squeeze-of-3")(lambda: one("Squeeze", [[2, 3]], opset=11, axes=[1]))
case(INVALID, "squeeze-axis")(lambda: one("Squeeze", [[2, 1]], opset=11, axes=[7]))
case(INVALID, "unsqueeze-twice")(lambda: one("Unsqueeze", [[2, 1]], opset=11, axes=[0, 0]))
case(INVALID, "reduce-axis")(lambda: one("ReduceMean", [[2, 1]], opset=11, axes=[2]))


def integers(numbers, name="c"):
    return numpy_helper.from_array(numpy.array(numbers, numpy.int64), name)


case(INVALID, "reshape-elements")(lambda: one("Reshape", [[2, 3]], [integers([4, 2])]))
case(INVALID, "reshape-minus-2")(lambda: one("Reshape", [[2, 3]], [integers([-2, 3])]))
case((INVALID, LIMIT), "reshape-overflow")(lambda: one("Reshape", [[2, 3]], [integers([2**62, 2**62])]))
case(INVALID, "slice-step-0")(lambda: one("Slice", [[2, 3]], [integers([0], "a"), integers([1], "b"), integers([0], "c"), integers([0], "d")]))
case(INVALID, "slice-lists")(lambda: one("Slice", [[2, 3]], [integers([0, 0], "a"), integers([1], "b")]))
case(INVALID, "pad-three")(lambda: one("Pad", [[2, 3]], [integers([1, 1, 1])]))
case(INVALID, "pad-leaves-nothing")(lambda: one("Pad", [[2, 3]], [integers([-2, 0, -2, 0])]))
case((INVALID, LIMIT), "pad-huge")(lambda: one("Pad", [[2, 3]], [integers([2**62, 0, 2**62, 0])]))
case(INVALID, "gather-axis")(lambda: one("Gather", [[2, 3]], [integers([0])], axis=5))


def write_all(folder):
    """Writes every file into folder/models; returns name -> (path, expected)."""
    models = folder / "models"
    models.mkdir(parents=True, exist_ok=True)
    (folder / "external-parent.bin").write_bytes(bytes(864))
    (folder / "x.bin").write_bytes(bytes(864))
    (models / "sub").mkdir(exist_ok=True)
    link = models / "link-out.bin"
    link.unlink(missing_ok=True)
    link.symlink_to("../external-parent.bin")
    written = {}
    for name, (expected, maker) in CASES.items():
        path = models / f"{name}.onnx"
        made = maker(models) if getattr(maker, "writes_files", False) else maker()
        if made is not None:
            path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        written[name] = (path, expected)
    return written


if __name__ == "__main__":
    for name, (path, expected) in write_all(pathlib.Path(sys.argv[1])).items():
        print(f"{path}: {expected}")
