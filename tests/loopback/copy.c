/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving bytes: within this process by memcpy; to and from another process by the kernel, without its help.
 */
#include "tests/loopback/internal.h"

#include <stdio.h>

static void copy_here(const struct iovec *to, const struct iovec *from, uint64_t bytes)
{
    size_t at_to = 0, at_from = 0;
    while (bytes) {
        size_t n = to->iov_len - at_to, m = from->iov_len - at_from;
        n = n < m ? n : m;
        n = n < bytes ? n : bytes;
        memmove((char *)to->iov_base + at_to, (const char *)from->iov_base + at_from, n);
        bytes -= n;
        if ((at_to += n) == to->iov_len) {
            to++;
            at_to = 0;
        }
        if ((at_from += n) == from->iov_len) {
            from++;
            at_from = 0;
        }
    }
}

/* Drops the first n bytes of a list. */
static void advance(struct iovec *v, int *count, size_t n)
{
    int i = 0;
    while (i < *count && n >= v[i].iov_len)
        n -= v[i++].iov_len;
    memmove(v, v + i, (size_t)(*count - i) * sizeof(*v));
    *count -= i;
    if (*count) {
        v[0].iov_base = (char *)v[0].iov_base + n;
        v[0].iov_len -= n;
    }
}

int lb_copy(int pid, const struct iovec *local, int n_local, const struct iovec *remote, int n_remote,
            uint64_t bytes, bool to_remote)
{
    if (pid == lb->seg->pid) {
        copy_here(to_remote ? remote : local, to_remote ? local : remote, bytes);
        return 0;
    }
    ssize_t n =
        to_remote ? process_vm_writev(pid, local, (unsigned long)n_local, remote, (unsigned long)n_remote, 0)
                  : process_vm_readv(pid, local, (unsigned long)n_local, remote, (unsigned long)n_remote, 0);
    if (n == (ssize_t)bytes)
        return 0;
    /* The kernel moves at most 2 GiB at once, and stops at the first page that is not mapped. */
    struct iovec l[LB_SGES], r[LB_SGES];
    memcpy(l, local, (size_t)n_local * sizeof(*l));
    memcpy(r, remote, (size_t)n_remote * sizeof(*r));
    while (n > 0 && bytes > (uint64_t)n) {
        bytes -= (uint64_t)n;
        advance(l, &n_local, (size_t)n);
        advance(r, &n_remote, (size_t)n);
        n = to_remote ? process_vm_writev(pid, l, (unsigned long)n_local, r, (unsigned long)n_remote, 0)
                      : process_vm_readv(pid, l, (unsigned long)n_local, r, (unsigned long)n_remote, 0);
    }
    if (n == (ssize_t)bytes)
        return 0;
    int err = n < 0 ? errno : EFAULT;
    static bool told;
    if (err == EPERM && !told) {
        told = true;
        fprintf(stderr, "loopback verbs device: process_vm_writev is not permitted here\n");
    }
    return err;
}
