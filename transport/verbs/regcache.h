/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registration cache: which buffers of the application are registered with a device, so that a buffer
 * that is used again need not be registered again. Registering is done by callbacks; nothing here knows
 * verbs.
 *
 * When memory is unmapped, moved or given back to the system, its entries are dropped, whatever call did it:
 * a get after the change never returns the old registration. regcache_watch.h says how changes are noticed
 * and why none is missed. An application that changes a buffer while an operation uses it makes an error;
 * even then the registration lives until the last put.
 *
 * Only private anonymous memory is cached: heap, stacks, anonymous mappings. Mappings of files (shared
 * memory, mapped files, initialized data of a program) are refused, because other processes can take their
 * pages away.
 *
 * All functions may be called by several threads at once, apart from create and destroy. Not from signal
 * handlers.
 */
#ifndef VC_TRANSPORT_VERBS_REGCACHE_H
#define VC_TRANSPORT_VERBS_REGCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A registration. Owned by the cache; read-only for users. */
struct vc_reg {
    void *mr;            /**< whatever the callbacks want to keep */
    uint32_t lkey, rkey; /**< of the whole range */
    uintptr_t addr;      /**< what is registered: whole pages that cover what was asked for */
    size_t len;
    bool remote; /**< the peer may write into it; set before `reg` is called */
};

struct vc_regcache_cfg {
    void *ctx; /**< handed to the callbacks */
    /**
     * Registers [addr, addr + len), whole pages, and fills in mr, lkey and rkey; `out->remote` says whether
     * the peer may write. VC_OK, or an error by vc_fail(). After VC_ERR_NOMEM (locked memory ran out) the
     * oldest unused registration is dropped and `reg` is called again, until it succeeds or none is left.
     * Both callbacks run on threads that call the cache, with the cache locked: they may allocate, free and
     * unmap, but must neither call the cache nor wait for a thread that does.
     */
    int (*reg)(void *ctx, void *addr, size_t len, struct vc_reg *out);
    void (*dereg)(void *ctx, struct vc_reg *reg);
    size_t max_bytes; /**< registered at a time, pages counted as often as they are registered */
    int max_entries;
    /**
     * After so many changes of watched memory, with fewer hits than that in the same time, the cache costs
     * more than it saves and switches itself off. 0: 1000.
     */
    int patience;
};

struct vc_regcache_stats {
    uint64_t hits, misses; /**< misses: had to be registered */
    uint64_t refused;      /**< gets that returned an error */
    uint64_t evictions;    /**< dropped to make room */
    uint64_t invalidated;  /**< dropped because their memory changed */
    uint64_t changes;      /**< of watched memory; each makes a thread of the application wait for a moment */
    size_t bytes;          /**< registered now */
    int entries;           /**< registered now */
    bool off;              /**< switched itself off, see patience */
};

struct vc_regcache;

/**
 * VC_ERR_UNSUPPORTED, with a text that says why, when this system cannot watch memory: then there can be no
 * safe cache. VC_ERR_INVAL when a limit is not positive. `cfg` is copied.
 */
int vc_regcache_create(const struct vc_regcache_cfg *cfg, struct vc_regcache **out);

/**
 * A registration that covers [addr, addr + len), held until vc_regcache_put(). VC_ERR_UNSUPPORTED: there can
 * be none, because this is not private anonymous memory, or not readable and writable, or registering failed,
 * or registrations in use have reached a limit, or memory changes all the time, or this is a forked child, or
 * the cache is off. The caller then copies through memory of its own. A refused range is remembered, so that
 * the next gets cost little: it is tried again after 1000 of them, or after 16 where memory was missing.
 * `remote`: the peer will write into it; otherwise the device only reads. A hit costs some 0.2 us, a miss the
 * registration and some 0.1 ms.
 */
int vc_regcache_get(struct vc_regcache *rc, void *addr, size_t len, bool remote, struct vc_reg **out);

/** Drops all registrations that are not held. False: there were none. */
bool vc_regcache_shrink(struct vc_regcache *rc);

/** Ends a get. The device must have done with the memory. */
void vc_regcache_put(struct vc_regcache *rc, struct vc_reg *reg);

/**
 * The same where the device may not have done: the registration ends at once, or with the last put of others
 * that hold it. After that no peer can write through it.
 */
void vc_regcache_drop(struct vc_regcache *rc, struct vc_reg *reg);

/**
 * The device is gone or is going to be closed: deregisters everything, what is held too. Holders still call
 * put or drop. Later gets register anew.
 */
void vc_regcache_abandon(struct vc_regcache *rc);

/**
 * Deregisters what has become invalid since the last get; until then freed memory does not go back to the
 * system. Costs two loads when there is nothing to do.
 */
void vc_regcache_reap(struct vc_regcache *rc);

void vc_regcache_stats(struct vc_regcache *rc, struct vc_regcache_stats *out);

/**
 * Deregisters everything and stops watching. All registrations must have been put. In a forked child it only
 * frees memory: registrations and the watch are the parent's.
 */
void vc_regcache_destroy(struct vc_regcache *rc);

#endif
