#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""All shapes together, from the figures that `compare --keep` left: geometric means of peer / vcoll, and a plot."""
import argparse
import json
import math
import pathlib
import re
import sys

sys.dont_write_bytecode = True  # nothing is left in the source tree
import bounds  # pylint: disable=wrong-import-position

SELECTORS = ("ompi", "mvapich2", "impi", "mpich")
COLLECTIVES = ("barrier", "bcast", "reduce", "allreduce", "allgather", "alltoall")
COLOURS = {0: "#666666", 8: "#1f8fe0", 1024: "#2a9d4a", 16384: "#d98200", 262144: "#d1495b", 1048576: "#9a5fc0"}
NAME = re.compile(r"(?P<platform>.+)-(?P<nodes>\d+)x(?P<ppn>\d+)-(?P<collective>[a-z]+)-(?P<bytes>\d+)-(?P<label>[a-z0-9]+)\.json")


def read(directory):
    """{shape: {(collective, bytes): {label: microseconds}}}, shapes in order, of cells that have vcoll's figure and all four."""
    shapes = {}
    for path in pathlib.Path(directory).iterdir():
        found = NAME.fullmatch(path.name)
        if not found or found["label"] not in (*SELECTORS, "vcoll"):
            continue
        content = json.loads(path.read_text(encoding="ascii"))["us"]
        shape = (found["platform"], int(found["ppn"]), int(found["nodes"]))
        cell = shapes.setdefault(shape, {}).setdefault((found["collective"], int(found["bytes"])), {})
        kind = "vcoll:" if found["label"] == "vcoll" else "native"
        cell[found["label"]] = next(us for what, us in content.items() if what.startswith(kind))
    whole = {s: {k: c for k, c in cells.items() if len(c) == len(SELECTORS) + 1} for s, cells in shapes.items()}
    return {s: whole[s] for s in sorted(whole, key=lambda s: (s[0] != "fat-tree", *s[1:])) if whole[s]}


def best(cell):
    return min(cell[s] for s in SELECTORS) / cell["vcoll"]


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def shape_words(shape):
    """As bounds.bound() takes them."""
    platform, ppn, nodes = shape
    return platform, nodes, ppn


def title(shape):
    return f"{shape[2]}x{shape[1]}" + ("" if shape[0] == "fat-tree" else " " + shape[0])


def by_shape(shapes):
    print("| | " + " | ".join(map(title, shapes)) + " | all |")
    print("|---|" + "---:|" * (len(shapes) + 1))
    for collective in (*COLLECTIVES, "all"):
        line, every = [], []
        for cells in shapes.values():
            ratios = [best(c) for k, c in cells.items() if collective in (k[0], "all")]
            every += ratios
            line.append(f"{mean(ratios):.2f}" if ratios else "-")
        if every:
            print(f"| {collective} | " + " | ".join(line) + f" | {mean(every):.2f} |")
    most = [[min(c[s] for s in SELECTORS) / bounds.bound(*shape_words(shape), *k) for k, c in cells.items()] for shape, cells in shapes.items()]
    print("| at most for anybody | " + " | ".join(f"{mean(m):.2f}" for m in most) + f" | {mean(sum(most, [])):.2f} |")
    lowest = [min(map(best, cells.values())) for cells in shapes.values()]
    print("| lowest | " + " | ".join(f"{r:.2f}" for r in lowest) + f" | {min(lowest):.2f} |")
    slower = [(sum(best(c) < 0.95 for c in cells.values()), len(cells)) for cells in shapes.values()]
    slower.append(tuple(map(sum, zip(*slower))))
    print("| under 0.95 | " + " | ".join(f"{few} of {n}" for few, n in slower) + " |")


def by_selector(shapes):
    cells = [c for cells in shapes.values() for c in cells.values()]
    print("| | mean | lowest | under 0.95 |\n|---|---:|---:|---:|")
    for name in (*SELECTORS, "best of them"):
        ratios = [best(c) if name not in SELECTORS else c[name] / c["vcoll"] for c in cells]
        print(f"| {name} | {mean(ratios):.2f} | {min(ratios):.2f} | {sum(r < 0.95 for r in ratios)} of {len(ratios)} |")


def panel(shapes, collective, left, top, width, height):
    """Ratios of one collective over the shapes, a line for each number of bytes; the upper axis is logarithmic."""
    low, high = 0.5, 4.0

    def y(ratio):
        return top + height * (1 - math.log(min(max(ratio, low), high) / low) / math.log(high / low))

    xs = [left + width * (i + 0.5) / len(shapes) for i in range(len(shapes))]
    out = [f'<text x="{left}" y="{top - 8}" font-weight="bold">{collective}</text>',
           f'<rect x="{left}" y="{y(1):.1f}" width="{width}" height="{top + height - y(1):.1f}" fill="#d1495b" fill-opacity="0.08"/>']
    for ratio in (0.5, 1, 2, 4):
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{y(ratio):.1f}" y2="{y(ratio):.1f}" stroke="#888" '
                   f'stroke-width="{1.4 if ratio == 1 else 0.4}"/>')
        out.append(f'<text x="{left - 6}" y="{y(ratio) + 4:.1f}" text-anchor="end">{ratio:g}</text>')
    for x, shape in zip(xs, shapes):
        words = f"{shape[2]}x{shape[1]}" + ("" if shape[0] == "fat-tree" else "d")
        out.append(f'<text x="{x:.1f}" y="{top + height + 14}" text-anchor="middle" font-size="9">{words}</text>')
    for size, colour in COLOURS.items():
        points = [(x, best(cells[collective, size])) for x, cells in zip(xs, shapes.values()) if (collective, size) in cells]
        if len(points) > 1:
            line = " ".join(f"{x:.1f},{y(r):.1f}" for x, r in points)
            out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="0.8" stroke-opacity="0.6"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y(r):.1f}" r="3" fill="{colour}"/>' for x, r in points]
    return out


def plot(shapes):
    width, height, gap_x, gap_y, left, top = 400, 150, 70, 60, 50, 70
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 940 690" font-family="sans-serif" font-size="11" fill="#444">',
           '<rect width="940" height="690" fill="#fff"/>',
           '<text x="50" y="22" font-size="12">Simulated: time of the fastest of four MPIs / time of vcoll, over hosts x ranks (d: dragonfly); '
           'below 1 (shaded) vcoll is slower</text>']
    for i, (size, colour) in enumerate(list(COLOURS.items())[1:]):
        text = f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB" if size >> 10 else f"{size} B"
        out.append(f'<circle cx="{56 + 100 * i}" cy="38" r="4" fill="{colour}"/><text x="{64 + 100 * i}" y="42">{text}</text>')
    for i, collective in enumerate(COLLECTIVES):
        out += panel(shapes, collective, left + (width + gap_x) * (i % 2), top + (height + gap_y) * (i // 2), width, height)
    return "\n".join([*out, "</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", help="that of `compare --keep`")
    parser.add_argument("--plot", metavar="FILE", help="an SVG file that is written")
    args = parser.parse_args()
    shapes = read(args.directory)
    if not shapes:
        parser.error(f"no cell in {args.directory} has figures of all")
    by_shape(shapes)
    print()
    by_selector(shapes)
    if args.plot:
        pathlib.Path(args.plot).write_text(plot(shapes), encoding="utf-8")


if __name__ == "__main__":
    main()
