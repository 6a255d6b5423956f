/* SPDX-License-Identifier: BSD-3-Clause */
/* Data with gaps as collectives see them that pack and unpack while they move them. */
#ifndef VC_PMPI_VIEW_H
#define VC_PMPI_VIEW_H

#include "pmpi/run.h"

/** Of one call; `may` is set first, all else is zero. Valid while the call runs. */
struct vc_call_view {
    bool may; /**< the call may have a view */
    struct vc_view packed;
    struct vc_strewn src, dst;
};

/** Whether what was selected for the call, which reduces nothing, takes a view: plans do, and node phases of
 * long messages. A matter of this rank alone. */
bool vc_view_may(const struct vc_comm *c, const struct vc_call *k, const struct vc_selected *sel);

/** The data, or the result, are these elements. False: they have to be packed, or unpacked, as a whole: of a
 * device, or in a layout that is not known. */
bool vc_view_data(struct vc_call_view *v, struct vc_work *w, const void *base, size_t count,
                  const struct vc_dtype *type);
bool vc_view_result(struct vc_call_view *v, struct vc_work *w, void *base, size_t count,
                    const struct vc_dtype *type);

#endif
