/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations over a tree of groups, coll/node/tree*.c. Groups are the ranks 0 and 1, and 2 to N - 1; their leaders,
 * 0 and 2, meet at the top. An operation is a few flat ones, each in the slots of one group and direction ("node"):
 * a track. That flat operations are right is what ring.pml shows; here each takes one slot a block. A rank moves
 * any of its tracks that can be moved, in any order, which covers the order of tree_run.c.
 *
 * Block by block a leader that is not the root of a reduction has memory for two blocks (PASSES).
 *
 * BUG_... makes the model wrong in one place; `check` wants each to be found.
 */
#ifndef N
#define N 4
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef OPS
#define OPS 2
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif

mtype = { BCAST, REDUCE, ALLREDUCE };
mtype kind[OPS];
byte root[OPS], past[OPS]; /* past: ranks that have it behind them */

/* Nodes: the slots of each group, up and down, and those of the top. */
#define UP(group)   (group)
#define TOP         2
#define DOWN(group) (3 + (group))
#define NODES       5
#define NONE        255

/* Shared memory. */
byte flag[NODES * N * DEPTH], payload[NODES * N * DEPTH], done[NODES * N];
#define AT(node, r, g)     (((node) * N + (r)) * DEPTH + (g) % DEPTH)
#define GROUP(r)           ((r) < 2 -> 0 : 1)
#define LEADER(r)          ((r) < 2 -> 0 : 2)
#define IN(node, r)        ((r) < N && ((node) == TOP -> ((r) == 0 || (r) == 2) : GROUP(r) == (node) % 3))
#define IS_DONE(t, r, c)  (!IN(node[t], r) || (r) == me || done[node[t] * N + (r) % N] >= (c))
#define HAS(t, r)         (!IN(node[t], r) || (r) == me || flag[AT(node[t], (r) % N, SLOT(t))] == SLOT(t) + 1)

/* What a track does. */
#define WRITES   0 /* publishes for others of the node */
#define READS    1 /* takes what rank `from` publishes */
#define COLLECTS 2 /* takes what all others publish */
#define BOTH     3 /* publishes, then collects */
#define SKIPS    4 /* counts the slots */

/* Contents: of a group (stage 0) or of all ranks (1), of a block of an operation. */
#define CONTENT(stage) (1 + (stage) + 2 * (op * BLOCKS + block[i]))
/* Where the block is in the memory of a leader. */
#define PLACE          (passes && BLOCKS > 2 -> block[i] % 2 : block[i])

#define TRACKS         3
#define SLOT(t)        (base[node[t]] + block[t])
#ifdef BUG_NOT_SUPPLIED
#define SUPPLIED(t)    true
#else
#define SUPPLIED(t)    (supplier[t] == NONE || block[supplier[t] % TRACKS] > block[t])
#endif
#ifdef BUG_NO_WAIT_FOR_MEMORY
#define MEMORY(t)      true
#else
#define NEAR(t, other) ((other) >= ntracks || block[other] + 1 >= block[t])
#define MEMORY(t)      (BLOCKS <= 2 || (NEAR(t, 0) && NEAR(t, 1) && NEAR(t, 2)))
#endif
#ifdef BUG_NOT_FREE
#define FREED          (DEPTH + 1)
#else
#define FREED          DEPTH
#endif
#define FREE_OF(t, r)  IS_DONE(t, r, SLOT(t) + 1 - FREED)
#define FREE(t)                                                                                                  \
    (SLOT(t) < FREED || (FREE_OF(t, 0) && FREE_OF(t, 1) && FREE_OF(t, 2) && FREE_OF(t, 3) && FREE_OF(t, 4)))
#define ALL_HAVE(t)    (HAS(t, 0) && HAS(t, 1) && HAS(t, 2) && HAS(t, 3) && HAS(t, 4))
#define PUBLISHES(t)   ((does[t] == WRITES || does[t] == BOTH) && !published[t])
#define TAKES(t)                                                                                                 \
    ((does[t] == READS && flag[AT(node[t], from[t] % N, SLOT(t))] == SLOT(t) + 1) ||                             \
     (does[t] == COLLECTS && ALL_HAVE(t)) || (does[t] == BOTH && published[t] && ALL_HAVE(t)))
#define CAN_MOVE(t)                                                                                              \
    (t < ntracks && block[t] < BLOCKS && MEMORY(t) && SUPPLIED(t) &&                                             \
     ((PUBLISHES(t) && FREE(t)) || TAKES(t) || does[t] == SKIPS))

inline add(what, where, whose, who)
{
    does[ntracks] = what;
    node[ntracks] = where;
    from[ntracks] = whose;
    supplier[ntracks] = who;
    ntracks++
}

