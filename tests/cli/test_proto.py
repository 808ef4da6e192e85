"""proto/onnx.proto against the descriptors of the onnx package: every message and field, in both directions.

    test_proto.py [--proto FILE] [--protoc PROTOC]
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2
from onnx import onnx_ml_pb2

FIELD = descriptor_pb2.FieldDescriptorProto
ROOT = pathlib.Path(__file__).resolve().parents[2]


def compiled(protoc, proto):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "set")
        subprocess.run([protoc, f"--descriptor_set_out={out}", f"--proto_path={proto.parent}", str(proto)], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return files.file[0]


def reference():
    file = descriptor_pb2.FileDescriptorProto()
    onnx_ml_pb2.DESCRIPTOR.CopyToProto(file)
    return file


def is_packed(field, syntax):
    if field.options.HasField("packed"):
        return field.options.packed
    scalar = field.type not in (FIELD.TYPE_STRING, FIELD.TYPE_BYTES, FIELD.TYPE_MESSAGE, FIELD.TYPE_GROUP)
    return syntax == "proto3" and scalar and field.label == FIELD.LABEL_REPEATED


def describe_field(field, message, syntax, package):
    oneof = ""
    if field.HasField("oneof_index") and not field.proto3_optional:
        oneof = message.oneof_decl[field.oneof_index].name
    return {"name": field.name, "type": FIELD.Type.Name(field.type), "label": FIELD.Label.Name(field.label),
            "of": field.type_name.removeprefix(f".{package}."), "packed": is_packed(field, syntax), "oneof": oneof}


def describe(file):
    """(path, number) -> facts, of fields and enum values."""
    facts, syntax, package = {}, file.syntax or "proto2", file.package

    def add_enum(enum, path):
        for value in enum.value:
            facts[path + enum.name, "enum", value.name] = {"number": value.number}

    def add_message(message, path):
        path += message.name
        facts[path, "message", ""] = {}
        for field in message.field:
            facts[path, "field", field.number] = describe_field(field, message, syntax, package)
        for enum in message.enum_type:
            add_enum(enum, path + ".")
        for nested in message.nested_type:
            add_message(nested, path + ".")

    for message in file.message_type:
        add_message(message, "")
    for enum in file.enum_type:
        add_enum(enum, "")
    return facts


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--proto", type=pathlib.Path, default=ROOT / "proto" / "onnx.proto")
    options.add_argument("--protoc", default="protoc")
    given = options.parse_args()
    file = compiled(given.protoc, given.proto)
    ours, theirs = describe(file), describe(reference())
    faults = 0
    if file.package != "onnx":
        print(f"package is {file.package}, expected onnx")
        faults += 1
    for key in sorted(set(ours) | set(theirs), key=str):
        if ours.get(key) != theirs.get(key):
            print(f"{' '.join(map(str, key))}: {ours.get(key, 'absent')}, onnx has {theirs.get(key, 'absent')}")
            faults += 1
    kinds = {kind: sum(key[1] == kind for key in theirs) for kind in ("message", "field", "enum")}
    print(f"{kinds['message']} messages, {kinds['field']} fields, {kinds['enum']} enum values compared both ways, {faults} differences")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
