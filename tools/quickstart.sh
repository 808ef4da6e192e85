#!/bin/sh
# Installs what is missing, builds, and runs the main job on a trained network.
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh
# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES
cmake -S . -B build/quickstart -G Ninja >/dev/null
cmake --build build/quickstart --target superslash
set -x
build/quickstart/superslash optimize tests/models/resnet.onnx -o build/quickstart/resnet-pruned.onnx --target plain --on-chip 32KiB --offchip -30%
