"""Two more forms of a trained network: quantised (QDQ) and with its weights in a file beside it.

    python tools/models/derive.py IN.onnx OUTFOLDER --calibrate samples.npz [--samples 64] [--mean 0.2860] [--scale 0.3530]

Writes OUTFOLDER/NAME-qdq.onnx (onnxruntime.quantization, per channel, static) and OUTFOLDER/NAME-external.onnx with
NAME-external.onnx.data beside it. Samples are the array `image` (uint8) of the npz, brought to (x/255 - mean) / scale.
Same input, same bytes.
"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnxruntime import quantization


class Samples(quantization.CalibrationDataReader):
    def __init__(self, name, images):
        self.feeds = iter([{name: images[i:i + 1]} for i in range(len(images))])

    def get_next(self):
        return next(self.feeds, None)


def normalised(images, mean, scale):
    return ((images.astype(np.float32) / 255 - mean) / scale).astype(np.float32)


def write_quantised(source, target, images):
    """Calibration writes beside its input, so it works on a copy."""
    name = onnx.load(str(source), load_external_data=False).graph.input[0].name
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "in.onnx"
        onnx.save(onnx.load(str(source)), str(copy))
        quantization.quantize_static(str(copy), str(target), Samples(name, images), quant_format=quantization.QuantFormat.QDQ, per_channel=True)


def write_external(source, target):
    data = target.with_name(target.name + ".data")
    data.unlink(missing_ok=True)
    onnx.save_model(onnx.load(str(source)), str(target), save_as_external_data=True, all_tensors_to_one_file=True, location=data.name,
                    size_threshold=0, convert_attribute=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--calibrate", type=pathlib.Path, required=True)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--mean", type=float, default=0.2860)
    parser.add_argument("--scale", type=float, default=0.3530)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    images = normalised(np.load(args.calibrate)["image"][:args.samples], args.mean, args.scale)
    write_quantised(args.model, args.folder / f"{args.model.stem}-qdq.onnx", images)
    write_external(args.model, args.folder / f"{args.model.stem}-external.onnx")


if __name__ == "__main__":
    sys.exit(main())
