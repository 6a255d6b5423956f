#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_circles.py NM OBJECT...: no two of these files need each other, be it by way of others."""
import re
import subprocess
import sys

nm, objects = sys.argv[1], sys.argv[2:]
defined = {}
names = {path: re.sub(r".*\.dir/(__/)*|\.c\.o$", "", path) for path in objects}
wanted = {name: set() for name in names.values()}
for line in subprocess.run([nm, "-A", *objects], capture_output=True, text=True, check=True).stdout.splitlines():
    path, rest = line.split(":", 1)
    kind, symbol = rest.split()[-2:]
    if kind == "U":
        wanted[names[path]].add(symbol)
    elif kind in "TDBRVW" and not re.match(r"P?MPI_|sched_yield$", symbol):  # not what it stands in for
        defined[symbol] = names[path]
if not defined:
    print("these objects have no symbols to read (link-time optimization): skipped")
    sys.exit(77)
calls = {name: {defined[s] for s in symbols if s in defined} - {name} for name, symbols in wanted.items()}

# What calls nothing but what is done already is done; the rest goes round.
done, more = set(), True
while more:
    more = {name for name in calls if name not in done and calls[name] <= done}
    done |= more
rest = {name: sorted(calls[name] - done) for name in calls if name not in done}
for name in sorted(rest):
    print(f"{name} is in a circle, or above one: it calls {', '.join(rest[name])}")
print(f"{len(done)} files without a circle")
sys.exit(bool(rest))
