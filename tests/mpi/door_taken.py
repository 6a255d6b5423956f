#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a program under mpirun with the library and reads what its statistics say.

door_taken.py LIBRARY MPIRUN RANKS [--others] COMMAND...: every one of the six collectives was called and, from the first
call on, taken over; with --others, so were all others.
"""
import json
import os
import subprocess
import sys
import tempfile

SIX = ["barrier", "bcast", "reduce", "allreduce", "allgather", "alltoall"]
BESIDE = ["gather", "scatter", "gatherv", "scatterv", "allgatherv", "alltoallv", "alltoallw", "reduce_scatter_block", "reduce_scatter", "scan",
          "exscan"]  # called by the programs that call all


def main():
    library, mpirun, ranks, *command = sys.argv[1:]
    others = command[0] == "--others"
    if others:
        command = command[1:]
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "stats.json")
        env = dict(os.environ, VC_TEST_PRELOAD=library, VCOLL_STATS="json", VCOLL_STATS_FILE=out, VCOLL_SETUP_AFTER="1")
        subprocess.run([mpirun, "-n", ranks, *command], env=env, check=True, timeout=90)
        with open(out, encoding="ascii") as f:
            stats = json.load(f)
    assert stats["ranks"] == int(ranks), stats
    for name in SIX + (BESIDE if others else []):
        c = stats["collectives"].get(name)
        assert c and c["calls"] >= 10 * int(ranks), f"{name} did not arrive: {c}"
        assert c["taken_over"] == c["calls"] and not c["passed_through"], f"{name} was not taken over: {c}"
        assert sum(s["calls"] for s in c["sizes"]) == c["calls"], c
        assert all(s["algorithm"] != "native" and s["seconds"] > 0 for s in c["sizes"]), c
    for name in BESIDE if others else []:
        c = stats["collectives"].get(name)
        assert c and c["taken_over"] == c["calls"] == 10 * int(ranks), f"{name} was not taken over: {c}"
    assert stats["setup"]["in_use"] >= int(ranks), stats["setup"]


main()
