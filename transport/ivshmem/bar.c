/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/ivshmem/bar.h"

#include "transport/topology/sysfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VENDOR  0x1af4
#define DEVICE  0x1110
#define DEVICES "/sys/bus/pci/devices"

/* Bytes of a BAR, by its line in `resource`: start, end and flags. 0: there is none. */
static unsigned long long bar_bytes(const char *root, const char *bdf, int bar)
{
    char text[2048];
    if (!vc_sys_read(root, text, sizeof text, DEVICES "/%s/resource", bdf))
        return 0;
    char *save = NULL, *line = strtok_r(text, "\n", &save);
    for (int i = 0; line && i < bar; i++)
        line = strtok_r(NULL, "\n", &save);
    unsigned long long start = 0, end = 0;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own text */
    if (!line || sscanf(line, "%llx %llx", &start, &end) != 2)
        return 0;
    return end > start ? end - start + 1 : 0;
}

static bool is_ivshmem(const char *root, const char *bdf)
{
    long long vendor, device;
    return vc_sys_number(root, &vendor, DEVICES "/%s/vendor", bdf) && vendor == VENDOR &&
           vc_sys_number(root, &device, DEVICES "/%s/device", bdf) && device == DEVICE;
}

static void sort_in(struct vc_bar_device *list, int n, const struct vc_bar_device *d)
{
    int at = n;
    for (; at > 0 && strcmp(list[at - 1].address, d->address) > 0; at--)
        list[at] = list[at - 1];
    list[at] = *d;
}

int vc_bar_devices(const char *root, struct vc_bar_device *list, int max)
{
    char path[PATH_MAX];
    int n = 0;
    snprintf(path, sizeof path, "%s" DEVICES, root ? root : "");
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && n < max && (e = readdir(dir)) != NULL;) {
        struct vc_bar_device d;
        if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof d.address || !is_ivshmem(root, e->d_name))
            continue;
        snprintf(d.address, sizeof d.address, "%s", e->d_name);
        /* Devices with interrupts have the same ids. Their memory belongs to a server that may not be there.
         */
        d.doorbell = bar_bytes(root, e->d_name, 1) > 0;
        sort_in(list, n++, &d);
    }
    if (dir)
        closedir(dir);
    return n;
}

/* The first by address of those that can be used, or that cannot. False: there is none. */
static bool find_device(const char *root, struct vc_bar_device *out)
{
    struct vc_bar_device list[VC_BAR_DEVICES];
    int n = vc_bar_devices(root, list, VC_BAR_DEVICES), at = 0;
    while (at < n && list[at].doorbell)
        at++;
    if (n > 0)
        *out = list[at < n ? at : 0];
    return n > 0;
}

static int check_device(const char *root, const char *bdf)
{
    if (!is_ivshmem(root, bdf))
        return vc_fail(VC_ERR_INVAL, "%s is not an ivshmem device (%04x:%04x)", bdf, VENDOR, DEVICE);
    if (bar_bytes(root, bdf, 1) > 0)
        return vc_fail(VC_ERR_INVAL,
                       "the ivshmem device %s is an ivshmem-doorbell; give the machine an ivshmem-plain",
                       bdf);
    return VC_OK;
}

/* Nanoseconds that reading a line takes. The best of some rounds: the first one maps the pages. */
static unsigned time_lines(const volatile unsigned char *mem, size_t len)
{
    enum { ROUNDS = 4, LINES = 512 };
    size_t lines = vc_min_size(len / VC_CACHELINE, LINES);
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t begun = vc_now_ns();
        for (size_t k = 0; k < lines; k++)
            (void)*(const volatile uint64_t *)(const volatile void *)(mem + k * VC_CACHELINE);
        uint64_t took = vc_now_ns() - begun;
        best = took < best ? took : best;
    }
    return (unsigned)(best / lines);
}

static int map_file(const char *path, struct vc_bar *out)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return vc_fail(VC_ERR_SYS, "the shared memory %s cannot be opened: %s%s", path, strerror(errno),
                       errno == EACCES ? "; it needs a udev rule (docs/ivshmem.md)" : "");
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size < VC_BAR_MIN ||
        (size_t)st.st_size > VC_BAR_MAX || (st.st_size & (st.st_size - 1)) != 0) {
        close(fd);
        return vc_fail(
            VC_ERR_INVAL,
            "the shared memory %s has a size of %lld bytes; a power of two from 1 MiB on is needed", path,
            (long long)st.st_size);
    }
    void *mem = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int err = errno;
    close(fd);
    if (mem == MAP_FAILED)
        return vc_fail(err == ENOMEM ? VC_ERR_NOMEM : VC_ERR_SYS, "the shared memory %s cannot be mapped: %s",
                       path, strerror(err));
    out->base = mem;
    out->len = (size_t)st.st_size;
    snprintf(out->name, sizeof out->name, "%s", path);
    out->line_ns = time_lines(mem, out->len);
    if (out->line_ns < VC_BAR_SLOW_NS)
        return VC_OK;
    vc_bar_close(out);
    return vc_fail(VC_ERR_INVAL,
                   "the shared memory %s takes %u ns a line, as an uncached mapping does (docs/ivshmem.md)",
                   path, out->line_ns);
}

int vc_bar_open(const char *root, const char *where, struct vc_bar *out)
{
    struct vc_bar_device found;
    char path[PATH_MAX];
    const char *bdf = where;
    memset(out, 0, sizeof *out);
    if (strchr(where, '/'))
        return map_file(where, out);
    if (strcasecmp(where, "auto") == 0) {
        if (!find_device(root, &found))
            return vc_fail(VC_ERR_UNSUPPORTED, "there is no ivshmem device");
        bdf = found.address;
    }
    int err = check_device(root, bdf);
    if (err != VC_OK)
        return err;
    snprintf(path, sizeof path, "%s" DEVICES "/%s/resource2", root ? root : "", bdf);
    return map_file(path, out);
}

void vc_bar_close(struct vc_bar *bar)
{
    if (bar->base)
        munmap(bar->base, bar->len);
    bar->base = NULL;
    bar->len = 0;
}
