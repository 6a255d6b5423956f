/* SPDX-License-Identifier: BSD-3-Clause */
/* The groups of a node's ranks, tier by tier: of levels, or all equal. */
#include "tune/model/impl.h"

#include <math.h>

int vc_mgroups(const struct vc_model_phase *p, int t)
{
    int groups = 1;
    if (p->levels)
        return t < p->levels->depth ? p->levels->level[t].ngroups : 1;
    for (int above = t + 1; above < p->tiers; above++)
        groups *= p->group[above];
    return groups;
}

int vc_mmembers(const struct vc_model_phase *p, int t, int g)
{
    const struct vc_levels *l = p->levels;
    int members = 0;
    for (int r = 0, next = 0; r < p->ranks; r++) {
        /* On tier t are the leaders of the level below: groups are numbered by their lowest member. */
        if (t > 0 && l->level[t - 1].group_of[r] != next)
            continue;
        next++;
        members += t == l->depth || l->level[t].group_of[r] == g;
    }
    return members;
}

double vc_mpairs(const struct vc_model_phase *p, int t)
{
    double pairs = 0, inside = 1, n = p->ranks;
    if (n < 2 || t >= p->tiers - 1)
        return n > 1;
    if (!p->levels) {
        for (int below = 0; below <= t; below++)
            inside *= p->group[below];
        return fmin(1, (inside - 1) / (n - 1));
    }
    const struct vc_level *level = &p->levels->level[t];
    for (int g = 0; g < level->ngroups; g++) {
        double members = 0;
        for (int r = 0; r < p->ranks; r++)
            members += level->group_of[r] == g;
        pairs += members * (members - 1);
    }
    return pairs / (n * (n - 1));
}

void vc_model_phase_levels(struct vc_model_phase *p, const struct vc_levels *l, int n, int top)
{
    p->ranks = n;
    p->levels = l->depth > 0 ? l : NULL;
    p->tiers = l->depth + 1;
    for (int t = 0; t < p->tiers; t++) {
        p->near[t] = t < l->depth ? (int)l->level[t].kind : top;
        p->group[t] = l->depth > 0 ? 0 : n;
        for (int g = 0; p->levels && g < vc_mgroups(p, t); g++) {
            int members = vc_mmembers(p, t, g);
            p->group[t] = members > p->group[t] ? members : p->group[t];
        }
    }
}
