"""Runs the commands of the README's console blocks and compares what they print with what stands there.

    python tests/cli/test_readme.py --superslash build/release/superslash --work DIR

A line that starts with "$ " is a command, run in a copy of the repository's tests/models with superslash on the PATH; the lines below it
are what it prints on either output, to the letter. A line "..." stands for any lines.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("--superslash", required=True)
parser.add_argument("--work", required=True, type=pathlib.Path)
args = parser.parse_args()

shutil.rmtree(args.work, ignore_errors=True)
shutil.copytree(ROOT / "tests/models", args.work)
environment = {**os.environ, "PATH": f"{pathlib.Path(args.superslash).resolve().parent}:{os.environ['PATH']}", "NO_COLOR": "1"}


def examples(text):
    """(command, lines shown) of every console block."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.S | re.M):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown.rstrip("\n").split("\n") if shown.strip() else []


def matches(shown, printed):
    pattern = "\n".join(re.escape(line.rstrip()) if line.strip() != "..." else "(?:.*\n?)*?" for line in shown)
    return re.fullmatch(pattern.replace("(?:.*\n?)*?\n", "(?:.*\n)*?"), "\n".join(line.rstrip() for line in printed)) is not None


passed = failed = 0
for command, shown in examples((ROOT / "README.md").read_text()):
    done = subprocess.run(command, shell=True, cwd=args.work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    printed = done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []
    if matches(shown, printed):
        passed += 1
    else:
        failed += 1
        print(f"$ {command}\n--- the README shows\n" + "\n".join(shown) + "\n--- it prints\n" + "\n".join(printed))
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0 or not passed)
