/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine runs plans as a nonblocking state machine over a channel and a node. */
#ifndef VC_COLL_ENGINE_H
#define VC_COLL_ENGINE_H

#include "coll/node/node.h"
#include "coll/plan.h"
#include "coll/registry.h"
#include "transport/channel.h"

/** State of one plan on one rank: everything is allocated by vc_exec_create(), so that running allocates
 * nothing, but for plans that are made part by part. */
struct vc_exec;

struct vc_exec_env {
    struct vc_chan *chan; /**< NULL is legal for plans without messages */
    struct vc_node
        *node; /**< NULL is legal when the rank is alone on its node: NODE steps are then local copies */
    int local, nlocal; /**< index and number of ranks of the node */
    /** Ways that messages of the plan take, for waiting on the right ones: shared memory, a device whose
     * channel has a wake source. Both false: unknown, so both may be. */
    bool by_shm, by_device;
    /** [size of the communicator] ranks whose messages come through memory of the host, which wakes nobody;
     * NULL: none. Stays as long as the plan. */
    const bool *by_host;
};

/**
 * Takes over the (finished) plan: on success *plan is left empty. VC_OK, VC_ERR_NOMEM, or VC_ERR_UNSUPPORTED
 * when the plan has messages and there is no channel, or node phases of several ranks and there is no node.
 */
int vc_exec_create(struct vc_plan *plan, const struct vc_exec_env *env, struct vc_exec **out);
/** Makes the plan, of an algorithm that `scales`, one for all sizes; it was built for blocks of `bytes`:
 * whole elements, and a multiple of VC_SCALE_UNIT, so that scratch has no gaps. */
void vc_exec_scales(struct vc_exec *x, size_t bytes);
#define VC_SCALE_UNIT VC_CACHELINE
/** Such a plan, not running, is for blocks of `bytes`, not 0, from now on. Nothing for others. VC_OK or
 * VC_ERR_NOMEM. */
int vc_exec_scale(struct vc_exec *x, size_t bytes);
/**
 * A plan that is made part by part as it runs: of a rank, for all shapes of a communicator of `size` ranks,
 * in memory that does not grow with the steps. As vc_exec_create().
 */
int vc_exec_create_parts(const struct vc_alg *alg, int rank, int size, const struct vc_exec_env *env,
                         struct vc_exec **out);
/** What the next run of such a plan is for. What the shape points to stays until the run is over. */
void vc_exec_shape(struct vc_exec *x, const struct vc_shape *shape);
/** The memory that it has. */
size_t vc_exec_bytes(const struct vc_exec *x);
/**
 * Does not touch the channel or the node, so they may be gone. After a run that failed or was left
 * unfinished, memory that a late message may still reach is kept until the process ends.
 */
void vc_exec_destroy(struct vc_exec *x);

/** The blocks of the next run of a plan of collectives in which only pairs know their sizes. They stay until
 * the run is over. */
void vc_exec_pairs(struct vc_exec *x, const struct vc_pairs *pairs);

/** The view of the next runs, of a plan that reduces nothing, until another one is given; NULL: none, as at
 * first. It stays until the last of these runs is over. */
void vc_exec_view(struct vc_exec *x, const struct vc_view *view);

/** Begins a run with these buffers (NULL where the plan uses none). op: reductions only. One run at a time.
 */
int vc_exec_start(struct vc_exec *x, const void *send, void *recv, const struct vc_redop *op);
/** 1: done. 0: pending. Negative: failed (first error). Never blocks. */
int vc_exec_progress(struct vc_exec *x);
/** Whether the last vc_exec_progress() call achieved anything, so that the caller knows whether to idle. */
bool vc_exec_advanced(const struct vc_exec *x);
/** Begins a wait for the next event of a run that has begun: on what can bring it, and on nothing more. */
void vc_exec_wait_begin(struct vc_exec *x, struct vc_waiter *w, const struct vc_wait_cfg *wait,
                        struct vc_parking *parking);
/** The device whose events bring all that a run waits for; NULL: something else may bring it, too. */
struct vc_wake_src *vc_exec_source(const struct vc_exec *x);
/** For vc_wait_idle(): whom the run waits for. */
int vc_exec_whom(const struct vc_exec *x);
/** What tells of a device that was lost while the run waits; NULL: it uses none. */
struct vc_wake_src *vc_exec_watch(const struct vc_exec *x);
/** Drives a started run to its end with the wait policy. */
int vc_exec_wait(struct vc_exec *x, const struct vc_wait_cfg *wait, struct vc_parking *parking);

#endif
