"""The one-way street of the house, read from the #include lines: a floor includes what stands below it and nothing else.

    test_floors.py [--root FOLDER]
"""
import argparse
import pathlib
import re
import sys

# floor -> the floors it may include besides itself
BELOW = {
    "base": [],
    "ir": ["base"],
    "op": ["base", "ir"],
    "onnx": ["base", "ir", "op"],
    "cost": ["base", "ir", "op"],
    "eval": ["base", "ir", "op"],
    "report": ["base", "ir", "op", "onnx", "cost", "eval"],
    "passes": ["base", "ir", "op", "onnx", "cost", "eval", "report"],
    "tools": ["base", "ir", "op", "onnx", "cost", "eval", "report", "passes"],
}
PUBLIC = "superslash.h"
# header (pattern) -> where alone it may be included
ONLY_IN = [
    (re.compile(r"^(google/)?protobuf|^proto/onnx\.pb-c\.h$"), "src/onnx/"),
    (re.compile(r"^jansson\.h$"), "src/report/"),
    (re.compile(r"^yaml\.h$"), "src/cost/"),
    (re.compile(r"^cblas"), "src/eval/"),
    (re.compile(r"^pthread\.h$"), "src/base/"),
    (re.compile(r"^(linux/|sched\.h|sys/(sysinfo|epoll|inotify|sendfile|syscall|prctl|vfs)\.h|malloc\.h)"), "src/base/os.c"),
]
GENERATED = re.compile(r"^(presets\.inc|version\.h)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def floor_of(path):
    parts = path.parts
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else None
    return {"passes": "passes", "tools": "tools"}.get(parts[0])


def check(path, text):
    floor, faults = floor_of(path), []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name, local = match[2], match[1] == '"'
        for pattern, home in ONLY_IN:
            if pattern.search(name) and not str(path).startswith(home):
                faults.append(f"{path}:{number}: includes {name}, which only {home} may")
        if not local or name.startswith("proto/") or GENERATED.match(name):
            continue
        if name == PUBLIC:
            if floor not in (None, "passes", "tools"):
                faults.append(f"{path}:{number}: a floor of the library includes its public header")
            continue
        top = name.split("/")[0]
        if top == "tools" and floor == "tools" or "/" not in name and floor == "tools":
            continue
        if top not in BELOW:
            faults.append(f"{path}:{number}: {name} is not given from src/ or the root")
        elif floor is None:
            faults.append(f"{path}:{number}: {PUBLIC} includes {name}; it stands alone")
        elif top != floor and top not in BELOW[floor]:
            faults.append(f"{path}:{number}: {floor} includes {name}, a floor above it or beside it")
    if floor and not (path.parts[0] == "src" and floor not in BELOW):
        return faults
    return faults + ([f"{path}: no floor of that name"] if floor else [])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    root = options.parse_args().root
    files = [path for folder in ("src", "passes", "tools/superslash") for path in sorted(root.glob(f"{folder}/**/*"))
             if path.suffix in (".c", ".h", ".def")]
    faults, names = [], {}
    for path in files:
        relative = path.relative_to(root)
        faults += check(relative, path.read_text())
        if path.suffix != ".h" and relative.parts[0] != "tools" and (other := names.setdefault(path.name, relative)) != relative:
            print(f"note: {relative}: {other} has the same name")
        if re.search(r"utils|helpers|common|misc|manager", path.stem):
            faults.append(f"{relative}: a name that says nothing")
    for fault in faults:
        print(fault)
    print(f"{len(files)} files, {len(faults)} faults")
    return bool(faults) or not files


if __name__ == "__main__":
    sys.exit(main())
