/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slots of coll/node: impl.h's comment says how they are used; ring.c, slots.c and small.c use them so.
 * N ranks run OPS operations of kinds that the checker chooses, over one ring of DEPTH slots per rank. Each
 * access of shared memory is a step of its own, and what a rank does between two of them belongs to the one
 * before.
 *
 * One byte stands for the payload of a slot. The bytes of a payload are copied one after another and know
 * nothing of each other, so what holds for one in all interleavings holds for each.
 *
 * With CLOCKS each rank has a vector clock, which release stores leave behind and acquire loads take over:
 * C11's "happens before". An access of a payload that is not ordered after the last conflicting one is then an
 * error even if the value was right. Loads that return an old value need no steps of their own: flags and
 * counts have one writer and only grow, so an old value is a poll that came earlier.
 *
 * BUG_... makes the model wrong in one place; `check` wants each to be found.
 */
#ifndef N
#define N 3
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef OPS
#define OPS 3
#endif
#ifndef CHUNKS
#define CHUNKS 1 /* the first operation has 1..CHUNKS, all others have one */
#endif
#ifndef BUG_FORGOTTEN
#define BUG_FORGOTTEN N /* a rank whose `done` nobody looks at */
#endif
#ifndef BUG_LEARNED
#define BUG_LEARNED 0 /* added to what an operation teaches */
#endif
#ifndef BUG_DEPTH
#define BUG_DEPTH 0 /* added to the depth that owners believe in */
#endif

/* SLICES: two ranks have what all get. TWO_STAGES: each rank reduces a slice; ONE_REDUCES: rank 0 reduces all. */
mtype = { BCAST, REDUCE, ALL, SLICES, TWO_STAGES, ONE_REDUCES };
mtype kind[OPS];
byte root[OPS], chunks[OPS], past[OPS]; /* past: ranks that have it behind them */

/* Shared memory. */
byte flag[N * DEPTH], payload[N * DEPTH], done[N];
#define AT(r, g) ((r) * DEPTH + (g) % DEPTH)

#ifdef CLOCKS
byte view[N * N];              /* of rank p about rank q: [p * N + q] */
byte flag_view[N * DEPTH * N]; /* what the last release store to a flag left behind */
byte done_view[N * N];
byte written[N * DEPTH];       /* the owner's own time of its last write */
byte was_read[N * DEPTH * N];  /* each reader's own time of its last read */

#define LEAVE_VIEW(where, at)                                                                                    \
    for (i : 0 .. N - 1) { where[(at) * N + i] = view[me * N + i] }                                              \
    view[me * N + me]++;                                                                                         \
    i = 0
#define TAKE_VIEW(where, at)                                                                                     \
    for (i : 0 .. N - 1) {                                                                                       \
        if                                                                                                       \
        :: where[(at) * N + i] > view[me * N + i] -> view[me * N + i] = where[(at) * N + i]                      \
        :: else                                                                                                  \
        fi                                                                                                       \
    }                                                                                                            \
    i = 0
#else
#define LEAVE_VIEW(where, at) skip
#define TAKE_VIEW(where, at)  skip
#endif

#ifdef BUG_FLAG_RELAXED_STORE
#define LEAVE_FLAG(g) skip
#else
#define LEAVE_FLAG(g) LEAVE_VIEW(flag_view, AT(me, g))
#endif
#ifdef BUG_FLAG_RELAXED_LOAD
#define TAKE_FLAG(r, g) skip
#else
#define TAKE_FLAG(r, g) TAKE_VIEW(flag_view, AT(r, g))
#endif
#ifdef BUG_DONE_RELAXED_STORE
#define LEAVE_DONE skip
#else
#define LEAVE_DONE LEAVE_VIEW(done_view, me)
#endif
#ifdef BUG_DONE_RELAXED_LOAD
#define TAKE_DONE(r) skip
#else
#define TAKE_DONE(r) TAKE_VIEW(done_view, r)
#endif

/* Who publishes something in the first slot of a chunk, and who reads. The root of a reduction reads its own
 * operand from src (vc_root_reads_src()). */
