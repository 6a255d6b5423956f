# SPDX-License-Identifier: BSD-3-Clause
"""mpi4py as its users call it: every collective, blocking and nonblocking, with elements of every type that Python's arrays have, every
root, several operators, in place, lengths that differ, holes, types of the program, pickled objects, several communicators."""
import sys
from array import array

from mpi4py import MPI

CODES = "bBhHiIlLqQfd"
OPS = {"SUM": sum, "PROD": lambda v: fold(v, lambda a, b: a * b), "MAX": max, "MIN": min}
HOLE = 77
TYPES = {"b": MPI.SIGNED_CHAR, "B": MPI.UNSIGNED_CHAR, "h": MPI.SHORT, "H": MPI.UNSIGNED_SHORT, "i": MPI.INT, "I": MPI.UNSIGNED,
         "l": MPI.LONG, "L": MPI.UNSIGNED_LONG, "q": MPI.LONG_LONG, "Q": MPI.UNSIGNED_LONG_LONG, "f": MPI.FLOAT, "d": MPI.DOUBLE}
calls = 0


def fold(values, op):
    result = values[0]
    for v in values[1:]:
        result = op(result, v)
    return result


def room(code, n):
    return array(code, [HOLE] * n)


def both(comm, name, words, expected):
    """Calls comm.name, and comm.Iname with other buffers. words(): the arguments, and the array that has the result, or None; expected:
    what is in it after that."""
    global calls
    for nonblocking in (False, True):
        arguments, result = words()
        if nonblocking:
            request = getattr(comm, "I" + name.lower())(*arguments)
            if calls % 3 == 0:
                while not request.Test():
                    pass
            else:
                request.Wait()
        else:
            getattr(comm, name)(*arguments)
        calls += 1
        assert result is None or list(result) == expected, f"{name} of {comm.size}, nonblocking {nonblocking}: {list(result)} and not {expected}"


def moves(comm, code):
    """What moves elements."""
    me, n = comm.rank, comm.size
    T = TYPES[code]
    lens = [(r + 1) % 3 for r in range(n)]  # also none
    starts = [3 * (n - 1 - r) for r in range(n)]  # out of order, with holes

    def placed(values):
        """Each rank's values where they begin."""
        at = [HOLE] * (3 * n)
        for r in range(n):
            at[starts[r]:starts[r] + len(values[r])] = values[r]
        return at

    own = [[r * 3 + k for k in range(lens[r])] for r in range(n)]
    side = array(code, own[me] or [0])
    both(comm, "Allgather", lambda: (([array(code, [me, me + 1]), 2, T], [(g := room(code, 2 * n)), 2, T]), g),
         [v for r in range(n) for v in (r, r + 1)])
    both(comm, "Allgatherv", lambda: (([side, lens[me], T], [(g := room(code, 3 * n)), (lens, starts), T]), g), placed(own))
    both(comm, "Alltoall", lambda: (([array(code, [me + r for r in range(n)]), 1, T], [(g := room(code, n)), 1, T]), g),
         [me + r for r in range(n)])
    block = [[(s + d) % 3 for d in range(n)] for s in range(n)]  # elements from s to d
    sends = array(code, [HOLE] * (3 * n))
    for d in range(n):
        for k in range(block[me][d]):
            sends[starts[d] + k] = me + d + k
    comes = placed([[s + me + k for k in range(block[s][me])] for s in range(n)])
    from_me, to_me = block[me], [block[s][me] for s in range(n)]
    both(comm, "Alltoallv", lambda: (([sends, (from_me, starts), T], [(g := room(code, 3 * n)), (to_me, starts), T]), g), comes)
    size = side.itemsize
    both(comm, "Alltoallw", lambda: (([sends, (from_me, [size * s for s in starts]), [T] * n],
                                      [(g := room(code, 3 * n)), (to_me, [size * s for s in starts]), [T] * n]), g), comes)
    for root in range(n):
        mine = me == root
        both(comm, "Bcast", lambda: (([(b := array(code, [root + 1 if mine else HOLE] * 5)), 5, T], root), b), [root + 1] * 5)
        both(comm, "Gather", lambda: (([array(code, [me, me]), 2, T], [(g := room(code, 2 * n)), 2, T] if mine else None, root),
                                      g if mine else None), [r for r in range(n) for _ in range(2)])
        both(comm, "Gatherv", lambda: (([side, lens[me], T], [(g := room(code, 3 * n)), (lens, starts), T] if mine else None, root),
                                       g if mine else None), placed(own))
        both(comm, "Scatter", lambda: (([array(code, range(n)), 1, T] if mine else None, [(g := room(code, 1)), 1, T], root), g), [me])
        both(comm, "Scatterv", lambda: (([array(code, placed(own)), (lens, starts), T] if mine else None,
                                         [(g := room(code, 3)), lens[me], T], root), g), own[me] + [HOLE] * (3 - lens[me]))

        # in place
        def gathered():
            g = room(code, n)
            g[me] = me
            return (MPI.IN_PLACE, [g, 1, T], root) if mine else ([array(code, [me]), 1, T], None, root), g if mine else None

        both(comm, "Gather", gathered, list(range(n)))

        def scattered():
            all_of, one = array(code, range(n)), room(code, 1)
            return ([all_of, 1, T], MPI.IN_PLACE, root) if mine else (None, [one, 1, T], root), None if mine else one

        both(comm, "Scatter", scattered, [me])

    def in_place():
        g = room(code, n)
        g[me] = me
        return (MPI.IN_PLACE, [g, 1, T]), g

    both(comm, "Allgather", in_place, list(range(n)))
    both(comm, "Alltoall", lambda: ((MPI.IN_PLACE, [(g := array(code, [me + 2 * r for r in range(n)])), 1, T]), g),
         [r + 2 * me for r in range(n)])


