# SPDX-License-Identifier: BSD-3-Clause
"""mpi4py: the six collectives and their nonblocking forms ten times each, buffers and pickled objects."""
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
    assert comm.bcast({"round": i}, root=root) == {"round": i}
    assert comm.allreduce([me]) == list(range(n))
