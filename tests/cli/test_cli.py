"""The command line as product.md promises it: help, options, exit codes, streams, outputs that are untouched on failure.

    test_cli.py --superslash PROGRAM --work FOLDER
"""
import argparse
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys

from program import MODELS

VGG = str(MODELS / "vgg.onnx")
COMMANDS = ("optimize", "explore", "sweep", "prune", "compare", "inspect", "verify", "list")
TARGET = ("target", "on-chip", "double-buffer", "bits", "activation-bits", "weight-bits", "partial-sum-bits", "halo", "mappings", "cost-model", "batch",
          "channel-multiple")
OPTIONS = TARGET + (
    "json", "plan-out", "csv", "svg", "plan", "layers", "input-shape", "no-fusion", "no-annotations", "from-annotations", "explain", "at-most", "offchip",
    "params", "macs", "model-size", "max-error", "keep", "only", "min-share", "ranking", "importance", "calibrate", "mean", "scale", "labels",
    "memory", "recover", "max-memory", "threads", "quiet", "verbose", "print-after", "verify-each")
TABLE = "name,m,c,oh,ow,kh,kw\nconv1,64,32,14,14,3,3\n"

# what is asked for and taken: explore VGG with these
ACCEPTED = """
--target edge-npu | --target mcu | --target eyeriss | --target fpga | --target plain | --on-chip 108KiB
--on-chip input=64KiB,weight=48KiB,output=16KiB | --double-buffer input,weight | --double-buffer none | --double-buffer output
--bits 16 | --bits model | --activation-bits 4 | --weight-bits 4 | --partial-sum-bits 24 | --halo refetch | --halo reuse | --mappings plain | --mappings uneven
--cost-model exact | --cost-model superslash | --cost-model smartshuttle | --batch 2 | --channel-multiple 8 | --no-fusion | --no-annotations | --at-most 1GiB | --max-memory 1GiB
--threads 1 | --quiet | --verbose | --print-after explore | --verify-each | --target=edge-npu --on-chip=64KiB
"""
# command and arguments behind the models -> not built yet, and named
LATER = """
optimize --params -30% | optimize --macs 2M | optimize --model-size -10%
optimize --importance fpgm | optimize --importance bn
optimize --importance product
"""
# command and arguments behind the model -> exit 2, and this is in the message
WRONG = [
    ("optimize --offchip -30% --mean 0.5", "--mean needs samples"), ("optimize --offchip -30% --scale 0.5", "--scale needs samples"),
    ("optimize --offchip -30% --labels l.npy", "--labels needs samples"), ("optimize --offchip -30% --memory 1GiB", "--memory needs samples"),
    ("optimize --offchip -30% --recover ls", "--recover needs samples"), ("optimize --offchip -30% --recover auto", "--recover needs samples"),
    ("optimize --offchip -30% --importance css", "--importance css needs samples"), ("optimize --max-error 0.01", "--max-error needs samples"),
    ("optimize --max-error 0", "a number above 0"),
    ("optimize --offchip 30%", "--offchip: '30%' is not allowed"),
    ("optimize --offchip -130%", "--offchip: '-130%' is not allowed"),
    ("optimize --offchip", "--offchip needs a value"),
    ("optimize", "at least one budget"),
    ("optimize --offchip -30% --offchip -20%", "--offchip is given twice"),
    ("optimize --offchip -30% --ranking volum", "did you mean 'volume'?"),
    ("optimize --at-most 1MiB", "--at-most is not an option of optimize, but of explore"),
    ("optimize --offchip -30% --min-share 2", "--min-share: '2' is not allowed"),
    ("prune", "--plan FILE is needed"),
    ("explore --targt plain", "unknown option --targt, did you mean '--target'?"),
    ("explore -x", "unknown option -x"),
    ("explore -json -", "unknown option -json"),
    ("explore --o x", "unknown option --o"),
    ("explore --target edge-np", "did you mean 'edge-npu'?"),
    ("explore --on-chip 64KB", "--on-chip: '64KB' is not allowed"),
    ("explore --bits 0", "--bits: '0' is not allowed"),
    ("explore --halo maybe", "expected reuse or refetch"),
    ("explore --mappings odd", "expected plain or uneven"),
    ("explore --batch", "--batch needs a value"),
    ("explore --batch --quiet", "--batch needs a value"),
    ("explore --quiet=1", "--quiet takes no value"),
    ("explore --quiet --verbose", "contradict each other"),
    ("explore --offchip -30%", "--offchip is not an option of explore, but of optimize"),
    ("explore --print-after nothing", "'nothing' is no pass"),
    ("explore --explain /0/0.0/Cov", "did you mean '/0/0.0/Conv'?"),
    ("explore --explain nothing --quiet -o -", "'nothing' is none of the 10 layers"),
    ("explore --from-annotations", "has no superslash."),
    ("explore --input-shape x", "--input-shape: 'x' is not allowed"),
    ("explore --json - -o -", "the standard output (-) can be used only once"),
    ("explore --json same -o same", "two outputs would go to the same file"),
    ("explore --layers table.csv", "contradict each other"),
    ("explore second.onnx", "'second.onnx' is one too many"),
    ("inspect -o out.onnx", "-o is not an option of inspect"),
    ("compare", "something is missing"),
    ("explore --on-chip 16KiB:4MiB", "explore: --on-chip takes a range only with sweep"),
    ("optimize --offchip -30% --on-chip 16KiB:4MiB", "optimize: --on-chip takes a range only with sweep"),
    ("sweep --on-chip 64KiB", "sweep: --on-chip '64KiB' is not allowed: expected a range like 16KiB:4MiB"),
    ("sweep --on-chip 4MiB:16KiB", "'4MiB:16KiB' is not allowed: expected a range like 16KiB:4MiB"),
    ("sweep --on-chip input=64KiB,weight=48KiB,output=16KiB", "expected a range like 16KiB:4MiB"),
    ("sweep --layers table.csv", "contradict each other"),
    ("sweep --csv - --json -", "the standard output (-) can be used only once"),
    ("sweep --csv same --svg same", "two outputs would go to the same file"),
    ("sweep -o out.onnx", "-o is not an option of sweep"),
    ("explore --svg out.svg", "--svg is not an option of explore, but of sweep"),
]