def reduces(comm, code):
    me, n = comm.rank, comm.size
    T = TYPES[code]
    lens = [r % 3 for r in range(n)]
    total, before = sum(lens), sum(lens[:me])
    for name, op in OPS.items():
        if name == "PROD" and n > 3:  # has to have room in a byte
            continue
        O = getattr(MPI, name)

        def result(ranks, k):
            return op([r + 1 + k % 2 for r in ranks])

        v = array(code, [me + 1 + k % 2 for k in range(max(total, n, 4))])
        m = len(v)
        whole = [result(range(n), k) for k in range(m)]
        both(comm, "Allreduce", lambda: (([v, m, T], [(g := room(code, m)), m, T], O), g), whole)
        both(comm, "Allreduce", lambda: ((MPI.IN_PLACE, [(g := v[:]), m, T], O), g), whole)
        both(comm, "Scan", lambda: (([v, m, T], [(g := room(code, m)), m, T], O), g), [result(range(me + 1), k) for k in range(m)])
        both(comm, "Scan", lambda: ((MPI.IN_PLACE, [(g := v[:]), m, T], O), g), [result(range(me + 1), k) for k in range(m)])
        both(comm, "Exscan", lambda: (([v, m, T], [(g := room(code, m)), m, T], O), g if me else None),
             [result(range(me), k) for k in range(m)] if me else None)
        both(comm, "Reduce_scatter_block", lambda: (([v[:n], T], [(g := room(code, 1)), T], O), g), [result(range(n), me)])
        both(comm, "Reduce_scatter", lambda: (([v, total, T], [(g := room(code, 3)), lens[me], T], lens, O), g),
             [result(range(n), before + k) for k in range(lens[me])] + [HOLE] * (3 - lens[me]))
        for root in range(n):
            mine = me == root
            both(comm, "Reduce", lambda: (([v, m, T], [(g := room(code, m)), m, T] if mine else None, O, root), g if mine else None), whole)
            both(comm, "Reduce", lambda: ((MPI.IN_PLACE, [(g := v[:]), m, T], O, root) if mine else ([v, m, T], None, O, root),
                                          g if mine else None), whole)


def types(comm):
    """Types with gaps and an operator of the program's, freed while the operation is under way."""
    me, n = comm.rank, comm.size
    for root in range(n):
        every_other = MPI.INT.Create_vector(4, 1, 2).Commit()
        b = array("i", [root + k if me == root else HOLE for k in range(8)])
        request = comm.Ibcast([b, 1, every_other], root=root)
        every_other.Free()
        request.Wait()
        assert list(b) == [root + k if me == root or k % 2 == 0 else HOLE for k in range(8)], list(b)
    first = MPI.Op.Create(lambda a, b, _: None, commute=False)  # keeps b, the operand of the rank behind
    v, g = array("i", [me] * 3), room("i", 3)
    comm.Allreduce([v, 3, MPI.INT], [g, 3, MPI.INT], op=first)
    assert list(g) == [n - 1] * 3, list(g)
    first.Free()


def objects(comm):
    me, n = comm.rank, comm.size
    for thing in (lambda r: r, lambda r: {"rank": r, "text": "x" * (r * 1000)}, lambda r: [None] * r, lambda r: (r, [r] * 5000)):
        everyone = [thing(r) for r in range(n)]
        assert comm.allgather(thing(me)) == everyone
        assert comm.alltoall([thing(me + r) for r in range(n)]) == [thing(me + r) for r in range(n)]
        for root in range(n):
            assert comm.bcast(thing(root) if me == root else None, root=root) == everyone[root]
            assert comm.gather(thing(me), root=root) == (everyone if me == root else None)
            assert comm.scatter(everyone if me == root else None, root=root) == everyone[me]
            assert comm.reduce([me], root=root) == (list(range(n)) if me == root else None)
        assert comm.allreduce(me, op=MPI.MAX) == n - 1
        assert comm.scan([me]) == list(range(me + 1))
        assert comm.exscan([me]) == (list(range(me)) if me else None)


def main():
    world = MPI.COMM_WORLD
    half = world.Split(world.rank % 2, -world.rank)
    for comm in (world, MPI.COMM_SELF, world.Dup(), half):
        for code in CODES:
            moves(comm, code)
            reduces(comm, code)
        types(comm)
        objects(comm)
        if comm not in (world, MPI.COMM_SELF):
            comm.Free()
    world.Barrier()
    world.Ibarrier().Wait()
    if world.rank == 0 and len(sys.argv) > 1:
        print(calls, "calls")


main()
