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
byte root[OPS], past[OPS]; /* past: ranks that have it behind them */

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
#define LAST (base + (what == SLOT -> 0 : 2))
#endif
#define KNOWN        (LAST < DEPTH || known >= LAST - DEPTH + 1)
#define MAY_WRITE    (KNOWN || ALL_DONE(LAST - DEPTH + 1))
#define TO_ALL       (what != SLOT && what != BCAST)
#define REDUCES      (what == REDUCE || what == ALLREDUCE)
#define SPEAKS       (TO_ALL || me == from)
#define READS        (TO_ALL || me != from)
#define FROM(r)      ((r) != me && (TO_ALL || (r) == from))
#define READY(r, g)  (flag[AT((r) % N, g)] == (g) + 1)

/* The first rank that comes to an operation chooses what it is. */
inline choose()
{
    if
    :: op < OPS && kind[op] == 0 ->
        if
        :: kind[op] = SLOT
        :: kind[op] = SLOT; root[op] = 1
        :: kind[op] = BCAST
        :: kind[op] = BCAST; root[op] = 1
        :: kind[op] = GATHER
        :: kind[op] = REDUCE
        :: kind[op] = ALLREDUCE
        fi
    :: else
    fi;
    if
    :: op < OPS ->
        what = kind[op];
        from = root[op]
    :: else
    fi
}

/* What all have behind them is forgotten: it makes no difference to what follows. */
inline forget()
{
    past[op]++;
    if
    :: past[op] == N ->
        kind[op] = 0;
        root[op] = 0
    :: else
    fi
}

/* On to the next operation, after `slots` slots. */
#define NEXT(slots)                                                                                              \
    atomic {                                                                                                     \
        d_step {                                                                                                 \
            base = base + (slots);                                                                               \
            forget();                                                                                            \
            op++                                                                                                 \
        }                                                                                                        \
        choose()                                                                                                 \
    }

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

/* The next other rank, from r on (that gives something, if `givers`). */
inline to_other(givers)
{
    do
    :: r < N && (r == me || (givers && !FROM(r))) -> r++
    :: else -> break
    od;
    skip /* a d_step may not end with a break */
}

/* For each of these: waits for slot g of it, then `reach`. There is at least one. */
#define FOR_OTHERS(givers, g, reach)                                                                             \
    d_step { r = 0; to_other(givers) }                                                                           \
    do                                                                                                           \
    :: READY(r, g) ->                                                                                            \
        d_step { reach; r++; to_other(givers) }                                                                  \
        if                                                                                                       \
        :: r == N -> break                                                                                       \
        :: else                                                                                                  \
        fi                                                                                                       \
    od;                                                                                                          \
    r = 0

#define NOTHING skip
#define READ_SLOT assert(payload[AT(r, base)] == base + 1)
/* By the address that is in the first slot. */
#define READ_MEMORY READ_SLOT; assert(memory[r] == op + 1)
#define READ_SLICE  READ_MEMORY; assert(slice[r] == op + 1)

proctype rank(byte me)
{
    byte op, base, known, r, from;
    mtype what;
    atomic { choose() }
    do
    :: op < OPS && what == SLOT ->
        if
        :: me == from ->
            done[me] = base + 1;
            atomic { MAY_WRITE -> learn_done() };
            publish(base)
        :: else ->
            FOR_OTHERS(true, base, READ_SLOT);
            done[me] = base + 1
        fi;
        NEXT(1)
    :: op < OPS && what != SLOT ->
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
            :: what == REDUCE -> assert(memory[from] == op + 1) /* its slice goes there */
            :: else
            fi;
            if
            :: what == ALLREDUCE ->
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
        d_step {
            memory[me] = 0; /* the call has returned */
            slice[me] = 0
        }
        NEXT(3)
    :: op == OPS -> break
    od
}

init
{
    byte k;
    atomic {
        do
        :: k < N -> run rank(k); k++
        :: k == N -> break
        od
    }
}
