#!/usr/bin/python3
"""Trains the three test networks on Fashion-MNIST and exports them, BatchNormalization kept.

    /usr/bin/python3 tools/models/train.py tests/models [vgg|resnet|mobilenet ...] [--minutes 10]

Needs Debian's python3-torch and dataset-fashion-mnist. Images are x / 255, then (x - 0.2860) / 0.3530, applied outside of the network.
The number of epochs follows from a measured batch and --minutes; the test images are read once, for the accuracy printed at the end.
"""
import argparse
import gzip
import pathlib
import time

import numpy as np
import torch
from torch import nn

DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
MEAN, SCALE = 0.2860, 0.3530


def idx(path):
    raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    rank = raw[3]
    dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(dims)


def find(part):
    return next(p for p in sorted(DATA.rglob("*")) if part in p.name)


def normalised(images):
    return ((images.astype(np.float32) / 255 - MEAN) / SCALE)[:, None]


class Unit(nn.Sequential):
    """Conv, BatchNormalization, Relu."""

    def __init__(self, c, m, k=3, stride=1, groups=1, relu=True):
        layers = [nn.Conv2d(c, m, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(m)]
        super().__init__(*layers, *([nn.ReLU()] if relu else []))


class Block(nn.Module):
    """Two 3x3 convolutions beside an identity, or a 1x1 where shapes change."""

    def __init__(self, c, m, stride):
        super().__init__()
        self.unit1, self.unit2 = Unit(c, m, stride=stride), Unit(m, m, relu=False)
        self.shortcut = Unit(c, m, 1, stride, relu=False) if stride != 1 or c != m else nn.Identity()

    def forward(self, x):
        return torch.relu(self.unit2(self.unit1(x)) + self.shortcut(x))


def vgg():
    return nn.Sequential(Unit(1, 24), nn.MaxPool2d(2), Unit(24, 48), Unit(48, 48), nn.MaxPool2d(2), Unit(48, 96), Unit(96, 96),
                         Unit(96, 96), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96 * 9, 10))


def resnet():
    blocks = [Block(16, 16, 1), Block(16, 16, 1), Block(16, 32, 2), Block(32, 32, 1), Block(32, 64, 2), Block(64, 64, 1)]
    return nn.Sequential(Unit(1, 16), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobilenet():
    widths, strides = [24, 48, 64, 96, 96, 128, 128], [2, 1, 2, 1, 1, 1]
    units = [Unit(1, 24)]
    for c, m, stride in zip(widths, widths[1:], strides):
        units += [Unit(c, c, 3, stride, groups=c), Unit(c, m, 1)]
    return nn.Sequential(*units, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


NETWORKS = {"vgg": vgg, "resnet": resnet, "mobilenet": mobilenet}


def augmented(x):
    flip = torch.rand(len(x)) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    padded = nn.functional.pad(x, (2, 2, 2, 2), value=float(x.min()))
    dy, dx = np.random.randint(0, 5, 2)
    return padded[:, :, dy:dy + 28, dx:dx + 28].contiguous(memory_format=torch.channels_last)


def train(model, images, labels, minutes, batch=128):
    model.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss_of = nn.CrossEntropyLoss()

    def step(rows):
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(model(augmented(images[rows])), labels[rows])
        loss.backward()
        return loss

    start = time.time()
    for i in range(12):
        if i == 2:
            start = time.time()
        step(torch.arange(batch))
    seconds = (time.time() - start) / 10
    per_epoch = len(images) // batch
    epochs = max(4, min(30, int(minutes * 60 / (seconds * per_epoch))))
    print(f"{seconds * 1e3:.1f} ms a batch, {epochs} epochs", flush=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=epochs * per_epoch, pct_start=0.2)
    for epoch in range(epochs):
        order, total = torch.randperm(len(images)), 0.0
        for i in range(per_epoch):
            total += float(step(order[i * batch:(i + 1) * batch]).detach())
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / per_epoch:.4f}", flush=True)


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        return sum(int((model(images[i:i + 500]).argmax(1) == labels[i:i + 500]).sum()) for i in range(0, len(images), 500)) / len(images)


def export(model, path):
    model.eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(model, torch.zeros(1, 1, 28, 28), str(path), input_names=["image"], output_names=["logits"], opset_version=13,
                      dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}}, training=torch.onnx.TrainingMode.PRESERVE,
                      do_constant_folding=False, keep_initializers_as_inputs=False)


def write_samples(folder):
    train_images, test_images = idx(find("train-images")), idx(find("t10k-images"))
    chosen = np.random.default_rng(0).choice(len(train_images), 512, replace=False)
    np.savez_compressed(folder / "calibration-512.npz", image=train_images[np.sort(chosen)][:, None])
    np.savez_compressed(folder / "test-1000.npz", image=test_images[:1000][:, None])
    np.save(folder / "test-1000-labels.npy", idx(find("t10k-labels"))[:1000].astype(np.int64))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write_samples(args.folder)
    images, labels = torch.tensor(normalised(idx(find("train-images")))), torch.tensor(idx(find("train-labels")).astype(np.int64))
    test = torch.tensor(normalised(idx(find("t10k-images")))), torch.tensor(idx(find("t10k-labels")).astype(np.int64))
    for name in args.networks:
        torch.manual_seed(args.seed)
        np.random.seed(args.seed)
        model = NETWORKS[name]()
        print(name, sum(p.numel() for p in model.parameters()), "parameters", flush=True)
        train(model, images, labels, args.minutes)
        print(f"{name}: {100 * accuracy(model, *test):.2f} % of the 10,000 test images", flush=True)
        export(model, args.folder / f"{name}.onnx")


main()
