"""The test models of the onnx 1.22 wheel: 1,914 of them, which onnx 1.23 has dropped."""
import pathlib
import sys
import zipfile

FOLDER = "onnx/backend/test/data"


def wheel_models(place, work, with_data=False):
    """place: the wheel, a folder with it, or a folder it was unpacked into. Unpacked into work where it is not yet, with the models' inputs
    and outputs beside them where asked for. Sorted paths."""
    place, work = pathlib.Path(place), pathlib.Path(work)
    wheels = [place] if place.suffix == ".whl" else sorted(place.glob("onnx-1.22*.whl"))
    if not wheels:
        found = sorted(place.glob(f"{FOLDER}/**/*.onnx"))
        return found or sys.exit(f"no models of the onnx wheel under {place}")
    unpacked = work / "onnx-wheel"
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = [name for name in wheel.namelist() if name.startswith(FOLDER) and name.endswith((".onnx", ".pb") if with_data else ".onnx")]
        if any(not (unpacked / name).is_file() for name in names):
            wheel.extractall(unpacked, names)
    return [unpacked / name for name in sorted(names) if name.endswith(".onnx")]
