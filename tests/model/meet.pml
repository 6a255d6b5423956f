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
byte left = FAILS; /* how often leaders may still give up */

#define IN(r)     ((members[op] >> (r)) & 1)
#define SAYS(r)   (op * 8 + 1 + (differ[op] -> (r) + 1 : 0))
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

/* What a process knows. */
byte led[N * N], joined[N * N], reading[N * N], heard[N * N];

/* For each member but this process; `wait` must hold first. */
#define FOR_MEMBERS(wait, then)                                                                                  \
    r = 0;                                                                                                       \
    do                                                                                                           \
    :: r == N -> break                                                                                           \
    :: r < N && (r == me || !IN(r)) -> r++                                                                       \
    :: r < N && r != me && IN(r) && (wait) ->                                                                    \
        then;                                                                                                    \
        r++                                                                                                      \
    od;                                                                                                          \
    r = 0

#define SAID(r) (stamp[(r) % N] == STAMP(me, led[AT(me, (r) % N)] + 1))

inline collect()
{
    r = 0;
    do
    :: r == N -> break
    :: r < N && (r == me || !IN(r)) -> r++
    :: r < N && r != me && IN(r) && SAID(r) ->
        heard[AT(me, r)] = said[r];
        r++
    :: r < N && r != me && IN(r) && !SAID(r) && left > 0 ->
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
    :: r < N && (reading[AT(me, r)] == 0 || stamp[r] != reading[AT(me, r)]) ->
        reading[AT(me, r)] = 0;
        r++
    od;
    r = 0
}

inline write_table()
{
    FOR_MEMBERS(true, table[AT(me, r)] = heard[AT(me, r)]);
    table[AT(me, me)] = SAYS(me)
}

inline give_answer()
{
    d_step {
        led[AT(me, r)] = led[AT(me, r)] + 1;
        if
        :: answer == TABLE -> reading[AT(me, r)] = STAMP(me, led[AT(me, r)])
        :: else
        fi
    }
    word[AT(me, r)] = WORD(led[AT(me, r)], answer)
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
                    assert(heard[AT(me, r)] == SAYS(r));
                    answer = (heard[AT(me, r)] == SAYS(me) -> answer : TABLE)
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
        FOR_MEMBERS(true, give_answer());
        write_table();
        answer = 0
#else
        write_table()
#endif
    :: else
    fi;
    if
    :: answer != 0 ->
        FOR_MEMBERS(true, give_answer())
    :: else
    fi
}

#define MY_WORD word[AT(leader[op], me)]
#define MY_COUNT joined[AT(leader[op], me)]

inline hear()
{
    MY_COUNT = MY_COUNT + 1;
#ifdef BUG_STAMP_FIRST
    stamp[me] = STAMP(leader[op], MY_COUNT);
    said[me] = SAYS(me);
#else
    said[me] = SAYS(me);
    stamp[me] = STAMP(leader[op], MY_COUNT);
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
    :: answer == SAME -> assert(!differ[op])
    :: answer == TABLE ->
#ifdef BUG_READ_FIRST
        stamp[me] = stamp[me] | READ;
#endif
        do
        :: r == N -> break
        :: r < N ->
            assert(!IN(r) || table[AT(leader[op], r)] == SAYS(r));
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

proctype process(byte me)
{
    byte op, r, answer;
    do
    :: op == OPS -> break
    :: op < OPS ->
        if
        :: IN(me) && leader[op] == me -> lead()
        :: IN(me) && leader[op] != me -> hear()
        :: else
        fi;
        d_step { op++; answer = 0 }
    od
}

init
{
    byte k, r;
    atomic {
        do
        :: k < OPS ->
            r = 0;
            do
            :: r == N -> break
            :: r < N -> members[k] = members[k] | (1 << r); r++
            :: r < N -> r++
            od;
            if
            :: leader[k] = 0
            :: k > 0 -> leader[k] = 1 /* the first one's number is of no account */
            :: k > 0 -> leader[k] = N - 1
            fi;
            if /* a leader and somebody else */
            :: (members[k] >> leader[k]) % 2 == 0 || members[k] == (1 << leader[k]) -> members[k] = (1 << N) - 1
            :: else
            fi;
            if
            :: differ[k] = true
            :: true
            fi;
            k++
        :: k == OPS -> break
        od;
        k = 0;
        do
        :: k < N -> run process(k); k++
        :: k == N -> break
        od
    }
}