class Checks:
    def __init__(self, program, work):
        self.program, self.work, self.count, self.faults = str(pathlib.Path(program).resolve()), work, 0, 0

    def run(self, *arguments, stdin=b"", env=None):
        return subprocess.run([self.program, *map(str, arguments)], input=stdin, capture_output=True, cwd=self.work, timeout=300, check=False,
                              env={**os.environ, **(env or {})})

    def that(self, holds, what):
        self.count += 1
        if not holds:
            self.faults += 1
            print(f"FAULT: {what}")

    def fails(self, code, message, *arguments, stdin=b""):
        """Exit code, one line on stderr that holds the message."""
        done = self.run(*arguments, stdin=stdin)
        error = done.stderr.decode()
        self.that(done.returncode == code, f"{' '.join(map(str, arguments))}: exit {done.returncode}, {code} expected: {error}")
        self.that(message in error, f"{' '.join(map(str, arguments))}: no '{message}' in: {error}")
        self.that(re.fullmatch(r"superslash: [^\n]+\n", error), f"{' '.join(map(str, arguments))}: not one line: {error!r}")
        return done

    def works(self, *arguments, stdin=b"", env=None):
        done = self.run(*arguments, stdin=stdin, env=env)
        self.that(done.returncode == 0, f"{' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr.decode()}")
        return done


def cases(text):
    return [case.split() for case in re.split(r"[|\n]", text) if case.strip()]


