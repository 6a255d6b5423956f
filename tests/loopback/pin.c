/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pin=1: finds regions whose memory has been replaced since they were registered; hardware would go on using
 * the old pages. A pipe holds the first and the last page of a region, so that the kernel neither moves nor
 * reuses them. While the region's addresses lead to these pages, its memory is the same.
 */
#include "tests/loopback/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PRESENT   ((uint64_t)1 << 63)
#define PFN_MASK  (((uint64_t)1 << 55) - 1)
#define PAGE_SIZE 4096u

/* The frames of the two pages; false when they are not mapped, or without CAP_SYS_ADMIN. */
static bool frames(int pid, const uint64_t page[2], uint64_t pfn[2])
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0;
    for (int i = 0; ok && i < 2; i++) {
        uint64_t e = 0;
        ok = pread(fd, &e, sizeof(e), (off_t)(page[i] / PAGE_SIZE * sizeof(e))) == sizeof(e) && (e & PRESENT);
        pfn[i] = e & PFN_MASK;
        ok = ok && pfn[i];
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

static void pages_of(const struct lb_shm_mr *m, uint64_t page[2])
{
    page[0] = m->addr & ~(uint64_t)(PAGE_SIZE - 1);
    page[1] = (m->addr + m->len - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

int lb_pin(struct lb_shm_mr *m)
{
    uint64_t page[2];
    int p[2];
    m->pinned = 0;
    if (!lb_lim.pin || !m->len || pipe2(p, O_CLOEXEC) != 0)
        return -1;
    pages_of(m, page);
    struct iovec v[2] = {{(void *)(uintptr_t)page[0], PAGE_SIZE}, {(void *)(uintptr_t)page[1], PAGE_SIZE}};
    ssize_t n = vmsplice(p[1], v, page[0] == page[1] ? 1 : 2, 0);
    m->pinned = n > 0 && frames(lb->seg->pid, page, m->pfn);
    close(p[1]);
    static bool told;
    if (!m->pinned && !told) {
        told = true;
        fprintf(stderr, "loopback verbs device: pin=1 has no effect: page frames are not told here\n");
    }
    return p[0];
}

bool lb_pin_stale(struct lb_seg *seg, const struct lb_shm_mr *m)
{
    uint64_t page[2], pfn[2];
    pages_of(m, page);
    bool stale = !frames(seg->pid, page, pfn) || pfn[0] != m->pfn[0] || pfn[1] != m->pfn[1];
    if (stale)
        LB_COUNT(stale, 1);
    return stale;
}
