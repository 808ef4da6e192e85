"""What the executor runs on: a scratchpad that refuses to exceed its capacity, an off-chip memory, and the count of what passes between."""
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from machine import PARTS, RENAMES, Wrong, attribute, bytes_of

PARTITIONS = ("input", "weight", "output")


class Illegal(Wrong):
    """The schedule says what cannot be run, whatever the capacity."""


class Scratchpad:
    """Bytes on chip by partition. Every change is checked against the capacity; peak_bytes is the largest sum at any time."""

    def __init__(self, on_chip):
        self.on_chip = on_chip
        self.used = dict.fromkeys(PARTITIONS, 0)
        self.peak_bytes = 0

    def factor(self, partition):
        return 2 if partition in self.on_chip.get("double_buffer", ()) else 1

    def occupy(self, **used_bytes):
        """Sets what partitions hold, all at once."""
        self.used.update(used_bytes)
        total = sum(self.used.values())
        if "capacity" in self.on_chip:
            if total > self.on_chip["capacity"]:
                raise Wrong(f"{total} B on chip, which has {self.on_chip['capacity']} B")
        else:
            for partition, used in self.used.items():
                if used > self.on_chip[partition]:
                    raise Wrong(f"{used} B in the partition '{partition}', which has {self.on_chip[partition]} B")
        self.peak_bytes = max(self.peak_bytes, total)

    def grow(self, partition, tile_bytes):
        """A buffer is as large as the largest tile it ever holds, twice that where it is double-buffered."""
        tile_bytes *= self.factor(partition)
        if tile_bytes > self.used[partition]:
            self.occupy(**{partition: tile_bytes})


class Traffic:
    """Bytes that crossed the chip's edge, by part. Each transfer rounds up to a byte."""

    def __init__(self):
        self.bytes = dict.fromkeys(PARTS, 0)

    def move(self, part, elems, bits):
        self.bytes[part + "_bytes"] += bytes_of(int(elems), bits)


class Operators:
    """Single nodes run by ONNX Runtime on whatever arrays they are given."""

    def __init__(self, onnx_model):
        self.opsets = onnx_model.opset_import
        self.ir_version = onnx_model.ir_version
        self.sessions = {}

    def run(self, node, arrays):
        """The outputs of the node, by position; arrays: one for each input, None where it has none."""
        key = (id(node), tuple(None if a is None else a.dtype.str for a in arrays))
        if key not in self.sessions:
            self.sessions[key] = self.session(node, arrays)
        session, names = self.sessions[key]
        found = session.run(names, {f"i{k}": np.ascontiguousarray(a) if a.ndim else a for k, a in enumerate(arrays) if a is not None})
        return dict(zip((int(name[1:]) for name in names), found))

    def session(self, node, arrays):
        alone = onnx.NodeProto()
        alone.CopyFrom(node)
        del alone.input[:], alone.output[:], alone.metadata_props[:]
        alone.input.extend("" if a is None else f"i{k}" for k, a in enumerate(arrays))
        alone.output.extend(f"o{k}" if name else "" for k, name in enumerate(node.output))
        inputs = [helper.make_tensor_value_info(f"i{k}", helper.np_dtype_to_tensor_dtype(a.dtype), None) for k, a in enumerate(arrays) if a is not None]
        names = [name for name in alone.output if name]
        graph = helper.make_graph([alone], "one_node", inputs, [onnx.ValueInfoProto(name=name) for name in names])
        model = helper.make_model(graph, opset_imports=self.opsets, ir_version=self.ir_version)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]), names


class OffChip:
    """Every tensor that is not on chip, as an array. What only renames memory or moves no bytes is worked out when it is asked for."""

    def __init__(self, model, operators, feeds):
        self.model, self.operators = model, operators
        self.arrays = dict(feeds)
        for tensor in model.graph.initializer:
            if tensor.name not in self.arrays:
                self.arrays[tensor.name] = onnx.numpy_helper.to_array(tensor)

    def array(self, name):
        """Wrong where no group has made it yet."""
        if name in self.arrays:
            return self.arrays[name]
        node = self.model.producers.get(name)
        if node is None:
            raise Illegal(f"'{name}' is read before anything made it")
        if node.op_type == "Shape":
            shape = np.asarray(self.model.shape(node.input[0]), np.int64)
            self.arrays[name] = shape[slice(attribute(node, "start", 0), attribute(node, "end"))]
            return self.arrays[name]
        if not self.model.moves_nothing(node):
            raise Illegal(f"'{name}' is read before anything made it")
        for k, made in self.operators.run(node, [self.array(i) if i else None for i in node.input]).items():
            self.arrays[node.output[k]] = made
        return self.arrays[name]

    def store(self, name, array):
        if name in self.arrays:
            raise Wrong(f"'{name}' is written twice")
        self.arrays[name] = array