def test_help(checks):
    everything = checks.works("--help").stdout.decode()
    offered = ""
    for command in COMMANDS:
        checks.that(re.search(rf"^  {command} ", everything, re.M), f"--help does not name {command}")
        text = checks.works(command, "--help").stdout.decode()
        checks.that(text.startswith(f"superslash {command} "), f"{command} --help: no usage")
        checks.that("\nExample:\n  superslash " in text, f"{command} --help: no example")
        checks.that(all(len(line) <= 120 for line in text.splitlines()), f"{command} --help: a long line")
        offered += text
    for option in OPTIONS:
        checks.that(re.search(rf"^  --{option}( |$)", offered, re.M), f"no help offers --{option}")
    checks.that(re.search(r"^  -o FILE", offered, re.M), "no help offers -o")
    named = set(re.findall(r"^  --([a-z-]+)", offered, re.M))
    checks.that(named == set(OPTIONS), f"help and test differ in {named ^ set(OPTIONS)}")
    version = checks.works("--version").stdout.decode()
    checks.that(re.fullmatch(r"superslash \d+\.\d+\.\d+\nnewest ONNX opset \d+\n", version), f"--version: {version!r}")


def test_list(checks):
    targets = checks.works("list", "targets").stdout.decode()
    for name in ("plain", "edge-npu", "eyeriss", "mcu", "fpga"):
        one = checks.works("list", "targets", name).stdout
        checks.that(f"\nname: {name}\n" in one.decode() and one.decode() in targets, f"list targets {name}")
        (checks.work / "listed.yaml").write_bytes(one)
        direct = checks.works("explore", VGG, "--target", name, "--json", "-", "--quiet").stdout
        listed = checks.works("explore", VGG, "--target", "listed.yaml", "--json", "-", "--quiet").stdout
        checks.that(json.loads(direct)["totals"] == json.loads(listed)["totals"], f"{name}: preset and listed file differ")
    checks.that("offchip_bytes" in checks.works("list", "fields", "report").stdout.decode(), "list fields report: no offchip_bytes")
    checks.that("Conv" in checks.works("list", "operators").stdout.decode(), "list operators: no Conv")
    passes = checks.works("list", "passes").stdout.decode()
    checks.that(all(re.search(rf"^{name} +\S", passes, re.M) for name in ("explore", "sweep", "rank", "prune", "annotate")), f"list passes: {passes}")
    checks.fails(2, "expected targets, passes, operators or fields, did you mean 'targets'?", "list", "target")
    checks.fails(2, "there is no 'x'", "list", "targets", "x")
    checks.fails(2, "--quiet is not an option of list", "list", "targets", "--quiet")


def test_options(checks):
    for arguments in cases(ACCEPTED):
        checks.works("explore", VGG, *arguments)
    for command, *arguments in cases(LATER):
        done = checks.fails(4, "not built yet", command, VGG, *arguments)
        refused = [argument for argument in arguments if argument.startswith("--")][-1]
        checks.that(refused in done.stderr.decode(), f"{arguments}: the refusal does not name it")
    checks.fails(2, "verify: --calibrate FILE.npz is needed", "verify", VGG, VGG)
    for text, message in WRONG:
        command, *arguments = text.split()
        checks.fails(2, message, command, VGG, *arguments)
    checks.fails(2, "no command given")
    checks.fails(2, "did you mean 'explore'?", "explor", VGG)
    checks.fails(2, "unknown option '--hepl'", "--hepl")
    checks.fails(2, "give a model", "explore")
    checks.fails(2, "give a model", "sweep")
    checks.fails(2, "-o writes a model", "explore", "--layers", "t.csv", "-o", "x.onnx")
    (checks.work / "-dash.onnx").write_bytes(pathlib.Path(VGG).read_bytes())
    checks.works("explore", "--quiet", "--", "-dash.onnx")


def test_target_files(checks):
    (checks.work / "bad.yaml").write_text("name: bad\non_chip: {capacity: 64KiB}\nhallo: reuse\n")
    checks.fails(2, "bad.yaml:3: unknown key 'hallo', did you mean 'halo'?", "explore", VGG, "--target", "bad.yaml")
    (checks.work / "bad.yaml").write_text("cost_model: superslash\non_chip: {capacity: 64KiB}\n")
    checks.fails(4, "optimize: cost_model superslash: a published model works with explore alone", "optimize", VGG, "--target", "bad.yaml",
                 "--offchip", "-30%")
    checks.works("explore", VGG, "--target", "bad.yaml", "--cost-model", "exact")
    checks.fails(4, "sweep: cost_model superslash: a published model works with explore alone", "sweep", "--layers", "t.csv", "--target", "bad.yaml")
    (checks.work / "split.yaml").write_text("name: split\non_chip: {input: 8KiB, weight: 8KiB, output: 8KiB}\n")
    checks.fails(2, "sweep: the memory of target 'split' is split", "sweep", VGG, "--target", "split.yaml")
    checks.works("sweep", VGG, "--target", "split.yaml", "--on-chip", "16KiB:4MiB")
    checks.fails(6, "no-such.yaml", "explore", VGG, "--target", "no-such.yaml")


