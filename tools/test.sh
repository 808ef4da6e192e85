#!/bin/sh
# Installs what is missing, builds with gcc and clang (warnings are errors) and with sanitizers, and passes all tests.
#   tools/test.sh            everything that belongs to every change
#   tools/test.sh NAME...    only the tests whose name matches one of these regular expressions
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh
# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES $TEST_PACKAGES

venv=${SUPERSLASH_VENV:-$PWD/build/venv}
if ! "$venv/bin/python" -c 'import onnx, onnxruntime, numpy' 2>/dev/null; then
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy
fi
mkdir -p build/wheels
ls build/wheels/onnx-1.22.0*.whl >/dev/null 2>&1 || "$venv/bin/pip" download -q --no-deps -d build/wheels onnx==1.22.0

for preset in clang asan release; do
    cmake --preset "$preset" -DSUPERSLASH_VENV="$venv" >/dev/null
    cmake --build --preset "$preset"
done
filter=""
for name in "$@"; do filter="${filter:+$filter|}$name"; done
if [ -n "$filter" ]; then
    ctest --preset release -R "$filter"
else
    ctest --preset asan -L quick
    ctest --preset release
fi
