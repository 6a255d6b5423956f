/* SPDX-License-Identifier: BSD-3-Clause */
/* Protection domains and memory regions. */
#include "tests/loopback/internal.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
    int err = lb_fault_in(LB_FN_alloc_pd, context);
    struct lb_pd *pd = err ? NULL : calloc(1, sizeof(*pd));
    if (!pd) {
        errno = err ? err : ENOMEM;
        return NULL;
    }
    pd->ib.context = context;
    pthread_mutex_lock(&lb->lock);
    pd->ib.handle = ++lb->next_pd;
    lb->n_pds++;
    pthread_mutex_unlock(&lb->lock);
    return &pd->ib;
}

int ibv_dealloc_pd(struct ibv_pd *ibpd)
{
    struct lb_pd *pd = (struct lb_pd *)ibpd;
    int err = lb_fault_in(LB_FN_dealloc_pd, ibpd->context);
    if (err)
        return err;
    pthread_mutex_lock(&lb->lock);
    bool busy = pd->refs != 0;
    lb->n_pds -= !busy;
    pthread_mutex_unlock(&lb->lock);
    if (busy)
        return EBUSY;
    free(pd);
    return 0;
}

/* Does what pinning does: faults the pages in, and fails where nothing is mapped, or nothing writable. */
static int populate(void *addr, size_t length, bool writable)
{
    uintptr_t from = (uintptr_t)addr & ~(uintptr_t)4095,
              to = ((uintptr_t)addr + length + 4095) & ~(uintptr_t)4095;
    if (length == 0)
        return 0;
    if (to < from)
        return EINVAL;
    /* Pinning gives private memory its own pages, even where it is only to be read. */
    if (!writable && lb_lim.pin && madvise((void *)from, to - from, MADV_POPULATE_WRITE) == 0)
        return 0;
    if (madvise((void *)from, to - from, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0)
        return 0;
    /* Kernels older than 5.14 do not have this advice. Newer ones return EINVAL for missing permissions. */
    static char known[1];
    return madvise((void *)((uintptr_t)known & ~(uintptr_t)4095), 4096, MADV_POPULATE_READ) == 0 ? EFAULT : 0;
}

static struct ibv_mr *reg(struct ibv_pd *ibpd, void *addr, size_t length, uint64_t iova, unsigned access)
{
    struct lb_pd *pd = (struct lb_pd *)ibpd;
    int err = lb_fault_in(LB_FN_reg_mr, ibpd->context);
    if (!err && (access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)) &&
        !(access & IBV_ACCESS_LOCAL_WRITE))
        err = EINVAL;
    if (!err && (access & (IBV_ACCESS_ON_DEMAND | IBV_ACCESS_MW_BIND)))
        err = EOPNOTSUPP;
    if (!err)
        err = populate(addr, length, (access & IBV_ACCESS_LOCAL_WRITE) != 0);
    struct lb_mr *mr = err ? NULL : calloc(1, sizeof(*mr));
    if (!mr) {
        errno = err ? err : ENOMEM;
        return NULL;
    }
    uint64_t pages = ((((uintptr_t)addr & 4095) + length + 4095) & ~(uint64_t)4095);
    pthread_mutex_lock(&lb->lock);
    uint32_t i, n = lb_lim.max_mr;
    for (i = 0; i < n && lb->mr[(lb->next_mr + i) % n]; i++)
        ;
    if (i == n || lb_memlock_exceeded(lb->mr_bytes + pages)) {
        pthread_mutex_unlock(&lb->lock);
        free(mr);
        errno = ENOMEM;
        return NULL;
    }
    mr->idx = (lb->next_mr + i) % n;
    lb->next_mr = mr->idx + 1; /* keys come back as late as possible */
    lb->mr[mr->idx] = mr;
    lb->mr_bytes += pages;
    pd->refs++;
    struct lb_shm_mr *s = &lb->seg->mr[mr->idx];
    uint32_t gen = (lb_new_gen() & 0x7f) << 1;
    s->pd = ibpd->handle;
    s->access = access;
    s->iova = iova;
    s->len = length;
    s->addr = (uintptr_t)addr;
    mr->pin_fd = lb_pin(s);
    mr->ib.context = ibpd->context;
    mr->ib.pd = ibpd;
    mr->ib.addr = addr;
    mr->ib.length = length;
    mr->ib.handle = mr->idx;
    mr->ib.lkey = (mr->idx + 1) << 8 | gen;
    mr->ib.rkey = mr->ib.lkey | 1;
    /* Pairs with lb_mr_check: after the key, the rest is there. */
    __atomic_store_n(&s->key, mr->ib.lkey, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lb->lock);
    return &mr->ib;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
    return reg(pd, addr, length, (uintptr_t)addr, (unsigned)access);
}

struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova, int access)
{
    return reg(pd, addr, length, iova, (unsigned)access);
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
                                unsigned int access)
{
    return reg(pd, addr, length, iova, access & ~(unsigned)IBV_ACCESS_OPTIONAL_RANGE);
}

int ibv_dereg_mr(struct ibv_mr *ibmr)
{
    struct lb_mr *mr = (struct lb_mr *)ibmr;
    int err = lb_fault_in(LB_FN_dereg_mr, ibmr->context);
    if (err)
        return err;
    struct lb_shm_mr *s = &lb->seg->mr[mr->idx];
    __atomic_store_n(&s->key, 0, __ATOMIC_SEQ_CST);
    /* After this wait no transfer uses the memory. A peer that died in one does not use it either, but never
     * lowers `users`. */
    uint64_t start = 0;
    while (__atomic_load_n(&s->users, __ATOMIC_SEQ_CST)) {
        uint64_t now = lb_now();
        start = start ? start : now;
        if (now - start > 20000000 && lb_any_dead())
            break;
        sched_yield();
    }
    if (mr->pin_fd >= 0)
        close(mr->pin_fd);
    pthread_mutex_lock(&lb->lock);
    __atomic_store_n(&s->users, 0, __ATOMIC_SEQ_CST);
    lb->mr[mr->idx] = NULL;
    lb->mr_bytes -= ((((uintptr_t)ibmr->addr & 4095) + ibmr->length + 4095) & ~(uint64_t)4095);
    ((struct lb_pd *)ibmr->pd)->refs--;
    pthread_mutex_unlock(&lb->lock);
    free(mr);
    return 0;
}

static struct lb_shm_mr *by_key(struct lb_seg *seg, uint32_t key)
{
    uint32_t i = (key >> 8) - 1;
    return i < LB_MRS ? &seg->mr[i] : NULL;
}

/* The region behind `key` (an lkey, or an rkey without its lowest bit) when the access is allowed. */
const struct lb_shm_mr *lb_mr_check(struct lb_seg *seg, uint32_t key, uint64_t addr, uint64_t len,
                                    uint32_t pd, uint32_t need, uint64_t *va)
{
    const struct lb_shm_mr *m = by_key(seg, key);
    if (!m || !key || __atomic_load_n(&m->key, __ATOMIC_SEQ_CST) != key || m->pd != pd ||
        (m->access & need) != need)
        return NULL;
    if (addr < m->iova || len > m->len || addr - m->iova > m->len - len)
        return NULL;
    if (__builtin_expect(m->pinned, 0) && lb_pin_stale(seg, m))
        return NULL;
    *va = m->addr + (addr - m->iova);
    return m;
}

bool lb_mr_enter(struct lb_seg *seg, uint32_t rkey)
{
    struct lb_shm_mr *m = by_key(seg, rkey);
    if (!m || !(rkey & 1))
        return false;
    __atomic_fetch_add(&m->users, 1, __ATOMIC_SEQ_CST);
    return true;
}

void lb_mr_exit(struct lb_seg *seg, uint32_t rkey)
{
    __atomic_fetch_sub(&by_key(seg, rkey)->users, 1, __ATOMIC_SEQ_CST);
}
