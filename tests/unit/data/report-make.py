#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""report-make.py DIRECTORY writes report-full.json and report-bare.json there: tables as `vcoll tune run` makes them, with invented
times that behave like those of two virtual machines, for looking at pages of `vcoll report` and for its test."""
import json
import os
import random
import sys

SIZES = [8, 64, 512, 4096, 32768, 262144, 1048576]
ALGORITHMS = {
    "barrier": {"two_level": 0.6, "dissemination": 0.9, "tree": 1.1},
    "bcast": {"two_level": 0.55, "binomial": 0.9, "chain": 1.4, "two_level_chain": 1.2,
              "two_level_scatter_allgather": 1.0},
    "allreduce": {"two_level": 0.5, "recursive_doubling": 0.85, "rabenseifner": 1.1, "ring": 1.5,
                  "two_level_multi:leaders=2": 0.7, "two_level_multi_rabenseifner": 0.8},
}
LONG = {"rabenseifner", "ring", "chain", "two_level_chain", "two_level_scatter_allgather",
        "two_level_multi_rabenseifner"}
WAITS = {"": (1.0, 1.0), ":wait=poll": (0.93, 1.5), ":wait=event": (1.3, 0.45), ":wait=hybrid:spin=40": (1.0, 0.8)}


def series(rng, median, tail=False):
    wide = rng.uniform(0.01, 0.05)
    s = {"median": median, "low": median * (1 - wide), "high": median * (1 + wide)}
    if tail:
        s["p99"] = median * rng.uniform(1.6, 3)
    return s


def candidate(rng, choice, time, ranks, dropped=False, predicted=None, cpu=1.0):
    c = {"choice": choice, "rounds": 4 if dropped else 12, "dropped": dropped, "score": time,
         "start": series(rng, time, True), "b2b": series(rng, time * 0.7), "cpu": time * ranks * cpu}
    if predicted:
        c["predicted"] = predicted
    return c


def time_of(rng, base, choice, factor, size):
    name = choice.split(":")[0]
    long = 3.2e-9 if name in LONG or choice == "native" else 5.5e-9
    return (base * factor + size * long) * rng.uniform(0.95, 1.05)


def point(rng, coll, size, base, where):
    ranks = where["ranks"]
    native = time_of(rng, base, "native", 1.0, size)
    cands = [candidate(rng, "native", native, ranks)]
    for alg, factor in ALGORITHMS[coll].items():
        for wait, (slow, cpu) in WAITS.items():
            time = time_of(rng, base, alg, factor, size) * slow
            cands.append(candidate(rng, alg + wait, time, ranks, time > 1.25 * native,
                                   time * rng.lognormvariate(-0.05, 0.25), cpu))
    for c in cands:
        c["ratio"] = series(rng, native / c["start"]["median"]) if c is not cands[0] else {
            "median": 1.0, "low": 1.0, "high": 1.0}
    best = min(cands, key=lambda c: c["score"])
    if best["ratio"]["low"] <= 1:
        best = cands[0]
    why = "no candidate's interval lies below native's" if best is cands[0] else "fastest of %d" % len(cands)
    return dict(where, collective=coll, bytes=size, chosen=best["choice"], why=why, candidates=cands)


def moderation(rng):
    out = []
    for usecs, chosen in ((250, False), (1000, False), (50, False), (0, True)):
        points = [{"collective": c, "bytes": b, "choice": "two_level", "native": (90e-6 + usecs * 2.3e-6 + b * 3e-9),
                   **series(rng, 50e-6 + usecs * 1.1e-6 + b * 3e-9)} for c in ("allreduce", "bcast") for b in SIZES]
        points.append({"collective": "barrier", "bytes": 0, "choice": "two_level", "native": 80e-6 + usecs * 2.2e-6,
                       **series(rng, 45e-6 + usecs * 1.1e-6)})
        name = "as found" if usecs == 250 else "rx-usecs %d" % usecs
        out.append({"device": "rxe", "netdev": "eth1", "setting": name, "found": usecs == 250, "chosen": chosen,
                    "points": points})
    return out


def model():
    points = [[8, 2e-6], [4096, 9e-6], [65536, 1.1e-4], [1048576, 1.9e-3]]
    return {"link": {"shm": {"latency": 4e-7, "overhead": 1e-7, "points": [[8, 1e-7], [1048576, 1.2e-4]]},
                     "wire": {"latency": 3e-5, "overhead": 4e-6, "points": points}},
            "node": {"base": 2e-7, "flag": 1.5e-7, "copy": 1.1e-10, "reduce": 2.4e-10}, "wake": 4.5e-5,
            "wake_device": 6e-5, "interrupt": 3e-6, "moderation": 2.5e-4, "steal": 0.02, "switch_cost": 1.4e-6,
            "cpus_per_rank": 1}


def table(rng, scale, hosts):
    pair = {"ranks": 4, "nodes": 2, "ppn": 2, "crowded": False, "bulk_slots": True, "network": "verbs",
            "platform": "sriov-vf", "device": "rxe"}
    single = dict(pair, ranks=4, nodes=1, ppn=4, crowded=True, network="mpi")
    measured = [point(rng, "barrier", 0, 80e-6 * scale, pair)]
    measured += [point(rng, c, b, 100e-6 * scale, pair) for c in ("bcast", "allreduce") for b in SIZES]
    measured += [point(rng, "allreduce", b, 8e-6 * scale, single) for b in SIZES]
    return {
        "vcoll_table": 1,
        "provenance": {"vcoll": "0.1.0", "mpi": "Open MPI v4.1.4", "date": "2026-01-02T03:04:05Z",
                       "command": "vcoll tune run -n 4 --budget 10m --devices -o table.json", "hosts": hosts, "cpus": 2,
                       "seed": 7, "objective": "latency", "budget_seconds": 600, "took_seconds": 541.5,
                       "points_measured": 312, "points_exhaustive": 1240, "samples": "table.samples.csv"},
        "model": model(),
        "rules": [
            {"collective": "allreduce", "ranks": 4, "nodes": 2, "bytes": [0, "16k"], "network": "verbs",
             "algorithm": "two_level", "wait": "poll"},
            {"collective": "allreduce", "nodes": [2, None], "ppn": [2, None], "bytes": ["16385", None],
             "operator": "commutative", "algorithm": "two_level_multi_rabenseifner"},
            {"collective": "bcast", "nodes": [2, None], "ppn": [2, 8], "bytes": [0, "32k"], "algorithm": "two_level",
             "wait": "hybrid", "spin_us": 40},
            {"collective": ["barrier", "bcast"], "nodes": [2, None], "ppn": [2, None], "algorithm": "native"},
            {"algorithm": "builtin"}],
        "devices": [{"device": "rxe", "nodes": [2, None], "cq_moderation": {"latency": [1, 0], "bulk": [16, 8]},
                     "coalescing": {"rx-usecs": 0, "adaptive-rx": False}}],
        "measured": measured,
    }


def main():
    here = sys.argv[1]
    rng = random.Random(4)
    full = table(rng, 1.0, ["vm1", "vm2"])
    full["moderation"] = moderation(rng)
    for name, content in (("report-full.json", full), ("report-bare.json", table(rng, 0.4, ["bare1", "bare2"]))):
        if name == "report-bare.json":
            content["measured"] = content["measured"][:15]
        text = json.dumps(content, separators=(",", ":"), default=float)
        text = json.dumps(json.loads(text, parse_float=lambda s: float("%.4g" % float(s))), separators=(",", ":"))
        with open(os.path.join(here, name), "w", encoding="utf-8") as f:
            f.write(text.replace('{"ranks"', '\n{"ranks"') + "\n")


if __name__ == "__main__":
    main()
