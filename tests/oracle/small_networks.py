"""Small networks of the well-known kinds, with random weights: what the executor runs in seconds.

    NETWORKS                      {name: function that makes the model}
"""
import numpy as np

from network_builder import Builder


def relu(b, x):
    return b.op("Relu", [x], x + "_r")


def gemm(b, x, name, m):
    """On a flattened value."""
    features = int(np.prod(b.shapes[x][1:]))
    weight, bias = b.rng.standard_normal((m, features)) / features ** 0.5, b.rng.standard_normal(m) / 4
    return b.op("Gemm", [x, b.constant(name + "_w", weight), b.constant(name + "_b", bias)], name, (1, m), transB=1)


def flatten(b, x):
    return b.op("Flatten", [x], x + "_f", (1, int(np.prod(b.shapes[x][1:]))), axis=1)


def classifier(b, x, m=10):
    pooled = b.op("GlobalAveragePool", [x], x + "_g", (1, b.shapes[x][1], 1, 1))
    return gemm(b, flatten(b, pooled), "scores", m)


def lenet():
    b = Builder((1, 1, 20, 20))
    x = b.pool(relu(b, b.conv("x", "a", 6, kernel=5)), "p", op="AveragePool")
    x = b.pool(relu(b, b.conv(x, "c", 12, kernel=5, pad=0)), "q", op="AveragePool")
    return b.model(gemm(b, relu(b, gemm(b, flatten(b, x), "d", 24)), "e", 10))


def vgg():
    b, x = Builder((1, 3, 24, 24)), "x"
    for stage, m in enumerate((8, 12, 16)):
        for k in range(2):
            x = relu(b, b.conv(x, f"s{stage}c{k}", m))
        x = b.pool(x, f"s{stage}p")
    return b.model(classifier(b, x))


def resnet():
    b = Builder((1, 3, 20, 20))
    x = relu(b, b.conv("x", "stem", 8))
    for stage, m in enumerate((8, 12)):
        for k in range(2):
            name, stride = f"s{stage}b{k}", 2 if stage and not k else 1
            inner = b.conv(relu(b, b.conv(x, name + "a", m, stride=stride)), name + "b", m)
            skip = b.conv(x, name + "s", m, kernel=1, stride=stride) if b.shapes[x] != b.shapes[inner] else x
            x = relu(b, b.op("Add", [inner, skip], name + "j"))
    return b.model(classifier(b, x))


def mobilenetv2():
    b = Builder((1, 3, 20, 20))
    b.constant("zero", np.float32(0)), b.constant("six", np.float32(6))
    clip = lambda x: b.op("Clip", [x, "zero", "six"], x + "_r")
    x = clip(b.conv("x", "stem", 8, stride=2))
    for k, (m, stride) in enumerate(((8, 1), (12, 2), (12, 1))):
        wide = 3 * b.shapes[x][1]
        inner = clip(b.conv(clip(b.conv(x, f"b{k}e", wide, kernel=1)), f"b{k}d", wide, stride=stride, group=wide))
        inner = b.conv(inner, f"b{k}p", m, kernel=1)
        x = b.op("Add", [inner, x], f"b{k}j") if b.shapes[inner] == b.shapes[x] else inner
    return b.model(classifier(b, x))


def squeezenet():
    b = Builder((1, 3, 20, 20))
    x = b.pool(relu(b, b.conv("x", "stem", 8)), "p", 3, 2, 1)
    for k, (squeeze, expand) in enumerate(((4, 8), (6, 10))):
        s = relu(b, b.conv(x, f"f{k}s", squeeze, kernel=1))
        one, three = relu(b, b.conv(s, f"f{k}o", expand, kernel=1)), relu(b, b.conv(s, f"f{k}t", expand))
        x = b.op("Concat", [one, three], f"f{k}c", (1, 2 * expand, *b.shapes[s][2:]), axis=1)
    return b.model(classifier(b, x))


def inception():
    b = Builder((1, 3, 16, 16))
    x = relu(b, b.conv("x", "stem", 8))
    for k in range(2):
        plain = relu(b, b.conv(x, f"i{k}a", 4, kernel=1))
        three = relu(b, b.conv(relu(b, b.conv(x, f"i{k}b", 4, kernel=1)), f"i{k}c", 6))
        five = relu(b, b.conv(relu(b, b.conv(x, f"i{k}d", 3, kernel=1)), f"i{k}e", 4, kernel=5))
        pooled = relu(b, b.conv(b.pool(x, f"i{k}p", 3, 1, 1), f"i{k}f", 4, kernel=1))
        x = b.op("Concat", [plain, three, five, pooled], f"i{k}j", (1, 18, *b.shapes[x][2:]), axis=1)
    return b.model(classifier(b, x))


NETWORKS = {"lenet": lenet, "vgg": vgg, "resnet": resnet, "mobilenetv2": mobilenetv2, "squeezenet": squeezenet, "inception": inception}
