/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleeping and waking: transport/wait.h's comment says how, wait.c (idle_announced()) and park.c do so. Each of
 * SLEEPERS waits, MESSAGES times, for one message of each of WAKERS. Sleeps have no limit here, so a lost wake-up
 * is a deadlock. Waits that end by themselves would only hide it.
 *
 * A waker's stores go through a store buffer, first in, first out, which the machine empties when it likes; its
 * atomic read-modify-writes wait until it is empty: x86's TSO. With EARLY_LOADS it may also read words before it
 * reads the count, as ARM allows; a fence in between makes it read them again. A sleeper has no stores but
 * atomic read-modify-writes.
 *
 * BUG_... makes the model wrong in one place; `check` wants each to be found.
 */
#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef WAKERS
#define WAKERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif

byte data[WAKERS];                       /* messages that have arrived in memory */
chan buffer[WAKERS] = [MESSAGES] of { byte }; /* those on their way */
byte nparked, word[SLEEPERS];            /* struct vc_park_area; word: 1 + the waker that is waited for */
bool asleep[SLEEPERS];                   /* in futex(FUTEX_WAIT) */
byte running = SLEEPERS + WAKERS;

#ifdef EARLY_LOADS
#define NOT_YET 255
byte early[WAKERS * SLEEPERS]; /* words that a waker has read before their turn */

inline read_early(s)
{
    if
    :: early[me * SLEEPERS + s] = word[s]
    :: skip
    fi
}
#endif

#define DRAINED(w) (len(buffer[w]) == 0)

/* A store buffer lets go of its oldest store. */
proctype memory(byte me)
{
end:
    do
    :: buffer[me]?data[me]
    od
}

/* vc_wake_slow(). Exactly one of wakers and sleeper turns the word to 0, and that one decrements the count. */
inline wake_slow()
{
    s = 0;
    do
    :: s < SLEEPERS ->
#ifdef EARLY_LOADS
        d_step {
            seen = (early[me * SLEEPERS + s] == NOT_YET -> word[s] : early[me * SLEEPERS + s]);
            early[me * SLEEPERS + s] = NOT_YET
        }
#else
        seen = word[s];
#endif
        if
        :: seen == me + 1 ->
#ifdef BUG_NO_CAS
            atomic { DRAINED(me) -> word[s] = 0; swapped = true }
#else
            atomic { DRAINED(me) -> swapped = (word[s] == seen); word[s] = (swapped -> 0 : word[s]) }
#endif
            if
            :: swapped ->
                d_step { assert(nparked > 0); nparked-- }
                asleep[s] = false /* FUTEX_WAKE */
            :: else
            fi
        :: else
        fi;
        s++
    :: else -> break
    od;
    s = 0;
    seen = 0;
    swapped = false
}

proctype waker(byte me)
{
    byte i, s, seen, count;
    bool swapped;
    for (i : 1 .. MESSAGES) {
#ifdef BUG_LOAD_FIRST
        count = nparked;
        buffer[me]!i;
#else
        buffer[me]!i;    /* publish: a release store */
#ifdef EARLY_LOADS
        for (s : 0 .. SLEEPERS - 1) { read_early(s) }
        s = 0;
#endif
        count = nparked; /* vc_wake_all(): one relaxed load */
#endif
        if
        :: count != 0 -> wake_slow()
        :: else
        fi;
#ifdef EARLY_LOADS
        d_step {
            for (s : 0 .. SLEEPERS - 1) { early[me * SLEEPERS + s] = NOT_YET }
            s = 0
        }
#endif
    }
    running--
}

/* vc_park_announce() */
inline announce()
{
#ifdef BUG_WORD_FIRST
    d_step { old = word[me]; word[me] = whom + 1 }
    nparked++;
#else
    nparked++;
    d_step { old = word[me]; word[me] = whom + 1 }
#endif
    if
    :: old != 0 -> d_step { assert(nparked > 0); nparked-- }
    :: else
    fi;
    old = 0
}

/* vc_park_clear() */
inline clear()
{
    d_step { old = word[me]; word[me] = 0 }
    if
    :: old != 0 -> d_step { assert(nparked > 0); nparked-- }
    :: else
    fi;
    old = 0
}

/* vc_park_fence(): on each CPU a full fence, one after another. */
inline fence()
{
#ifndef BUG_NO_MEMBARRIER
    w = 0;
    do
    :: w < WAKERS ->
        d_step {
            do
            :: buffer[w]?data[w]
            :: empty(buffer[w]) -> break
            od;
#ifdef EARLY_LOADS
            for (s : 0 .. SLEEPERS - 1) { early[w * SLEEPERS + s] = NOT_YET }
            s = 0;
#endif
            w++
        }
    :: else -> break
    od;
    w = 0
#endif
    skip
}

/* A sleep on the word, if it still has this value. */
inline sleep()
{
#ifdef BUG_NO_COMPARE
    asleep[me] = true;
#else
    d_step { asleep[me] = (word[me] == whom + 1) }
#endif
    !asleep[me]
}

proctype sleeper(byte me)
{
    byte i, whom, old, w, s;
    bool announced, fenced;
    for (i : 1 .. MESSAGES) {
        whom = 0;
        do
        /* Polls until the messages of all wakers are there, in turn. */
        :: whom < WAKERS && data[whom % WAKERS] >= i -> whom++
        :: whom == WAKERS -> break
        :: whom < WAKERS && data[whom % WAKERS] < i ->
            /* idle_announced() */
            if
            :: !announced || (word[me] != 0 && word[me] != whom + 1) ->
#ifdef BUG_FENCE_FIRST
                fence();
                fenced = true;
#endif
                announce();
#ifndef BUG_FENCED_STAYS
#ifndef BUG_FENCE_FIRST
                fenced = false;
#endif
#endif
                announced = true
            :: announced && word[me] == 0 -> announced = false
            :: announced && word[me] == whom + 1 ->
                if
                :: !fenced ->
                    fence();
                    fenced = true;
#ifdef BUG_NO_LAST_POLL
                    sleep()
#endif
                :: fenced -> sleep()
                fi
            fi
        od;
        /* vc_wait_end() */
        if
        :: announced -> clear(); announced = false
        :: else
        fi
    }
    running--
}

init
{
    byte k;
    atomic {
#ifdef EARLY_LOADS
        for (k : 0 .. WAKERS * SLEEPERS - 1) { early[k] = NOT_YET }
        k = 0;
#endif
        do
        :: k < WAKERS -> run memory(k); run waker(k); k++
        :: else -> break
        od;
        k = 0;
        do
        :: k < SLEEPERS -> run sleeper(k); k++
        :: else -> break
        od
    }
    /* When all is over nobody is counted as asleep. */
    running == 0;
    assert(nparked == 0)
}
