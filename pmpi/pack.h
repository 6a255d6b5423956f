/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements between the memory they are in, the host's or a device's, and packed buffers of the host. */
#ifndef VC_PMPI_PACK_H
#define VC_PMPI_PACK_H

#include "pmpi/types.h"

/**
 * Elements in the signature's order, without gaps; count * size is at most VC_CALL_LIMIT. VC_OK, VC_ERR_MPI,
 * or of a device VC_ERR_NOMEM or VC_ERR_SYS (the driver's error).
 */
int vc_pack(const void *from, size_t count, const struct vc_dtype *type, void *to);
int vc_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type);

/** The same for elements of a device in the type's own layout, from the device and back; gaps are touched on
 * neither side. */
int vc_fetch(const void *from, void *to, size_t count, const struct vc_dtype *type);
int vc_store(const void *from, void *to, size_t count, const struct vc_dtype *type);

#endif
