/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether ranks get the CPUs that they need. */
#include "tools/doctor/checks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double stolen_now = 0.02, stolen_boot = 0.05; /* shares of CPU time from which on it is said */
static const double busy_share = 0.8;                      /* of a CPU, under which a rank was kept from it */

void doc_node_cpus(const struct doc_node *n, struct doc_set *out)
{
    for (int i = 0; i < n->npeers; i++)
        doc_set_join(out, &n->peer[i].cpus);
}

bool doc_node_crowded(const struct doc_node *n)
{
    struct doc_set cpus = {0};
    doc_node_cpus(n, &cpus);
    double have = n->quota < cpus.n ? n->quota : cpus.n;
    bool crowded = cpus.n > 0 && n->npeers > have + 0.01;
    doc_set_free(&cpus);
    return crowded;
}

void doc_check_quota(const struct doc_node *n, struct doc_out *out)
{
    if (isinf(n->quota))
        doc_say(out, DOC_OK, NULL, "none");
    else if (n->quota + 0.01 < n->npeers)
        doc_say(out, DOC_SLOW, NULL, "%d ranks, and the control groups pay for %.4g CPUs", n->npeers,
                n->quota);
    else
        doc_say(out, DOC_OK, NULL, "%.4g CPUs for %d ranks", n->quota, n->npeers);
}

/* A CPU for each rank, as far as that goes: augmenting paths. */
struct match {
    const struct doc_node *node;
    const struct doc_set *cpus; /* places in it are the numbers below */
    int *owner;                 /* of a CPU: place of a rank, -1 none */
    bool *seen;
};

