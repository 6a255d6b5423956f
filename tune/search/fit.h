/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measuring the parameters of the cost model.
 * - vc_fit.c: which communicators, in which order, and what becomes of the figures
 * - vc_search_fit_link.c: one way between two ranks
 * - vc_search_fit_node.c: node phases
 * - vc_search_fit_probe.c: communicators, and measuring one thing on one of them
 * - vc_search_fit_cpu.c: what giving up the CPU costs, interrupts
 */
#ifndef VC_TUNE_SEARCH_FIT_H
#define VC_TUNE_SEARCH_FIT_H

#include "tune/search/internal.h"

enum vc_fit_how {
    VC_FIT_STREAM,   /**< calls without a pause */
    VC_FIT_ROTATE,   /**< the same, each with the next root */
    VC_FIT_PINGPONG, /**< bcasts from rank 0 and from the last in turn: half of a round trip */
    VC_FIT_PAUSED,   /**< the same, and each waits long before it answers; without that wait */
    VC_FIT_SENDER,   /**< of VC_FIT_PINGPONG, how long the last rank is busy with its own bcast */
};

/** What is measured. */
struct vc_fit_probe {
    enum vc_fit_how how;
    enum vc_coll coll;
    size_t bytes;
    const char *choice; /**< as vcoll_comm_force() takes it */
    double seconds;     /**< for all of it, about */
    double pause;       /**< VC_FIT_PAUSED */
};

/** Collective over the group: seconds per call, of the faster blocks, the same on all members. NAN when the
 * choice cannot run, or memory is short. */
double vc_fit_measure(struct vc_search_comm *g, const struct vc_fit_probe *p);

/** How many measurements vc_fit_link() and vc_fit_node() make, for sharing out the time. */
#define VC_FIT_LINK_PROBES 14
#define VC_FIT_NODE_PROBES 12

/** What a link measurement brings besides the link; NAN: not known. */
struct vc_fit_extra {
    double call, wake;
};

/** Measures the way between the first and the last rank of the group, each probe for so long. hops: how many
 * times a message goes through shared memory, at `hop` seconds each, before the last rank answers. */
void vc_fit_link(struct vc_search_comm *g, double seconds, int hops, double hop, struct vc_model_link *l,
                 struct vc_fit_extra *x);
/** Appends samples of node phases of the group's ranks; their number. At most VC_FIT_NODE_PROBES. */
int vc_fit_node(struct vc_search_comm *g, double seconds, struct vc_model_sample *s);

/** Seconds that it takes to give this CPU to another thread that waits for it; 0 when unknown. */
double vc_fit_switch(void);
/** CPU-seconds of interrupts on this host since it was started; 0 when not readable. */
double vc_fit_interrupts(void);

#endif