#define GIVES(r)                                                                                                 \
    (kind[op] == BCAST -> (r) == root[op] : (kind[op] == REDUCE -> (r) != root[op] : kind[op] != SLICES || (r) < 2))
#define GETS(r)     (kind[op] == BCAST -> (r) != root[op] : (kind[op] == REDUCE -> (r) == root[op] : 1))
#define ALL_GIVE    (kind[op] != BCAST && kind[op] != SLICES)
#define TWO         (kind[op] == TWO_STAGES || kind[op] == ONE_REDUCES)
#define STAGES      (TWO -> 2 : 1)
#define WINDOW      (DEPTH / STAGES)
#define REDUCES(r)  (kind[op] == TWO_STAGES || (kind[op] == ONE_REDUCES && (r) == 0))
#define SHOWS(r)    (TWO -> REDUCES(r) : GIVES(r)) /* what others read at last */
#define SLOT(k)     (base + (k) * STAGES)
#define RESULT(k)   (SLOT(k) + STAGES - 1) /* where that is */

/* vc_may_write(): by what is known already, or by a look at the others' `done`. */
#define IS_DONE(r, count) ((r) >= N || (r) == me || (r) == BUG_FORGOTTEN || done[(r) % N] >= (count))
#define ALL_DONE(count)                                                                                          \
    (IS_DONE(0, count) && IS_DONE(1, count) && IS_DONE(2, count) && IS_DONE(3, count) && IS_DONE(4, count))
#define D        (DEPTH + BUG_DEPTH)
#define KNOWN(g) ((g) < D || known >= (g) - D + 1)
#ifdef BUG_NO_LOOK
#define MAY_WRITE(g) true
#else
#define MAY_WRITE(g) (KNOWN(g) || ALL_DONE((g) - D + 1))
#endif

/* vc_all_done(), if it was needed. */
inline look(g)
{
    if
    :: KNOWN(g)
    :: else ->
        known = 255;
        for (r : 0 .. N - 1) {
            if
            :: r != me && r != BUG_FORGOTTEN ->
                TAKE_DONE(r);
#ifdef BUG_GREATEST
                known = (known == 255 || done[r] > known -> done[r] : known)
#else
                known = (done[r] < known -> done[r] : known)
#endif
            :: else
            fi
        }
        r = 0
    fi
}

inline write_payload(g)
{
    payload[AT(me, g)] = (g) + 1;
#ifdef CLOCKS
    for (i : 0 .. N - 1) {
        assert(was_read[AT(me, g) * N + i] <= view[me * N + i]) /* else it is overwritten while it is read */
    }
    i = 0;
    written[AT(me, g)] = view[me * N + me]
#endif
}

inline write_flag(g)
{
    flag[AT(me, g)] = (g) + 1;
    LEAVE_FLAG(g)
}

#ifdef BUG_FLAG_FIRST
#define FIRST(g)  write_flag(g)
#define SECOND(g) write_payload(g)
#else
#define FIRST(g)  write_payload(g)
#define SECOND(g) write_flag(g)
#endif

#define READY(r, g) ((r) < N && flag[AT((r) % N, g)] == (g) + 1)

inline read_slot(r, g)
{
    assert(payload[AT(r, g)] == (g) + 1);
#ifdef CLOCKS
    assert(written[AT(r, g)] <= view[me * N + r]); /* else it is read while it is written */
    was_read[AT(r, g) * N + me] = view[me * N + me]
#endif
}

/* vc_set_done(). */
inline set_done(count)
{
    done[me] = count;
    LEAVE_DONE
}

/* The next rank, from `cursor` on, whose contribution or result is still to be read. */
inline to_contribution(cursor)
{
    do
    :: cursor < N && (cursor == me || !GIVES(cursor)) -> cursor++
    :: else -> break
    od;
    skip /* a d_step may not end with a break */
}

inline to_result(cursor)
{
    do
    :: cursor < N && (cursor == me || !SHOWS(cursor)) -> cursor++
    :: else -> break
    od;
    skip
}

