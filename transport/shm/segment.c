/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEG_MAGIC 0x6c6c6f63762d6d73ull
/** Bytes of one fallocate call. A signal undoes one call, so with larger ones a profiling timer could keep a
 * large segment from ever being made. */
#define FALLOC_CHUNK ((size_t)8 << 20)

/** First page of every segment, before the caller's memory. */
struct seg_header {
    uint64_t magic, nonce, len;
};

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/** Bytes of the object: a page for the header, then the caller's. 0 when that overflows. */
static size_t object_bytes(uint64_t len)
{
    size_t page = page_size();
    if (len == 0 || len > (uint64_t)(SSIZE_MAX / 2))
        return 0;
    return page + vc_round_up((size_t)len, page);
}

/** Never 0. Tells one segment from another, and need not be secret. */
static uint64_t make_nonce(void)
{
    uint64_t v = 0;
    if (getrandom(&v, sizeof v, GRND_NONBLOCK) != (ssize_t)sizeof v)
        v = vc_now_ns() * 0x9e3779b97f4a7c15ull ^ ((uint64_t)getpid() << 32);
    return v ? v : 1;
}

static int sys_fail(const char *what, size_t bytes)
{
    int e = errno;
    return vc_fail(e == ENOMEM || e == ENOSPC ? VC_ERR_NOMEM : VC_ERR_SYS,
                   "%s failed for a shared memory segment of %zu KiB: %s", what, bytes >> 10, strerror(e));
}

/** Whether the object may be so large: the kernel would also send SIGXFSZ, which kills. */
static bool allowed_size(size_t bytes)
{
    struct rlimit lim;
    return getrlimit(RLIMIT_FSIZE, &lim) != 0 || lim.rlim_cur == RLIM_INFINITY || bytes <= lim.rlim_cur;
}

/** Commits memory of the object. Running out is an error code here, and would be a SIGBUS later. 0, or an
 * errno value. */
static int reserve(int fd, size_t at, size_t bytes)
{
    for (size_t end = at + bytes; at < end;) {
        size_t n = vc_min_size(FALLOC_CHUNK, end - at);
        int e = posix_fallocate(fd, (off_t)at, (off_t)n);
        if (e == EINTR)
            continue;
        if (e != 0)
            return e;
        at += n;
    }
    return 0;
}

static int reserve_fail(int e, size_t bytes, enum vc_seg_backing backing)
{
    if (e == EFBIG)
        return vc_fail(VC_ERR_NOMEM,
                       "a shared memory segment of %zu KiB is more than the file size limit allows: "
                       "raise it (ulimit -f unlimited)",
                       bytes >> 10);
    if (e != ENOSPC && e != ENOMEM) {
        errno = e;
        return sys_fail("posix_fallocate", bytes);
    }
    if (backing == VC_SEG_MEMFD)
        return vc_fail(
            VC_ERR_NOMEM,
            "no memory for a shared memory segment of %zu KiB (%s): raise the memory limit of this "
            "container or job, or lower VCOLL_SHM_BULK",
            bytes >> 10, strerror(e));
    struct statvfs fs;
    unsigned long long total = 0, avail = 0;
    if (statvfs("/dev/shm", &fs) == 0) {
        total = (unsigned long long)fs.f_blocks * fs.f_frsize >> 10;
        avail = (unsigned long long)fs.f_bavail * fs.f_frsize >> 10;
    }
    return vc_fail(
        VC_ERR_NOMEM,
        "a shared memory segment of %zu KiB does not fit into /dev/shm (%llu KiB, %llu KiB free): enlarge "
        "/dev/shm (docker: --shm-size), or set VCOLL_SHM_BACKING=memfd",
        bytes >> 10, total, avail);
}

static int open_memfd(size_t bytes)
{
    /* Linux 6.3 and newer warn when nothing is said about execution. Older kernels refuse the flag. */
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("vcoll", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("vcoll", flags);
    return fd >= 0 ? fd : sys_fail("memfd_create", bytes);
}

static int open_object(size_t bytes, char name[48])
{
    for (int attempt = 0; attempt < 8; attempt++) {
        snprintf(name, 48, "/vcoll-%ld-%016llx", (long)getpid(), (unsigned long long)make_nonce());
        int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR); /* sets FD_CLOEXEC */
        if (fd >= 0)
            return fd;
        if (errno != EEXIST)
            break;
    }
    name[0] = '\0';
    return sys_fail("shm_open", bytes);
}

static int map_object(int fd, size_t bytes, void **map)
{
    *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *map != MAP_FAILED ? VC_OK : sys_fail("mmap", bytes);
}

static void clear_segment(struct vc_seg *seg)
{
    memset(seg, 0, sizeof *seg);
    seg->fd = -1;
}

/** Gives the object its size; commits the header's page, of an object that is not sparse all memory. 0, or an
 * errno value. */