static int place_of(const struct doc_set *s, int value)
{
    int lo = 0, hi = s->n - 1;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (s->v[mid] < value)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool find_cpu(struct match *m, int rank)
{
    const struct doc_set *mine = &m->node->peer[rank].cpus;
    for (int i = 0; i < mine->n; i++) {
        int cpu = place_of(m->cpus, mine->v[i]);
        if (m->seen[cpu])
            continue;
        m->seen[cpu] = true;
        if (m->owner[cpu] < 0 || find_cpu(m, m->owner[cpu])) {
            m->owner[cpu] = rank;
            return true;
        }
    }
    return false;
}

/* How many ranks can have a CPU of their own; `without` gets those that share the mask of one that cannot. */
static int with_own_cpu(const struct doc_node *n, const struct doc_set *cpus, struct doc_set *without,
                        struct doc_set *theirs)
{
    struct match m = {n, cpus, doc_alloc((size_t)cpus->n, sizeof(int)),
                      doc_alloc((size_t)cpus->n, sizeof(bool))};
    int found = 0;
    for (int i = 0; i < cpus->n; i++)
        m.owner[i] = -1;
    for (int r = 0; r < n->npeers; r++) {
        memset(m.seen, 0, (size_t)cpus->n * sizeof(bool));
        if (find_cpu(&m, r)) {
            found++;
            continue;
        }
        /* The CPUs that the search came to, and who holds them, are those that are too few. */
        doc_set_add(without, n->peer[r].rank);
        for (int c = 0; c < cpus->n; c++) {
            if (!m.seen[c])
                continue;
            doc_set_add(theirs, cpus->v[c]);
            doc_set_add(without, n->peer[m.owner[c]].rank);
        }
    }
    free(m.owner);
    free(m.seen);
    return found;
}

void doc_check_binding(const struct doc_node *n, struct doc_out *out)
{
    struct doc_set cpus = {0}, without = {0}, theirs = {0};
    doc_node_cpus(n, &cpus);
    int found = with_own_cpu(n, &cpus, &without, &theirs);
    int room = n->online.n < n->npeers ? n->online.n : n->npeers;
    if (found < room && cpus.n > 0) {
        char *few = doc_set_text(&theirs);
        doc_say_of(out, DOC_SLOW, &without, NULL,
                   "%d ranks may use CPU%s %s alone, and %d of the %d CPUs have no rank", without.n,
                   theirs.n == 1 ? "" : "s", few, n->online.n - found, n->online.n);
        free(few);
    } else {
        doc_say(out, DOC_OK, NULL,
                found == n->npeers ? "each rank can have a CPU of its own" : "no CPU is left over");
    }
    doc_set_free(&cpus);
    doc_set_free(&without);
    doc_set_free(&theirs);
}

void doc_check_cpus(const struct doc_node *n, struct doc_out *out)
{
    struct doc_set cpus = {0};
    doc_node_cpus(n, &cpus);
    /* While CPUs are left over it is the binding that is to blame. */
    if (cpus.n > 0 && n->npeers > cpus.n && cpus.n >= n->online.n)
        doc_say(out, DOC_SLOW, NULL, "%d ranks on %d CPU%s", n->npeers, cpus.n, cpus.n == 1 ? "" : "s");
    else
        doc_say(out, DOC_OK, NULL, "%d CPU%s for %d rank%s", cpus.n, cpus.n == 1 ? "" : "s", n->npeers,
                n->npeers == 1 ? "" : "s");
    doc_set_free(&cpus);
}

void doc_check_yield(const struct doc_node *n, struct doc_out *out)
{
    struct doc_set spin = {0};
    for (int i = 0; i < n->npeers; i++)
        if (n->peer[i].yields == 0)
            doc_set_add(&spin, n->peer[i].rank);
    if (!doc_node_crowded(n))
        doc_say(out, DOC_OK, NULL, "no need: ranks do not share CPUs");
    else if (spin.n > 0)
        doc_say_of(out, DOC_HINT, &spin, NULL,
                   "ranks share CPUs, and Open MPI spins without yielding while it waits");
    else
        doc_say(out, DOC_OK, NULL, n->peer[0].yields < 0 ? "cannot be told of this MPI" : "it yields");
    doc_set_free(&spin);
}

void doc_check_steal(const struct doc_node *n, struct doc_out *out)
{
    if (n->steal_now > stolen_now)
        doc_say(out, DOC_SLOW, NULL,
                "while all ranks computed for a moment the hypervisor took away %.0f %% of the CPU time",
                100 * n->steal_now);
    else if (n->steal_boot > stolen_boot)
        doc_say(out, DOC_HINT, NULL, "since boot the hypervisor took away %.0f %% of all CPU time",
                100 * n->steal_boot);
    else
        doc_say(out, DOC_OK, NULL, n->steal_boot < 0 ? "cannot be told" : "less than %.0f %%",
                100 * stolen_now);
}

/* In steps, so that nodes on which it is about the same say the same. */
static const char *less_than(double share)
{
    return share < 0.1 ? "a tenth" : share < 0.25 ? "a quarter" : share < 0.5 ? "half" : "80 %";
}

void doc_check_busy(const struct doc_node *n, struct doc_out *out)
{
    struct doc_set few = {0};
    double least = 1;
    for (int i = 0; i < n->npeers; i++) {
        if (n->peer[i].busied < 0 || n->peer[i].busied >= busy_share)
            continue;
        doc_set_add(&few, n->peer[i].rank);
        if (n->peer[i].busied < least)
            least = n->peer[i].busied;
    }
    struct doc_set cpus = {0}, without = {0}, theirs = {0};
    doc_node_cpus(n, &cpus);
    bool own = cpus.n > 0 && with_own_cpu(n, &cpus, &without, &theirs) == n->npeers;
    if (few.n > 0 && own && !doc_node_crowded(n) && n->steal_now <= stolen_now)
        doc_say_of(out, DOC_SLOW, &few, NULL,
                   "computing for a moment, one of these ranks got less than %s of a CPU, though there is "
                   "one for each",
                   less_than(least));
    else
        doc_say(out, DOC_OK, NULL, few.n == 0 ? "each rank got its CPU" : "ranks share CPUs, as told");
    doc_set_free(&few);
    doc_set_free(&cpus);
    doc_set_free(&without);
    doc_set_free(&theirs);
}
