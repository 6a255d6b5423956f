/* SPDX-License-Identifier: BSD-3-Clause */
/* What takes CPUs away: a rank of each host does nothing but look at the clock, and notes when it could not.
 */
#include "tune/search/fit.h"

#include <math.h>

/* Shorter gaps are the looking itself, and what the caches do. */
#define LEAST 1e-6
/* At most this part of the time that is given, and at least and at most so long. */
#define PART     0.2
#define SHORTEST 0.05
#define LONGEST  1.0

/* Kind k: gaps from LEAST * 2^k to twice as long; the last one has no end. */
struct gaps {
    double count[VC_MODEL_DETOURS], seconds[VC_MODEL_DETOURS], watched;
};

static void watch(double seconds, struct gaps *g)
{
    double last = vc_measure_now(), end = last + seconds, now;
    while ((now = vc_measure_now()) < end) {
        if (now - last >= LEAST) {
            int kind = (int)fmin(log2((now - last) / LEAST), VC_MODEL_DETOURS - 1);
            g->count[kind]++;
            g->seconds[kind] += now - last;
        }
        last = now;
    }
    g->watched = seconds;
}

void vc_fit_noise(struct vc_measure_world *w, double seconds, struct vc_model_noise *noise)
{
    struct gaps mine = {.watched = 0}, all;
    /* The other ranks of the host sleep meanwhile. */
    if (w->local_rank == 0)
        watch(fmin(fmax(PART * seconds, SHORTEST), LONGEST), &mine);
    vc_measure_quiet_barrier(w);
    w->control->allreduce(&mine, &all, (int)(sizeof mine / sizeof(double)), MPI_DOUBLE, MPI_SUM, w->ctl);
    *noise = (struct vc_model_noise){.n = 0};
    for (int k = 0; k < VC_MODEL_DETOURS; k++)
        if (all.count[k] > 0) {
            noise->detour[noise->n].rate = all.count[k] / all.watched;
            noise->detour[noise->n++].seconds = all.seconds[k] / all.count[k];
        }
    if (vc_model_noise_share(noise) > 0.9) /* somebody else had the CPUs: nothing to play with */
        noise->n = 0;
}
