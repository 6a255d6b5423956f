/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/kept.h"

#include "pmpi/arena.h"
#include "pmpi/world.h"
#include "transport/mpi/next.h"

#include <sched.h>
#include <stdatomic.h>

/* How long a rank yields after the last answer, or its own: at first, and at most. */
#define FIRST_NS UINT64_C(1000000000)
#define MOST_NS  UINT64_C(64000000000)
/* So many questions that nobody answers may follow each other by then. */
#define UNANSWERED 2

/* What the word says: a CPU, the number of the rank that was kept waiting there, a count that makes each
 * question another one, and whether somebody has answered. */
#define CPU_BITS 16
#define WHO_BITS 16
#define COUNT_AT (CPU_BITS + WHO_BITS)
#define ANSWERED (UINT64_C(1) << 63)
#define FIELD(n) ((UINT64_C(1) << (n)) - 1)

/* Relaxed throughout: hints, which order nothing. `seen` is the word that was understood last. */
static struct {
    _Atomic uint64_t *word; /* NULL: ranks cannot tell each other */
    uint64_t me;
    void (*changed)(void);
    _Atomic uint64_t seen, until, hold, count;
    _Atomic unsigned unanswered; /* questions */
    _Atomic bool shares;
} kept;

static uint64_t own_cpu(void)
{
    int cpu = sched_getcpu();
    return cpu < 0 ? FIELD(CPU_BITS) : (uint64_t)cpu & FIELD(CPU_BITS);
}

static void turn(bool on)
{
    if (atomic_exchange_explicit(&kept.shares, on, memory_order_relaxed) == on)
        return;
    if (!on) {
        uint64_t hold = 2 * atomic_load_explicit(&kept.hold, memory_order_relaxed);
        atomic_store_explicit(&kept.hold, hold < MOST_NS ? hold : MOST_NS, memory_order_relaxed);
    }
    kept.changed();
}

static void hear(uint64_t said)
{
    bool answered = said & ANSWERED, own = (said >> CPU_BITS & FIELD(WHO_BITS)) == kept.me;
    atomic_store_explicit(&kept.seen, said, memory_order_relaxed);
    if (answered != own || (said & FIELD(CPU_BITS)) != own_cpu())
        return;
    uint64_t hold = atomic_load_explicit(&kept.hold, memory_order_relaxed);
    atomic_store_explicit(&kept.until, vc_now_ns() + hold, memory_order_relaxed);
    atomic_store_explicit(&kept.unanswered, 0, memory_order_relaxed);
    turn(true);
    if (!answered)
        atomic_compare_exchange_strong_explicit(kept.word, &said, said | ANSWERED, memory_order_relaxed,
                                                memory_order_relaxed);
}

/* In the MPI's progress. */
static int look(void)
{
    uint64_t said = atomic_load_explicit(kept.word, memory_order_relaxed);
    if (VC_UNLIKELY(said != atomic_load_explicit(&kept.seen, memory_order_relaxed)))
        hear(said);
    return 0;
}

void vc_kept_init(void (*changed)(void))
{
    const struct vc_kin *own = vc_world_kin(vc_world.rank);
    if (!vc_memory || vc_world.nkin < 2 || own->place < 0)
        return;
    struct vc_memory_head *first = vc_arena_head(vc_memory, 0);
    kept.word = &first->kept;
    kept.me = (uint64_t)own->place & FIELD(WHO_BITS);
    kept.changed = changed;
    atomic_store_explicit(&kept.seen, 0, memory_order_relaxed);
    atomic_store_explicit(&kept.hold, FIRST_NS, memory_order_relaxed);
    if (vc_host_call_back_seldom(look) != VC_OK)
        kept.word = NULL;
}

void vc_kept_fini(void)
{
    kept.word = NULL;
    atomic_store_explicit(&kept.shares, false, memory_order_relaxed);
}

void vc_kept_note(bool waited)
{
    if (!kept.word)
        return;
    uint64_t now = vc_now_ns();
    unsigned asked = 0;
    if (waited) {
        asked = 1 + atomic_fetch_add_explicit(&kept.unanswered, 1, memory_order_relaxed);
        uint64_t count = atomic_fetch_add_explicit(&kept.count, 1, memory_order_relaxed) & FIELD(31);
        atomic_store_explicit(kept.word,
                              (count + 1) % FIELD(31) << COUNT_AT | kept.me << CPU_BITS | own_cpu(),
                              memory_order_relaxed);
    }
    /* Another program may keep this rank waiting: what counts is whether somebody answers. */
    if (now > atomic_load_explicit(&kept.until, memory_order_relaxed) && (!waited || asked > UNANSWERED))
        turn(false);
}

bool vc_kept_shares(void)
{
    return atomic_load_explicit(&kept.shares, memory_order_relaxed);
}
