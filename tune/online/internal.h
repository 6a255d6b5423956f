/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of online tuning: online.c steps from call to call, verdict.c takes verdicts.
 *
 * A slot earns credit with every call (the share) and pays with it for every call that runs something else
 * than what is in use. A call costs as much credit as it takes longer than the one in use, as far as a
 * verdict has told; what a verdict tells too late is paid afterwards, before anything else is tried. All
 * credit is whole numbers, so that ranks cannot differ by a rounding.
 *
 * A burst compares one challenger with the incumbent: MEASURED calls of each, directly one after the other, a
 * call before each that is not measured (it makes plans, connections and channels, and warms caches up). The
 * order and the distance between bursts change by a generator that is seeded alike on all ranks: a program
 * with a rhythm of its own must not show each of the two always the same part of it.
 */
#ifndef VC_TUNE_ONLINE_INTERNAL_H
#define VC_TUNE_ONLINE_INTERNAL_H

#include "tune/online/online.h"

enum {
    CLASSES = 29, /* no bytes; up to 8; up to 16; ... up to 1 GiB */
    KEYS = VC_COLL_COUNT * 2 * CLASSES,
    SLOTS = 96, /* at most, per communicator: 6 KiB each */
    CANDS = 12,
    MEASURED = 3,
    KEPT = 16, /* bursts whose samples are kept */
    SAMPLES = KEPT * MEASURED,
    SCORES = 1 + 2 * CANDS * SAMPLES,
    BURST = 2 * (MEASURED + 1),
    WARM_UP = 64,    /* calls before a slot is opened */
    LAST_ROUND = 3,  /* bursts of a challenger double from round to round */
    SWITCHES = 4,    /* in the middle of one search */
    CHECK_BURSTS = 8 /* of a check for drift */
};
#define CALL ((int64_t)1000000) /* credit of one call of the incumbent */

struct online_cand {
    struct vc_choice choice;
    bool alive; /* still in the race */
    bool gone;  /* cannot run here */
    int bursts; /* in this round */
    int total;  /* bursts that the samples are of, since they were last thrown away */
    float time[SAMPLES],
        base[SAMPLES]; /* this rank's, of it and of the incumbent beside it: a ring of bursts */
    long calls;        /* run since the last verdict */
    int64_t cost;      /* credit of one call */
    /* Agreed: time over the incumbent's by medians, how wrong that may be (one deviation), and the same at
     * its best. */
    double q, err, low;
    int won, of; /* bursts in which it was faster, of how many */
};

struct online_slot {
    enum vc_coll coll;
    bool commutative;
    int size_class;
    int ncand;
    struct online_cand cand[CANDS]; /* [0]: the selection, whatever it says; then native, unless that is it */
    int now;                        /* the incumbent */
    int native;                     /* its index */
    bool settled;                   /* only checked for drift, against `control` */
    bool decided;
    int control;
    double control_q; /* at its first check; 0: none yet */
    int round, switches;
    int64_t credit;
    uint64_t calls, again; /* again: at so many calls the search begins anew */
    bool due;              /* the verdict */
    int against;           /* challenger of the burst, -1 */
    int last;              /* the challenger before */
    int at;                /* position in the burst */
    bool swapped;
    int pause;
    uint64_t random;
    long trials;
    double gain;
    double verdict_seconds;
};

enum slot_state { SLOT_NONE, SLOT_ASKED, SLOT_LIVE, SLOT_CLOSED };

struct vc_online {
    const struct vc_topo_key *key;
    const struct vc_selection *sel;
    int64_t rate; /* credit that a call earns */
    int nslots;
    uint32_t calls[KEYS];
    unsigned char state[KEYS]; /* of enum slot_state */
    struct online_slot *slot[KEYS];
    double
        scores[SCORES]; /* of the slot that has a verdict; of one being opened: does this rank lack memory */
};

/** Smallest and largest call of a class. */
size_t vc_online_class_min(int size_class);
size_t vc_online_class_max(int size_class);

/** Candidates of a call of so many bytes. Returns their number, 1 where there is nothing to choose. */
int vc_online_candidates(const struct vc_topo_key *key, const struct vc_choice *selected,
                         const struct vc_select_call *call, struct vc_choice out[CANDS]);

/** Starts the search of a slot, again or for the first time. */
void vc_online_search(struct online_slot *s);
/** Samples, so that what is agreed is the slowest rank's time in each call. Returns their number. */
int vc_online_fill_scores(const struct online_slot *s, double *out);
void vc_online_verdict(struct online_slot *s, const double *scores);

#endif
