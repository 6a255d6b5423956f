/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends of one rank that share its link to the network. */
#ifndef VC_COLL_PIPE_H
#define VC_COLL_PIPE_H

#include "coll/plan.h"

/**
 * Sends in the order in which they are urgent: a long one begins when that is complete which stands some
 * places before it. Messages that share a link would all be late, and one at a time would leave it idle while
 * an answer is under way.
 */
struct vc_pipe {
    int step[64]; /**< the last ones */
    int width, n; /**< width 0: nobody waits */
};

/** For messages of about `bytes`. */
struct vc_pipe vc_pipe_of(size_t bytes);
/** For copies of one message of so many bytes that go down a tree with so many children a level: the next
 * level's leave when this one's have arrived. */
struct vc_pipe vc_pipe_of_copies(size_t bytes, int children);
void vc_pipe_send(struct vc_pipe *pipe, struct vc_plan *p, int peer, struct vc_ref msg);

#endif
