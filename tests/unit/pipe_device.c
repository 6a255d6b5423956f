/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipe_device.h"
#include "transport/base.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct pages {
    pthread_mutex_t reading;
    int held[2], copy[2]; /* pipes: the pages; where they are read from */
};

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "pipe device: %s: %s\n", what, strerror(errno));
    abort();
}

int pipe_device_reg(void *ctx, void *addr, size_t len, struct vc_reg *out)
{
    struct pipe_device *d = ctx;
    if (d->meddle)
        d->meddle();
    if (d->fail_next) {
        int err = d->fail_next;
        d->fail_next = 0;
        return vc_fail(err, "told to fail");
    }
    if (d->room && d->registered >= d->room)
        return vc_fail(VC_ERR_NOMEM, "no more than %d", d->room);
    if (madvise(addr, len, MADV_POPULATE_WRITE)) /* pages of its own, as pinning for writing gives */
        return vc_fail(VC_ERR_SYS, "not writable: %s", strerror(errno));
    struct pages *p = malloc(sizeof *p);
    check(p && !pipe2(p->held, O_CLOEXEC) && !pipe2(p->copy, O_CLOEXEC), "pipe");
    pthread_mutex_init(&p->reading, NULL);
    check(fcntl(p->held[1], F_SETPIPE_SZ, (int)len) >= 0 && fcntl(p->copy[1], F_SETPIPE_SZ, (int)len) >= 0,
          "size");
    struct iovec v = {addr, len};
    while (v.iov_len) {
        ssize_t n = vmsplice(p->held[1], &v, 1, SPLICE_F_NONBLOCK);
        check(n > 0, "vmsplice");
        v.iov_base = (char *)v.iov_base + n;
        v.iov_len -= (size_t)n;
    }
    out->mr = p;
    out->rkey = out->lkey = (uint32_t)atomic_fetch_add(&d->regs, 1) + 1;
    atomic_fetch_add(&d->registered, 1);
    return VC_OK;
}

void pipe_device_dereg(void *ctx, struct vc_reg *reg)
{
    struct pipe_device *d = ctx;
    struct pages *p = reg->mr;
    for (int i = 0; i < 2; i++) {
        close(p->held[i]);
        close(p->copy[i]);
    }
    pthread_mutex_destroy(&p->reading);
    free(p);
    atomic_fetch_sub(&d->registered, 1);
    if (d->meddle)
        d->meddle();
}

void pipe_device_read(const struct vc_reg *reg, const void *addr, void *to, size_t len)
{
    struct pages *p = reg->mr;
    size_t before = (uintptr_t)addr - reg->addr;
    check((uintptr_t)addr >= reg->addr && before + len <= reg->len, "read outside of the registration");
    pthread_mutex_lock(&p->reading);
    check(tee(p->held[0], p->copy[1], reg->len, SPLICE_F_NONBLOCK) == (ssize_t)reg->len, "tee");
    char skipped[4096] = {0};
    for (size_t at = 0; at < reg->len;) {
        size_t want = at < before         ? vc_min_size(before - at, sizeof skipped)
                      : at < before + len ? before + len - at
                                          : vc_min_size(reg->len - at, sizeof skipped);
        int wanted = at >= before && at < before + len;
        ssize_t n = read(p->copy[0], wanted ? (char *)to + (at - before) : skipped, want);
        check(n > 0, "read");
        at += (size_t)n;
    }
    pthread_mutex_unlock(&p->reading);
}
