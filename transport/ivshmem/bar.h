/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory that virtual machines of one host share: BAR 2 of QEMU's ivshmem-plain device, mapped from the
 * file resource2 of the PCI device. No kernel module and no daemon take part. Any regular file does the same,
 * which is how tests share memory, and how containers of one kernel could.
 */
#ifndef VC_TRANSPORT_IVSHMEM_BAR_H
#define VC_TRANSPORT_IVSHMEM_BAR_H

#include "transport/base.h"

/** Smallest and largest memory that is used. */
#define VC_BAR_MIN ((size_t)1 << 20)
#define VC_BAR_MAX ((size_t)1 << 40)

/** Reading a line of the mapping may take this long on average; an uncached mapping takes several times as
 * long, and a message over the network would be faster. */
#define VC_BAR_SLOW_NS 500

/** A mapping of this process. */
struct vc_bar {
    void *base; /**< NULL: none */
    size_t len;
    char name[300];   /**< the file */
    unsigned line_ns; /**< what reading a line took, 0: too little to tell */
};

/** An ivshmem device of this machine. */
struct vc_bar_device {
    char address[32];
    bool doorbell; /**< an ivshmem-doorbell, which cannot be used */
};
enum { VC_BAR_DEVICES = 16 };
/** At most `max` of them, ascending by address. `root` as in vc_bar_open(). */
int vc_bar_devices(const char *root, struct vc_bar_device *list, int max);

/**
 * Finds and maps it. `where`: "auto" (the first ivshmem-plain device), the address of a PCI device
 * ("0000:00:05.0"), or the name of a file. `root`: that of /sys, as in sysfile.h; NULL: this system.
 * VC_ERR_UNSUPPORTED with "auto": there is no such device, which is no reason for a warning. VC_ERR_INVAL,
 * VC_ERR_SYS or VC_ERR_NOMEM: there is one, and it cannot be used, for the reason in the text.
 */
int vc_bar_open(const char *root, const char *where, struct vc_bar *out);
/** Safe on a zeroed struct. */
void vc_bar_close(struct vc_bar *bar);

#endif
