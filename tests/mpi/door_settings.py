#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Settings that are wrong, unknown, or not the same everywhere: door_settings.py LIBRARY MPIRUN DOOR_CALLS."""
import os
import subprocess
import sys

LIBRARY, MPIRUN, CALLS = sys.argv[1:]
RANKS = 3


def run(every=None, odd_rank=None, odd=None):
    """Runs the program; `odd` settings count for one rank only. Returns exit code and the library's lines."""
    env = dict(os.environ, VC_TEST_PRELOAD=LIBRARY, **(every or {}))
    command = [CALLS]
    if odd:
        script = f'[ "$OMPI_COMM_WORLD_RANK" = {odd_rank} ] && export {odd}; exec "$0"'
        command = ["sh", "-c", script, CALLS]
    done = subprocess.run([MPIRUN, "-n", str(RANKS), *command], env=env, stderr=subprocess.PIPE, text=True,
                          timeout=50, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if line.startswith("vcoll")]


def expect(what, got, code, *patterns):
    """Exactly one line for each pattern, no other lines."""
    rc, lines = got
    assert (rc == 0) == (code == 0), f"{what}: exit code {rc}: {lines}"
    assert len(lines) == len(patterns), f"{what}: {lines}"
    for line, words in zip(lines, patterns):
        assert all(w in line for w in words), f"{what}: {line}"


expect("healthy", run(), 0)
expect("healthy, disabled", run({"VCOLL_DISABLE": "1"}), 0)
expect("unknown", run({"VCOLL_WIAT": "poll"}), 0, ("[0]", "VCOLL_WIAT", "VCOLL_WAIT"))
for name, value, valid in (("VCOLL_WAIT", "pol", "hybrid"), ("VCOLL_ALG", "allreduce=rong", "ring")):
    code, lines = run({name: value})
    assert code != 0 and lines and all(name in s and valid in s for s in lines), lines
code, lines = run({"VCOLL_WIAT": "poll", "VCOLL_STRICT": "1"})
assert code != 0 and any("VCOLL_WAIT" in s for s in lines), lines
for setting in ("VCOLL_SETUP_AFTER=5", "VCOLL_COLLS=bcast", "VCOLL_DISABLE=1", "VCOLL_CHANNELS=mpi"):
    expect(setting, run(None, 1, setting), 0, ("[0]", "rank 1", "settings"))
expect("local settings may differ", run(None, 1, "VCOLL_WAIT=event"), 0)

code, lines = run(None, 0, "VCOLL_STATS=text")
assert code == 0 and any("statistics of 1 rank" in s for s in lines), lines
code, lines = run(None, 1, "VCOLL_STATS=text")
assert code == 0 and len(lines) <= 1, lines
code, lines = run({"VCOLL_STATS": "text"})
assert code == 0 and sum("statistics of 3 ranks" in s for s in lines) == 1, lines
