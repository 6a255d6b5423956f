/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registration cache: which buffers of the application are registered with a device, so that a buffer
 * that is used again need not be registered again. Registering is done by callbacks; nothing here knows
 * verbs.
 *
 * An entry is dropped as soon as the memory under it is unmapped, moved or given back to the system, whoever
 * does it and however (regcache_watch.h tells how this is noticed, and why nothing is missed): a get that
 * comes after the change never returns the old registration. Changing a buffer while an operation uses it is
 * an error of the application; even then its registration lives until the last put.
 *
 * Only private anonymous memory is cached: heap, stacks, anonymous mappings. What has a file behind it
 * (shared memory, mapped files, initialized data of a program) is refused, because others can take its pages
 * away.
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
     * Registers [addr, addr + len), whole pages, for what `out->remote` says, and fills in mr, lkey and rkey;
     * otherwise an error, by vc_fail(). VC_ERR_NOMEM when locked memory ran out: then unused registrations
     * are given up, the oldest first, and it is called again after each of them. Both callbacks run
     * with the cache locked, on threads that call the cache: they may allocate, free and unmap as they like,
     * but must not call the cache, nor wait for somebody who does.
     */
    int (*reg)(void *ctx, void *addr, size_t len, struct vc_reg *out);
    void (*dereg)(void *ctx, struct vc_reg *reg);
    size_t max_bytes; /**< registered at a time, pages counted as often as they are registered */
    int max_entries;
    /**
     * A cache that costs more than it saves switches itself off: whenever watched memory has changed this
     * many times and there were fewer hits than that meanwhile. 0: 1000.
     */
    int patience;
};

struct vc_regcache_stats {
    uint64_t hits, misses; /**< misses: had to be registered */
    uint64_t refused;      /**< gets that returned an error */
    uint64_t evictions;    /**< dropped to make room */
    uint64_t invalidated;  /**< dropped because their memory changed */
    uint64_t changes;      /**< of watched memory; each made a thread of the application wait for a moment */
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
 * A registration that covers [addr, addr + len), held until vc_regcache_put(). VC_ERR_UNSUPPORTED when there
 * is none to be had: not private anonymous memory, not readable and writable, registration failed, limits
 * reached by what is held, memory changing all the time, a forked child, or the cache is off. The caller then
 * copies through memory of its own. A refusal for good is remembered and costs little the next times; after
 * 1000 times it is tried again, after 16 when it was for want of memory. `remote`: the peer will write into
 * it; without, the device only reads for sends. A hit costs some 0.2 us, a miss the registration and some 0.1
 * ms.
 */
int vc_regcache_get(struct vc_regcache *rc, void *addr, size_t len, bool remote, struct vc_reg **out);

/** Gives up everything that nobody holds. False: there was nothing. */
bool vc_regcache_shrink(struct vc_regcache *rc);

/** Lets go of what get returned; the device must be done with it. */
void vc_regcache_put(struct vc_regcache *rc, struct vc_reg *reg);

/**
 * The same where the device may not be done: the registration ends at once (or with the last put of others
 * that hold it), so that nobody writes through it any more.
 */
void vc_regcache_drop(struct vc_regcache *rc, struct vc_reg *reg);

/**
 * Deregisters what has become invalid since the last get, so that memory that was freed really goes back to
 * the system. Two loads when there is nothing; meant for the progress loop.
 */
void vc_regcache_reap(struct vc_regcache *rc);

void vc_regcache_stats(struct vc_regcache *rc, struct vc_regcache_stats *out);

/**
 * Deregisters everything and stops watching. All registrations must have been put. In a forked child it only
 * frees memory: registrations and the watch are the parent's.
 */
void vc_regcache_destroy(struct vc_regcache *rc);

#endif
