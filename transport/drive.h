/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the host MPI's progress did something. If its function does not say so, its time is judged: an idle
 * call always takes about as long, that time is learnt, and what takes longer did something. Learnt by the
 * process, used by its waits.
 */
#ifndef VC_TRANSPORT_DRIVE_H
#define VC_TRANSPORT_DRIVE_H

#include "transport/base.h"

/** Calls that are judged together, a turn. Open MPI looks at its sockets in every eighth call only, so that
 * one call's time says little, and eight calls' time the same wherever they begin. */
#define VC_TURN_CALLS 8

/** A turn in progress; all zero: the next call begins one. */
struct vc_turn {
    uint32_t calls;
    bool yielding; /**< others may run between its calls, which makes these dearer */
    bool cold;     /**< the host's code and data are not in the caches: compared with other such turns */
    bool certain;  /**< the last call said by itself that nothing came */
    uint64_t ns;
};

enum vc_sign {
    VC_SIGN_NONE,
    VC_SIGN_WEAK, /**< something may have come: worth looking on */
    VC_SIGN_STRONG,
};

/** Drives the host MPI once: 1, something came; 0, nothing did; -1, unknown. */
typedef int vc_progress_fn(void);

/** Calls `progress` once. A strong sign where it says that something came, none where it says that nothing
 * did. Otherwise a sign as soon as the calls of this turn took longer than idle ones do; of a cold turn,
 * whose times scatter, when it is over and took much longer than usual. *now is the time afterwards. */
enum vc_sign vc_drive(struct vc_turn *t, vc_progress_fn *progress, uint64_t *now);

/** A first idea of what an idle turn takes, from some turns in which probably nothing comes. */
void vc_drive_learn(vc_progress_fn *progress, bool yielding);

/** What an idle turn takes, in ns; 0: not known yet. */
uint64_t vc_drive_idle_ns(void);

#endif
