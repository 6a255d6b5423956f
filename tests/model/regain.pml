/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a connection from the device to the boot channel and back, transport/verbs/lost.c and regain.c:
 * two ends, each of which sends MSGS messages to the other by whatever way its state allows, begins up to
 * ROUNDS rounds, and finds its queue pair broken up to FAULTS times, in every order of events.
 *
 * Boot channels are in order and lose nothing. A device brings messages in order to the queue pair for which
 * they were sent, as long as that works; a message to another one breaks the sender's. Of an open grant the
 * model knows that a message of the peer must come before it is closed.
 *
 * With ASKS both ends begin with a connection that works, and each may ask so often whether to close it because it is
 * not used, transport/verbs/idle.c, whatever it sends meanwhile.
 *
 * BUG_... makes the model wrong in one place; `check` wants each to be found.
 */
#ifndef MSGS
#define MSGS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
/* Which ends have an open grant at the beginning: a bit for each. */
#ifndef BOUND
#define BOUND 0
#endif

/* How often an end may ask to close the connection. */
#ifndef ASKS
#define ASKS 0
#endif

mtype = {OFFER, OK, CLEAR, STOP, HEARD, GONE, MSG, PROOF, ASK, KEEP, LEAVE};

/* Enough for all that an end may have sent and the other has not read. */
#define DEEP 12
chan boot[2] = [DEEP] of {mtype, byte};
chan wire[2] = [6] of {mtype, byte, byte}; /* what, number of a message, queue pair it is for */

/* States of an end, and steps of a round. */
#define READY     0
#define LOSING    1
#define SWITCHING 2
#define RETURNING 3
#define BOOT      4
#define LEAVING   5

#define NONE      0
#define OFFERED   1
#define CONNECTED 2
#define PROVING   3
#define PROVEN    4
#define CLEARED   5
#define DECLINED  6
#define STOPPED   7
#define HEARING   8

byte state[2], step[2];
bit offered[2], peer_ok[2], clear[2], stopped[2], yes[2], heard[2], broken[2], arrived[2], voided[2], peer_gone[2];
byte offer[2]; /* queue pair that the peer has offered; 0: none */
byte qp[2];    /* queue pair of this end; 0: none */
byte made[2];  /* queue pairs that were made */
byte to[2];    /* queue pair of the peer that it is connected with; 0: not yet */
byte sent[2];  /* messages that were sent */
byte got[2];   /* messages that have come */
byte base[2];  /* the first of the present connection */
byte last[2];  /* one more than the last that came over the wire */
byte told[2];  /* the peer's, when it lost the connection */
bit bound[2];
byte rounds[2], faults[2];
#if ASKS
byte asks[2];
bit asking[2], asked[2], left[2]; /* left: the peer has said LEAVE, which was not acted upon */
#endif

#define you (1 - me)

/* The queue pair takes nothing more: it is void, and so is what is on the wire to it. */
inline end_qp()
{
    qp[me] = 0;
    to[me] = 0
}

/* This end finds that its queue pair is broken. */
inline lose()
{
    if
    :: state[me] == BOOT && step[me] != NONE -> broken[me] = 1
    :: state[me] == READY || state[me] == RETURNING || state[me] == LEAVING ->
        state[me] = LOSING;
#if ASKS
        asking[me] = 0;
        asked[me] = 0;
        left[me] = 0;
#endif
        step[me] = NONE;
        to[me] = 0
    :: else -> skip
    fi
}

/* A message over the wire. The peer's device takes it if the queue pair is there and not broken. */
inline post(what, number)
{
    if
    :: qp[me] != 0 && to[me] != 0 && qp[you] == to[me] && state[you] != LOSING && !broken[you] ->
        wire[you]!what, number, to[me];
        if
        :: what == PROOF -> arrived[me] = 1
        :: else -> skip
        fi
    :: else -> lose()
    fi
}

inline say(what, number)
{
    assert(len(boot[you]) < DEEP);
    boot[you]!what, number
}

inline forget_notes()
{
    peer_ok[me] = 0;
    clear[me] = 0;
    stopped[me] = 0;
    yes[me] = 0;
    heard[me] = 0
}

/* What nobody looks at before send_offer() is forgotten here already: fewer states. */
inline end_round()
{
    step[me] = NONE;
    voided[me] = 0;
    broken[me] = 0;
    arrived[me] = 0;
    forget_notes();
    end_qp()
}

inline send_offer(have)
{
    forget_notes();
    broken[me] = 0;
    arrived[me] = 0;
    to[me] = 0;
    if
    :: have ->
        made[me]++;
        qp[me] = made[me]
    :: else -> qp[me] = 0
    fi;
    say(OFFER, qp[me])
}

inline decline()
{
    say(STOP, 0);
    step[me] = DECLINED
}

inline connect_both()
{
    offered[me] = 0;
    if
    :: broken[me] -> decline()
    :: else ->
        to[me] = offer[me];
        say(OK, 0);
        step[me] = CONNECTED
    fi;
    offer[me] = 0
}

