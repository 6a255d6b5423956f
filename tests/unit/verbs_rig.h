/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks as processes that exchange messages over the loopback device, for tests of its failures. What goes
 * wrong ends the process with a line. */
#ifndef VC_TESTS_UNIT_VERBS_RIG_H
#define VC_TESTS_UNIT_VERBS_RIG_H

#include "tests/unit/conformance/harness.h"
#include "transport/verbs/verbs.h"

enum { VR_MOST = 32 }; /* ranks */

/** What is tried, for the line. */
extern const char *vr_where;

void vr_bad(int me, const char *what) __attribute__((noreturn));
/** A fault of the loopback device of this process (tests/loopback/README.md). */
void vr_inject(const char *fault);

/** The device (`dev`: VC_LOOPBACK, NULL: the usual one) of rank `me` of n, connected. `address` [n] is shared
 * memory. Of `cfg` what is no default: the rest is filled in. */
struct vc_verbs *vr_verbs(struct vc_verbs_cfg cfg, const char *dev, struct vc_verbs_address *address,
                          const struct hs_rank *hr, int n, int me);
/** A channel to all ranks, and to itself. */
struct vc_chan *vr_chan(struct vc_verbs *v, int n, int me, uint64_t id);
/** Until these are done, for `most_s` seconds at most. */
void vr_wait(enum vc_wait_mode mode, struct vc_chan *ch, struct vc_chan_req *req, int n, int me, int most_s);

#endif
