"""The reference machine against one that holds sets of elements, on small random nests.

    python tests/oracle/test_machine.py [--nests 1500] [--seed 5]

machine.py reckons with boxes and intervals; here a tile is the set of its elements (known by the ranges of its loops), and every rule of
cost-model.md 3 is a set operation.
Nests have strides below and above the kernel's extent, dilations, pads, axes that are transposed, merged pools, biases, sub-byte widths; mappings are plain, nested,
uneven and snaking; the halo is kept or fetched again.
"""
import argparse
import itertools
import random
import sys

from machine import ONE, Axis, Count, Mapping, Nest, bytes_of, run


def box(ranges, dims):
    return set(itertools.product(*[range(*ranges[d]) for d in dims]))


def touched(axis, begin, end):
    extent = (axis.kernel - 1) * axis.dilation + 1
    if axis.transposed:
        spans = {i: range(i * axis.stride - axis.pad, i * axis.stride - axis.pad + extent) for i in range(axis.plane)}
        return {i for i, span in spans.items() if set(span) & set(range(begin, end))}
    first = [o * axis.stride - axis.pad for o in range(begin, end)]
    spans = [range(first[0], first[-1] + extent)] if axis.stride < extent else [range(i, i + extent) for i in first]
    return {i for span in spans for i in span if 0 <= i < axis.plane}


def tile_steps(nest, mapping):
    """For each step the ranges after 0, 1, 2, ... loops."""
    started, steps = [0] * len(mapping.loops), []

    def enter(level, ranges, outer):
        if level == len(mapping.loops):
            steps.append(outer + [ranges])
            return
        dim, step, snake = mapping.loops[level]
        begin, end = ranges[dim]
        tiles = [(i, min(i + step, end)) for i in range(begin, end, step)]
        if snake and started[level] % 2:
            tiles.reverse()
        started[level] += 1
        for tile in tiles:
            enter(level + 1, ranges[:dim] + (tile,) + ranges[dim + 1:], outer + [ranges])

    enter(0, tuple((0, size) for size in nest.sizes), [])
    return steps


def literal(nest, mapping, reuse):
    moved, largest = {"i": 0, "w": 0, "o": 0, "p": 0}, [0, 0, 0]
    i_held = i_others = i_name = w_held = o_held = None
    added, spilled = {}, set()
    kernel = nest.axes[0].kernel * nest.axes[1].kernel * nest.axes[2].kernel

    def leaves(element):
        return all(element[3 + i] % a.pool == 0 and element[3 + i] // a.pool < a.pooled for i, a in enumerate(nest.axes))

    def write_back():
        if o_held is None:
            return
        if all(added.get(element, 0) == nest.sizes[3] for element in o_held):
            moved["o"] += bytes_of(sum(map(leaves, o_held)), nest.o_bits)
        else:
            moved["p"] += bytes_of(len(o_held), nest.p_bits)
            spilled.add(o_held)

    steps = tile_steps(nest, mapping)
    for ranges in steps:
        i_ranges, w_ranges, o_ranges = (ranges[depth] for depth in mapping.depth)
        windows = itertools.product(*[touched(nest.axes[a], *i_ranges[4 + a]) for a in range(3)])
        others, name = tuple(i_ranges[d] for d in (0, 1, 3)), i_ranges[:2] + i_ranges[3:]
        want = frozenset(itertools.product(box(i_ranges, (0, 1, 3)), list(windows)))
        if name != i_name:
            largest[0] = max(largest[0], bytes_of(len(want), nest.i_bits))
            new = want - i_held if reuse and others == i_others else want
            moved["i"] += bytes_of(len(new), nest.i_bits)
            i_held, i_others, i_name = want, others, name
        want = frozenset(box(w_ranges, (1, 2, 3)))
        if nest.w_bits and want != w_held:
            tile = bytes_of(len(want) * kernel, nest.w_bits)
            bias = bytes_of(len({element[:2] for element in want}), nest.p_bits) if nest.has_bias else 0
            moved["w"] += tile + (bias if any(element[2] == 0 for element in want) else 0)
            largest[1] = max(largest[1], tile + bias)
            w_held = want
        want = frozenset(box(o_ranges, (0, 1, 2, 4, 5, 6)))
        if want != o_held:
            write_back()
            o_held = want
            largest[2] = max(largest[2], bytes_of(len(want), nest.p_bits))
            if want in spilled:
                moved["p"] += bytes_of(len(want), nest.p_bits)
                spilled.discard(want)
        inner = ranges[-1]
        for element in box(inner, (0, 1, 2, 4, 5, 6)):
            added[element] = added.get(element, 0) + inner[3][1] - inner[3][0]
    write_back()
    return Count(*moved.values(), *largest, len(steps))


def random_axis(pick):
    while True:
        kernel, stride, dilation, pad, plane = pick.randint(1, 4), pick.randint(1, 4), pick.randint(1, 2), pick.randint(0, 2), pick.randint(3, 9)
        if pick.random() < 0.25:
            outputs = (plane - 1) * stride + (kernel - 1) * dilation + 1 - pad - pick.randint(-1, 2)
            if 1 <= outputs <= 12:
                return Axis(plane, kernel, stride, dilation, pad, 1, outputs, True), outputs
            continue
        outputs = (plane + 2 * pad - (kernel - 1) * dilation - 1) // stride + 1
        if outputs >= 1 and pad <= (kernel - 1) * dilation:
            pool = pick.choice((1, 1, 2)) if outputs >= 2 else 1
            return Axis(plane, kernel, stride, dilation, pad, pool, outputs // pool), outputs


def random_case(pick):
    (rows, oh), (columns, ow) = random_axis(pick), random_axis(pick)
    sizes = (pick.choice((1, 1, 2)), pick.choice((1, 1, 2)), pick.randint(1, 4), pick.randint(1, 4), 1, oh, ow)
    nest = Nest(sizes, (ONE, rows, columns), pick.choice((3, 4, 8)), pick.choice((4, 8)), 8, pick.choice((12, 32)), pick.random() < 0.5)
    pools, inner, loops = {5: rows.pool, 6: columns.pool}, list(sizes), []
    for _ in range(pick.randint(0, 5)):
        dim = pick.choice((0, 1, 2, 3, 5, 6))
        step = pick.randint(1, max(1, inner[dim] - 1))
        if step < inner[dim] and step % pools.get(dim, 1) == 0:
            inner[dim] = step
            loops.append((dim, step, pick.random() < 0.3))
    depth = tuple(len(loops) if pick.random() < 0.6 else pick.randint(0, len(loops)) for _ in range(3))
    return nest, Mapping(tuple(loops), depth)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nests", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    pick, differ = random.Random(args.seed), 0
    for _ in range(args.nests):
        nest, mapping = random_case(pick)
        for reuse in (True, False):
            expected, found = literal(nest, mapping, reuse), run(nest, mapping, reuse)
            if expected != found:
                differ += 1
                print(f"{nest}\n{mapping}, halo {'reuse' if reuse else 'refetch'}\n  sets  {expected}\n  boxes {found}")
    print(f"{args.nests} nests from seed {args.seed}, {differ} differences")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
