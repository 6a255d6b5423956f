# SPDX-License-Identifier: BSD-3-Clause
"""Microseconds that a collective takes at least in a cluster of `compare`, whoever does it."""
import functools
import heapq
import itertools

RATE, LOOPBACK_RATE = 12.5e9, 20e9
LOOPBACK_LATENCY = 3e-7
OVERHEAD = 3e-7
LONG = 8192  # bytes from which a message takes no CPU


def nearest(near):
    """The latency of the nearest host."""
    return [latency for latency, _ in near if latency > LOOPBACK_LATENCY][0]


def levels(platform, nodes, ppn):
    """(latency, ranks that are as near as that or nearer), from the nearest on."""
    hosts = [(1e-6, 16), (2e-6, 256), (3e-6, nodes)] if platform == "fat-tree" else [(1e-6, 4), (1.5e-6, nodes)]
    far = [h for h, (_, most) in enumerate(hosts) if most >= nodes][0]
    return ([(LOOPBACK_LATENCY, ppn)] if ppn > 1 else []) + [(latency, min(most, nodes) * ppn) for latency, most in hosts[: far + 1]]


def informed(near, ranks, short):
    """
    When all ranks can have heard from one, in order: [(seconds, whether it heard from afar)] (Karp, Sahay, Santos, Schauser
    1993: each that has heard tells others, one after another, as soon as it can). A lower bound with several levels, too:
    each rank tells ranks of each level meanwhile without losing time for the others, and whoever was told from afar has as
    many around it as a level has ranks, even if some of them knew. Long messages take no CPU, but 8 KiB of a link each; within
    a host each has the rate for itself.
    """
    order, heap, told = itertools.count(), [], []

    def inform(born, groups, level):
        told.append((born, near[level][0] > LOOPBACK_LATENCY))
        for group in groups:
            group[0] += 1
        for further in range(len(near)):
            for long in (False, True)[: 1 if short else 2]:
                push(born, groups, further, 1, long)

    def push(born, groups, level, k, long):
        latency = near[level][0]
        if not long:
            takes = (k + 1) * OVERHEAD
        else:
            takes = k * LONG / RATE if latency > LOOPBACK_LATENCY else LONG / LOOPBACK_RATE
        heapq.heappush(heap, (born + takes + latency, next(order), born, groups, level, k, long))

    inform(0, [[0] for _ in near], len(near) - 1)
    while len(told) < ranks:
        now, _, born, groups, level, k, long = heapq.heappop(heap)
        if all(groups[i][0] < near[i][1] for i in range(level, len(near))):  # else all of that level know
            push(born, groups, level, k + 1, long)
            inform(now, [[0] for _ in range(level)] + groups[level:], level)
    return told


def first_time(starts, work):
    """When those that begin at `starts`, ascending, have done so much together."""
    total = 0
    for n, start in enumerate(starts, 1):
        total += start
        now = (work + total) / n
        if n == len(starts) or now <= starts[n]:
            return now


@functools.lru_cache(maxsize=None)
def by_latency(platform, nodes, ppn, short):
    near = levels(platform, nodes, ppn)
    alike = [(near[0][0], nodes * ppn)]  # all are as near as the nearest: no rank tells several at a time
    return max(informed(x, nodes * ppn, short)[-1][0] for x in (near, alike))


def by_spreading(platform, nodes, ppn, short, size):
    """Seconds of a bcast: all hosts but one must get its bytes from such that have heard before, each over one link."""
    near = levels(platform, nodes, ppn)
    hosts = [born for born, afar in informed(near, nodes * ppn, short) if afar][:nodes]
    return first_time([born + nearest(near) for born in hosts], (nodes - 1) * size / RATE)


def by_bytes(collective, nodes, ppn, size):
    """Seconds of a link: what some host must send or receive, however it is done."""
    others = nodes - 1
    through = {
        "bcast": size,
        "reduce": size,
        # An element's sum takes 2 * others messages between hosts: some host sends as many as the mean.
        "allreduce": 2 * others / nodes * size,
        "allgather": others * ppn * size,
        "alltoall": others * ppn**2 * size,
    }
    return through.get(collective, 0) / RATE if others else 0


@functools.lru_cache(maxsize=None)
def bound(platform, nodes, ppn, collective, size):
    """
    The longest of three. By latency: a bcast must reach all ranks; a reduce, backwards, comes from all; in the others each
    rank hears from each. By bytes: a link begins with them when the nearest latency is over. By spreading: bcast, and
    reduce, backwards. Messages of 8 KiB and more exist only where the whole call has so many bytes for a rank: nobody pads.
    """
    short = size * (nodes * ppn if collective in ("allgather", "alltoall") else 1) < LONG
    least = by_latency(platform, nodes, ppn, short)
    moved = by_bytes(collective, nodes, ppn, size)
    if moved:
        least = max(least, nearest(levels(platform, nodes, ppn)) + moved + (2 * OVERHEAD if short else 0))
    if moved and collective in ("bcast", "reduce"):
        least = max(least, by_spreading(platform, nodes, ppn, short, size))
    return 1e6 * least