/* The first rank that comes to an operation chooses what it is. */
inline choose()
{
    if
    :: kind[op] == 0 ->
        if
        :: kind[op] = ALLREDUCE
        :: kind[op] = BCAST
        :: kind[op] = REDUCE
        fi;
        if
        :: kind[op] == ALLREDUCE
        :: kind[op] != ALLREDUCE -> root[op] = 0
        :: kind[op] != ALLREDUCE -> root[op] = 1
        :: kind[op] != ALLREDUCE -> root[op] = 2
        :: kind[op] != ALLREDUCE -> root[op] = 3
        fi
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

/* Which tracks this rank has: vc_tree_plan(). */
inline plan()
{
    ntracks = 0;
    passes = (kind[op] == REDUCE && me != root[op]);
    if
    :: kind[op] == BCAST && me == root[op] ->
        if
        :: me == lead -> add(WRITES, DOWN(GROUP(me)), NONE, NONE); add(WRITES, TOP, NONE, NONE)
        :: else -> add(WRITES, UP(GROUP(me)), NONE, NONE)
        fi
    :: kind[op] == BCAST && me != root[op] ->
        if
        :: GROUP(me) == GROUP(root[op]) && root[op] != lead ->
            add(READS, UP(GROUP(me)), root[op], NONE);
            if
            :: me == lead -> add(WRITES, TOP, NONE, 0)
            :: else
            fi
        :: me != lead && (GROUP(me) != GROUP(root[op]) || root[op] == lead) ->
            add(READS, DOWN(GROUP(me)), lead, NONE)
        :: me == lead && GROUP(me) != GROUP(root[op]) ->
            add(READS, TOP, LEADER(root[op]), NONE);
            add(WRITES, DOWN(GROUP(me)), NONE, 0)
        fi
    :: kind[op] != BCAST && me != lead ->
        add(WRITES, UP(GROUP(me)), NONE, NONE);
        if
        :: kind[op] != REDUCE || me == root[op] -> add(READS, DOWN(GROUP(me)), lead, NONE)
        :: kind[op] == REDUCE && me != root[op] && GROUP(me) == GROUP(root[op]) && root[op] != lead ->
#ifndef BUG_NO_SKIP
            add(SKIPS, DOWN(GROUP(me)), NONE, NONE)
#else
            skip
#endif
        :: else
        fi
    :: kind[op] != BCAST && me == lead ->
        add(COLLECTS, UP(GROUP(me)), NONE, NONE);
        if
        :: kind[op] != REDUCE -> add(BOTH, TOP, NONE, 0); add(WRITES, DOWN(GROUP(me)), NONE, 1)
        :: kind[op] == REDUCE && LEADER(root[op]) == me ->
            add(COLLECTS, TOP, NONE, 0);
            if
            :: root[op] != me -> add(WRITES, DOWN(GROUP(me)), NONE, 1)
            :: else
            fi
        :: else -> add(WRITES, TOP, NONE, 0)
        fi
    fi
}

/* What a track passes on has come from its supplier. */
#define SENT_STAGE (kind[op] != BCAST && node[i] >= 3 -> 1 : 0)
#define KEPT_STAGE (kind[op] != BCAST && (node[i] == TOP || node[i] >= 3) -> 1 : 0)
#define RIGHT(r)                                                                                                 \
    assert(!IN(node[i], r) || (r) == me || payload[AT(node[i], (r) % N, SLOT(i))] == CONTENT(SENT_STAGE))

inline end_block()
{
    done[node[i] * N + me] = SLOT(i) + 1;
    published[i] = false;
    block[i]++
}

inline publish()
{
    if
    :: supplier[i] != NONE -> assert(memory[PLACE] == CONTENT(SENT_STAGE))
    :: else
    fi;
    payload[AT(node[i], me, SLOT(i))] = CONTENT(SENT_STAGE);
    flag[AT(node[i], me, SLOT(i))] = SLOT(i) + 1;
    published[i] = true;
    if
    :: does[i] == WRITES -> end_block()
    :: else
    fi
}

inline take()
{
    if
    :: does[i] == READS ->
        assert(payload[AT(node[i], from[i] % N, SLOT(i))] == CONTENT(SENT_STAGE));
        memory[PLACE] = CONTENT(KEPT_STAGE)
    :: does[i] == COLLECTS || does[i] == BOTH ->
        RIGHT(0);
        RIGHT(1);
        RIGHT(2);
        RIGHT(3);
        RIGHT(4);
        if
        :: supplier[i] != NONE -> assert(memory[PLACE] == CONTENT(0))
        :: else
        fi;
        memory[PLACE] = CONTENT(KEPT_STAGE)
    :: else
    fi;
    end_block()
}

inline move(t)
{
    i = t;
    if
    :: PUBLISHES(i) -> publish()
    :: else -> take()
    fi;
    i = 0
}

#define MOVED(t)  (t >= ntracks || block[t] == BLOCKS)

inline finish()
{
    do
    :: i < ntracks ->
        base[node[i]] = base[node[i]] + BLOCKS;
        block[i] = 0;
        i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < BLOCKS -> memory[i] = 0; i++
    :: else -> break
    od;
    i = 0;
    do
    :: ntracks > 0 ->
        ntracks--;
        does[ntracks] = 0;
        node[ntracks] = 0;
        from[ntracks] = 0;
        supplier[ntracks] = 0
    :: else -> break
    od;
    passes = 0;
    forget();
    op++
}

inline begin()
{
    if
    :: op < OPS ->
        choose();
        d_step { plan() }
    :: else
    fi
}

proctype rank(byte me)
{
    byte op, i, ntracks, lead = LEADER(me);
    byte does[TRACKS], node[TRACKS], from[TRACKS], supplier[TRACKS], block[TRACKS];
    bool published[TRACKS], passes;
    byte base[NODES], memory[BLOCKS];
    atomic { begin() }
    do
    :: d_step { CAN_MOVE(0) -> move(0) }
    :: d_step { CAN_MOVE(1) -> move(1) }
    :: d_step { CAN_MOVE(2) -> move(2) }
    :: atomic {
        op < OPS && MOVED(0) && MOVED(1) && MOVED(2) ->
        d_step { finish() }
        begin()
    }
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