inline take_message(number)
{
    assert(number == got[me]); /* each one once, and in order */
    got[me]++;
    bound[me] = 0
}

inline read_note()
{
    boot[me]?what, arg;
    if
    :: what == OFFER ->
        offered[me] = 1;
        offer[me] = arg
    :: what == OK -> peer_ok[me] = 1
    :: what == CLEAR -> clear[me] = 1
    :: what == STOP ->
        stopped[me] = 1;
        yes[me] = arg
    :: what == HEARD -> heard[me] = 1
    :: what == MSG -> take_message(arg)
#if ASKS
    :: what == ASK || what == KEEP || what == LEAVE ->
        if
        :: state[me] == LOSING || state[me] == SWITCHING || state[me] == BOOT -> skip
        :: else ->
            if
            :: what == ASK -> asked[me] = 1
            :: what == KEEP -> asking[me] = 0
            :: what == LEAVE -> left[me] = 1
            fi
        fi
#endif
    :: what == GONE ->
#ifndef BUG_KEEPS_NOTES
        offered[me] = 0;
        offer[me] = 0;
        forget_notes();
#endif
#if ASKS
        asked[me] = 0;
#endif
        if
        :: state[me] == BOOT ->
#ifndef BUG_NOT_VOID
            voided[me] = (step[me] != NONE);
#endif
            say(GONE, last[me])
        :: else ->
            peer_gone[me] = 1;
            told[me] = arg;
            lose()
        fi
    fi;
    what = OFFER;
    arg = 0
}

inline read_wire()
{
    wire[me]?what, arg, gen;
    if
    :: gen == qp[me] && what == MSG ->
        assert(state[me] != BOOT && state[me] != SWITCHING);
        assert(!bound[me]); /* its memory is not registered there */
        take_message(arg);
        last[me] = arg + 1
    :: else -> skip
    fi;
    what = OFFER;
    arg = 0;
    gen = 0
}

/* The peer has said how much came over the wire: the rest goes over the boot channel. */
inline send_rest()
{
    state[me] = BOOT;
    peer_gone[me] = 0;
    if
#ifndef BUG_SENDS_ALL
    :: told[me] > base[me] -> base[me] = told[me]
#endif
    :: else -> skip
    fi;
    told[me] = 0;
    do
    :: base[me] < sent[me] ->
        say(MSG, base[me]);
        base[me]++
    :: else -> break
    od;
}

#define REFUSED (broken[me] || (stopped[me] && !yes[me]))

#ifdef BUG_STOPS_BOUND
#define UNBOUND true
#else
#define UNBOUND !bound[me]
#endif
#ifdef BUG_STOPS_ALONE
#define CLEAR_OF true
#else
#define CLEAR_OF clear[me]
#endif
#ifdef BUG_NOT_HEARD
#define HEARD_OF true
#else
#define HEARD_OF heard[me]
#endif

inline step_round()
{
    if
    :: voided[me] -> end_round()
    :: else -> skip
    fi;
    if
    :: step[me] == NONE && offered[me] && state[me] == BOOT ->
        if
        :: offer[me] == 0 -> skip
        :: else ->
            if
            :: send_offer(1);
                connect_both()
            :: send_offer(0) /* its device is away, or its port is down */
            fi
        fi;
        offered[me] = 0;
        offer[me] = 0
    :: step[me] == OFFERED && offered[me] ->
        if
        :: offer[me] == 0 ->
            offered[me] = 0;
            end_round()
        :: else -> connect_both()
        fi
    :: step[me] == CONNECTED && REFUSED -> decline()
    :: step[me] == CONNECTED && !REFUSED && peer_ok[me] ->
        step[me] = PROVING;
        post(PROOF, 0)
    :: step[me] == PROVING && REFUSED -> decline()
    :: step[me] == PROVING && !REFUSED && arrived[me] ->
        arrived[me] = 0;
        step[me] = PROVEN
    :: step[me] == PROVEN && REFUSED -> decline()
    :: step[me] == PROVEN && !REFUSED && UNBOUND ->
        say(CLEAR, 0);
        step[me] = CLEARED
    :: step[me] == CLEARED && REFUSED -> decline()
    :: step[me] == CLEARED && !REFUSED && CLEAR_OF ->
        say(STOP, 1);
        state[me] = RETURNING;
        step[me] = STOPPED
    :: step[me] == DECLINED && stopped[me] -> end_round()
    :: step[me] == STOPPED && stopped[me] ->
        if
        :: yes[me] ->
            say(HEARD, 0);
            step[me] = HEARING
        :: else ->
            state[me] = BOOT;
            end_round()
        fi
    :: step[me] == HEARING && HEARD_OF ->
        state[me] = READY;
        base[me] = sent[me];
        forget_notes();
        step[me] = NONE
    :: else -> skip
    fi
}

#if ASKS
inline close_it()
{
    end_qp();
    base[me] = sent[me];
    asking[me] = 0;
    asked[me] = 0;
    left[me] = 0;
    state[me] = BOOT
}

inline leave()
{
    say(LEAVE, 0);
    asking[me] = 0;
    asked[me] = 0;
    base[me] = sent[me];
    state[me] = LEAVING
}
#endif

