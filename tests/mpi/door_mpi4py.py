# SPDX-License-Identifier: BSD-3-Clause
"""mpi4py: six collectives and all nonblocking forms ten times each, buffers and pickled objects."""
from array import array

from mpi4py import MPI

comm = MPI.COMM_WORLD
me, n = comm.rank, comm.size
for i in range(10):
    comm.Barrier()
    x, s = array("d", [me + i]), array("d", [0])
    comm.Allreduce(x, s, op=MPI.SUM)
    assert s[0] == n * (n - 1) / 2 + n * i
    comm.Allreduce(MPI.IN_PLACE, x, op=MPI.MAX)
    assert x[0] == n - 1 + i
    root = i % n
    comm.Reduce(array("i", [me]), (r := array("i", [0])), op=MPI.SUM, root=root)
    assert me != root or r[0] == n * (n - 1) // 2
    b = array("i", [me] * 100)
    comm.Bcast(b, root=root)
    assert b[99] == root
    g = array("i", [-1] * n)
    comm.Allgather(array("i", [me * i]), g)
    assert list(g) == [k * i for k in range(n)]
    comm.Alltoall(array("i", [me] * n), g)
    assert list(g) == list(range(n))
    reqs = [comm.Ibarrier()]
    x, s = array("d", [me + i]), array("d", [0])
    reqs.append(comm.Iallreduce(x, s, op=MPI.SUM))
    r2, b, g2, a2 = array("i", [0]), array("i", [me] * 100), array("i", [-1] * n), array("i", [-1] * n)
    mine = array("i", [me])  # mpi4py does not keep it
    reqs.append(comm.Ireduce(mine, r2, op=MPI.SUM, root=root))
    reqs.append(comm.Ibcast(b, root=root))
    one, many = array("i", [me * i]), array("i", [me] * n)
    reqs.append(comm.Iallgather(one, g2))
    reqs.append(comm.Ialltoall(many, a2))
    if i % 2:
        MPI.Request.Waitall(reqs)
    else:
        while not MPI.Request.Testall(reqs):
            pass
    assert s[0] == n * (n - 1) / 2 + n * i and b[99] == root
    assert me != root or r2[0] == n * (n - 1) // 2
    assert list(g2) == [k * i for k in range(n)] and list(a2) == list(range(n))
    # the nonblocking forms of the others; lengths differ from rank to rank
    INT, lens, at = MPI.INT, [k % 2 + 1 for k in range(n)], [2 * k for k in range(n)]
    own, pair = array("i", [me * 10, me * 10 + 1]), array("i", [me * 10 + k for k in range(2 * n)])
    def room(k):
        return array("i", [-1] * k)
    agv, a2v, a2w, ga, gav, sc, scv, rs, scan, exscan = [room(2 * n) for _ in range(10)]
    rsb = room(2)
    ones, byte_at = [1] * n, [8 * k for k in range(n)]
    reqs = [
        comm.Iallgatherv([own, lens[me], INT], [agv, (lens, at), INT]),
        comm.Ialltoallv([pair, (ones, at), INT], [a2v, (ones, at), INT]),
        comm.Ialltoallw([pair, (ones, byte_at), [INT] * n], [a2w, (ones, byte_at), [INT] * n]),
        comm.Igather([own, 2, INT], [ga, 2, INT] if me == root else None, root=root),
        comm.Igatherv([own, lens[me], INT], [gav, (lens, at), INT] if me == root else None, root=root),
        comm.Iscatter([pair, 2, INT] if me == root else None, [sc, 2, INT], root=root),
        comm.Iscatterv([pair, (lens, at), INT] if me == root else None, [scv, lens[me], INT], root=root),
        comm.Ireduce_scatter([pair, sum(lens), INT], [rs, lens[me], INT], lens, op=MPI.SUM),
        comm.Ireduce_scatter_block(pair, rsb, op=MPI.SUM),
        comm.Iscan([own, 2, INT], [scan, 2, INT], op=MPI.SUM),
        comm.Iexscan([own, 2, INT], [exscan, 2, INT], op=MPI.SUM),
    ]
    MPI.Request.Waitall(reqs)
    uneven = [v for k in range(n) for v in (k * 10, k * 10 + 1 if lens[k] == 2 else -1)]
    total = 10 * n * (n - 1) // 2
    assert list(agv) == uneven and (me != root or list(gav) == uneven)
    assert list(a2v) == list(a2w) == [v for k in range(n) for v in (k * 10 + 2 * me, -1)]
    assert me != root or list(ga) == [v for k in range(n) for v in (k * 10, k * 10 + 1)]
    assert list(sc)[:2] == [root * 10 + 2 * me, root * 10 + 2 * me + 1]
    assert list(scv)[: lens[me]] == list(sc)[: lens[me]] and scv[lens[me]] == -1
    assert rs[0] == total + n * sum(lens[:me]) and rs[lens[me]] == -1
    assert list(rsb)[:2] == [total + n * 2 * me, total + n * (2 * me + 1)]
    assert list(scan)[:2] == [5 * me * (me + 1), 5 * me * (me + 1) + me + 1]
    assert me == 0 or list(exscan)[:2] == [5 * me * (me - 1), 5 * me * (me - 1) + me]
    assert comm.bcast({"round": i}, root=root) == {"round": i}
    assert comm.allreduce([me]) == list(range(n))
