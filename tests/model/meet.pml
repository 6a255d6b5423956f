/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meetings on boards, pmpi/meet.h: members of a meeting say something in a slot of their own and stamp it; the
 * leader reads it, writes a table unless all have said the same, and a word for each member. Counts of the
 * meetings of each pair of processes keep those of different communicators apart.
 *
 * Which processes hold which meeting, who leads, and whether they say the same, is the checker's choice. With
 * FAILS the leader may also give up waiting for a member, as for one that has died. That one comes nevertheless,
 * which asks more than is needed.
 *
 * BUG_... makes the model wrong in one place; `check` wants each to be found.
 */
#ifndef N
#define N 3
#endif
#ifndef OPS
#define OPS 3
#endif
#ifndef FAILS
#define FAILS 0
#endif

byte members[OPS], leader[OPS]; /* members: a bit for each process */
bool differ[OPS];
byte past[OPS]; /* past: ranks that have it behind them */
byte left = FAILS; /* how often leaders may still give up */

#define IN(r)     ((who >> (r)) & 1)
#define SAYS(r)   (op * 8 + 1 + (differs -> (r) + 1 : 0))
#define AT(a, b)  ((a) * N + (b))

/* Shared memory: slots, words, tables. */
byte stamp[N], said[N], word[N * N], table[N * N];

#define READ 1
#ifdef BUG_NO_LEADER
#define STAMP(who, count) ((count) * 2)
#else
#define STAMP(who, count) (((who) + 1) * 32 + (count) * 2)
#endif
#define TABLE  1
#define SAME   2
#define FAILED 3
#define WORD(count, answer) ((count) * 4 + (answer))

/* The next member but this process, from r on. */
inline to_member()
{
    do
    :: r < N && (r == me || !IN(r)) -> r++
    :: else -> break
    od;
    skip /* a d_step may not end with a break */
}

/* For each of them; there is one. */
#define FOR_MEMBERS(then)                                                                                        \
    d_step { r = 0; to_member() }                                                                                \
    do                                                                                                           \
    :: r < N ->                                                                                                  \
        then;                                                                                                    \
        d_step { r++; to_member() }                                                                              \
    :: r == N -> break                                                                                           \
    od;                                                                                                          \
    r = 0

#define SAID(r) (stamp[(r) % N] == STAMP(me, led[(r) % N] + 1))

inline collect()
{
    d_step { r = 0; to_member() }
    do
    :: SAID(r) ->
        heard[r] = said[r];
        d_step { r++; to_member() }
        if
        :: r == N -> break
        :: else
        fi
    :: !SAID(r) && left > 0 ->
        left--;
        answer = FAILED;
        break
    od;
    r = 0
}

inline await_readers()
{
    do
    :: r == N -> break
    :: r < N && (reading[r] == 0 || stamp[r] != reading[r]) ->
        reading[r] = 0;
        r++
    od;
    r = 0
}

inline write_table()
{
    FOR_MEMBERS(table[AT(me, r)] = heard[r]);
    table[AT(me, me)] = SAYS(me)
}

inline give_answer()
{
    d_step {
        led[r] = led[r] + 1;
        if
        :: answer == TABLE -> reading[r] = STAMP(me, led[r])
        :: else
        fi
    }
    word[AT(me, r)] = WORD(led[r], answer)
}

inline lead()
{
    answer = SAME;
    collect();
    d_step {
        if
        :: answer == SAME ->
            for (r : 0 .. N - 1) {
                if
                :: r != me && IN(r) ->
                    assert(heard[r] == SAYS(r));
                    answer = (heard[r] == SAYS(me) -> answer : TABLE)
                :: else
                fi
            }
        :: else
        fi;
        r = 0
    }
    if
    :: answer == TABLE ->
#ifndef BUG_NO_READERS
        await_readers();
#endif
#ifdef BUG_WORD_FIRST
        FOR_MEMBERS(give_answer());
        write_table();
        answer = 0
#else
        write_table()
#endif
    :: else
    fi;
    if
    :: answer != 0 ->
        FOR_MEMBERS(give_answer())
    :: else
    fi
}

#define MY_WORD word[AT(boss, me)]
#define MY_COUNT joined[boss]

inline hear()
{
    MY_COUNT = MY_COUNT + 1;
#ifdef BUG_STAMP_FIRST
    stamp[me] = STAMP(boss, MY_COUNT);
    said[me] = SAYS(me);
#else
    said[me] = SAYS(me);
    stamp[me] = STAMP(boss, MY_COUNT);
#endif
#if defined(BUG_ANY_ANSWER)
    atomic { MY_WORD % 4 != 0 -> answer = MY_WORD % 4 };
#elif defined(BUG_EXACT)
    atomic { MY_WORD / 4 == MY_COUNT -> answer = MY_WORD % 4 };
#else
    /* Later meetings have answers before this process takes part only if they, and this one, have failed. */
    atomic { MY_WORD / 4 >= MY_COUNT -> answer = (MY_WORD / 4 == MY_COUNT -> MY_WORD % 4 : FAILED) };
#endif
    if
    :: answer == SAME -> assert(!differs)
    :: answer == TABLE ->
#ifdef BUG_READ_FIRST
        stamp[me] = stamp[me] | READ;
#endif
        do
        :: r == N -> break
        :: r < N ->
            assert(!IN(r) || table[AT(boss, r)] == SAYS(r));
            r++
        od;
        r = 0;
#if !defined(BUG_READ_FIRST) && !defined(BUG_NO_MARK)
        stamp[me] = stamp[me] | READ
#else
        skip
#endif
    :: else -> assert(answer == FAILED && FAILS > 0)
    fi
}

/* The first process that comes to a meeting chooses what it is. */
inline choose()
{
    if
    :: op < OPS && members[op] == 0 ->
        do
        :: r == N -> break
        :: r < N -> members[op] = members[op] | (1 << r); r++
        :: r < N -> r++
        od;
        r = 0;
        if
        :: leader[op] = 0
        :: op > 0 -> leader[op] = 1 /* the first one's number is of no account */
        :: op > 0 -> leader[op] = N - 1
        fi;
        if /* a leader and somebody else */
        :: (members[op] >> leader[op]) % 2 == 0 || members[op] == (1 << leader[op]) -> members[op] = (1 << N) - 1
        :: else
        fi;
        if
        :: differ[op] = true
        :: true
        fi
    :: else
    fi;
    if
    :: op < OPS ->
        who = members[op];
        boss = leader[op];
        differs = differ[op]
    :: else
    fi
}

/* What all have behind them is forgotten: it makes no difference to what follows. */
inline forget()
{
    past[op]++;
    if
    :: past[op] == N ->
        members[op] = 0;
        leader[op] = 0;
        differ[op] = false
    :: else
    fi
}

proctype process(byte me)
{
    byte op, r, answer;
    byte who, boss; /* this meeting: a bit for each member, and its leader */
    bool differs;
    /* What a process knows of its meetings with each other one. */
    byte led[N], joined[N], reading[N], heard[N];
    atomic { choose() }
    do
    :: op == OPS -> break
    :: op < OPS ->
        if
        :: IN(me) && boss == me -> lead()
        :: IN(me) && boss != me -> hear()
        :: else
        fi;
        atomic {
            d_step {
                forget();
                op++;
                answer = 0;
                for (r : 0 .. N - 1) { heard[r] = 0 }
                r = 0
            }
            choose()
        }
    od
}

init
{
    byte k;
    atomic {
        do
        :: k < N -> run process(k); k++
        :: k == N -> break
        od
    }
}