def test_exit_codes(checks):
    work = checks.work
    (work / "broken.onnx").write_bytes(b"not a model at all")
    checks.fails(3, "broken.onnx", "explore", "broken.onnx")
    checks.fails(3, "", "explore", "-", stdin=b"\xff\xff\xff\xff")
    checks.fails(6, "missing.onnx", "explore", "missing.onnx")
    checks.fails(6, "", "explore", work)
    checks.fails(7, "--max-memory", "explore", VGG, "--max-memory", "20KiB")
    (work / "t.csv").write_text("m,c,oh,ow,kh\n1,1,1,1,1\n")
    checks.fails(2, "t.csv:1: column 'kw' is missing", "explore", "--layers", "t.csv")
    checks.fails(6, "none.csv", "explore", "--layers", "none.csv")
    checks.fails(6, "none.json", "prune", VGG, "--plan", "none.json")
    (work / "plan.json").write_text("{")
    checks.fails(2, "", "prune", VGG, "--plan", "plan.json")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([checks.program, "explore", VGG], stdout=full, stderr=subprocess.PIPE, check=False)
        checks.that(done.returncode == 6, f"explore > /dev/full: exit {done.returncode}")
        checks.fails(6, "/dev/full", "explore", VGG, "--json", "/dev/full", "--quiet")


def infeasible_line(line):
    shape = r"superslash: (\S+): smallest legal tile needs ([\d,]+) B \(input ([\d,]+) \+ weight ([\d,]+) \+ output ([\d,]+)\), " \
            r"on chip ([\d,]+) B, ([\d,]+) B short(; \d+ more layers? do(es)? not fit)?\n"
    match = re.fullmatch(shape, line)
    if not match:
        return False
    demand, i, w, o, capacity, short = (int(text.replace(",", "")) for text in match.groups()[1:7])
    return demand == i + w + o and demand - capacity == short


def test_gates(checks):
    """Exit 5: the report in full, no model."""
    model, report = checks.work / "gate.onnx", checks.work / "gate.json"
    done = checks.run("explore", VGG, "--on-chip", "20", "-o", model, "--json", report)
    checks.that(done.returncode == 5, f"infeasible: exit {done.returncode}")
    checks.that(infeasible_line(done.stderr.decode()), f"infeasible: {done.stderr.decode()!r}")
    checks.that(not model.exists() and report.exists(), "infeasible: a model was written, or no report")
    layers = json.loads(report.read_text())["layers"]
    checks.that(len(layers) >= 7 and any("infeasible" in layer for layer in layers), "infeasible: the report does not say so")
    checks.that(len(done.stdout.decode().splitlines()) > 7, "infeasible: no table")
    report.unlink()
    done = checks.run("explore", VGG, "--at-most", "1kB", "-o", model, "--json", report, "--quiet")
    checks.that(done.returncode == 5 and "--at-most allows 1,000 B" in done.stderr.decode(), f"--at-most: {done.stderr.decode()!r}")
    checks.that(not model.exists() and report.exists(), "--at-most: a model was written, or no report")
    total = json.loads(report.read_text())["totals"]["offchip_bytes"]
    checks.works("explore", VGG, "--at-most", total)
    checks.fails(5, "1 B too many", "explore", VGG, "--at-most", total - 1)


