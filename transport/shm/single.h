/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single copy: memory of another process, read and written where it is. It is mapped (map.h) where the
 * process has a map and the range can be mapped, and copied by the kernel (cross memory attach) otherwise.
 */
#ifndef VC_TRANSPORT_SHM_SINGLE_H
#define VC_TRANSPORT_SHM_SINGLE_H

#include "transport/copy/copy.h"
#include "transport/shm/map.h"

#include <sys/types.h>

/**
 * Reads len bytes at `remote` in process `pid` into `local`, or writes them; `map`: that process, or NULL.
 * VC_OK or VC_ERR_SYS.
 */
int vc_single_read(pid_t pid, struct vc_map_peer *map, void *local, uint64_t remote, size_t len,
                   enum vc_copy_role role);
int vc_single_write(pid_t pid, struct vc_map_peer *map, const void *local, uint64_t remote, size_t len);

/** The same by cross memory attach alone. */
int vc_cma_read(pid_t pid, void *local, uint64_t remote, size_t len);
int vc_cma_write(pid_t pid, const void *local, uint64_t remote, size_t len);

#endif
