/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll.h. */
#include "include/vcoll/vcoll.h"

#include "pmpi/comm.h"
#include "pmpi/symbols.h"
#include "pmpi/team.h"

#include <string.h>

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

extern __typeof__(vcoll_version) vcoll_version VC_PUBLIC;
extern __typeof__(vcoll_native) vcoll_native VC_PUBLIC;
extern __typeof__(vcoll_comm_describe) vcoll_comm_describe VC_PUBLIC;
extern __typeof__(vcoll_comm_algorithm) vcoll_comm_algorithm VC_PUBLIC;
extern __typeof__(vcoll_host_progress) vcoll_host_progress VC_PUBLIC;

const char *vcoll_version(void)
{
    return TEXT(VCOLL_VERSION_MAJOR) "." TEXT(VCOLL_VERSION_MINOR) "." TEXT(VCOLL_VERSION_PATCH);
}

void *vcoll_native(const char *name)
{
    vc_next_init();
    return name ? vc_next_symbol(name) : NULL;
}

/* Only while the door is open there is anything to know. */
static struct vc_comm *known(const void *comm)
{
    MPI_Comm handle;
    int gate = atomic_load_explicit(&vc_gate, memory_order_relaxed);
    if (!comm || (gate != VC_GATE_OPEN && gate != VC_GATE_WATCHED))
        return NULL;
    memcpy(&handle, comm, sizeof handle);
    return vc_comm_peek(handle);
}

int vcoll_comm_describe(const void *comm, struct vcoll_comm_info *info)
{
    const struct vc_comm *c = known(comm);
    if (!c || !info)
        return -1;
    const struct vc_team *t = c->team;
    memset(info, 0, sizeof *info);
    info->active = c->phase == VC_COMM_ACTIVE;
    info->why_not = info->active ? "" : c->why_not;
    info->setup_seconds = c->setup_seconds;
    info->heap_bytes = sizeof *c;
    if (t) {
        info->nodes = t->hier.nnodes;
        info->ranks_here = t->nlocal;
        info->shm_bytes = t->seg.len + t->chan_seg.len;
        info->heap_bytes += vc_team_heap(t);
    }
    return 0;
}

const char *vcoll_comm_algorithm(const void *comm, const char *collective, unsigned long long bytes)
{
    int coll = collective ? vc_coll_by_name(collective) : -1;
    const struct vc_comm *c = known(comm);
    if (coll < 0 || !c)
        return "";
    if (coll >= VC_COLL_ACCELERATED || c->phase != VC_COMM_ACTIVE || !(vc_params.colls & 1u << coll) ||
        bytes > VC_CALL_LIMIT)
        return "native";
    return vc_select(&c->team->sel, (enum vc_coll)coll, (size_t)bytes, true)->alg->name;
}

void vcoll_host_progress(void)
{
    vc_host_progress();
}