#define STEPS                                                                                                    \
    (state[me] == BOOT || state[me] == RETURNING) &&                                                             \
        (voided[me] || (step[me] == NONE && offered[me] && state[me] == BOOT) || (step[me] == OFFERED && offered[me]) || \
         (step[me] >= CONNECTED && step[me] <= CLEARED && REFUSED) || (step[me] == CONNECTED && peer_ok[me]) ||  \
         (step[me] == PROVING && arrived[me]) || (step[me] == PROVEN && UNBOUND) ||                           \
         (step[me] == CLEARED && CLEAR_OF) || (step[me] == DECLINED && stopped[me]) ||                          \
         (step[me] == STOPPED && stopped[me]) || (step[me] == HEARING && HEARD_OF))

#if ASKS
#define LEFT (state[me] == LEAVING)
#define PEER_LEFT left[me]
#else
#define LEFT false
#define PEER_LEFT false
#endif
#ifdef BUG_CLOSES_UNREAD
#define READ_ALL true
#else
#define READ_ALL empty(wire[me])
#endif
/* Notes wait until what the device has brought was read. */
#if defined BUG_LEFT_OVERTAKEN
#define NOTES_WAIT (state[me] == LOSING)
#elif defined BUG_LOSS_OVERTAKEN
#define NOTES_WAIT PEER_LEFT
#else
#define NOTES_WAIT (PEER_LEFT || state[me] == LOSING)
#endif

proctype End(bit me)
{
    mtype what = OFFER;
    byte arg, gen;
end:
    do
#ifdef BUG_OFFERS_MEET
    :: atomic { nempty(boot[me]) -> read_note() }
#else
    :: atomic { nempty(boot[me]) && !(offered[me] && state[me] == BOOT) && !NOTES_WAIT -> read_note() }
#endif
    :: atomic { nempty(wire[me]) && state[me] != BOOT && state[me] != SWITCHING -> read_wire() }
    :: atomic { nempty(wire[me]) && (state[me] == BOOT || state[me] == SWITCHING) -> read_wire() }
    :: atomic { STEPS -> step_round() }
    :: atomic { /* what the wire has brought is read, and the peer told of it */
        state[me] == LOSING && empty(wire[me]) ->
        end_qp();
        state[me] = SWITCHING;
        say(GONE, last[me]) }
    :: atomic { state[me] == SWITCHING && peer_gone[me] -> send_rest() }
#if ASKS
    :: atomic { state[me] == READY && !asking[me] && !asked[me] && !left[me] && asks[me] < ASKS ->
        asks[me]++;
        asking[me] = 1;
        say(ASK, 0) }
    :: atomic { state[me] == READY && asked[me] && !left[me] ->
        if
        :: asked[me] = 0;
            say(KEEP, 0)
        :: leave() /* what it has sent is on the wire: the peer's device has it */
        fi }
    :: atomic { state[me] == READY && left[me] && READ_ALL ->
        leave();
        close_it() }
    :: atomic { state[me] == LEAVING && left[me] && READ_ALL -> close_it() }
#endif
    :: atomic { (state[me] == BOOT || LEFT) && sent[me] < MSGS ->
        say(MSG, sent[me]);
        sent[me]++;
        base[me] = sent[me] }
    :: atomic { state[me] == READY && sent[me] < MSGS ->
        post(MSG, sent[me]);
        sent[me]++ } /* kept until the peer has said how much has come */
    :: atomic { state[me] == BOOT && step[me] == NONE && !voided[me] && rounds[me] < ROUNDS ->
        rounds[me]++;
        send_offer(1);
        step[me] = OFFERED }
    :: atomic { faults[me] < FAULTS && qp[me] != 0 && (state[me] == READY || state[me] == RETURNING || LEFT || step[me] != NONE) ->
        faults[me]++;
        lose() }
    od
}

/* Nobody can go on: then all is done, and both ends agree about the way. */
#define REST (empty(boot[0]) && empty(boot[1]) && empty(wire[0]) && empty(wire[1]))
active proctype Judge()
{
    timeout ->
    assert(REST);
    assert(got[0] == MSGS && got[1] == MSGS);
    assert((state[0] == READY && state[1] == READY) || (state[0] == BOOT && state[1] == BOOT));
    assert(step[0] == NONE && step[1] == NONE);
    assert(!voided[0] && !voided[1] && !offered[0] && !offered[1]);
#if ASKS
    assert(!asking[0] && !asking[1] && !asked[0] && !asked[1] && !left[0] && !left[1]);
#endif
}

init
{
    atomic {
#if ASKS
        state[0] = READY;
        state[1] = READY;
        made[0] = 1;
        made[1] = 1;
        qp[0] = 1;
        qp[1] = 1;
        to[0] = 1;
        to[1] = 1;
#else
        state[0] = BOOT;
        state[1] = BOOT;
#endif
        bound[0] = BOUND & 1;
        bound[1] = (BOUND >> 1) & 1;
        run End(0);
        run End(1)
    }
}
