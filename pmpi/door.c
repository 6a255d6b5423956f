/* SPDX-License-Identifier: BSD-3-Clause */
/* The state that door.h declares. */
#include "pmpi/door.h"

#include "pmpi/stack.h"

#include <stdio.h>

_Atomic int vc_gate = VC_GATE_UNKNOWN;
_Atomic int vc_gate_mpi = VC_GATE_UNKNOWN;
struct vc_params vc_params;
struct vc_wait_cfg vc_wait;

static char failure[1024];

void vc_gate_set(enum vc_gate gate)
{
    bool aside = gate == VC_GATE_OPEN && vc_stack_any();
    atomic_store_explicit(&vc_gate, (int)gate, memory_order_relaxed);
    atomic_store_explicit(&vc_gate_mpi, (int)(aside ? VC_GATE_WATCHED : gate), memory_order_relaxed);
}

void vc_gate_fail(const char *why)
{
    snprintf(failure, sizeof failure, "%s", why);
}

const char *vc_gate_failure(void)
{
    return failure[0] ? failure : NULL;
}
