/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading what the kernel says in /proc and /sys. Every function takes the root of the tree: NULL or "" is
 * this system; tests hand in a directory with a made-up one. Nothing here records errors: a file that is not
 * there is an answer.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_SYSFILE_H
#define VC_TRANSPORT_TOPOLOGY_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>

/** Reads a file's first len - 1 bytes, without trailing white space. False (and "") when it cannot be read.
 */
bool vc_sys_read(const char *root, char *buf, size_t len, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** The whole file, NUL-terminated, to be freed by the caller; NULL when it cannot be read. */
char *vc_sys_read_all(const char *root, const char *path);

/** A file that holds one whole number, decimal or 0x hexadecimal. False when it does not. */
bool vc_sys_number(const char *root, long long *out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** True when the path exists. */
bool vc_sys_exists(const char *root, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Last component of where a symbolic link points. False (and "") when it is none. */
bool vc_sys_link_name(const char *root, char *buf, size_t len, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** Names in a directory, without those that begin with a dot, sorted; the first 64 that readdir finds.
 * Returns how many, 0 if none. */
struct vc_sys_names {
    int n;
    char name[64][64];
};
int vc_sys_list(const char *root, struct vc_sys_names *names, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
