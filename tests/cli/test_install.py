"""cmake --install into a prefix; a 30-line program built against what is there with pkg-config, statically and shared, and run.

    python tests/cli/test_install.py --superslash build/release/superslash --work DIR --source .
"""
import argparse
import pathlib
import shutil
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("--superslash", required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--source", required=True)
args = parser.parse_args()
work, source = pathlib.Path(args.work), pathlib.Path(args.source)
build, prefix = pathlib.Path(args.superslash).parent, work / "prefix"


def run(*words, **options):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


shutil.rmtree(prefix, ignore_errors=True)
run("cmake", "--install", build, "--prefix", prefix)
library = next(prefix.rglob("libsuperslash.so"))
wanted = ["bin/superslash", "include/superslash.h", "share/superslash/targets/plain.yaml"]
missing = [name for name in wanted if not (prefix / name).exists()]
assert not missing, missing
assert (library.parent / "libsuperslash.a").exists() and library.is_symlink() and next(prefix.rglob("superslash.pc"))

symbols = run("nm", "-D", "--defined-only", library).split("\n")
foreign = [line for line in symbols if line and not line.split()[-1].startswith("superslash_")]
assert not foreign, f"symbols that are not ours to show: {foreign[:5]}"

environment = {"PKG_CONFIG_PATH": str(next(prefix.rglob("superslash.pc")).parent), "PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(library.parent)}
for kind in ["shared", "static"]:
    flags = run("pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs", *(["--static"] if kind == "static" else []), "superslash",
                env=environment).split()
    if kind == "static":
        flags = [str(library.parent / "libsuperslash.a") if flag == "-lsuperslash" else flag for flag in flags]
    program = work / f"library-{kind}"
    run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", source / "tests/install/library.c", "-o", program, *flags, "-lpthread", env=environment)
    plan_node = "/2/2.0/Conv"
    print(kind, run(program, source / "tests/models/vgg.onnx", plan_node, source / "tests/models/calibration-512.npz", env=environment).strip())
print("2 passed, 0 failed")
