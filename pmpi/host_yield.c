/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/host_yield.h"

#include "pmpi/door.h"
#include "pmpi/kept.h"
#include "pmpi/world.h"
#include "transport/topology/cpus.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* If this rank has waited for a CPU for so many parts in a thousand of the time that it could run, others use
 * its CPU. */
#define KEPT_PERMILLE 50

static struct {
    bool ours;           /* vcoll may turn the switch: neither the user nor the MPI has */
    _Atomic bool shares; /* by the masks, as decided last; relaxed */
    bool tells;          /* the kernel tells how long a rank waited for a CPU */
    bool doubt;          /* by the masks it shares CPUs, but it has not been kept waiting */
    unsigned stolen;
    uint64_t ran, kept;
} state;

static int (*_Atomic next_yield)(void);

extern __typeof__(sched_yield) sched_yield __attribute__((visibility("default")));

/* Replaces the C library's: Open MPI calls it when its progress has found nothing, and tells that in no other
 * way (transport/mpi/progress.c). All other calls go on to the next function of that name. */
int sched_yield(void)
{
    if (vc_host_sees_yield())
        return 0;
    int (*next)(void) = atomic_load_explicit(&next_yield, memory_order_acquire);
    return next ? next() : (int)syscall(SYS_sched_yield);
}

/* At load, because a tool's sched_yield() behind vcoll is the next one in programs without MPI, too, and
 * while vcoll is disabled. Before that, in constructors of other libraries, there is the kernel. */
__attribute__((constructor)) static void find_next_yield(void)
{
    void *sym = dlsym(RTLD_NEXT, "sched_yield");
    int (*next)(void) = NULL;
    memcpy(&next, &sym, sizeof sym);
    atomic_store_explicit(&next_yield, next, memory_order_release);
}

static unsigned stolen_now(void)
{
    return (unsigned)atomic_load_explicit(&vc_wait_stats.stolen, memory_order_relaxed);
}

static void set_switch(void)
{
    bool want = vc_params.host_yield == VC_HOST_YIELD_ON ||
                (vc_params.host_yield == VC_HOST_YIELD_AUTO && vc_host_shares());
    if (!state.ours || want == vc_host_yields())
        return;
    vc_host_set_yield(want);
    vc_log(VC_LOG_INFO, want ? "this rank shares CPUs: the MPI yields while it waits"
                             : "this rank has a CPU of its own: the MPI does not yield any more");
}

static void decide(void)
{
    set_switch();
    atomic_store_explicit(&vc_wait_shares, vc_host_shares(), memory_order_relaxed);
}

static bool user_has_set(void)
{
    return vc_params.host_yield == VC_HOST_YIELD_AUTO && getenv("OMPI_MCA_mpi_yield_when_idle") != NULL;
}

void vc_host_yield_init(void)
{
    const struct vc_world *w = &vc_world;
    state.shares = w->os_crowded[w->os_of[w->rank]] || vc_cpus_shared(w->claims, w->nclaims, w->claim, 0);
    state.ours = vc_params.host_yield != VC_HOST_YIELD_OFF && vc_host_can_yield() && !vc_host_yields() &&
                 !user_has_set();
    state.tells = vc_cpus_delay(NULL, &state.ran, &state.kept);
    /* Where CPUs are shared from the start, all ranks know. */
    if (state.ours && state.tells && !state.shares && vc_params.host_yield == VC_HOST_YIELD_AUTO)
        vc_kept_init(decide);
    decide();
}

bool vc_host_shares(void)
{
    return atomic_load_explicit(&state.shares, memory_order_relaxed) || vc_kept_shares();
}

/* Whether this rank had to wait for a CPU since this was asked last. True where the kernel does not say. */
static bool was_kept_waiting(void)
{
    uint64_t ran, kept;
    if (!state.tells || !vc_cpus_delay(NULL, &ran, &kept))
        return true;
    uint64_t could = ran - state.ran + kept - state.kept;
    bool yes = (kept - state.kept) * 1000 > could * KEPT_PERMILLE;
    state.ran = ran;
    state.kept = kept;
    return yes;
}

/* This rank's mask or quota has changed. Other ranks do not tell theirs again: those that had this rank's
 * mask are taken to have moved with it. */
static void move_claims(const uint64_t *mask, double quota)
{
    struct vc_cpu_claim *mine = &vc_world.claims[vc_world.claim];
    uint64_t old[VC_MASK_WORDS];
    memcpy(old, mine->mask, sizeof old);
    for (int i = 0; i < vc_world.nclaims; i++) {
        struct vc_cpu_claim *c = &vc_world.claims[i];
        if (memcmp(c->mask, old, sizeof old) == 0)
            memcpy(c->mask, mask, sizeof c->mask);
        if (c->os == mine->os)
            c->quota = quota;
    }
}

static void look_again(void)
{
    struct vc_cpu_claim *mine = &vc_world.claims[vc_world.claim];
    uint64_t mask[VC_MASK_WORDS];
    unsigned stolen = stolen_now();
    double quota = vc_cpus_quota(NULL);
    /* Stolen time comes and goes: it counts from a quarter on, and until it is under a tenth. */
    bool more = stolen > 250, had = state.stolen > 0;
    if (had && stolen > 100)
        more = true;
    bool waited = was_kept_waiting();
    vc_kept_note(waited && state.tells);
    if (!vc_cpus_mask(mask) || (memcmp(mask, mine->mask, sizeof mask) == 0 && !(quota < mine->quota) &&
                                !(quota > mine->quota) && more == had && !state.doubt))
        return;
    move_claims(mask, quota);
    state.stolen = more ? (stolen > 251 ? stolen : 251) : 0;
    bool shares = vc_cpus_shared(vc_world.claims, vc_world.nclaims, vc_world.claim, state.stolen);
    /* A smaller mask may be the program's own binding, which gives each rank a CPU: so it takes more than the
     * mask to say that CPUs are shared. */
    state.doubt = shares && !state.shares && !more && !waited;
    state.shares = shares && !state.doubt;
    decide();
}

void vc_host_yield_again(void)
{
    /* With MPI_THREAD_MULTIPLE several threads wait at once, and one look is enough. The acquire pairs with
     * the release of the look before, which wrote `state` and the claims. */
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        return;
    look_again();
    atomic_flag_clear_explicit(&busy, memory_order_release);
}
