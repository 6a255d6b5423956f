/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations by single copy, coll/node/cma.c, among operations through slots of the same ring. A rank publishes
 * where its memory is, the others reach into that, and it returns when nobody needs it any more; from then on the
 * program may do with its memory what it likes. A single copy takes three slots: the address, "my slice is
 * reduced", and "I have read".
 *
 * BUG_... makes the model wrong in one place; `check` wants each to be found.
 */
#ifndef N
#define N 3
#endif
#ifndef DEPTH
#define DEPTH 4
#endif
#ifndef OPS
#define OPS 3
#endif

/* SLOT: a broadcast through one slot. All others are by single copy; GATHER: allgather and alltoall. */
mtype = { SLOT, BCAST, GATHER, REDUCE, ALLREDUCE };
mtype kind[OPS];
byte root[OPS];

/* Shared memory. */
byte flag[N * DEPTH], payload[N * DEPTH], done[N];
#define AT(r, g) ((r) * DEPTH + (g) % DEPTH)

/* What a rank's memory holds: 0: the program's own business; else 1 + the operation that it is part of. */
byte memory[N];
/* The operation in whose course a rank's slice of the result became complete. */
byte slice[N];

#define IS_DONE(r, count) ((r) >= N || (r) == me || done[(r) % N] >= (count))
#define ALL_DONE(count)   (IS_DONE(0, count) && IS_DONE(1, count) && IS_DONE(2, count) && IS_DONE(3, count))
#ifdef BUG_FIRST_SLOT
#define LAST (base) /* the owner makes sure of the first slot alone */
#else
#define LAST (base + (kind[op] == SLOT -> 0 : 2))
#endif
#define KNOWN        (LAST < DEPTH || known >= LAST - DEPTH + 1)
#define MAY_WRITE    (KNOWN || ALL_DONE(LAST - DEPTH + 1))
#define TO_ALL       (kind[op] != SLOT && kind[op] != BCAST)
#define REDUCES      (kind[op] == REDUCE || kind[op] == ALLREDUCE)
#define SPEAKS       (TO_ALL || me == root[op])
#define READS        (TO_ALL || me != root[op])
#define FROM(r)      ((r) != me && (TO_ALL || (r) == root[op]))
#define READY(r, g)  (flag[AT((r) % N, g)] == (g) + 1)

inline learn_done()
{
    if
    :: KNOWN
    :: else ->
        known = 255;
        for (r : 0 .. N - 1) {
            if
            :: r != me -> known = (done[r] < known -> done[r] : known)
            :: else
            fi
        }
        r = 0
    fi
}

inline publish(g)
{
    payload[AT(me, g)] = (g) + 1;
    flag[AT(me, g)] = (g) + 1
}

/* For each other rank (that gives something, if `givers`): waits for slot g of it, then `reach`. */
#define FOR_OTHERS(givers, g, reach)                                                                             \
    r = 0;                                                                                                       \
    do                                                                                                           \
    :: r == N -> break                                                                                           \
    :: r < N && (r == me || (givers && !FROM(r))) -> r++                                                         \
    :: r < N && r != me && (!(givers) || FROM(r)) && READY(r, g) ->                                              \
        reach;                                                                                                   \
        r++                                                                                                      \
    od;                                                                                                          \
    r = 0

#define NOTHING skip
#define READ_SLOT d_step { assert(payload[AT(r, base)] == base + 1) }
/* By the address that is in the first slot. */
#define READ_MEMORY d_step { assert(payload[AT(r, base)] == base + 1); assert(memory[r] == op + 1) }
#define READ_SLICE                                                                                               \
    d_step { assert(payload[AT(r, base)] == base + 1); assert(memory[r] == op + 1); assert(slice[r] == op + 1) }

proctype rank(byte me)
{
    byte op, base, known, r;
    do
    :: op < OPS && kind[op] == SLOT ->
        if
        :: me == root[op] ->
            done[me] = base + 1;
            atomic { MAY_WRITE -> learn_done() };
            publish(base)
        :: else ->
            FOR_OTHERS(true, base, READ_SLOT);
            done[me] = base + 1
        fi;
        d_step { base = base + 1; op++ }
    :: op < OPS && kind[op] != SLOT ->
        memory[me] = op + 1; /* the program calls */
        atomic { MAY_WRITE -> learn_done() };
        if
        :: SPEAKS -> publish(base)
        :: else
        fi;
        if
        :: REDUCES ->
            FOR_OTHERS(false, base, NOTHING);
            FOR_OTHERS(false, base, READ_MEMORY);
            slice[me] = op + 1;
            if
            :: kind[op] == REDUCE -> assert(memory[root[op]] == op + 1) /* its slice goes there */
            :: else
            fi;
            if
            :: kind[op] == ALLREDUCE ->
                publish(base + 1);
                FOR_OTHERS(false, base + 1, READ_SLICE)
            :: else
            fi
        :: !REDUCES && READS -> FOR_OTHERS(true, base, READ_MEMORY)
        :: else
        fi;
#ifdef BUG_DONE_EARLY
        done[me] = base + 3;
#endif
        if
        :: READS -> publish(base + 2)
        :: else
        fi;
#ifndef BUG_NO_GOODBYE
        if
        :: SPEAKS ->
            FOR_OTHERS(false, base + 2, NOTHING);
            known = (known < base -> base : known) /* vc_learned() */
        :: else
        fi;
#endif
        done[me] = base + 3;
        memory[me] = 0; /* the call has returned */
        d_step { base = base + 3; op++ }
    :: op == OPS -> break
    od
}

init
{
    byte k;
    atomic {
        do
        :: k < OPS ->
            if
            :: kind[k] = SLOT
            :: kind[k] = SLOT; root[k] = 1
            :: kind[k] = BCAST
            :: kind[k] = BCAST; root[k] = 1
            :: kind[k] = GATHER
            :: kind[k] = REDUCE
            :: kind[k] = ALLREDUCE
            fi;
            k++
        :: k == OPS -> break
        od;
        k = 0;
        do
        :: k < N -> run rank(k); k++
        :: k == N -> break
        od
    }
}
