/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node of forked ranks that run a long random sequence of phases: all kinds, lengths and roots, in place
 * and not, blocking or by progress calls, with ranks that dawdle; each result is checked byte by byte.
 */
#ifndef VC_TEST_NODE_RIG_H
#define VC_TEST_NODE_RIG_H

#include "coll/node/node.h"

struct job {
    int n, rounds;
    size_t bulk, max_len;
    bool cma, dawdle;
    enum vc_wait_mode mode;
    bool crowded;
    bool own_cpus;                  /**< what the node is told; the opposite of crowded unless set */
    const struct vc_levels *levels; /**< NULL: flat */
    bool reproducible;
    unsigned seed;
    int kind;     /**< 0: all kinds of phases, otherwise 1 + the only one */
    bool lazy;    /**< bulk slots get their memory when they are first needed */
    int refusers; /**< so many ranks, from the last one down, then have none */
};

unsigned next_random(unsigned *s);

int no_progress(void);

/** Memory of n ranks. They lie in an order of their own, since no rank may reckon with another's place. */
size_t node_bytes(int n, size_t bulk, const struct vc_levels *levels);
void place_ranks(char *base, int n, size_t bulk, const struct vc_levels *levels, char *mem[]);

/** Runs the ranks. True: all went well. */
bool run_ranks(const struct job *job);
/** The same with ranks as threads of this process, where a thread sanitizer sees all accesses. A rank that
 * fails leaves the others waiting. */
bool run_ranks_as_threads(const struct job *job);

#endif
