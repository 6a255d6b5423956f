/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measuring the parameters of the cost model.
 * - tune_fit.c: which communicators, in which order, and what becomes of the figures
 * - tune_fit_link.c: one way between two ranks
 * - tune_fit_node.c: node phases
 * - tune_fit_probe.c: communicators, and measuring one thing on one of them
 * - tune_fit_cpu.c: what giving up the CPU costs, interrupts
 */
#ifndef VC_TOOLS_TUNE_FIT_H
#define VC_TOOLS_TUNE_FIT_H

#include "tools/tune/tune.h"

/** A communicator that is measured on; the ranks outside it sleep. */
struct fit_group {
    struct bench_world w;
    struct vcoll_comm_key key;
    bool member;
    int first; /**< world rank of its rank 0 */
};

/** Collective over the world: the ranks that say so, in their order. False, on all ranks, when vcoll does not
 * serve it; there is nothing to close then. */
bool fit_open(struct bench_world *world, bool member, struct fit_group *g);
void fit_close(struct bench_world *world, struct fit_group *g);

enum fit_how {
    FIT_STREAM,   /**< calls without a pause */
    FIT_ROTATE,   /**< the same, each with the next root */
    FIT_PINGPONG, /**< bcasts from rank 0 and from the last in turn: half of a round trip */
    FIT_PAUSED,   /**< the same, and each waits long before it answers; without that wait */
    FIT_SENDER,   /**< of FIT_PINGPONG, how long the last rank is busy with its own bcast */
};

/** What is measured. */
struct fit_probe {
    enum fit_how how;
    enum vc_coll coll;
    size_t bytes;
    const char *choice; /**< as vcoll_comm_force() takes it */
    double seconds;     /**< for all of it, about */
    double pause;       /**< FIT_PAUSED */
};

/** Collective over the group: seconds per call, of the faster blocks, the same on all members. NAN when the
 * choice cannot run, or memory is short. */
double fit_measure(struct fit_group *g, const struct fit_probe *p);

/** How many measurements fit_link() and fit_node() make, for sharing out the time. */
#define FIT_LINK_PROBES 14
#define FIT_NODE_PROBES 12

/** What a link measurement brings besides the link; NAN: not known. */
struct fit_extra {
    double call, wake;
};

/** Measures the way between the first and the last rank of the group, each probe for so long. hops: how many
 * times a message goes through shared memory, at `hop` seconds each, before the last rank answers. */
void fit_link(struct fit_group *g, double seconds, int hops, double hop, struct vc_model_link *l,
              struct fit_extra *x);
/** Appends samples of node phases of the group's ranks; their number. At most FIT_NODE_PROBES. */
int fit_node(struct fit_group *g, double seconds, struct vc_model_sample *s);

/** Seconds that it takes to give this CPU to another thread that waits for it; 0 when unknown. */
double fit_switch(void);
/** CPU-seconds of interrupts on this host since it was started; 0 when not readable. */
double fit_interrupts(void);

#endif
