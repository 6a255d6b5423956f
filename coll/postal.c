/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/postal.h"

#include "coll/patterns.h"

/* reach[t] for t = 0, 1, ... until all n are reached, which is the t that is returned. */
static int turns_of(int n, int lambda, long long *reach)
{
    int t = 0;
    for (reach[0] = 1; reach[t] < n; t++)
        reach[t + 1] = reach[t] + (t + 1 >= lambda ? reach[t + 1 - lambda] : 0);
    return t;
}

int vc_postal_radix(int radix)
{
    return radix ? vc_tree_radix(radix) : 8;
}

void vc_postal_tree_of(int n, int v, int radix, struct vc_postal_tree *out)
{
    long long reach[VC_POSTAL_TURNS];
    int lambda = radix - 1, left = turns_of(n, lambda, reach), root = 0;
    out->parent = -1;
    out->nchildren = 0;
    /* The n participants from `root` on are to be reached in the turns that are left. It keeps as many as the
     * turns after this one reach, and its next child gets the others. */
    while (n > 1) {
        while (reach[left - 1] >= n)
            left--;
        int kept = (int)reach[left - 1], child = root + kept;
        if (v >= child) {
            out->parent = root;
            root = child;
            n -= kept;
            left -= lambda;
        } else {
            if (v == root)
                out->child[out->nchildren++] = child;
            n = kept;
            left--;
        }
    }
}

long vc_bound_postal(int n, int radix)
{
    struct vc_postal_tree root;
    vc_postal_tree_of(n, 0, vc_postal_radix(radix), &root);
    return root.nchildren;
}
