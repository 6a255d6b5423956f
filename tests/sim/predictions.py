# SPDX-License-Identifier: BSD-3-Clause
"""What `vcoll sim cluster` predicts for a cluster of `compare`, beside the simulated times of the same algorithms."""
import json
import math
import os
import subprocess
import sys

FACTOR = 1.5  # a prediction within it is taken as right
APART = 1.1  # algorithms whose simulated times are closer have no order


def link(latency, rate, sharing):
    """0.3 us of a CPU at either end, but for messages of 8 KiB and more, which wait for their receivers."""
    points = [[0, 0], [1 << 20, (1 << 20) / rate]]
    return {"latency": latency, "overhead": 3e-7, "points": points, "rendezvous": 8192, "sharing": sharing}


def model(latency, near, rate, loopback_latency, loopback_rate):
    """The platform in the model's words. Messages out of a host, and into it, share its link; within a host each has the rate for itself.
    Node phases are such messages; computing takes no time. near: hosts at a switch, and their latency."""
    node = {"base": 0, "flag": 0, "copy": 0, "reduce": 0, "messages": True}
    wire = {**link(latency, rate, "equally"), "near_nodes": near[0], "near_latency": near[1]}
    return {"link": {"shm": link(loopback_latency, loopback_rate, "freely"), "wire": wire}, "node": node}


def sim_cluster(args, vcoll, figures, scratch, words):
    """What the command prints of the cluster of args."""
    table = {"vcoll_table": 1, "model": figures, "rules": [{"algorithm": "builtin"}]}
    with open(f"{scratch}/model.json", "w", encoding="ascii") as out:
        json.dump(table, out)
    command = [vcoll, "sim", "cluster", "--table", f"{scratch}/model.json", "--nodes", str(args.nodes)]
    command += ["--ppn", str(args.ppn), "--collective", args.colls] + words
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VCOLL_")}
    run = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout, check=False, env=environment)
    if run.returncode != 0:
        sys.exit(f"compare: {' '.join(command)} failed:\n{run.stderr}")
    return run.stdout


def predict(args, figures, scratch):
    """(collective, bytes) -> {algorithm: microseconds}."""
    return {
        (p["collective"], p["bytes"]): {w["choice"]: w["us"] for w in p["ways"] if w["us"] is not None}
        for p in json.loads(sim_cluster(args, args.predict, figures, scratch, ["--sizes", args.sizes, "--json", "--parameters"]))["points"]
    }


def tune(args, figures, scratch, table):
    """Writes the table of `--tune`, for the sizes that it takes by itself."""
    sim_cluster(args, args.tune, figures, scratch, ["--tune", table])


def pairs(simulated, predicted):
    """For each two algorithms of a cell that are not about equal: whether the prediction has them in the same order."""
    names = sorted(simulated)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            ratio = simulated[a] / simulated[b]
            if max(ratio, 1 / ratio) >= APART:
                yield (ratio > 1) == (predicted[a] > predicted[b])


def share(right):
    return f"{100 * sum(right) / len(right):.0f} % of {len(right)}" if right else "none"


def show(cells, predicted, every):
    """A line for each collective and for all; `every`: one for each algorithm as well."""
    close, order, best, ratios = {}, {}, {}, {}
    for (collective, size), cell in cells.items():
        guess = predicted.get((collective, size), {})
        common = {a: t for a, t in cell["algorithms"].items() if a in guess}
        if not common:
            continue
        for name, microseconds in sorted(common.items(), key=lambda x: x[1]):
            ratio = guess[name] / microseconds
            ratios.setdefault(collective, []).append(ratio)
            if every:
                print(f"{collective:<10} {size:>8} {name:<32} simulated {microseconds:9.1f} predicted {guess[name]:9.1f} {ratio:6.2f}")
        close.setdefault(collective, []).extend(1 / FACTOR <= guess[a] / t <= FACTOR for a, t in common.items())
        order.setdefault(collective, []).extend(pairs(common, guess))
        favourite = min(common, key=guess.get)
        best.setdefault(collective, []).append(common[favourite] < APART * min(common.values()))
    for name in [*close, "all"]:
        parts = [sum(d.values(), []) if name == "all" else d[name] for d in (close, order, best, ratios)]
        bias = math.exp(sum(map(math.log, parts[3])) / len(parts[3]))
        print(
            f"predicted {name}: within {FACTOR} {share(parts[0])}, order of two {share(parts[1])}, "
            f"the fastest or within 10 % of it {share(parts[2])}, mean ratio {bias:.2f}"
        )