def test_streams(checks):
    bytes_of_vgg = pathlib.Path(VGG).read_bytes()
    done = checks.works("explore", VGG, "--json", "-")
    report = json.loads(done.stdout)
    checks.that(report["superslash"]["command"] == "explore" and report["model"]["path"] == VGG, "--json -: not the report")
    checks.that(len(done.stderr.decode().splitlines()) > 7, "--json -: the tables are not on stderr")
    checks.that(checks.works("explore", VGG, "--json", "-", "--quiet").stderr == b"", "--quiet --json -: something on stderr")
    done = checks.works("explore", VGG)
    checks.that(done.stderr == b"" and len(done.stdout.decode().splitlines()) > 7, "explore: tables on stdout, nothing on stderr")
    checks.that(b"\x1b" not in done.stdout and b"\r" not in done.stdout, "explore: escape codes in a pipe")
    piped = checks.works("explore", "-", "--json", "-", "--quiet", stdin=bytes_of_vgg)
    checks.that(json.loads(piped.stdout)["totals"] == report["totals"], "- as input differs")
    copy = checks.works("explore", "-", "-o", "-", "--no-annotations", stdin=bytes_of_vgg)
    checks.that(copy.stdout == bytes_of_vgg, "explore --no-annotations: not the file as it was")
    annotated = checks.works("explore", VGG, "-o", "-", "--json", "r.json", "--quiet")
    checks.that(annotated.stderr == b"" and len(annotated.stdout) > len(bytes_of_vgg), "-o -: no annotated model on stdout")
    checks.that(json.loads((checks.work / "r.json").read_text())["totals"] == report["totals"], "-o - --json FILE: another report")
    checks.works("explore", VGG, "-o", "annotated.onnx")
    checks.that((checks.work / "annotated.onnx").read_bytes() == annotated.stdout, "-o - and -o FILE differ")
    table = checks.works("explore", "--layers", "-", "--json", "-", "--quiet", stdin=TABLE.encode())
    report = json.loads(table.stdout)
    checks.that(report["model"] is None and [layer["name"] for layer in report["layers"]] == ["conv1"], "--layers -: not the table")
    checks.fails(2, "the standard input (-) can be used only once", "compare", "-", "-")
    checks.fails(2, "the standard input (-) can be used only once", "prune", "-", "--plan", "-")
    done = checks.works("compare", VGG, VGG, "--json", "-", "--quiet")
    checks.that(json.loads(done.stdout)["before"]["totals"] == json.loads(done.stdout)["after"]["totals"], "compare --json: not both reports")


def test_outputs_are_untouched_on_failure(checks):
    folder = checks.work / "outputs"
    folder.mkdir()
    model, report, plan = folder / "m.onnx", folder / "r.json", folder / "p.json"
    for path in (model, report, plan):
        path.write_text("as it was")

    def untouched(what, code, *arguments):
        done = checks.run(*arguments)
        checks.that(done.returncode == code, f"{what}: exit {done.returncode}, {code} expected: {done.stderr.decode()}")
        checks.that(all(path.read_text() == "as it was" for path in (model, report, plan)), f"{what}: an output was touched")
        checks.that(sorted(path.name for path in folder.iterdir()) == ["m.onnx", "p.json", "r.json"], f"{what}: something was left behind")

    untouched("no such folder", 6, "explore", VGG, "-o", folder / "none" / "m.onnx", "--json", report)
    untouched("a folder", 6, "explore", VGG, "-o", model, "--json", folder)
    untouched("no model", 3, "explore", checks.work / "broken.onnx", "-o", model, "--json", report)
    untouched("wrong usage", 2, "explore", VGG, "-o", model, "--json", report, "--bits", "x")
    untouched("no memory", 7, "explore", VGG, "-o", model, "--json", report, "--max-memory", "20KiB")
    untouched("infeasible", 5, "optimize", VGG, "-o", model, "--json", report, "--plan-out", plan, "--on-chip", "20", "--offchip", "1kB")
    untouched("out of reach", 5, "optimize", VGG, "-o", model, "--json", report, "--plan-out", plan, "--offchip", "10B")
    checks.works("explore", VGG, "-o", model, "--json", report)
    checks.that(plan.read_text() == "as it was" and model.read_bytes() != b"as it was", "a good run writes what was asked for")
    json.loads(report.read_text())
    shutil.copy(VGG, model)
    checks.works("explore", model, "-o", model, "--quiet")
    first = model.read_bytes()
    checks.works("explore", model, "-o", model, "--quiet")
    checks.that(model.read_bytes() == first, "annotating in place twice differs")


