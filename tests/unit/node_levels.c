/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/node_levels.h"

#include "tests/unit/node_rig.h"

/* Adds a level unless each of its groups has one rank, or one has all; numbers groups by their lowest member.
 */
static void add_level(struct synthetic *s, int n, const int *group)
{
    int *to = s->group_of[s->levels.depth], number[SYNTHETIC_RANKS], ngroups = 0;
    for (int i = 0; i < n; i++)
        number[i] = -1;
    for (int r = 0; r < n; r++) {
        if (number[group[r]] < 0)
            number[group[r]] = ngroups++;
        to[r] = number[group[r]];
    }
    if (ngroups == 1 || ngroups == n)
        return;
    s->levels.level[s->levels.depth++] =
        (struct vc_level){.kind = VC_LEVEL_CPU, .ngroups = ngroups, .group_of = to};
}

void make_random_levels(struct synthetic *s, int n, int depth, bool shuffled, unsigned seed)
{
    int order[SYNTHETIC_RANKS], cut[SYNTHETIC_RANKS + 1], group[SYNTHETIC_RANKS] = {0};
    s->levels.depth = 0;
    for (int r = 0; r < n; r++)
        order[r] = r;
    for (int i = n - 1; shuffled && i > 0; i--) {
        int j = (int)(next_random(&seed) % (unsigned)(i + 1)), r = order[i];
        order[i] = order[j];
        order[j] = r;
    }
    for (int i = 0; i <= n; i++)
        cut[i] = i == 0; /* whether a group begins at place i: at first all singles, then fewer and fewer */
    for (int i = 1; i < n; i++)
        cut[i] = next_random(&seed) % 3 == 0;
    for (int d = 0; d < depth; d++) {
        int g = -1;
        for (int i = 0; i < n; i++) {
            g += cut[i];
            group[order[i]] = g;
        }
        add_level(s, n, group);
        for (int i = 1; i < n; i++)
            cut[i] &= next_random(&seed) % 2 == 0;
    }
}

void make_even_levels(struct synthetic *s, int n, const int *size)
{
    int group[SYNTHETIC_RANKS], whole = 1;
    s->levels.depth = 0;
    for (int d = 0; d < VC_LEVEL_KINDS && size[d]; d++) {
        whole *= size[d];
        for (int r = 0; r < n; r++)
            group[r] = r / whole;
        add_level(s, n, group);
    }
}