static int size_object(int fd, size_t bytes, bool sparse)
{
    if (!allowed_size(bytes))
        return EFBIG;
    if (!sparse)
        return reserve(fd, 0, bytes);
    return ftruncate(fd, (off_t)bytes) == 0 ? reserve(fd, 0, page_size()) : errno;
}

/** Which file the descriptor of a sparse segment is. */
static bool identify(int fd, struct vc_seg *seg)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    seg->dev = (uint64_t)st.st_dev;
    seg->ino = (uint64_t)st.st_ino;
    return true;
}

static int create_as(size_t len, size_t bytes, enum vc_seg_backing backing, bool sparse, struct vc_seg *seg,
                     struct vc_seg_handle *handle)
{
    char name[sizeof seg->name] = "";
    int fd = backing == VC_SEG_MEMFD ? open_memfd(bytes) : open_object(bytes, name);
    if (fd < 0)
        return fd;
    int err, e = size_object(fd, bytes, sparse);
    void *map = NULL;
    if (e != 0)
        err = reserve_fail(e, bytes, backing);
    else
        err = map_object(fd, bytes, &map);
    if (err == VC_OK && sparse && !identify(fd, seg))
        err = sys_fail("fstat", bytes);
    if (err != VC_OK) {
        if (map && map != MAP_FAILED)
            munmap(map, bytes);
        if (name[0])
            shm_unlink(name);
        close(fd);
        return err;
    }
    /* A smaller object would make accesses to its mappings fail. Does no harm where it cannot be sealed. */
    if (backing == VC_SEG_MEMFD)
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);

    struct seg_header *h = map;
    h->magic = SEG_MAGIC;
    h->nonce = make_nonce();
    h->len = len;

    seg->base = (char *)map + page_size();
    seg->len = len;
    seg->fd = fd;
    seg->sparse = sparse;
    seg->backing = backing;
    memcpy(seg->name, name, sizeof name);
    handle->len = len;
    handle->sparse = sparse;
    handle->nonce = h->nonce;
    handle->backing = (int32_t)backing;
    handle->pid = (int32_t)getpid();
    handle->fd = fd;
    memcpy(handle->name, name, sizeof name);
    return VC_OK;
}

static int create(size_t len, enum vc_seg_backing backing, bool sparse, struct vc_seg *seg,
                  struct vc_seg_handle *handle)
{
    clear_segment(seg);
    memset(handle, 0, sizeof *handle);
    size_t bytes = object_bytes(len);
    if (bytes == 0)
        return vc_fail(VC_ERR_INVAL, "a shared memory segment of %zu bytes cannot be made", len);
    if (backing != VC_SEG_AUTO)
        return create_as(len, bytes, backing, sparse, seg, handle);
    int err = create_as(len, bytes, VC_SEG_MEMFD, sparse, seg, handle);
    /* Without memory for a memfd there is none for /dev/shm either. After other errors that is tried. */
    if (err == VC_OK || err == VC_ERR_NOMEM)
        return err;
    return create_as(len, bytes, VC_SEG_SHM, sparse, seg, handle);
}

int vc_seg_create(size_t len, enum vc_seg_backing backing, struct vc_seg *seg, struct vc_seg_handle *handle)
{
    return create(len, backing, false, seg, handle);
}

int vc_seg_create_sparse(size_t len, enum vc_seg_backing backing, struct vc_seg *seg,
                         struct vc_seg_handle *handle)
{
    return create(len, backing, true, seg, handle);
}

/**
 * Commits memory through the mapping: at once in many processes, where posix_fallocate() has them wait for
 * each other, and for this process's page table, too. 0, an errno value, or EINVAL where the kernel does not
 * know it.
 */
static int populate(char *mem, size_t bytes)
{
    /* An emulator may take any advice for a hint, and say that it has done something. */
    if (madvise(mem, bytes, -1) == 0)
        return EINVAL;
    while (madvise(mem, bytes, MADV_POPULATE_WRITE) != 0)
        if (errno != EINTR && errno != EAGAIN) {
            int e = errno;
            if (e == EINVAL)
                return e;
            (void)madvise(mem, bytes, MADV_REMOVE); /* what it got until then */
            return e == EFAULT ? ENOSPC : e;        /* an access would raise SIGBUS */
        }
    return 0;
}

/** Whether the descriptor still is the segment, and not a file of the program's. */
static bool is_own_file(const struct vc_seg *seg)
{
    struct stat st;
    return seg->fd >= 0 && fstat(seg->fd, &st) == 0 && (uint64_t)st.st_dev == seg->dev &&
           (uint64_t)st.st_ino == seg->ino;
}

