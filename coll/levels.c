/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/levels.h"

#include "transport/base.h"
#include "transport/topology/levels.h"

#include <stdbool.h>

_Static_assert((int)VC_LEVEL_CPU == VC_UNIT_CORE && (int)VC_LEVEL_CACHE == VC_UNIT_CACHE &&
                   (int)VC_LEVEL_NUMA == VC_UNIT_NUMA && (int)VC_LEVEL_KINDS == VC_UNITS,
               "a level for each kind of unit");

const char *vc_level_name(enum vc_level_kind kind)
{
    static const char *const name[] = {"core", "cache", "numa"};
    return name[kind];
}

/* Numbers the groups by their lowest member; how many there are, 0: some rank's unit is unknown. */
static int number_groups(const struct vc_locality *of, int n, int kind, int *group_of)
{
    int groups = 0;
    for (int i = 0; i < n; i++) {
        int first = 0;
        if (of[i].unit[kind] < 0)
            return 0;
        while (of[first].unit[kind] != of[i].unit[kind])
            first++;
        group_of[i] = first == i ? groups++ : group_of[first];
    }
    return groups;
}

/* Whether each group of `fine` lies inside one of `coarse`. Both are numbered by their lowest member. */
static bool is_nested(const struct vc_level *fine, const struct vc_level *coarse, int n)
{
    for (int i = 0; i < n; i++) {
        int first = 0;
        while (fine->group_of[first] != fine->group_of[i])
            first++;
        if (coarse->group_of[first] != coarse->group_of[i])
            return false;
    }
    return true;
}

void vc_levels_build(const struct vc_locality *of, int n, int *mem, struct vc_levels *out)
{
    struct vc_level found[VC_LEVEL_KINDS] = {{VC_LEVEL_CPU, 0, NULL}};
    int nfound = 0;
    for (int kind = 0; kind < VC_LEVEL_KINDS; kind++) {
        int *group_of = mem + (size_t)kind * (size_t)n, groups = number_groups(of, n, kind, group_of), at;
        if (groups <= 1 || groups == n)
            continue;
        /* The finest comes first; of two with equally many groups the one of the finer kind. */
        for (at = nfound++; at > 0 && found[at - 1].ngroups < groups; at--)
            found[at] = found[at - 1];
        found[at] = (struct vc_level){(enum vc_level_kind)kind, groups, group_of};
    }
    out->depth = 0;
    for (int i = 0; i < nfound; i++) {
        const struct vc_level *finer = out->depth > 0 ? &out->level[out->depth - 1] : NULL;
        /* Nested and equally many are the same. */
        if (!finer || (found[i].ngroups < finer->ngroups && is_nested(finer, &found[i], n)))
            out->level[out->depth++] = found[i];
    }
}

char *vc_levels_text(const struct vc_levels *l, int n, char *buf, size_t len)
{
    buf[0] = '\0';
    vc_append(buf, len, l->depth > 0 ? "%d ranks:" : "%d ranks, flat", n);
    for (int k = 0; k < l->depth; k++) {
        const struct vc_level *level = &l->level[k];
        int least = n, most = 0;
        for (int g = 0; g < level->ngroups; g++) {
            int size = 0;
            for (int i = 0; i < n; i++)
                size += level->group_of[i] == g;
            least = size < least ? size : least;
            most = size > most ? size : most;
        }
        vc_append(buf, len, "%s %s %d x %d", k ? "," : "", vc_level_name(level->kind), level->ngroups, least);
        if (most > least)
            vc_append(buf, len, "..%d", most);
    }
    return buf;
}
