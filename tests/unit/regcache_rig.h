/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the registration cache share: a cache over a pipe device, memory, and checks. */
#ifndef VC_TESTS_REGCACHE_RIG_H
#define VC_TESTS_REGCACHE_RIG_H

#include "pipe_device.h"
#include "transport/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE ((size_t)4096)
#define BUF  (64 * PAGE)

/* Whether malloc is a sanitizer's, which gives nothing back; whether mremap is behind ThreadSanitizer's back.
 */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define TSAN 1
#else
#define TSAN 0
#endif
#if TSAN || defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

struct rig {
    struct pipe_device device;
    struct vc_regcache *rc;
};

static inline struct vc_regcache_cfg rig_cfg(struct rig *r)
{
    return (struct vc_regcache_cfg){.ctx = &r->device,
                                    .reg = pipe_device_reg,
                                    .dereg = pipe_device_dereg,
                                    .max_bytes = 64 << 20,
                                    .max_entries = 64,
                                    .patience = 1 << 30};
}

/* Where memory cannot be watched there is nothing to test but the refusal, which has a test of its own. */
static inline void rig_start_with(struct rig *r, struct vc_regcache_cfg cfg)
{
    int err = vc_regcache_create(&cfg, &r->rc);
    if (err == VC_ERR_UNSUPPORTED) {
        print_message("skipped: %s\n", vc_error_text());
        skip();
    }
    assert_int_equal(err, VC_OK);
}

static inline void rig_start(struct rig *r)
{
    memset(r, 0, sizeof *r);
    rig_start_with(r, rig_cfg(r));
}

static inline void rig_stop(struct rig *r)
{
    vc_regcache_destroy(r->rc);
    assert_int_equal(r->device.registered, 0);
}

static inline struct vc_regcache_stats rig_stats(struct rig *r)
{
    struct vc_regcache_stats s;
    vc_regcache_stats(r->rc, &s);
    return s;
}

static inline char *map_at(void *at, size_t len, int fixed)
{
    char *p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
    assert_true(p != MAP_FAILED);
    return p;
}

static inline char *map(size_t len)
{
    return map_at(NULL, len, 0);
}

/* On a busy machine the watcher may not run for a while; then the cache refuses, which is not meant here. */
static inline int get(struct rig *r, void *p, size_t len, struct vc_reg **reg)
{
    for (int i = 0;; i++) {
        int err = vc_regcache_get(r->rc, p, len, true, reg);
        if (err != VC_ERR_UNSUPPORTED || !strstr(vc_error_text(), "too fast") || i == 3000)
            return err;
        usleep(1000);
    }
}

/* Gets and puts; returns the number of the registration. */
static inline uint32_t use(struct rig *r, void *p, size_t len)
{
    struct vc_reg *reg;
    assert_int_equal(get(r, p, len, &reg), VC_OK);
    assert_true(reg->addr <= (uintptr_t)p && (uintptr_t)p + len <= reg->addr + reg->len);
    uint32_t id = reg->rkey;
    vc_regcache_put(r->rc, reg);
    return id;
}

/* The watcher runs when this returns, so that its thread takes no addresses later that a test has just given
 * up. */
static inline void wake_watcher(struct rig *r)
{
    char *p = map(PAGE);
    use(r, p, PAGE);
    munmap(p, PAGE);
}

/* Writes to memory with the CPU, reads it with the device. */
static inline void check_transfer(struct rig *r, void *p, size_t len, int value)
{
    struct vc_reg *reg;
    char *seen = calloc(1, len);
    memset(p, value, len);
    assert_int_equal(get(r, p, len, &reg), VC_OK);
    pipe_device_read(reg, p, seen, len);
    vc_regcache_put(r->rc, reg);
    assert_memory_equal(p, seen, len);
    free(seen);
}

/* The thread that unmaps may come back a moment before its change is in the log, which gets wait for and reap
 * not. */
static inline void reaps_down_to(struct rig *r, int n)
{
    for (int i = 0; i < 10000 && r->device.registered != n; i++) {
        vc_regcache_reap(r->rc);
        usleep(i ? 100 : 0);
    }
    assert_int_equal(r->device.registered, n);
}

static inline void refuses(struct rig *r, void *p, size_t len)
{
    struct vc_reg *reg;
    assert_int_equal(get(r, p, len, &reg), VC_ERR_UNSUPPORTED);
}

#endif
