/* SPDX-License-Identifier: BSD-3-Clause */
/* Measuring the parameters of the cost model: what fit.c (which communicators, and what becomes of the
 * figures) takes from fit_probe.c (one thing on one communicator). */
#ifndef VC_TUNE_SEARCH_FIT_H
#define VC_TUNE_SEARCH_FIT_H

#include "tune/search/internal.h"

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
/** Seconds of a bcast back and forth between sleeping ranks, halved; NAN: not known. */
double vc_fit_asleep(struct vc_search_comm *g, double seconds);

/** What takes the CPU away from a rank that would like to run, watched for a part of `seconds`. */
void vc_fit_noise(struct vc_measure_world *w, double seconds, struct vc_model_noise *noise);

#endif