def test_jobs(checks):
    """optimize, its plan, prune with that plan, compare, inspect: each hands on to the next."""
    flags = ("--target", "plain", "--on-chip", "32KiB")
    done = checks.works("optimize", VGG, "-o", "small.onnx", "--plan-out", "small.json", "--json", "-", "--quiet", "--offchip", "-30%", *flags)
    report = json.loads(done.stdout)
    before, after = report["pruning"]["before"]["offchip_bytes"], report["pruning"]["after"]["offchip_bytes"]
    checks.that(10 * after <= 7 * before, f"-30%: {before} -> {after}")
    checks.works("prune", VGG, "-o", "again.onnx", "--plan", "small.json", *flags)
    again = json.loads(checks.works("explore", "again.onnx", "--json", "-", "--quiet", *flags).stdout)
    checks.that(again["totals"]["offchip_bytes"] == after, "prune with the plan gives another model")
    text = checks.works("compare", VGG, "small.onnx", *flags).stdout.decode()
    checks.that(f"{before:,}" in text and f"{after:,}" in text, f"compare does not show {before:,} and {after:,}:\n{text}")
    checks.that(len(checks.works("inspect", VGG).stdout.decode().splitlines()) > 8, "inspect: no table")
    json.loads(checks.works("inspect", VGG, "--json", "-", "--quiet").stdout)
    layer = report["layers"][2]
    for name in (layer["name"], layer["epilogue"][-1]):
        for command in (("explore", VGG), ("prune", VGG, "-o", "explained.onnx", "--plan", "small.json")):
            text = checks.works(*command, "--explain", name, *flags, "--no-fusion").stdout.decode()
            checks.that(f"layer    {layer['name']} (Conv)" in text and "compute" in text and "share" not in text, f"--explain {name}:\n{text}")
            text = checks.works(*command, "--explain", name, *flags).stdout.decode()
            checks.that(f"layer    {layer['name']} (Conv)" in text and "group    0: " in text and "[image]" in text, f"--explain {name}, fused:\n{text}")


def on_terminal(checks, *arguments, **env):
    """What the program writes to a terminal of 80 columns."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([checks.program, *arguments], stdout=follower, stderr=follower, stdin=subprocess.DEVNULL,
                               env={**os.environ, "TERM": "xterm", **env})
    os.close(follower)
    text = b""
    try:
        while block := os.read(leader, 65536):
            text += block
    except OSError:
        pass
    os.close(leader)
    process.wait()
    return text


def test_terminal(checks):
    checks.that(b"\x1b[" not in on_terminal(checks, "explore", VGG, NO_COLOR="1"), "NO_COLOR: there is colour")
    checks.that(b"\x1b[" not in on_terminal(checks, "explore", VGG, TERM="dumb", NO_COLOR=""), "TERM=dumb: there is colour")
    coloured = on_terminal(checks, "explore", VGG, NO_COLOR="")
    checks.that(b"\x1b[" in coloured and len(coloured.splitlines()) > 7, "a terminal sees no table in colour")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superslash", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--only", help="run the tests whose name holds this")
    args = parser.parse_args()
    work = args.work.resolve() / "cli"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    checks = Checks(args.superslash, work)
    (checks.work / "broken.onnx").write_bytes(b"not a model at all")
    for test in (test_help, test_list, test_options, test_target_files, test_exit_codes, test_gates, test_streams,
                 test_outputs_are_untouched_on_failure, test_jobs, test_terminal):
        if args.only and args.only not in test.__name__:
            continue
        try:
            test(checks)
        except (KeyError, ValueError, OSError, subprocess.TimeoutExpired) as error:
            checks.that(False, f"{test.__name__}: {type(error).__name__}: {error}")
    print(f"{checks.count} checks, {checks.faults} faults")
    return 1 if checks.faults else 0


if __name__ == "__main__":
    sys.exit(main())
