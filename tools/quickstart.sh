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
# 512 training images without labels tell which channels go and bring the accuracy back; 1,000 test images with labels judge
build/quickstart/superslash optimize tests/models/resnet.onnx -o build/quickstart/resnet-pruned.onnx --target plain --on-chip 32KiB --offchip -30% \
    --calibrate tests/models/calibration-512.npz --mean 0.2860 --scale 0.3530
build/quickstart/superslash verify tests/models/resnet.onnx build/quickstart/resnet-pruned.onnx \
    --calibrate tests/models/test-1000.npz --mean 0.2860 --scale 0.3530 --labels tests/models/test-1000-labels.npy