int vc_seg_commit(struct vc_seg *seg, size_t at, size_t bytes)
{
    int e = populate((char *)seg->base + at, bytes);
    seg->needs_fd |= e == EINVAL;
    if (e == EINVAL && !is_own_file(seg))
        return vc_fail(VC_ERR_SYS,
                       "the program has closed a descriptor of vcoll, the one of its shared memory");
    if (e == EINVAL)
        e = reserve(seg->fd, page_size() + at, bytes);
    return e == 0 ? VC_OK : reserve_fail(e, bytes, seg->backing);
}

bool vc_seg_release(struct vc_seg *seg, size_t at, size_t bytes)
{
    return madvise((char *)seg->base + at, bytes, MADV_REMOVE) == 0;
}

int vc_seg_attach(const struct vc_seg_handle *handle, struct vc_seg *seg)
{
    clear_segment(seg);
    size_t bytes = object_bytes(handle->len);
    if (bytes == 0)
        return vc_fail(VC_ERR_INVAL, "the handle of a shared memory segment is not valid");
    int fd;
    char path[64];
    if (handle->backing == VC_SEG_MEMFD) {
        snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)handle->pid, (int)handle->fd);
        fd = open(path, O_RDWR | O_CLOEXEC);
    } else if (handle->backing == VC_SEG_SHM) {
        snprintf(path, sizeof path, "%.*s", (int)sizeof handle->name, handle->name);
        fd = shm_open(path, O_RDWR, 0);
    } else {
        return vc_fail(VC_ERR_INVAL, "the peer that should have made a shared memory segment could not");
    }
    if (fd < 0)
        return vc_fail(VC_ERR_SYS, "cannot open the shared memory of process %ld at %s: %s",
                       (long)handle->pid, path, strerror(errno));

    /* The size is checked first: if this is another, smaller object, reading its mapping would be a SIGBUS.
     */
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes) {
        close(fd);
        return vc_fail(VC_ERR_SYS, "%s is not the shared memory that process %ld made", path,
                       (long)handle->pid);
    }
    void *map;
    int err = map_object(fd, bytes, &map);
    if (err != VC_OK || !handle->sparse)
        close(fd);
    if (err != VC_OK)
        return err;
    const struct seg_header *h = map;
    if (h->magic != SEG_MAGIC || h->nonce != handle->nonce || h->len != handle->len) {
        munmap(map, bytes);
        if (handle->sparse)
            close(fd);
        return vc_fail(VC_ERR_SYS, "%s is not the shared memory that process %ld made", path,
                       (long)handle->pid);
    }
    seg->base = (char *)map + page_size();
    seg->len = (size_t)handle->len;
    seg->sparse = handle->sparse != 0;
    seg->backing = (enum vc_seg_backing)handle->backing;
    if (seg->sparse) {
        seg->fd = fd;
        seg->dev = (uint64_t)st.st_dev;
        seg->ino = (uint64_t)st.st_ino;
    }
    return VC_OK;
}

void vc_seg_settle(struct vc_seg *seg)
{
    if (!seg->base)
        return;
    if (seg->name[0]) {
        shm_unlink(seg->name);
        seg->name[0] = '\0';
    }
    if (seg->fd >= 0 && !seg->needs_fd && (!seg->sparse || is_own_file(seg))) {
        close(seg->fd);
        seg->fd = -1;
    }
}

void vc_seg_detach(struct vc_seg *seg)
{
    if (seg->base) {
        vc_seg_settle(seg);
        if (seg->fd >= 0 && is_own_file(seg))
            close(seg->fd);
        munmap((char *)seg->base - page_size(), object_bytes(seg->len));
    }
    clear_segment(seg);
}

/** "xxxxxxxx-xxxx-..." into 16 bytes. */
static bool parse_uuid(const char *text, unsigned char out[16])
{
    int digits = 0;
    for (const char *s = text; *s && digits < 32; s++) {
        int v;
        if (*s >= '0' && *s <= '9')
            v = *s - '0';
        else if (*s >= 'a' && *s <= 'f')
            v = *s - 'a' + 10;
        else if (*s == '-')
            continue;
        else
            return false;
        out[digits / 2] = (unsigned char)(digits % 2 ? out[digits / 2] | v : v << 4);
        digits++;
    }
    return digits == 32;
}

void vc_os_id_get(struct vc_os_id *id)
{
    memset(id, 0, sizeof *id);
    char text[64] = "";
    bool known = false;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        known = n > 0 && parse_uuid(text, id->boot_id);
        close(fd);
    }
    if (!known) {
        /* Two machines whose ids are unknown must not look the same: this process shares with none. */
        uint64_t a = make_nonce(), b = make_nonce();
        memcpy(id->boot_id, &a, sizeof a);
        memcpy(id->boot_id + sizeof a, &b, sizeof b);
    }
    struct stat st;
    if (stat("/dev/shm", &st) == 0)
        id->shm_dev = (uint64_t)st.st_dev;
    if (stat("/proc/self/ns/pid", &st) == 0)
        id->pid_ns = (uint64_t)st.st_ino;
}
