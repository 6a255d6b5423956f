/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that find the gate not open. */
#include "pmpi/comm.h"
#include "pmpi/device_mem.h"
#include "pmpi/ft.h"
#include "pmpi/online.h"
#include "pmpi/redop.h"
#include "pmpi/stats.h"

/* A driver of devices: calls may have its memory from now on, so each of them has to look. */
static void found_device(void)
{
    _Atomic int *const gate[] = {&vc_gate, &vc_gate_mpi};
    vc_types_forget();
    for (size_t i = 0; i < sizeof gate / sizeof gate[0]; i++) {
        int open = VC_GATE_OPEN;
        atomic_compare_exchange_strong_explicit(gate[i], &open, VC_GATE_WATCHED, memory_order_relaxed,
                                                memory_order_relaxed);
    }
}

void vc_gate_look_for_devices(void)
{
    vc_device_look(found_device);
    if (vc_device_on())
        vc_redop_forget();
}

/* The gate as this call finds it; does not return where a bad setting ends the job. */
static enum vc_gate pass_gate(MPI_Comm comm)
{
    int gate = atomic_load_explicit(&vc_gate, memory_order_relaxed);
    if (gate == VC_GATE_UNKNOWN) {
        /* A collective before MPI_Init: the MPI gives its own error. */
        vc_next_init();
        return VC_GATE_CLOSED;
    }
    if (gate == VC_GATE_WATCHED && vc_gate_failure()) {
        vc_log(VC_LOG_ERROR, "%s", vc_gate_failure());
        vc_next.Abort(comm != NULL && comm != MPI_COMM_NULL ? comm : MPI_COMM_WORLD, 1);
    }
    return (enum vc_gate)gate;
}

static void learn_from_call(const struct vc_call *k, int rc, uint64_t took)
{
    /* After an error the handle may not be a communicator. */
    bool known = rc == MPI_SUCCESS && (vc_params.colls & 1u << k->coll);
    struct vc_comm *c = known ? vc_comm_find(k->comm) : NULL;
    if (c && c->phase == VC_COMM_LEARNING)
        vc_online_done(c->team, k, took);
}

/* On a revoked communicator the MPI gives its own error. Asked only of those that vcoll serves, since the
 * others pass through anyway. */
static bool is_revoked(MPI_Comm comm)
{
    struct vc_comm *c = vc_comm_find(comm);
    return c && c->team && vc_ft_revoked(comm);
}

bool vc_gate_takes(const struct vc_call *k)
{
    if (pass_gate(k->comm) == VC_GATE_CLOSED || (vc_ft_on() && is_revoked(k->comm)))
        return false;
    if (vc_params.device_memory == VC_DEVICE_WATCH)
        vc_gate_look_for_devices();
    else if (vc_device_on())
        vc_redop_forget();
    return true;
}

int vc_call_slow(struct vc_call *k, int (*fn)(struct vc_call *))
{
    if (!vc_gate_takes(k))
        return vc_native(k);
    if (!vc_stats_on() && !vc_online_wanted())
        return fn(k);
    uint64_t begun = vc_now_ns();
    int rc = fn(k);
    uint64_t took = vc_now_ns() - begun;
    if (vc_stats_on())
        vc_stats_call(k, took);
    if (vc_online_wanted())
        learn_from_call(k, rc, took);
    return rc;
}

uint64_t vc_other_begin(void)
{
    return pass_gate(MPI_COMM_WORLD) == VC_GATE_WATCHED && vc_stats_on() ? vc_now_ns() : 0;
}

void vc_other_end(enum vc_coll coll, enum vc_pass why, uint64_t begun, size_t bytes)
{
    struct vc_call k = {.coll = coll, .bytes = bytes, .why = why};
    vc_stats_call(&k, vc_now_ns() - begun);
}
