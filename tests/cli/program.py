"""Runs the program under test and makes the models that the tests of the command line share."""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODELS, TOOLS = HERE.parent / "models", HERE.parent.parent / "tools" / "models"
NETWORKS = ("vgg", "resnet", "mobilenet")
PUBLISHED = ("mobilenetv1", "mobilenetv2", "resnet18", "resnet50", "resnet56", "resnet110", "vgg16")
sys.path.insert(0, str(HERE.parent / "oracle"))


class Failed(Exception):
    """The program ended with a code that the test does not expect."""

    def __init__(self, command, code, message):
        super().__init__(f"exit {code} of `{' '.join(map(str, command[1:]))}`: {message.strip()[-400:]}")
        self.code = code


class Program:
    def __init__(self, path):
        self.path = path

    def run(self, *arguments):
        """stdout; Failed unless the exit code is 0."""
        command = [str(self.path), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if result.returncode != 0:
            raise Failed(command, result.returncode, result.stderr)
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json", "-"))


def make_models(work, names=PUBLISHED):
    """Networks with random weights; made once, in a folder beside the work folders of the tests."""
    folder = work.parent / "made"
    missing = [name for name in names if not (folder / f"{name}.onnx").exists()]
    if missing:
        subprocess.run([sys.executable, str(TOOLS / "make.py"), str(folder), *missing], check=True, stdout=subprocess.DEVNULL)
    return [folder / f"{name}.onnx" for name in names]


def derived_models(work, networks=NETWORKS):
    """The QDQ and external forms of the trained networks; made once, in a folder beside the work folders of the tests."""
    folder = work.parent / "derived"
    for name in networks:
        if not (folder / f"{name}-external.onnx").exists():
            subprocess.run([sys.executable, str(TOOLS / "derive.py"), str(MODELS / f"{name}.onnx"), str(folder), "--calibrate",
                            str(MODELS / "calibration-512.npz")], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [folder / f"{name}-{form}.onnx" for name in networks for form in ("qdq", "external")]


def trained_models():
    return [MODELS / f"{name}.onnx" for name in NETWORKS]
