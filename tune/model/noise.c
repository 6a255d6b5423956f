/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time that is taken away from ranks at random. Each rank has a sequence of detours of its own, which depends
 * on the seed and the rank alone: so all algorithms meet the same ones.
 */
#include "tune/model/impl.h"

#include <math.h>
#include <stdlib.h>

struct vc_mdetours {
    uint64_t state;
    double begin, end; /* of the next one that may matter */
};

/* splitmix64: any state is a good one. Uniform in (0, 1). */
static double draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

/* One kind after the other, by their rates; they do not wait for each other's end. */
static void next_detour(const struct vc_mnoise *n, struct vc_mdetours *d)
{
    double which = draw(&d->state) * n->rate;
    int kind = 0;
    d->begin -= log(draw(&d->state)) / n->rate;
    while (kind < n->of->n - 1 && which >= n->of->detour[kind].rate)
        which -= n->of->detour[kind++].rate;
    d->end = d->begin + n->of->detour[kind].seconds;
}

bool vc_mnoise_init(struct vc_mnoise *n, const struct vc_model_noise *of, int ranks, uint64_t seed)
{
    double longest = 0;
    *n = (struct vc_mnoise){.of = of};
    for (int i = 0; i < of->n; i++) {
        n->rate += of->detour[i].rate;
        longest = fmax(longest, of->detour[i].seconds);
    }
    n->rank = calloc((size_t)ranks, sizeof *n->rank);
    if (!n->rank)
        return false;
    for (int r = 0; r < ranks; r++) {
        struct vc_mdetours *d = &n->rank[r];
        /* One may be under way when the call begins. */
        *d = (struct vc_mdetours){.state = seed * 0x2545f4914f6cdd1du + (uint64_t)r, .begin = -longest};
        draw(&d->state);
        next_detour(n, d);
    }
    return true;
}

void vc_mnoise_free(struct vc_mnoise *n)
{
    free(n->rank);
}

double vc_mnoise_end(struct vc_mnoise *n, int rank, double begin, double work)
{
    struct vc_mdetours *d = &n->rank[rank];
    double end = begin + work;
    for (; d->begin < end; next_detour(n, d))
        if (d->end > begin) {
            /* It is in the middle of one, or is interrupted. */
            double lost = d->end - fmax(d->begin, begin);
            end += lost;
        }
    return end;
}
