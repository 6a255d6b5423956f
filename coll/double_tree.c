/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/double_tree.h"

#include "coll/patterns.h"

/*
 * The others have places 1..m. In tree 0 a place's lowest bit that is set tells its height, so places in
 * order are the tree in order, and odd places are leaves. Tree 1 is the same over other places, of the other
 * parity: mirrored, or if that keeps the parity (odd m) shifted by one, but for one participant that is a
 * leaf in both.
 */
static int place_of(int m, int v, int tree)
{
    if (tree == 0)
        return v;
    return m % 2 == 0 ? m + 1 - v : v > 1 ? v - 1 : m;
}

static int participant_at(int m, int place, int tree)
{
    if (tree == 0)
        return place;
    return m % 2 == 0 ? m + 1 - place : place < m ? place + 1 : 1;
}

/* The place that the subtree right of `at` hangs at: nearer than at its height if there are not so many; 0:
 * none. */
static int right_of(int m, int at, int height)
{
    while (height && at + height > m)
        height /= 2;
    return height ? at + height : 0;
}

struct vc_double_tree vc_double_tree_of(int n, int v, int tree)
{
    struct vc_double_tree t = {-1, {-1, -1}};
    int m = n - 1, nchildren = 0;
    if (m < 1)
        return t;
    if (v == 0) {
        t.child[0] = participant_at(m, vc_pow2_below(m), tree);
        return t;
    }
    int place = place_of(m, v, tree), height = place & -place;
    int up = (place ^ height) | (height << 1);
    if (up > m)
        up = place ^ height;
    t.parent = up ? participant_at(m, up, tree) : 0;
    if (height > 1) {
        t.child[nchildren++] = participant_at(m, place - height / 2, tree);
        int right = right_of(m, place, height / 2);
        if (right)
            t.child[nchildren] = participant_at(m, right, tree);
    }
    return t;
}

/** A sixteenth of the message, within these: shorter pieces cost more of a CPU than of a link. */
#define SHORTEST (8 * 1024)
#define LONGEST  (32 * 1024)

static size_t usual_segment(size_t bytes)
{
    size_t segment = SHORTEST;
    while (segment < LONGEST && segment < bytes / 16)
        segment *= 2;
    return segment;
}

int vc_double_tree_segments(const struct vc_shape *shape)
{
    if (!shape->bytes)
        return 0;
    int n = vc_segments(shape->bytes, shape->esize,
                        shape->segment ? shape->segment : usual_segment(shape->bytes));
    return n > 1 ? n & ~1 : 1;
}

long vc_bound_double_tree(const struct vc_shape *shape)
{
    return shape->bytes ? vc_double_tree_segments(shape) : 0;
}
