"""Runs the commands of the README's console blocks and compares what they print with what stands there.

    python tests/cli/test_readme.py --superslash build/release/superslash --work DIR [--refill]

--refill writes into the README what they print, where that differs.

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
parser.add_argument("--refill", action="store_true")
args = parser.parse_args()

shutil.rmtree(args.work, ignore_errors=True)
shutil.copytree(ROOT / "tests/models", args.work)
environment = {**os.environ, "PATH": f"{pathlib.Path(args.superslash).resolve().parent}:{os.environ['PATH']}", "NO_COLOR": "1"}


def matches(shown, printed):
    pattern = "\n".join(re.escape(line.rstrip()) if line.strip() != "..." else "(?:.*\n?)*?" for line in shown)
    return re.fullmatch(pattern.replace("(?:.*\n?)*?\n", "(?:.*\n)*?"), "\n".join(line.rstrip() for line in printed)) is not None


def lines_of(text):
    return text.rstrip("\n").split("\n") if text.strip() else []


counts = {"passed": 0, "failed": 0}


def run_example(example):
    """The same, with what the command prints in place of what is shown."""
    command, _, shown = example.partition("\n")
    done = subprocess.run(command, shell=True, cwd=args.work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    printed = lines_of(done.stdout)
    if matches(lines_of(shown), printed):
        counts["passed"] += 1
        return example
    counts["failed"] += 1
    if not args.refill:
        print(f"$ {command}\n--- the README shows\n{shown.rstrip()}\n--- it prints\n" + "\n".join(printed))
    return "\n".join([command, *(line.rstrip() for line in printed), ""])


def run_block(block):
    """Each example of a console block; a line that starts with "$ " begins one."""
    return "```console\n" + "".join("$ " + run_example(example) for example in re.split(r"^\$ ", block[1], flags=re.M)[1:]) + "```"


README = ROOT / "README.md"
text = re.sub(r"^```console\n(.*?)^```", run_block, README.read_text(), flags=re.S | re.M)
if args.refill:
    README.write_text(text)
print(f"{counts['passed']} passed, {counts['failed']} {'refilled' if args.refill else 'failed'}")
sys.exit(counts["failed"] != 0 and not args.refill or not counts["passed"] + counts["failed"])
