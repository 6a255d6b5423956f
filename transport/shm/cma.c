/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/base.h"
#include "transport/shm/single.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

/* One call may copy less than asked: the kernel copies at most 2 GiB, and stops at a page that it cannot
 * reach. */

static int cma_fail(const char *what, pid_t pid, size_t len)
{
    int e = errno;
    return vc_fail(VC_ERR_SYS, "%s of %zu bytes with process %ld failed: %s%s", what, len, (long)pid,
                   strerror(e),
                   e == ESRCH                  ? " (the process has ended)"
                   : e == EPERM || e == EFAULT ? " (VCOLL_CMA=0 copies through shared memory instead)"
                                               : "");
}

int vc_cma_read(pid_t pid, void *local, uint64_t remote, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct iovec l = {(char *)local + at, len - at}, r = {(void *)(uintptr_t)(remote + at), len - at};
        ssize_t n = process_vm_readv(pid, &l, 1, &r, 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EFAULT;
        if (n <= 0)
            return cma_fail("process_vm_readv", pid, len);
        at += (size_t)n;
    }
    return VC_OK;
}

int vc_cma_write(pid_t pid, const void *local, uint64_t remote, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct iovec l = {(char *)(uintptr_t)local + at, len - at};
        struct iovec r = {(void *)(uintptr_t)(remote + at), len - at};
        ssize_t n = process_vm_writev(pid, &l, 1, &r, 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EFAULT;
        if (n <= 0)
            return cma_fail("process_vm_writev", pid, len);
        at += (size_t)n;
    }
    return VC_OK;
}

int vc_single_read(pid_t pid, struct vc_map_peer *map, void *local, uint64_t remote, size_t len,
                   enum vc_copy_role role)
{
    struct vc_map_hold h = vc_map_range(map, remote, len);
    if (!h.at)
        return vc_cma_read(pid, local, remote, len);
    vc_copy(local, h.at, len, role);
    vc_map_drop(&h);
    return VC_OK;
}

int vc_single_write(pid_t pid, struct vc_map_peer *map, const void *local, uint64_t remote, size_t len)
{
    struct vc_map_hold h = vc_map_range(map, remote, len);
    if (!h.at)
        return vc_cma_write(pid, local, remote, len);
    vc_copy(h.at, local, len, VC_COPY_GIVE);
    vc_map_drop(&h);
    return VC_OK;
}