/* The first rank that comes to an operation chooses what it is. */
inline choose()
{
    if
    :: op < OPS && kind[op] == 0 ->
        if
        :: kind[op] = BCAST
        :: kind[op] = BCAST; root[op] = 1
        :: kind[op] = SLICES
#ifndef TWO_WRITERS
        :: kind[op] = REDUCE
        :: kind[op] = REDUCE; root[op] = N - 1
        :: kind[op] = ALL
#if DEPTH > 1
        :: kind[op] = TWO_STAGES
        :: kind[op] = ONE_REDUCES
#endif
#endif
        fi;
        chunks[op] = 1;
        do
        :: op == 0 && chunks[op] < CHUNKS -> chunks[op]++
        :: break
        od
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
        root[op] = 0;
        chunks[op] = 0
    :: else
    fi
}

/* vc_node_slots_start() */
inline start()
{
    red = 0;
    red_from = 0;
    rd_from = 0;
    if
    :: op < OPS ->
        wr = (GIVES(me) -> 0 : chunks[op]);
        rd = (GETS(me) -> 0 : chunks[op]);
        to_contribution(red_from);
        to_result(rd_from);
        if
#ifndef BUG_NEVER_DONE
        :: !GETS(me) -> set_done(base + chunks[op] * STAGES)
#endif
        :: else
        fi
    :: else ->
        wr = 0;
        rd = 0;
        known = 0
    fi
}

/* vc_learned() */
inline learn()
{
    if
#ifdef BUG_LEARNED_FROM_ONE
    :: GETS(me) && known < base -> known = base
#else
    :: GETS(me) && ALL_GIVE && known < base + BUG_LEARNED -> known = base + BUG_LEARNED
#endif
    :: else
    fi
}

/* vc_node_slots_progress(): three cursors (written, reduced, read), each of which moves whenever it can. */
proctype rank(byte me)
{
    byte op, base, wr, red, rd, red_from, rd_from, known, r, i;

    atomic {
        choose();
        start()
    }
    do
    :: d_step {
        op < OPS && wr < chunks[op] && wr < rd + WINDOW && MAY_WRITE(SLOT(wr)) ->
        look(SLOT(wr));
        FIRST(SLOT(wr))
    }
        d_step { SECOND(SLOT(wr)); wr++ }

    :: d_step { op < OPS && REDUCES(me) && red < wr && READY(red_from, SLOT(red)) -> TAKE_FLAG(red_from, SLOT(red)) }
        d_step { read_slot(red_from, SLOT(red)); red_from++; to_contribution(red_from) }
    :: d_step {
        op < OPS && REDUCES(me) && red < wr && red_from == N && MAY_WRITE(RESULT(red)) ->
        look(RESULT(red));
        FIRST(RESULT(red))
    }
        d_step { SECOND(RESULT(red)); red++; red_from = 0; to_contribution(red_from) }

    :: d_step {
        op < OPS && rd < (REDUCES(me) -> red : wr) && READY(rd_from, RESULT(rd)) ->
        TAKE_FLAG(rd_from, RESULT(rd));
#ifdef BUG_DONE_FIRST
        set_done(SLOT(rd + 1))
#endif
    }
        d_step { read_slot(rd_from, RESULT(rd)); rd_from++; to_result(rd_from) }
    :: d_step {
        op < OPS && rd < (REDUCES(me) -> red : wr) && rd_from == N ->
        rd++;
        rd_from = 0;
        to_result(rd_from);
        set_done(SLOT(rd))
    }

    :: atomic {
        op < OPS && wr == chunks[op] && rd == chunks[op] ->
        d_step {
            learn();
            base = SLOT(chunks[op]);
            forget();
            op++
        }
        choose();
        d_step { start() }
    }
    :: op == OPS -> break
    od
}

init
{
    byte k;
    atomic {
#ifdef CLOCKS
        for (k : 0 .. N - 1) { view[k * N + k] = 1 }
        k = 0;
#endif
        do
        :: k < N -> run rank(k); k++
        :: k == N -> break
        od
    }
}
